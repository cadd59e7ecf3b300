"""What clinicians did with cards: checked item by item, linked to the decision, stored once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

from jinja2 import Environment

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.policy import quiet_until
from cds_app.cards.text import number, render
from cds_app.domain.clients import Caller, may_speak_of
from cds_app.domain.decisions import Decision, Feedback, Outcome
from cds_app.domain.time import parse_fhir_time
from cds_app.errors import BadRequest
from cds_app.ports import Commit, Meter, TwinStore
from cds_app.services.calls.turns import Turns
from cds_app.services.records import Records

_UNMATCHED = ""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UNDO = "com.twinline.undo"
_EPIC_REASON = "com.epic.cdshooks.feedback.overrideReason."
_CARD_LIMIT = 256
_COMMENT_LIMIT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an answer changes.

    Parameters
    ----------
    text : str
        The same for the clinician.
    quiet_h : float or None
        How long the topic stays quiet; None where the answer was taken back, and the topic may speak when it is due.
    quiet_until : datetime or None
        The end of that, UTC.
    rise_points : float or None
        A rise of the risk, in points of 100, that breaks the quiet, as a higher tier does; None without a risk.
    """

    card: str
    topic: str
    text: str
    quiet_h: float | None
    quiet_until: datetime | None
    rise_points: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    patient: str
    feedback: Feedback
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """Takes feedback in.

    Parameters
    ----------
    templates : Environment
        Of card texts.
    simulated : bool
        Whether ``outcomeTimestamp`` is the time of a simulation and stands for the clock.
    """

    store: TwinStore
    records: Records
    templates: Environment
    meter: Meter
    turns: Turns = field(default_factory=Turns)
    simulated: bool = False

    def listen(
        self,
        service: ServiceDefinition,
        items: Sequence[object],
        *,
        received: datetime,
        caller: Caller | None = None,
    ) -> tuple[Effect, ...]:
        """Store a batch; all of it or, when one item is malformed, nothing.

        What is said of another caller's card is kept as said of an unknown card, and answered in the same way.

        Returns
        -------
        tuple of Effect
            What the answers to known cards change, in the order of the batch.

        Raises
        ------
        BadRequest
            Naming the first item and field that is wrong.
        DependencyDown
            When nothing could be stored.
        """
        read = [self._read(item, index, service, received) for index, item in enumerate(items)]
        matched = [self._matched(one, service, caller) for one in read]
        ordered = sorted(matched, key=lambda one: one.patient)
        for patient, group in groupby(ordered, key=lambda one: one.patient):
            self._commit(patient, tuple(one.feedback for one in group), received)
        return tuple(one.effect for one in matched if one.effect is not None)

    def _read(self, item: object, index: int, service: ServiceDefinition, received: datetime) -> Feedback:
        feedback = read_feedback(item, f"feedback[{index}]", service.id, received)
        listed = service.override_reason(feedback.reason_code) is not None
        return replace(feedback, reason_listed=listed, received=feedback.at if self.simulated else received)

    def _matched(self, feedback: Feedback, service: ServiceDefinition, caller: Caller | None) -> _Matched:
        entry = self.store.find(feedback.card)
        decision = entry.decision if entry is not None else None
        if entry is None or decision is None or decision.service != feedback.service:
            return _Matched(patient=_UNMATCHED, feedback=feedback)
        if not may_speak_of(_realm(decision), caller):
            return _Matched(patient=_UNMATCHED, feedback=feedback)
        linked = replace(feedback, topic=decision.topic)
        return _Matched(patient=entry.patient, feedback=linked, effect=self.effect(decision, linked, service))

    def effect(self, shown: Decision, answer: Feedback, service: ServiceDefinition) -> Effect:
        """What an answer to a card changes."""
        until = quiet_until(shown, answer, service.policy, service.snooze_h)
        hours = None if until is None else (until - answer.received) / timedelta(hours=1)
        rise = None if shown.points is None else service.policy.rise_of(shown.topic)
        said = {"hours": None if hours is None else number(hours, 0), "rise": None if rise is None else number(rise, 0)}
        return Effect(
            card=shown.id,
            topic=shown.topic,
            text=render(self.templates, "effect.j2", said),
            quiet_h=hours,
            quiet_until=until,
            rise_points=rise,
        )

    def _commit(self, patient: str, feedback: tuple[Feedback, ...], received: datetime) -> None:
        self.turns.take(patient, lambda: self.store.commit(self._on_top(patient, feedback, received)))
        self.meter.heard(feedback)

    def _on_top(self, patient: str, feedback: tuple[Feedback, ...], received: datetime) -> Commit:
        record = self.records.load(patient) if patient else None
        return Commit(
            patient=patient,
            segments_known=record.segments_known if record else 0,
            entries_known=record.entries_known if record else 0,
            learned=received,
            feedback=feedback,
        )


