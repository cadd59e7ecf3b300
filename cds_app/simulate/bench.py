"""How fast drugs are simulated. The clock is handed in: the core reads none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.answers import WhatIf
from cds_app.simulate.courses import Epoch, Structure, course
from cds_app.simulate.covariates import Covariates
from cds_app.simulate.drugs import Drug
from cds_app.simulate.patients import Level, Patient, Stage
from cds_app.simulate.plans import Dose, Regimen
from cds_app.simulate.questions import Question
from cds_app.simulate.what_if import what_if

Floats = NDArray[np.float64]
PEOPLE: Final = 10_000
HOURS: Final = 14 * 24
_ROUNDS: Final = 15
_QUESTIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSpeed:
    """Figures of `bench_simulation`, on one core.

    Parameters
    ----------
    population_ms : float
        10,000 people, two compartments, an infusion of an hour every 12 h, hourly for 14 days: the fastest of some.
    population_median_ms : float
    what_if_p50_ms, what_if_p95_ms : float
        Four plans of vancomycin over 72 h with 2,000 draws from the posterior of every model, two levels known.
    """

    population_ms: float
    population_median_ms: float
    what_if_p50_ms: float
    what_if_p95_ms: float

    def figures(self) -> dict[str, float]:
        """The figures, rounded."""
        return {
            "population_10000x14d_ms": round(self.population_ms, 2),
            "population_10000x14d_median_ms": round(self.population_median_ms, 2),
            "what_if_2000_draws_p50_ms": round(self.what_if_p50_ms, 1),
            "what_if_2000_draws_p95_ms": round(self.what_if_p95_ms, 1),
        }


def bench_simulation(vancomycin: Drug, clock_s: Callable[[], float]) -> SimulationSpeed:
    """Simulate a population and ask what-if questions.

    Parameters
    ----------
    clock_s : callable
        ``time.perf_counter``, or ``time.thread_time`` where others use the machine.
    """
    people = population(PEOPLE, seed=1)
    population_s = _timed(clock_s, _ROUNDS, lambda: simulate_population(people))
    asked_s = _timed(clock_s, _QUESTIONS, lambda: _ask(vancomycin))
    return SimulationSpeed(
        population_ms=1000.0 * min(population_s),
        population_median_ms=1000.0 * float(np.median(population_s)),
        what_if_p50_ms=1000.0 * float(np.median(asked_s)),
        what_if_p95_ms=1000.0 * float(np.quantile(asked_s, 0.95)),
    )


def population(count: int, *, seed: int) -> dict[str, Floats]:
    """Two-compartment parameters of invented people."""
    rng = np.random.default_rng(seed)
    typical = {"CL": 4.0, "V1": 45.0, "Q2": 5.0, "V2": 40.0}
    return {name: value * np.exp(0.3 * rng.standard_normal(count)) for name, value in typical.items()}


def simulate_population(people: dict[str, Floats]) -> Floats:
    """1000 mg over an hour every 12 h, hourly for 14 days, (people, hours)."""
    plan = Regimen(name="bench", amount_mg=1000.0, interval_h=12.0, over_h=1.0).until(HOURS)
    hours = np.arange(1.0, HOURS + 1.0)
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


def _timed(clock_s: Callable[[], float], rounds: int, call: Callable[[], object]) -> list[float]:
    call()
    found = []
    for _ in range(rounds):
        begun = clock_s()
        call()
        found.append(clock_s() - begun)
    return found
