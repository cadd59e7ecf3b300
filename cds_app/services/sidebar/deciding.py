"""What a clinician decides in the sidebar: accept, override, take back.

The record is read once more before anything is done: what was decided on must be what is so. A draft goes into the EHR
first and the decision into the log after it; trying again after a failure in between creates no second draft.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cds_app.cards.definition import OverrideReason
from cds_app.cards.drafts import due
from cds_app.cards.material import Advice
from cds_app.domain.decisions import Decision, Feedback, Outcome, Remembered
from cds_app.domain.visits import Visit
from cds_app.errors import BadRequest, DataChanged, DataUnavailable, NotFound
from cds_app.mitigate.options import Option
from cds_app.pages.options import advices
from cds_app.ports import Commit, FhirWriter, Meter
from cds_app.services.feedback import Effect, Listening
from cds_app.services.pipeline import conclude, find
from cds_app.services.sidebar.opening import Opened, Opening

_SYSTEM: Final = "urn:ietf:rfc:3986"
_COMMENT: Final = 500
_WRITE_S: Final = 5.0
_UNDECIDED: Final = "Nothing was decided."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a form asks for.

    Parameters
    ----------
    option : str
        Of the catalogue, when one is accepted.
    digest : str
        Of the facts that the page was made from.
    reason, comment : str
        Code of a reason of the service, and words, when a topic is overridden.
    """

    topic: str
    option: str = ""
    digest: str
    reason: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it.

    Parameters
    ----------
    decision : str
        Its id in the log.
    written : tuple of str
        References of what was created in the EHR.
    unwritten : tuple of str
        Types of what the EHR did not take beside the draft.
    effect : str
        What the answer changes, in words.
    repeated : bool
        Whether it was accepted before, so that nothing was written.
    """

    decision: str
    written: tuple[str, ...] = ()
    unwritten: tuple[str, ...] = ()
    effect: str = ""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Deciding:
    """Takes decisions of the sidebar.

    Parameters
    ----------
    listening : Listening
        Says what an answer changes.
    """

    opening: Opening
    listening: Listening
    writer: FhirWriter
    meter: Meter

    def accept(self, visit: Visit, token: Callable[[], str], wanted: Wanted) -> Done:
        """Write an option into the EHR as a draft, and the acceptance into the log.

        An option without a verified code has no draft: then only the acceptance is written.

        Raises
        ------
        DataChanged
            If the record is not what the page was made from.
        NotFound
            If the option is not offered any more.
        DataUnavailable
            If the EHR did not take the draft: nothing was decided.
        """
        opened, advised = self._again(visit, token, wanted)
        option = _offered(advised, wanted)
        seed = _seed(visit, wanted, opened)
        decision = self._decision(opened, wanted.topic, seed)
        if (known := _accepted(opened, decision, option)) is not None:
            return Done(decision=decision.id, effect=self._effect(decision, known).text, repeated=True)
        written, unwritten = self._drafted(visit, token, option, decision)
        answer = self._answer(decision, visit, "accepted", opened.at, suggestions=(option.id,))
        return self._kept(opened, decision, answer, written, unwritten)

    def override(self, visit: Visit, token: Callable[[], str], wanted: Wanted) -> Done:
        """Write down that a topic was looked at and set aside, and why.

        Raises
        ------
        BadRequest
            If no reason was given, or one that is not offered.
        DataChanged, NotFound
        """
        reason = self._reason(wanted)
        opened, _ = self._again(visit, token, wanted)
        decision = self._decision(opened, wanted.topic, _seed(visit, wanted, opened))
        answer = self._answer(
            decision,
            visit,
            "overridden",
            opened.at,
            reason_system=reason.system,
            reason_code=reason.code,
            reason_display=reason.display,
            reason_listed=True,
            comment=wanted.comment,
        )
        return self._kept(opened, decision, answer, (), ())

    def undo(self, visit: Visit, token: Callable[[], str], decision_id: str) -> Done:
        """Take an answer back, as a new event. A draft in the EHR stays where it is.

        Raises
        ------
        NotFound
            If this patient has no such decision.
        """
        opened = self.opening.refresh(visit, token)
        found = (one for one in opened.record.past if isinstance(one, Decision) and one.id == decision_id)
        decision = next(found, None)
        if decision is None:
            raise NotFound("this patient has no such decision", field="decision")
        return self._kept(opened, decision, self._answer(decision, visit, "undone", opened.at), (), (), known=True)

    def _reason(self, wanted: Wanted) -> OverrideReason:
        if len(wanted.comment) > _COMMENT:
            raise BadRequest(f"at most {_COMMENT} characters", field="comment")
        offered = {one.code: one for one in self.opening.service.override_reasons}
        if wanted.reason not in offered:
            raise BadRequest("choose one of the reasons", field="reason")
        return offered[wanted.reason]

    def _again(self, visit: Visit, token: Callable[[], str], wanted: Wanted) -> tuple[Opened, tuple[Advice, ...]]:
        """The twin as it is now, if that is what the page showed."""
        opened = self.opening.refresh(visit, token, anew=True)
        if opened.unreached:
            raise DataUnavailable(f"the EHR could not be asked whether this still holds. {_UNDECIDED}", field="record")
        if opened.record.basis != wanted.digest:
            raise DataChanged(f"the record has changed since the page was made. {_UNDECIDED}", field="digest")
        material = self.opening.subject(opened).material
        dues = due(material)
        if wanted.topic not in {one.topic for one in dues}:
            raise NotFound(f"this does not concern the patient any more. {_UNDECIDED}", field="topic")
        return opened, advices(material, [one.topic for one in dues])

    def _decision(self, opened: Opened, topic: str, seed: str) -> Decision:
        """The card that the sidebar stands for: written and kept only now that somebody answers it."""
        inputs = self.opening.inputs(opened, opened.record, opened.at, seed)
        made = conclude(self.opening.knowledge, inputs, find(self.opening.knowledge, inputs).dues)
        return next(one for one in made if one.topic == topic)

    def _drafted(
        self, visit: Visit, token: Callable[[], str], option: Option, decision: Decision
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if option.resource is None:
            return (), ()
        draft = _identified(option.resource, decision.id)
        target = self._create(visit, token, draft, decision.id)
        written, unwritten = [target], []
        for beside in (_task(visit, option, decision, target), _provenance(visit, decision, target)):
            try:
                written.append(self._create(visit, token, beside, decision.id))
            except DataUnavailable:
                unwritten.append(str(beside["resourceType"]))
        return tuple(written), tuple(unwritten)

    def _create(self, visit: Visit, token: Callable[[], str], resource: Mapping[str, Any], decision: str) -> str:
        only = f"identifier={_SYSTEM}|urn:uuid:{decision}" if "identifier" in resource else ""
        return self.writer.create(visit.issuer, resource, token=token(), only_if_none=only, budget_s=_WRITE_S)

    def _answer(self, decision: Decision, visit: Visit, outcome: Outcome, at: datetime, **more: Any) -> Feedback:
        return Feedback(
            card=decision.id,
            service=decision.service,
            topic=decision.topic,
            outcome=outcome,
            at=at,
            received=at,
            by=visit.user,
            **more,
        )

    def _kept(
        self,
        opened: Opened,
        decision: Decision,
        answer: Feedback,
        written: tuple[str, ...],
        unwritten: tuple[str, ...],
        *,
        known: bool = False,
    ) -> Done:
        """Write decision and answer together; tell what the answer changes."""
        opening = self.opening
        patient = opening.store.pseudonym(opened.visit.realm, opened.visit.patient)
        decisions = () if known else (decision,)

        def attempt() -> None:
            record = opening.records.load(patient)
            opening.store.commit(
                Commit(
                    patient=patient,
                    segments_known=record.segments_known,
                    entries_known=record.entries_known,
                    learned=opened.at,
                    decisions=() if any(_is(one, decision.id) for one in record.past) else decisions,
                    feedback=(answer,),
                )
            )

        opening.turns.take(patient, attempt)
        self.meter.heard((answer,))
        said = self._effect(decision, answer).text
        return Done(decision=decision.id, written=written, unwritten=unwritten, effect=said)

    def _effect(self, decision: Decision, answer: Feedback) -> Effect:
        return self.listening.effect(decision, answer, self.opening.knowledge.service(decision.service))


def _accepted(opened: Opened, decision: Decision, option: Option) -> Feedback | None:
    """The answer, if this very decision was accepted before and not taken back: a form that was sent twice."""
    answers = [one for one in opened.record.past if isinstance(one, Feedback) and one.card == decision.id]
    last = answers[-1] if answers else None
    return last if last is not None and last.outcome == "accepted" and option.id in last.suggestions else None


def _is(one: Remembered, decision_id: str) -> bool:
    return isinstance(one, Decision) and one.id == decision_id


def _seed(visit: Visit, wanted: Wanted, opened: Opened) -> str:
    """The same for the same wish on the same facts: a form that is sent twice decides once."""
    told = "\n".join((visit.id, wanted.topic, wanted.option, wanted.reason, opened.record.basis))
    return str(uuid.uuid5(uuid.NAMESPACE_URL, told))


def _offered(advised: tuple[Advice, ...], wanted: Wanted) -> Option:
    advice = next((one for one in advised if one.concern.topic == wanted.topic), None)
    found = next((one for one in advice.offered if one.id == wanted.option), None) if advice else None
    if found is None:
        raise NotFound(f"this option is not offered any more. {_UNDECIDED}", field="option")
    return found


def _identified(resource: Mapping[str, Any], decision: str) -> dict[str, Any]:
    return {**resource, "identifier": [{"system": _SYSTEM, "value": f"urn:uuid:{decision}"}]}


def _task(visit: Visit, option: Option, decision: Decision, target: str) -> dict[str, Any]:
    """What asks somebody with the right to order to look at the draft."""
    task: dict[str, Any] = {
        "resourceType": "Task",
        "identifier": [{"system": _SYSTEM, "value": f"urn:uuid:{decision.id}"}],
        "status": "requested",
        "intent": "proposal",
        "priority": option.resource["priority"] if option.resource is not None else "routine",
        "description": option.text,
        "focus": {"reference": target},
        "for": {"reference": f"Patient/{visit.patient}"},
        "authoredOn": decision.at.isoformat(timespec="seconds"),
    }
    if visit.encounter:
        task["encounter"] = {"reference": f"Encounter/{visit.encounter}"}
    if visit.user:
        task["requester"] = {"reference": visit.user}
    return task


def _provenance(visit: Visit, decision: Decision, target: str) -> dict[str, Any]:
    """Who made the draft: the clinician as author, Twinline as what put it together."""
    role = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
    assembler = {"type": _coded(role, "assembler"), "who": {"display": "Twinline"}}
    author = {"type": _coded(role, "author"), "who": {"reference": visit.user}}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": decision.at.isoformat(timespec="seconds"),
        "agent": [*([author] if visit.user else []), assembler],
        "entity": [
            {
                "role": "derivation",
                "what": {"identifier": {"system": _SYSTEM, "value": f"urn:uuid:{decision.id}"}},
            }
        ],
    }


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}
