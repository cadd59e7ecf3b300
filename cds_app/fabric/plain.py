"""Observations as nearly all come: one number of a known variable in its own unit, about this patient, at an instant.

They are read in one step. Whatever is special in any way is left to `cds_app.fabric.observations`, which makes the same
of the plain ones.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec.structs import replace

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Variable
from cds_app.fabric.codes import MAX_CODINGS, Coding
from cds_app.fabric.context import Context
from cds_app.fabric.interpretations import interpretation_of
from cds_app.fabric.quantities import Refusal, convert, usual_of
from cds_app.fabric.references import is_id
from cds_app.fabric.taking import ELEMENTS, conditions_of, filed, kinds_of
from cds_app.fabric.times import instant_in

_SPECIAL: Final = frozenset({"modifierExtension", "implicitRules", "verificationStatus", "component", "focus", "note"})
_TELLING: Final = _SPECIAL | ELEMENTS | {"referenceRange", "interpretation"}


class _Concept(msgspec.Struct):
    coding: Annotated[tuple[Coding, ...], msgspec.Meta(min_length=1, max_length=MAX_CODINGS)]


class _Reference(msgspec.Struct, gc=False):
    reference: str


class _Quantity(msgspec.Struct, gc=False):
    value: float
    code: str
    unit: str | None = None
    comparator: None = None


class _Plain(msgspec.Struct):
    resourceType: Literal["Observation"]  # noqa: N815 - FHIR's names
    id: str
    status: Literal["final", "amended", "corrected"]
    code: _Concept
    subject: _Reference
    effectiveDateTime: str  # noqa: N815
    valueQuantity: _Quantity  # noqa: N815
    encounter: _Reference | None = None


def read_plain(resource: object, version: str, context: Context) -> Measurement | None:
    """The measurement that a plain Observation holds; None for anything else, without an issue."""
    if not isinstance(resource, dict) or ((telling := not _TELLING.isdisjoint(resource)) and _is_special(resource)):
        return None
    try:
        found = msgspec.convert(resource, _Plain)
    except (msgspec.ValidationError, UnicodeError):  # half a surrogate pair is no UTF-8
        return None
    if found.subject.reference != context.subject or not is_id(found.id):
        return None
    when = instant_in(found.effectiveDateTime, context)
    variable = context.lexicon.sure(found.code.coding)
    if when is None or variable is None or not variable.numeric:
        return None
    variable = filed(variable, resource, context)
    quantity = found.valueQuantity
    amount = convert(quantity.value, quantity.code, quantity.unit, variable, context)
    if isinstance(amount, Refusal) or not isfinite(amount.value) or not variable.plausible.holds(amount.value):
        return None
    made = Measurement(
        ref=f"Observation/{found.id}",
        version=version,
        when=when,
        learned=context.learned,
        variable=variable.key,
        value=amount.value,
        sent=amount.sent,
        encounter=context.references.name(resource["encounter"]) or None if found.encounter else None,
    )
    return _judged(made, resource, variable, context) if telling else made


def _is_special(resource: dict[str, Any]) -> bool:
    return not _SPECIAL.isdisjoint(resource)


def _judged(one: Measurement, resource: dict[str, Any], variable: Variable, context: Context) -> Measurement | None:
    """A measurement with what is said of it; None where that is not to be read in one step either."""
    low, high = usual_of(resource, variable, context)
    shown = () if ELEMENTS.isdisjoint(resource) else _shown(resource, variable, context)
    said = interpretation_of(resource, context.lexicon)
    told = replace(one, usual_low=low, usual_high=high, interpretation=said, taken=shown or ())
    return None if shown is None or context.disputed(told) else told


def _shown(resource: dict[str, Any], variable: Variable, context: Context) -> tuple[str, ...] | None:
    """What to tell of what was taken; None where it is not of the variable, or came in a state that is told as well."""
    judged = context.lexicon.judged(variable.key, kinds_of(resource, context))
    return None if judged.foreign is not None or any(conditions_of(resource, context)) else judged.shown
