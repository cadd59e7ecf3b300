"""Genes that decide how a drug works in a person: positions, named alleles, phenotypes. Content, checked at load."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from cds_app.content import Artefact, Content
from cds_app.errors import ContentError

GENES: Final = "genes.json"
ASSEMBLIES: Final = "assemblies.json"
INDETERMINATE: Final = "Indeterminate"

Bases = Annotated[str, Field(pattern=r"^[ACGT]+$", max_length=60)]
Text = Annotated[str, Field(min_length=1, max_length=400)]
Tag = Literal["V", "2x", "M"]
Naming = Literal["whole", "each", "reported"]

_OTHER_NAMES: Final = re.compile(r"(.+?) \((.+)\)")


class Position(Content):
    """A place where named alleles differ, GRCh38, alleles as on the plus strand, left-aligned."""

    at: PositiveInt
    ref: Bases
    alts: Annotated[tuple[Bases, ...], Field(min_length=1)]
    rsid: str = ""

    @property
    def substitution(self) -> bool:
        """Whether only one base is exchanged."""
        return len(self.ref) == 1 and all(len(one) == 1 for one in self.alts)

    def variant(self, alt: str) -> str:
        """One of its variants, as alleles name it."""
        return f"{self.at}{self.ref}>{alt}"

    @property
    def name(self) -> str:
        """For readers."""
        return self.rsid or f"position {self.at}"


class Stretch(Content):
    """The reference around an insertion or deletion: without it, two ways to write one change look different."""

    start: PositiveInt
    bases: Bases


class Allele(Content):
    """A named allele. ``of`` are its variants; None: not defined by positions, only ever reported.

    ``either`` are variants that may stand beside them or not without another name.
    """

    name: Text
    function: Text
    value: NonNegativeFloat | None = None
    of: tuple[Text, ...] | None = None
    either: tuple[Text, ...] = ()
    tag: Tag

    @property
    def variants(self) -> frozenset[str]:
        """Its variants."""
        return frozenset(self.of or ())

    def fits(self, seen: Set[str], unseen: Set[str] = frozenset()) -> bool:
        """Whether a chromosome with these variants, and perhaps some of the unseen, is of this allele."""
        return self.variants <= (seen | unseen) and seen <= (self.variants | set(self.either))


class Pair(Content):
    """The phenotype of two functions, in alphabetical order."""

    of: tuple[Text, Text]
    is_: Annotated[Text, Field(alias="is")]


class Score(Content):
    """The phenotype of an activity score, both ends included."""

    low: NonNegativeFloat
    high: NonNegativeFloat
    is_: Annotated[Text, Field(alias="is")]


class Gene(Content):
    """One gene.

    ``naming``: an allele is named by all variants of a chromosome together (``whole``), every variant is an allele of
    its own and the lowest activity of a chromosome counts (``each``), or alleles are only taken from reports
    (``reported``, and why).
    """

    chrom: Annotated[str, Field(pattern=r"^chr(\d+|X)$")]
    strand: Literal["+", "-"]
    naming: Naming
    why_not_called: str = ""
    ids: tuple[Text, ...] = ()
    spoken: str = ""
    positions: tuple[Position, ...] = ()
    context: tuple[Stretch, ...] = ()
    alleles: tuple[Allele, ...]
    pairs: tuple[Pair, ...] = ()
    scores: tuple[Score, ...] = ()
    carriers: tuple[Text, ...] = ()
    source: Text

    @model_validator(mode="after")
    def _fits_together(self) -> Gene:
        if (self.naming == "reported") != bool(self.why_not_called):
            raise ValueError("what is only reported, and nothing else, says why")
        known = {position.variant(alt) for position in self.positions for alt in position.alts}
        for allele in self.alleles:
            if strange := sorted((allele.variants | set(allele.either)) - known):
                raise ValueError(f"{allele.name} has a variant at no position: {strange[0]}")
        if twice := [name for name, count in Counter(one.name for one in self.alleles).items() if count > 1]:
            raise ValueError(f"{twice[0]} stands twice")
        alike = Counter(one.variants for one in self.alleles if one.of is not None)
        if any(count > 1 for count in alike.values()):
            raise ValueError("two alleles have the same variants")
        return self

    @cached_property
    def named(self) -> Mapping[str, Allele]:
        """Alleles by name, and by the other names that stand in brackets: ``c.1905+1G>A (*2A)``."""
        found: dict[str, Allele] = {}
        for one in self.alleles:
            both = _OTHER_NAMES.fullmatch(one.name)
            for name in (one.name, *(both.groups() if both else ())):
                found.setdefault(name, one)
        return found

    @cached_property
    def defined(self) -> tuple[Allele, ...]:
        """Alleles that can be told by positions."""
        return tuple(one for one in self.alleles if one.of is not None)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where its positions are."""
        return tuple(one.at for one in self.positions)

    @property
    def span(self) -> tuple[int, int]:
        """First and last defined position."""
        return self.positions[0].at, self.positions[-1].at

    def phenotype(self, one: Allele, other: Allele) -> str:
        """What two alleles make together."""
        if self.scores:
            total = self.score(one, other)
            return self.phenotype_of_score(total) if total is not None else INDETERMINATE
        functions = tuple(sorted((one.function, other.function)))
        return next((pair.is_ for pair in self.pairs if pair.of == functions), INDETERMINATE)

    def score(self, one: Allele, other: Allele) -> float | None:
        """The activity score; None where a value is not known."""
        return None if one.value is None or other.value is None else one.value + other.value

    def phenotype_of_score(self, total: float) -> str:
        """The phenotype of an activity score."""
        return next((one.is_ for one in self.scores if one.low <= total <= one.high), INDETERMINATE)