def _realm(decision: Decision) -> str:
    """In which the decision's patient is a person; "" where it was not pinned."""
    pinned: str = json.loads(decision.pins.get("event", "{}")).get("tenant", "")
    return pinned


def read_feedback(item: object, where: str, service: str, received: datetime) -> Feedback:
    """Check one feedback item.

    Notes
    -----
    CDS Hooks 2.0, "Feedback": ``overrideReason`` with ``reason`` (Coding) and ``userComment``. Epic documents
    ``overrideReasons`` (plural) with an object, whose reason may stand in an extension; both are read.
    The standard cannot take an answer back: an item with our extension ``com.twinline.undo`` does.
    """
    body = _mapping(item, where)
    outcome = body.get("outcome")
    if outcome not in ("accepted", "overridden"):
        raise BadRequest("must be accepted or overridden", field=f"{where}.outcome")
    undone = _is_undone(body, where)
    accepted = outcome == "accepted" and not undone
    reason = _reason(body, where) if outcome == "overridden" else {}
    return Feedback(
        card=_card(_string(body, "card", where, limit=_CARD_LIMIT)),
        service=service,
        topic="",
        outcome="undone" if undone else cast(Outcome, outcome),
        at=_instant(body, where),
        received=received,
        suggestions=_suggestions(body, where) if accepted else (),
        **reason,
    )


def _card(text: str) -> str:
    """A card's id as we write it: to some clients the letters of a UUID are capitals."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else text


def _is_undone(body: Mapping[str, Any], where: str) -> bool:
    extension = body.get("extension")
    said = extension.get(_UNDO, False) if isinstance(extension, dict) else False
    if not isinstance(said, bool):
        raise BadRequest("must be true or false", field=f"{where}.extension.{_UNDO}")
    return said


def _reason(body: Mapping[str, Any], where: str) -> dict[str, Any]:
    key = "overrideReason" if body.get("overrideReason") is not None else "overrideReasons"
    given = _first(body.get(key))
    if given is None:
        return {}
    place = f"{where}.{key}"
    reason = _mapping(given, place)
    coding = _first(reason.get("reason"))
    if isinstance(coding, dict) and "coding" in coding:  # a CodeableConcept
        coding = _first(coding["coding"])
    if coding is None:
        coding = _epic_coding(reason.get("extension"))
    coding = _mapping(coding, f"{place}.reason") if coding is not None else {}
    return {
        "reason_system": _optional(coding, "system", f"{place}.reason"),
        "reason_code": _optional(coding, "code", f"{place}.reason"),
        "reason_display": _optional(coding, "display", f"{place}.reason"),
        "comment": _optional(reason, "userComment", place, limit=_COMMENT_LIMIT),
    }


def _first(value: object) -> object:
    """What stands for several: the first of a list."""
    return value[0] if isinstance(value, list) and value else value


def _epic_coding(extension: object) -> Mapping[str, Any] | None:
    if not isinstance(extension, dict):
        return None
    category = extension.get(_EPIC_REASON + "reasonCategory")
    title = extension.get(_EPIC_REASON + "Display") or extension.get(_EPIC_REASON + "Title")
    if category is None and title is None:
        return None
    return {"system": "urn:epic:override-reason", "code": str(category or ""), "display": str(title or "")}


def _suggestions(body: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = body.get("acceptedSuggestions")
    if not isinstance(given, list) or not given:
        raise BadRequest("required when accepted, a non-empty array", field=f"{where}.acceptedSuggestions")
    places = [(one, f"{where}.acceptedSuggestions[{index}]") for index, one in enumerate(given)]
    return tuple(_string(_mapping(one, place), "id", place, limit=_CARD_LIMIT) for one, place in places)


def _instant(body: Mapping[str, Any], where: str) -> datetime:
    field = f"{where}.outcomeTimestamp"
    interval = parse_fhir_time(body.get("outcomeTimestamp"), field=field)
    if not interval.exact:
        raise BadRequest("must be a full instant", field=field)
    return interval.start


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest("must be an object", field=field)
    return value


def _string(body: Mapping[str, Any], key: str, where: str, *, limit: int) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise BadRequest(f"required, a string of at most {limit} characters", field=f"{where}.{key}")
    return value


def _optional(body: Mapping[str, Any], key: str, where: str, *, limit: int = _CARD_LIMIT) -> str:
    return _string(body, key, where, limit=limit) if body.get(key) not in (None, "") else ""
