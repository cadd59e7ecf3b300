"""A site's own codes and unit texts on the ontology: a file that a site writes, checked before anything is read by it.

The file says what each code stands for, in which unit its values come and between which limits they usually lie. Both
are needed to tell a wrong mapping from a right one: creatinine in urine has the dimension of creatinine in serum, and
values that no serum has.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from cds_app.content import Content, wrong
from cds_app.domain.facts import Code
from cds_app.domain.ontology import Ontology, Variable
from cds_app.domain.strict_json import loads
from cds_app.domain.units import UnitConverter
from cds_app.errors import BadRequest, ContentError, TooLarge, UnitError

MAX_BYTES: Final = 4 * 1024 * 1024
_MOST_SAID: Final = 5

_Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
_Text = Annotated[str, Field(min_length=1, max_length=200)]
_System = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class _Number(Content):
    """A code whose values are numbers."""

    kind: Literal["number"]
    system: _System
    code: _Text
    variable: _Key
    unit: str = Field(max_length=60)
    low: float
    high: float
    note: str = Field(default="", max_length=400)


class _Worded(Content):
    """A code whose values are codes or texts."""

    kind: Literal["coded"]
    system: _System
    code: _Text
    variable: _Key
    note: str = Field(default="", max_length=400)


class _Concept(Content):
    """A code of a condition, a drug, a procedure or a finding."""

    kind: Literal["concept"]
    system: _System
    code: _Text
    concept: _Key
    note: str = Field(default="", max_length=400)


class _File(Content):
    site: _Text
    owner: _Text
    reviewed: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    codes: tuple[Annotated[_Number | _Worded | _Concept, Field(discriminator="kind")], ...] = ()
    units: Mapping[_Text, _Text] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a mapping: where in the file, and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMapping:
    """What a mapping file says, in shape; `problems` tells whether it holds.

    Parameters
    ----------
    sha256 : str
        Of the file.
    rows : tuple
        Its codes.
    units : mapping of str to str
        Texts that the site writes for a unit, to UCUM.
    """

    site: str
    owner: str
    reviewed: str
    sha256: str
    rows: tuple[_Number | _Worded | _Concept, ...]
    units: Mapping[str, str]


def parse_mapping(content: bytes) -> SiteMapping:
    """Read a mapping file.

    Raises
    ------
    ContentError
        Naming the first place that is not as a mapping has it.
    """
    try:
        found = _File.model_validate(loads(content, max_bytes=MAX_BYTES, field="site_mapping"))
    except (BadRequest, TooLarge) as error:
        raise ContentError(f"the site mapping cannot be read: {error.message}", field="site_mapping") from None
    except ValidationError as error:
        where, problem = wrong(error)[0]
        raise ContentError(f"site mapping: {where}: {problem}", field=f"site_mapping#{where}") from None
    digest = hashlib.sha256(content).hexdigest()
    return SiteMapping(
        site=found.site,
        owner=found.owner,
        reviewed=found.reviewed,
        sha256=digest,
        rows=found.codes,
        units=dict(found.units),
    )


def problems(mapping: SiteMapping, ontology: Ontology) -> tuple[Problem, ...]:
    """Everything that is wrong with a mapping, in the order of the file.

    A variable or concept that there is not; a code that stands for something already, or is mapped twice; a unit that
    nobody can read or that has another dimension; limits that are no interval, leave what is plausible, or do not meet
    what is normal; a unit text that means something already.
    """
    converter = UnitConverter(_with_units(ontology, mapping))
    return (*_bad_units(mapping, ontology), *_bad_rows(mapping, ontology, converter))


def mapped(ontology: Ontology, mapping: SiteMapping) -> Ontology:
    """The ontology with a site's codes and units.

    Raises
    ------
    ContentError
        Naming what does not hold.
    """
    wrong = problems(mapping, ontology)
    if wrong:
        said = "; ".join(f"{one.where}: {one.what}" for one in wrong[:_MOST_SAID])
        more = f"; and {len(wrong) - _MOST_SAID} more" if len(wrong) > _MOST_SAID else ""
        raise ContentError(f"site mapping: {said}{more}", field="site_mapping")
    variables, concepts = defaultdict[str, list[Code]](list), defaultdict[str, list[Code]](list)
    for row in mapping.rows:
        held = concepts[row.concept] if isinstance(row, _Concept) else variables[row.variable]
        held.append((row.system, row.code))
    sha256 = hashlib.sha256(f"{ontology.sha256} {mapping.sha256}".encode()).hexdigest()
    return replace(
        _with_units(ontology, mapping),
        sha256=sha256,
        variables={
            key: replace(one, codes=(*one.codes, *variables[key])) if key in variables else one
            for key, one in ontology.variables.items()
        },
        concepts={
            key: replace(one, codes=(*one.codes, *concepts[key])) if key in concepts else one
            for key, one in ontology.concepts.items()
        },
    )


def _with_units(ontology: Ontology, mapping: SiteMapping) -> Ontology:
    return replace(ontology, unit_synonyms={**mapping.units, **ontology.unit_synonyms})


def _bad_units(mapping: SiteMapping, ontology: Ontology) -> Iterator[Problem]:
    converter = UnitConverter(ontology)
    for text, unit in mapping.units.items():
        where = f"units.{text}"
        if not converter.is_ucum(unit):
            yield Problem(where=where, what="does not stand for a UCUM unit")
        elif ontology.unit_synonyms.get(text, unit) != unit:
            yield Problem(where=where, what="means another unit already")
        elif text != unit and converter.is_ucum(text):
            yield Problem(where=where, what="is a UCUM unit itself, and keeps its meaning")


def _bad_rows(mapping: SiteMapping, ontology: Ontology, converter: UnitConverter) -> Iterator[Problem]:
    seen: set[Code] = set()
    for i, row in enumerate(mapping.rows):
        code, where = (row.system, row.code), f"codes.{i}"
        if code in seen:
            yield Problem(where=where, what="the code is mapped twice")
        seen.add(code)
        if isinstance(row, _Concept):
            yield from _bad_concept(row, where, ontology)
        else:
            yield from _bad_variable(row, where, ontology, converter)


def _bad_concept(row: _Concept, where: str, ontology: Ontology) -> Iterator[Problem]:
    if row.concept not in ontology.concepts:
        yield Problem(where=f"{where}.concept", what="there is no such concept")
    elif known := ontology.concepts_of([(row.system, row.code)]):
        yield Problem(where=f"{where}.code", what=f"stands for {known[0]} already")


def _bad_variable(
    row: _Number | _Worded, where: str, ontology: Ontology, converter: UnitConverter
) -> Iterator[Problem]:
    variable = ontology.variables.get(row.variable)
    if variable is None:
        yield Problem(where=f"{where}.variable", what="there is no such variable")
        return
    known = ontology.variable([(row.system, row.code)])
    if known is not None:
        yield Problem(where=f"{where}.code", what=f"stands for {known.key} already")
    if variable.numeric != isinstance(row, _Number):
        yield Problem(where=f"{where}.kind", what=f"{variable.key} is {'a' if variable.numeric else 'no'} number")
    elif isinstance(row, _Number):
        yield from _bad_limits(row, where, variable, converter)


def _bad_limits(row: _Number, where: str, variable: Variable, converter: UnitConverter) -> Iterator[Problem]:
    try:
        low, high = (converter.convert(edge, row.unit, variable) for edge in (row.low, row.high))
    except UnitError as error:
        yield Problem(where=f"{where}.unit", what=f"{error.message}: {variable.key} is in {variable.unit}")
        return
    if low >= high:
        yield Problem(where=f"{where}.low", what="must be below high")
    elif not (variable.plausible.holds(low) and variable.plausible.holds(high)):
        yield Problem(where=f"{where}.low", what=f"the limits leave what is plausible for {variable.key}")
    elif variable.reference and not any(
        (one.high is None or low <= one.high) and (one.low is None or high >= one.low)
        for one in variable.reference.values()
    ):
        yield Problem(where=f"{where}.low", what=f"nothing between the limits is normal for {variable.key}")
