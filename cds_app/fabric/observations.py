"""Observations: one fact for the value and one for each component."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace as struct_replace

from cds_app.domain.facts import Code, CodedFinding, Fact, Measurement, UnknownFinding
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology import Variable
from cds_app.domain.taking import NOTHING, Judged, Kind
from cds_app.fabric.codes import LOINC, codes_of, text_of
from cds_app.fabric.context import Context, Head
from cds_app.fabric.genes.genomics import KINDS, read_genomic
from cds_app.fabric.interpretations import interpretation_of
from cds_app.fabric.quantities import (
    Amount,
    Refusal,
    quantity_text,
    read_integer,
    read_quantity,
    read_range,
    read_ratio,
    read_text,
    usual_of,
)
from cds_app.fabric.shapes import MAX_ITEMS, Object, objects, word
from cds_app.fabric.taking import conditions_of, filed, kinds_in, kinds_of
from cds_app.fabric.times import Plan, find_time

_TIME: Final = Plan(
    fields=("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming"),
    late=("issued",),
    at_end=True,
)
_FINAL: Final = frozenset({"final", "amended", "corrected"})
_OTHER_VALUES: Final = ("valueSampledData", "valueTime", "valueDateTime", "valuePeriod")
_WORDED: Final = ("valueCodeableConcept", "valueString", "valueBoolean")
_ANSWERED_ELSEWHERE: Final = frozenset({"dataAbsentReason", "component", "hasMember"})
_PLAIN_CODE: Final = re.compile(r"[A-Za-z0-9\-._]{1,64}")


class _Worded(msgspec.Struct, frozen=True):
    """A value that is a code, a text or a truth."""

    value: object


class _Frame(msgspec.Struct, frozen=True):
    """What an Observation says of all its values."""

    head: Head
    when: datetime
    preliminary: bool
    whole: Object
    encounter: str | None = None
    comment: str = ""
    kinds: tuple[Kind, ...] = ()
    noted: tuple[Kind, ...] = ()

    def judged(self, variable: Variable, context: Context, codes: tuple[Code, ...] = ()) -> Judged:
        """Whether all that was said of what was taken, by codes of the value too, fits a variable."""
        kinds = self.kinds + self.noted + context.lexicon.kinds("method", codes, "")
        return context.lexicon.judged(variable.key, kinds) if kinds else NOTHING


def read_observation(resource: Object, head: Head, context: Context) -> list[Fact]:
    """Facts of one Observation; an empty list when it was left out."""
    status = resource.get("status")
    preliminary = status == "preliminary"
    if not preliminary and (not isinstance(status, str) or status not in _FINAL):
        context.note(IssueCode.NOT_FINAL, head.ref, "status")
        return []
    if "focus" in resource and not _about_patient(resource["focus"], context):
        context.note(IssueCode.OTHER_PATIENT, head.ref, "focus")
        return []
    when = find_time(resource, _TIME, head, context)
    if when is None:
        return []
    codes = codes_of(resource.get("code"))
    if not KINDS.isdisjoint(codes):
        return _genomic(resource, codes, _Frame(head, when, preliminary, resource), context)
    encounter = context.references.name(resource["encounter"]) if "encounter" in resource else ""
    comment = _comment(resource, context)
    noted = kinds_in(comment, context) if comment else ()
    frame = _Frame(head, when, preliminary, resource, encounter or None, comment, kinds_of(resource, context), noted)
    components = resource.get("component")
    if not components:
        found = _finding(resource, head.ref, frame, context)
        return [] if found is None else [found]
    return list(_panel(resource, components, frame, context))


def _comment(resource: Object, context: Context) -> str:
    """What was written beside a result, and in which state its specimen came."""
    if "note" not in resource and "specimen" not in resource:
        return ""
    notes = (word(one.get("text")) for one in objects(resource.get("note")))
    return word(" ".join(filter(None, (*notes, *conditions_of(resource, context)))))


def _genomic(resource: Object, codes: tuple[Code, ...], frame: _Frame, context: Context) -> list[Fact]:
    if frame.preliminary:
        context.note(IssueCode.NOT_FINAL, frame.head.ref, "status")
        return []
    return list(read_genomic(resource, codes, frame.head, frame.when, context))


def component_refs(resource: Object, ref: str) -> Iterator[tuple[Object, str]]:
    """Components with the identity of each: its LOINC code, else its first code, else its place."""
    used: set[str] = set()
    for i, component in enumerate(objects(resource.get("component"))):
        codes = codes_of(component.get("code"))
        name = next((code for system, code in codes if system == LOINC), codes[0][1] if codes else "")
        if name in used or not _PLAIN_CODE.fullmatch(name):
            name = f"component[{i}]"
        used.add(name)
        yield component, f"{ref}#{name}"


def _panel(resource: Object, components: object, frame: _Frame, context: Context) -> Iterator[Fact]:
    if isinstance(components, list) and len(components) > MAX_ITEMS:
        context.note(IssueCode.TRUNCATED, frame.head.ref, "component", dropped=False)
    elsewhere = context.lexicon.match(codes_of(resource.get("code"))).elsewhere
    read = 0
    if any(name.startswith("value") for name in resource):
        read += 1
        found = _finding(resource, frame.head.ref, frame, context)
        if found is not None:
            yield found
    for component, ref in component_refs(resource, frame.head.ref):
        read += 1
        if "modifierExtension" in component:
            context.note(IssueCode.MODIFIER_EXTENSION, ref)
        elif (found := (_unknown_of if elsewhere else _finding)(component, ref, frame, context)) is not None:
            yield found
    if not read:
        context.note(IssueCode.UNREADABLE, frame.head.ref, "component")


def _finding(source: Object, ref: str, frame: _Frame, context: Context) -> Fact | None:
    codes = codes_of(source.get("code"))
    match = context.lexicon.match(codes)
    answered = context.lexicon.answered(codes) if _is_bare(source) else None
    if answered is not None:
        return _coded(source["code"], answered, ref, frame, context)
    if match.variable is None:
        return _unknown(source, codes, ref, frame, context)
    if match.ambiguous:
        context.note(IssueCode.AMBIGUOUS_CODE, ref, "code", dropped=False)
    variable = filed(match.variable, frame.whole, context)
    foreign = frame.judged(variable, context).foreign
    if foreign is not None:
        field = foreign.element if foreign in frame.kinds else "note"
        context.note(IssueCode.ELSEWHERE, ref, field, dropped=False)
        return _unknown(source, codes, ref, frame, context, foreign)
    found = _value(source, variable, context)
    if isinstance(found, Amount):
        return _measurement(found, source, variable, ref, frame, context)
    if isinstance(found, Refusal):
        context.note(found.code, ref, found.field)
        return None
    return _coded(found.value, variable, ref, frame, context)


def _is_bare(source: Object) -> bool:
    """Whether nothing but the code says something: a finding, not the answer to a question."""
    return not any(name.startswith("value") or name in _ANSWERED_ELSEWHERE for name in source)


def _unknown_of(source: Object, ref: str, frame: _Frame, context: Context) -> Fact | None:
    return _unknown(source, codes_of(source.get("code")), ref, frame, context)


def _unknown(
    source: Object, codes: tuple[Code, ...], ref: str, frame: _Frame, context: Context, of: Kind | None = None
) -> UnknownFinding | None:
    text = text_of(source.get("code"))
    if not codes and not text:
        context.note(IssueCode.NO_CODE, ref, "code")
        return None
    return UnknownFinding(
        ref=ref,
        version=frame.head.version,
        when=frame.when,
        learned=context.learned,
        codes=codes,
        text=text,
        taken=() if of is None else (of.key,),
    )


def _value(source: Object, variable: Variable, context: Context) -> Amount | Refusal | _Worded:
    quantity = source.get("valueQuantity")
    if quantity is not None:
        if not variable.numeric:
            return _Worded(quantity_text(quantity))
        return read_quantity(quantity, variable, context)
    for name in _WORDED:
        if source.get(name) is not None:
            written = read_text(source[name], variable, context) if variable.numeric else None
            return written or _Worded(source[name])
    return _rare_value(source, variable, context)


def _rare_value(source: Object, variable: Variable, context: Context) -> Amount | Refusal:
    if source.get("valueInteger") is not None:
        return read_integer(source["valueInteger"], variable)
    if source.get("valueRange") is not None:
        return read_range(source["valueRange"], variable, context)
    if source.get("valueRatio") is not None:
        return read_ratio(source["valueRatio"], variable, context)
    other = next((name for name in _OTHER_VALUES if name in source), None)
    if other is not None:
        return Refusal(IssueCode.NO_VALUE, other)
    if "dataAbsentReason" in source:
        return Refusal(IssueCode.DATA_ABSENT, "dataAbsentReason")
    return Refusal(IssueCode.NO_VALUE, "value[x]")


def _measurement(
    amount: Amount, source: Object, variable: Variable, ref: str, frame: _Frame, context: Context
) -> Measurement:
    usual = usual_of(source, variable, context)
    implausible = not variable.plausible.holds(amount.value)
    if implausible:
        context.note(IssueCode.IMPLAUSIBLE, ref, "value[x]", dropped=False)
    if amount.bound != "=":
        context.note(IssueCode.CENSORED, ref, "value[x]", dropped=False)
    made = Measurement(
        ref=ref,
        version=frame.head.version,
        when=frame.when,
        learned=context.learned,
        variable=variable.key,
        value=amount.value,
        sent=amount.sent,
        bound=amount.bound,
        implausible=implausible,
        preliminary=frame.preliminary,
        encounter=frame.encounter,
        comment=frame.comment,
        usual_low=usual[0],
        usual_high=usual[1],
        interpretation=interpretation_of(source, context.lexicon),
        taken=frame.judged(variable, context, codes_of(source.get("code"))).shown,
    )
    if not context.disputed(made):
        return made
    context.note(IssueCode.DISPUTED, ref, "interpretation", dropped=False)
    return struct_replace(made, implausible=True)


def _coded(value: object, variable: Variable, ref: str, frame: _Frame, context: Context) -> CodedFinding | None:
    text = str(value).lower() if isinstance(value, bool) else (word(value) or text_of(value))
    codes = codes_of(value)
    if not codes and not text:
        context.note(IssueCode.NO_VALUE, ref, "value[x]")
        return None
    if variable.numeric:
        context.note(IssueCode.NOT_A_NUMBER, ref, "value[x]", dropped=False)
    return CodedFinding(
        ref=ref,
        version=frame.head.version,
        when=frame.when,
        learned=context.learned,
        variable=variable.key,
        codes=codes,
        concepts=context.lexicon.concepts(codes),
        text=text,
        encounter=frame.encounter,
    )


def _about_patient(focus: object, context: Context) -> bool:
    names = {context.references.name(one) for one in objects(focus)}
    return names <= {context.subject}
