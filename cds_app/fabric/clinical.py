"""Who the patient is, where they are, what they have, what was done and what they must not get."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal, cast

from cds_app.domain.facts import Allergy, Code, Condition, Demographics, Fact, Place, Procedure, Report, Stay
from cds_app.domain.issues import IssueCode
from cds_app.domain.time import Interval, time_in
from cds_app.fabric.codes import codes_of, status_of, text_of
from cds_app.fabric.context import Context, Head
from cds_app.fabric.shapes import MAX_ITEMS, Object, as_object, first, objects, word
from cds_app.fabric.times import UNDATED, Plan, end_of, find_time

_STANDING: Final = Plan(fields=("onsetDateTime", "onsetPeriod", "recordedDate", "assertedDate"), missing="always")
_STAY: Final = Plan(fields=("period",))
_NOT_THERE: Final = frozenset({"planned", "reserved"})
_THERE: Final = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_DONE: Final = Plan(fields=("performedDateTime", "performedPeriod"))
_ORDERED: Final = Plan(
    fields=("authoredOn", "occurrenceDateTime", "occurrencePeriod", "occurrenceTiming"), missing="learned"
)
_REPORT: Final = Plan(fields=("effectiveDateTime", "effectivePeriod"), late=("issued",), at_end=True)
_REPORTED: Final = frozenset({"partial", "preliminary", "final", "amended", "corrected", "appended"})
_SEXES: Final = frozenset({"female", "male", "other", "unknown"})

_Said = tuple[tuple[str, ...], tuple[Code, ...], str]  # concepts, codes, text
Sex = Literal["female", "male", "other", "unknown"]


def read_patient(resource: Object, head: Head, context: Context) -> list[Fact]:
    """Who the patient is."""
    birth = _birth(resource, head, context)
    gender = word(resource.get("gender"))
    return [
        Demographics(
            ref=head.ref,
            version=head.version,
            when=UNDATED if birth is None else birth.start,
            learned=context.learned,
            birth_start=None if birth is None else birth.start,
            birth_end=None if birth is None else birth.end,
            sex=cast("Sex", gender) if gender in _SEXES else "unknown",
            deceased=_deceased(resource, head, context),
            name=_name(resource),
        )
    ]


def _birth(resource: Object, head: Head, context: Context) -> Interval | None:
    text = resource.get("birthDate")
    if text is None:
        return None
    birth = time_in(text, local=context.zone)
    if birth is None or birth.start > context.latest:
        context.note(IssueCode.UNREADABLE if birth is None else IssueCode.FUTURE, head.ref, "birthDate", dropped=False)
        return None
    return birth


def _deceased(resource: Object, head: Head, context: Context) -> datetime | None:
    """When the patient died; who is said to be dead and not since when, is since the record last changed, or now."""
    died = resource.get("deceasedDateTime")
    interval = time_in(died, local=context.zone)
    if interval is None and resource.get("deceasedBoolean") is True:
        context.note(IssueCode.NO_TIME, head.ref, "deceasedBoolean", dropped=False)
        changed = time_in((as_object(resource.get("meta")) or {}).get("lastUpdated"))
        return context.learned if changed is None else min(changed.end, context.learned)
    if interval is not None and interval.start > context.latest:
        context.note(IssueCode.FUTURE, head.ref, "deceasedDateTime", dropped=False)
        return None
    return None if interval is None else min(interval.end, max(interval.start, context.learned))


def _name(resource: Object) -> str:
    name = first(resource.get("name"))
    given = name.get("given")
    parts = [*(given if isinstance(given, list) else [given]), name.get("family")]
    return word(name.get("text")) or word(" ".join(filter(None, map(word, parts))))


def read_encounter(resource: Object, head: Head, context: Context) -> list[Fact]:
    """A stay or visit."""
    resource = _since_seen(resource, head, context)
    when = find_time(resource, _STAY, head, context)
    if when is None:
        return []
    coding = first(resource.get("class"))
    return [
        Stay(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            status=word(resource.get("status")),
            class_code=word(coding.get("code")) or status_of(coding),
            end=end_of(as_object(resource.get("period")), context.zone),
            text=text_of(first(resource.get("type"))),
            places=tuple(_places(resource, context)),
        )
    ]


def _since_seen(resource: Object, head: Head, context: Context) -> Object:
    """A stay that runs and does not say since when: since the earliest beginning among its states and places."""
    if resource.get("period") or word(resource.get("status")) not in _THERE:
        return resource
    rows = (*objects(resource.get("statusHistory")), *objects(resource.get("location")))
    begun = [
        (interval.start, start)
        for one in rows
        if word(one.get("status")) not in _NOT_THERE
        and (interval := time_in(start := (as_object(one.get("period")) or {}).get("start"), local=context.zone))
    ]
    if not begun:
        return resource
    context.note(IssueCode.IMPRECISE_TIME, head.ref, "period", dropped=False)
    return {**resource, "period": {"start": min(begun)[1]}}


def _places(resource: Object, context: Context) -> Iterator[Place]:
    """Where the patient lay or lies; not what is planned or kept free, nor what ended nobody knows when."""
    for one in objects(resource.get("location")):
        status, period = word(one.get("status")), as_object(one.get("period")) or {}
        text, start, end = (
            _place_name(one.get("location"), resource, context),
            time_in(period.get("start"), local=context.zone),
            end_of(period, context.zone),
        )
        if text and status not in _NOT_THERE and (end is not None or status != "completed"):
            yield Place(text=text, start=None if start is None else start.start, end=end)


def _place_name(reference: object, inside: Object, context: Context) -> str:
    """As the reference says, or the Location that came with it."""
    shown = word((as_object(reference) or {}).get("display"))
    return shown or word((context.references.target(reference, inside) or {}).get("name"))


def read_condition(resource: Object, head: Head, context: Context) -> list[Fact]:
    """A problem or diagnosis. One whose codes name nothing but drugs is an allergy to them, kept among the problems."""
    named = _named(resource, _STANDING, head, context)
    if named is None:
        return []
    codes, text, when = named
    concepts = context.lexicon.concepts_of("condition", resource.get("code"))
    if concepts and all(map(context.lexicon.names_drug, concepts)):
        return [_allergy(resource, head, context, when, (concepts, codes, text))]
    abated = (resource.get("abatementDateTime"), as_object(resource.get("abatementPeriod")))
    return [
        Condition(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            concepts=concepts,
            codes=codes,
            text=text,
            clinical=status_of(resource.get("clinicalStatus")),
            verification=status_of(resource.get("verificationStatus")),
            abated=next((end for one in abated if (end := end_of(one, context.zone)) is not None), None),
        )
    ]


def read_procedure(resource: Object, head: Head, context: Context) -> list[Fact]:
    """Something that was done (or not done: see its status)."""
    return _procedure(resource, "procedure", _DONE, head, context)


def read_service_request(resource: Object, head: Head, context: Context) -> list[Fact]:
    """Something ordered. A prohibition is left out: as an order it would say the opposite."""
    if resource.get("doNotPerform"):
        context.note(IssueCode.MODIFIER_EXTENSION, head.ref, "doNotPerform")
        return []
    return _procedure(resource, "request", _ORDERED, head, context)


def _procedure(
    resource: Object, source: Literal["procedure", "request"], plan: Plan, head: Head, context: Context
) -> list[Fact]:
    named = _named(resource, plan, head, context)
    if named is None:
        return []
    codes, text, when = named
    ended = "performedPeriod" if source == "procedure" else "occurrencePeriod"
    return [
        Procedure(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            source=source,
            status=word(resource.get("status")),
            concepts=context.lexicon.concepts_of("procedure", resource.get("code")),
            codes=codes,
            text=text,
            end=end_of(as_object(resource.get(ended)), context.zone),
        )
    ]


def read_allergy(resource: Object, head: Head, context: Context) -> list[Fact]:
    """An allergy or intolerance: what ``code`` names, with the substances of its reactions."""
    said = [resource.get("code"), *(one.get("substance") for one in objects(resource.get("reaction")))]
    text = next(filter(None, map(text_of, said)), "")
    codes = tuple(dict.fromkeys(code for one in said for code in codes_of(one)))
    if not codes and not text:
        context.note(IssueCode.NO_CODE, head.ref, "code")
        return []
    when = find_time(resource, _STANDING, head, context)
    if when is None:
        return []
    drugs = context.lexicon.drugs_of(said)
    if drugs.disputed:
        context.note(IssueCode.AMBIGUOUS_CODE, head.ref, "code", dropped=False)
    return [_allergy(resource, head, context, when, (drugs.concepts, codes, text))]


def _allergy(resource: Object, head: Head, context: Context, when: datetime, said: _Said) -> Allergy:
    concepts, codes, text = said
    return Allergy(
        ref=head.ref,
        version=head.version,
        when=when,
        learned=context.learned,
        concepts=concepts,
        codes=codes,
        text=text,
        clinical=status_of(resource.get("clinicalStatus")),
        verification=status_of(resource.get("verificationStatus")),
        criticality=word(resource.get("criticality")),
        categories=_categories(resource),
    )


def _categories(resource: Object) -> tuple[str, ...]:
    """What R4 has a list of and older releases one."""
    said = resource.get("category")
    return tuple(dict.fromkeys(filter(None, map(word, (said if isinstance(said, list) else [said])[:MAX_ITEMS]))))


def read_report(resource: Object, head: Head, context: Context) -> list[Fact]:
    """A DiagnosticReport: that the study was done, and which results are its."""
    status = word(resource.get("status"))
    if status not in _REPORTED:
        context.note(IssueCode.NOT_FINAL, head.ref, "status")
        return []
    named = _named(resource, _REPORT, head, context)
    if named is None:
        return []
    codes, text, when = named
    return [
        Report(
            ref=head.ref,
            version=head.version,
            when=when,
            learned=context.learned,
            status=status,
            concepts=context.lexicon.concepts(codes),
            codes=codes,
            text=text,
            results=_results(resource, head, context),
        )
    ]


def _results(resource: Object, head: Head, context: Context) -> tuple[str, ...]:
    sent = resource.get("result")
    named = [context.references.name(one) for one in objects(sent)]
    if "" in named or (isinstance(sent, list) and len(sent) > MAX_ITEMS):
        context.note(IssueCode.UNRESOLVED_REFERENCE, head.ref, "result", dropped=False)
    return tuple(filter(None, named))


def _named(resource: Object, plan: Plan, head: Head, context: Context) -> tuple[tuple[Code, ...], str, datetime] | None:
    """Codes, text and time of what ``code`` names; None when it must be left out (and an issue says why)."""
    concept = resource.get("code")
    codes, text = codes_of(concept), text_of(concept)
    if not codes and not text:
        context.note(IssueCode.NO_CODE, head.ref, "code")
        return None
    when = find_time(resource, plan, head, context)
    return None if when is None else (codes, text, when)
