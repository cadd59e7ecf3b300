"""Whether the bands hold what they promise: forecasts of simulated patients, fitted from noisy readings.

Truths are drawn from the priors (with the prior of the cardiac index, by rejection), operated on, and read with the
errors that the fit believes in. Of each only the readings at rest are known to the fit; its 90 % band of mean pressure
must then hold the truth in 90 % of patients. Over 400 patients (seed 5) it held 88.8 % of them at 4 and at 12 minutes,
and the 50 % band 47 and 48 %.
"""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.domain.arrays import Floats
from cds_app.simulate.haemodynamics.circulation import Bodies
from cds_app.simulate.haemodynamics.fit import Fit, fit
from cds_app.simulate.haemodynamics.kinetics import Person
from cds_app.simulate.haemodynamics.patient import Known
from cds_app.simulate.surgery.plan import BloodLoss, Plan, Propofol
from cds_app.simulate.surgery.run import Chances, Subject, run
from tests.surgery_patients import SURGERY

PARTS, PRIORS = SURGERY.model.circulation, SURGERY.priors
PERSON = Person(age_years=64.0, sex="male", weight_kg=78.0, height_cm=175.0)
RATE = 72.0
NAMES = ("stressed_volume", "resistance", "lv_systolic", "rv_systolic", "arterial_compliance")
CENTRES = (1325.0, 1.0, 0.4, 1.3, 2.0)
PLAN = Plan(
    name="induction and loss",
    actions=(Propofol(dose_mg_per_kg=2.0, at_min=1.0), BloodLoss(loss_ml=500.0, at_min=4.0, over_min=8.0)),
)
MINUTES = 12.0


def somebody(mean: float, pulse: float, rate: float) -> Known:
    return Known(
        person=PERSON,
        mean_pressure=mean,
        heart_rate=rate,
        pulse_pressure=pulse,
        cardiac_output=None,
        ejection_fraction=None,
        beta_blocked=False,
        sedated=False,
    )


def truths(number: int, rng: np.random.Generator) -> tuple[Bodies, Floats]:
    """Bodies from the priors, and their readings (3, number): mean and pulse pressure, rate."""
    tried = 40 * number
    error, about = PRIORS.measurement, somebody(90.0, 50.0, RATE)
    per_kg = 70.0 * np.sqrt(22.0 / about.body_mass_index)
    size = per_kg * 78.0 / 5150.0 * np.exp(PRIORS.blood_volume["spread_sd"] * rng.standard_normal(tried))
    natural = np.array(
        [
            centre * np.exp(PRIORS.spread[f"{name}_sd"] * rng.standard_normal(tried))
            for name, centre in zip(NAMES, CENTRES, strict=True)
        ]
    )
    rate = RATE * np.exp(error["heart_rate_sd"] / RATE * rng.standard_normal(tried))
    states = PARTS.surface.states(np.vstack([natural[:2], rate, natural[2:]]))
    index = size * states.output * 0.06 / about.body_surface_m2
    usual = np.exp(-0.5 * ((index - PRIORS.output["index_mean"]) / PRIORS.output["index_sd"]) ** 2)
    mean = states.mean_pressure + error["mean_pressure_sd"] * rng.standard_normal(tried)
    pulse = states.pulse_pressure + error["pulse_pressure_sd"] * rng.standard_normal(tried)
    read = (mean >= 70) & (mean <= 120) & (pulse >= 25) & (pulse <= 90)
    kept = np.flatnonzero(~states.outside & read & (rng.random(tried) < usual))[:number]
    assert kept.size == number
    bodies = Bodies(
        size=size[kept],
        **{name: natural[at, kept] for at, name in enumerate(NAMES)},
        heart_rate=rate[kept],
        set_point=states.mean_pressure[kept],
        reflex_gain=np.exp(PRIORS.reflex["gain_sd"] * rng.standard_normal(number)),
        beta_gain=np.ones(number),
        greatest_rate=np.full(number, 208.0 - 0.7 * 64.0),
    )
    return bodies, np.array([mean[kept], pulse[kept], np.full(number, RATE)])


def covered(number: int, seed: int, draws: int = 100) -> Floats:
    """Shares of patients whose truth lies within the 50 % and 90 % bands at the end, and before the loss."""
    rng = np.random.default_rng(seed)
    bodies, readings = truths(number, rng)
    chances = Chances.drawn(rng, number)
    true = run(
        SURGERY.model,
        Subject(person=PERSON, bodies=bodies, chances=chances),
        [PLAN],
        minutes=MINUTES,
        low=SURGERY.limits,
    )
    inside = []
    for at, (mean, pulse, rate) in enumerate(readings.T):
        found = fit(somebody(mean, pulse, rate), PARTS.surface, PARTS.constants, PRIORS, rng, draws=draws)
        if not isinstance(found, Fit):
            continue
        subject = Subject(person=PERSON, bodies=found.bodies, chances=Chances.drawn(rng, draws))
        forecast = run(SURGERY.model, subject, [PLAN], minutes=MINUTES, low=SURGERY.limits)
        told = []
        for sample in (8, 24):
            low, lower, upper, high = np.nanpercentile(forecast.mean_pressure[sample, 0], (5, 25, 75, 95))
            truth = true.mean_pressure[sample, 0, at]
            told += [lower <= truth <= upper, low <= truth <= high]
        inside.append(told)
    assert len(inside) >= 0.97 * number
    shares: Floats = np.mean(inside, axis=0)
    return shares


@pytest.mark.slow
def test_the_bands_hold_the_truth_as_often_as_they_say() -> None:
    half_early, most_early, half_late, most_late = covered(80, seed=5)
    # Of 80 patients, 99.9 % of samples of a share of 0.9 (0.5) lie within 0.11 (0.18) of it.
    assert most_early == pytest.approx(0.9, abs=0.11)
    assert most_late == pytest.approx(0.9, abs=0.11)
    assert half_early == pytest.approx(0.5, abs=0.18)
    assert half_late == pytest.approx(0.5, abs=0.18)
