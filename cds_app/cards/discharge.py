"""Cards at discharge: what is unresolved or pending, and what speaks for an early readmission. Two at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.detail import Blocks, Lines, say, write
from cds_app.cards.drafts import ACT_TODAY, Due
from cds_app.cards.text import Trusted, plain, render
from cds_app.cards.unseen import lost
from cds_app.cards.views import Setting, compared, seen
from cds_app.cards.wire import SUMMARY_LIMIT, Draft
from cds_app.domain.facts import Fact, Measurement, Procedure, Report
from cds_app.mitigate.concerns import Concern
from cds_app.score.clinical.hospital import MOST
from cds_app.score.result import Abstained, Score
from cds_app.score.situation import Situation

OPEN: Final = "discharge_open"
READMISSION: Final = "discharge_readmission"
_LIKELY: Final = 5  # points of 13 from which the published band is no longer "low"
_CONCERNS: Final = 4
_PENDING: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DischargeMaterial:
    """What cards at discharge are made of.

    Parameters
    ----------
    concerns : tuple of Concern
        All that hold; those to act on today or now are told.
    scores : mapping of str to Score or Abstained
        What the concerns were judged by.
    pending : tuple of Fact
        Results that are not final, and tests that are ordered and not done, newest first.
    without_value : int
        Results of this call that are registered and have no value yet.
    readmission : Score or None
        None where nothing could be said.
    """

    service: ServiceDefinition
    templates: Environment
    setting: Setting
    labels: Mapping[str, str]
    situation: Situation
    concerns: tuple[Concern, ...]
    scores: Mapping[str, Score | Abstained]
    pending: tuple[Fact, ...]
    without_value: int
    readmission: Score | None
    unused: Mapping[str, int]

    @property
    def unresolved(self) -> tuple[Concern, ...]:
        """Concerns to act on today or now."""
        return tuple(one for one in self.concerns if one.tier >= ACT_TODAY)


def discharge_cards(material: DischargeMaterial) -> tuple[Due, ...]:
    """Both cards, as far as there is something to say."""
    return (*_open_due(material), *_readmission_due(material))


def _open_due(material: DischargeMaterial) -> Iterator[Due]:
    unresolved, pending = material.unresolved, material.pending
    if not unresolved and not pending and not material.without_value:
        return
    facts = [*(fact for one in unresolved for fact in one.facts), *pending]
    yield Due(
        topic=OPEN,
        tier=max((one.tier for one in unresolved), default=1),
        points=None,
        grounds=tuple(dict.fromkeys(one.ref for one in facts)),
        measured=frozenset(name for one in unresolved for name in one.measured),
        write=lambda _: _open(material),
    )


def _open(material: DischargeMaterial) -> Draft:
    unresolved, pending = material.unresolved, material.pending
    count = len(pending) + material.without_value
    values: dict[str, Any] = {
        "titles": [Trusted(f"{one.title}, {one.tier_word}") for one in unresolved],
        "pending": count,
    }
    texts = (render(material.templates, "discharge.summary.j2", {**values, "most": most}) for most in (3, 2, 1, 0))
    return Draft(
        topic=OPEN,
        title="Open at discharge",
        tier=max((one.tier for one in unresolved), default=1),
        summary=next((text for text in texts if len(text) <= SUMMARY_LIMIT), "Open at discharge"),
        detail=_detail(
            material,
            reasons=(*_concern_lines(unresolved, material), *_pending_lines(material)),
            sure=render(material.templates, "discharge.sure.j2", {"rules": bool(unresolved), "score": None}),
            unknown=[name for one in unresolved for name in one.unknown],
        ),
        proposals=(),
        explanation=_open_said(material),
    )


def _open_said(material: DischargeMaterial) -> dict[str, Any]:
    said: dict[str, Any] = {
        "unresolved": [{"topic": one.topic, "tier": one.tier_word} for one in material.unresolved],
        "pending": [one.ref for one in material.pending],
        "withoutValue": material.without_value,
    }
    return {key: value for key, value in said.items() if value != []}


def _concern_lines(unresolved: Sequence[Concern], material: DischargeMaterial) -> Lines:
    return say(material.templates, "unresolved", [_concern_view(one, material) for one in unresolved[:_CONCERNS]])


def _concern_view(one: Concern, material: DischargeMaterial) -> dict[str, object]:
    """What leads to it, and what that was held against where a score compares it with others: a baseline."""
    reading = next((each for each in one.readings if each.quantity in one.measured), None)
    title = Trusted(f"{one.title}, {one.tier_word}")
    if reading is None:
        return {"title": title, "seen": None, "against": None}
    change_h, score = material.service.policy.change_h, material.scores.get(one.score or "")
    earlier = compared(reading.latest, material.situation, material.setting, change_h)
    parts = score.parts if isinstance(score, Score) else ()
    made = [part for part in parts if part.points and reading.latest in part.evidence and len(part.evidence) > 1]
    against = max(made, key=lambda part: part.points, default=None)
    return {
        "title": title,
        "seen": seen(reading.latest, earlier, material.setting),
        "against": Trusted(against.label) if against else None,
    }


def _pending_lines(material: DischargeMaterial) -> Lines:
    views = [_pending_view(one, material) for one in material.pending[:_PENDING]]
    more = len(material.pending) - len(views)
    lines = say(material.templates, "pending", views)
    if more > 0:
        lines = (*lines, Trusted(f"{more} more not final"))
    if material.without_value:
        lines = (*lines, Trusted(f"{material.without_value} registered without a value yet"))
    return lines


def _pending_view(one: Fact, material: DischargeMaterial) -> dict[str, object]:
    setting = material.setting
    text: object = "result"
    if isinstance(one, Measurement):
        text = Trusted(setting.ontology.variables[one.variable].label)
    elif isinstance(one, Report | Procedure):
        text = plain(one.text, limit=60) or "result"
    how = "ordered, no result" if isinstance(one, Procedure) else "not final"
    return {"text": text, "how": Trusted(how), "time": setting.clock(one.when)}


def _readmission_due(material: DischargeMaterial) -> Iterator[Due]:
    score = material.readmission
    if score is None or score.value < _LIKELY:
        return
    yield Due(
        topic=READMISSION,
        tier=1,
        points=None,
        grounds=tuple(one.ref for one in score.inputs),
        measured=frozenset(),
        write=lambda _: _readmission(score, material),
    )


def _readmission(score: Score, material: DischargeMaterial) -> Draft:
    least = "at least " if score.bound == ">=" else ""
    points = Trusted(f"{least}{score.value:g} of {MOST}")
    told = sorted((one for one in score.parts if one.points), key=lambda one: -one.points)
    parts = tuple(Trusted(f"{one.label}, {one.points:g}") for one in told)
    lacks = tuple(Trusted(f"{one.name}: {one.text or one.why}") for one in score.lacks)
    values = {"points": points, "band": Trusted(score.band), "least": bool(least)}
    known = Trusted(". ".join((score.source, *score.notes)))
    return Draft(
        topic=READMISSION,
        title="Readmission",
        tier=1,
        summary=render(material.templates, "readmission.summary.j2", values),
        detail=_detail(
            material,
            reasons=parts,
            sure=render(material.templates, "discharge.sure.j2", {"rules": False, "score": known}),
            unknown=lacks,
        ),
        proposals=(),
        explanation={
            "score": score.name,
            "points": score.value,
            "parts": [{"part": one.label, "points": one.points} for one in told],
            **({"unknown": [one.name for one in score.lacks]} if score.lacks else {}),
        },
    )


def _detail(material: DischargeMaterial, *, reasons: Lines, sure: str, unknown: Sequence[str]) -> str:
    values = {
        "unknown": [one if isinstance(one, Trusted) else _label(one, material) for one in dict.fromkeys(unknown)][:6],
        **lost(material.unused),
        "zone": Trusted(str(material.setting.zone)),
    }
    unseen = " ".join(render(material.templates, "discharge.unseen.j2", values).split())
    blocks = Blocks(evidence=reasons, sure=Trusted(" ".join(sure.split())), unseen=Trusted(unseen))
    return write(blocks, material.templates)[0]


def _label(name: str, material: DischargeMaterial) -> Trusted:
    known = name in material.labels or material.situation.ontology.measuring(name)
    return material.setting.label(name) if known else Trusted(name.replace("_", " "))
