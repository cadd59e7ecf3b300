"""The glucose model against an independent solver of the same equations, its steady state, balance and directions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cds_app.content import latest
from cds_app.simulate.glucose.integrate import Stepper
from cds_app.simulate.glucose.model import Bolus, InsulinPlan, Meal, _Body, acting, glucose_courses
from cds_app.simulate.glucose.people import People, load_people
from cds_app.simulate.glucose.what_if import (
    LONGEST_MIN,
    GlucosePatient,
    InsulinAnswer,
    insulin_what_if,
    likeness,
    started,
    weighted_bands,
)
from cds_app.simulate.refusals import Refused
from tests.unit.simulate.pharmacy import ROOT

scipy_integrate = pytest.importorskip("scipy.integrate")

Floats = NDArray[np.float64]
PEOPLE: People = load_people(latest("pkpd/insulin-uvapadova-2008", root=ROOT))
DAY = 1440
MEALS = (Meal(at_min=60, carbohydrate_g=45.0), Meal(at_min=400, carbohydrate_g=72.0))
BASAL = InsulinPlan(name="basal")
BOLUSES = InsulinPlan(name="with meals", boluses=(Bolus(at_min=60, units=5.0), Bolus(at_min=400, units=8.0)))
PATIENT = GlucosePatient(type_1=True, age_years=45.0, weight_kg=85.0, daily_insulin_u=55.0, glucose_mg_dl=150.0)


def test_the_virtual_adults_have_the_published_means() -> None:
    assert len(PEOPLE.file.people) == 10
    means = {"BW": 86.07, "kabs": 0.2097, "kmax": 0.03872, "Vg": 1.848, "Vmx": 0.0537, "Km0": 236.7, "u2ss": 1.500}
    for name, mean in means.items():
        assert PEOPLE.at[name].mean() == pytest.approx(mean, rel=1e-3)
    assert (PEOPLE.start[3] / PEOPLE.at["Vg"]).mean() == pytest.approx(142.75, rel=1e-3)
    assert "Jinyu Xie" in PEOPLE.file.licence


def glucose_course(people: People, plan: InsulinPlan, meals: tuple[Meal, ...], minutes: int) -> Floats:
    return np.asarray(glucose_courses(people, (plan,), meals, minutes)[0])


def test_plans_side_by_side_are_as_each_on_its_own() -> None:
    more = InsulinPlan(
        name="more", basal_u_per_h=1.5, boluses=(Bolus(at_min=60, units=2.0), Bolus(at_min=60, units=1.0))
    )
    plans = (BASAL, BOLUSES, more)
    together = glucose_courses(PEOPLE, plans, MEALS, 200)
    for one, found in zip(plans, together, strict=True):
        np.testing.assert_array_equal(found, glucose_course(PEOPLE, one, MEALS, 200))


def test_basal_insulin_keeps_everybody_where_they_start() -> None:
    found = glucose_course(PEOPLE, BASAL, (), DAY)
    np.testing.assert_allclose(found, np.repeat(found[:, :1], DAY + 1, axis=1), rtol=1e-9)


def solved(person: int, plan: InsulinPlan, meals: tuple[Meal, ...], minutes: int) -> list[float]:
    """The published equations, written again, minute by minute with an adaptive solver."""
    p: dict[str, float] = {name: float(one[person]) for name, one in PEOPLE.at.items()}
    x, before, eaten, found = PEOPLE.start[:, person].copy(), 0.0, 0.0, []
    found.append(x[3] / p["Vg"])
    for minute in range(minutes):
        meal = next((one for one in meals if one.at_min <= minute < one.end_min), None)
        grams = meal.per_min_g if meal else 0.0
        if meal and minute == meal.at_min:
            before, eaten = x[0] + x[1], 0.0
        eaten += grams
        units = p["u2ss"] * p["BW"] / 6000.0 + sum(one.units for one in plan.boluses if one.at_min == minute)
        whole = before + 1000.0 * eaten

        d, iir = 1000.0 * grams, units * 6000.0 / p["BW"]

        def slope(_: float, x: Floats, full: float = whole, d: float = d, iir: float = iir) -> list[float]:
            q = x[0] + x[1]
            kgut = p["kmax"]
            if full > 0:
                aa, cc = 5.0 / (2.0 * full * (1.0 - p["b"])), 5.0 / (2.0 * full * p["d"])
                shape = np.tanh(aa * (q - p["b"] * full)) - np.tanh(cc * (q - p["d"] * full)) + 2.0
                kgut = p["kmin"] + (p["kmax"] - p["kmin"]) / 2.0 * shape
            ra, egp = p["f"] * p["kabs"] * x[2] / p["BW"], max(0.0, p["kp1"] - p["kp2"] * x[3] - p["kp3"] * x[8])
            lost = p["ke1"] * (x[3] - p["ke2"]) if x[3] > p["ke2"] else 0.0
            level = x[5] / p["Vi"]
            return [
                -p["kmax"] * x[0] + d,
                p["kmax"] * x[0] - kgut * x[1],
                kgut * x[1] - p["kabs"] * x[2],
                egp + ra - p["Fsnc"] - lost - p["k1"] * x[3] + p["k2"] * x[4],
                -(p["Vm0"] + p["Vmx"] * x[6]) * x[4] / (p["Km0"] + x[4]) + p["k1"] * x[3] - p["k2"] * x[4],
                -(p["m2"] + p["m4"]) * x[5] + p["m1"] * x[9] + p["ka1"] * x[10] + p["ka2"] * x[11],
                -p["p2u"] * x[6] + p["p2u"] * (level - p["Ib"]),
                -p["ki"] * (x[7] - level),
                -p["ki"] * (x[8] - x[7]),
                -(p["m1"] + p["m30"]) * x[9] + p["m2"] * x[5],
                iir - (p["ka1"] + p["kd"]) * x[10],
                p["kd"] * x[10] - p["ka2"] * x[11],
                -p["ksc"] * (x[12] - x[3]),
            ]

        x = scipy_integrate.solve_ivp(slope, (minute, minute + 1), x, method="RK45", rtol=1e-8, atol=1e-8).y[:, -1]
        found.append(x[3] / p["Vg"])
    return found


@pytest.mark.parametrize("person", [0, 6])
def test_a_step_of_a_minute_equals_an_adaptive_solver(person: int) -> None:
    found = glucose_course(PEOPLE, BOLUSES, MEALS, 720)[person]
    np.testing.assert_allclose(
        found, solved(person, BOLUSES, MEALS, 720), rtol=1e-3
    )  # 0.04 mg/dL, where the stomach turns


def test_all_that_is_eaten_leaves_the_stomach_and_appears() -> None:
    """Glucose that appears in plasma is the fraction f of the carbohydrate: seen as the area without disposal."""
    still = {name: np.array(one) for name, one in PEOPLE.at.items()}
    zero = np.zeros_like(still["BW"])
    # Without production, use and exchange, plasma glucose only collects what appears.
    for name in ("kp1", "Fsnc", "ke1", "k1", "k2", "Vm0", "Vmx"):
        still[name] = zero
    start = PEOPLE.start.copy()
    start[4] = 0.0
    inert = replace(PEOPLE, at=still, start=start)
    found = glucose_course(inert, BASAL, MEALS[:1], 3 * DAY)
    gained = (found[:, -1] - found[:, 0]) * still["Vg"] * still["BW"]
    np.testing.assert_allclose(gained, 45_000.0 * still["f"], rtol=1e-3)


def test_insulin_given_before_is_what_simulating_it_would_have_left() -> None:
    """The seven states that know insulin only: stepped through with glucose, and by powers of a minute's step."""
    doses = (Bolus(at_min=-200, units=4.0), Bolus(at_min=-45, units=3.0), Bolus(at_min=-1, units=2.0))
    left = acting(PEOPLE, doses)
    assert not left[[0, 1, 2, 3, 4, 12]].any()
    now, body = PEOPLE.start.copy(), _Body(PEOPLE.at)
    stepper = Stepper(now)
    for minute in range(-200, 0):
        units = PEOPLE.basal_u_per_h / 60.0 + sum(one.units for one in doses if one.at_min == minute)
        body.begin(minute, now, {}, units)
        stepper.step(body.slope, 2 * minute, now, 1.0)
    np.testing.assert_allclose((now - PEOPLE.start)[5:12], left[5:12], rtol=1e-9, atol=1e-7)


