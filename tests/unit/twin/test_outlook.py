from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp

import pytest

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.time import to_hours
from cds_app.domain.timeline import Timeline
from cds_app.twin.bedside import Likely
from cds_app.twin.filter import prior
from cds_app.twin.model import TwinModel
from cds_app.twin.outlook import belief_at, expected, expected_after, own_range, signals_of
from cds_app.twin.state import TwinState, rebuild
from tests.unit.twin.conftest import START

Measure = Callable[..., Measurement]
T0 = to_hours(START)


@pytest.fixture(scope="module")
def state(model: TwinModel, ontology: Ontology, measure: Measure) -> TwinState:
    pulse: Sequence[float] = [88, 90, 92, 91, 90, 93]
    facts = [measure(f"h{i}", i, value) for i, value in enumerate(pulse)]
    facts += [measure(f"k{i}", 12 * i, value, "potassium") for i, value in enumerate([4.0, 4.4])]
    facts += [measure(f"s{i}", i, 100.0, "spo2") for i in range(6)]
    return rebuild(model, ontology, Timeline.of(facts))


def test_only_samples_up_to_the_instant_count(model: TwinModel, ontology: Ontology, measure: Measure) -> None:
    facts = [measure(f"h{i}", i, value) for i, value in enumerate([88, 90, 92, 140])]
    by_then, all_of_them = (rebuild(model, ontology, Timeline.of(some)).tracks for some in (facts[:3], facts))
    early = expected(model, all_of_them, "heart_rate", T0 + 2.5, 0.0)
    assert early == expected(model, by_then, "heart_rate", T0 + 2.5, 0.0)
    assert early != expected(model, all_of_them, "heart_rate", T0 + 3.0, 0.0)


def test_what_was_never_seen_has_no_range_of_its_own(model: TwinModel, state: TwinState) -> None:
    assert own_range(model, state, "body_temp", T0) is None
    assert own_range(model, state, "heart_rate", T0 - 1.0) is None
    assert own_range(model, state, "heart_rate", START) == own_range(model, state, "heart_rate", T0)


def test_nothing_exceeds_the_plausible_limits(model: TwinModel, state: TwinState) -> None:
    for horizon_h in (0.5, 1.0, 6.0, 48.0):
        median, _, low, high = expected(model, state.tracks, "spo2", T0 + 6, horizon_h)
        found = [model.dynamics["spo2"].to_unit(one) for one in (low, median, high)]
        assert found[0] < found[1] <= found[2] <= 100.0


def test_uncertainty_grows_with_the_horizon(model: TwinModel, state: TwinState) -> None:
    sds = [expected(model, state.tracks, "heart_rate", T0 + 5, ahead)[1] for ahead in (0.5, 1, 2, 4, 6, 8, 24)]
    assert all(before < after for before, after in pairwise(sds))


def test_forecasts_do_not_jump_between_calibrated_horizons(model: TwinModel, state: TwinState) -> None:
    for edge in (1.0, 4.0, 8.0):
        sides = [expected(model, state.tracks, "heart_rate", T0 + 5, edge + side) for side in (-1e-9, 0.0, 1e-9)]
        assert sides[0] == pytest.approx(sides[1], abs=1e-6)
        assert sides[1] == pytest.approx(sides[2], abs=1e-6)
    now = expected(model, state.tracks, "heart_rate", T0 + 5, 0.0)
    soon = expected(model, state.tracks, "heart_rate", T0 + 5, 1e-9)
    assert now == pytest.approx(soon, abs=1e-6)


def test_the_correction_is_the_weighted_sum_of_the_signals(model: TwinModel, state: TwinState) -> None:
    at, dynamics = T0 + 5, model.dynamics["heart_rate"]
    horizon = dynamics.horizons[1]
    base, deviation, _ = signals_of(dynamics, state.tracks["heart_rate"], at)
    kept_b, kept_d = exp(-4 / dynamics.baseline_relaxation_h), exp(-4 / dynamics.relaxation_h)
    correction = horizon.intercept
    for name, weights in horizon.weights.items():
        signals = signals_of(model.dynamics[name], state.tracks[name], at)
        correction += sum(w * s for w, s in zip(weights, signals, strict=True))
    median, *_ = expected(model, state.tracks, "heart_rate", at, 4.0)
    assert median == pytest.approx(dynamics.baseline_mean + kept_b * base + kept_d * deviation + correction)


