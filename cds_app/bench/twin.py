"""How fast the twin is, on synthetic observations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import sin
from time import perf_counter

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Ontology
from cds_app.domain.timeline import Timeline
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState, rebuild, update

_START = datetime(2026, 1, 1, tzinfo=UTC)


_PATIENTS = 20


def bench_twin(model: TwinModel, ontology: Ontology) -> dict[str, float]:
    """Feed synthetic observations of every tracked variable through timeline and twin.

    Returns
    -------
    dict
        ``observations_per_s``, in batches of 20 as they arrive; ``rebuild_10000_s``, a patient's track from nothing.
    """
    batches = _synthetic(model, ontology, 1_000)
    begun = perf_counter()
    for _ in range(_PATIENTS):
        _stream(model, ontology, batches)
    streamed_s = perf_counter() - begun
    timeline = Timeline.of(fact for batch in _synthetic(model, ontology, 10_000) for fact in batch)
    _ = timeline.facts
    begun = perf_counter()
    rebuild(model, ontology, timeline)
    return {"observations_per_s": _PATIENTS * 1_000 / streamed_s, "rebuild_10000_s": perf_counter() - begun}


def _stream(model: TwinModel, ontology: Ontology, batches: tuple[tuple[Measurement, ...], ...]) -> TwinState:
    timeline = Timeline.of(())
    state = rebuild(model, ontology, timeline)
    for batch in batches:
        timeline, change = timeline.extended(batch)
        state = update(model, ontology, state, timeline, change)
    return state


def _synthetic(
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
