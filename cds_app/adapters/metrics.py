"""Metrics for Prometheus. Labels are service ids, topics, tiers and codes of closed lists: nothing of any person.

With ``PROMETHEUS_MULTIPROC_DIR`` in the environment, as ``twinline serve`` sets it, every worker keeps its numbers in
files of that folder and each answer adds them up; a worker's counts outlive it. Without, they are this process's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Final, Literal, ParamSpec

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from cds_app.domain.decisions import Decision, Feedback, Untaken

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS: Final = (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0)

_Given = ParamSpec("_Given")


def _harmless(count: Callable[_Given, None]) -> Callable[_Given, None]:
    """What cannot be counted, because a worker's file cannot grow, must not fail the call that is counted."""

    @wraps(count)
    def counted(*given: _Given.args, **named: _Given.kwargs) -> None:
        with suppress(OSError):
            count(*given, **named)

    return counted


class PrometheusMeter:
    """`cds_app.ports.Meter`, and the page that Prometheus reads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._count_calls()
        self._count_cards()
        self._gauges = {
            "breakers": self._gauge("fhir_breakers", "FHIR servers by what their breaker lets through", "state", "sum"),
            "canary": self._gauge("canary", "Workers by what the canary patients said last", "state", "sum"),
            "modes": self._gauge("mode", "1 for each switch that is not on: service, topic, mode", "switch", "max"),
            "alarms": self._gauge("firing_alarms", "1 for each alarm of the firing-rate monitor", "alarm", "max"),
        }

    @_harmless
    def call(self, service: str, kind: str, status: int, seconds: float) -> None:
        self._calls.labels(service, kind, str(status)).inc()
        self._seconds.labels(service, kind).observe(seconds)

    @_harmless
    def decided(self, decisions: Sequence[Decision], abstained: Iterable[tuple[str, str]], at_s: float) -> None:
        for one in decisions:
            self._cards.labels(one.service, one.topic, str(one.tier), one.suppression.value or "shown").inc()
        for risk, why in abstained:
            self._abstained.labels(risk, why).inc()
        self._last.set(at_s)

    @_harmless
    def read(self, service: str, unknown: int, lost: Mapping[str, int]) -> None:
        if unknown:
            self._unknown.labels(service).inc(unknown)
        for code, number in lost.items():
            self._lost.labels(service, code).inc(number)

    @_harmless
    def took_in(self, source: str, ends: Mapping[str, int]) -> None:
        for end, number in ends.items():
            self._arrivals.labels(source, end).inc(number)

    @_harmless
    def heard(self, feedback: Sequence[Feedback]) -> None:
        for one in feedback:
            self._feedback.labels(one.service, one.topic, one.outcome).inc()

    @_harmless
    def untaken(self, lost: Sequence[Untaken]) -> None:
        for one in lost:
            self._untaken.labels(one.service, one.topic, one.why).inc()

    @_harmless
    def stands(self, gauge: str, values: Mapping[str, float]) -> None:
        held = self._gauges[gauge]
        for name, value in values.items():
            held.labels(name).set(value)

    def listen(self, port: int) -> None:
        """Serve the page to this machine, for a process that serves nothing else."""
        start_http_server(port, addr="127.0.0.1", registry=self._registry)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _count_calls(self) -> None:
        self._calls = self._counter("calls", "Requests by service, kind and HTTP status", "service", "kind", "status")
        self._seconds = Histogram(
            "twinline_call_seconds",
            "Time from request to answer",
            ("service", "kind"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._last = Gauge(
            "twinline_last_decided_timestamp_seconds",
            "When a call was last decided: what is over for long is a silence",
            registry=self._registry,
            multiprocess_mode="max",
        )

    def _count_cards(self) -> None:
        self._cards = self._counter(
            "cards", "Cards that were ready: shown, or why not", "service", "topic", "tier", "outcome"
        )
        self._feedback = self._counter("feedback", "What clinicians did", "service", "topic", "outcome")
        self._untaken = self._counter(
            "untaken_cards", "Cards that were not taken, and why", "service", "topic", "reason"
        )
        self._abstained = self._counter("abstentions", "Risks that were not estimated, and why", "risk", "reason")
        self._arrivals = self._counter("arrivals", "Messages of sources, by what became of them", "source", "end")
        self._unknown = self._counter("unknown_codes", "Resources whose codes nobody knows here", "service")
        self._lost = self._counter("lost_resources", "Resources not used, and parts not fetched", "service", "code")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"twinline_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, label: str, together: str) -> Gauge:
        mode: Literal["livesum", "livemax"] = "livesum" if together == "sum" else "livemax"
        return Gauge(f"twinline_{name}", text, (label,), registry=self._registry, multiprocess_mode=mode)
