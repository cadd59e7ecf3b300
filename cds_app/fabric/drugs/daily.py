"""The most of each drug in 24 h, where a dosage says it in words, in tablets or as a range.

Only what can be read in one way counts. A dosage that changes, that names a highest amount, two amounts or two
intervals, or pieces of a strength that is not said, comes to nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from cds_app.domain.dosing import Daily, Dosing
from cds_app.domain.units import mg_per
from cds_app.fabric.shapes import Object, as_object, number, objects, word

Strengths = tuple[Daily, ...]
"""Of each drug in a tablet or capsule, mg."""

_DAY_H: Final = 24.0
_MOST_PIECES: Final = 10.0
"""More than so many tablets at once are no tablets."""
_PIECES: Final = (
    r"tab(?:let)?s?|cap(?:sule|let)?s?|supp(?:ository|ositories)?|\{tbl\}|\{tab\}|\{cap\}|\{tablet\}|\{capsule\}"
)
_PIECE: Final = re.compile(rf"(?:{_PIECES})\Z")
_SOLID: Final = re.compile(r"\b(?:tablet|tab|capsule|caplet|cap|suppository)s?\b")
_NUMBER: Final = r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?"
_MASSES: Final = r"mg|mcg|ug|µg|grams?|g"
_COUNTS: Final[Mapping[str, float]] = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0}
_AMOUNT: Final = re.compile(
    rf"(?<![\d.,/-])(?P<low>{_NUMBER}|{'|'.join(_COUNTS)})(?:\s*(?:-|to|or)\s*(?P<high>{_NUMBER}|{'|'.join(_COUNTS)}))?"
    rf"\s*(?P<unit>{_MASSES}|{_PIECES})(?![\w/])"
)
_STRENGTH: Final = re.compile(rf"(?<=\s)(?P<value>{_NUMBER})\s?(?P<unit>mg|mcg|ug|g)(?![\w/])")
_UNNAMED: Final = re.compile(r"[\d/()]")
_PAIRED: Final = re.compile(rf"(?P<names>[^()]+)\((?P<values>(?:{_NUMBER})\s?mg(?:\s?[-/]\s?(?:{_NUMBER})\s?mg)+)\)")
_EVERY: Final = re.compile(
    r"\b(?:(?:q|every)\s*(?P<hours>\d{1,2})(?:\s*(?:-|to)\s*\d{1,2})?\s*(?:h|hr|hrs|hours?)"
    r"|(?P<times>once|twice|(?:one|two|three|four|1|2|3|4)\s*(?:times|x))\s*(?:a|per|each)?\s*(?:day|daily)"
    r"|(?P<code>bid|tid|qid|qd|qhs|qam|qpm|daily|nightly|every (?:day|morning|evening|night)|at bedtime))\b"
)
_CODES: Final[Mapping[str, float]] = {"bid": 12.0, "tid": 8.0, "qid": 6.0}
_TIMES: Final[Mapping[str, float]] = {"once": 1.0, "twice": 2.0, "1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0, **_COUNTS}
_OTHERWISE: Final = re.compile(
    r"\b(?:then|taper\w*|weekly|weeks?|months?|monthly|alternat\w+|other|loading|followed|max\w*|exceed|more than|up to"
    r"|x(?=\s*\d+(?:\.\d+)?\s*(?:mg|g|mcg|tab))|continuous\w*|infusion|hold|skip|sliding|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:days?)?)\b|\dx(?=\s*\d)|\d\s*/\s*(?:kg|h|hr|day)\b"
)


def daily_of(
    instruction: Object, dosing: Dosing | None, concepts: tuple[str, ...], strengths: Strengths
) -> tuple[Daily, ...]:
    """The most in 24 h of each drug in an order.

    Parameters
    ----------
    instruction : mapping
        The only dosage instruction of the order.
    dosing : Dosing or None
        What was read of it.
    concepts : tuple of str
        Of all drugs in the order: what an amount in mg is of.
    strengths : tuple of Daily
        Of each drug, mg in one tablet or capsule.
    """
    words = word(instruction.get("text")).casefold()
    if _on_some_days(instruction):
        return ()
    every_h, amount = _interval_h(words, dosing), _amount(instruction, words, strengths)
    if every_h is None or amount is None or _OTHERWISE.search(words):
        return ()
    value, unit = amount
    in_a_day = 1.0 if dosing is not None and dosing.once else _DAY_H / every_h
    if (factor := mg_per(unit)) is not None:
        return (Daily(concepts=concepts, mg=value * factor * in_a_day),)
    if value > _MOST_PIECES or not (unit == "" or _PIECE.match(unit)):
        return ()
    return tuple(Daily(concepts=one.concepts, mg=one.mg * value * in_a_day) for one in strengths)


def strengths_of(
    parts: Iterable[tuple[tuple[str, ...], object]], texts: Iterable[str], drugs: Callable[[str], tuple[str, ...]]
) -> Strengths:
    """What is in one tablet or capsule: by its ingredients, or else by the first name that says it of each drug.

    Parameters
    ----------
    parts : iterable of (tuple of str, object)
        Of each ingredient of a Medication the concepts of its drug and its strength, a Ratio.
    texts : iterable of str
        Names of the drug.
    drugs : callable
        A text to the concepts of drugs that it names.
    """
    coded = tuple(Daily(concepts=one, mg=mg) for one, ratio in parts if one and (mg := _mg_a_piece(ratio)) is not None)
    return coded or next(filter(None, (_in_name(text, drugs) for text in texts)), ())


def _mg_a_piece(ratio: object) -> float | None:
    said = as_object(ratio) or {}
    above, below = as_object(said.get("numerator")) or {}, as_object(said.get("denominator")) or {}
    value, factor = number(above.get("value")), mg_per(word(above.get("code")) or word(above.get("unit")))
    unit = (word(below.get("unit")) or word(below.get("code"))).strip().casefold()
    whole = number(below.get("value")) in (None, 1.0) and (unit in ("", "1") or _PIECE.match(unit))
    return value * factor if value and value > 0.0 and factor is not None and whole else None


def _in_name(text: str, drugs: Callable[[str], tuple[str, ...]]) -> Strengths:
    """``Acetaminophen 325 MG / Hydrocodone Bitartrate 5 MG Oral Tablet``, ``Oxycodone-Acetaminophen (5mg-325mg)``."""
    said = text.casefold()
    paired = _PAIRED.match(said)
    if paired is not None:
        names, values = re.split(r"[-/]", paired["names"]), re.findall(_NUMBER, paired["values"])
        rows = [(name, value, "mg") for name, value in zip(names, values, strict=False)]
        return _each(rows, drugs) if len(names) == len(values) else ()
    if _SOLID.search(said) is None:
        return ()
    rows = list(_strengths(said))
    return _each(rows, drugs) if len(rows) == said.count(" / ") + 1 else ()


def _strengths(said: str) -> Iterator[tuple[str, str, str]]:
    """Each strength with the words right before it: name, number, unit."""
    start = 0
    for one in _STRENGTH.finditer(said):
        name = _UNNAMED.split(said[start : one.start()])[-1]
        if any(map(str.isalpha, name)):
            yield name, one["value"], one["unit"]
        start = one.end()


def _each(rows: Sequence[tuple[str, str, str]], drugs: Callable[[str], tuple[str, ...]]) -> Strengths:
    found = [Daily(concepts=drugs(name), mg=_value(value) * (mg_per(unit) or 0.0)) for name, value, unit in rows]
    return tuple(one for one in found if one.concepts and one.mg > 0.0)


def _value(text: str) -> float:
    return _COUNTS.get(text) or float(text.replace(",", ""))


def _coded(instruction: Object) -> tuple[float, str] | None:
    """The only dose in the elements, of a range the upper end; None where there is none."""
    rated = objects(instruction.get("doseAndRate"))
    every = [one for row in (*rated, instruction) for one in _doses(row)]
    return every[0] if len(set(every)) == 1 else None


def _doses(row: Object) -> Iterator[tuple[float, str]]:
    high = as_object((as_object(row.get("doseRange")) or {}).get("high"))
    for one in (as_object(row.get("doseQuantity")), high):
        value = number((one or {}).get("value"))
        if one is not None and value is not None and value > 0.0 and not one.get("comparator"):
            units = {word(one.get(name)).strip().casefold() for name in ("unit", "code")} - {""}
            masses = {mg_per(unit) for unit in units}
            if len(masses) <= 1:
                yield value, min(units, default="")


def _amount(instruction: Object, words: str, strengths: Strengths) -> tuple[float, str] | None:
    """What is given at once: by the elements or else the words, where these do not say another amount."""
    said = [
        (_value(one["low"]), _value(one["high"] or one["low"]), _unit(one["unit"])) for one in _AMOUNT.finditer(words)
    ]
    counted = [one for one in said if _PIECE.match(one[2])]
    masses = [one for one in said if one not in counted]
    coded = _coded(instruction)
    if coded is None:
        told = counted if strengths and counted else said
        coded = (told[0][1], told[0][2]) if len(told) == 1 else None
    if coded is None:
        return None
    value, unit = coded
    factor = mg_per(unit)
    alike = counted if factor is None else masses
    if alike and not any(_same(value * (factor or 1.0), amount * (mg_per(other) or 1.0)) for _, amount, other in alike):
        return None
    if factor is None and len(strengths) == 1 and not all(_fits(one, value, strengths[0].mg) for one in masses):
        return None
    return coded


def _fits(mass: tuple[float, float, str], pieces: float, strength_mg: float) -> bool:
    """Whether a mass in the words is the strength, or what so many pieces hold."""
    mg = mass[1] * (mg_per(mass[2]) or 0.0)
    return _same(mg, strength_mg) or _same(mg, pieces * strength_mg)


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-6 * other


def _unit(text: str) -> str:
    return "g" if text.startswith("gram") else text


def _on_some_days(instruction: Object) -> bool:
    repeat = as_object((as_object(instruction.get("timing")) or {}).get("repeat")) or {}
    return bool(repeat.get("dayOfWeek"))


def _interval_h(words: str, dosing: Dosing | None) -> float | None:
    """As the elements say, or else the only one in the words; of a range the shorter."""
    if dosing is not None and (dosing.unsettled and set(dosing.unsettled) - {"dose"}):
        return None
    if dosing is not None and (dosing.interval_h is not None or dosing.once):
        return dosing.interval_h or _DAY_H
    found = {_hours(one) for one in _EVERY.finditer(words)}
    return next(iter(found)) if len(found) == 1 else None


def _hours(found: re.Match[str]) -> float | None:
    if found["hours"]:
        return float(found["hours"]) or None
    if found["times"]:
        return _DAY_H / _TIMES[found["times"].split()[0].rstrip("x")]
    return _CODES.get(found["code"], _DAY_H)
