"""The mitigation catalogue as the clinical team wrote it: topics, tiers, options, gates. Content, checked at load."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Final, Literal

from pydantic import Field, PositiveFloat, model_validator

from cds_app.content import Artefact, Content
from cds_app.domain.limit_texts import worded
from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError
from cds_app.mitigate.effects import Effect
from cds_app.mitigate.naming import Naming
from cds_app.mitigate.rules import (
    AllergyTo,
    Change,
    Commented,
    Done,
    Finding,
    Given,
    Leaf,
    Measured,
    Problem,
    Quantity,
    RiskRule,
    Rule,
    ScorePart,
    ScoreRule,
    Takes,
    compared,
    leaves,
    needs_of_any,
)

FILE = "catalogue.json"
Text = Annotated[str, Field(min_length=1, max_length=140, pattern=r"^[^{}]*$")]
"""What people read: a brace is left where a limit is not written as `cds_app.domain.limit_texts` has it."""
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Tag = Literal["V", "M"]
_NO_SOURCE: Final = "source to be confirmed"
System = Literal[
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
]


class Guideline(Content):
    """Who recommends it, when, and where in the document."""

    org: Text
    year: int
    section: str

    @property
    def cited(self) -> str:
        """Who and when; of what no document is known yet no year, which would look like one."""
        return f"{self.org}, {self.section}" if self.section == _NO_SOURCE else f"{self.org} {self.year}"

    def place(self, before: str) -> str:
        """As cited, with where in the document after ``before``."""
        cited = self.cited
        return cited if cited.endswith(self.section) else f"{cited}{before}{self.section}"


class Because(Content):
    """A rule and the sentence that a clinician reads when it holds."""

    when: Rule
    why: Text


class TierRule(Content):
    """When the topic is a concern of this tier: 1 information, 2 act today, 3 act now.

    ``says`` names the one of several grounds that a clinician reads; ``word`` stands where none of them holds.
    """

    tier: Annotated[int, Field(ge=1, le=3)]
    word: Text
    when: Rule
    says: tuple[Because, ...] = ()

    @cached_property
    def compared(self) -> tuple[Quantity | Change, ...]:
        """The comparisons that say how far beyond a patient is."""
        return tuple(compared(self.when))


class AllergyGate(Content):
    """Drugs that the option brings, and the shared classes that count as cross-reactive."""

    drugs: Annotated[tuple[Key, ...], Field(min_length=1)]
    cross: tuple[Key, ...] = ()


class RenalGate(Content):
    """Least eGFR (mL/min/1.73 m2), whether dialysis forbids it, and what to do when filtration is not known.

    ``sessions``: forbidden between sessions of dialysis, and not where filtration runs all the time, which takes away
    what the option brings.
    """

    egfr_at_least: PositiveFloat | None = None
    dialysis: Literal["refuse", "sessions", "allow"] = "allow"
    unknown: Literal["refuse", "caution"] = "caution"


class AlreadyGate(Content):
    """What in the last hours makes the option pointless: it was done, ordered, given or measured already."""

    within_h: PositiveFloat
    done: tuple[Key, ...] = ()
    ordered: tuple[Key, ...] = ()
    given: tuple[Key, ...] = ()
    measured: tuple[Key, ...] = ()


class Gates(Content):
    """Everything that stands between an option and a clinician.

    What the patient takes of the drugs and classes in ``taken`` is named beside the option.
    """

    taken: tuple[Key, ...] = ()
    allergy: AllergyGate | None = None
    pregnancy: Literal["refuse", "caution"] | None = None
    renal: RenalGate | None = None
    contraindicated: tuple[Because, ...] = ()
    cautions: tuple[Because, ...] = ()
    already: AlreadyGate | None = None
    weight: bool = False


class Draft(Content):
    """Which FHIR resource would be drafted. No dose: it stands in the option's text."""

    type: Literal["MedicationRequest", "ServiceRequest"]
    system: System
    code: Annotated[str, Field(pattern=r"^[0-9]+(-[0-9])?$")]
    display: Text
    priority: Literal["routine", "urgent", "asap", "stat"]