def test_a_vital_sign_that_was_never_seen_corrects_nothing(model: TwinModel, state: TwinState) -> None:
    alone = {"heart_rate": state.tracks["heart_rate"]}
    at, dynamics = T0 + 5, model.dynamics["heart_rate"]
    signals = signals_of(dynamics, alone["heart_rate"], at)
    horizon = dynamics.horizons[0]
    own = sum(w * s for w, s in zip(horizon.weights["heart_rate"], signals, strict=True))
    base = dynamics.baseline_mean + exp(-1 / 2160) * signals[0] + exp(-1 / 8) * signals[1]
    assert expected(model, alone, "heart_rate", at, 1.0)[0] == pytest.approx(base + horizon.intercept + own)


def test_the_prior_is_expected_of_what_was_never_seen(model: TwinModel) -> None:
    assert belief_at(model.dynamics["heart_rate"], None, 3.0) == prior(model.dynamics["heart_rate"], 3.0)


def test_before_the_first_sample_a_track_tells_forecasts_nothing(model: TwinModel, state: TwinState) -> None:
    assert signals_of(model.dynamics["heart_rate"], state.tracks["heart_rate"], T0 - 1) == (0.0, 0.0, 0.0)


def test_a_value_that_waits_for_another_one_moves_nothing(
    model: TwinModel, ontology: Ontology, measure: Measure
) -> None:
    facts = [measure(str(i), i, value) for i, value in enumerate([80, 81, 80, 190])]
    state = rebuild(model, ontology, Timeline.of(facts))
    assert expected(model, state.tracks, "heart_rate", T0 + 3, 0.0)[0] < 85


def test_what_is_imputed_is_carried_to_what_is_usual_and_grows_less_sure(model: TwinModel, state: TwinState) -> None:
    likely = Likely(quantity="heart_rate", mean=120.0, low=108.0, high=132.0)
    dynamics, track, at = model.dynamics["heart_rate"], state.tracks["heart_rate"], T0 + 12.0
    now, soon, late = (expected_after(dynamics, track, likely, (at, ahead)) for ahead in (0.0, 4.0, 200.0))
    assert [dynamics.to_unit(one) for one in now] == pytest.approx([120.0, 108.0, 132.0], abs=0.5)
    usual = belief_at(dynamics, track, at).baseline
    assert usual < soon[0] < now[0]
    assert late[0] == pytest.approx(belief_at(dynamics, track, at + 200.0).baseline, abs=0.2)
    assert late[2] - late[1] > now[2] - now[1]


def test_own_range_is_shrunk_from_the_population_to_the_patient(
    model: TwinModel, ontology: Ontology, measure: Measure
) -> None:
    facts = [measure(str(i), 12 * i, 60.0) for i in range(30)]
    state = rebuild(model, ontology, Timeline.of(facts))
    first = own_range(model, state, "heart_rate", T0)
    last = own_range(model, state, "heart_rate", T0 + 12 * 29)
    assert first is not None
    assert last is not None
    assert 60.0 < last.centre < first.centre < 82.0
    assert last.high - last.low < first.high - first.low
    assert (first.samples, last.samples) == (1, 30)


def test_logarithmic_quantities_stay_positive_and_their_range_is_skewed(model: TwinModel, state: TwinState) -> None:
    found = own_range(model, state, "potassium", T0 + 12)
    assert found is not None
    assert found.high - found.centre > found.centre - found.low > 0.0
    median, sd, *_ = expected(model, state.tracks, "potassium", T0 + 12, 0.0)
    assert 4.0 < model.dynamics["potassium"].to_unit(median) < 4.5
    assert sd > 0.0
