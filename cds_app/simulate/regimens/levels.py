"""Levels of a course: which a simulation may use, and which tell of doses that nobody recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.drugs import SAME_UNIT, Drug
from cds_app.simulate.kinetics.patients import Level
from cds_app.simulate.refusals import Refusal, aged
from cds_app.simulate.regimens.orders import hours

COURSE_GAP_H: Final = 14.0 * 24.0
"""Doses before a longer pause belong to another course, of which little is left."""

_BASELINES: Final = frozenset({"inr"})
"""What is measured before the first dose to begin with, and not in vain."""


def known_from(
    situation: Situation, drug: Drug, start_h: float | None, settles_h: float | None, remarks: list[str]
) -> float | Refusal | None:
    """From when on levels follow from the doses on record, hours from now; None where no dose is.

    A level of the days before the first dose tells of doses that nobody recorded: these are forgotten only when the
    drug has had its time since, by doses that are on record.

    Parameters
    ----------
    start_h : float or None
        The first dose of the course; None where none is on record.
    settles_h : float or None
        After so long nothing that matters is left of doses before; None where that is not taken for granted.
    """
    before_h = _before(situation, drug, start_h or 0.0)
    if before_h is None:
        return start_h
    if start_h is None or settles_h is None or start_h + settles_h >= 0.0:
        told = "ago, and none is on record" if start_h is None else "before the first one on record"
        return Refusal(field="history", limit=f"are missing: a level was measured {aged(before_h)} {told}")
    remarks.append(
        f"A level was measured {aged(before_h)} before the first dose on record: doses before that are not known, "
        f"and levels of the first {aged(settles_h)} after it were left out."
    )
    return start_h + settles_h


def _before(situation: Situation, drug: Drug, start_h: float) -> float | None:
    """How long before the first dose the last level was measured, in the days in which it still tells of others."""
    measuring = (one for one in drug.file.levels.quantities if situation.ontology.measuring(one))
    for quantity in (one for one in measuring if one not in _BASELINES):
        unit = SAME_UNIT.get(situation.ontology.quantity(quantity).unit)
        ages_h = (
            start_h - hours(situation.now, one.when)
            for one in situation.series(quantity)
            if one.bound == "=" and unit == drug.file.levels.unit and one.value >= drug.file.levels.low
        )
        before_h = min((age for age in ages_h if 0.0 <= age < COURSE_GAP_H), default=None)
        if before_h is not None:
            return before_h
    return None


def levels_of(
    situation: Situation, drug: Drug, known_h: float | None, remarks: list[str]
) -> Iterator[tuple[Level, str]]:
    """Levels that follow from the doses on record, each with its reference."""
    for quantity in drug.file.levels.quantities:
        unit = situation.ontology.quantity(quantity).unit if situation.ontology.measuring(quantity) else ""
        for one in situation.series(quantity):
            at_h = hours(situation.now, one.when)
            if known_h is None or at_h <= known_h:
                if quantity in _BASELINES:
                    continue
                remarks.append("Levels from before the first dose of the course were left out.")
            elif one.bound != "=":
                remarks.append("Levels known only as a bound were left out.")
            elif SAME_UNIT.get(unit) != drug.file.levels.unit:
                remarks.append("Levels in another unit than the model's were left out.")
            else:
                yield Level(at_h=at_h, value=one.value, quantity=quantity), one.ref


def incredible(situation: Situation, drug: Drug, start_h: float) -> Iterator[str]:
    """That levels of the course were left out as they cannot be true: somebody may think that they were used."""
    named = (key for one in drug.file.levels.quantities for key in situation.ontology.measuring(one))
    rows = (row for key in named for row in situation.by_variable.get(key, ()))
    if any(row.implausible and start_h < hours(situation.now, row.when) <= 0.0 for row in rows):
        yield "Levels that cannot be true were left out: check value and unit."