class OptionEntry(Content):
    """One option.

    ``evidence`` tells whether the statement was seen in a published page (V) or is from memory (M);
    ``code_tag`` the same of the code. What is from memory needs review, and its code is not drafted. ``effect`` names
    the simulation that tells what the option would do.
    """

    id: Key
    text: Text
    strength: Text
    rank: Annotated[int, Field(ge=1, le=4)]
    evidence: Tag
    needs_review: bool
    code_tag: Tag | None = None
    draft: Draft | None = None
    when: Rule | None = None
    gates: Gates = Gates()
    guideline: Guideline | None = None
    effect: Effect | None = None

    @model_validator(mode="after")
    def _is_honest(self) -> OptionEntry:
        if self.evidence == "M" and not self.needs_review:
            raise ValueError("an option from memory needs review")
        if (self.draft is None) != (self.code_tag is None):
            raise ValueError("a draft has a code tag, and only a draft has one")
        if self.draft is not None and self.draft.type == "MedicationRequest" and self.gates.allergy is None:
            raise ValueError("a drug has an allergy gate")
        return self


class Topic(Content):
    """One topic: when it concerns a patient and what could be considered.

    Of quantities that are ``led`` by the treatment, the usual range of people without it is not told. ``told`` are
    clinical scores that no tier asks for and a reader wants to see.
    """

    id: Key
    title: Text
    active: bool = True
    inactive_reason: str = ""
    guideline: Guideline
    shows: tuple[Key, ...] = ()
    led: tuple[Key, ...] = ()
    told: tuple[Key, ...] = ()
    tiers: tuple[TierRule, ...] = ()
    options: tuple[OptionEntry, ...] = ()
    note: str = ""

    @cached_property
    def scores(self) -> tuple[str, ...]:
        """The clinical scores that the tiers ask for, and those told besides, each once."""
        asked = (leaf for tier in self.tiers for leaf in leaves(tier.when))
        named = (
            one.score if isinstance(one, ScoreRule) else one.score_part
            for one in asked
            if isinstance(one, ScoreRule | ScorePart)
        )
        return tuple(dict.fromkeys((*named, *self.told)))

    @cached_property
    def needs(self) -> tuple[frozenset[str], ...]:
        """Quantities and concepts: where a record tells of none of some set, no tier can hold (`rules.needs`)."""
        return needs_of_any(one.when for one in self.tiers)

    @model_validator(mode="after")
    def _is_consistent(self) -> Topic:
        tiers = [one.tier for one in self.tiers]
        if tiers != sorted(set(tiers), reverse=True):
            raise ValueError("tiers stand highest first, each once")
        if self.active == bool(self.inactive_reason):
            raise ValueError("an inactive topic says why, an active one does not")
        if self.active and not tiers:
            raise ValueError("an active topic has a tier")
        return self


class CatalogueFile(Naming):
    """The whole file. Nobody younger than ``min_age_years`` is judged by it; ``age_note`` says why.

    While the topic ``alone`` concerns a patient, no other does.
    """

    topics: tuple[Topic, ...]
    alone: Key | None = None
    min_age_years: float = Field(default=0, ge=0, le=120)
    age_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Topics by id, in the order of the file, which one stands alone, and which artefact they come from."""

    topics: Mapping[str, Topic]
    version: str
    sha256: str
    min_age_years: float = 0.0
    alone: str | None = None

    def is_of(self, age_years: float | None) -> bool:
        """Whether somebody of this age is judged by it; whose age is not known, is."""
        return age_years is None or age_years >= self.min_age_years


def load_catalogue(
    artefact: Artefact, ontology: Ontology, *, scores: Collection[str], risks: Collection[str]
) -> Catalogue:
    """Read the catalogue and resolve every name in it.

    Parameters
    ----------
    artefact : Artefact
        ``models/mitigations/<version>``.
    ontology : Ontology
        Quantities, their canonical units, and concepts.
    scores, risks : collection of str
        Names that rules may ask for.

    Raises
    ------
    ContentError
        On anything malformed and on any quantity, unit, concept, score or risk that does not resolve, with
        its place.
    """
    file = artefact.read(FILE, CatalogueFile, partial(worded, ontology=ontology))
    names = Names(ontology=ontology, scores=frozenset(scores), risks=frozenset(risks))
    _check_ids(file)
    for topic in file.topics:
        for place, problem in _problems(topic, names):
            raise ContentError(f"models/mitigations: {place} {problem}", field=place)
    topics = {topic.id: topic for topic in file.topics}
    if file.alone is not None and file.alone not in topics:
        raise ContentError(f"models/mitigations: alone names a topic that does not exist: {file.alone}", field=FILE)
    return Catalogue(
        topics=topics,
        version=artefact.version,
        sha256=artefact.sha256,
        min_age_years=file.min_age_years,
        alone=file.alone,
    )


def _check_ids(file: CatalogueFile) -> None:
    for ids in ([one.id for one in file.topics], [one.id for topic in file.topics for one in topic.options]):
        if len(set(ids)) < len(ids):
            raise ContentError("models/mitigations: an id is used twice", field=FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What rules may name."""

    ontology: Ontology
    scores: frozenset[str]
    risks: frozenset[str]

    def units_of(self, quantity: str) -> str | None:
        """Canonical unit of a quantity; None when there is no such quantity."""
        known = any(one.quantity == quantity for one in self.ontology.variables.values())
        return self.ontology.quantity(quantity).unit if known else None


