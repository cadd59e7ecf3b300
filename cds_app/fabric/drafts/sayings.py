"""What the words of a dosage say of how a drug is given, in the languages that EHRs are written in here.

Only what can be read in one way counts: two amounts, two ways or two rates come to none, and so does a number that may
be a thousand or a decimal. What a sentence forbids ("do not give as a bolus") is not what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from cds_app.domain.dosing import Amount, Way
from cds_app.domain.units import ACTIVITY, is_activity, mg_per

_T = TypeVar("_T")
_NUMBER: Final = r"\d{1,3}(?:[.,]\d{3})+(?![.,]?\d)|\d+(?:[.,]\d+)?"
_MASS: Final = r"(?i:mg|mcg|µg|ug|g|grams?|milligrams?|micrograms?)"
_MOLES: Final = r"(?i:mmol|meq|mval)"
_VOLUME: Final = r"(?i:ml|millilit(?:er|re)s?|cc|l|lit(?:er|re)s?)"
_UNIT: Final = rf"(?P<unit>{_MASS}|{_MOLES}|{_VOLUME}|{ACTIVITY})(?![^\W\d_])"
_HOUR: Final = r"(?i:h|hr|hrs|hours?|std|stunden?|heures?|horas?|ora|ore|uur|hora)\b"
_MINUTE: Final = r"(?i:min(?:ut\w*)?)\b"
_PER: Final = r"(?:\s*/\s*|\s+(?i:per|pro|par|por|all|al|an?)\s+)"
_AMOUNT: Final = re.compile(
    rf"(?<![\w.,/%-])(?P<value>{_NUMBER})\s*-?\s*{_UNIT}"
    rf"(?P<kg>{_PER}kg\b)?(?P<rate>{_PER}(?:(?P<h>{_HOUR})|(?P<min>{_MINUTE})))?"
    rf"(?P<other>{_PER}(?:\d+\s*)?(?:(?i:kg|m2|m²|d|day|tag|jour|dia|die|dag|dose)|{_VOLUME})(?!\w))?"
)
_MOST: Final = re.compile(
    r"(?i)(?:max\w*|up to|not exceed\w*|h[oö]chstens|bis(?: zu)?|jusqu\W\w*|hasta|at[eé]|fino a)\W*\Z"
)
_PER_ML: Final = re.compile(
    rf"(?<![\w.,/-])(?P<value>{_NUMBER})\s*(?P<unit>{_MASS}|{_MOLES}|{ACTIVITY})(?:\s+[^\W\d]\w*){{0,4}}?"
    rf"\s*(?:/|(?i:per|pro|par|por|in|en|dans|auf|ad|su|op|diluted in|verdünnt in))\s*"
    rf"(?P<volume>{_NUMBER})?\s*(?P<of>{_VOLUME})(?![^\W\d_])(?!{_PER}(?:{_HOUR}|{_MINUTE}))"
)
_U_500: Final = re.compile(r"(?<!\w)U\s?-?\s?(?P<value>100|200|300|500)(?!\s*(?:%|mg|ml)|\w)", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(
    r"(?i)\b(?:not|never|no|don\Wt|avoid|without|nicht|kein\w*|nie\w*|ohne|ne|pas|jamais|sans|nunca|sin|non|mai|senza"
    r"|niet|geen|nooit|n[aã]o|sem)\b(?:\W+\w+){0,4}\W*\Z"
)
_PUSHED: Final = re.compile(
    r"(?i)\b(?:iv ?push|ivp|push|bolus\w*|bolo|direkt(?= i\.?v)|unverd[uü]nnt|undiluted|intraveineuse directe|ivd"
    r"|sin diluir|onverdund|non dilu\w+)\b|\bi\.?v\.? ?direkt\b|\bi\.v\.d\."
)
_RUNS: Final = re.compile(
    r"(?i)\b(?:drip|gtt|\w*infus\w*|infuu\w*|titrat\w*|continu\w*|kontinuierlich\w*|dauertropf\w*|tropf|perfus\w*|goteo)\b"
)
_WAYS: Final[Mapping[Way, re.Pattern[str]]] = {
    "intrathecal": re.compile(
        r"(?i)\b(?:intrath?[eé][ck]\w*|intraventric\w*|intracistern\w*|intralumb\w*|ommaya)\b|\bi\.\s?th?\.(?!\w)|\bi\.?th\b"
        r"|(?-i:(?<=mg )IT\b)"
    ),
    "transdermal": re.compile(
        r"(?i)\b(?:trans[ck]?derm\w*|patch(?:es)?|\w*pflaster|tts|parches?|cerott[oi]|pleisters?|adesivos?)\b"
    ),
    "iv": re.compile(
        r"(?i)\bi\.?v\.?(?!\w)|\be\.v\.?(?!\w)|(?-i:\bEV\b)|\bivpb\b|\bivp\b|\b(?:intraven|intravein|endoven)\w*"
    ),
    "subcutaneous": re.compile(
        r"(?i)\bs\.\s?c\.(?!\w)|\b(?:sc|subq|subcut)\b|\b(?:su[bt]?[ck]ut|sous.cutan|sottocut)\w*"
    ),
    "oral": re.compile(r"(?i)\bp\.\s?o\.(?!\w)|\bpo\b|\bper os\b|\bby mouth\b|\boral\w*|\bperoral\b"),
}
_ALONE: Final[Mapping[str, Way]] = {
    **{"it": "intrathecal", "i.t.": "intrathecal", "td": "transdermal", "sq": "subcutaneous"}
}
"""What is short for a way where nothing else stands beside it."""
_LASTING: Final = re.compile(
    rf"(?i)\b(?:over|[uü]ber|sur|en|durante|pendant|w[aä]hrend|within|innerhalb(?: von)?|gedurende)\s+"
    rf"(?P<value>{_NUMBER})\s*(?:(?P<h>{_HOUR})|(?P<min>{_MINUTE}))"
)
_DAILY: Final = re.compile(
    r"(?i)\bt(?:ä|ae)gl(?:ich\w*|\.)?|\btgl\b|\b(?:daily|every day|once a day|a day|per day|quotidien\w*|par jour"
    r"|au coucher|al d[ií]a|diari\w*|cada d[ií]a|al giorno|al d[iì]|per dag|dagelijks|ao dia|por dia"
    r"|jeden (?:tag|abend|morgen)|every (?:morning|evening|night)|nightly|at bedtime|qd|qhs)\b"
    r"|/\s?(?:d|tag|jour|j|die|dag)\b|\b\d-\d-\d(?:-\d)?\b"
)
_RARER: Final = re.compile(
    r"(?i)w[oö]ch\w*|woech\w*|\bweek\w*|semain\w*|hebdo\w*|seman\w*|settiman\w*|\bwek\w*|monat\w*|month\w*|mois|\bmes\w*|maand"
    r"|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|\bmon(?:day)?s?\b|\btue|\bwed|\bthu|\bfri|\bsat|\bsun"
    r"|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|\blunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bado|domingo"
    r"|luned|marted|mercoled|gioved|venerd|altern\w*|every other|jeden zweiten|\bdays?\s*\d|\btag\s*\d"
)
_DAY_H: Final = 24.0
_MIN_H: Final = 1.0 / 60.0


def value_of(text: str, *, whole: bool = False) -> float | None:
    """A number as people write it; None where its comma or point may part thousands or decimals.

    Of what is ``whole``, as units are, three digits after it are no decimals.
    """
    groups = re.split(r"[.,]", text)
    if len(groups) == 2 and len(groups[1]) == 3 and groups[0] != "0":
        return float("".join(groups)) if whole else None
    if len(groups) > 2:
        return float("".join(groups))
    return float(text.replace(",", "."))


def unit_of(text: str) -> tuple[str, float] | None:
    """The unit that is used of a kind, and how many of it are in the one that is written; None for any other."""
    said = text.strip()
    if (factor := mg_per(said)) is not None:
        return "mg", factor
    for unit, pattern, one in _KINDS:
        if pattern.fullmatch(said):
            return unit, one
    return ("[iU]", 1.0) if is_activity(said) else None


_KINDS: Final = (
    ("mmol", re.compile(_MOLES), 1.0),
    ("mL", re.compile(r"(?i:ml|millilit(?:er|re)s?|cc)"), 1.0),
    ("mL", re.compile(r"(?i:l|lit(?:er|re)s?)"), 1000.0),
)


def amount(value: float | None, unit: str, *, per_kg: bool = False, times: float = 1.0) -> Amount | None:
    """An amount in the unit that is used of its kind."""
    known = unit_of(unit)
    if value is None or known is None or value < 0.0:
        return None
    return Amount(value=value * known[1] * times, unit=known[0], per_kg=per_kg)  # type: ignore[arg-type]


def amounts_in(text: str) -> Iterator[tuple[Amount, bool]]:
    """Amounts that a text names, and of each whether it is one in an hour; none that is a highest one or a strength."""
    for one in _AMOUNT.finditer(text):
        if one["other"] or _MOST.search(text[: one.start()]):
            continue
        times = 60.0 if one["min"] else 1.0
        value = value_of(one["value"], whole=(unit_of(one["unit"]) or ("",))[0] == "[iU]")
        found = amount(value, one["unit"], per_kg=bool(one["kg"]), times=times)
        if found is not None:
            yield found, bool(one["rate"])


def per_ml_in(text: str) -> Amount | None:
    """How much is in a mL: ``100 units/mL``, ``20 mmol in 1000 mL``, ``U-500``."""
    for one in _PER_ML.finditer(text):
        volume = amount(value_of(one["volume"]) if one["volume"] else 1.0, one["of"])
        if volume is not None and volume.value > 0.0:
            return amount(value_of(one["value"]), one["unit"], times=1.0 / volume.value)
    named = _U_500.search(text)
    return None if named is None else Amount(value=float(named["value"]), unit="[iU]")


def ways_in(text: str) -> tuple[Way, ...]:
    """Ways that a text names, but for those that it forbids."""
    alone = _ALONE.get(text.strip().casefold())
    if alone is not None:
        return (alone,)
    return tuple(way for way, pattern in _WAYS.items() if any(_means(text, one) for one in pattern.finditer(text)))


def pushes(text: str) -> bool:
    """Whether a text says that a drug goes in at once."""
    return any(_means(text, one) for one in _PUSHED.finditer(text))


def runs(text: str) -> bool:
    """Whether a text says that a drug runs for some time."""
    return any(_means(text, one) for one in _RUNS.finditer(text))


def _means(text: str, found: re.Match[str]) -> bool:
    """Whether what stands before words in their sentence does not forbid them."""
    return _FORBIDDEN.search(re.split(r"[;!?\n]|\.\s", text[: found.start()])[-1]) is None


def lasts_h_in(text: str) -> float | None:
    """How long a text says that a dose runs."""
    said = ((value_of(one["value"]), 1.0 if one["h"] else _MIN_H) for one in _LASTING.finditer(text))
    return only([value * unit for value, unit in said if value])


def daily_in(text: str) -> bool:
    """Whether a text says that something is given every day, and on no days of a week alone."""
    return _RARER.search(text) is None and _DAILY.search(text) is not None


def only(found: Sequence[_T]) -> _T | None:
    """The one thing that is said, however often; None for none and for several."""
    different = list(dict.fromkeys(found))
    return different[0] if len(different) == 1 else None
