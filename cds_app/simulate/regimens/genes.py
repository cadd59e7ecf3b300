"""Genes in a chart: what was called of those that a drug's models ask for, and what keeps them from being used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from cds_app.score.genes.calls import CONTRADICTION, GeneCall
from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.individual import diplotype
from cds_app.simulate.refusals import Refusal


def genotypes_of(calls: Sequence[tuple[str, str]]) -> dict[str, str] | tuple[Refusal, ...]:
    """One diplotype a gene, or a refusal for every gene whose calls contradict each other."""
    found: dict[str, str] = {}
    problems = []
    for gene, call in calls:
        if diplotype(found.setdefault(gene, call)) != diplotype(call):
            problems.append(Refusal(field=f"covariates.genotypes.{gene}", limit="calls contradict each other"))
    return tuple(dict.fromkeys(problems)) if problems else found


def heard_genes(situation: Situation, drug: Drug, remarks: list[str]) -> Iterator[GeneCall]:
    """What is known of the genes that the drug's models ask for, and where that comes from."""
    wanted = sorted({gene for model in drug.models for gene in model.file.genotypes})
    calls = [call for gene in wanted if (call := situation.genome.call(gene)) is not None]
    told: dict[str, list[str]] = {}
    for call in calls:
        if call.diplotype is not None:
            newest = call.evidence[0]
            how = "sequenced" if newest.source == "vcf" else "reported"
            told.setdefault(f"{how} {newest.when:%Y-%m-%d}", []).append(f"{call.gene} {call.diplotype}")
        yield call
    remarks.extend(f"{', '.join(found)}, {how}." for how, found in told.items())


def uncalled(genes: Sequence[GeneCall], drug: Drug, named: Set[str], remarks: list[str]) -> Iterator[Refusal]:
    """Genes that contradict themselves, or that every model needs and are not known; where only some do, a remark."""
    needed = frozenset[str].intersection(*(frozenset(model.file.genotypes) for model in drug.models))
    for one in genes:
        if one.diplotype is not None or (one.gene in named and one.lacking != CONTRADICTION):
            continue
        if one.lacking == CONTRADICTION or one.gene in needed:
            limit = one.lacking or "is not known unambiguously"
            yield Refusal(field=f"covariates.genotypes.{one.gene}", limit=limit)
        else:
            remarks.append(f"{one.gene} is not known unambiguously: models that ask for it were left out.")
