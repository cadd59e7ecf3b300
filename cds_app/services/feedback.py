"""What clinicians did with cards: checked item by item, linked to the decision, stored once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Literal, cast

from cds_app.cards.definition import ServiceDefinition
from cds_app.domain.decisions import Feedback
from cds_app.domain.facts import Facts
from cds_app.domain.time import parse_fhir_time
from cds_app.errors import BadRequest
from cds_app.ports import Commit, Meter, TwinStore
from cds_app.services.records import Records
from cds_app.services.turns import Turns

_UNMATCHED = ""
_EPIC_REASON = "com.epic.cdshooks.feedback.overrideReason."
_CARD_LIMIT = 256
_COMMENT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Listening:
    """Takes feedback in.

    Parameters
    ----------
    store : TwinStore
    records : Records
    meter : Meter
    turns : Turns
    simulated : bool
        Whether ``outcomeTimestamp`` is the time of a simulation and stands for the clock.
    """

    store: TwinStore
    records: Records
    meter: Meter
    turns: Turns = field(default_factory=Turns)
    simulated: bool = False

    def listen(self, service: ServiceDefinition, items: Sequence[object], *, received: datetime) -> None:
        """Store a batch; all of it or, when one item is malformed, nothing.

        Raises
        ------
        BadRequest
            Naming the first item and field that is wrong.
        DependencyDown
            When nothing could be stored.
        """
        read = [self._read(item, index, service, received) for index, item in enumerate(items)]
        matched = sorted((self._matched(one) for one in read), key=lambda pair: pair[0])
        for patient, group in groupby(matched, key=lambda pair: pair[0]):
            self._commit(patient, tuple(feedback for _, feedback in group), received)

    def _read(self, item: object, index: int, service: ServiceDefinition, received: datetime) -> Feedback:
        feedback = read_feedback(item, f"feedback[{index}]", service.id, received)
        listed = any(one.code == feedback.reason_code for one in service.override_reasons)
        return replace(feedback, reason_listed=listed, received=feedback.at if self.simulated else received)

    def _matched(self, feedback: Feedback) -> tuple[str, Feedback]:
        entry = self.store.find(feedback.card)
        decision = entry.decision if entry is not None else None
        if entry is None or decision is None or decision.service != feedback.service:
            return _UNMATCHED, feedback
        return entry.patient, replace(feedback, topic=decision.topic)

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
            facts=Facts(),
            feedback=feedback,
        )


def read_feedback(item: object, where: str, service: str, received: datetime) -> Feedback:
    """Check one feedback item.

    Notes
    -----
    CDS Hooks 2.0, "Feedback": ``overrideReason`` with ``reason`` (Coding) and ``userComment``. Epic documents
    ``overrideReasons`` (plural) with an object, whose reason may stand in an extension; both are read.
    """
    body = _mapping(item, where)
    outcome = body.get("outcome")
    if outcome not in ("accepted", "overridden"):
        raise BadRequest("must be accepted or overridden", field=f"{where}.outcome")
    accepted = outcome == "accepted"
    reason = _reason(body, where) if not accepted else {}
    return Feedback(
        card=_string(body, "card", where, limit=_CARD_LIMIT),
        service=service,
        topic="",
        outcome=cast(Literal["accepted", "overridden"], outcome),
        at=_instant(body, where),
        received=received,
        suggestions=_suggestions(body, where) if accepted else (),
        **reason,
    )


def _reason(body: Mapping[str, Any], where: str) -> dict[str, Any]:
    key = "overrideReason" if "overrideReason" in body else "overrideReasons"
    given = body.get(key)
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if given is None:
        return {}
    place = f"{where}.{key}"
    reason = _mapping(given, place)
    coding = reason.get("reason")
    if coding is None:
        coding = _epic_coding(reason.get("extension"))
    coding = _mapping(coding, f"{place}.reason") if coding is not None else {}
    return {
        "reason_system": _optional(coding, "system", f"{place}.reason"),
        "reason_code": _optional(coding, "code", f"{place}.reason"),
        "reason_display": _optional(coding, "display", f"{place}.reason"),
        "comment": _optional(reason, "userComment", place, limit=_COMMENT_LIMIT),
    }


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
