"""The population of a learned risk, fitted on invented rows: its limits, whom it refuses, and what is made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cds_app.learn import population, shifts
from cds_app.learn.hours.abstention import NOTHING_MEASURED, abstained
from cds_app.learn.hours.rows import shipped_twin
from cds_app.learn.hours.sepsis import SEPSIS
from cds_app.score.features.hours import FEATURES, NAMES
from cds_app.score.risk.population import Reference

_USUAL = {
    "heart_rate": (85.0, 16.0), "spo2": (97.0, 1.5), "body_temp": (37.0, 0.7), "sbp": (122.0, 20.0),
    "map": (82.0, 14.0), "dbp": (62.0, 11.0), "resp_rate": (18.0, 4.5), "creatinine": (1.1, 0.3),
    "urea_nitrogen": (20.0, 5.0), "potassium": (4.1, 0.5), "glucose": (130.0, 25.0), "platelets": (200.0, 40.0),
}  # fmt: skip


def _invented(seed: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = np.full((rows, len(FEATURES)), np.nan, np.float32)
    pressure = rng.normal(size=rows)  # moves all three
    for name, (mean, sd) in _USUAL.items():
        own = rng.normal(size=rows)
        z = 0.8 * pressure + 0.6 * own if name in ("sbp", "map", "dbp") else own
        found[:, NAMES.index(f"{name}_last")] = np.where(rng.random(rows) < 0.9, mean + sd * np.clip(z, -3, 3), np.nan)
    found[:, NAMES.index("age_years")] = rng.uniform(20.0, 90.0, rows)
    return found


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.from_json(population.fitted(shipped_twin(), _invented(1, 4000), _invented(2, 20000)))


@pytest.fixture(scope="module")
def test_rows() -> np.ndarray:
    return _invented(3, 10000)


def test_only_what_was_measured_is_compared(reference: Reference) -> None:
    assert set(reference.quantities) == {*_USUAL, "age"}
    assert reference.vital_signs == 7


def test_others_of_the_same_kind_are_refused_as_seldom_as_was_meant(
    reference: Reference, test_rows: np.ndarray
) -> None:
    share = reference.outsiders(test_rows).mean()
    # either of two limits refuses; 10 000 rows know such a share to within 0.1 %
    assert population.REFUSED_OF_OWN / 2 < share < 2 * population.REFUSED_OF_OWN + 0.001


def test_limits_are_those_of_normal_values_whatever_their_number() -> None:
    rng = np.random.default_rng(4)
    known = np.repeat([0, 3, 9, 22], [10, 20000, 20000, 20000])
    distance = np.append(np.full(10, np.nan), rng.chisquare(known[10:]) / known[10:])
    found = dict(population.limits(distance, known, 22))
    assert list(found) == list(range(1, 23))
    for count in (3, 9, 22):
        beyond = (distance[known == count] > found[count]).mean()
        # 40 of 20 000 rows, to within three standard errors and the error of the normal scale
        assert beyond == pytest.approx(population.REFUSED_OF_OWN, abs=0.0012), count
    assert sorted(found.values(), reverse=True) == list(found.values())
    assert population.limits(distance[:10], known[:10], 22) == []


def test_what_is_made_up_is_refused_but_an_athlete_is_not(reference: Reference, test_rows: np.ndarray) -> None:
    tried = population.Tried(
        rows=test_rows,
        who=pd.DataFrame({"Age": test_rows[:, NAMES.index("age_years")], "Gender": np.arange(10000) % 2}),
        patient=np.arange(10000) // 10,
        label=(np.arange(10000) % 100 == 0) * 1,
    )
    found = population.reported(reference, tried, np.random.default_rng(0))
    assert found["overall"]["of"] == 10000
    assert found["overall"]["refused"] == reference.outsiders(test_rows).mean()
    assert found["patients_ever"]["of"] == 1000
    assert found["with_outcome"]["of"] == 100
    assert sum(one["of"] for one in found["by_sex"].values()) == 10000
    shifted = {name: one["refused"] for name, one in found["shifted"].items()}
    assert shifted.keys() == shifts.SHIFTS.keys()
    for name in ("temperature in Fahrenheit", "pressures in kPa", "vital signs of a newborn"):
        assert shifted[name] > 0.95, name
    assert shifted["a healthy athlete of 25 at rest"] < 0.05


def test_shifts_leave_the_rows_as_they_were_and_the_unknown_unknown(
    reference: Reference, test_rows: np.ndarray
) -> None:
    kept = test_rows.copy()
    for name, rows in shifts.shifted(reference, test_rows, np.random.default_rng(0)):
        assert len(rows) > 1000, name
        assert np.isnan(rows[:, NAMES.index("wbc_last")]).all()
        if "swapped" not in name:  # glucose is one of those
            assert 0.05 < np.isnan(rows[:, NAMES.index("glucose_last")]).mean() < 0.15
    np.testing.assert_array_equal(test_rows, kept)


def test_a_row_outside_gets_no_number_where_nothing_else_forbids_one(reference: Reference) -> None:
    rows = np.full((4, len(FEATURES)), np.nan, np.float32)
    for name, (mean, _) in _USUAL.items():
        rows[:3, NAMES.index(f"{name}_last")] = mean
    for name, value in shifts.NEONATE.items():
        rows[1:3, NAMES.index(f"{name}_last")] = value
    rows[:, NAMES.index("age_years")] = 60.0, 60.0, 8.0, 60.0
    assert abstained(SEPSIS.limits, rows, reference).tolist() == [
        None, "outside-population", "too-young", NOTHING_MEASURED,
    ]  # fmt: skip
    assert abstained(SEPSIS.limits, rows[:2]).tolist() == [None, None]
