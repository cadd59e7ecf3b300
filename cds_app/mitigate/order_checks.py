"""What is asked of a draft order, as the clinical team wrote it. Content, checked at load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal

from pydantic import Field, PositiveFloat, model_validator

from cds_app.content import Artefact, Content
from cds_app.domain.limit_texts import worded
from cds_app.domain.ontology import Ontology
from cds_app.domain.pharmacogenes import Pair, Pharmacogenes, Score
from cds_app.errors import ContentError
from cds_app.mitigate.catalogue import Key, Names, Text, leaf_problems
from cds_app.mitigate.check import Check, Drugs, Tier
from cds_app.mitigate.giving_checks import IntervalCheck, OnceCheck, RateCheck, Route, RouteCheck, StrengthCheck
from cds_app.mitigate.rules import Rule, leaves

FILE: Final = "checks.json"


class Level(Content):
    """A rule about the patient, how urgent it is when it holds, and the sentence that says so."""

    tier: Tier
    when: Rule
    why: Text


class Cross(Content):
    """A class whose members may cross-react, how urgent that is, and what to say of it."""

    via: Key
    tier: Tier
    why: Text


class AllergyCheck(Check):
    """The drug, or a class it belongs to, stands among the allergies; or another member of a class listed here."""

    kind: Literal["allergy"]
    tier: Tier
    high_criticality: Tier
    cross: tuple[Cross, ...] = ()


class Overlap(Content):
    """Drugs that are given beside others for a time, while this holds, and then are no duplicates."""

    drugs: Drugs
    partners: Drugs
    when: Rule


class DuplicateCheck(Check):
    """The same ingredient is taken already, or another one of a class that is not to be doubled.

    ``lesser_tier`` where one of the two is a single dose, or was given and is not ordered: a loading dose, a dose more;
    and where both are drafts, which whoever signs sees side by side. So it is of an ``overlap`` that is meant.
    """

    kind: Literal["duplicate"]
    tier: Tier
    lesser_tier: Tier
    classes: tuple[Key, ...] = ()
    given_within_h: PositiveFloat
    overlaps: tuple[Overlap, ...] = ()


class Filtration(Content):
    """Below this eGFR (mL/min/1.73 m2): how urgent, and what to say; with a most in a day, only of what is more."""

    below: PositiveFloat
    tier: Tier
    why: Text
    most_mg_per_day: PositiveFloat | None = None


class KidneyCheck(Check):
    """The drug needs caution or another dose at low filtration.

    A creatinine counts for ``within_h`` hours in an inpatient and for ``outpatient_within_h`` hours otherwise. Limits
    are in what the guideline or label means: ``egfr``, CKD-EPI 2021, or ``clearance``, Cockcroft and Gault.
    """

    kind: Literal["kidney"]
    by: Literal["egfr", "clearance"] = "egfr"
    drugs: Drugs
    within_h: PositiveFloat
    outpatient_within_h: PositiveFloat
    filtration: Annotated[tuple[Filtration, ...], Field(min_length=1)]
    dialysis: Text
    unknown: Literal["say", "note"] = "say"

    @model_validator(mode="after")
    def _begins_with_the_lowest(self) -> KidneyCheck:
        limits = [one.below for one in self.filtration]
        if limits != sorted(set(limits)):
            raise ValueError("filtration stands lowest first, each once")
        return self


class Worse(Content):
    """What makes an interaction worse, and how a card names it."""

    when: Rule
    says: Text


class InteractionCheck(Check):
    """The drug goes badly with another one that is taken or drafted beside it, whichever of the two is the draft.

    With ``third``, only where one of those is there too. What is taken together already is information, and so is what
    has a list ``worse`` of which nothing is known to hold.
    """

    kind: Literal["interaction"]
    drugs: Drugs
    partners: Drugs
    third: tuple[Key, ...] = ()
    worse: tuple[Worse, ...] = ()
    tier: Tier
    why: Text
    taken_within_h: PositiveFloat = 24.0


class StateCheck(Check):
    """The drug goes badly with how the patient is now, or with a problem that is recorded (kind ``problem``).

    ``unknown``: whether a card says that the check could not be made, or only the line of another card does. It is not
    made of anybody younger than ``min_age_years``, in whom what it calls low or high may be usual.
    """

    kind: Literal["state", "problem"]
    drugs: Drugs
    levels: Annotated[tuple[Level, ...], Field(min_length=1)]
    unknown: Literal["say", "note"] = "note"
    min_age_years: float = Field(default=0, ge=0, le=120)

    @model_validator(mode="after")
    def _begins_with_the_worst(self) -> StateCheck:
        tiers = [one.tier for one in self.levels]
        if tiers != sorted(set(tiers), reverse=True):
            raise ValueError("levels stand highest tier first, each once")
        return self


class GeneLevel(Content):
    """Phenotypes of the gene, or an allele that is carried, how urgent that is, and the sentence that says so."""

    tier: Tier
    phenotypes: tuple[Text, ...] = ()
    carries: str = ""
    why: Text

    @model_validator(mode="after")
    def _asks_one_thing(self) -> GeneLevel:
        if bool(self.phenotypes) is bool(self.carries):
            raise ValueError("a level names phenotypes or an allele")
        return self


class GenesCheck(Check):
    """The drug works otherwise, or harms, with what is known of a gene.

    ``untested``: whether a card says that the gene was never tested, or only the line of another card does.
    """

    kind: Literal["genes"]
    drugs: Drugs
    gene: Text
    levels: Annotated[tuple[GeneLevel, ...], Field(min_length=1)]
    untested: Literal["say", "note"] = "note"


class Light(Content):
    """Below this weight the most in a day goes by weight."""

    below_kg: PositiveFloat
    most_mg_per_kg_per_day: PositiveFloat


class AmountCheck(Check):
    """More of the drug in a day than is safe, as needed or not.

    ``at_once``: whether a single dose above that is too much as well, however often it is given; not of what is taken
    once a week. ``when``: only of whom that holds. ``but``: nothing is said of what is given by these routes alone.
    """

    kind: Literal["amount"]
    drugs: Drugs
    but: tuple[Route, ...] = ()
    most_mg_per_day: PositiveFloat
    light: Light | None = None
    at_once: bool = True
    when: Rule | None = None
    tier: Tier
    why: Text


AnyOf = (
    AllergyCheck
    | DuplicateCheck
    | KidneyCheck
    | InteractionCheck
    | StateCheck
    | GenesCheck
    | AmountCheck
    | OnceCheck
    | RateCheck
    | StrengthCheck
    | RouteCheck
    | IntervalCheck
)
AnyCheck = Annotated[
    AnyOf,
    Field(discriminator="kind"),
]


class ChecksFile(Content):
    """The whole file."""

    checks: Annotated[tuple[AnyCheck, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChecks:
    """The checks in the order of the file, and which artefact they come from."""

    checks: tuple[AnyOf, ...]
    version: str
    sha256: str


def load_order_checks(
    artefact: Artefact, ontology: Ontology, genes: Pharmacogenes, *, scores: Collection[str]
) -> OrderChecks:
    """Read the checks and resolve every name in them.

    Raises
    ------
    ContentError
        On anything malformed and on any quantity, unit, concept, gene or score that does not resolve, with its place.
    """
    file = artefact.read(FILE, ChecksFile, partial(worded, ontology=ontology))
    twice = [name for name, count in Counter(one.id for one in file.checks).items() if count > 1]
    if twice:
        raise ContentError(f"models/order_checks: the id {twice[0]} is used twice", field=FILE)
    names = Names(ontology=ontology, scores=frozenset(scores), risks=frozenset())
    for check in file.checks:
        for problem in (*_problems(check, names), *_gene_problems(check, genes)):
            raise ContentError(f"models/order_checks: {check.id} {problem}", field=check.id)
    return OrderChecks(checks=file.checks, version=artefact.version, sha256=artefact.sha256)


def _problems(check: AnyOf, names: Names) -> Iterator[str]:
    for concept in _concepts(check):
        known = names.ontology.concepts.get(concept)
        if known is None:
            yield f"names a concept that the ontology does not know: {concept}"
        elif known.kind not in {"drug", "drug-class"}:
            yield f"names a concept that is no drug: {concept}"
    for rule in _rules(check):
        for leaf in leaves(rule):
            yield from leaf_problems(leaf, names)


def _rules(check: Check) -> Iterator[Rule]:
    if isinstance(check, StateCheck):
        yield from (one.when for one in check.levels)
    if isinstance(check, InteractionCheck):
        yield from (one.when for one in check.worse)
    if isinstance(check, DuplicateCheck):
        yield from (one.when for one in check.overlaps)
    if isinstance(check, AmountCheck | RouteCheck) and check.when is not None:
        yield check.when
    if isinstance(check, RateCheck | StrengthCheck):
        yield from (one.when for one in check.levels if one.when is not None)


def _gene_problems(check: Check, genes: Pharmacogenes) -> Iterator[str]:
    if not isinstance(check, GenesCheck):
        return
    gene = genes.genes.get(check.gene)
    if gene is None:
        yield f"names a gene that is not known: {check.gene}"
        return
    rules: tuple[Pair | Score, ...] = (*gene.pairs, *gene.scores)
    known = {one.is_ for one in rules}
    for level in check.levels:
        if strange := sorted(set(level.phenotypes) - known):
            yield f"names a phenotype that {check.gene} has not: {strange[0]}"
        if level.carries and level.carries not in gene.carriers:
            yield f"names an allele that is not looked for: {level.carries}"


def _concepts(check: AnyOf) -> Iterator[str]:
    yield from check.spare
    if not isinstance(check, AllergyCheck | DuplicateCheck):
        yield from check.drugs
    if isinstance(check, InteractionCheck):
        yield from (*check.partners, *check.third)
    if isinstance(check, DuplicateCheck):
        yield from check.classes
        yield from (name for one in check.overlaps for name in (*one.drugs, *one.partners))
    if isinstance(check, AllergyCheck):
        yield from (one.via for one in check.cross)
