"""Summaries of the first days: against plain arithmetic, and the same alone as among others."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.score.features.stays import FEATURES, QUANTITIES, UNITS, Series, Stayers, stay_features

NAMES = [one.name for one in FEATURES]


def stayers(*ages: float) -> Stayers:
    unknown = np.full(len(ages), np.nan)
    unit = np.full((len(ages), len(UNITS)), np.nan)
    return Stayers(age_years=np.array(ages), male=unknown, height_cm=np.full(len(ages), 170.0), unit=unit)


def series(*samples: tuple[int, str, float, float]) -> Series:
    stay, quantity, hours, value = zip(*samples, strict=True) if samples else ((), (), (), ())
    return Series(
        stay=np.array(stay, np.int64),
        quantity=np.array([QUANTITIES.index(name) for name in quantity], np.int64),
        hours=np.array(hours, np.float64),
        value=np.array(value, np.float64),
    )


def row(*samples: tuple[str, float, float], age: float = 70.0) -> dict[str, float]:
    found = stay_features(series(*((0, *one) for one in samples)), stayers(age))
    return dict(zip(NAMES, found[0].tolist(), strict=True))


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_windows_are_those_of_plain_arithmetic() -> None:
    hours, values = [0.0, 10.0, 24.0, 30.0, 40.0, 47.0], [90.0, 100.0, 110.0, 95.0, 85.0, 80.0]
    found = row(*(("heart_rate", hour, value) for hour, value in zip(hours, values, strict=True)))
    expected = {
        "first": 90.0, "last": 80.0, "age_h": 1.0, "change_stay": -10.0, "hours_stay": 6.0,
        "mean_stay": np.mean(values), "sd_stay": np.std(values), "min_stay": 80.0, "max_stay": 110.0,
        "mean_day1": 100.0, "min_day1": 90.0, "max_day1": 110.0,
        "mean_day2": np.mean(values[3:]), "sd_day2": np.std(values[3:]), "min_day2": 80.0, "max_day2": 95.0,
        "change_days": np.mean(values[3:]) - 100.0, "hours_day2": 3.0,
        "mean_12h": 82.5, "min_12h": 80.0, "max_12h": 85.0, "mean_6h": 80.0,
    }  # fmt: skip
    assert {name: found[f"heart_rate_{name}"] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_what_lies_outside_of_the_first_48_hours_is_not_seen() -> None:
    inside = ("lactate", 48.0, 3.0)
    assert row(("lactate", -0.1, 9.0), inside, ("lactate", 48.1, 9.0)) == pytest.approx(row(inside), nan_ok=True)


def test_signs_from_several_measurements() -> None:
    found = row(
        ("heart_rate", 40.0, 120.0), ("sbp", 40.0, 80.0), ("po2", 40.0, 80.0), ("fio2", 40.0, 40.0),
        ("urine_output", 40.0, 480.0), ("body_weight", 1.0, 80.0), ("gcs_total", 40.0, 9.0), ("platelets", 40.0, 99.0),
    )  # fmt: skip
    expected = {
        "shock_index_last": 1.5, "po2_fio2_worst": 200.0, "urine_rate_day2": 0.25, "urine_rate_12h": 0.5,
        "body_mass_index": 80.0 / 1.7**2, "sofa_stay": 5.0, "saps_stay": 15.0 + 5.0 + 4.0 + 7.0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert np.isnan(found["urine_rate_day1"])


def test_urine_is_counted_per_a_usual_weight_where_none_was_taken() -> None:
    assert row(("urine_output", 47.0, 480.0))["urine_rate_6h"] == pytest.approx(1.0)


def test_a_patient_of_whom_nothing_is_known_has_only_counts() -> None:
    found = row(age=float("nan"))
    known = {name for name, value in found.items() if not np.isnan(value)}
    assert {name: found[name] for name in known if found[name] != 0.0} == {"height_cm": 170.0}


def test_alone_as_among_others_whatever_the_order() -> None:
    rng = np.random.default_rng(4)
    samples = [
        (int(rng.integers(6)), str(rng.choice(QUANTITIES)), float(rng.uniform(0, 48)), float(np.round(rng.gamma(9), 1)))
        for _ in range(3000)
    ]
    ages = (50.0, 60.0, 70.0, 80.0, 90.0, float("nan"))
    together = stay_features(series(*samples), stayers(*ages))
    rng.shuffle(samples)
    np.testing.assert_array_equal(stay_features(series(*samples), stayers(*ages)), together)
    for stay, age in enumerate(ages):
        alone = stay_features(series(*((0, *one[1:]) for one in samples if one[0] == stay)), stayers(age))
        np.testing.assert_array_equal(alone[0], together[stay])


def stepped(score: str, quantity: str, values: tuple[float, ...]) -> list[float]:
    """The points of each value alone, of one too young to have any for age."""
    return [row((quantity, 40.0, value), age=39.0)[score] for value in values]


@pytest.mark.parametrize(
    ("quantity", "values", "points"),
    [
        ("platelets", (19, 20, 49, 50, 99, 100, 149, 150), [4, 3, 3, 2, 2, 1, 1, 0]),
        ("bilirubin_total", (1.1, 1.2, 1.9, 2.0, 5.9, 6.0, 11.9, 12.0), [0, 1, 1, 2, 2, 3, 3, 4]),
        ("creatinine", (1.1, 1.2, 1.9, 2.0, 3.4, 3.5, 4.9, 5.0), [0, 1, 1, 2, 2, 3, 3, 4]),
        ("map", (69, 70), [1, 0]),
        ("gcs_total", (5, 6, 9, 10, 12, 13, 14, 15), [4, 3, 3, 2, 2, 1, 1, 0]),
    ],
)
def test_sofa_has_the_points_of_its_table(quantity: str, values: tuple[float, ...], points: list[float]) -> None:
    """Vincent, Intensive Care Med 1996;22:707, table 3, as far as these measurements go."""
    assert stepped("sofa_stay", quantity, values) == points


@pytest.mark.parametrize(
    ("quantity", "values", "points"),
    [
        ("heart_rate", (119, 120, 159, 160), [0, 4, 4, 7]),
        ("sbp", (69, 70, 99, 100), [13, 5, 5, 0]),
        ("body_temp", (38.9, 39.0), [0, 3]),
        ("urea_nitrogen", (27, 28, 83, 84), [0, 6, 6, 10]),
        ("wbc", (19.9, 20.0), [0, 3]),
        ("potassium", (4.9, 5.0), [0, 3]),
        ("sodium", (124, 125), [5, 0]),
        ("bicarbonate", (14, 15, 19, 20), [6, 3, 3, 0]),
        ("bilirubin_total", (3.9, 4.0, 5.9, 6.0), [0, 4, 4, 9]),
        ("gcs_total", (5, 6, 8, 9, 10, 11, 13, 14), [26, 13, 13, 7, 7, 5, 5, 0]),
    ],
)
def test_saps_ii_has_the_points_of_its_table(quantity: str, values: tuple[float, ...], points: list[float]) -> None:
    """Le Gall, JAMA 1993;270:2957, figure 2, as far as these measurements go."""
    assert stepped("saps_stay", quantity, values) == points


def test_saps_ii_has_the_points_of_age() -> None:
    ages = (39.0, 40.0, 59.0, 60.0, 69.0, 70.0, 74.0, 75.0, 79.0, 80.0)
    assert [row(age=one)["saps_stay"] for one in ages] == [0, 7, 7, 12, 12, 15, 15, 16, 16, 18]
