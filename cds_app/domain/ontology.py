"""What Twinline knows by name: variables that can be measured and concepts that can be coded.

The ontology is content (``models/ontology/<version>``); this module gives it types and look-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import log, sqrt
from typing import Final, Literal

from cds_app.domain.facts import Code, Measurement
from cds_app.domain.interpretations import Interpretation
from cds_app.domain.taking import Element, Kind, Usual
from cds_app.domain.told import Told

Sex = Literal["female", "male"]
ConceptKind = Literal["condition", "drug", "drug-class", "procedure", "finding"]
Transform = Literal["identity", "log"]
_REFERENCE_CHANGE: Final = 1.96 * sqrt(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Inclusive limits in the canonical unit; None is open."""

    low: float | None
    high: float | None

    def holds(self, value: float) -> bool:
        """Whether the value lies inside."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """How the twin lets a quantity move when the population fit has no parameters for it.

    Parameters
    ----------
    transform : {"identity", "log"}
        Scale on which the state lives.
    baseline_mean, baseline_sd : float
        Population baseline and its spread between persons, on that scale.
    deviation_sd : float
        Stationary standard deviation of the mean-reverting part.
    relaxation_h : float
        Time constant of the return to baseline, hours.
    noise_sd : float
        Measurement and short-term within-person variation (from CVI and analytical CV).
    """

    transform: Transform
    baseline_mean: float
    baseline_sd: float
    deviation_sd: float
    relaxation_h: float
    noise_sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One thing that can be observed.

    Parameters
    ----------
    key : str
        Name in the ontology (``potassium_blood``).
    quantity : str
        What the twin tracks; several variables may measure one quantity (``potassium``).
    label, unit_text : str
        How clinicians read name and unit (``Potassium``, ``mmol/L``).
    codes : tuple of Code
        LOINC first; every synonym that stands for the same thing in the same unit family.
    generic : bool
        A less specific code that EHRs send beside the specific one; it gives way to any other match.
    elsewhere : bool
        Of something that is coded like another thing but for this code: a pulmonary artery's pressure, whose
        components are called systolic and diastolic as well. Whatever bears this code is none of the others.
    as_vital_sign : str
        Key of the variable that its codes mean where a result is filed among the vital signs: there, an oxygen
        saturation of arterial blood (FHIR's code of the vital sign) is read by pulse oximetry.
    answers : tuple of str
        Of a coded variable, concepts that may come as the code itself of an Observation that has no value: "breathing
        room air".
    unit : str
        Canonical UCUM unit; "" for coded variables.
    molar_mass : float or None
        g/mol, for mass to molar conversion.
    valence : int
        Charges per ion, for meq to mmol.
    by_substance : bool
        Its codes are of amounts of substance. A mass under them, even in the canonical unit, may be of another molecule
        than the molar mass is of (urea, or the nitrogen in it), and is refused.
    plausible : Range
        Outside: an artefact or another unit, never used.
    reference : mapping of {"any", "female", "male"} to Range
        Adult reference range.
    fresh_h : float
        Older than this, a value is stale for scores and cards.
    decimals : int
        How many are shown.
    numeric : bool
        False for panels, cultures, consciousness.
    unit_synonyms : mapping of str to str
        Units as written for this variable alone, to UCUM (``IU/L`` of an enzyme is ``U/L``).
    affine : mapping of str to (float, float)
        UCUM unit to (slope, intercept): ``canonical = slope * value + intercept`` by a published equation
        (HbA1c of IFCC and NGSP). Goes before dimension analysis.
    alternate_units : tuple of str
        UCUM units that laboratories report it in; each is proven to convert when the ontology is loaded.
    review : tuple of str
        What of it is from memory and not verified yet: ``code``, ``reference``, ``plausible``, ``cvi``,
        ``molar_mass``.
    needs_review : bool
        Whether there is any such.
    measurand : str
        What a laboratory's number is of, where variables of one quantity differ in that: ``urea``, ``urea nitrogen``.
    chosen : Told, optional
        How the site has it told; by default as it is, in the canonical unit.
    told : Told
        How it is told.
    """

    key: str
    quantity: str
    label: str
    unit: str
    unit_text: str
    codes: tuple[Code, ...]
    plausible: Range
    reference: Mapping[str, Range]
    fresh_h: float
    decimals: int
    numeric: bool = True
    generic: bool = False
    elsewhere: bool = False
    as_vital_sign: str = ""
    answers: tuple[str, ...] = ()
    molar_mass: float | None = None
    valence: int = 1
    by_substance: bool = False
    process: Process | None = None
    unit_synonyms: Mapping[str, str] = field(default_factory=dict)
    affine: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    alternate_units: tuple[str, ...] = ()
    source: str = ""
    review: tuple[str, ...] = ()
    needs_review: bool = False
    measurand: str = ""
    chosen: Told | None = None
    told: Told = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Settle how it is told."""
        told = self.chosen or Told(unit=self.unit, text=self.unit_text, decimals=self.decimals)
        measurand = "" if self.measurand == self.label.casefold() else self.measurand
        object.__setattr__(self, "told", replace(told, measurand=measurand))

    def reference_for(self, sex: str | None) -> Range | None:
        """Reference range for a sex, else the general one, else None."""
        return self.reference.get(sex or "any") or self.reference.get("any")

    def usual(self, one: Measurement, sex: str | None, *, adult: bool) -> Range | None:
        """The usual range for a measurement: of who measured it, else the general one, which is of adults."""
        if one.usual_low is not None or one.usual_high is not None:
            return Range(low=one.usual_low, high=one.usual_high)
        return self.reference_for(sex) if adult else None

    def unusual(self, value: float, sex: str | None) -> float:
        """How far from the middle of the reference range, or beyond its only limit; 0 where there is no range."""
        span = self.reference_for(sex) or Range(low=None, high=None)
        if span.low is not None and span.high is not None:
            return abs(value - (span.low + span.high) / 2.0)
        if span.high is not None:
            return value - span.high
        return 0.0 if span.low is None else span.low - value

    def widest(self) -> Range:
        """The general reference range of both sexes together."""
        lows, highs = [one.low for one in self.reference.values()], [one.high for one in self.reference.values()]
        return Range(
            low=min((low for low in lows if low is not None), default=None) if None not in lows else None,
            high=max((high for high in highs if high is not None), default=None) if None not in highs else None,
        )

    def in_reference_changes(self, value: float) -> float | None:
        """A value in units of the quantity's reference change value; None where that or the value has no scale.

        Two values that differ by 1 or more differ by more than 95 in 100 pairs of measurements of somebody in whom
        nothing changes: sqrt(2) * 1.96 standard deviations of analytical and within-person variation (Harris and
        Yasaka, Clin Chem 1983;29:25), on the scale on which the quantity varies.
        """
        process = self.process
        if process is None or (process.transform == "log" and value <= 0):
            return None
        scaled = log(value) if process.transform == "log" else value
        return scaled / (_REFERENCE_CHANGE * process.noise_sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One thing that can be coded: a condition, an ingredient, a drug class, a procedure, a finding.

    ``parents`` are concepts that hold whenever this one does (lisinopril -> ace_inhibitor -> raas_inhibitor).
    ``names`` are whole words by which free text may name it where no code was sent. ``by_mouth_not`` are the parents
    that do not hold for a drug that is taken by mouth, as it stays in the bowel (vancomycin -> nephrotoxins).
    """

    key: str
    kind: ConceptKind
    label: str
    codes: tuple[Code, ...] = ()
    names: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    by_mouth_not: tuple[str, ...] = ()
    source: str = ""
    needs_review: bool = False


