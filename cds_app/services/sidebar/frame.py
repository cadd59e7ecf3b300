"""What all pages of a visit have in common: whose they are, the tabs, and the way to HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from jinja2 import DictLoader, Environment

from cds_app.cards.text import clock_time
from cds_app.domain.limit_texts import worded
from cds_app.domain.ontology import Ontology
from cds_app.domain.visits import Visit
from cds_app.errors import BadRequest
from cds_app.pages.rendering import Words, html_environment, page
from cds_app.pages.subject import Subject, identity
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.sidebar.opening import Opened, Opening

IDLE_MIN: Final = 15
MOST_BACK_H: Final = 24.0 * 30
_TABS: Final = (
    ("now", "Now"),
    ("trend", "Trend"),
    ("why", "Why"),
    ("what-if", "What if"),
    ("options", "Options"),
    ("history", "History"),
    ("about", "About"),
)
_PROBLEMS: Final = frozenset({"title", "text", "left"})
_TWIN: Final = frozenset({
    "bars", "finding", "forecast", "interval", "joint", "leads", "likely", "needed", "still_open", "telling", "usual",
})  # fmt: skip
_LOOKING_BACK: Final = frozenset({"now", "trend", "why", "options"})
"""Pages that can show what was known earlier; the others are of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A page that was asked for.

    Parameters
    ----------
    root : str
        Address of the visit's pages, without a slash at the end.
    token : str
        Which the forms of the page carry.
    back_h : float
        How many hours back the page looks.
    """

    opened: Opened
    root: str
    token: str
    back_h: float = 0.0

    @property
    def visit(self) -> Visit:
        """Whose page."""
        return self.opened.visit


class Frame:
    """Makes pages of what others found.

    Parameters
    ----------
    folder : Path
        ``templates/sidebar``.

    Attributes
    ----------
    problems : Words
        What went wrong, by the code of the error.
    twin : Words
        What the twin and its estimates say.

    Raises
    ------
    ContentError
        If one of their sentences is not in the folder.
    """

    def __init__(self, opening: Opening, folder: Path) -> None:
        self.opening = opening
        self.folder = folder
        self._templates: Environment = html_environment(DictLoader(dict(_told(folder, opening.knowledge.ontology))))
        self.problems = Words(templates=self._templates, name="problems.j2").holding(_PROBLEMS)
        self.twin = Words(templates=self._templates, name="twin.j2").holding(_TWIN)
        self._versions = _versions(opening.knowledge)

    @property
    def effects(self) -> Words:
        """Sentences of what options would do."""
        return Words(templates=self._templates, name="effects.j2")

    @property
    def simulations(self) -> Words:
        """Sentences of what a dose or an operation would do."""
        return Words(templates=self._templates, name="simulations.j2")

    def subject(self, asking: Asking) -> Subject:
        """The twin at the moment that the page shows."""
        return self.opening.subject(asking.opened, back_h=asking.back_h)

    def page(
        self, name: str, asking: Asking, subject: Subject, values: Mapping[str, Any], *, query: str = "", tab: str = ""
    ) -> str:
        """A page with what stands on all of them."""
        back = asking.back_h
        keep = f"?back={back:g}" if back else ""
        common = {
            "subject": subject,
            "identity": identity(subject),
            "versions": self._versions,
            "tabs": _TABS,
            "tab": tab or name,
            "root": asking.root,
            "here": f"{asking.root}/{name}{query}",
            "fields_of_page": parse_qsl(query.removeprefix("?")),
            "most_back_h": f"{MOST_BACK_H:g}",
            "keep_back": keep,
            "looking_back": _LOOKING_BACK,
            "and_back": keep.replace("?", "&"),
            "digest": asking.opened.record.basis,
            "form": {"token": asking.token, "digest": asking.opened.record.basis},
            "idle_min": IDLE_MIN,
            "moment": clock_time(subject.now, asking.opened.at, subject.setting.zone),
        }
        return page(self._templates, name, {**common, **values})

    def problem(self, code: str, text: str, *, back: str = "", resume: Mapping[str, str] | None = None) -> str:
        """A page that says what went wrong, and holds nothing of any patient."""
        title = self.problems.say("title", code=code)
        return page(self._templates, "problem", {"title": title, "text": text, "back": back, "resume": resume})


def _told(folder: Path, ontology: Ontology) -> Iterator[tuple[str, str]]:
    """The templates, with their limits in the units that the site reads."""
    for file in sorted((*folder.glob("*.html"), *folder.glob("*.j2"))):
        yield file.name, worded(file.read_text("utf-8"), ontology)


def _versions(knowledge: Knowledge) -> str:
    """Of the twin and of the learned risks, as the strip on every page has them; each one stands on the page About."""
    found = sorted({one.version for one in knowledge.learned.artefacts.values()})
    risks = f" · risks {', '.join(found)}" if found else ""
    return f"twin {knowledge.twin.version}{risks}"


def back_hours(text: str) -> float:
    """How far back a page looks, as its address says it.

    Raises
    ------
    BadRequest
    """
    if not text:
        return 0.0
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0.0 <= hours <= MOST_BACK_H:
        raise BadRequest(f"must be a number of hours, at most {MOST_BACK_H:g}", field="back")
    return round(hours, 2)
