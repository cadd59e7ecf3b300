"""What is known of a patient's genes: diplotypes, phenotypes, what they rest on, and what keeps them from being told.

Results of one gene are held against each other. Where they contradict, none of them counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from cds_app.domain.facts import GeneResult, Site
from cds_app.domain.pharmacogenes import INDETERMINATE, Gene, Pair, Pharmacogenes, Score
from cds_app.score.genes.names import couple_of, site_at
from cds_app.score.genes.star_alleles import Couple, phenotypes_of, type_gene

CONTRADICTION: Final = "results contradict each other"
_FEW: Final = 3
_TYPED: Final = re.compile(r"\b\d{1,3}:\d{2,3}\b")
_NEGATIVE: Final = ("negative", "not detected", "absent")
_ANSWERS: Final = {
    **dict.fromkeys(("positive", "detected", "present", "found", "yes"), True),
    **dict.fromkeys((*_NEGATIVE, "not present", "not found", "no"), False),
}
_COPIES: Final = "copies of the gene are lost, gained or rearranged"
_NOT_SURE: Final = re.compile(r"^(?:Likely|Possible) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneCall:
    """One gene of one patient.

    Parameters
    ----------
    gene : str
    diplotypes : tuple of str
        One where it is known; several where the order on the chromosomes is not; none.
    phenotypes : tuple of str
        What it can be, by CPIC; `INDETERMINATE` among them where it may be anything.
    score : float or None
        The activity score where there is one, and one only.
    lacking : str
        What keeps the diplotype from being known; "" if nothing does.
    evidence : tuple of GeneResult
        Newest first.
    """

    gene: str
    diplotypes: tuple[str, ...] = ()
    phenotypes: tuple[str, ...] = ()
    score: float | None = None
    lacking: str = ""
    evidence: tuple[GeneResult, ...] = ()

    @property
    def diplotype(self) -> str | None:
        """The diplotype, if it is known."""
        return self.diplotypes[0] if len(self.diplotypes) == 1 and not self.lacking else None

    @property
    def phenotype(self) -> str:
        """The phenotype, or that it is indeterminate."""
        return self.phenotypes[0] if len(self.phenotypes) == 1 and not self.lacking else INDETERMINATE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one or several results say together: pairs of alleles, complete or not, or only a phenotype."""

    couples: tuple[Couple, ...] = ()
    lacking: str = ""
    phenotype: str = ""


@dataclass(frozen=True)
class Genome:
    """The genes of one patient at one instant.

    Parameters
    ----------
    content : Pharmacogenes or None
        Without, nothing is known.
    results : sequence of GeneResult
    now : datetime
    """

    content: Pharmacogenes | None
    results: Sequence[GeneResult]
    now: datetime

    @cached_property
    def _calls(self) -> dict[str, GeneCall | None]:
        return {}

    def call(self, symbol: str) -> GeneCall | None:
        """A gene; None where nothing was ever reported of it."""
        if self.content is None or not self.results:
            return None
        if symbol not in self._calls:
            self._calls[symbol] = call_gene(self.content, self.results, symbol, self.now)
        return self._calls[symbol]

    def carries(self, symbol: str, allele: str) -> bool | None:
        """Whether an allele that is only looked for was found; None where it is not known."""
        return None if self.content is None else carries(self.content, self.results, symbol, allele, self.now)

    def of(self, symbol: str) -> tuple[GeneResult, ...]:
        """Results of a gene, newest first."""
        if self.content is None:
            return ()
        rows = [one for one in self.results if one.when <= self.now and self.content.symbol(one.gene) == symbol]
        return tuple(sorted(rows, key=lambda one: (one.when, one.ref), reverse=True))


def call_gene(genes: Pharmacogenes, results: Iterable[GeneResult], symbol: str, now: datetime) -> GeneCall | None:
    """What is known of one gene; None where nothing was ever reported."""
    gene = genes.genes[symbol]
    rows = [one for one in results if one.when <= now and genes.symbol(one.gene) == symbol]
    if not rows:
        return None
    evidence = tuple(sorted(rows, key=lambda one: (one.when, one.ref), reverse=True))
    heard = [*_reported(gene, symbol, rows), *_seen(gene, genes.refseq(gene), rows)]
    return _agreed(gene, symbol, heard, evidence)


