"""Quantities, ranges and ratios as one number in the variable's unit, with the bound it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, cast

import msgspec

from cds_app.domain.facts import Bound
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology import Variable
from cds_app.domain.units import is_number_name, unit_name
from cds_app.fabric.context import Context
from cds_app.fabric.shapes import WITH_COMMA, Object, as_object, decimal, number, objects, word

_LONGEST: Final = 60
_WRITTEN: Final = re.compile(
    rf"\s*([<>]=?|)\s*(-?(?:[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?|{WITH_COMMA}))\s*([^\s0-9.,;:<>=+-].*?)\s*"
)
_OF_SOME: Final = frozenset({"appliesTo", "age", "modifierExtension"})
_COMPARATORS: Final = frozenset({"<", "<=", ">", ">="})

Ends = tuple[float | None, float | None]


class Amount(msgspec.Struct, frozen=True):
    """A number in the canonical unit; ``sent`` is what came, where that is another number in another unit."""

    value: float
    bound: Bound = "="
    sent: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no number, and in which element."""

    code: IssueCode
    field: str


def read_quantity(quantity: object, variable: Variable, context: Context) -> Amount | Refusal:
    """A Quantity: number, comparator and unit."""
    found = as_object(quantity)
    if found is None:
        return Refusal(IssueCode.UNREADABLE, "valueQuantity")
    raw = found.get("value")
    value = number(raw)
    if value is None:
        return Refusal(IssueCode.NO_VALUE if raw is None else IssueCode.NOT_A_NUMBER, "valueQuantity.value")
    comparator = found.get("comparator")
    if comparator is not None and (not isinstance(comparator, str) or comparator not in _COMPARATORS):
        return Refusal(IssueCode.UNREADABLE, "valueQuantity.comparator")
    bound = cast("Bound", comparator or "=")
    return convert(value, found.get("code"), found.get("unit"), variable, context, bound=bound)


def usual_of(source: Mapping[str, Any], variable: Variable, context: Context) -> Ends:
    """The usual range that stands beside a value (``referenceRange``), low and high in the variable's unit.

    Both None where none is stated or several are, where it is of something else (a goal of treatment, people of one
    kind), or where it cannot be read. A limit without a unit has that of the value.
    """
    ranges = objects(source.get("referenceRange"))
    if len(ranges) != 1 or not _is_usual(ranges[0]):
        return None, None
    beside = as_object(source.get("valueQuantity")) or {}
    ends = [_end_of(ranges[0].get(name), beside, variable, context) for name in ("low", "high")]
    low, high = (None if isinstance(one, Refusal) else one for one in ends)
    backwards = low is not None and high is not None and low > high
    return (None, None) if backwards or any(isinstance(one, Refusal) for one in ends) else (low, high)


def _is_usual(stated: Object) -> bool:
    kinds = objects((as_object(stated.get("type")) or {}).get("coding"))
    return _OF_SOME.isdisjoint(stated) and all(one.get("code") == "normal" for one in kinds)


def _end_of(limit: object, beside: Object, variable: Variable, context: Context) -> float | Refusal | None:
    if limit is None:
        return None
    found = as_object(limit) or {}
    unit = found if "code" in found or "unit" in found else beside
    amount = read_quantity({**found, "code": unit.get("code"), "unit": unit.get("unit")}, variable, context)
    if isinstance(amount, Amount) and amount.bound != "=":
        return Refusal(IssueCode.CENSORED, "referenceRange")
    return amount.value if isinstance(amount, Amount) else amount


def read_text(value: object, variable: Variable, context: Context) -> Amount | None:
    """A number with a comparator, if any, and its unit, and nothing else (``> 7.1 mmol/L``); None for any other text.

    A number without a unit, among other words, or with a comma before three digits, which may part thousands, is text:
    what it means would be a guess.
    """
    found = _WRITTEN.fullmatch(value) if isinstance(value, str) and len(value) <= _LONGEST else None
    if found is None:
        return None
    amount = convert(decimal(found[2]), None, found[3], variable, context, bound=cast("Bound", found[1] or "="))
    return None if isinstance(amount, Refusal) else amount


def quantity_text(quantity: object) -> str:
    """A Quantity in words, for a variable that is no number (a dipstick's ``30 mg/dL``); "" if it has no number."""
    found = as_object(quantity) or {}
    value = number(found.get("value"))
    if value is None:
        return ""
    unit = word(found.get("unit")) or word(found.get("code"))
    return f"{word(found.get('comparator'))}{value:g} {unit}".strip()


def read_integer(value: object, variable: Variable) -> Amount | Refusal:
    """A valueInteger: usable only where no unit is needed."""
    if type(value) is not int or (found := number(value)) is None:
        return Refusal(IssueCode.NOT_A_NUMBER, "valueInteger")
    if not is_number_name(variable.unit):
        return Refusal(IssueCode.NO_UNIT, "valueInteger")
    return Amount(found)


def read_range(value: object, variable: Variable, context: Context) -> Amount | Refusal:
    """A Range: one that is open, or closed to a point, has a number; of any other only the lower bound is kept."""
    found = as_object(value) or {}
    edge = "low" if found.get("low") is not None else "high"
    amount = read_quantity(found.get(edge), variable, context)
    if isinstance(amount, Refusal):
        return Refusal(amount.code, f"valueRange.{edge}")
    if edge == "low" and found.get("high") == found.get("low"):
        return amount
    bound: Bound = ">=" if edge == "low" else "<="
    return Amount(amount.value, bound, f"{bound}{amount.sent}" if amount.sent else "")


def read_ratio(value: object, variable: Variable, context: Context) -> Amount | Refusal:
    """A Ratio of two plain quantities, as their quotient in the quotient of their units."""
    found = as_object(value) or {}
    above, below = as_object(found.get("numerator")) or {}, as_object(found.get("denominator")) or {}
    top, bottom = number(above.get("value")), number(below.get("value"))
    if top is None or bottom is None or bottom == 0:
        return Refusal(IssueCode.NOT_A_NUMBER, "valueRatio")
    upper, lower = (word(one.get("code")) or word(one.get("unit")) for one in (above, below))
    if above.get("comparator") or below.get("comparator") or "/" in lower:
        return Refusal(IssueCode.UNREADABLE, "valueRatio")
    unit = f"{upper or '1'}/{lower}" if lower not in ("", "1") else upper
    amount = read_quantity({"value": top / bottom, "code": unit}, variable, context)
    return Refusal(amount.code, "valueRatio") if isinstance(amount, Refusal) else amount


def convert(
    value: float, code: object, text: object, variable: Variable, context: Context, *, bound: Bound = "="
) -> Amount | Refusal:
    """A number whose unit came as code and as text, in the variable's unit."""
    if code == variable.unit and (text is None or text == code) and not variable.by_substance:
        return Amount(value, bound)
    code = word(code)
    unit = context.lexicon.unit(variable.key, code, word(text))
    if isinstance(unit, IssueCode):
        return Refusal(unit, "valueQuantity.code" if code else "valueQuantity.unit")
    converted = context.lexicon.convert(value, unit, variable)
    if not isfinite(converted):
        return Refusal(IssueCode.NOT_A_NUMBER, "valueQuantity.value")
    return Amount(converted, bound, _sent(value, unit, bound) if converted != value else "")


def _sent(value: float, unit: str, bound: Bound) -> str:
    name = unit_name(unit)
    return f"{'' if bound == '=' else bound}{value:.10g} {name}" if name else ""
