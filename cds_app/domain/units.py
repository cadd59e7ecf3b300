"""Units: from what an EHR sends to the ontology's canonical UCUM unit, exactly or not at all.

What is accepted for a variable, in this order:

1. its canonical unit;
2. a unit with a declared equation (``affine``), for units of another measurand (HbA1c of IFCC);
3. a declared synonym, of the variable first and of the ontology then: ``mEq/L``, ``K/uL``, ``bpm``. It goes before
   UCUM, to which ``Meq/L`` is a thousand million ``meq/L`` and ``mL/min/1.73`` is 73 mL/min;
4. UCUM, case-sensitive, as written, if it is of the variable's dimension and kind: ``Mg`` never becomes ``mg``.

Dimension alone is not enough in medicine: international units, cells and charges are all "numbers" to the SI. They
are told apart by kind (`_KINDS`), and so are ratios of mass, substance and volume. Mass and substance meet only over
the variable's molar mass, charges and substance only over its valence. An annotation (``{FEU}``) has no meaning in
UCUM; it must still be the canonical one where both units carry one, as ``{DDU}`` is another thing.

No unit ("") is accepted only where the canonical unit is a mere name of a number: ``{score}``, ``{INR}``, ``[pH]``,
``1``. Never for ``%``: 0.4 and 40 are both sent as an inspired oxygen fraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cds_app.errors import UnitError

if TYPE_CHECKING:
    from cds_app.domain.ontology import Ontology, Variable

MAX_UNIT_LENGTH: Final = 64

_MAX_REMEMBERED: Final = 4096
# 10*99999999 takes minutes to evaluate and means nothing; UCUM has no decimals: to it 1.73 is one times 73
_NO_NUMBER: Final = re.compile(r"\d{5}|\d\.\d")
_ANNOTATION: Final = re.compile(r"\{([^{}]*)\}")
_READABLE: Final = re.compile(r"[A-Za-z%\u00b0\u00b5\u03bc][A-Za-z0-9%/\u00b0\u00b5\u03bc]{0,15}")
_NAMES: Final[Mapping[str, str]] = {
    "Cel": "°C", "[degF]": "°F", "mm[Hg]": "mmHg", "cm[H2O]": "cmH2O", "[lb_av]": "lb", "[oz_av]": "oz", "[in_i]": "in",
}  # fmt: skip
_NUMBER_NAMES: Final = re.compile(r"\{[^{}]+\}|\[pH\]|1")
_DIGITS: Final = 12
"""Of a converted value. More than any instrument has, and fewer than a double, whose last ones are round-off: 5 ug/L is
5 ng/mL and not 4.999999999999999, which would be below a limit of 5."""
_MG_PER: Final[Mapping[str, float]] = {
    **{"kg": 1e6, "g": 1e3, "mg": 1.0, "ug": 1e-3, "mcg": 1e-3, "ng": 1e-6},
    **dict.fromkeys(("\N{GREEK SMALL LETTER MU}g", "microgram", "micrograms"), 1e-3),
    **{"milligram": 1.0, "milligrams": 1.0, "gram": 1e3, "grams": 1e3},
}
ACTIVITY: Final = (
    r"(?i:\[iu\]|\[usp'u\]|i\.?\s?u\.?|u\.?\s?i\.?|i\.?\s?e\.?|units?|unt|einheit(?:en)?|unit[eé]s?|unidad(?:es)?"
    r"|unidades|unit[aà]|eenheden|eenheid)|U|E"
)
"""A unit of activity, as insulin is measured in, in the words of several languages: a regular expression."""
_ACTIVITY: Final = re.compile(rf"{ACTIVITY}|(?i:u|e|ie\.|\[u\]|\{{units?\}}|international units?)")
_KINDS: Final = frozenset({
    "international_unit", "arbitrary_unit", "osmole", "equivalents", "high_power_field", "low_power_field",
    "colony_forming_unit", "plaque_forming_unit", "US_pharmacopeia_unit", "GPL_unit", "MPL_unit", "APL_unit",
    "Bethesda_unit", "anti_factor_Xa_unit", "Todd_unit", "fibrinogen_equivalent_unit", "allergen_unit", "radian",
})  # fmt: skip
_RATIOS: Final = {"[mass]": "mass", "[substance]": "substance"}


class Line(NamedTuple):
    """A conversion: ``canonical = factor * value + offset``."""

    factor: float
    offset: float = 0.0


Reason = str
_IDENTITY: Final = Line(1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What a UCUM unit says.

    Parameters
    ----------
    base : Line
        To the coherent SI unit (temperatures have an offset).
    dimension : mapping of str to float
        Exponents by pint's dimension; kinds that are numbers to the SI have an entry of their own.
    labels : frozenset of str
        Texts of its annotations.
    ratio : {"", "mass", "substance"}
        Of a dimensionless unit, what it is a ratio of; "" for plain numbers and volumes in volumes.
    """

    base: Line
    dimension: Mapping[str, float]
    labels: frozenset[str]
    ratio: str = ""