def call_genes(genes: Pharmacogenes, results: Sequence[GeneResult], now: datetime) -> dict[str, GeneCall]:
    """Every gene of which anything is known."""
    found = ((symbol, call_gene(genes, results, symbol, now)) for symbol in genes.genes)
    return {symbol: one for symbol, one in found if one is not None}


def carries(
    genes: Pharmacogenes, results: Iterable[GeneResult], symbol: str, allele: str, now: datetime
) -> bool | None:
    """Whether an allele that is only looked for (HLA) was found; None where that was not told, or told both ways."""
    rows = [one for one in results if one.when <= now and genes.symbol(one.gene) == symbol]
    said = {found for one in rows if (found := _carried(one, allele)) is not None}
    return said.pop() if len(said) == 1 else None


def _carried(result: GeneResult, allele: str) -> bool | None:
    typed = [found[0] for text in result.alleles for found in _TYPED.finditer(text)]
    if allele.removeprefix("*") in typed:
        if result.source == "phenotype":
            return _answer(result.phenotype, allele)
        return not any(word in text.casefold() for text in result.alleles for word in _NEGATIVE)
    return False if len(typed) == 2 and result.source == "genotype" else None


def _answer(said: str, allele: str) -> bool | None:
    """What a report says of the allele that it looked for; None for anything but a plain yes or no."""
    named = rf"(?:\bfor )?(?:\bhla-[a-z]+)?{re.escape(allele).replace(':', ':?')}(?!:?\d)"
    return _ANSWERS.get(re.sub(named, "", said.casefold()).strip(" .,:;"))


def described(call: GeneCall) -> str:
    """In our own words, never a report's: ``CYP2C19 *2/*2, Poor Metabolizer``."""
    pair = " or ".join(call.diplotypes)
    can_be = " or ".join(one for one in call.phenotypes if one != INDETERMINATE)
    spoken = [one for one in (f"{call.gene} {pair}".rstrip(), can_be if pair != can_be else "") if one]
    return ", ".join(spoken)


# --- what laboratories reported


def _reported(gene: Gene, symbol: str, rows: Sequence[GeneResult]) -> Iterator[_Heard]:
    for one in rows:
        if one.source == "genotype":
            couples = couple_of(gene, symbol, one.alleles)
            yield _Heard(couples=couples or (), lacking="" if couples else "the reported genotype is not known by name")
        elif one.source == "phenotype":
            yield _Heard(phenotype=_phenotype(gene, one.phenotype))
    yield from _haplotypes(gene, symbol, [one for one in rows if one.source == "haplotype"])


def _haplotypes(gene: Gene, symbol: str, rows: Sequence[GeneResult]) -> Iterator[_Heard]:
    """Two alleles that were reported one by one at one time are a pair; one alone leaves the other open."""
    for when in dict.fromkeys(one.when for one in rows):
        texts = tuple(text for one in rows if one.when == when for text in one.alleles)
        couples = couple_of(gene, symbol, texts) if len(texts) == 2 else None
        problem = (
            "the reported alleles are not known by name" if len(texts) == 2 else "only one of two alleles was reported"
        )
        yield _Heard(couples=couples or (), lacking="" if couples else problem)


def _phenotype(gene: Gene, said: str) -> str:
    """As the content spells it; "" if it is none of this gene's."""
    rules: tuple[Pair | Score, ...] = (*gene.pairs, *gene.scores)
    known = {one.is_.casefold(): one.is_ for one in rules}
    plain = said.casefold().replace("metaboliser", "metabolizer").strip()
    return known.get(plain, known.get(f"{plain} metabolizer", known.get(f"{plain} function", "")))


# --- what was seen


def _seen(gene: Gene, refseq: str, rows: Sequence[GeneResult]) -> Iterator[_Heard]:
    """Each file by itself; reported variants together."""
    if not gene.positions:
        if any(one.sites for one in rows):
            yield _Heard(lacking=gene.why_not_called)
        return
    for one in rows:
        if one.source == "vcf":
            places = {int(site.place.rpartition(":")[2]): site for site in one.sites}
            yield _typed(gene, places, _COPIES if one.structural else "")
    variants = [site for one in rows if one.source == "variant" for site in one.sites]
    if variants:
        yield _variants(gene, refseq, variants)


