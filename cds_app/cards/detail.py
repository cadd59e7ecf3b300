"""The four blocks of a card's detail, and how they are kept short enough to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec
from jinja2 import Environment
from jinja2.environment import TemplateModule

from cds_app.cards.text import Trusted, render
from cds_app.cards.wording import PHRASES, SENTENCES
from cds_app.domain.sentences import Gap, Said

LIMIT = 900  # characters
_MARKS = len("- \n")

# What is left out first, and how many lines of it stay for the time being.
_LEAST_NEEDED = (
    ("remarks", 0),
    ("refusals", 1),
    ("evidence", 3),
    ("estimate", 0),
    ("refusals", 0),
    ("evidence", 2),
    ("besides", 0),
    ("options", 2),
    ("evidence", 1),
    ("options", 1),
    ("evidence", 0),
    ("others", 0),
    ("reasons", 2),
    ("options", 0),
    ("reasons", 1),
    ("reasons", 0),
)

Lines = tuple[Trusted, ...]
Changes = dict[str, Any]  # blocks by name


class Blocks(msgspec.Struct, frozen=True, kw_only=True):
    """Finished lines. *Why now* is estimate to besides; *Options to consider* is options, refusals.

    ``estimate`` is what a model says beside a rule; ``source`` that of all options, where it is one and they do not
    say it. ``besides`` is what is open and has no card; the summary names it, too, as far as there is room.
    """

    sure: Trusted
    unseen: Trusted
    estimate: Lines = ()
    reasons: Lines = ()
    evidence: Lines = ()
    remarks: Lines = ()
    others: Lines = ()
    besides: Lines = ()
    options: Lines = ()
    refusals: Lines = ()
    source: Trusted = Trusted("")


def say(templates: Environment, phrase: str, views: Iterable[object]) -> Lines:
    """One line per view, in the words of a macro of `PHRASES`."""
    lines = tuple(views)
    if not lines:
        return ()
    macro = getattr(_module(templates, PHRASES), phrase)
    return tuple([Trusted(macro(view).strip()) for view in lines])


def in_words(said: Said, templates: Environment) -> Trusted:
    """A sentence as it is read."""
    if isinstance(said, str):
        return Trusted(said)
    gaps = {name: _filled(gap, templates) for name, gap in said.gaps}
    return Trusted(getattr(_module(templates, SENTENCES), said.name)(**gaps))


def _filled(gap: Gap, templates: Environment) -> Trusted | bool | tuple[Trusted, ...]:
    if isinstance(gap, bool):
        return gap
    return tuple([in_words(one, templates) for one in gap]) if isinstance(gap, tuple) else in_words(gap, templates)


@lru_cache(maxsize=8)
def _module(templates: Environment, name: str) -> TemplateModule:
    return templates.get_template(name).module


def fits(blocks: Blocks, templates: Environment) -> bool:
    """Whether all lines have room."""
    return len(_text(blocks, templates)) <= LIMIT


def write(blocks: Blocks, templates: Environment, briefer: Iterable[Callable[[], Changes]] = ()) -> tuple[str, int]:
    """The detail as markdown, and how many options it still names.

    Until the text is no longer than `LIMIT`, each of ``briefer`` in turn says some lines with less, and then lines that
    matter least are left out, from the end. Where these leave room, the others say again as much as it holds.
    """
    wordings, text = [blocks], _text(blocks, templates)
    for say_less in briefer:
        if len(text) <= LIMIT:
            break
        wordings.append(msgspec.structs.replace(wordings[-1], **say_less()))
        text = _text(wordings[-1], templates)
    if len(text) <= LIMIT:
        return text, len(wordings[-1].options)
    short = _shortened(wordings[-1], len(text) - LIMIT)
    fuller = (_text(_without(wording, short), templates) for wording in wordings[:-1])
    text = next((one for one in fuller if len(one) <= LIMIT), None) or _text(short, templates)
    return text, len(short.options)


def _without(wording: Blocks, short: Blocks) -> Blocks:
    """All lines in a fuller wording, but for those that were left out for others to have room."""
    lasting: Changes = {
        name: getattr(short, name) for name in ("estimate", "remarks", "besides", "options", "refusals")
    }
    return msgspec.structs.replace(wording, **lasting)


def _shortened(blocks: Blocks, excess: int) -> Blocks:
    for name, least in _LEAST_NEEDED:
        lines: Lines = getattr(blocks, name)
        while excess > 0 and len(lines) > least:
            excess -= len(lines[-1]) + _MARKS
            lines = lines[:-1]
        shorter: Changes = {name: lines}
        blocks = msgspec.structs.replace(blocks, **shorter)
    return blocks


def _text(blocks: Blocks, templates: Environment) -> str:
    values = {
        "why": (*blocks.estimate, *blocks.reasons, *blocks.evidence, *blocks.remarks, *blocks.others, *blocks.besides),
        "options": (*blocks.options, *blocks.refusals),
        "source": blocks.source if blocks.options else "",
        "sure": blocks.sure,
        "unseen": blocks.unseen,
    }
    return render(templates, "detail.md.j2", values)
