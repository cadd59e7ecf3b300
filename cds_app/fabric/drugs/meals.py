"""Whether a dosage goes with meals, and how much carbohydrate it says is eaten with it.

An amount counts only where every word around it is known: "8 units now for 60 g carbohydrate" says one, while
"1 unit per 10 g carbohydrate", "45-60 g" and "60 g if the patient eats" do not. What is not understood is no amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from cds_app.fabric.codes import text_of
from cds_app.fabric.shapes import MAX_TEXT, Object, objects, word

_MEALS: Final = frozenset({"AC", "ACM", "ACD", "ACV", "PC", "PCM", "PCD", "PCV", "C", "CM", "CD", "CV"})
"""FHIR's events of timing that are meals: before, after or at them."""
_AFTER: Final = frozenset({"PC", "PCM", "PCD", "PCV"})
_MEAL_WORDS: Final = re.compile(
    r"\b(?:(?:bid|tid|qid|q)?ac|achs|pc|meals?|breakfast|lunch|dinner|supper|snack|with food|eat(?:s|ing|en)?"
    r"|carbs?|carbohydrates?|cho)\b"
)
_EATEN: Final = re.compile(
    r"(?<![\d.,/:<>~=+-])\b(?P<grams>\d{1,4}(?:\.\d{1,2})?) ?(?:g|gm|grams?) (?:of )?(?:carbs?|carbohydrates?|cho)\b"
)
_DOSE: Final = re.compile(r"\b\d{1,3}(?:\.\d{1,2})? ?(?:units?|u|iu)\b")
_NAMED: Final = re.compile(r"[a-z]+|\S")
_UNDERSTOOD: Final = frozenset(
    {
        *("now", "once", "stat", "give", "inject", "administer", "sc", "sq", "subq", "subcut", "subcutaneous"),
        *("subcutaneously", "insulin", "lispro", "aspart", "glulisine", "rapid", "acting", "with", "before", "for"),
        *("meal", "breakfast", "lunch", "dinner", "supper", "snack", "a", "an", "the", "this", "of", "containing"),
        *("ac", "to", "cover", "dose", "one", "bolus", "(", ")", ",", ";", "."),
    }
)


def goes_with_meals(instruction: Object, repeat: Object, timing_names: Sequence[str]) -> bool:
    """Whether an event, the name of the timing or any words of a dosage speak of a meal."""
    told = (_MEAL_WORDS.search(text) for text in _texts(instruction, timing_names))
    return bool(_MEALS & _events(repeat)) or any(told)


def carbohydrate_g(instruction: Object, repeat: Object, timing_names: Sequence[str]) -> float | None:
    """Grams that a dosage says are eaten with the dose, as it is given; None where it does not say one amount."""
    if _AFTER & _events(repeat) or repeat.get("offset") is not None:
        return None
    told = [_grams(text) for text in _texts(instruction, timing_names) if _MEAL_WORDS.search(text)]
    amounts = {grams for one in told for grams in one or ()}
    return amounts.pop() if len(amounts) == 1 and None not in told else None


def _grams(text: str) -> tuple[float, ...] | None:
    """The amount in a text that speaks of a meal, if it says one; None where it is not understood as a whole."""
    found = tuple(float(one["grams"]) for one in _EATEN.finditer(text))
    around = _NAMED.findall(_DOSE.sub(" ", _EATEN.sub(" ", text)))
    return found if len(found) <= 1 and _UNDERSTOOD.issuperset(around) else None


def _events(repeat: Object) -> set[str]:
    said = repeat.get("when")
    return {one for one in (said if isinstance(said, list) else [said]) if isinstance(one, str)}


def _texts(instruction: Object, timing_names: Sequence[str]) -> Iterator[str]:
    """What a dosage says in words, to whoever gives it and to the patient; what was cut off is marked."""
    told = [*timing_names, *(word(instruction.get(name)) for name in ("text", "patientInstruction"))]
    told += [text_of(one) for one in objects(instruction.get("additionalInstruction"))]
    for text in told:
        yield text.casefold() + ("…" if len(text) >= MAX_TEXT else "")