def test_insulin_that_still_acts_lowers_glucose_further() -> None:
    given = (Bolus(at_min=-60, units=4.0),)
    bare, more = started(PEOPLE, 220.0), started(PEOPLE, 220.0, given)
    alone = glucose_course(bare, BASAL, (), 240)
    np.testing.assert_allclose(glucose_course(more, BASAL, (), 0)[:, 0], 220.0)
    assert (glucose_course(more, BASAL, (), 240)[:, -1] < alone[:, -1] - 5.0).all()


def test_of_doses_that_do_as_well_the_smaller_is_recommended() -> None:
    patient = replace(PATIENT, glucose_mg_dl=130.0)
    plans = tuple(InsulinPlan(name=f"{n}", boluses=(Bolus(at_min=0, units=n),) if n else ()) for n in (1.0, 0.5, 0.0))
    found = insulin_what_if(PEOPLE, patient, plans, (), 240)
    assert isinstance(found, InsulinAnswer)
    assert found.recommended == "0.0"


def test_meals_raise_insulin_lowers_and_none_is_dangerous() -> None:
    eaten = glucose_course(PEOPLE, BASAL, MEALS, DAY)
    covered = glucose_course(PEOPLE, BOLUSES, MEALS, DAY)
    without = glucose_course(PEOPLE, InsulinPlan(name="none", basal_u_per_h=0.0), (), DAY)
    assert (eaten.max(axis=1) > eaten[:, 0] + 50.0).all()
    assert (covered.max(axis=1) < eaten.max(axis=1)).all()
    assert (covered.min(axis=1) < eaten.min(axis=1)).all()
    assert (without[:, -1] > without[:, 0] + 30.0).all()


