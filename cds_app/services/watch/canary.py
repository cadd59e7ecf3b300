"""Canary patients: what is known of them is known here, too, and what must be said of them.

They go the whole way from FHIR resources to decisions, without a store: nothing of them is in anybody's record or in
the log. What comes out is compared with golden answers that were written when the content was last signed off. A broken
model, mapping, unit, rule or policy shows as a difference, and a difference makes the service not ready.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from cds_app.content import Artefact
from cds_app.domain.events import HookEvent
from cds_app.errors import ContentError, TwinlineError
from cds_app.explain.estimates import RiskEstimate
from cds_app.fabric.reading import read
from cds_app.score.result import Abstained
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.inputs import Inputs
from cds_app.services.pipeline import conclude, find
from cds_app.services.records import Twinner
from cds_app.services.watch.readiness import PartState

NAME: Final = "canary"
PATIENTS: Final = "patients.json"
GOLDEN: Final = "golden.json"
TOLERANCE: Final = 1e-9
_SERVICE: Final = "twinline-patient-view"
_SEED: Final = "00000000-0000-4000-8000-000000000000"
_BROKEN: Final = (TwinlineError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
_LOG = structlog.get_logger("twinline")

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPatient:
    """One of them: a name, the moment of the call, and FHIR resources."""

    name: str
    at: datetime
    resources: tuple[Mapping[str, Any], ...]


def patients_of(found: Artefact) -> tuple[CanaryPatient, ...]:
    """The patients in an artefact.

    Raises
    ------
    ContentError
    """
    return read_patients(found.read_json(PATIENTS))


def read_patients(document: Any) -> tuple[CanaryPatient, ...]:
    """The patients in a parsed ``patients.json``.

    Raises
    ------
    ContentError
    """
    try:
        at = datetime.fromisoformat(document["at"])
        made = [
            CanaryPatient(name=one["name"], at=at, resources=tuple(one["resources"])) for one in document["patients"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ContentError(f"models/{NAME}: {PATIENTS} is not a list of patients", field=PATIENTS) from error
    if not made:
        raise ContentError(f"models/{NAME}: {PATIENTS} holds no patient", field=PATIENTS)
    return tuple(made)


def answers(knowledge: Knowledge, patients: Sequence[CanaryPatient]) -> dict[str, Answer]:
    """What is said of each patient now."""
    return {one.name: answer(knowledge, one) for one in patients}


def answer(knowledge: Knowledge, patient: CanaryPatient) -> Answer:
    """Facts, newest values, issues, risks and decisions of one patient, as plain JSON."""
    reading = read(
        patient.resources,
        patient=patient.name,
        ontology=knowledge.ontology,
        units=knowledge.units,
        zone=UTC,
        learned=patient.at,
        now=patient.at,
    )
    twinner = Twinner(knowledge.twin, knowledge.ontology)
    record, news = twinner.extended(twinner.empty(), reading.facts)
    inputs = Inputs(
        service=knowledge.service(_SERVICE),
        event=_event(patient),
        record=record,
        segments=1,
        unused={},
        seed=_SEED,
    )
    found = find(knowledge, inputs)
    decisions = conclude(knowledge, inputs, found.dues)
    return {
        "facts": len(news.facts),
        "newest": {one.variable: one.value for one in record.timeline.facts.measurements},  # in order of time
        "unknown codes": sum(one.unknown for one in reading.tally.values()),
        "issues": dict(Counter(one.code.value for one in reading.issues)),
        "risks": {name: _risk(one) for name, one in sorted(found.risks.items())},
        "decisions": [{"topic": one.topic, "tier": one.tier, "held": one.suppression.value} for one in decisions],
    }


def differences(golden: object, found: object, where: str = "") -> Iterator[str]:
    """Places where an answer is not the golden one; numbers may differ by `TOLERANCE`."""
    if isinstance(golden, Mapping) and isinstance(found, Mapping):
        for key in sorted({*golden, *found}):
            yield from differences(golden.get(key), found.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        for index, (one, other) in enumerate(zip(golden, found, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif isinstance(golden, float) and isinstance(found, float):
        if not math.isclose(golden, found, rel_tol=0.0, abs_tol=TOLERANCE):
            yield where
    elif golden != found:
        yield where


class Canary:
    """Asks for the canary patients now and then, and remembers what came of it.

    Parameters
    ----------
    load : callable
        The artefact; ContentError if it is not what its manifest says.
    computing : context manager
        Held for one patient at a time: a call waits no longer than for another call.
    stale_s : float
        After so many seconds without a result the last one counts no more.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        load: Callable[[], Artefact],
        computing: AbstractContextManager[Any],
        *,
        stale_s: float,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._knowledge = knowledge
        self._load = load
        self._computing = computing
        self._stale_s = stale_s
        self._ticks = ticks
        self._last: tuple[float, PartState] | None = None

    def state(self) -> PartState:
        """What the last run said, unless that is too long ago."""
        if self._last is None:
            return PartState.PENDING
        at, state = self._last
        return state if self._ticks() - at < self._stale_s else PartState.FAILED

    def run(self) -> None:
        """Ask now."""
        try:
            different = tuple(self._different())
        except _BROKEN as error:
            _LOG.error("canary failed", kind=type(error).__name__)
            different = ("nothing could be computed",)
        else:
            for where in different:
                _LOG.error("canary differs", where=where)
        self._last = (self._ticks(), PartState.FAILED if different else PartState.OK)

    def _different(self) -> Iterator[str]:
        found = self._load()
        golden = found.read_json(GOLDEN)
        patients = patients_of(found)
        if set(golden) != {one.name for one in patients}:
            yield "patients"
        for one in patients:
            with self._computing:
                said = answer(self._knowledge, one)
            yield from differences(golden.get(one.name), said, one.name)


def _event(patient: CanaryPatient) -> HookEvent:
    return HookEvent(
        service=_SERVICE,
        hook="patient-view",
        instance=_SEED,
        tenant=NAME,
        patient=patient.name,
        user="Practitioner/canary",
        encounter=None,
        received=patient.at,
    )


def _risk(estimate: RiskEstimate) -> object:
    outcome = estimate.outcome
    if isinstance(outcome, Abstained):
        return [f"{lack.name} {lack.why}" for lack in outcome.reasons]
    return outcome.probability