@dataclass(frozen=True, eq=False)  # one object per artefact: to compare what it says would cost a reading
class Ontology:
    """Variables and concepts with their look-ups.

    Raises nothing on unknown codes: a code that is not here is unknown, and stays so.
    """

    version: str
    sha256: str
    variables: Mapping[str, Variable]
    concepts: Mapping[str, Concept]
    unit_synonyms: Mapping[str, str]
    interpretations: Mapping[str, Interpretation] = field(default_factory=dict)
    adult_years: float = 0.0
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    usual: Mapping[tuple[str, Element], Usual] = field(default_factory=dict)
    _by_code: Mapping[Code, Variable] = field(init=False, repr=False, compare=False)
    _measuring: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _widest: Mapping[str, Range] = field(init=False, repr=False, compare=False)
    _concept_by_code: Mapping[Code, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _closure: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the look-ups once."""
        by_code = {code: variable for variable in self.variables.values() for code in variable.codes}
        closure = {key: self._ancestry(key) for key in self.concepts}
        concept_by_code: dict[Code, tuple[str, ...]] = {}
        for concept in self.concepts.values():
            for code in concept.codes:
                known = concept_by_code.get(code, ())
                concept_by_code[code] = tuple(dict.fromkeys((*known, *closure[concept.key])))
        measuring: dict[str, tuple[str, ...]] = {}
        for variable in self.variables.values():
            measuring[variable.quantity] = (*measuring.get(variable.quantity, ()), variable.key)
        object.__setattr__(self, "_measuring", measuring)
        object.__setattr__(self, "_widest", {key: variable.widest() for key, variable in self.variables.items()})
        object.__setattr__(self, "_by_code", by_code)
        object.__setattr__(self, "_closure", closure)
        object.__setattr__(self, "_concept_by_code", concept_by_code)

    def _ancestry(self, key: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        todo = [key]
        while todo:
            one = todo.pop(0)
            if one not in found:
                found[one] = None
                todo.extend(self.concepts[one].parents)
        return tuple(found)

    def variable(self, codes: Iterable[Code]) -> Variable | None:
        """The variable that a set of codings names: the first specific match, else the first generic one."""
        generic = None
        for code in codes:
            found = self._by_code.get(code)
            if found is not None and not found.generic:
                return found
            generic = generic or found
        return generic

    def concepts_of(self, codes: Iterable[Code]) -> tuple[str, ...]:
        """Concept keys that the codings name, with all their parents, most specific first."""
        return tuple(dict.fromkeys(key for code in codes for key in self._concept_by_code.get(code, ())))

    def with_parents(self, key: str) -> tuple[str, ...]:
        """A concept and everything it is a kind of."""
        return self._closure[key]

    def heads(self, concepts: Iterable[str]) -> frozenset[str]:
        """Those that are not merely a class of another one among them; unknown ones left out."""
        known = [key for key in concepts if key in self.concepts]
        return frozenset(known) - {up for key in known for up in self.with_parents(key)[1:]}

    def disputed(self, one: Measurement, *, age_years: float | None = None) -> bool:
        """Whether who measured calls the value something that it cannot be as it was read.

        Of a child only against the range that who measured states: the general ones are of adults.
        """
        said = self.interpretations.get(one.interpretation)
        if said is None or one.bound != "=":
            return False
        stated = one.usual_low is not None or one.usual_high is not None
        if not stated and age_years is not None and age_years < self.adult_years:
            return False
        span = Range(low=one.usual_low, high=one.usual_high) if stated else self._widest[one.variable]
        return said.disproves(one.value, span)

    def quantity(self, name: str) -> Variable:
        """The variable that stands for a tracked quantity: the one of the same key, else the first that measures it."""
        keys = self._measuring[name]
        return self.variables[name if name in keys else keys[0]]

    def measuring(self, quantity: str) -> tuple[str, ...]:
        """Keys of all variables that measure a quantity; empty if none does."""
        return self._measuring.get(quantity, ())
