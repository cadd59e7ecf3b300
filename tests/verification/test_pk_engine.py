"""The exact engine against an independent solver, and what must hold of it: mass, linearity, superposition, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import exp, sin

import numpy as np
import pytest
from numpy.typing import NDArray

from cds_app.simulate.glucose.integrate import Stepper
from cds_app.simulate.kinetics.anticoagulation import FIRST_H, FIRST_STEP_H, STEP_H, Factors, Mesh, Span, spans_of
from cds_app.simulate.kinetics.courses import Epoch, Structure, course
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.plans import Dose
from tests.unit.simulate.pharmacy import epochs, model

scipy_integrate = pytest.importorskip("scipy.integrate")

Floats = NDArray[np.float64]
DRAWS = 4
TIMES = np.array([0.5, 1.0, 1.3, 2.0, 11.0, 12.01, 13.5, 17.9, 20.0, 30.0])
DOSES = (
    Dose(at_h=0.0, amount_mg=500.0, over_h=1.3),
    Dose(at_h=12.0, amount_mg=300.0),
    Dose(at_h=13.0, amount_mg=200.0, route="oral"),
    Dose(at_h=15.0, amount_mg=250.0, route="oral"),
    Dose(at_h=17.0, amount_mg=100.0, over_h=2.0),
)


def drawn(seed: int) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    limits = {
        "CL": (1.0, 5.0),
        "V1": (10.0, 50.0),
        "Q2": (1.0, 9.0),
        "V2": (10.0, 50.0),
        "Q3": (0.1, 1.0),
        "V3": (50.0, 90.0),
        "KA": (0.5, 3.0),
        "KE0": (0.5, 3.0),
    }
    return {name: rng.uniform(*ends, DRAWS) for name, ends in limits.items()}


BEFORE, AFTER = drawn(1), drawn(2)
CHANGE_H = 18.0


def solved(parts: int, steps: int, doses: Sequence[Dose], draw: int) -> tuple[list[float], list[float], list[float]]:
    """Central, area and effect by an adaptive solver, restarted wherever something changes."""
    events = {one.at_h for one in doses} | {one.end_h for one in doses} | {CHANGE_H, 0.0}
    state, now = np.zeros(steps + parts + 2), 0.0
    central, area, effect = [], [], []
    for mark in sorted(events | set(TIMES)):
        if mark > now:
            at = {name: float(one[draw]) for name, one in (BEFORE if now < CHANGE_H else AFTER).items()}
            rate = sum(one.amount_mg / one.over_h for one in doses if one.over_h and one.at_h <= now < one.end_h)
            slope = slope_of(at, parts, steps, rate)
            kept = scipy_integrate.solve_ivp(slope, (now, mark), state, method="DOP853", rtol=1e-11, atol=1e-12)
            state, now = kept.y[:, -1], mark
        if mark in TIMES:
            at = {name: float(one[draw]) for name, one in (BEFORE if mark <= CHANGE_H else AFTER).items()}
            central.append(state[steps] / at["V1"])
            area.append(state[-2])
            effect.append(state[-1])
        for one in doses:
            if one.at_h == mark and not one.over_h:
                state[0 if one.route == "oral" else steps] += one.amount_mg
    return central, area, effect


def slope_of(at: Mapping[str, float], parts: int, steps: int, rate: float):  # type: ignore[no-untyped-def]
    def slope(_: float, state: Floats) -> Floats:
        moved = np.zeros_like(state)
        for n in range(steps):
            moved[n] += (at["KA"] * state[n - 1] if n else 0.0) - at["KA"] * state[n]
        levels = [state[steps + n] / at[f"V{n + 1}"] for n in range(parts)]
        moved[steps] = rate - at["CL"] * levels[0] + (at["KA"] * state[steps - 1] if steps else 0.0)
        for n in range(1, parts):
            flow = at[f"Q{n + 1}"] * (levels[0] - levels[n])
            moved[steps] -= flow
            moved[steps + n] += flow
        moved[-2], moved[-1] = levels[0], at["KE0"] * (levels[0] - state[-1])
        return moved

    return slope


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_recursion_equals_an_adaptive_solver(parts: int, steps: int) -> None:
    doses = [one for one in DOSES if steps or one.route == "iv"]
    both = [Epoch(from_h=0.0, parameters=BEFORE), Epoch(from_h=CHANGE_H, parameters=AFTER)]
    found = course(Structure(compartments=parts, steps=steps), both, doses, TIMES, area=True)
    assert found.area is not None
    for draw in range(DRAWS):
        central, area, _ = solved(parts, steps, doses, draw)
        # the solver's own tolerance is 1e-11
        assert found.values[draw] == pytest.approx(central, rel=1e-9)
        assert found.area[draw] == pytest.approx(area, rel=1e-9)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_the_effect_site_equals_an_adaptive_solver(parts: int) -> None:
    doses = [one for one in DOSES if one.route == "iv"]
    both = [Epoch(from_h=0.0, parameters=BEFORE), Epoch(from_h=CHANGE_H, parameters=AFTER)]
    found = course(Structure(compartments=parts, effect=True), both, doses, TIMES)
    for draw in range(DRAWS):
        assert found.values[draw] == pytest.approx(solved(parts, 0, doses, draw)[2], rel=1e-9)


def test_nothing_is_lost_without_clearance_and_all_is_eliminated_with_it() -> None:
    at = {**BEFORE, "CL": np.full(DRAWS, 1e-12)}
    end = np.array([5000.0])
    found = course(Structure(compartments=2, steps=1), [Epoch(from_h=0.0, parameters=at)], DOSES, end)
    given = sum(one.amount_mg for one in DOSES)
    assert found.values[:, 0] * (at["V1"] + at["V2"]) == pytest.approx(np.full(DRAWS, given), rel=1e-6)
    whole = course(Structure(compartments=2, steps=1), [Epoch(from_h=0.0, parameters=BEFORE)], DOSES, end, area=True)
    assert whole.area is not None
    assert whole.area[:, 0] * BEFORE["CL"] == pytest.approx(np.full(DRAWS, given), rel=1e-9)


def test_the_area_equals_a_quadrature_of_the_concentrations() -> None:
    fine = np.linspace(0.0, 30.0, 12001)
    doses = [one for one in DOSES if one.over_h]  # no jumps
    found = course(Structure(compartments=3), [Epoch(from_h=0.0, parameters=BEFORE)], doses, fine, area=True)
    assert found.area is not None
    sums = np.trapezoid(found.values, fine, axis=1)
    # the trapezoid's error: a step of 0.0025 h, squared, times the curvature
    assert found.area[:, -1] == pytest.approx(sums, rel=1e-5)


def test_twice_the_dose_is_twice_the_concentration_and_doses_add_up() -> None:
    at, shape = [Epoch(from_h=0.0, parameters=BEFORE)], Structure(compartments=3, steps=2)

    def of(*doses: Dose) -> Floats:
        return course(shape, at, doses, TIMES).values

    twice = [Dose(at_h=o.at_h, amount_mg=2 * o.amount_mg, over_h=o.over_h, route=o.route) for o in DOSES]
    np.testing.assert_allclose(of(*twice), 2.0 * of(*DOSES), rtol=1e-12)
    np.testing.assert_allclose(of(*DOSES), sum(of(one) for one in DOSES), rtol=1e-12, atol=1e-13)


def test_an_infusion_off_the_grid_is_split_exactly() -> None:
    at, shape = [Epoch(from_h=0.0, parameters=BEFORE)], Structure(compartments=2)
    whole = course(shape, at, [Dose(at_h=0.1, amount_mg=300.0, over_h=0.777)], np.array([24.0])).values
    pieces = [Dose(at_h=0.1 + 0.259 * n, amount_mg=100.0, over_h=0.259) for n in range(3)]
    np.testing.assert_allclose(course(shape, at, pieces, np.array([24.0])).values, whole, rtol=1e-8)


def test_an_infusion_that_gets_shorter_becomes_a_bolus() -> None:
    at, shape = [Epoch(from_h=0.0, parameters=BEFORE)], Structure(compartments=3)
    bolus = course(shape, at, [Dose(at_h=0.0, amount_mg=100.0)], TIMES).values
    short = course(shape, at, [Dose(at_h=0.0, amount_mg=100.0, over_h=1e-5)], TIMES).values
    np.testing.assert_allclose(short, bolus, rtol=1e-4)


def test_without_exchange_two_and_three_compartments_are_one() -> None:
    doses = [one for one in DOSES if one.route == "iv"]
    none = {**BEFORE, "Q2": np.zeros(DRAWS), "Q3": np.zeros(DRAWS)}
    at = [Epoch(from_h=0.0, parameters=none)]
    one, two, three = (course(Structure(compartments=n), at, doses, TIMES).values for n in (1, 2, 3))
    np.testing.assert_allclose(two, one, rtol=1e-10)
    np.testing.assert_allclose(three, one, rtol=1e-10)


def test_one_compartment_is_the_textbook_exponential() -> None:
    at = [Epoch(from_h=0.0, parameters={"CL": np.array([2.0]), "V1": np.array([20.0])})]
    found = course(Structure(compartments=1), at, [Dose(at_h=0.0, amount_mg=100.0)], TIMES).values[0]
    assert found == pytest.approx([5.0 * exp(-0.1 * one) for one in TIMES], rel=1e-12)


def test_absorption_as_fast_as_elimination_is_no_singularity() -> None:
    near = [0.1, 0.1 + 1e-13, 0.1 + 1e-9, 0.1 + 1e-5]
    at = {"CL": np.full(4, 2.0), "V1": np.full(4, 20.0), "KA": np.array(near)}
    given = [Dose(at_h=0.0, amount_mg=100.0, route="oral")]
    for steps in (1, 3):
        found = course(Structure(compartments=1, steps=steps), [Epoch(from_h=0.0, parameters=at)], given, TIMES).values
        for other in found[1:]:
            np.testing.assert_allclose(other, found[0], rtol=1e-3)
    once = course(Structure(compartments=1, steps=1), [Epoch(from_h=0.0, parameters=at)], given, TIMES).values[0]
    assert once == pytest.approx([0.5 * one * exp(-0.1 * one) for one in TIMES], rel=1e-12)


def test_parameters_that_change_to_themselves_change_nothing() -> None:
    again = [Epoch(from_h=0.0, parameters=BEFORE), *(Epoch(from_h=h, parameters=BEFORE) for h in (0.7, 12.5, 16.0))]
    for parts in (1, 2, 3):
        shape = Structure(compartments=parts, steps=2)
        plain = course(shape, again[:1], DOSES, TIMES).values
        np.testing.assert_allclose(course(shape, again, DOSES, TIMES).values, plain, rtol=1e-10)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_times_looked_at_together_show_what_each_shows_alone(parts: int, steps: int) -> None:
    doses = [Dose(at_h=12.0 * n, amount_mg=100.0, over_h=2.0) for n in range(4)]
    doses += [Dose(at_h=12.0 * n + 5.0, amount_mg=50.0, route="oral" if steps else "iv") for n in range(4)]
    shape, times = Structure(compartments=parts, steps=steps), np.arange(-3.0, 54.0, 0.5)
    where = [Epoch(from_h=0.0, parameters=BEFORE), Epoch(from_h=31.0, parameters=AFTER)]
    together = course(shape, where, doses, times).values
    alone = np.concatenate([course(shape, where, doses, times[n : n + 1]).values for n in range(len(times))], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("draws", [4, 2500])
@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("steps", [0, 1])
def test_sums_of_exponentials_equal_the_walk_from_event_to_event(parts: int, steps: int, draws: int) -> None:
    """Few draws and many go other ways; the walk is what the solver above is compared with."""
    rng = np.random.default_rng(parts)
    at = {name: float(one[0]) * np.exp(0.4 * rng.standard_normal(draws)) for name, one in BEFORE.items()}
    doses = [Dose(at_h=12.0 * n + 0.1 * n * n, amount_mg=100.0, over_h=2.0) for n in range(4)]
    doses += [Dose(at_h=12.0 * n + 5.3, amount_mg=50.0, route="oral" if steps else "iv") for n in range(4)]
    shape, times = Structure(compartments=parts, steps=steps), np.arange(-3.0, 54.0, 0.7)
    where = [Epoch(from_h=0.0, parameters=at | {"F": np.full(draws, 0.8)})]
    walked = course(shape, where, doses, times, area=True).values
    summed = course(shape, where, doses, times, marks_h=np.arange(0.0, 60.0, 6.0).tolist()).values
    np.testing.assert_allclose(summed, walked, rtol=1e-9, atol=1e-12)


def test_runge_kutta_is_of_fourth_order() -> None:
    def slope(_: int, state: Floats, into: Floats) -> None:
        np.negative(state, out=into)

    def of(count: int) -> float:
        now = np.ones((1, 1))
        stepper = Stepper(now)
        for n in range(count):
            stepper.step(slope, 2 * n, now, 1.0 / count)
        return float(now[0, 0])

    errors = [abs(of(count) - exp(-1.0)) for count in (10, 20, 40)]
    assert [round(float(np.log2(a / b))) for a, b in pairwise(errors)] == [4, 4]


PERSON = Covariates(age_years=71.0, weight_kg=80.0, baseline_inr=1.0, genotypes={"CYP2C9": "*1/*2", "VKORC1": "AG"})
WARFARIN = model("warfarin-hamberg-2007")


DAILY = {
    "on time": tuple(24.0 * n for n in range(14)),
    "later": tuple(24.0 * n + (0.37 if n else 0.0) for n in range(14)),
    "in the middle of steps": tuple(24.0 * n + (3.0 if n else 0.0) for n in range(14)),
    "at odd times": tuple(24.0 * n + 5.0 * abs(sin(7.0 * n)) for n in range(14)),
}


@pytest.mark.parametrize("given", DAILY.values(), ids=DAILY)
def test_half_the_steps_hardly_move_an_inr_at_the_end_of_one_and_little_within(given: Sequence[float]) -> None:
    (at,) = epochs(WARFARIN.name, PERSON, draws=200, seed=3)
    doses = [Dose(at_h=one, amount_mg=5.0, route="oral") for one in given]
    spans = spans_of(0.0, 0.0, 336.0)
    halves = [Span(from_h=one.from_h, step_h=0.5 * one.step_h, count=2 * one.count) for one in spans]
    times = np.arange(0.0, 336.5, 1.5)
    found, closer = (inrs(at, doses, Mesh(0.0, one, given), times) for one in (spans, halves))
    apart = np.abs(closer / found - 1.0)
    assert apart[np.isin(times, Mesh(0.0, spans, ()).edges_h)].max() < 0.005
    assert np.quantile(apart, 0.999) < 0.006
    assert apart.max() < 0.015


def inrs(at: Epoch, doses: Sequence[Dose], mesh: Mesh, times_h: Floats) -> Floats:
    levels = course(Structure(compartments=2, steps=1), [at], doses, mesh.nodes_h).values.T
    return Factors(at.parameters, WARFARIN.file.constants).follow(levels, mesh, times_h)


def test_clotting_factors_under_a_steady_level_are_as_an_adaptive_solver_has_them() -> None:
    (at,) = epochs(WARFARIN.name, PERSON, draws=3, seed=3)
    level, constants = 0.8, WARFARIN.file.constants
    mesh = Mesh(-90.0, spans_of(-90.0, -200.0, -0.0), (-80.0, -33.3))
    times = np.arange(-90.0, 0.1, 2.5)
    found = Factors(at.parameters, constants).follow(np.full((len(mesh.nodes_h), 3), level), mesh, times)
    at_ends = np.isin(times, mesh.edges_h)
    for draw in range(3):
        one = {name: float(values[draw]) for name, values in at.parameters.items()}
        made = 1.0 / (1.0 + (level / one["EC50"]) ** constants["HILL"])
        fast, slow = constants["CHAIN_RATE_TIMES_MTT1"] / one["MTT1"], 1.0 / one["MTT2"]

        def slope(_: float, x: Floats, made: float = made, fast: float = fast, slow: float = slow) -> Floats:
            return np.concatenate([fast * (np.concatenate([[made], x[:5]]) - x[:6]), [slow * (made - x[6])]])

        left = scipy_integrate.solve_ivp(
            slope, (0.0, 90.0), np.ones(7), method="DOP853", t_eval=times + 90.0, rtol=1e-11, atol=1e-13
        ).y
        inr = one["BASE"] + constants["INR_MAX"] * (1.0 - left[5] * left[6]) ** constants["POWER"]
        assert found[at_ends, draw] == pytest.approx(inr[at_ends], rel=1e-6)  # what the solver interpolates
        assert found[:, draw] == pytest.approx(inr, rel=0.005)  # a cubic from end to end of a step


def test_steps_meet_the_first_dose_its_first_hours_and_now() -> None:
    found = spans_of(-30.5, -20.0, 100.0)
    edges = [(one.from_h, round(one.from_h + one.step_h * one.count, 9)) for one in found]
    assert edges == [
        (-30.5, -24.5),
        (-24.5, -20.0),
        (-20.0, -2.0),
        (-2.0, 0.0),
        (0.0, 3.0),
        (3.0, FIRST_H - 20.0),
        (4.0, 100.0),
    ]
    assert [one.step_h for one in found] == [STEP_H, 4.5, FIRST_STEP_H, 2.0, FIRST_STEP_H, 1.0, STEP_H]
    assert spans_of(-1e-300, -1e-300, 0.0) == ()


def test_where_no_time_passes_nothing_changes() -> None:
    (at,) = epochs(WARFARIN.name, PERSON, draws=2, seed=3)
    assert inrs(at, (), Mesh(0.0, (), ()), np.zeros(1)) == pytest.approx(np.ones((1, 2)), abs=1e-12)


def test_a_dose_inside_a_step_is_as_two_steps_there() -> None:
    (at,) = epochs(WARFARIN.name, PERSON, draws=50, seed=3)
    doses = [Dose(at_h=one, amount_mg=5.0, route="oral") for one in (0.0, 27.0)]
    whole = spans_of(0.0, 0.0, 36.0)
    cut = (*whole[:-1], Span(from_h=24.0, step_h=3.0, count=4))
    found, closer = (inrs(at, doses, Mesh(0.0, one, (0.0, 27.0)), np.array([30.0, 36.0])) for one in (whole, cut))
    blind = inrs(at, doses, Mesh(0.0, whole, ()), np.array([30.0, 36.0]))
    assert found == pytest.approx(closer, rel=0.004)
    assert blind != pytest.approx(closer, rel=0.01)