class UnitConverter:
    """Converts to canonical units; a conversion seen before costs one look-up.

    Parameters
    ----------
    ontology : Ontology
        For the synonyms of units.

    Notes
    -----
    pint and ucumvert are imported, and their registry is built, when the first unit is met that is not canonical.
    Safe to share between threads.
    """

    def __init__(self, ontology: Ontology) -> None:
        self._synonyms = ontology.unit_synonyms
        self._lines: dict[tuple[str, str], Line | Reason] = {}
        self._ucum = _ucum()

    def convert(self, value: float, unit: str, variable: Variable) -> float:
        """A value in the variable's canonical unit.

        Parameters
        ----------
        value : float
            As sent.
        unit : str
            UCUM code or text; see the module for what is accepted.
        variable : Variable
            A numeric variable.

        Raises
        ------
        UnitError
            With ``reason`` "unknown-unit" if nobody can read it, "wrong-dimension" if it is a unit of something else.
        """
        line = self.line(unit, variable)
        if line is _IDENTITY:
            return value
        return float(f"{line.factor * value + line.offset:.{_DIGITS}g}")

    def line(self, unit: str, variable: Variable) -> Line:
        """How a unit becomes the variable's canonical one. Raises UnitError as `convert` does."""
        key = (variable.key, unit)
        line = self._lines.get(key)
        if line is None:
            line = self._find(unit, variable)
            if len(self._lines) < _MAX_REMEMBERED:
                self._lines[key] = line
        if not isinstance(line, Line):
            wrong = line == "wrong-dimension"
            raise UnitError(
                "is a unit of something else" if wrong else "is not a known unit",
                reason="wrong-dimension" if wrong else "unknown-unit",
                field=variable.key,
            )
        return line

    def is_ucum(self, unit: str) -> bool:
        """Whether a unit can be read as UCUM, without help of any synonym."""
        return self._ucum.meaning(unit) is not None

    def _find(self, unit: str, variable: Variable) -> Line | Reason:
        if len(unit) > MAX_UNIT_LENGTH or not variable.unit:
            return "unknown-unit"
        text = unit.strip()
        if not text:
            return _IDENTITY if is_number_name(variable.unit) else "unknown-unit"
        return self._first(self._readings(text, variable), variable)

    def _first(self, readings: Iterable[str], variable: Variable) -> Line | Reason:
        reason = "unknown-unit"
        for text in readings:
            found = self._line(text, variable)
            if isinstance(found, Line):
                return found
            reason = "wrong-dimension" if "wrong-dimension" in (reason, found) else found
        return reason

    def _readings(self, unit: str, variable: Variable) -> Iterator[str]:
        meant = variable.unit_synonyms.get(unit) or self._synonyms.get(unit)
        names_a_number = meant is not None and is_number_name(meant) and not is_number_name(variable.unit)
        if meant is not None and unit != variable.unit and not names_a_number:
            yield meant
        yield unit

    def _line(self, unit: str, variable: Variable) -> Line | Reason:
        if unit == variable.unit and not variable.by_substance:
            return _IDENTITY
        if unit in variable.affine:
            return Line(*variable.affine[unit])
        given, wanted = self._ucum.meaning(unit), self._ucum.meaning(variable.unit)
        if given is None or wanted is None:
            return "unknown-unit"
        bridge = _bridge(given, wanted, variable)
        if bridge is None or not _same_kind(given, wanted):
            return "wrong-dimension"
        factor = given.base.factor * bridge / wanted.base.factor
        if is_number_name(variable.unit) and factor != 1.0:
            return "wrong-dimension"  # a clotting time in % of normal is no INR
        return Line(factor, (given.base.offset * bridge - wanted.base.offset) / wanted.base.factor)


def is_number_name(unit: str) -> bool:
    """Whether a unit is a mere name of a number, which nobody writes: ``{score}``, ``{INR}``, ``[pH]``, ``1``."""
    return _NUMBER_NAMES.fullmatch(unit) is not None


def unit_name(unit: str) -> str:
    """A unit as people write it: without annotations, and none of UCUM's brackets; "" if that is not simple."""
    bare = _ANNOTATION.sub("", unit).strip()
    name = _NAMES.get(bare, bare)
    return name if _READABLE.fullmatch(name) else ""


def mg_per(unit: str) -> float | None:
    """Milligrams in a unit of mass of a dose, in any case of letters; None for any other unit.

    Case-folding makes the Greek letter of the micro sign, so that both are one.
    """
    return _MG_PER.get(unit.strip().casefold())


