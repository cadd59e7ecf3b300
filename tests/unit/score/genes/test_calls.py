"""Diplotypes and phenotypes from what was seen and reported: told when they are known, and never guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import GeneResult, Site
from cds_app.score.genes.calls import CONTRADICTION, GeneCall, call_gene, call_genes, carries
from tests.conftest import FROZEN
from tests.genomes import carrying, genome, pharmacogenes, sequenced


def call(symbol: str, *results: GeneResult) -> GeneCall:
    found = call_gene(pharmacogenes(), results, symbol, FROZEN)
    assert found is not None
    return found


def result(gene: str, *alleles: str, source: str = "genotype", days: float = 30.0, **more: object) -> GeneResult:
    when = FROZEN - timedelta(days=days)
    made = {
        "ref": f"Observation/{gene}-{source}-{'-'.join(alleles)}-{days}",
        "version": "1",
        "when": when,
        "learned": when,
    }
    return GeneResult(**made, gene=gene, source=source, alleles=alleles, **more)  # type: ignore[arg-type]


def seen(symbol: str, *names: str, genotype: str = "0/1", **more: object) -> GeneCall:
    return call(symbol, *sequenced(genome(carrying(*names, genotype=genotype), **more)))  # type: ignore[arg-type]


# --- from a sequence


def test_every_gene_of_a_sequence_without_changes_is_its_reference() -> None:
    found = call_genes(pharmacogenes(), sequenced(genome()), FROZEN)
    assert {name: one.diplotype for name, one in found.items()} == {
        **dict.fromkeys(("CYP2B6", "CYP2C9", "CYP3A4", "CYP3A5", "NUDT15", "SLCO1B1", "TPMT", "UGT1A1"), "*1/*1"),
        "CYP2C19": "*38/*38",  # the genome's own reference sequence
        "DPYD": "Reference/Reference",
        "VKORC1": "G/G",
    }


@pytest.mark.parametrize(
    ("symbol", "names", "genotype", "diplotype", "phenotype", "score"),
    [
        ("CYP2C9", ("CYP2C9*3",), "0/1", "*1/*3", "Intermediate Metabolizer", 1.0),
        ("CYP2C9", ("CYP2C9*3",), "1/1", "*3/*3", "Poor Metabolizer", 0.0),
        ("CYP2C9", ("CYP2C9*2", "CYP2C9*3"), "0/1", "*2/*3", "Poor Metabolizer", 0.5),
        ("VKORC1", ("VKORC1",), "1/1", "A/A", "-1639 AA", None),
        ("VKORC1", ("VKORC1",), "0/1", "G/A", "-1639 AG", None),
        ("CYP3A5", ("CYP3A5*3",), "1/1", "*3/*3", "Poor Metabolizer", None),
        ("CYP3A5", ("CYP3A5*3",), "0/1", "*1/*3", "Intermediate Metabolizer", None),
        ("SLCO1B1", ("SLCO1B1*5",), "0/1", "*1/*5", "Decreased Function", None),
        ("NUDT15", ("NUDT15*3",), "1/1", "*3/*3", "Poor Metabolizer", None),
        ("DPYD", ("DPYD*2A",), "0/1", "Reference/c.1905+1G>A (*2A)", "Intermediate Metabolizer", 1.0),
        ("DPYD", ("DPYD 2846",), "0/1", "Reference/c.2846A>T", "Intermediate Metabolizer", 1.5),
        ("DPYD", ("DPYD*2A", "DPYD 2846"), "0/1", "c.1905+1G>A (*2A)/c.2846A>T", "Poor Metabolizer", 0.5),
        ("DPYD", ("DPYD*2A", "DPYD 2846"), "1|0", "Reference/c.1905+1G>A (*2A)", "Intermediate Metabolizer", 1.0),
    ],
)
def test_variants_come_to_star_alleles_and_these_to_a_phenotype(
    symbol: str, names: tuple[str, ...], genotype: str, diplotype: str, phenotype: str, score: float | None
) -> None:
    found = seen(symbol, *names, genotype=genotype)
    assert (found.diplotype, found.phenotype, found.score, found.lacking) == (diplotype, phenotype, score, "")


def test_cyp2c19_2_and_17_on_two_chromosomes_are_told_apart_without_phase() -> None:
    changes = {94775367: ("G", "0/1"), 94781859: ("A", "0/1"), 94761900: ("T", "0/1"), 94842866: ("G", "1/1")}
    found = call("CYP2C19", *sequenced(genome(changes)))
    assert (found.diplotype, found.phenotype) == ("*2/*17", "Intermediate Metabolizer")


def test_tpmt_3a_and_3b_3c_are_both_kept_where_the_order_is_not_known() -> None:
    found = seen("TPMT", "TPMT*3B", "TPMT*3C")
    assert found.diplotypes == ("*1/*3A", "*3B/*3C")
    assert (found.diplotype, found.phenotype) == (None, "Indeterminate")
    assert set(found.phenotypes) == {"Intermediate Metabolizer", "Poor Metabolizer"}
    assert seen("TPMT", "TPMT*3B", "TPMT*3C", genotype="0|1").diplotype == "*1/*3A"


def test_changes_that_may_lie_on_two_chromosomes_in_too_many_ways_are_not_sorted_out() -> None:
    """Eleven that are not phased lie in 1,024 ways: ten are the most that are looked at."""
    positions = pharmacogenes().genes["CYP2C9"].positions
    changes = {one.at: (one.alts[0], "0/1") for one in positions[:11]}
    assert call("CYP2C9", *sequenced(genome(changes))).lacking == "too many changes whose chromosome is not known"
    fewer = dict(list(changes.items())[:10])
    assert call("CYP2C9", *sequenced(genome(fewer))).lacking != "too many changes whose chromosome is not known"


@pytest.mark.parametrize("symbol", ["CYP2C9", "CYP3A5", "DPYD", "VKORC1", "TPMT"])
def test_a_position_that_was_not_seen_is_never_the_reference(symbol: str) -> None:
    for at in [one.at for one in pharmacogenes().genes[symbol].positions][:3]:
        results = sequenced(genome(without=[at]))
        found = call_gene(pharmacogenes(), results, symbol, FROZEN)
        assert found is None or (found.diplotype is None and found.phenotype == "Indeterminate" and found.lacking)


def test_what_was_seen_bounds_what_the_unseen_can_be() -> None:
    unseen = [one.at for one in pharmacogenes().genes["DPYD"].positions if one.at != 97450058]
    found = seen("DPYD", "DPYD*2A", without=unseen)
    assert found.phenotype == "Indeterminate"
    assert set(found.phenotypes) == {"Intermediate Metabolizer", "Poor Metabolizer"}


def test_changes_without_a_name_are_not_taken_for_the_nearest_name() -> None:
    cis = seen("CYP2C9", "CYP2C9*2", "CYP2C9*3", genotype="0|1")
    assert (cis.diplotype, cis.phenotypes, cis.lacking) == (None, (), "these changes together have no name")
    other = call("CYP2C9", *sequenced(genome({94942290: ("G", "0/1")})))
    assert (other.diplotype, other.lacking) == (None, "a change at rs1799853 has no name")


def test_lost_copies_keep_alleles_from_being_named() -> None:
    results = [replace(one, structural=True) for one in sequenced(genome())]
    assert "copies" in call("CYP2C9", *results).lacking


# --- from laboratories


@pytest.mark.parametrize(
    ("symbol", "alleles", "diplotype"),
    [
        ("CYP2C9", ("CYP2C9 *3/*1",), "*1/*3"), ("CYP2C9", ("*1.001/*3.001",), "*1/*3"),
        ("CYP2C19", ("*1A/*17",), "*1/*17"),
        ("CYP2C9", ("CYP2C9*1/CYP2C9*2",), "*1/*2"), ("VKORC1", ("GA",), "G/A"), ("VKORC1", ("A/A",), "A/A"),
        ("VKORC1", ("rs9923231 T/T",), "A/A"), ("VKORC1", ("-1639G>A A/G",), "G/A"), ("VKORC1", ("C/T",), "G/A"),
        ("VKORC1", ("G/T",), None), ("CYP2C9", ("*1/*99",), None), ("CYP2C9", ("*1",), None), ("CYP2C9", ("",), None),
        ("DPYD", ("c.1905+1G>A/Reference",), "Reference/c.1905+1G>A (*2A)"), ("CYP2D6", ("*1/*4x2",), "*1/*4x2"),
    ],
)  # fmt: skip
def test_a_reported_genotype_is_understood_or_not_used(
    symbol: str, alleles: tuple[str, ...], diplotype: str | None
) -> None:
    found = call(symbol, result(symbol, *alleles))
    assert found.diplotype == diplotype
    assert bool(found.lacking) == (diplotype is None)


@pytest.mark.parametrize(
    ("text", "phenotype"),
    [
        ("*1/*2x2", "Ultrarapid Metabolizer"), ("*1/*2xN", "Ultrarapid Metabolizer"), ("*4/*4xN", "Poor Metabolizer"),
        ("*5/*41xN", "Indeterminate"), ("*1/*1", "Normal Metabolizer"), ("*4/*41", "Intermediate Metabolizer"),
        ("*1x99999/*1", "Indeterminate"), ("*1/*2x0", "Indeterminate"),
    ],
)  # fmt: skip
def test_copies_count_and_copies_that_are_not_counted_may_be_many(text: str, phenotype: str) -> None:
    assert call("CYP2D6", result("CYP2D6", text)).phenotype == phenotype


def test_two_haplotypes_are_a_pair_and_one_is_half_of_it() -> None:
    one, other = result("CYP2C9", "*1", source="haplotype"), result("CYP2C9", "*3", source="haplotype")
    assert call("CYP2C9", one, other).diplotype == "*1/*3"
    half = call("CYP2C9", other)
    assert (half.diplotype, half.phenotype, half.lacking) == (
        None,
        "Indeterminate",
        "only one of two alleles was reported",
    )


def test_a_phenotype_alone_is_one_without_a_diplotype() -> None:
    found = call("CYP2C19", result("CYP2C19", source="phenotype", phenotype="poor metaboliser"))
    assert (found.diplotype, found.phenotype) == (None, "Poor Metabolizer")


def test_results_that_contradict_each_other_do_not_count() -> None:
    agreed = call("CYP2C9", result("CYP2C9", "*1/*3"), *sequenced(genome(carrying("CYP2C9*3"))))
    assert agreed.diplotype == "*1/*3"
    for other in (result("CYP2C9", "*1/*1", days=2.0), *sequenced(genome())):
        if other.gene == "CYP2C9":
            found = call("CYP2C9", result("CYP2C9", "*1/*3"), other)
            assert (found.diplotype, found.phenotype, found.lacking) == (None, "Indeterminate", CONTRADICTION)
    partial = sequenced(genome(carrying("CYP2C9*2", genotype="1/1"), without=[94981296]))
    assert call("CYP2C9", result("CYP2C9", "*1/*3"), *partial).lacking == CONTRADICTION


@pytest.mark.parametrize(
    ("symbol", "text", "phenotype"),
    [
        ("CYP2D6", "*1/*2", "Ultrarapid metabolizer"),
        ("DPYD", "Reference/Reference", "Poor Metabolizer"),
        ("CYP2C19", "*1/*1", "Likely Poor Metabolizer"),
    ],
)
def test_a_phenotype_that_the_alleles_cannot_make_contradicts_them(symbol: str, text: str, phenotype: str) -> None:
    found = call(symbol, result(symbol, text), result(symbol, source="phenotype", phenotype=phenotype))
    assert (found.diplotype, found.phenotype, found.lacking) == (None, "Indeterminate", CONTRADICTION)


@pytest.mark.parametrize(
    ("symbol", "text", "phenotype"),
    [("CYP2C19", "*1/*9", "Intermediate metaboliser"), ("CYP2D6", "*1/*2xN", "Ultrarapid Metabolizer")],
)
def test_a_phenotype_that_the_alleles_can_make_leaves_them_known(symbol: str, text: str, phenotype: str) -> None:
    alone, both = call(symbol, result(symbol, text)), result(symbol, source="phenotype", phenotype=phenotype)
    assert call(symbol, result(symbol, text), both).phenotype == alone.phenotype != "Indeterminate"


@pytest.mark.parametrize(("text", "lacking"), [("*1/*1", CONTRADICTION), ("*1/*37", "")])
def test_two_alleles_are_not_all_where_copies_are_lost_or_gained(text: str, lacking: str) -> None:
    lost = [replace(one, structural=True) for one in sequenced(genome()) if one.gene == "CYP2C19"]
    assert call("CYP2C19", result("CYP2C19", text), *lost).lacking == lacking


def test_a_report_fills_what_a_sequence_left_open() -> None:
    partial = sequenced(genome(without=[94981296]))
    assert call("CYP2C9", result("CYP2C9", "*1/*3"), *partial).diplotype == "*1/*3"


def test_what_lies_later_or_is_of_another_gene_is_not_seen() -> None:
    assert call_gene(pharmacogenes(), [result("CYP2C9", "*1/*3", days=-1.0)], "CYP2C9", FROZEN) is None
    assert call_gene(pharmacogenes(), [result("CYP2C19", "*1/*2")], "CYP2C9", FROZEN) is None
    assert call_gene(pharmacogenes(), [result("HGNC:2623", "*1/*3")], "CYP2C9", FROZEN) is not None


# --- reported variants, and their strand


def variant(gene: str, place: str, ref: str, *alleles: str) -> GeneResult:
    return result(gene, source="variant", sites=(Site(place=place, ref=ref, alleles=alleles),))


@pytest.mark.parametrize(
    ("place", "ref", "alleles", "diplotype"),
    [
        ("NC_000016.10:31096368", "C", ("C", "T"), "G/A"), ("rs9923231", "C", ("T", "T"), "A/A"),
        ("rs9923231", "G", ("G", "A"), "G/A"),  # as on the coding strand
        ("rs9923231", "G", ("A", "A"), "A/A"), ("NC_000016.10:31096368", "G", ("G", "A"), None),
        ("NC_000016.9:31107689", "C", ("C", "T"), None),  # another build
        ("rs9923231", "T", ("T", "T"), None), ("rs9923231", "C", ("C", "A"), None), ("rs1", "C", ("C", "T"), None),
    ],
)  # fmt: skip
def test_a_reported_variant_is_placed_by_build_and_strand_or_not_at_all(
    place: str, ref: str, alleles: tuple[str, ...], diplotype: str | None
) -> None:
    assert call("VKORC1", variant("VKORC1", place, ref, *alleles)).diplotype == diplotype


def test_bases_that_are_the_same_on_both_strands_need_a_place() -> None:
    palindrome = 97082391  # DPYD c.2846A>T: T>A on the plus strand
    by_name = call("DPYD", variant("DPYD", "rs67376798", "T", "T", "A"))
    assert by_name.lacking == "a reported variant cannot be placed on the genome"
    placed = call("DPYD", variant("DPYD", f"NC_000001.11:{palindrome}", "T", "T", "A"))
    assert "Normal Metabolizer" not in placed.phenotypes
    assert "positions unknown" in placed.lacking


def test_variants_that_contradict_each_other_do_not_count() -> None:
    one, other = (
        variant("VKORC1", "rs9923231", "C", "C", "T"),
        variant("VKORC1", "NC_000016.10:31096368", "C", "T", "T"),
    )
    assert call("VKORC1", one, other).lacking == CONTRADICTION


@pytest.mark.parametrize(("symbol", "rsid"), [("CYP2C9", "rs7900194"), ("TPMT", "rs1142345")])
def test_one_of_two_changes_being_absent_leaves_the_other_open(symbol: str, rsid: str) -> None:
    gene = pharmacogenes().genes[symbol]
    two = next(one for one in gene.positions if one.rsid == rsid)
    single = next(one for one in gene.positions if one.substitution and len(one.alts) == 1)
    absent, other = (
        variant(symbol, f"{pharmacogenes().refseq(gene)}:{one.at}", one.ref, one.ref, one.ref) for one in (two, single)
    )
    count = len(gene.positions)
    assert call(symbol, other, absent).lacking.startswith(f"{count - 1} of {count} positions unknown")
    assert call(symbol, absent).lacking.startswith(f"{count} of {count} positions unknown")


# --- alleles that are only looked for


@pytest.mark.parametrize(
    ("results", "carried"),
    [
        ([result("HLA-B", "HLA-B*57:01")], True), ([result("HLA-B", "*57:01/*07:02")], True),
        ([result("HLA-B", "HLA-B*07:02/*15:01")], False), ([result("HLA-B", "*57:03")], None),
        ([result("HLA-B", "*57:01", source="phenotype", phenotype="negative")], False),
        ([result("HLA-B", "*57:01", source="phenotype", phenotype="positive")], True),
        ([result("HLA-B", "*15:02", source="phenotype", phenotype="negative")], None),
        ([result("HLA-B", "*57:01:01/*07:02")], True), ([], None),
        ([result("HLA-B", "HLA-B*57:01 not detected")], False),
        ([result("HLA-B", "*57:01"), result("HLA-B", "*57:01", source="phenotype", phenotype="negative")], None),
    ],
)  # fmt: skip
def test_an_allele_is_carried_or_not_or_was_not_told(results: list[GeneResult], carried: bool | None) -> None:
    assert carries(pharmacogenes(), results, "HLA-B", "*57:01", FROZEN) is carried


@pytest.mark.parametrize(
    ("said", "carried"),
    [
        ("Positive", True), ("HLA-B*57:01 detected.", True), ("Positive for HLA-B*5701", True),
        ("Not present", False), ("No", False), ("HLA-B*57:01: Not Detected", False), ("Indeterminate", None),
        ("not tested", None), ("specimen rejected", None), ("Inconclusive", None), ("not positive", None),
        ("HLA-B*57:01", None), ("HLA-B*57:03 detected", None), ("Detected: see comment", None),
    ],
)  # fmt: skip
def test_an_allele_that_was_looked_for_needs_a_plain_answer(said: str, carried: bool | None) -> None:
    told = result("HLA-B", "*57:01", source="phenotype", phenotype=said)
    assert carries(pharmacogenes(), [told], "HLA-B", "*57:01", FROZEN) is carried
