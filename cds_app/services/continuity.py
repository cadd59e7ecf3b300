"""What may stand in for a measurement that is not current: for whom, how long after it, and with what uncertainty.

Nothing of it is a fact and no risk reads it. Where it may not, whoever asks has what was measured, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from cds_app.domain.time import to_hours
from cds_app.score.situation import Situation
from cds_app.twin.bedside import Bedside, Likely, window_of
from cds_app.twin.imputation import Imputer

ADULT_YEARS: Final = 18
PULSE_PRESSURE: Final = "pulse_pressure"
FEWEST: Final = 150
"""Hourly measurements in the window: 98 of 100 stays that imputation was trained on have more."""
_DRAWS: Final = 400
_ENDS: Final = (0.05, 0.95)
_PRESSURES: Final = ("sbp", "dbp")


def bedside(imputer: Imputer, situation: Situation) -> Bedside:
    """What imputation makes of the patient now."""
    window = window_of(situation.by_variable, to_hours(situation.now), imputer.channels)
    male = None if situation.sex is None else float(situation.sex == "male")
    return Bedside.of(imputer, window, situation.age_years, male)


def stand_ins(imputer: Imputer, situation: Situation) -> Mapping[str, Likely]:
    """By quantity: what was measured in this patient, so lately that the interval is known to hold.

    Only of adults in intensive care of whom as much is measured as of others there: of nobody else is it known how well
    imputation does. Pulse pressure is among them where both pressures are, with what is open of both as it goes
    together.
    """
    if not _in_population(situation):
        return {}
    found = bedside(imputer, situation)
    if int(np.isfinite(found.window).sum()) < FEWEST:
        return {}
    likely = {name: one for name, one in found.likely().items() if one.stands}
    if all(name in likely for name in _PRESSURES):
        likely[PULSE_PRESSURE] = _pulse_pressure(found, *(likely[name] for name in _PRESSURES))
    return likely


def _in_population(situation: Situation) -> bool:
    age = situation.age_years
    return situation.icu_start is not None and age is not None and age >= ADULT_YEARS


def _pulse_pressure(found: Bedside, systolic: Likely, diastolic: Likely) -> Likely:
    # the same chance each time: the same chart gives the same answer
    drawn = found.draws(_PRESSURES, _DRAWS, np.random.default_rng(0))
    low, high = np.quantile([one["sbp"] - one["dbp"] for one in drawn], _ENDS)
    return Likely(
        quantity=PULSE_PRESSURE,
        mean=systolic.mean - diastolic.mean,
        low=float(low),
        high=float(high),
        since_h=max(systolic.since_h, diastolic.since_h),
        stands=True,
    )
