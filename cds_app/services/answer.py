"""One hook call from request to cards: fetch what prefetch left out, compute, save, answer.

Cards leave only after the facts they rest on and the decision itself are durable. A call that loses a race for its
patient computes again on what the winner left. Calls wait for servers and disks side by side and compute one after
the other.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

import structlog

from cds_app.cards.definition import ServiceDefinition
from cds_app.domain.decisions import Decision
from cds_app.domain.facts import gather
from cds_app.errors import DependencyDown
from cds_app.fabric.reading import Reading
from cds_app.ports import Commit, TwinStore
from cds_app.services.calls import HookCall
from cds_app.services.gather import Gatherer
from cds_app.services.inputs import Inputs
from cds_app.services.knowledge import Knowledge
from cds_app.services.pipeline import decide
from cds_app.services.records import Records
from cds_app.services.turns import Turns

_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers hook calls.

    Parameters
    ----------
    knowledge : Knowledge
    store : TwinStore
    records : Records
    gatherer : Gatherer
    turns : Turns
    computing : Lock
        Held while computing, best the gatherer's: the threads of a process share one interpreter, so two calls that
        compute at once are both done when the second would have been done anyway.
    new_seed : callable
        A fresh uuid per call: the root of all ids in the answer.
    """

    knowledge: Knowledge
    store: TwinStore
    records: Records
    gatherer: Gatherer
    turns: Turns = field(default_factory=Turns)
    computing: Lock = field(default_factory=Lock)
    new_seed: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))

    def ready(self) -> None:
        """Raise DependencyDown unless the next call could be answered, with every estimate that is offered."""
        if failed := self.knowledge.learned.failed:
            raise DependencyDown(f"a model failed its check at start: {', '.join(sorted(failed))}")
        self.store.ready()

    def answer(self, call: HookCall) -> tuple[bytes, ...]:
        """The cards to show, as canonical JSON.

        Raises
        ------
        DataUnavailable
            If data the service needs came neither with the call nor from the FHIR server.
        DependencyDown, PatientErased, BadRequest, TooLarge
        """
        return tuple(one.card for one in self.decide(call) if one.shown)

    def decide(self, call: HookCall) -> tuple[Decision, ...]:
        """All decisions of a call, durable on return."""
        service = self.knowledge.service(call.event.service)
        patient = self.store.pseudonym(call.event.tenant, call.event.patient)
        reading = self.gatherer.gather(call, service, self.records.seen(patient))
        decisions, tries = self.turns.take(patient, lambda: self._once(call, service, patient, reading))
        self._log(service, reading, decisions, tries)
        return decisions

    def _once(self, call: HookCall, service: ServiceDefinition, patient: str, reading: Reading) -> tuple[Decision, ...]:
        loaded = self.records.load(patient)
        with self.computing:
            record, change = self.records.extend(loaded, reading.facts)
            inputs = Inputs(
                service=service,
                event=call.event,
                record=record,
                segments=record.segments_known + bool(change.novel),
                unused=_unused(reading),
                seed=self.new_seed(),
                proposed=reading.proposed,
            )
            decisions = decide(self.knowledge, inputs)
        if change.novel or decisions:
            commit = Commit(
                patient=patient,
                segments_known=record.segments_known,
                entries_known=record.entries_known,
                learned=call.event.received,
                facts=gather(change.novel),
                decisions=decisions,
            )
            segments = self.store.commit(commit)
            record = replace(record, segments_known=segments)
        self.records.keep(patient, replace(record, seen=record.seen | reading.clean))
        return decisions

    def _log(self, service: ServiceDefinition, reading: Reading, decisions: tuple[Decision, ...], tries: int) -> None:
        shown = sum(one.shown for one in decisions)
        _LOG.info(
            "answered",
            service=service.id,
            shown=shown,
            suppressed=len(decisions) - shown,
            facts=len(reading.facts),
            issues=len(reading.issues),
            tries=tries,
        )


def _unused(reading: Reading) -> Mapping[str, int]:
    return Counter(issue.code.value for issue in reading.issues if issue.dropped)
