"""What codes, units and names mean, by an ontology: found once and remembered from one reading to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from math import isclose
from typing import Final, Protocol

from cds_app.domain.denials import affirmed
from cds_app.domain.facts import Code, Measurement
from cds_app.domain.interpretations import Interpretation
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology import Ontology, Variable
from cds_app.domain.taking import Element, Judged, Kind, judged
from cds_app.domain.units import is_number_name
from cds_app.errors import UnitError
from cds_app.fabric.codes import Coding, code_of, codes_of, concepts_of, words_of
from cds_app.fabric.names import DRUG_KINDS, Names, kind_names_of, names_of, title, titles_of, words_in

_REMEMBERED: Final = 1024
_PROBES: Final = (1.0, 2.0)  # two affine conversions that agree in two points agree everywhere


class Units(Hashable, Protocol):
    """Conversion to canonical units, one converter equal to itself only; `cds_app.domain.units.UnitConverter`."""

    def convert(self, value: float, unit: str, variable: Variable) -> float:
        """The value in the variable's unit. Raises UnitError with ``reason``."""
        ...


class _Disputed(Protocol):
    def __call__(self, one: Measurement, *, age_years: float | None) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The variable that a set of codes names, and whether they name another quantity as well.

    ``elsewhere`` says that they name something that is none of the variables (`Variable.elsewhere`).
    """

    variable: Variable | None
    ambiguous: bool = False
    elsewhere: bool = False

    @property
    def sure(self) -> Variable | None:
        """The variable, if it is the only one."""
        return None if self.ambiguous else self.variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Drugs:
    """Concepts of drugs, and whether they are what codes say and what words say, and these are different drugs."""

    concepts: tuple[str, ...]
    disputed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """What an ontology and a converter make of what is sent. Remembers the newest codes and units.

    Parameters
    ----------
    convert : callable
        `Units.convert`.
    match : callable
        Codes to the variable that they name: the first specific one, else the first generic one.
    sure : callable
        Codes as sent to the variable that they name, if it is the only one.
    vital : callable
        A variable to the one that its codes mean among the vital signs.
    answered : callable
        Codes that are an answer themselves to the variable that they answer, if any.
    concepts : callable
        Codes to the concepts that they name, most specific first.
    unit : callable
        A variable's key and the unit that came with its value, as code and as text, to the one to convert from, or
        to why there is none.
    drugs : callable
        A text to the drug concepts that it names, each with all its parents.
    named : callable
        A kind of concept and a text to the concept that it is the name of, as a whole, with all its parents.
    names_drug : callable
        Whether a concept is a drug or a class of drugs.
    strangers : callable
        Concepts of drugs that codes name and that words name: those of the latter, with their classes, of which none of
        the former may be another name, and whether they are all. One may be where one of the two is the other, a kind
        of it, or a form of it, whose name holds the other's; a class that both belong to does not make them so.
    by_mouth : callable
        Concepts of a drug to those that hold where it is taken by mouth.
    said : callable
        Codes of what somebody says of a value, or else its text, to what it is.
    disputed : callable
        `Ontology.disputed`.
    kinds : callable
        An element, its codes and its text to the kinds that it names: by its codes, else wherever one is named in the
        text.
    named_specimen : callable
        A text to the specimen that is all it names.
    judged : callable
        A variable's key and kinds to `cds_app.domain.taking.judged`.
    """

    convert: Callable[[float, str, Variable], float]
    match: Callable[[tuple[Code, ...]], Match]
    sure: Callable[[tuple[Coding, ...]], Variable | None]
    vital: Callable[[Variable], Variable]
    answered: Callable[[tuple[Code, ...]], Variable | None]
    concepts: Callable[[tuple[Code, ...]], tuple[str, ...]]
    unit: Callable[[str, str, str], str | IssueCode]
    drugs: Callable[[str], tuple[str, ...]]
    named: Callable[[str, str], tuple[str, ...]]
    names_drug: Callable[[str], bool]
    strangers: Callable[[tuple[str, ...], tuple[str, ...]], tuple[tuple[str, ...], bool]]
    by_mouth: Callable[[tuple[str, ...]], tuple[str, ...]]
    said: Callable[[tuple[Code, ...], str], Interpretation | None]
    disputed: _Disputed
    kinds: Callable[[Element, tuple[Code, ...], str], tuple[Kind, ...]]
    named_specimen: Callable[[str], tuple[Kind, ...]]
    judged: Callable[[str, tuple[Kind, ...]], Judged]

    def drugs_of(self, said: Iterable[object], *, every: bool = False) -> Drugs:
        """Drugs in CodeableConcepts: of each by its codes, or else by all its words but what they deny.

        Words that name none of the drugs that the codes do say something else: then both count. With ``every``, what
        words name counts beside what is coded in any case: of a mixture only one part may be.
        """
        each = [self._drugs_in(one, every=every) for one in said]
        concepts = tuple(dict.fromkeys(key for one in each for key in one.concepts))
        return Drugs(concepts=concepts, disputed=any(one.disputed for one in each))

    def _drugs_in(self, said: object, *, every: bool) -> Drugs:
        coded = self.concepts(codes_of(said))
        worded = tuple(dict.fromkeys(key for text in words_of(said) for key in self.drugs(affirmed(text))))
        if not coded or not worded:
            return Drugs(concepts=coded or worded)
        others, disputed = self.strangers(coded, worded)
        return Drugs(
            concepts=tuple(dict.fromkeys((*coded, *others))) if disputed or every else coded, disputed=disputed
        )

    def concepts_of(self, kind: str, said: object) -> tuple[str, ...]:
        """Concepts in a CodeableConcept, by its codes, or else the one whose name is its text or a display."""
        known = self.concepts(codes_of(said))
        return known or next(filter(None, (self.named(kind, text) for text in words_of(said))), ())


@lru_cache(maxsize=4)
def lexicon_of(ontology: Ontology, units: Units) -> Lexicon:
    """The lexicon of an ontology and a converter; one for the same two."""
    remember = lru_cache(maxsize=_REMEMBERED)
    match = remember(partial(_match, ontology))
    kinds = remember(partial(_kinds, ontology, kind_names_of(ontology)))
    return Lexicon(
        convert=units.convert,
        match=match,
        sure=remember(partial(_sure, match, kinds)),
        vital=lambda variable: ontology.variables.get(variable.as_vital_sign, variable),
        answered=partial(_answered, ontology, _answers(ontology)),
        concepts=partial(concepts_of, ontology=ontology),  # any number of codes: too many to remember
        unit=remember(partial(_choose, ontology, units)),
        drugs=partial(_drugs, ontology, names_of(ontology)),
        named=partial(_named, ontology, titles_of(ontology)),
        names_drug=lambda key: ontology.concepts[key].kind in DRUG_KINDS,
        strangers=remember(partial(_strangers, ontology)),
        by_mouth=partial(_by_mouth, ontology),
        said=remember(partial(_said, *_interpretations(ontology))),
        disputed=ontology.disputed,
        kinds=kinds,
        named_specimen=partial(_named_specimen, ontology, kind_names_of(ontology)["specimen"]),
        judged=remember(partial(judged, ontology.usual)),
    )


def _match(ontology: Ontology, codes: tuple[Code, ...]) -> Match:
    variables = [found for code in codes if (found := ontology.variable((code,))) is not None]
    if any(variable.elsewhere for variable in variables):
        return Match(variable=None, elsewhere=True)
    specific = {variable.quantity for variable in variables if not variable.generic}
    return Match(variable=ontology.variable(codes), ambiguous=len(specific) > 1)


def _answers(ontology: Ontology) -> Mapping[str, Variable]:
    return {concept: variable for variable in ontology.variables.values() for concept in variable.answers}


def _answered(ontology: Ontology, answers: Mapping[str, Variable], codes: tuple[Code, ...]) -> Variable | None:
    found = {answers[key].key: answers[key] for key in concepts_of(codes, ontology=ontology) if key in answers}
    return next(iter(found.values())) if len(found) == 1 else None


def _drugs(ontology: Ontology, names: Names, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(parent for key in names.found_in(text) for parent in ontology.with_parents(key)))


def _named(ontology: Ontology, titles: Mapping[tuple[str, str], str], kind: str, text: str) -> tuple[str, ...]:
    key = titles.get((kind, title(text)))
    return ontology.with_parents(key) if key is not None else ()


def _strangers(ontology: Ontology, coded: tuple[str, ...], worded: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    these, those = ontology.heads(coded), ontology.heads(worded)
    new = {one for one in those if one not in coded and not any(_are_kin(one, other, ontology) for other in these)}
    kept = {up for one in new for up in ontology.with_parents(one)}
    return tuple(key for key in worded if key in kept), new == those


def _are_kin(one: str, other: str, ontology: Ontology) -> bool:
    """Whether one may be the other, by another name. A name that both bear is one of a mixture and says nothing."""
    if other in ontology.with_parents(one):
        return True
    names, others = _spelled(one, ontology), _spelled(other, ontology)
    return any(a != b and (a in b or b in a) for a in names for b in others)


def _spelled(concept: str, ontology: Ontology) -> list[str]:
    """Names of a concept as words between spaces, so that one stands in another only as whole words."""
    return [f" {' '.join(words)} " for name in ontology.concepts[concept].names if (words := words_in(name))]


def _by_mouth(ontology: Ontology, concepts: tuple[str, ...]) -> tuple[str, ...]:
    kept = [key for key in concepts if not ontology.concepts[key].by_mouth_not]
    lost = {one for key in concepts for one in ontology.concepts[key].by_mouth_not}
    held = {one for key in kept if key not in lost for one in ontology.concepts[key].parents}
    return tuple(key for key in concepts if key not in lost or key in held)


def _interpretations(ontology: Ontology) -> tuple[Mapping[Code, Interpretation], Mapping[str, Interpretation]]:
    every = ontology.interpretations.values()
    by_name = {title(name): one for one in every for name in (*(code for _, code in one.codes), one.label, *one.names)}
    return {code: one for one in every for code in one.codes}, by_name


def _said(
    by_code: Mapping[Code, Interpretation], by_name: Mapping[str, Interpretation], codes: tuple[Code, ...], text: str
) -> Interpretation | None:
    return next((by_code[code] for code in codes if code in by_code), None) or by_name.get(title(text))


def _sure(
    match: Callable[[tuple[Code, ...]], Match],
    kinds: Callable[[Element, tuple[Code, ...], str], tuple[Kind, ...]],
    codings: tuple[Coding, ...],
) -> Variable | None:
    """The variable that codes name alone; None, too, where a code says how it was measured: that is read with care."""
    codes = tuple([code_of(one.system, one.code) for one in codings])
    return None if kinds("method", codes, "") else match(codes).sure


def _kinds(
    ontology: Ontology, names: Mapping[Element, Names], element: Element, codes: tuple[Code, ...], text: str
) -> tuple[Kind, ...]:
    every = ontology.kinds.values()
    coded = tuple(one for one in every if one.element == element and not set(one.codes).isdisjoint(codes))
    return coded or tuple(ontology.kinds[key] for key in names[element].found_in(text))


def _named_specimen(ontology: Ontology, names: Names, text: str) -> tuple[Kind, ...]:
    return tuple(ontology.kinds[key] for key in names.keys.get(words_in(text), ()))


def _choose(ontology: Ontology, units: Units, key: str, code: str, text: str) -> str | IssueCode:
    """The unit to convert from, or why there is none.

    Notes
    -----
    Code and text that both convert, but not to the same, contradict each other: neither is believed.
    """
    variable = ontology.variables[key]
    if not code and not text:
        return variable.unit if is_number_name(variable.unit) else IssueCode.NO_UNIT
    by_code = _probe(code, variable, units) if code else IssueCode.UNKNOWN_UNIT
    by_text = _probe(text, variable, units) if text and text != code else IssueCode.UNKNOWN_UNIT
    if isinstance(by_code, IssueCode):
        if isinstance(by_text, IssueCode):
            return by_code if code else by_text
        return text
    if isinstance(by_text, IssueCode) or all(map(isclose, by_code, by_text)):
        return code
    return IssueCode.WRONG_DIMENSION


def _probe(unit: str, variable: Variable, units: Units) -> list[float] | IssueCode:
    if unit == variable.unit and not variable.by_substance:
        return list(_PROBES)
    try:
        return [units.convert(probe, unit, variable) for probe in _PROBES]
    except UnitError as error:
        return IssueCode.WRONG_DIMENSION if error.reason == "wrong-dimension" else IssueCode.UNKNOWN_UNIT
