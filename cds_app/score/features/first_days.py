"""A patient's first days in intensive care, as `score.features.stays` looks at them, from the facts of the chart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from cds_app.score.chronology import last_time
from cds_app.score.features.stays import HEIGHT_CM, QUANTITIES, UNITS, WINDOW_H, Series, Stayers
from cds_app.score.situation import Situation
from cds_app.score.whereabouts import running, unit_of

VENTILATION = "ventilation"
_ONLY_INVASIVE = "tidal_volume_set"
_ALSO_BY_MASK = "peep"
_INVASIVE = "mechanical_ventilation"
_HEIGHT = "body_height"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDays:
    """What one patient's first days hold: a stay with the number 0; ``then`` is the chart at their end."""

    then: Situation
    series: Series
    stayer: Stayers

    def hours_of(self) -> dict[str, list[float]]:
        """When each quantity was measured, hours since entering the unit, ascending; of those that were."""
        return {
            QUANTITIES[one]: np.sort(self.series.hours[self.series.quantity == one]).tolist()
            for one in np.unique(self.series.quantity)
        }


def first_days(situation: Situation, start: datetime) -> FirstDays:
    """Everything of the first `WINDOW_H` hours, as it stood at their end, whenever it is asked for.

    Parameters
    ----------
    situation : Situation
        Of an instant not earlier than the end of the window.
    start : datetime
        When the patient entered the unit.
    """
    then = replace(situation, now=start + timedelta(hours=WINDOW_H))
    found = [list(_seen(then, quantity, start)) for quantity in QUANTITIES]
    pairs = np.array([pair for pairs in found for pair in pairs], np.float64).reshape(-1, 2)
    series = Series(
        stay=np.zeros(len(pairs), np.int64),
        quantity=np.repeat(np.arange(len(found)), [len(pairs) for pairs in found]),
        hours=pairs[:, 0],
        value=pairs[:, 1],
    )
    unit = unit_of(running(situation.facts.stays, start), start)
    return FirstDays(then=then, series=series, stayer=_stayer(then, None if unit is None else unit.kind))


def _seen(then: Situation, quantity: str, start: datetime) -> Iterator[tuple[float, float]]:
    if quantity == VENTILATION:
        yield from ((hour, 1.0) for hour in _ventilated(then, start))
        return
    for one in then.history(quantity, WINDOW_H):
        yield _hours(start, one.when), one.value


def _ventilated(then: Situation, start: datetime) -> Iterator[float]:
    """Hours in which ventilation is charted: settings of the ventilator, and every hour of a procedure.

    Positive end-expiratory pressure is given by mask, too: alone it is no ventilation.
    """
    recorded, volumes = then.procedures_done(_INVASIVE, WINDOW_H), then.history(_ONLY_INVASIVE, WINDOW_H)
    pressures = then.history(_ALSO_BY_MASK, WINDOW_H) if recorded or volumes else ()
    yield from (_hours(start, one.when) for one in (*volumes, *pressures))
    for one in recorded:
        begin, end = _hours(start, one.when), _hours(start, last_time(one, then.now))
        yield from np.arange(max(begin, 0.0), min(end, WINDOW_H) + 1e-9).tolist()


def _stayer(then: Situation, kind: str | None) -> Stayers:
    height = then.latest(_HEIGHT)
    male = {"male": 1.0, "female": 0.0}.get(then.sex or "", np.nan)
    known = height is not None and HEIGHT_CM[0] <= height.value <= HEIGHT_CM[1]
    return Stayers(
        age_years=np.array([np.nan if then.age_years is None else float(then.age_years)]),
        male=np.array([male]),
        height_cm=np.array([height.value if height is not None and known else np.nan]),
        unit=np.array([[np.nan if kind is None else float(one == kind) for one in UNITS]]),
    )


def _hours(start: datetime, when: datetime) -> float:
    return (when - start).total_seconds() / 3600.0
