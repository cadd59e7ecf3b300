"""How each instruction of an order says that its drug is given, by elements or else by words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Final

from cds_app.domain.dosing import Amount, Giving, Way
from cds_app.fabric.codes import codes_of, text_of, words_of
from cds_app.fabric.drafts.sayings import (
    amount,
    amounts_in,
    daily_in,
    lasts_h_in,
    only,
    per_ml_in,
    pushes,
    runs,
    ways_in,
)
from cds_app.fabric.drugs.dosing import dosing_of
from cds_app.fabric.drugs.unsettled import HOURS, doses_of, one_dose
from cds_app.fabric.references import References
from cds_app.fabric.shapes import Object, as_object, first, number, objects, word

_SNOMED: Final = "http://snomed.info/sct"
_WAYS: Final[dict[str, Way]] = {"72607000": "intrathecal", "45890007": "transdermal"}
_BY_NAME: Final = frozenset({"intrathecal", "transdermal"})
"""Ways that the name of a product may say: an oral one may be given through a tube, a solution in many ways."""
_KNOWN: Final[dict[str, Way]] = {"iv": "iv", "oral": "oral", "subcutaneous": "subcutaneous"}
_MOST: Final = 10
_SLOW_H: Final = 0.1
"""What runs for as long is no push."""


def givings_of(resource: Object, references: References, zone: tzinfo) -> tuple[Giving, ...]:
    """What every instruction of a MedicationRequest says; one without any says what the names of its drug do."""
    names, strength = _product(resource, references)
    instructions = objects(resource.get("dosageInstruction"))
    found = (_giving(one, names, strength, zone) for one in instructions[:_MOST] or ({},))
    return tuple(one for one in found if one != Giving())


def _product(resource: Object, references: References) -> tuple[list[str], Amount | None]:
    """What the drug is called, and how much is in a mL where its only ingredient says it."""
    either = as_object(resource.get("medication")) or {}  # R5: a CodeableReference
    reference = as_object(resource.get("medicationReference")) or as_object(either.get("reference")) or {}
    target = (references.target(reference, resource) if reference else None) or {}
    own = resource.get("medicationCodeableConcept") or either.get("concept")
    names = [*words_of(own), *words_of(target.get("code")), word(reference.get("display"))]
    strengths = [_strength(one.get("strength")) for one in objects(target.get("ingredient"))[:_MOST]]
    return [one for one in names if one], only(strengths)


def _strength(strength: object) -> Amount | None:
    """How much is in a mL, by the Ratio of an ingredient."""
    said = as_object(strength) or {}
    above, below = as_object(said.get("numerator")) or {}, as_object(said.get("denominator")) or {}
    volume = amount(number(below.get("value")) or 1.0, _unit(below))
    if volume is None or volume.unit != "mL" or volume.value <= 0.0:
        return None
    return amount(number(above.get("value")), _unit(above), times=1.0 / volume.value)


def _giving(instruction: Object, names: Sequence[str], strength: Amount | None, zone: tzinfo) -> Giving:
    text, dose = word(instruction.get("text")), one_dose(doses_of(instruction)) or _most(instruction)
    dosing = dosing_of(instruction, dose, zone)
    said = list(amounts_in(text))
    at_once = only([one for one, hourly in said if not hourly and one.unit != "mL"])
    rate = _rate(instruction) or only([one for one, hourly in said if hourly])
    over_h = (dosing.over_h if dosing else None) or lasts_h_in(text)
    per_ml = per_ml_in(text) or strength or next(filter(None, map(per_ml_in, names)), None)  # a mixture first
    every_h = dosing.interval_h if dosing else None
    return Giving(
        way=_way(instruction, dosing.route if dosing else "", names),
        pushed=rate is None and (over_h or 0.0) < _SLOW_H and any(map(pushes, _how(instruction))),
        runs=any(map(runs, (*_how(instruction), *names))),
        amount=_dose(dose) if dose else at_once,
        rate=rate,
        per_ml=per_ml,
        over_h=over_h,
        every_h=every_h if every_h or not daily_in(text) else 24.0,
    )


def _how(instruction: Object) -> Iterator[str]:
    """Everything that says in words how a drug is given."""
    for name in ("route", "method"):
        yield from words_of(instruction.get(name))
        yield from (code for _, code in codes_of(instruction.get(name)))
    yield word(instruction.get("text"))


def _way(instruction: Object, route: str, names: Sequence[str]) -> Way:
    """By the route's code or words; else by the only way in the words of the instruction, or in the drug's names."""
    stated = instruction.get("route")
    coded = next((_WAYS[code] for system, code in codes_of(stated) if system == _SNOMED and code in _WAYS), None)
    if coded or route in _KNOWN:
        return coded or _KNOWN[route]
    told = [way for text in (*words_of(stated), *(code for _, code in codes_of(stated))) for way in ways_in(text)]
    if told or text_of(stated):
        return only(told) or ""
    worded = ways_in(word(instruction.get("text")))
    named = [way for name in names for way in ways_in(name) if way in _BY_NAME]
    return only(worded) or (only(named) if not worded else None) or ""


def _most(instruction: Object) -> Object:
    """The upper end of a range of doses, where only a range is said."""
    said = as_object(first(instruction.get("doseAndRate")).get("doseRange")) or as_object(instruction.get("doseRange"))
    return as_object((said or {}).get("high")) or {}


def _dose(dose: Object) -> Amount | None:
    if dose.get("comparator"):
        return None
    said, _, per = _unit(dose).partition("/")
    return amount(number(dose.get("value")), said, per_kg=per == "kg") if per in ("", "kg") else None


def _rate(instruction: Object) -> Amount | None:
    """What is given in an hour, by a rate that is a quantity or a ratio."""
    rated = first(instruction.get("doseAndRate"))
    quantity = as_object(rated.get("rateQuantity")) or as_object(instruction.get("rateQuantity")) or {}
    ratio = as_object(rated.get("rateRatio")) or as_object(instruction.get("rateRatio")) or {}
    if quantity:
        unit, _, time = _unit(quantity).rpartition("/")
        return _hourly(number(quantity.get("value")), unit, 1.0, time)
    above, below = as_object(ratio.get("numerator")) or {}, as_object(ratio.get("denominator")) or {}
    return _hourly(number(above.get("value")), _unit(above), number(below.get("value")) or 1.0, _unit(below))


def _hourly(value: float | None, unit: str, many: float, time: str) -> Amount | None:
    hours = HOURS.get(time.strip().casefold().removesuffix("s"))
    said, _, per = unit.partition("/")
    lasting_h = many * (hours or 0.0)
    if value is None or lasting_h <= 0.0 or per not in ("", "kg"):
        return None
    return amount(value, said, per_kg=per == "kg", times=1.0 / lasting_h)


def _unit(quantity: Object) -> str:
    """The unit of a quantity: its code where that is one that is known, else what stands for a reader."""
    code, unit = word(quantity.get("code")), word(quantity.get("unit"))
    return code if code and amount(1.0, code.partition("/")[0]) is not None else unit or code
