from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise
from math import exp

import pytest

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.time import to_hours
from cds_app.domain.timeline import Timeline
from cds_app.errors import BadRequest
from cds_app.twin.bedside import Likely
from cds_app.twin.filter import prior
from cds_app.twin.model import TwinModel
from cds_app.twin.outlook import (
    belief_at,
    estimate,
    expected,
    expected_after,
    forecast,
    own_range,
    signals_of,
    surprises,
)
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


def test_only_samples_up_to_the_instant_count(model: TwinModel, state: TwinState) -> None:
    early = estimate(model, state, "heart_rate", T0 + 2.5)
    assert early is not None
    assert (early.samples, early.last_value, early.last_ref) == (3, 92.0, "Observation/h2")
    assert not early.unconfirmed


def test_datetimes_and_hours_are_the_same_instant(model: TwinModel, state: TwinState) -> None:
    assert estimate(model, state, "heart_rate", START + timedelta(hours=3)) == estimate(
        model, state, "heart_rate", to_hours(START + timedelta(hours=3))
    )


def test_what_was_never_seen_has_no_estimate(model: TwinModel, state: TwinState) -> None:
    assert estimate(model, state, "body_temp", T0) is None
    assert estimate(model, state, "heart_rate", T0 - 1.0) is None
    assert forecast(model, state, "body_temp", T0, 4.0) is None
    assert own_range(model, state, "body_temp", T0) is None
    assert own_range(model, state, "heart_rate", T0 - 1.0) is None


@pytest.mark.parametrize("horizon_h", [0.0, -1.0, float("nan")])
def test_a_forecast_looks_ahead(model: TwinModel, state: TwinState, horizon_h: float) -> None:
    with pytest.raises(BadRequest):
        forecast(model, state, "heart_rate", T0, horizon_h)


def test_nothing_exceeds_the_plausible_limits(model: TwinModel, state: TwinState) -> None:
    for horizon_h in (0.5, 1.0, 6.0, 48.0):
        found = forecast(model, state, "spo2", T0 + 6, horizon_h)
        assert found is not None
        assert found.lo90 < found.mean <= found.hi90 <= 100.0


def test_uncertainty_grows_with_the_horizon(model: TwinModel, state: TwinState) -> None:
    found = [forecast(model, state, "heart_rate", T0 + 5, horizon_h) for horizon_h in (0.5, 1, 2, 4, 6, 8, 24)]
    sds = [one.sd for one in found if one is not None]
    assert len(sds) == 7
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


def test_an_unconfirmed_value_is_named(model: TwinModel, ontology: Ontology, measure: Measure) -> None:
    facts = [measure(str(i), i, value) for i, value in enumerate([80, 81, 80, 190])]
    found = estimate(model, rebuild(model, ontology, Timeline.of(facts)), "heart_rate", T0 + 3)
    assert found is not None
    assert found.unconfirmed
    assert found.last_value == 190
    assert found.mean < 85


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
    now = estimate(model, state, "potassium", T0 + 12)
    assert now is not None
    assert 4.0 < now.mean < 4.5
    assert now.sd > 0.0


def test_every_sample_has_its_surprise(model: TwinModel, state: TwinState) -> None:
    found = surprises(model, state.tracks["potassium"], T0 + 100)
    assert [one.ref for one in found] == ["Observation/k0", "Observation/k1"]
    assert found[0].expected == pytest.approx(exp(1.4))
    assert found[1].z > 0.0
    assert found[1].weight == 1.0
    assert surprises(model, state.tracks["potassium"], T0 - 1) == ()
