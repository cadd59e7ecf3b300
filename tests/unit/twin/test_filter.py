from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.twin.filter import Belief, admit, predict, prior, run, update
from cds_app.twin.model import Dynamics, TwinModel

STABLE = [78.0, 81.0, 80.0, 79.0, 82.0, 80.0, 81.0, 79.0]


def _level(belief: Belief) -> float:
    return belief.baseline + belief.deviation


def _after(dynamics: Dynamics, values: list[float], step_h: float = 1.0) -> Belief:
    belief = admit(dynamics, prior(dynamics, 0.0), values[0]).belief
    for i, value in enumerate(values[1:], start=1):
        belief = update(dynamics, predict(dynamics, belief, i * step_h), value).belief
    return belief


@pytest.mark.parametrize(
    ("quantity", "usual", "artefact"),
    [("heart_rate", STABLE, 0.0), ("heart_rate", STABLE, 290.0), ("body_temp", [36.9, 37.0, 37.1, 37.0], 99.0),
     ("body_temp", [36.9, 37.0, 37.1, 37.0], 20.0), ("spo2", [97.0, 98.0, 97.0, 96.0], 35.0)],
)  # fmt: skip
def test_one_artefact_moves_the_estimate_by_less_than_0_3_sd(
    model: TwinModel, quantity: str, usual: list[float], artefact: float
) -> None:
    dynamics = model.dynamics[quantity]
    before = predict(dynamics, _after(dynamics, usual), len(usual))
    step = update(dynamics, before, artefact)
    assert abs(_level(step.belief) - _level(before)) < 0.3 * dynamics.deviation_sd
    assert step.weight == 0.0
    back = update(dynamics, predict(dynamics, step.belief, len(usual) + 1.0), usual[-1])
    assert back.weight == 1.0
    assert back.belief.pending == 0


@pytest.mark.parametrize("size", [15.0, 25.0, 40.0, 80.0, -30.0])
@pytest.mark.parametrize("step_h", [0.1, 1.0, 4.0])
def test_a_true_step_is_followed_within_three_samples(model: TwinModel, size: float, step_h: float) -> None:
    dynamics = model.dynamics["heart_rate"]
    belief = _after(dynamics, [*STABLE, *[80.0 + size] * 3], step_h)
    assert _level(belief) == pytest.approx(80.0 + size, abs=0.2 * abs(size))


def test_two_artefacts_of_opposite_sign_are_both_set_aside(model: TwinModel) -> None:
    dynamics = model.dynamics["heart_rate"]
    assert _level(_after(dynamics, [*STABLE, 0.0, 290.0])) == pytest.approx(80.0, abs=2.0)


def test_the_first_value_of_a_person_is_never_set_aside(model: TwinModel) -> None:
    step = admit(model.dynamics["heart_rate"], prior(model.dynamics["heart_rate"], 0.0), 180.0)
    assert step.weight == 1.0
    assert step.z > 5.0
    assert step.belief.pending == 0


def test_surprising_values_weigh_less(model: TwinModel) -> None:
    dynamics = model.dynamics["heart_rate"]
    before = predict(dynamics, _after(dynamics, STABLE), 8.0)
    sd = sqrt(before.p_bb + 2 * before.p_bd + before.p_dd + dynamics.noise_sd**2)
    step = update(dynamics, before, _level(before) + 4.0 * sd)
    assert step.z == pytest.approx(4.0)
    assert step.weight == pytest.approx((2.5 / 4.0) ** 2)


def test_predicting_to_the_same_instant_changes_nothing(model: TwinModel) -> None:
    belief = _after(model.dynamics["heart_rate"], STABLE)
    assert predict(model.dynamics["heart_rate"], belief, belief.hours) is belief


def test_a_person_of_whom_nothing_is_heard_returns_to_the_population(model: TwinModel) -> None:
    dynamics = model.dynamics["heart_rate"]
    far = predict(dynamics, _after(dynamics, [120.0] * 8), 1e6)
    assert far[1:6] == pytest.approx(prior(dynamics, 1e6)[1:6], abs=1e-9)


@settings(deadline=None)
@given(
    gaps=st.lists(st.floats(0.0, 50.0), min_size=1, max_size=30),
    values=st.lists(st.floats(0.0, 300.0), min_size=30, max_size=30),
    cut=st.integers(0, 29),
)
def test_the_fast_loop_equals_single_steps_bit_for_bit(
    model: TwinModel, gaps: list[float], values: list[float], cut: int
) -> None:
    dynamics = model.dynamics["heart_rate"]
    hours = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    belief, rows = None, []
    for at, value in zip(hours, values, strict=False):
        if belief is None:
            step = admit(dynamics, prior(dynamics, at), value)
        else:
            step = update(dynamics, predict(dynamics, belief, at), value)
        belief = step.belief
        rows.append((*belief[1:6], step.z, step.weight, float(belief.pending)))
    assert run(dynamics, None, hours, values[: len(hours)]) == rows
    first = rows[: cut + 1][-1]
    start = Belief(hours[min(cut, len(hours) - 1)], *first[:5], int(first[7]))
    assert run(dynamics, start, hours[cut + 1 :], values[cut + 1 : len(hours)]) == rows[cut + 1 :]


def test_nothing_in_nothing_out(model: TwinModel) -> None:
    assert run(model.dynamics["heart_rate"], None, [], []) == []
