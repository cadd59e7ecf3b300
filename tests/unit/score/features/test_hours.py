"""Features by hand, and two promises: nothing from the future, and a row alone equals a row among many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.content import latest
from cds_app.domain.ontology_files import load_ontology
from cds_app.score.deviation import standardised
from cds_app.score.features.hours import FEATURES, NAMES, QUANTITIES, Statics, features
from cds_app.twin.filter import predict
from cds_app.twin.model import TwinModel
from cds_app.twin.state import Track, track_of

TWIN = TwinModel.from_artefact(latest("twin"), load_ontology(latest("ontology")))


def _seen(quantity: str, *pairs: tuple[float, float]) -> Track:
    hours, values = zip(*pairs, strict=True)
    return track_of(TWIN, quantity, hours, values)


WHO = Statics(age_years=70.0, sex="female", unit_start_h=100.0, hours_before_unit=5.0)
HEART = _seen("heart_rate", (101.0, 80.0), (104.0, 100.0), (104.5, 104.0), (110.0, 90.0))
LACTATE = _seen("lactate", (100.0, 4.0), (103.0, 2.0), (109.0, 1.0))


def _row(tracks: dict[str, Track], at: float, who: Statics = WHO) -> dict[str, float]:
    return dict(zip(NAMES, features(TWIN, tracks, who, [at])[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("heart_rate_last", 90.0),
        ("heart_rate_age_h", 1.0),
        ("heart_rate_count_stay", 3.0),  # 104.0 and 104.5 fall in one hour
        ("heart_rate_mean_6h", 90.0),  # (105, 111] holds 110 only
        ("heart_rate_mean_12h", 93.5),
        ("heart_rate_min_12h", 80.0),
        ("heart_rate_max_12h", 104.0),
        ("heart_rate_sd_12h", np.std([80.0, 100.0, 104.0, 90.0])),
        ("heart_rate_change_6h", -14.0),  # 6 hours ago the last value was 104
        ("heart_rate_mean_stay", 93.5),
        ("heart_rate_from_stay_mean", -3.5),
        ("heart_rate_min_stay", 80.0),
        ("heart_rate_max_stay", 104.0),
        ("lactate_last", 1.0),
        ("lactate_age_h", 2.0),
        ("lactate_count_stay", 3.0),
        ("lactate_count_24h", 3.0),
        ("lactate_change_previous", -1.0),
        ("lactate_min_stay", 1.0),
        ("lactate_max_stay", 4.0),
        ("labs_1h", 0.0),
        ("labs_3h", 1.0),
        ("labs_stay", 1.0),
        ("vitals_1h", 0.0),
        ("vitals_3h", 1.0),
        ("youngest_lab_h", 2.0),
        ("age_years", 70.0),
        ("male", 0.0),
        ("hours_before_unit", 5.0),
        ("hours_in_unit", 11.0),
        ("hours_since_admission", 16.0),
    ],
)
def test_each_aspect_is_what_the_hand_computes(name: str, expected: float) -> None:
    assert _row({"heart_rate": HEART, "lactate": LACTATE}, 111.0)[name] == pytest.approx(expected, rel=1e-6)


def test_change_over_a_day_compares_with_the_last_value_a_day_ago() -> None:
    assert _row({"lactate": LACTATE}, 128.0)["lactate_change_24h"] == pytest.approx(-1.0)
    assert np.isnan(_row({"lactate": LACTATE}, 111.0)["lactate_change_24h"])


def test_windows_exclude_their_far_edge_and_include_the_query() -> None:
    row = _row({"heart_rate": _seen("heart_rate", (104.0, 60.0), (110.0, 90.0))}, 110.0)
    assert row["heart_rate_min_6h"] == 90.0
    assert row["heart_rate_age_h"] == 0.0


def test_derived_features_are_ratios_and_counts_of_signs() -> None:
    tracks = {
        "heart_rate": _seen("heart_rate", (101.0, 120.0)),
        "sbp": _seen("sbp", (101.0, 80.0)),
        "dbp": _seen("dbp", (101.0, 50.0)),
        "map": _seen("map", (101.0, 60.0)),
        "resp_rate": _seen("resp_rate", (101.0, 24.0)),
        "body_temp": _seen("body_temp", (101.0, 35.0)),
        "spo2": _seen("spo2", (101.0, 90.0)),
        "fio2": _seen("fio2", (101.0, 50.0)),
        "urea_nitrogen": _seen("urea_nitrogen", (101.0, 40.0)),
        "creatinine": _seen("creatinine", (101.0, 2.0)),
        "platelets": _seen("platelets", (101.0, 90.0)),
        "wbc": _seen("wbc", (101.0, 15.0)),
    }
    row = _row(tracks, 102.0)
    assert row["shock_index"] == pytest.approx(1.5)
    assert row["shock_index_map"] == pytest.approx(2.0)
    assert row["pulse_pressure"] == pytest.approx(30.0)
    assert row["spo2_fio2"] == pytest.approx(1.8)
    assert row["rox"] == pytest.approx(1.8 / 24.0)
    assert row["urea_creatinine"] == pytest.approx(20.0)
    assert row["platelets_wbc"] == pytest.approx(6.0)
    assert row["sirs_partial"] == 4.0
    assert row["qsofa_partial"] == 2.0
    assert row["sofa_partial"] == 5.0  # platelets 2, creatinine 2, pressure 1


def test_what_was_not_measured_is_nan_and_counts_0() -> None:
    row = _row({}, 111.0, Statics(age_years=None, sex=None, unit_start_h=100.0, hours_before_unit=None))
    zero = {one.name for one in FEATURES if one.aspect == "count"} | {"sirs_partial", "qsofa_partial", "sofa_partial"}
    assert {name for name, value in row.items() if value == 0.0} == zero
    assert row["hours_in_unit"] == 11.0
    assert all(np.isnan(value) for name, value in row.items() if name not in zero and name != "hours_in_unit")


def test_names_are_unique_and_belong_to_known_measurements() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(QUANTITIES) <= {one.quantity for one in FEATURES}


def test_samples_before_the_unit_count() -> None:
    row = _row({"lactate": _seen("lactate", (90.0, 3.0))}, 101.0)
    assert row["lactate_last"] == 3.0
    assert row["lactate_age_h"] == 11.0


def test_the_twin_is_carried_forward_from_the_last_sample() -> None:
    """Against the scalar filter; float32 keeps seven digits."""
    row = _row({"heart_rate": HEART, "lactate": LACTATE}, 113.0)
    for name, track in (("heart_rate", HEART), ("lactate", LACTATE)):
        dynamics = TWIN.dynamics[name]
        now = predict(dynamics, track.belief(len(track) - 1), 113.0)
        assert row[f"{name}_twin_level"] == pytest.approx(now.baseline + now.deviation, rel=1e-6)
        assert row[f"{name}_twin_baseline"] == pytest.approx(now.baseline - dynamics.baseline_mean, rel=1e-6)
        assert row[f"{name}_twin_departure"] == pytest.approx(standardised(dynamics, track, 113.0), rel=1e-6)
        assert row[f"{name}_twin_surprise"] == pytest.approx(track.z[-1], rel=1e-6)


def test_a_forgotten_deviation_is_not_blown_up() -> None:
    assert abs(_row({"heart_rate": HEART}, 400.0)["heart_rate_twin_departure"]) < 1e-6


def test_what_the_twin_does_not_follow_has_no_view() -> None:
    blind = replace(TWIN, dynamics={name: one for name, one in TWIN.dynamics.items() if name != "lactate"})
    row = dict(zip(NAMES, features(blind, {"lactate": LACTATE}, WHO, [111.0])[0].tolist(), strict=True))
    assert row["lactate_last"] == 1.0
    assert np.isnan(row["lactate_twin_level"])


_TIMES = st.lists(st.integers(0, 3000), min_size=1, max_size=25, unique=True)


@st.composite
def _patients(draw: st.DrawFn) -> dict[str, Track]:
    names = draw(st.lists(st.sampled_from(QUANTITIES), min_size=1, max_size=6, unique=True))
    found = {}
    for name in names:
        minutes = np.array(sorted(draw(_TIMES)))
        values = draw(st.lists(st.floats(0.5, 300.0), min_size=len(minutes), max_size=len(minutes)))
        found[name] = track_of(TWIN, name, (100.0 + minutes / 60.0).tolist(), values)
    return found


def _until(track: Track, at: float) -> Track:
    seen = [(hour, value) for hour, value in zip(track.hours, track.values, strict=True) if hour <= at + 1e-9]
    hours: Sequence[float] = [hour for hour, _ in seen]
    return track_of(TWIN, track.quantity, hours, [value for _, value in seen])


@settings(max_examples=60, deadline=None)
@given(_patients(), st.integers(0, 3000))
def test_nothing_later_than_the_query_is_looked_at(tracks: dict[str, Track], minute: int) -> None:
    at = 100.0 + minute / 60.0
    past = {name: _until(one, at) for name, one in tracks.items()}
    np.testing.assert_array_equal(features(TWIN, tracks, WHO, [at]), features(TWIN, past, WHO, [at]))


@settings(max_examples=40, deadline=None)
@given(_patients(), st.lists(st.integers(0, 3000), min_size=1, max_size=12))
def test_one_query_equals_the_same_query_among_many(tracks: dict[str, Track], minutes: list[int]) -> None:
    queries = 100.0 + np.array(minutes) / 60.0
    together = features(TWIN, tracks, WHO, queries)
    alone = np.concatenate([features(TWIN, tracks, WHO, [one]) for one in queries])
    np.testing.assert_array_equal(together, alone)


def test_no_queries_give_no_rows() -> None:
    assert features(TWIN, {"heart_rate": HEART}, WHO, []).shape == (0, len(FEATURES))
