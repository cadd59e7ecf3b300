"""Reads ``models/ontology/<version>``: what a clinical team wrote, checked before anything is built on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat

from cds_app.content import Artefact, Content
from cds_app.domain.drug_codes import read_drug_codes
from cds_app.domain.facts import Code
from cds_app.domain.interpretations import Interpretation, Side
from cds_app.domain.ontology import Concept, ConceptKind, Ontology, Process, Range, Sex, Transform, Variable
from cds_app.domain.taking import Element, Kind, Usual
from cds_app.domain.units import UnitConverter
from cds_app.errors import ContentError, UnitError

VARIABLES = "variables.json"
CONCEPTS = "concepts.json"
UNITS = "units.json"
INTERPRETATIONS = "interpretations.json"
TAKEN = "taken.json"
_DRUGS = ("drug", "drug-class")

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Text = Annotated[str, Field(min_length=1, max_length=400)]
Review = Literal["code", "reference", "plausible", "cvi", "molar_mass", "names", "parents"]


class _Code(Content):
    system: Text
    code: Text
    source: str = ""


class _Range(Content):
    low: float | None
    high: float | None

    def built(self) -> Range:
        return Range(low=self.low, high=self.high)


class _Line(Content):
    slope: PositiveFloat
    intercept: float


class _Process(Content):
    transform: Transform
    baseline_mean: float
    baseline_sd: PositiveFloat
    deviation_sd: PositiveFloat
    relaxation_h: PositiveFloat
    noise_sd: PositiveFloat

    def built(self) -> Process:
        return Process(**self.model_dump())


class _Named(Content):
    """What numeric, coded and panel variables share."""

    key: Key
    quantity: Key
    label: Text
    codes: Annotated[tuple[_Code, ...], Field(min_length=1)]
    fresh_h: PositiveFloat
    generic: bool = False
    note: str = ""
    source: Text
    review: tuple[Review, ...] = ()

    def shared(self) -> dict[str, Any]:
        taken = {name: getattr(self, name) for name in ("key", "quantity", "label", "fresh_h", "generic", "source")}
        codes = tuple((code.system, code.code) for code in self.codes)
        return taken | {"codes": codes, "review": self.review, "needs_review": bool(self.review)}


class _Numeric(_Named):
    kind: Literal["numeric"]
    unit: Text
    unit_text: str
    decimals: Annotated[int, Field(ge=0, le=6)]
    plausible: _Range
    reference: Mapping[Literal["any"] | Sex, _Range]
    cvi_pct: PositiveFloat | None = None  # within a person; what noise_sd of the process is made of
    molar_mass: PositiveFloat | None = None
    valence: Annotated[int, Field(ge=1, le=6)] = 1
    by_substance: bool = False
    measurand: str = ""
    alternate_units: tuple[Text, ...] = ()
    unit_synonyms: Mapping[str, str] = {}
    affine: Mapping[str, _Line] = {}
    as_vital_sign: str = ""
    process: _Process

    def built(self) -> Variable:
        names = ("unit", "unit_text", "decimals", "molar_mass", "valence", "by_substance", "alternate_units")
        return Variable(
            **self.shared(),
            **{name: getattr(self, name) for name in names},
            as_vital_sign=self.as_vital_sign,
            measurand=self.measurand,
            unit_synonyms=self.unit_synonyms,
            plausible=self.plausible.built(),
            reference={str(sex): limits.built() for sex, limits in self.reference.items()},
            affine={unit: (line.slope, line.intercept) for unit, line in self.affine.items()},
            process=self.process.built(),
        )


class _Worded(_Named):
    """A coded finding or a panel: it has no number."""

    kind: Literal["coded", "panel"]
    elsewhere: bool = False
    answers: tuple[Key, ...] = ()

    def built(self) -> Variable:
        nothing: dict[str, Any] = {"unit": "", "unit_text": "", "reference": {}, "decimals": 0, "numeric": False}
        limits = Range(low=None, high=None)
        told: dict[str, Any] = {"elsewhere": self.elsewhere, "answers": self.answers}
        return Variable(**self.shared(), **nothing, plausible=limits, **told)


class _Concept(Content):
    key: Key
    kind: ConceptKind
    label: Text
    codes: tuple[_Code, ...] = ()
    names: tuple[Text, ...] = ()
    parents: tuple[Key, ...] = ()
    by_mouth_not: tuple[Key, ...] = ()
    note: str = ""
    source: Text
    review: tuple[Review, ...] = ()

    def built(self, more: tuple[Code, ...], *, waiting: bool) -> Concept:
        codes = tuple(dict.fromkeys((*((code.system, code.code) for code in self.codes), *more)))
        names = ("key", "kind", "label", "names", "parents", "by_mouth_not", "source")
        same = {name: getattr(self, name) for name in names}
        return Concept(**same, codes=codes, needs_review=waiting or bool(self.review))


class _Variables(Content):
    variables: tuple[Annotated[_Numeric | _Worded, Field(discriminator="kind")], ...]


class _Concepts(Content):
    concepts: tuple[_Concept, ...]


class _Units(Content):
    synonyms: Mapping[Text, Text]


class _Interpretation(Content):
    key: Key
    label: Text
    side: Side
    critical: bool
    codes: Annotated[tuple[Text, ...], Field(min_length=1)]
    names: tuple[Text, ...]
    source: Text

    def built(self, systems: tuple[str, ...]) -> Interpretation:
        codes = tuple((system, code) for system in systems for code in self.codes)
        taken = {name: getattr(self, name) for name in ("key", "label", "side", "critical", "names")}
        return Interpretation(**taken, codes=codes)


class _Interpretations(Content):
    """All codes of all systems, an empty one for codes that name none. Younger people have no general usual range."""

    adult_years: PositiveFloat
    source: Text
    systems: tuple[str, ...]
    interpretations: tuple[_Interpretation, ...]


class _Kind(Content):
    key: Key
    element: Element
    label: Text
    parents: tuple[Key, ...]
    codes: tuple[_Code, ...]
    names: tuple[Text, ...]
    source: Text

    def built(self) -> Kind:
        codes = tuple((code.system, code.code) for code in self.codes)
        taken = {name: getattr(self, name) for name in ("key", "element", "label", "parents", "names")}
        return Kind(**taken, codes=codes)


class _Usual(Content):
    element: Element
    kind: Key | None
    shown: tuple[Key, ...]
    variables: Annotated[tuple[Key, ...], Field(min_length=1)]
    source: Text


class _Taken(Content):
    kinds: tuple[_Kind, ...]
    usual: tuple[_Usual, ...]


def load_ontology(artefact: Artefact) -> Ontology:
    """Build the ontology of an artefact.

    Parameters
    ----------
    artefact : Artefact
        A verified version of ``models/ontology``.

    Raises
    ------
    ContentError
        Naming file and field of what is malformed or does not fit together: a unit that is not UCUM, a range that is
        empty or leaves the plausible one, a code of two variables, a parent that is missing or its own ancestor,
        variables of one quantity in different units, an alternate unit that does not convert.
    """
    variables = artefact.read(VARIABLES, _Variables).variables
    concepts = artefact.read(CONCEPTS, _Concepts).concepts
    synonyms = dict(artefact.read(UNITS, _Units).synonyms)
    _unique((row.key for row in variables), VARIABLES, "key")
    _unique((row.key for row in concepts), CONCEPTS, "key")
    said = artefact.read(INTERPRETATIONS, _Interpretations)
    _unique((row.key for row in said.interpretations), INTERPRETATIONS, "key")
    _unique((code for row in said.interpretations for code in row.codes), INTERPRETATIONS, "code")
    taken = artefact.read(TAKEN, _Taken)
    _check_kinds(taken.kinds)
    _check_parents({row.key: row.parents for row in concepts})
    for row in concepts:
        if not set(row.by_mouth_not) <= set(row.parents):
            raise _wrong(CONCEPTS, f"{row.key}.by_mouth_not", "names no parent of it")
    more, waiting = read_drug_codes(artefact, {row.key for row in concepts if row.kind in _DRUGS})
    ontology = Ontology(
        version=artefact.version,
        sha256=artefact.sha256,
        variables={row.key: row.built() for row in variables},
        concepts={row.key: row.built(more.get(row.key, ()), waiting=row.key in waiting) for row in concepts},
        unit_synonyms=synonyms,
        interpretations={row.key: row.built(said.systems) for row in said.interpretations},
        adult_years=said.adult_years,
        kinds={row.key: row.built() for row in taken.kinds},
        usual=_usual(taken, {row.key for row in variables}),
    )
    _check_variables(ontology)
    return ontology


def _wrong(name: str, where: str, problem: str) -> ContentError:
    return ContentError(f"{name}: {where}: {problem}", field=f"{name}#{where}")


def _unique(keys: Iterable[str], name: str, what: str) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise _wrong(name, key, f"this {what} is there twice")
        seen.add(key)


def _check_parents(parents: Mapping[str, tuple[str, ...]], name: str = CONCEPTS) -> None:
    finished: set[str] = set()
    for key in parents:
        _climb(key, parents, finished, (), name)


def _climb(
    key: str, parents: Mapping[str, tuple[str, ...]], finished: set[str], path: tuple[str, ...], name: str
) -> None:
    if key in path:
        raise _wrong(name, key, "is its own ancestor")
    if key in finished:
        return
    for parent in parents[key]:
        if parent not in parents:
            raise _wrong(name, f"{key}.parents", f"there is no concept {parent}")
        _climb(parent, parents, finished, (*path, key), name)
    finished.add(key)


def _check_kinds(kinds: tuple[_Kind, ...]) -> None:
    _unique((row.key for row in kinds), TAKEN, "key")
    _unique((f"{row.element} {code.system} {code.code}" for row in kinds for code in row.codes), TAKEN, "code")
    _unique((f"{row.element} {said}" for row in kinds for said in row.names), TAKEN, "name")
    _check_parents({row.key: row.parents for row in kinds}, TAKEN)


def _usual(taken: _Taken, variables: Set[str]) -> dict[tuple[str, Element], Usual]:
    """By variable and element. Accepted are the usual kind, all above it and all below it."""
    parents = {row.key: row.parents for row in taken.kinds}
    above = {key: _above(key, parents) for key in parents}
    found: dict[tuple[str, Element], Usual] = {}
    for i, row in enumerate(taken.usual):
        if strangers := {*row.shown, *([row.kind] if row.kind else [])} - set(parents):
            raise _wrong(TAKEN, f"usual.{i}", f"there is no {min(strangers)}")
        if strangers := set(row.variables) - variables:
            raise _wrong(TAKEN, f"usual.{i}.variables", f"there is no {min(strangers)}")
        accepted = None if row.kind is None else above[row.kind] | {one for one in parents if row.kind in above[one]}
        for key in row.variables:
            if (key, row.element) in found:
                raise _wrong(TAKEN, f"usual.{i}.variables", f"{key} is there twice")
            found[key, row.element] = Usual(accepted=accepted, shown=frozenset(row.shown))
    return found


def _above(key: str, parents: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    return frozenset({key}).union(*(_above(parent, parents) for parent in parents[key]))


def _check_variables(ontology: Ontology) -> None:
    _check_codes(ontology.variables.values())
    _check_quantities(ontology.variables.values())
    _check_meanings(ontology)
    for variable in ontology.variables.values():
        for where, limits, problem in _bad_ranges(variable):
            raise _wrong(VARIABLES, f"{variable.key}.{where}", f"{problem} ({limits.low} to {limits.high})")
    _check_units(ontology)


def _check_codes(variables: Iterable[Variable]) -> None:
    owner: dict[Code, str] = {}
    for variable in variables:
        for code in variable.codes:
            if owner.setdefault(code, variable.key) != variable.key:
                raise _wrong(VARIABLES, f"{variable.key}.codes", f"{code[1]} stands for {owner[code]} already")
        if len(set(variable.codes)) < len(variable.codes):
            raise _wrong(VARIABLES, f"{variable.key}.codes", "a code is there twice")


def _check_meanings(ontology: Ontology) -> None:
    """What a code means elsewhere, or as an answer, is known, and an answer is of one variable."""
    _unique((key for one in ontology.variables.values() for key in one.answers), VARIABLES, "answers")
    for variable in ontology.variables.values():
        if strangers := set(variable.answers) - set(ontology.concepts):
            raise _wrong(VARIABLES, f"{variable.key}.answers", f"there is no {min(strangers)}")
        meant = ontology.variables.get(variable.as_vital_sign)
        if variable.as_vital_sign and (meant is None or meant.unit != variable.unit):
            raise _wrong(VARIABLES, f"{variable.key}.as_vital_sign", f"no {variable.as_vital_sign} in {variable.unit}")


def _check_quantities(variables: Iterable[Variable]) -> None:
    """The twin mixes all variables of a quantity, so they must be numbers in one unit, or none of them a number."""
    families: dict[str, list[Variable]] = defaultdict(list)
    for variable in variables:
        families[variable.quantity].append(variable)
    for quantity, family in families.items():
        for other in family[1:]:
            if (other.unit, other.numeric) != (family[0].unit, family[0].numeric):
                problem = f"{quantity} is in {family[0].unit} elsewhere, and a quantity has one unit"
                raise _wrong(VARIABLES, f"{other.key}.unit", problem)


def _bad_ranges(variable: Variable) -> Iterator[tuple[str, Range, str]]:
    if not variable.numeric:
        return
    plausible = variable.plausible
    if plausible.low is None or plausible.high is None or plausible.low >= plausible.high:
        yield "plausible", plausible, "must be closed, and low below high"
    for sex, limits in variable.reference.items():
        if limits.low is None and limits.high is None:
            yield f"reference.{sex}", limits, "says nothing"
        elif limits.low is not None and limits.high is not None and limits.low > limits.high:
            yield f"reference.{sex}", limits, "low is above high"
        elif not all(plausible.holds(edge) for edge in (limits.low, limits.high) if edge is not None):
            yield f"reference.{sex}", limits, "leaves the plausible range"


def _check_units(ontology: Ontology) -> None:
    converter = UnitConverter(ontology)
    for text, unit in ontology.unit_synonyms.items():
        if not converter.is_ucum(unit):
            raise _wrong(UNITS, f"synonyms.{text}", "does not stand for a UCUM unit")
    for variable in ontology.variables.values():
        if variable.numeric:
            _check_units_of(variable, converter)


def _check_units_of(variable: Variable, converter: UnitConverter) -> None:
    if not converter.is_ucum(variable.unit):
        raise _wrong(VARIABLES, f"{variable.key}.unit", "is not UCUM")
    for unit in (*variable.alternate_units, *variable.unit_synonyms, *variable.affine):
        try:
            converter.convert(1.0, unit, variable)
        except UnitError as error:
            problem = f"{unit} does not convert to {variable.unit} (molar mass or valence missing?)"
            raise _wrong(VARIABLES, f"{variable.key}.alternate_units", problem) from error
