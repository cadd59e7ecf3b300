"""``twinline bench drugs``: how fast drugs are simulated, and how many times faster than with an ODE solver."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time
from typing import Final

import numpy as np
from scipy.integrate import solve_ivp

from cds_app.content import content_root, latest
from cds_app.domain.arrays import Floats
from cds_app.domain.ontology_files import load_ontology
from cds_app.services.content.pharmacology import load_pharmacy
from cds_app.simulate.kinetics.courses import Epoch, Structure, course
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.patients import Level, Patient, Stage
from cds_app.simulate.plans import Dose, Regimen
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.questions import Question
from cds_app.simulate.regimens.what_if import what_if

_PEOPLE: Final = 10_000
_SOLVED: Final = 5
_HOURS: Final = 14 * 24
_ROUNDS: Final = 15
_QUESTIONS: Final = 20


def bench_drugs() -> dict[str, float]:
    """Simulate a population and ask what-if questions, on one core; times are the core's own.

    Returns
    -------
    dict
        10,000 people, two compartments, an infusion of an hour every 12 h, hourly for 14 days (the fastest, and the
        median, of some); four plans of vancomycin over 72 h with 2,000 draws from the posterior of every model, two
        levels known; what an ODE solver takes for the same people, from a few of them.
    """
    vancomycin = load_pharmacy(content_root(), load_ontology(latest("ontology")))["vancomycin"]
    people = _population(_PEOPLE, seed=1)
    population_ms = _timed_ms(_ROUNDS, lambda: _simulate_population(people))
    asked_ms = _timed_ms(_QUESTIONS, lambda: _ask(vancomycin))
    solver_s = _PEOPLE / _SOLVED * _solver_s()
    return {
        "population_10000x14d_ms": round(min(population_ms), 2),
        "population_10000x14d_median_ms": round(float(np.median(population_ms)), 2),
        "what_if_2000_draws_p50_ms": round(float(np.median(asked_ms)), 1),
        "what_if_2000_draws_p95_ms": round(float(np.quantile(asked_ms, 0.95)), 1),
        "solver_10000x14d_extrapolated_s": round(solver_s, 1),
        "solver_ratio": round(1000.0 * solver_s / min(population_ms)),
    }


def _solver_s() -> float:
    people, begun = _population(_SOLVED, seed=1), thread_time()
    for person in range(_SOLVED):
        _solve_person({name: float(one[person]) for name, one in people.items()})
    return thread_time() - begun


def _population(count: int, *, seed: int) -> dict[str, Floats]:
    """Two-compartment parameters of invented people."""
    rng = np.random.default_rng(seed)
    typical = {"CL": 4.0, "V1": 45.0, "Q2": 5.0, "V2": 40.0}
    return {name: value * np.exp(0.3 * rng.standard_normal(count)) for name, value in typical.items()}


def _simulate_population(people: dict[str, Floats]) -> Floats:
    """1000 mg over an hour every 12 h, hourly for 14 days, (people, hours)."""
    plan = Regimen(name="bench", amount_mg=1000.0, interval_h=12.0, over_h=1.0).until(_HOURS)
    hours = np.arange(1.0, _HOURS + 1.0)
    return course(Structure(compartments=2), [Epoch(from_h=0.0, parameters=people)], plan.doses, hours).values


def _ask(drug: Drug) -> WhatIf | object:
    person = Covariates(age_years=60.0, weight_kg=80.0, height_cm=175.0, sex="male", creatinine_mg_dl=1.0)
    patient = Patient(
        stages=(Stage(from_h=-36.0, covariates=person),),
        history=tuple(Dose(at_h=-36.0 + 12.0 * n, amount_mg=1000.0, over_h=1.0) for n in range(3)),
        levels=(
            Level(at_h=-10.5, value=30.0, quantity="vancomycin_peak"),
            Level(at_h=-0.5, value=17.0, quantity="vancomycin_trough"),
        ),
    )
    plans = tuple(
        Regimen(name=f"{one:g}", amount_mg=one, interval_h=12.0, over_h=1.0) for one in (500.0, 750.0, 1000.0, 1250.0)
    )
    return what_if(drug, patient, Question(plans=plans, current="1000"))


def _timed_ms(rounds: int, call: Callable[[], object]) -> list[float]:
    call()
    found = []
    for _ in range(rounds):
        begun = thread_time()
        call()
        found.append(1000.0 * (thread_time() - begun))
    return found


def _solve_person(at: dict[str, float]) -> Floats:
    """The same 14 days of one person by LSODA, restarted at every start and end of an infusion."""
    state, found = np.zeros(2), []
    for start in np.arange(0.0, _HOURS, 12.0):
        for begin, end, rate in ((start, start + 1.0, 1000.0), (start + 1.0, start + 12.0, 0.0)):
            hours = np.arange(begin + 1.0, end + 0.5)
            solved = solve_ivp(_slope(at, rate), (begin, end), state, method="LSODA", t_eval=hours, rtol=1e-6)
            found.append(solved.y[0] / at["V1"])
            state = solved.y[:, -1]
    return np.concatenate(found)


def _slope(at: dict[str, float], rate: float) -> Callable[[float, Floats], list[float]]:
    def slope(_: float, state: Floats) -> list[float]:
        central, peripheral = state[0] / at["V1"], state[1] / at["V2"]
        flow = at["Q2"] * (central - peripheral)
        return [rate - at["CL"] * central - flow, flow]

    return slope
