"""Drugs that were ordered, given or reported, and what a Medication resource adds to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, Literal

from cds_app.domain.dosing import Daily, Dosing
from cds_app.domain.facts import Fact, Medication
from cds_app.domain.issues import IssueCode
from cds_app.fabric.codes import codes_of, text_of
from cds_app.fabric.context import MODIFIERS, Context, Head
from cds_app.fabric.drugs.daily import daily_of, strengths_of
from cds_app.fabric.drugs.dosing import dosing_of
from cds_app.fabric.drugs.unsettled import conflicting, doses_of, one_dose
from cds_app.fabric.references import reference_text
from cds_app.fabric.shapes import Object, as_object, first, number, objects, word
from cds_app.fabric.times import Plan, end_of, find_time

Source = Literal["request", "administration", "statement"]
Part = tuple[object, object]
"""What names an ingredient, and its strength."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one of the three resource types says when something was taken."""

    source: Source
    time: Plan
    ends: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """The drugs of an order: their concepts, what it is made of, and what it is called."""

    concepts: tuple[str, ...]
    parts: list[Part]
    names: tuple[str, ...]


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


_NAMING: Final = 2  # of what names a drug: the order's own code and the Medication's; the others are parts of it
_UNMODIFIED: Final = frozenset(MODIFIERS)
_UNABSORBED: Final = ("oral", "local")
"""Routes by which the body takes up nothing of some drugs (`Concept.by_mouth_not`)."""


def read_medication(resource: Object, head: Head, context: Context) -> list[Fact] | None:
    """A Medication is the target of references: it is used, and says nothing about the patient by itself."""
    if as_object(resource.get("code")) is None and not objects(resource.get("ingredient")):
        context.note(IssueCode.NO_CODE, head.ref, "code")
        return []
    return None


def _read(resource: Object, kind: _Kind, head: Head, context: Context) -> list[Fact]:
    said, display, made_of = _what(resource, head, context)
    codes = tuple(dict.fromkeys(code for one in said for code in codes_of(one)))
    named, parts = (list(filter(None, map(text_of, some))) for some in (said[:_NAMING], said[_NAMING:]))
    text = next(iter(named), display) or word(" / ".join(parts))
    if not codes and not text:
        context.note(IssueCode.NO_CODE, head.ref, "medication[x]")
        return []
    when = find_time(resource, kind.time, head, context)
    if when is None:
        return []
    told = objects(resource.get("dosageInstruction") or resource.get("dosage"))
    instructions = [one for one in told if not _is_modified(one, head, context)]
    dose = one_dose(doses_of(first(instructions)))
    value = number(dose.get("value"))
    dosing = dosing_of(first(instructions), dose, context.zone, beside=len(told) > 1)
    drugs = context.lexicon.drugs_of(said, every=True)
    concepts = drugs.concepts or context.lexicon.drugs(display)
    if dosing and dosing.route in _UNABSORBED:
        concepts = context.lexicon.by_mouth(concepts)
    each = _Named(concepts=concepts, parts=made_of, names=(*named, display))
    if drugs.disputed:
        context.note(IssueCode.AMBIGUOUS_CODE, head.ref, "medication[x]", dropped=False)
    return [
        Medication(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            source=kind.source,
            status=word(resource.get("status")),
            intent=word(resource.get("intent")),
            concepts=concepts,
            codes=codes,
            text=text,
            end=_end(resource, kind, context.zone),
            dose_value=value,
            dose_unit="" if value is None or conflicting(dose) else word(dose.get("unit")) or word(dose.get("code")),
            dosing=dosing,
            daily=()
            if drugs.disputed or kind.source != "request"
            else _daily(first(instructions), dosing, each, context),
        )
    ]


def _what(resource: Object, head: Head, context: Context) -> tuple[list[object], str, list[Part]]:
    """What names the drug: its own code, that of the Medication referred to, those of what is in it; the display.

    With what is in it, its strengths.
    """
    either = as_object(resource.get("medication")) or {}  # R5: a CodeableReference
    own = resource.get("medicationCodeableConcept") or either.get("concept")
    reference = as_object(resource.get("medicationReference")) or as_object(either.get("reference"))
    if reference is None:
        return [own, None], "", []
    target = context.references.target(reference, resource)
    problem = IssueCode.UNRESOLVED_REFERENCE if target is None else _problem(target)
    if problem is not None:
        context.note(problem, head.ref, "medicationReference", dropped=False)
    named = {} if target is None or problem is not None else target
    inside = resource if reference_text(reference).startswith("#") else named
    parts = list(_ingredients(named, inside, context))
    return [own, named.get("code"), *(one for one, _ in parts)], _display(reference), parts


def _problem(medication: Object) -> IssueCode | None:
    """Why what a Medication says must not be used."""
    if medication.get("status") == "entered-in-error":
        return IssueCode.ENTERED_IN_ERROR
    return None if _UNMODIFIED.isdisjoint(medication) else IssueCode.MODIFIER_EXTENSION


def _ingredients(medication: Object, inside: Object, context: Context) -> Iterator[Part]:
    """What each ingredient is, a code or that of the Substance or Medication referred to, and its strength."""
    for part in objects(medication.get("ingredient")):
        item = context.references.target(part.get("itemReference"), inside) or {}
        what = part.get("itemCodeableConcept") or item.get("code") or {"text": _display(part.get("itemReference"))}
        yield what, part.get("strength")


def _daily(instruction: Object, dosing: Dosing | None, what: _Named, context: Context) -> tuple[Daily, ...]:
    drugs_of, drugs = context.lexicon.drugs_of, context.lexicon.drugs
    parts = ((drugs_of([one]).concepts, strength) for one, strength in what.parts)
    return daily_of(instruction, dosing, what.concepts, strengths_of(parts, what.names, drugs))


def _display(reference: object) -> str:
    return word((as_object(reference) or {}).get("display"))


def _is_modified(instruction: Object, head: Head, context: Context) -> bool:
    """Whether something that we do not know changes what a dosage means; if so, says that it is not used."""
    timing = as_object(instruction.get("timing")) or {}
    if _UNMODIFIED.isdisjoint(instruction) and _UNMODIFIED.isdisjoint(timing):
        return False
    context.note(IssueCode.MODIFIER_EXTENSION, head.ref, "dosage", dropped=False)
    return True


def _end(resource: Object, kind: _Kind, zone: tzinfo) -> datetime | None:
    ends = [end_of(found, zone) for name in kind.ends if (found := as_object(resource.get(name))) is not None]
    if kind.source == "request":
        timings = (as_object(one.get("timing")) for one in objects(resource.get("dosageInstruction")))
        repeats = (as_object(timing.get("repeat")) for timing in timings if timing)
        ends = [end_of(repeat["boundsPeriod"], zone) for repeat in repeats if repeat and "boundsPeriod" in repeat]
        supply = first(resource.get("dispenseRequest"))
        ends.append(end_of(as_object(supply.get("validityPeriod")), zone))
    return max((end for end in ends if end is not None), default=None)
