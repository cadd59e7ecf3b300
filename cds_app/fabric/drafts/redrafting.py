"""What another draft in the place of one takes over from it, said again in shapes that FHIR R4 accepts.

EHRs send drafts in shapes of several releases; what is answered must be valid in one. Nothing is copied unread, and
what belongs to the old dose (its text, the supply, notes) is left behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Any, Final

from cds_app.domain.proposed import Written
from cds_app.domain.time import time_in
from cds_app.fabric.codes import codes_of, text_of
from cds_app.fabric.references import References, reference_text, typed
from cds_app.fabric.shapes import Object, as_object, first, number, objects, word

_INTENTS: Final = frozenset(
    {"proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}
)
_PRIORITIES: Final = frozenset({"routine", "urgent", "asap", "stat"})
_DAYS: Final = frozenset({"h", "d", "wk", "mo"})
_UCUM: Final = "http://unitsofmeasure.org"
_URI: Final = re.compile(r"[a-z][a-z0-9+.\-]*:\S+\Z")
_MOST: Final = 8


def written_of(resource: Object, references: References, zone: tzinfo) -> Written:
    """How a MedicationRequest was written. Nothing in it raises."""
    instructions = objects(resource.get("dosageInstruction"))
    drug, instruction = _drug(resource, references), first(resource.get("dosageInstruction"))
    timing = as_object(instruction.get("timing")) or {}
    bounds = _bounds(as_object(timing.get("repeat")) or {}, zone, named="code" in timing)
    if drug is None or bounds is None:
        return Written(instructions=len(instructions))
    intent, priority = word(resource.get("intent")), word(resource.get("priority"))
    made = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": intent if intent in _INTENTS else "proposal",
        "priority": priority if priority in _PRIORITIES else None,
        "category": _concepts(resource.get("category")),
        **drug,
        "encounter": _reference(resource.get("encounter")),
        "requester": _reference(resource.get("requester")),
        "reasonCode": _concepts(resource.get("reasonCode")),
        "reasonReference": _references(resource.get("reasonReference")),
        "dosageInstruction": [
            _filled({"route": _concept(instruction.get("route")), "timing": _filled({"repeat": bounds})})
        ],
    }
    return Written(instructions=len(instructions), resource=_filled(made))


def _filled(made: Object) -> Object:
    return {key: value for key, value in made.items() if value not in (None, [], {}, [{}])}


def _drug(resource: Object, references: References) -> Object | None:
    """The drug in words and codes, of the resource itself or of a Medication that came with it; else by reference."""
    named = _concept(resource.get("medicationCodeableConcept"))
    reference = as_object(resource.get("medicationReference"))
    if named is None and reference is not None:
        named = _concept((references.target(reference, resource) or {}).get("code"))
    if named is not None:
        return {"medicationCodeableConcept": named}
    found = _reference(reference)
    return None if found is None else {"medicationReference": found}


def _concept(value: object) -> Object | None:
    coded = [(system, code) for system, code in codes_of(value)[:_MOST] if code and _URI.match(system)]
    codings = [{"system": system, "code": code} for system, code in coded]
    found = _filled({"coding": codings, "text": text_of(value) or None})
    return found or None


def _concepts(value: object) -> list[Object]:
    return [found for one in objects(value)[:_MOST] if (found := _concept(one)) is not None]


def _reference(value: object) -> Object | None:
    """A literal reference to a resource with an id of a server; what stood only in the call is left out."""
    text = reference_text(value)
    name = typed(text)
    if not name or text.startswith(("#", "urn:")) or name.endswith("/"):
        return None
    return {"reference": name}


def _references(value: object) -> list[Object]:
    return [found for one in objects(value)[:_MOST] if (found := _reference(one)) is not None]


def _bounds(repeat: Object, zone: tzinfo, *, named: bool) -> Object | None:
    """How long the course lasts; empty where nothing is said of it, None where it is said in a way not known here."""
    said = [key for key in repeat if key.startswith("bounds") or key in ("count", "countMax")]
    if not said:
        return {}
    if said == ["count"] and repeat["count"] == 1 and "period" not in repeat and not named:
        return {"count": 1}
    if said == ["boundsPeriod"]:
        period = _filled(dict(_instants(as_object(repeat["boundsPeriod"]) or {}, zone)))
        return {"boundsPeriod": period} if period else None
    duration: Any = as_object(repeat.get("boundsDuration")) or {}
    value, unit = number(duration.get("value")), word(duration.get("code")) or word(duration.get("unit"))
    if said != ["boundsDuration"] or value is None or value <= 0.0 or unit not in _DAYS:
        return None
    return {"boundsDuration": {"value": value, "unit": unit, "system": _UCUM, "code": unit}}


def _instants(period: Object, zone: tzinfo) -> Iterator[tuple[str, str]]:
    for side in ("start", "end"):
        found = time_in(period.get(side), local=zone)
        if found is not None:
            yield side, found.start.isoformat(timespec="seconds") if found.exact else word(period[side])
