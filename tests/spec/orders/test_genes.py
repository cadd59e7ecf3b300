"""Drafts of drugs that work otherwise, or harm, with what is known of a gene: CPIC level A.

The shipped content (``models/order_checks``, kind ``genes``) is meant to be read beside this file.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from cds_app.domain.facts import Fact, GeneResult, Medication, gather
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.conditions import View
from cds_app.mitigate.findings import Checked
from cds_app.mitigate.orders import check_orders
from cds_app.score.situation import Situation
from tests.chart import NOW, ago
from tests.genomes import carrying, genome, pharmacogenes, sequenced
from tests.sentences import read
from tests.spec.orders.drafts import CHECKS, REAL, order


def reported(gene: str, said: str, source: str = "genotype", *, phenotype: str = "") -> GeneResult:
    when = ago(24.0 * 60.0)
    made = {"ref": f"Observation/{gene}-{said}-{phenotype}", "version": "", "when": when, "learned": when}
    alleles = (said,) if said else ()
    return GeneResult(**made, gene=gene, source=source, alleles=alleles, phenotype=phenotype)  # type: ignore[arg-type]


def judged(drug: str, *results: Fact) -> Checked:
    drafts: tuple[Medication, ...] = (order(drug),)
    situation = Situation(ontology=REAL, facts=gather(results), now=NOW, genes=pharmacogenes())
    view = View(situation=situation, scores={})
    (found,) = check_orders(CHECKS, view, Proposed(orders=drafts), frozenset({"genes"}))
    return found


@pytest.mark.parametrize(
    ("drug", "gene", "said", "tier", "why"),
    [
        ("clopidogrel", "CYP2C19", "*2/*2", 2, "CYP2C19 *2/*2, Poor Metabolizer."),
        ("clopidogrel", "CYP2C19", "*1/*2", 1, "CYP2C19 *1/*2, Intermediate Metabolizer."),
        ("clopidogrel", "CYP2C19", "*2/*17", 1, "Intermediate Metabolizer."),
        ("clopidogrel", "CYP2C19", "*1/*17", 0, ""),
        ("codeine", "CYP2D6", "*1/*2x3", 3, "Ultrarapid Metabolizer."),
        ("codeine", "CYP2D6", "*4/*5", 2, "Poor Metabolizer."),
        ("codeine", "CYP2D6", "*1/*4", 0, ""), ("tramadol", "CYP2D6", "*1/*2xN", 3, "Ultrarapid Metabolizer."),
        ("simvastatin", "SLCO1B1", "*5/*15", 2, "Poor Function."),
        ("simvastatin", "SLCO1B1", "*1/*5", 1, "Decreased Function."),
        ("azathioprine", "TPMT", "*3A/*3C", 3, "Poor Metabolizer."),
        ("mercaptopurine", "TPMT", "*1/*3A", 2, "Intermediate"),
        ("azathioprine", "NUDT15", "*3/*3", 3, "Poor Metabolizer."),
        ("tioguanine", "NUDT15", "*1/*3", 2, "Intermediate"),
        ("fluorouracil", "DPYD", "c.1905+1G>A (*2A)/c.1905+1G>A (*2A)", 3, "Poor Metabolizer."),
        ("capecitabine", "DPYD", "Reference/c.2846A>T", 2, "Intermediate Metabolizer."),
        ("abacavir", "HLA-B", "HLA-B*57:01", 3, "HLA-B*57:01 carried."), ("abacavir", "HLA-B", "*07:02/*15:01", 0, ""),
        ("carbamazepine", "HLA-B", "*15:02/*40:01", 3, "HLA-B*15:02 carried."),
        ("allopurinol", "HLA-B", "*58:01/*40:01", 3, "HLA-B*58:01 carried."),
        ("warfarin", "CYP2C9", "*3/*3", 2, "Poor Metabolizer."), ("warfarin", "CYP2C9", "*1/*3", 0, ""),
        ("tacrolimus", "CYP3A5", "*1/*3", 1, "CYP3A5 *1/*3, Intermediate Metabolizer."),
        ("tacrolimus", "CYP3A5", "*3/*3", 0, ""),
        ("phenytoin", "CYP2C9", "*2/*3", 2, "Poor Metabolizer."),
        ("voriconazole", "CYP2C19", "*17/*17", 2, "Ultrarapid"),
        ("escitalopram", "CYP2C19", "*2/*3", 1, "Poor Metabolizer."),
    ],
)  # fmt: skip
def test_a_draft_is_held_against_the_gene(drug: str, gene: str, said: str, tier: int, why: str) -> None:
    found = judged(drug, reported(gene, said))
    about = [one for one in found.findings if one.check.id.startswith(gene.lower().replace("-", "_"))]
    assert [one.tier for one in about] == ([tier] if tier else [])
    assert all(why in read(one.why) for one in about)
    assert not [one for one in found.unchecked if one.check.asks.startswith(gene) and one.said]


def test_a_phenotype_alone_is_enough() -> None:
    poor = reported("CYP2C19", "", "phenotype", phenotype="Poor metabolizer")
    assert [read(one.why).rpartition(". ")[2] for one in judged("clopidogrel", poor).findings] == [
        "CYP2C19, Poor Metabolizer."
    ]


def test_what_is_ambiguous_counts_where_every_way_is_as_bad() -> None:
    results = sequenced(genome(carrying("TPMT*3B", "TPMT*3C")), when=NOW - timedelta(days=9))
    (finding,) = judged("azathioprine", *results).findings
    assert (finding.tier, finding.check.id) == (2, "tpmt_thiopurines")
    assert "*1/*3A or *3B/*3C, Intermediate Metabolizer or Poor Metabolizer" in read(finding.why)


@pytest.mark.parametrize(
    ("drug", "results", "lacking"),
    [
        ("abacavir", [], "HLA-B not tested"), ("fluorouracil", [], "DPYD not tested"),
        ("abacavir", [reported("HLA-B", "*57:03")], "HLA-B*57:01 not told, or told both ways"),
        (
            "clopidogrel",
            [reported("CYP2C19", "*1/*2"), reported("CYP2C19", "*1/*1")],
            "CYP2C19 results contradict each other",
        ),
        ("clopidogrel", [reported("CYP2C19", "*1/*12")], "CYP2C19 not of one known effect"),
        ("codeine", [reported("CYP2D6", "*1/*99999")], "CYP2D6 the reported genotype is not known by name"),
        ("clopidogrel", sequenced(genome(without=[94781859])), "CYP2C19 1 of 35 positions unknown (rs4244285)"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said_and_is_no_all_clear(
    drug: str, results: list[GeneResult], lacking: str
) -> None:
    found = judged(drug, *results)
    assert not [one for one in found.findings if one.check.id.startswith(lacking.split(maxsplit=1)[0].lower()[:5])]
    assert lacking in [read(one.lacking) for one in found.unchecked if one.said]


def test_a_gene_that_was_never_tested_is_noted_without_a_card_of_its_own() -> None:
    found = judged("clopidogrel")
    assert (found.findings, [one.said for one in found.unchecked]) == ((), [False])