def is_activity(unit: str) -> bool:
    """Whether a unit of a dose is one of activity, in any case of letters."""
    return _ACTIVITY.fullmatch(unit.strip()) is not None


def _same_kind(given: _Meaning, wanted: _Meaning) -> bool:
    same_labels = not given.labels or not wanted.labels or given.labels == wanted.labels
    same_ratio = bool(given.dimension) or given.ratio in ("", wanted.ratio)
    return same_labels and same_ratio


def _bridge(given: _Meaning, wanted: _Meaning, variable: Variable) -> float | None:
    """Factor between SI units that differ by molar mass or valence only; None if they differ by more."""
    if variable.by_substance and "[substance]" not in given.dimension:
        return None
    exponents = {
        name: wanted.dimension.get(name, 0.0) - given.dimension.get(name, 0.0)
        for name in (*given.dimension, *wanted.dimension)
    }
    differing = {name: power for name, power in exponents.items() if power}
    charges = differing.pop("equivalents", 0.0)
    factor = float(variable.valence) ** charges
    masses = differing.pop("[mass]", 0.0)
    amounts = differing.pop("[substance]", 0.0)
    if differing or masses != -amounts or (masses and variable.molar_mass is None):
        return None
    molar_mass_kg = (variable.molar_mass or 1.0) / 1000.0
    return float(factor * molar_mass_kg**masses)


class _Ucum:
    """UCUM units as meanings, by pint with ucumvert's definitions: the same for every ontology."""

    def __init__(self) -> None:
        self._registry: Any = None
        self._meanings: dict[str, _Meaning | None] = {}
        self._lock = Lock()

    def meaning(self, unit: str) -> _Meaning | None:
        """What a unit says, or None if it is not UCUM."""
        if unit in self._meanings:
            return self._meanings[unit]
        with self._lock:
            found = self._read(unit)
            if len(self._meanings) < _MAX_REMEMBERED:
                self._meanings[unit] = found
        return found

    def _read(self, unit: str) -> _Meaning | None:
        if not unit or len(unit) > MAX_UNIT_LENGTH or _NO_NUMBER.search(_ANNOTATION.sub("", unit)):
            return None
        labels = frozenset(_ANNOTATION.findall(unit))
        if unit == "[pH]":
            return _Meaning(base=_IDENTITY, dimension={"pH": 1.0}, labels=labels)
        bare = _ANNOTATION.sub("", unit)
        if not bare:
            return _Meaning(base=_IDENTITY, dimension={}, labels=labels)
        quantity = self._parse(unit)
        return None if quantity is None else self._meaning_of(quantity, labels)

    def _parse(self, unit: str) -> Any:
        from lark.exceptions import LarkError  # noqa: PLC0415 - with pint, too slow to import before it is needed

        registry = self._registered()  # what is wrong with the libraries is not wrong with the unit
        try:
            return registry.from_ucum(unit)
        except (LarkError, ArithmeticError, AttributeError, ValueError, TypeError, RecursionError):
            return None

    def _registered(self) -> Any:
        if self._registry is None:
            from ucumvert import PintUcumRegistry  # noqa: PLC0415 - half a second

            self._registry = PintUcumRegistry()
        return self._registry

    def _meaning_of(self, quantity: Any, labels: frozenset[str]) -> _Meaning | None:
        try:
            base = self._to_base(quantity)
            dimension = self._dimension(quantity)
            ratio = "" if dimension else self._ratio(quantity)
        except (ArithmeticError, ValueError, TypeError, AttributeError):
            return None
        if base is None or not 0.0 < base.factor < inf:
            return None
        return _Meaning(base=base, dimension=dimension, labels=labels, ratio=ratio)

    def _to_base(self, quantity: Any) -> Line | None:
        if dict(quantity.dimensionality) == {"[temperature]": 1}:
            zero, one = (self._registry.Quantity(x, quantity.units).to_base_units().magnitude for x in (0.0, 1.0))
            return Line(float(one - zero) * float(quantity.magnitude), float(zero))
        return Line(float(quantity.to_base_units().magnitude)) if quantity._is_multiplicative else None

    def _dimension(self, quantity: Any) -> Mapping[str, float]:
        found = {name: float(power) for name, power in quantity.dimensionality.items()}
        for name, power in quantity.units._units.items():
            kind = self._registry.parse_unit_name(name)[0][1]
            if kind in _KINDS:
                found[kind] = found.get(kind, 0.0) + float(power)
        return found

    def _ratio(self, quantity: Any) -> str:
        above = (name for name, power in quantity.units._units.items() if power > 0)
        dimensions = (self._registry.get_dimensionality(name) for name in above)
        return next((_RATIOS[one] for dimension in dimensions for one in dimension if one in _RATIOS), "")


@cache
def _ucum() -> _Ucum:
    """The one of this process: what a unit says depends on nothing else, and half a second goes into the registry."""
    return _Ucum()