def _problems(topic: Topic, names: Names) -> Iterator[tuple[str, str]]:
    for name, quantities in (("shows", topic.shows), ("led", topic.led)):
        for quantity in quantities:
            yield from _quantity_problem(quantity, f"{topic.id}.{name}", names)
    for score in topic.told:
        yield from ((f"{topic.id}.told", problem) for problem in _score_problem(score, names))
    for place, rule in _rules(topic):
        for leaf in leaves(rule):
            yield from ((place, problem) for problem in leaf_problems(leaf, names))
    for option in topic.options:
        place = f"{topic.id}.{option.id}.gates"
        for concept in _gate_concepts(option.gates):
            yield from _concept_problem(concept, place, names)
        for quantity in option.gates.already.measured if option.gates.already else ():
            yield from _quantity_problem(quantity, place, names)


def _rules(topic: Topic) -> Iterator[tuple[str, Rule]]:
    yield from ((f"{topic.id}.tiers.{one.tier}", one.when) for one in topic.tiers)
    yield from ((f"{topic.id}.tiers.{one.tier}.says", said.when) for one in topic.tiers for said in one.says)
    for option in topic.options:
        place = f"{topic.id}.{option.id}"
        if option.when is not None:
            yield place, option.when
        yield from ((place, one.when) for one in (*option.gates.contraindicated, *option.gates.cautions))


def leaf_problems(leaf: Leaf, names: Names) -> Iterator[str]:
    """What a statement names that is not there, or states in another unit."""
    for name in leaf.beside if isinstance(leaf, Quantity | Measured) else ():
        yield from (problem for _, problem in _quantity_problem(name, "", names))
    match leaf:
        case Quantity(quantity=quantity, unit=unit) | Change(change=quantity, unit=unit):
            canonical = names.units_of(quantity)
            if canonical is None:
                yield f"names a quantity that the ontology does not know: {quantity}"
            elif canonical != unit:
                yield f"states {quantity} in another unit than the canonical one"
        case Measured(measured=quantity) | Commented(commented=quantity) if names.units_of(quantity) is None:
            yield f"names a quantity that the ontology does not know: {quantity}"
        case ScoreRule(score=name) | ScorePart(score_part=name):
            yield from _score_problem(name, names)
        case RiskRule(risk=name):
            yield from () if name in names.risks else (f"names a risk that does not exist: {name}",)
        case (
            Problem(condition=concept)
            | Takes(medication=concept)
            | Given(given=concept)
            | Done(procedure=concept)
            | Finding(finding=concept)
            | AllergyTo(allergy=concept)
        ):
            yield from (problem for _, problem in _concept_problem(concept, "", names))
        case _:
            return


def _score_problem(name: str, names: Names) -> Iterator[str]:
    if name not in names.scores:
        yield f"names a score that does not exist: {name}"


def _quantity_problem(quantity: str, place: str, names: Names) -> Iterator[tuple[str, str]]:
    if names.units_of(quantity) is None:
        yield place, f"names a quantity that the ontology does not know: {quantity}"


def _concept_problem(concept: str, place: str, names: Names) -> Iterator[tuple[str, str]]:
    if concept not in names.ontology.concepts:
        yield place, f"names a concept that the ontology does not know: {concept}"


def _gate_concepts(gates: Gates) -> Iterator[str]:
    yield from gates.taken
    if gates.allergy is not None:
        yield from (*gates.allergy.drugs, *gates.allergy.cross)
    if gates.already is not None:
        yield from (*gates.already.done, *gates.already.ordered, *gates.already.given)


def risk_of(topic: Topic) -> str | None:
    """The learned risk that a topic's tiers ask for, if they ask for one."""
    asked = (leaf for tier in topic.tiers for leaf in leaves(tier.when))
    return next((leaf.risk for leaf in asked if isinstance(leaf, RiskRule)), None)
