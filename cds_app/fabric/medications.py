"""Drugs that were ordered, given or reported, and what a Medication resource adds to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Literal

from cds_app.domain.facts import Code, Fact, Medication
from cds_app.domain.issues import IssueCode
from cds_app.fabric.codes import codes_of, text_of
from cds_app.fabric.context import Context, Head
from cds_app.fabric.dosing import dosing_of
from cds_app.fabric.shapes import Object, as_object, first, number, objects, word
from cds_app.fabric.times import Plan, end_of, find_time
from cds_app.fabric.unsettled import conflicting, doses_of, one_dose

Source = Literal["request", "administration", "statement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one of the three resource types says when something was taken."""

    source: Source
    time: Plan
    ends: tuple[str, ...]


_REQUEST: Final = _Kind(source="request", time=Plan(fields=("authoredOn", "dateWritten"), missing="learned"), ends=())
_ADMINISTRATION: Final = _Kind(
    source="administration",
    time=Plan(fields=("effectiveDateTime", "effectivePeriod", "effectiveTimeDateTime", "effectiveTimePeriod")),
    ends=("effectivePeriod", "effectiveTimePeriod"),
)
_STATEMENT: Final = _Kind(
    source="statement",
    time=Plan(fields=("effectiveDateTime", "effectivePeriod", "dateAsserted"), missing="always"),
    ends=("effectivePeriod",),
)


def read_request(resource: Object, head: Head, context: Context) -> list[Fact]:
    """An order. One that says what must not be taken is left out: as an order it would say the opposite."""
    if resource.get("doNotPerform"):
        context.note(IssueCode.MODIFIER_EXTENSION, head.ref, "doNotPerform")
        return []
    return _read(resource, _REQUEST, head, context)


def read_administration(resource: Object, head: Head, context: Context) -> list[Fact]:
    """A dose that was given (or not given: see its status)."""
    return _read(resource, _ADMINISTRATION, head, context)


def read_statement(resource: Object, head: Head, context: Context) -> list[Fact]:
    """What somebody says is or was taken."""
    return _read(resource, _STATEMENT, head, context)


_UNABSORBED: Final = ("oral", "local")
"""Routes by which the body takes up nothing of some drugs (`Concept.by_mouth_not`)."""


def read_medication(resource: Object, head: Head, context: Context) -> list[Fact] | None:
    """A Medication is the target of references: it is used, and says nothing about the patient by itself."""
    if as_object(resource.get("code")) is None and not objects(resource.get("ingredient")):
        context.note(IssueCode.NO_CODE, head.ref, "code")
        return []
    return None


def _read(resource: Object, kind: _Kind, head: Head, context: Context) -> list[Fact]:
    codes, text = _what(resource, head, context)
    if not codes and not text:
        context.note(IssueCode.NO_CODE, head.ref, "medication[x]")
        return []
    when = find_time(resource, kind.time, head, context)
    if when is None:
        return []
    dose = _dose(resource)
    value = number(dose.get("value"))
    instructions = objects(resource.get("dosageInstruction") or resource.get("dosage"))
    dosing = dosing_of(first(instructions), dose, context.zone, beside=len(instructions) > 1)
    concepts = context.lexicon.concepts(codes) or context.lexicon.drugs(text)
    return [
        Medication(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            source=kind.source,
            status=word(resource.get("status")),
            intent=word(resource.get("intent")),
            concepts=context.lexicon.by_mouth(concepts) if dosing and dosing.route in _UNABSORBED else concepts,
            codes=codes,
            text=text,
            end=_end(resource, kind, context.zone),
            dose_value=value,
            dose_unit="" if value is None or conflicting(dose) else word(dose.get("unit")) or word(dose.get("code")),
            dosing=dosing,
        )
    ]


def _what(resource: Object, head: Head, context: Context) -> tuple[tuple[Code, ...], str]:
    """Codes and words for the drug: its own, else those of the Medication referred to, else the display."""
    concept = as_object(resource.get("medicationCodeableConcept"))
    reference = as_object(resource.get("medicationReference"))
    if reference is None:
        return codes_of(concept), text_of(concept)
    target = context.references.target(reference, resource)
    if target is None:
        context.note(IssueCode.UNRESOLVED_REFERENCE, head.ref, "medicationReference", dropped=False)
        return codes_of(concept), text_of(concept) or word(reference.get("display"))
    codes = (*codes_of(concept), *codes_of(target.get("code")), *_ingredients(target))
    return tuple(dict.fromkeys(codes)), text_of(target.get("code")) or word(reference.get("display"))


def _ingredients(medication: Object) -> list[Code]:
    parts = objects(medication.get("ingredient"))
    return [code for part in parts for code in codes_of(part.get("itemCodeableConcept"))]


def _dose(resource: Object) -> Object:
    """The dose of the first instruction."""
    return one_dose(doses_of(first(resource.get("dosageInstruction") or resource.get("dosage"))))


def _end(resource: Object, kind: _Kind, zone: tzinfo) -> datetime | None:
    ends = [end_of(found, zone) for name in kind.ends if (found := as_object(resource.get(name))) is not None]
    if kind.source == "request":
        timings = (as_object(one.get("timing")) for one in objects(resource.get("dosageInstruction")))
        repeats = (as_object(timing.get("repeat")) for timing in timings if timing)
        ends = [end_of(repeat["boundsPeriod"], zone) for repeat in repeats if repeat and "boundsPeriod" in repeat]
        supply = first(resource.get("dispenseRequest"))
        ends.append(end_of(as_object(supply.get("validityPeriod")), zone))
    return max((end for end in ends if end is not None), default=None)
