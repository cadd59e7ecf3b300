"""What the ODE solver is timed on is the job that the closed form does."""

from __future__ import annotations

import numpy as np

from cds_app.bench import drugs


def test_the_solver_finds_the_same_concentrations() -> None:
    people = drugs._population(1, seed=1)
    solved = drugs._solve_person({name: float(value[0]) for name, value in people.items()})
    np.testing.assert_allclose(drugs._simulate_population(people)[0], solved, rtol=1e-4)  # the solver's own tolerance
