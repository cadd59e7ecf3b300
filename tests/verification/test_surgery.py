"""Virtual surgery against what it was built from: published effects in the reference adult, balance, and limits.

Published figures are those of `models/circulation/1.0.0/drugs.json`; the tolerances say how well two levers of the
circulation can follow curves that were published for pressure alone.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cds_app.domain.arrays import Floats
from cds_app.simulate.haemodynamics.circulation import Bodies, Influence, Loop
from cds_app.simulate.haemodynamics.fit import Fit, fit
from cds_app.simulate.haemodynamics.kinetics import FluidVolume, Person
from cds_app.simulate.haemodynamics.patient import Known, known
from cds_app.simulate.surgery.comparing import compare_plans
from cds_app.simulate.surgery.plan import BloodLoss, Fluid, Plan, Propofol, PropofolInfusion
from cds_app.simulate.surgery.run import Chances, Subject, run
from tests.beating import Conditions, pulsate, ramp, reference
from tests.surgery_patients import SURGERY, compared, outcome, patient, seen

MODEL, DRUGS = SURGERY.model.circulation, SURGERY.model.drugs
CALIBRATED_UG_PER_ML = 3.0


def reference_adult(draws: int = 1) -> Bodies:
    stressed = MODEL.constants.blood_volume_ml - MODEL.constants.unstressed_volume_ml
    values = {
        **{"size": 1.0, "stressed_volume": stressed, "resistance": 1.0, "lv_systolic": 0.4, "rv_systolic": 1.3},
        **{"arterial_compliance": 2.0, "heart_rate": 70.0, "set_point": MODEL.reflex.set_point_mmhg},
        **{"reflex_gain": 1.0, "beta_gain": 1.0, "greatest_rate": 190.0},
    }
    return Bodies(**{name: np.full(draws, value) for name, value in values.items()})


def at_rest(acting: Influence) -> tuple[float, float, float]:
    """Mean pressure, output in L/min and heart rate of the reference adult once the reflex has settled."""
    loop = Loop(MODEL, reference_adult(), 2.0)
    states, rate = [loop.step(acting) for _ in range(300)][-1]
    return float(states.mean_pressure[0]), float(states.output[0]) * 0.06, float(rate[0])


def under(propofol: float, norepinephrine: float) -> Influence:
    """What shares of the two effects do, as the simulation applies them."""
    asleep, pressor = DRUGS.propofol_effect, DRUGS.pressor
    resistance = (1 - asleep.resistance_fall * propofol) * (1 + pressor.resistance_rise * norepinephrine)
    return Influence(
        volume=np.zeros(1),
        vein_shift=np.array([asleep.vein_shift_ml * propofol + pressor.vein_shift_ml * norepinephrine]),
        resistance=np.array([resistance]),
        contractility=np.array([1.0 + asleep.systolic_compliance_rise * propofol]),
        set_point=np.array([-asleep.set_point_fall_mmhg * propofol]),
    )


def propofol_share(concentration: float) -> float:
    site = np.array([concentration])
    return float(DRUGS.propofol_effect.share(site, site, np.ones(1))[0])


def test_propofol_takes_the_published_pressure_and_output_from_the_reference_adult() -> None:
    before, after = at_rest(Influence.none(1)), at_rest(under(propofol_share(CALIBRATED_UG_PER_ML), 0.0))
    systolic = 54.8 * 3.0**4.77 / (3.0**4.77 + 1.96**4.77)
    diastolic = 18.1 * 3.0**8.49 / (3.0**8.49 + 2.2**8.49)
    assert before[0] - after[0] == pytest.approx((systolic + 2.0 * diastolic) / 3.0, abs=0.2)
    assert before[1] - after[1] == pytest.approx(2.0 * 3.0**2 / (3.0**2 + 2.6**2), abs=0.02)
    assert after[2] == pytest.approx(before[2], abs=1.0)  # the reflex was reset, not abolished


@pytest.mark.parametrize("concentration", [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
def test_propofol_lowers_pressure_along_the_published_curve(concentration: float) -> None:
    systolic = 54.8 * concentration**4.77 / (concentration**4.77 + 1.96**4.77)
    diastolic = 18.1 * concentration**8.49 / (concentration**8.49 + 2.2**8.49)
    fall = at_rest(Influence.none(1))[0] - at_rest(under(propofol_share(concentration), 0.0))[0]
    assert fall == pytest.approx((systolic + 2.0 * diastolic) / 3.0, abs=1.0)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
def test_norepinephrine_raises_pressure_by_the_published_share_of_32_mmhg_and_leaves_output(share: float) -> None:
    asleep = propofol_share(CALIBRATED_UG_PER_ML)
    before, after = at_rest(under(asleep, 0.0)), at_rest(under(asleep, share))
    assert after[0] - before[0] == pytest.approx(32.0 * share, abs=1.0)
    assert after[1] == pytest.approx(before[1], abs=0.1)


def test_the_highest_rate_of_norepinephrine_stays_where_its_effect_was_calibrated() -> None:
    most = SURGERY.limits.ranges["rate_ug_per_kg_per_min"][1]
    person = Person(age_years=35.0, sex="male", weight_kg=70.0, height_cm=175.0)
    clearance, _, _, made = DRUGS.norepinephrine.typical(person)
    own = made / clearance / 1000.0
    reached = own + most * person.weight_kg / clearance
    share = float(DRUGS.pressor.share(np.array([reached]), np.array([own]))[0])
    gain = at_rest(under(propofol_share(3.0), share))[0] - at_rest(under(propofol_share(3.0), 0.0))[0]
    assert gain == pytest.approx(32.0 * share, abs=3.0)


def test_a_crystalloid_leaves_the_share_in_the_blood_that_volume_kinetics_say() -> None:
    crystalloid, one = DRUGS.crystalloid, np.ones(1)
    awake, asleep = (crystalloid.matrix(one, anaesthetised=told) for told in (False, True))
    step = 1.0 / 30.0
    left = {}
    for name, mask in (("awake", 0.0), ("asleep", 1.0)):
        volume = FluidVolume(awake, asleep, step)
        inside = [volume.step(np.array([100.0]), np.array([mask])) for _ in range(900)]
        left[name] = float(inside[-1][0]) / 3000.0
    assert 0.25 <= left["awake"] <= 0.30
    assert left["asleep"] > left["awake"]
    slowest = [np.log(2.0) / -np.linalg.eigvals(one).real.max() for one in (awake[0], asleep[0])]
    assert 20.0 <= slowest[0] <= 40.5
    assert slowest[1] == pytest.approx(2.0 * slowest[0], rel=0.01)


def test_a_crystalloid_agrees_with_a_numerical_solver() -> None:
    matrix = DRUGS.crystalloid.matrix(np.ones(1), anaesthetised=False)
    volume = FluidVolume(matrix, matrix, 1.0 / 30.0)
    ours = [volume.step(np.array([50.0]), np.zeros(1)) for _ in range(600)][-1]

    def flow(_t: float, held: Floats) -> Floats:
        found: Floats = matrix[0] @ held + np.array([50.0, 0.0])
        return found

    theirs = solve_ivp(flow, (0.0, 20.0), np.zeros(2), rtol=1e-10, atol=1e-10)
    assert ours[0] == pytest.approx(theirs.y[0, -1], rel=1e-6)


def typical(draws: int = 1) -> Subject:
    """The reference adult, and typical in every drug."""
    chances = Chances.drawn(np.random.default_rng(0), draws)
    zeroed = {name: np.zeros_like(getattr(chances, name)) for name in Chances.__dataclass_fields__}
    person = Person(age_years=35.0, sex="male", weight_kg=73.6, height_cm=175.0)
    return Subject(person=person, bodies=reference_adult(draws), chances=Chances(**zeroed))


def lowest(*actions: Propofol | PropofolInfusion | BloodLoss | Fluid) -> float:
    course = run(SURGERY.model, typical(), [Plan(name="it", actions=actions)], minutes=30.0, low=SURGERY.limits)
    return float(course.lowest[0, 0])


def test_a_typical_adult_goes_as_deep_as_the_golden_bis_says() -> None:
    reference_man = Person(age_years=35.0, sex="male", weight_kg=70.0, height_cm=170.0)
    bolus = (Propofol(dose_mg_per_kg=2.0, at_min=1.0, over_min=0.1),)
    plans = [Plan(name=str(opioid), actions=bolus, opioid=opioid) for opioid in (False, True)]
    course = run(SURGERY.model, replace(typical(), person=reference_man), plans, minutes=30.0, low=SURGERY.limits)
    assert course.lowest_bis[:, 0] == pytest.approx([47.4, 43.8], rel=0.01)
    assert course.deep_min[:, 0] == pytest.approx(0.0)
    light = course.bis[:, 0, 0] > 60.0
    counted = light & (course.times_min >= 4.0)  # a minute before the bolus, and three for it to work
    assert course.light_min[0, 0] == pytest.approx(0.5 * counted.sum(), abs=0.6)


def test_more_propofol_and_more_bleeding_lower_pressure_more_and_fluid_less() -> None:
    doses = [lowest(Propofol(dose_mg_per_kg=dose, at_min=1.0)) for dose in (0.5, 1.0, 2.0, 3.0, 4.0)]
    assert doses == sorted(doses, reverse=True)
    losses = [lowest(BloodLoss(loss_ml=loss, at_min=1.0, over_min=10.0)) for loss in (100, 500, 1000, 1500)]
    assert losses == sorted(losses, reverse=True)
    bleeding = BloodLoss(loss_ml=1000.0, at_min=5.0, over_min=10.0)
    filled = lowest(bleeding, Fluid(fluid_ml=1000.0, at_min=5.0, over_min=10.0))
    better = lowest(bleeding, Fluid(fluid_ml=1000.0, at_min=5.0, over_min=10.0, kind="albumin"))
    assert lowest(bleeding) < filled < better


def test_a_steady_loss_of_a_litre_ends_where_the_golden_haemorrhage_does() -> None:
    loss = Plan(name="loss", actions=(BloodLoss(loss_ml=1000.0, at_min=0.0, over_min=10.0),))
    course = run(SURGERY.model, typical(), [loss], minutes=30.0, low=SURGERY.limits)
    end = (course.mean_pressure[-1, 0, 0], course.output[-1, 0, 0], course.heart_rate[-1, 0, 0])
    assert end == pytest.approx((77.5, 3.97, 97.9), rel=0.03)


def test_a_plan_of_nothing_leaves_every_draw_at_rest() -> None:
    band = outcome(compared(Plan(name="wait", actions=()))).mean_pressure_mmhg
    for row in (band.low_90, band.median, band.high_90):
        assert np.ptp(np.array(row, dtype=float)) < 0.05


def test_half_an_hour_of_two_hundred_draws_takes_at_most_two_seconds_of_processor_time() -> None:
    plan = Plan(
        name="induction, maintenance and loss",
        actions=(
            Propofol(dose_mg_per_kg=1.5, at_min=1.0),
            PropofolInfusion(rate_mg_per_kg_per_h=5.0, at_min=2.0, over_min=28.0),
            BloodLoss(loss_ml=500.0, at_min=10.0, over_min=10.0),
        ),
    )
    compare_plans(SURGERY, patient(), [plan], draws=50, seed=1, horizon_min=1.5 * 20)
    start = time.process_time()
    compare_plans(SURGERY, patient(), [plan], draws=200, seed=1, horizon_min=30.0)
    assert time.process_time() - start <= 2.0


def acting_at(time_s: float, draws: int) -> Influence:
    """Propofol in full within a minute, 500 mL lost in another, norepinephrine as fast as its kinetics let it."""
    both = under(ramp(time_s, 30, 90), 0.4 * (1.0 - np.exp(-max(time_s - 150.0, 0.0) / 60.0)))
    spread = {name: np.repeat(getattr(both, name), draws) for name in ("vein_shift", "resistance", "contractility")}
    bled = np.full(draws, -500.0 * ramp(time_s, 90, 150))
    return Influence(volume=bled, set_point=np.repeat(both.set_point, draws), **spread)


@pytest.mark.slow
@pytest.mark.soak
def test_a_fitted_patient_under_drugs_and_bleeding_goes_as_the_beating_model_does() -> None:
    about = known(patient(heart_rate=seen(80.0), map=seen(92.0)), SURGERY.bounds)
    assert isinstance(about, Known)
    draws, parts = 24, (MODEL.surface, MODEL.constants, SURGERY.priors)
    found = fit(about, *parts, np.random.default_rng(3), draws=draws)
    assert isinstance(found, Fit)
    bodies = found.bodies
    start = reference(
        MODEL.constants,
        MODEL.reflex,
        blood_volume=bodies.stressed_volume + MODEL.constants.unstressed_volume_ml,
        reflex_gain=bodies.reflex_gain,
        **{name: getattr(bodies, name) for name in ("resistance", "lv_systolic", "rv_systolic", "heart_rate")},
        **{name: getattr(bodies, name) for name in ("arterial_compliance", "set_point")},
    )

    def course(time_s: float, rest: Conditions) -> Conditions:
        acting = acting_at(time_s, draws)
        return replace(
            rest,
            blood_volume=rest.blood_volume + acting.volume,
            vein_shift=acting.vein_shift,
            resistance_factor=acting.resistance,
            compliance_factor=acting.contractility,
            set_point=rest.set_point + acting.set_point,
        )

    beats = pulsate(MODEL.constants, MODEL.reflex, start, 290.0, course=course)
    loop = Loop(MODEL, bodies, 2.0)
    states = [loop.step(acting_at(float(second), draws))[0] for second in range(0, 290, 2)]
    assert not np.any([one.outside for one in states])
    fast = np.array([one.mean_pressure for one in states])[13:]
    off = np.abs(fast / beats.mean_pressure[::2][13:] - 1.0)
    assert off.max() < 0.03
    assert np.sqrt((off**2).mean()) < 0.01
    assert fast.min() < 70.0  # far enough from rest to be a test


def test_halving_every_volume_and_doubling_resistance_halves_the_flow_at_the_same_pressure() -> None:
    small = replace(typical().bodies, size=np.array([0.5]))
    loss = [Plan(name="loss", actions=(BloodLoss(loss_ml=500.0, at_min=1.0, over_min=10.0),))]
    twice = [Plan(name="loss", actions=(BloodLoss(loss_ml=1000.0, at_min=1.0, over_min=10.0),))]
    of_small = run(SURGERY.model, replace(typical(), bodies=small), loss, minutes=20.0, low=SURGERY.limits)
    of_whole = run(SURGERY.model, typical(), twice, minutes=20.0, low=SURGERY.limits)
    assert of_small.mean_pressure == pytest.approx(of_whole.mean_pressure, rel=1e-9)
    assert of_small.output == pytest.approx(0.5 * of_whole.output, rel=1e-9)
