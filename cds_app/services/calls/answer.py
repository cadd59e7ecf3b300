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

import structlog

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.shadow import Shadow
from cds_app.domain.decisions import Decision
from cds_app.domain.issues import IssueCode
from cds_app.explain.estimates import RiskEstimate
from cds_app.fabric.reading import Reading
from cds_app.ports import Commit, Meter, TwinStore
from cds_app.score.result import Abstained
from cds_app.services.calls.fair_lock import FairLock
from cds_app.services.calls.gather import Gatherer
from cds_app.services.calls.handing import Handing
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.calls.turns import Turns
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.inputs import Inputs
from cds_app.services.pipeline import conclude, find
from cds_app.services.records import Records
from cds_app.services.sources.identities import Identities
from cds_app.services.watch.switchboard import Switchboard

_LOST = frozenset({
    IssueCode.FETCH_FAILED, IssueCode.CONTRADICTORY, IssueCode.DISPUTED, IssueCode.IMPLAUSIBLE, IssueCode.NOT_A_NUMBER,
})  # fmt: skip
_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    decisions: tuple[Decision, ...]
    abstained: tuple[tuple[str, str], ...]
    at_s: float


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers hook calls.

    Parameters
    ----------
    switchboard : Switchboard
        How far each service may speak.
    identities : Identities
        Ties what other sources tell of to the patient.
    handing : Handing
        Sees to it that what was not taken is known.
    computing : FairLock
        Held while computing, best the gatherer's: the threads of a process share one interpreter, so two calls that
        compute at once are both done when the second would have been done anyway.
    new_seed : callable
        A fresh uuid per call: the root of all ids in the answer.
    """

    knowledge: Knowledge
    store: TwinStore
    records: Records
    gatherer: Gatherer
    switchboard: Switchboard
    meter: Meter
    identities: Identities
    handing: Handing
    turns: Turns = field(default_factory=Turns)
    computing: FairLock = field(default_factory=FairLock)
    new_seed: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))

    def answer(self, call: HookCall) -> tuple[bytes, ...]:
        """The cards to show, as canonical JSON.

        Raises
        ------
        DataUnavailable
            If data the service needs came neither with the call nor from the FHIR server.
        ServiceOff
            If those who answer for the service switched it off.
        ClockBehind
            If what is known of the patient lies after the call.
        DependencyDown, PatientErased, BadRequest, TooLarge
        """
        return tuple(one.card for one in self.decide(call) if one.shown)

    def decide(self, call: HookCall) -> tuple[Decision, ...]:
        """All decisions of a call, durable on return."""
        service = self.knowledge.service(call.event.service)
        shadow = self.switchboard.shadow(service.id)
        patient = self.store.pseudonym(call.event.tenant, call.event.patient)
        reading = self.gatherer.gather(call, service, self.records.seen(patient))
        self.identities.learn(call.event.tenant, patient, reading.identifiers)
        made, tries = self.turns.take(patient, lambda: self._once(call, shadow, patient, reading))
        self._log(service, reading, made, tries)
        return made.decisions

    def _once(self, call: HookCall, shadow: Shadow, patient: str, reading: Reading) -> _Made:
        loaded = self.records.load(patient)
        self.records.check_clock(loaded, call.event.received)
        with self.computing:
            record, news = self.records.extend(loaded, reading.facts)
            inputs = Inputs(
                service=self.knowledge.service(call.event.service),
                event=call.event,
                record=record,
                segments=record.segments_known + bool(news.payload),
                unused=_unused(reading),
                seed=self.new_seed(),
                shadow=shadow,
                proposed=reading.proposed,
            )
            found = find(self.knowledge, inputs)
            decisions = conclude(self.knowledge, inputs, found.dues)
        lost = self.handing.lost_already(call.listener, decisions)
        if news.payload or decisions:
            commit = Commit(
                patient=patient,
                segments_known=record.segments_known,
                entries_known=record.entries_known,
                learned=call.event.received,
                news=news,
                decisions=decisions,
                untaken=lost,
                realm=call.event.tenant,
            )
            segments = self.store.commit(commit)
            record = replace(record, segments_known=segments)
        self.records.keep(patient, replace(record, seen=record.seen | reading.clean))
        self.handing.follow(call.listener, patient, decisions, lost)
        return _Made(decisions=decisions, abstained=_abstained(found.risks), at_s=call.event.received.timestamp())

    def _log(self, service: ServiceDefinition, reading: Reading, made: _Made, tries: int) -> None:
        decisions, lost = made.decisions, _unused(reading)
        self.meter.decided(decisions, made.abstained, made.at_s)
        self.meter.read(service.id, sum(one.unknown for one in reading.tally.values()), lost)
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


def _abstained(risks: Mapping[str, RiskEstimate]) -> tuple[tuple[str, str], ...]:
    """Each risk that was not estimated, with the first reason for it."""
    outcomes = {name: one.outcome for name, one in risks.items()}
    return tuple((name, one.reasons[0].why) for name, one in outcomes.items() if isinstance(one, Abstained))


def _unused(reading: Reading) -> Mapping[str, int]:
    """Resources by why they were not used; one that came under two keys is one."""
    lost = dict.fromkeys((one.code.value, one.ref) for one in reading.issues if one.dropped or one.code in _LOST)
    return Counter(code for code, _ in lost)