def _variants(gene: Gene, refseq: str, sites: Sequence[Site]) -> _Heard:
    found: dict[int, Site] = {}
    problem = ""
    for site in sites:
        placed = site_at(gene, refseq, site)
        if placed is None:
            problem = "a reported variant cannot be placed on the genome"
        elif placed[1].alleles and sorted(found.setdefault(*placed).alleles) != sorted(placed[1].alleles):
            problem = CONTRADICTION
    return _typed(gene, found, problem)


def _typed(gene: Gene, places: Mapping[int, Site], problem: str) -> _Heard:
    if problem:
        return _Heard(lacking=problem)
    typed = type_gene(gene, places)
    if typed.unnamed:
        return _Heard(lacking=typed.unnamed)
    if typed.unseen:
        few = ", ".join(typed.unseen[:_FEW]) + (" and others" if len(typed.unseen) > _FEW else "")
        return _Heard(
            couples=typed.couples, lacking=f"{len(typed.unseen)} of {len(gene.positions)} positions unknown ({few})"
        )
    return _Heard(couples=typed.couples)


# --- together


def _agreed(gene: Gene, symbol: str, heard: Sequence[_Heard], evidence: tuple[GeneResult, ...]) -> GeneCall:
    certain = [one for one in heard if one.couples and not one.lacking]
    partial = [one for one in heard if one.couples and one.lacking]
    told = dict.fromkeys(one.phenotype for one in heard if one.phenotype)
    lacking = next((one.lacking for one in heard if one.lacking), "")
    couples = _common([one.couples for one in (*certain, *partial)])
    if couples is None or _contradict(gene, couples, heard):
        return GeneCall(gene=symbol, lacking=CONTRADICTION, evidence=evidence)
    if certain:
        return _called(gene, symbol, couples, "", evidence)
    if told:  # a phenotype that a laboratory gave, without the alleles
        return GeneCall(gene=symbol, phenotypes=tuple(told), evidence=evidence)
    return _called(gene, symbol, couples, lacking or "no result that can be used", evidence)


def _contradict(gene: Gene, couples: Sequence[Couple], heard: Sequence[_Heard]) -> bool:
    """Whether alleles make none of the phenotypes that are told, or are two where copies are lost or gained."""
    told = {_NOT_SURE.sub("", one.phenotype) for one in heard if one.phenotype}
    known = {_NOT_SURE.sub("", gene.phenotype(one, other)) for one, other in couples}
    lacking = {one.lacking for one in heard}
    named = any(one.couples and not one.lacking for one in heard)
    two = named and all(allele in gene.defined for couple in couples for allele in couple)
    unlike = bool(known and told) and INDETERMINATE not in known and known.isdisjoint(told)
    return len(told) > 1 or unlike or CONTRADICTION in lacking or (two and _COPIES in lacking)


def _common(sets: Sequence[tuple[Couple, ...]]) -> tuple[Couple, ...] | None:
    """Pairs that every result allows; None where no pair is allowed by all."""
    if not sets:
        return ()
    names = [{_names(one) for one in couples} for couples in sets]
    kept = set.intersection(*names)
    return tuple(one for one in min(sets, key=len) if _names(one) in kept) or None


def _names(couple: Couple) -> tuple[str, str]:
    return couple[0].name, couple[1].name


def _called(
    gene: Gene, symbol: str, couples: tuple[Couple, ...], lacking: str, evidence: tuple[GeneResult, ...]
) -> GeneCall:
    scores = {gene.score(one, other) for one, other in couples}
    return GeneCall(
        gene=symbol,
        diplotypes=() if lacking else tuple(dict.fromkeys("/".join(_names(one)) for one in couples)),
        phenotypes=phenotypes_of(gene, couples),
        score=scores.pop() if gene.scores and len(scores) == 1 and not lacking else None,
        lacking=lacking,
        evidence=evidence,
    )
