"""How fast the twin is, on synthetic observations. The clock is handed in: the core reads none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sin

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.timeline import Timeline
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState, rebuild, update

_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSpeed:
    """Figures of `bench_twin`.

    Parameters
    ----------
    observations_per_s : float
        Timeline and twin together, in batches of 20 as they arrive.
    rebuild_10000_s : float
        Filtering a patient with 10,000 observations from nothing; the timeline is there.
    """

    observations_per_s: float
    rebuild_10000_s: float


def bench_twin(
    model: TwinModel, ontology: Ontology, clock_s: Callable[[], float], *, observations: int = 20_000
) -> TwinSpeed:
    """Feed synthetic observations of every tracked variable through timeline and twin.

    Parameters
    ----------
    clock_s : callable
        ``time.perf_counter``.
    observations : int
        How many; spread over patients of 1,000 observations each.
    """
    batches = synthetic(model, ontology, 1_000)
    start = clock_s()
    for _ in range(observations // 1_000):
        _stream(model, ontology, batches)
    streamed_s = clock_s() - start
    timeline = Timeline.of(fact for batch in synthetic(model, ontology, 10_000) for fact in batch)
    _ = timeline.facts
    start = clock_s()
    rebuild(model, ontology, timeline)
    rebuilt_s = clock_s() - start
    return TwinSpeed(observations_per_s=(observations // 1_000) * 1_000 / streamed_s, rebuild_10000_s=rebuilt_s)


def _stream(model: TwinModel, ontology: Ontology, batches: tuple[tuple[Measurement, ...], ...]) -> TwinState:
    timeline = Timeline.of(())
    state = rebuild(model, ontology, timeline)
    for batch in batches:
        timeline, change = timeline.extended(batch)
        state = update(model, ontology, state, timeline, change)
    return state


def synthetic(
    model: TwinModel, ontology: Ontology, observations: int, *, batch: int = 20
) -> tuple[tuple[Measurement, ...], ...]:
    """Observations of up to ten tracked variables, every three minutes, in batches."""
    keys = [key for key, one in sorted(ontology.variables.items()) if one.numeric and one.quantity in model.dynamics]
    facts = [_measurement(model, ontology, keys[i % min(len(keys), 10)], i) for i in range(observations)]
    return tuple(tuple(facts[i : i + batch]) for i in range(0, observations, batch))


def _measurement(model: TwinModel, ontology: Ontology, key: str, number: int) -> Measurement:
    dynamics = model.dynamics[ontology.variables[key].quantity]
    when = _START + timedelta(minutes=3 * number)
    scaled = dynamics.baseline_mean + dynamics.deviation_sd * sin(number)
    return Measurement(
        ref=f"Observation/{number}", version="1", when=when, learned=when, variable=key, value=dynamics.to_unit(scaled)
    )