class Assembly(Content):
    """Lengths of chromosomes by which a build is known, and versions of their RefSeq records."""

    lengths: Mapping[str, PositiveInt]
    refseq: Mapping[str, Text]
    names: Annotated[tuple[Text, ...], Field(min_length=1)]


class _GenesFile(Content):
    least_quality: NonNegativeFloat
    least_quality_source: Text
    genes: Annotated[Mapping[str, Gene], Field(min_length=1)]


class _AssembliesFile(Content):
    used: Text
    assemblies: Mapping[str, Assembly]
    source: Text
    tag: Tag


@dataclass(frozen=True, eq=False)
class Pharmacogenes:
    """Genes by symbol, and the builds of the genome.

    Parameters
    ----------
    genes : mapping of str to Gene
    assemblies : mapping of str to Assembly
    used : str
        The build of the positions.
    least_quality : float
        A genotype of a lower quality (GQ) is no call.
    version : str
        Of the artefact.
    """

    genes: Mapping[str, Gene]
    assemblies: Mapping[str, Assembly]
    used: str
    least_quality: float
    version: str

    @cached_property
    def _by_id(self) -> Mapping[str, str]:
        return {name: gene for gene, one in self.genes.items() for name in (gene, *one.ids)}

    def symbol(self, said: str) -> str | None:
        """The symbol of a gene that is named by its symbol or by an identifier."""
        return self._by_id.get(said)

    def refseq(self, gene: Gene) -> str:
        """The RefSeq record of a gene's chromosome in the build of the positions."""
        return self.assemblies[self.used].refseq[gene.chrom]


def load_pharmacogenes(artefact: Artefact) -> Pharmacogenes:
    """Read the genes and check that they fit together.

    Raises
    ------
    ContentError
        Naming file and field.
    """
    genes = artefact.read(GENES, _GenesFile)
    builds = artefact.read(ASSEMBLIES, _AssembliesFile)
    for problem in _problems(genes, builds):
        raise ContentError(f"models/pharmacogenomics: {problem}", field=GENES)
    return Pharmacogenes(
        genes=genes.genes,
        assemblies=builds.assemblies,
        used=builds.used,
        least_quality=genes.least_quality,
        version=artefact.version,
    )


def _problems(file: _GenesFile, builds: _AssembliesFile) -> Iterator[str]:
    used = builds.assemblies.get(builds.used)
    if used is None:
        yield "the build of the positions is not among the assemblies"
        return
    for name, gene in file.genes.items():
        if gene.chrom not in used.lengths or gene.chrom not in used.refseq:
            yield f"{name}: {gene.chrom} is no chromosome of the build"
        places = [one.at for one in gene.positions]
        if places != sorted(set(places)):
            yield f"{name}: positions stand in order, each once"
        functions = {one.function for one in gene.alleles}
        if strange := sorted({part for pair in gene.pairs for part in pair.of} - functions):
            yield f"{name}: a pair names a function that no allele has: {strange[0]}"
