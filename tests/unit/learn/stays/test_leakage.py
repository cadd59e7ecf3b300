"""Every kind of leak into a risk of whole stays, planted, stops its training; the input that is trained on has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cds_app.errors import ContentError, DataError
from cds_app.learn.files.challenge2012 import Outcomes, Stays
from cds_app.learn.stays import folds
from cds_app.learn.stays.cohort import StayCohort
from cds_app.learn.stays.leakage import checked
from cds_app.learn.stays.mortality import RECIPE
from cds_app.score.features.stays import QUANTITIES, UNITS, Series, Stayers

_STAYS = 120
_HOURS = np.array([2.0, 20.0, 40.0, 60.0])  # one of them is later than the model looks


def _stays() -> Stays:
    rng = np.random.default_rng(5)
    quantity = np.array([QUANTITIES.index(name) for name in ("heart_rate", "sbp", "lactate", "gcs_total")])
    each = len(quantity) * len(_HOURS)
    series = Series(
        stay=np.repeat(np.arange(_STAYS), each),
        quantity=np.tile(np.repeat(quantity, len(_HOURS)), _STAYS),
        hours=np.tile(_HOURS, _STAYS * len(quantity)),
        value=np.round(rng.uniform(3.0, 15.0, _STAYS * each), 1),
    )
    who = Stayers(
        age_years=rng.integers(20, 90, _STAYS).astype(np.float64),
        male=rng.integers(0, 2, _STAYS).astype(np.float64),
        height_cm=np.full(_STAYS, np.nan),
        unit=np.full((_STAYS, len(UNITS)), np.nan),
    )
    return Stays(record=np.arange(1, _STAYS + 1), stayers=who, series=series, left_out={}, in_another_unit={})


def _truth() -> Outcomes:
    died = (np.random.default_rng(6).random(_STAYS) < 0.4).astype(np.int64)
    return Outcomes(died=died, days_after_discharge=np.full(_STAYS, np.inf), days_left=np.where(died > 0, 3.0, np.nan))


def _made(stays: Stays, truth: Outcomes) -> StayCohort:
    return StayCohort.of(stays, truth, np.arange(_STAYS), 7)


def _check(made: Callable[[Stays, Outcomes], StayCohort] = _made, stays: Stays | None = None) -> StayCohort:
    return checked(made, stays or _stays(), _truth(), np.random.default_rng(8))


def _and(leak: Callable[[Stays, Outcomes], NDArray[np.float64]], part: str) -> Callable[[Stays, Outcomes], StayCohort]:
    """What is learned from, with a leak in the place of its first feature."""

    def made(stays: Stays, truth: Outcomes) -> StayCohort:
        cohort = _made(stays, truth)
        rows = np.array(getattr(cohort, part))
        rows[:, 0] = leak(stays, truth)
        return replace(cohort, rows=rows) if part == "rows" else replace(cohort, seen=rows)

    return made


def _latest(stays: Stays, _: Outcomes) -> NDArray[np.float64]:
    later = np.where(stays.series.hours > 48.0, stays.series.value, 0.0)
    return np.bincount(stays.series.stay, later, minlength=_STAYS).astype(np.float64)


def test_the_shipped_input_leaks_nothing() -> None:
    assert np.array_equal(_check().rows, _made(_stays(), _truth()).rows, equal_nan=True)


@pytest.mark.parametrize("part", ["rows", "seen"])
@pytest.mark.parametrize(
    ("leak", "said"),
    [
        (_latest, "what is measured later is altered"),
        (lambda _, truth: truth.died, "outcomes are altered"),
        (lambda _, truth: np.nan_to_num(truth.days_left), "outcomes are altered"),
        (lambda stays, _: stays.record, "stays have other numbers"),
    ],
)
def test_an_input_that_knows_what_it_must_not_is_found(
    leak: Callable[[Stays, Outcomes], NDArray[np.float64]], said: str, part: str
) -> None:
    with pytest.raises(ContentError, match=said):
        _check(_and(leak, part))


@pytest.mark.parametrize("by_absence", [False, True])
def test_a_file_that_holds_outcomes_among_the_measurements_is_refused(by_absence: bool) -> None:
    stays, died = _stays(), _truth().died
    mine = stays.series.quantity == QUANTITIES.index("lactate")
    if by_absence:
        kept = ~mine | (died[stays.series.stay] > 0)
        series = Series(**{name: getattr(stays.series, name)[kept] for name in ("stay", "quantity", "hours", "value")})
    else:
        value = np.where(mine, 2.0 + died[stays.series.stay], stays.series.value)
        series = replace(stays.series, value=value)
    with pytest.raises(DataError, match="tells outcomes by itself"):
        _check(stays=replace(stays, series=series))


def test_a_stay_that_is_there_twice_is_refused() -> None:
    stays = _stays()
    half = _STAYS // 2
    again = replace(
        stays,
        stayers=Stayers(
            age_years=np.tile(stays.stayers.age_years[:half], 2),
            male=np.tile(stays.stayers.male[:half], 2),
            height_cm=stays.stayers.height_cm,
            unit=stays.stayers.unit,
        ),
        series=replace(stays.series, value=np.tile(stays.series.value[: len(stays.series.value) // 2], 2)),
    )
    with pytest.raises(DataError, match="same patient"):
        _check(stays=again)


def test_folds_that_share_a_stay_stop_the_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = np.arange(_STAYS)
    monkeypatch.setattr(folds, "_folds", lambda *_: [(everybody, everybody[:20])])
    with pytest.raises(ContentError, match="both in what trees grow on and in what they are asked of"):
        folds.held(_made(_stays(), _truth()), replace(RECIPE, rounds=1))
