"""Model cards of the learned risks: as text beside the model, and as pages for those who use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from cds_app.content import CARD, Artefact, latest
from cds_app.errors import NotFound
from cds_app.governance.model_card import ModelCard, model_card

_KIND = "risk"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The cards of what lies below a content root.

    Parameters
    ----------
    root : Path
        The folder that holds ``models/`` and ``templates/``.
    served : mapping of str to Artefact
        What a service answers with; left out, the newest versions.
    """

    root: Path
    served: Mapping[str, Artefact] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """The learned risks, in order."""
        if self.served:
            return tuple(sorted(self.served))
        folders = sorted({file.parts[-3] for file in (self.root / "models").glob("*/*/manifest.json")})
        return tuple(name for name in folders if latest(name, root=self.root).manifest.get("kind") == _KIND)

    def artefact(self, name: str) -> Artefact:
        """A learned risk in the version that is served, else in the newest.

        Raises
        ------
        NotFound
        """
        if name not in self.names():
            raise NotFound("there is no such learned risk", field="name")
        return self.served.get(name) or latest(name, root=self.root)

    def markdown(self, artefact: Artefact) -> str:
        """The card as ``card.md`` holds it."""
        return self._templates.get_template("model_card.md.j2").render(card=self._card(artefact))

    def page(self, name: str) -> bytes:
        """The card as a page."""
        card = self._card(self.artefact(name))
        return self._templates.get_template("model_card.html.j2").render(card=card).encode()

    def picture(self, name: str, file: str) -> bytes:
        """A plot of a card."""
        artefact = self.artefact(name)
        if file not in {one.file for one in self._card(artefact).plots}:
            raise NotFound("the card has no such plot", field="picture")
        return artefact.read_bytes(file)

    def style(self) -> bytes:
        """The style sheet of the pages."""
        return (self.root / "templates" / "static" / "report.css").read_bytes()

    def write(self, artefact: Artefact) -> Path:
        """Write ``card.md`` into the artefact's folder."""
        target = artefact.root / CARD
        target.write_text(self.markdown(artefact), encoding="utf-8")
        return target

    def is_current(self, artefact: Artefact) -> bool:
        """Whether ``card.md`` is there and says what it would say if it were written now."""
        target = artefact.root / CARD
        return target.is_file() and target.read_text("utf-8") == self.markdown(artefact)

    def _card(self, artefact: Artefact) -> ModelCard:
        words = json.loads((self._folder / "model_card.json").read_text("utf-8"))
        return model_card(words, artefact.manifest, artefact.read_json("training.json"), self._templates)

    @property
    def _folder(self) -> Path:
        return self.root / "templates" / "reports"

    @property
    def _templates(self) -> Environment:
        return Environment(
            loader=FileSystemLoader(self._folder),
            autoescape=select_autoescape(("html.j2",), default_for_string=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