def asked(patient: GlucosePatient = PATIENT, **given: Any) -> InsulinAnswer | Refused:
    usual: dict[str, Any] = {"plans": (BASAL, BOLUSES), "meals": MEALS, "minutes": 720}
    return insulin_what_if(PEOPLE, patient, **usual | given)


def test_plans_are_compared_from_the_patients_glucose_on() -> None:
    found = asked()
    assert isinstance(found, InsulinAnswer)
    assert found == asked()
    basal, covered = found.plans
    assert covered.time_in_range > basal.time_in_range
    assert basal.high > covered.high
    np.testing.assert_allclose([row[0] for row in basal.bands], 150.0)
    assert sum(weight for _, weight in found.weights) == pytest.approx(1.0)
    assert 2.0 <= found.alike <= 10.0
    assert found.recommended in {"basal", "with meals"}
    assert found.needs_review


def test_too_much_insulin_is_never_recommended() -> None:
    much = InsulinPlan(name="much", boluses=(Bolus(at_min=10, units=25.0),))
    found = asked(plans=(much,))
    assert isinstance(found, InsulinAnswer)
    assert found.plans[0].very_low > 0.5
    assert found.recommended is None


def test_people_alike_count_most_and_start_at_the_patients_glucose() -> None:
    one = PEOPLE.file.people[3]
    near = replace(PATIENT, weight_kg=one.parameters["BW"], daily_insulin_u=one.daily_insulin_u)
    assert likeness(PEOPLE, near).argmax() == 3
    moved = started(PEOPLE, 200.0)
    np.testing.assert_allclose(moved.start[3] / moved.at["Vg"], 200.0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"patient": replace(PATIENT, type_1=False)}, "patient.type_1"),
        ({"patient": replace(PATIENT, weight_kg=3.0)}, "patient.weight_kg"),
        ({"patient": replace(PATIENT, age_years=9.0)}, "patient.age_years"),
        ({"patient": replace(PATIENT, glucose_mg_dl=900.0)}, "patient.glucose_mg_dl"),
        ({"patient": replace(PATIENT, daily_insulin_u=float("nan"))}, "patient.daily_insulin_u"),
        ({"patient": replace(PATIENT, weight_kg=128.0, daily_insulin_u=20.0)}, "patient.daily_insulin_u"),
        ({"minutes": LONGEST_MIN + 1}, "minutes"),
        ({"minutes": 0}, "minutes"),
        ({"plans": ()}, "plans"),
        ({"plans": (BASAL, BASAL)}, "plans"),
        ({"plans": (InsulinPlan(name="x", basal_u_per_h=-1.0),)}, "plans.0.basal_u_per_h"),
        ({"plans": (InsulinPlan(name="x", boluses=(Bolus(at_min=1, units=-2.0),)),)}, "plans.0.boluses.0.units"),
        ({"plans": (InsulinPlan(name="x", boluses=(Bolus(at_min=1, units=500.0),)),)}, "plans.0.boluses.0.units"),
        ({"plans": (InsulinPlan(name="x", boluses=(Bolus(at_min=-1, units=2.0),)),)}, "plans.0.boluses.0.at_min"),
        ({"plans": (InsulinPlan(name="x", boluses=(Bolus(at_min=1, units=2.0),) * 101),)}, "plans.0.boluses"),
        ({"meals": (Meal(at_min=1, carbohydrate_g=-5.0),)}, "meals.0.carbohydrate_g"),
        ({"meals": (Meal(at_min=1, carbohydrate_g=1e9),)}, "meals.0.carbohydrate_g"),
        ({"meals": (Meal(at_min=1, carbohydrate_g=float("nan")),)}, "meals.0.carbohydrate_g"),
        ({"meals": MEALS[:1] * 2}, "meals"),
        ({"meals": MEALS * 100}, "meals"),
        ({"minutes": 400}, "plans.1.boluses.1.at_min"),
        ({"minutes": 400}, "meals.1.at_min"),
    ],
)
def test_what_the_model_is_not_made_for_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    found = asked(**change)
    assert isinstance(found, Refused)
    assert field in {one.field for one in found.reasons}


def test_weighted_quantiles_of_equal_weights_are_those_of_the_values() -> None:
    values = np.arange(100.0)[::-1, None]
    found = weighted_bands(values, np.full(100, 0.01))[:, 0]
    np.testing.assert_allclose(found, [4.0, 24.0, 49.0, 74.0, 94.0])
