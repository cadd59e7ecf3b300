"""``twinline simulate-bench``: how fast drugs are simulated here, and how many times faster than with an ODE solver."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from cds_app.content import content_root, latest
from cds_app.domain.ontology_files import load_ontology
from cds_app.services.pharmacology import load_pharmacy
from cds_app.simulate.bench import HOURS, PEOPLE, bench_simulation, population

_SOLVED: Final = 5
_CLOCKS: Final[dict[str, Callable[[], float]]] = {"wall": time.perf_counter, "cpu": time.thread_time}


@click.command(name="simulate-bench")
@click.option("--clock", type=click.Choice(list(_CLOCKS)), default="wall", show_default=True)
def simulate_bench(clock: str) -> None:
    """Measure the simulation of drugs on this machine, one core."""
    clock_s = _CLOCKS[clock]
    speed = bench_simulation(load_pharmacy(content_root(), load_ontology(latest("ontology")))["vancomycin"], clock_s)
    begun = clock_s()
    for person in range(_SOLVED):
        solve_person({name: float(one[person]) for name, one in population(_SOLVED, seed=1).items()})
    solver_s = (clock_s() - begun) / _SOLVED * PEOPLE
    ratio = round(1000.0 * solver_s / speed.population_ms)
    figures = {**speed.figures(), "solver_10000x14d_extrapolated_s": round(solver_s, 1), "solver_ratio": ratio}
    click.echo(json.dumps({"clock": clock, **figures}, indent=2))


def solve_person(at: dict[str, float]) -> NDArray[np.float64]:
    """The same 14 days of one person by LSODA, restarted at every start and end of an infusion."""
    state, found = np.zeros(2), []
    for start in np.arange(0.0, HOURS, 12.0):
        for begin, end, rate in ((start, start + 1.0, 1000.0), (start + 1.0, start + 12.0, 0.0)):
            hours = np.arange(begin + 1.0, end + 0.5)
            solved = solve_ivp(_slope(at, rate), (begin, end), state, method="LSODA", t_eval=hours, rtol=1e-6)
            found.append(solved.y[0] / at["V1"])
            state = solved.y[:, -1]
    return np.concatenate(found)


def _slope(at: dict[str, float], rate: float) -> Callable[[float, NDArray[np.float64]], list[float]]:
    def slope(_: float, state: NDArray[np.float64]) -> list[float]:
        central, peripheral = state[0] / at["V1"], state[1] / at["V2"]
        flow = at["Q2"] * (central - peripheral)
        return [rate - at["CL"] * central - flow, flow]

    return slope
