"""VCF: builds, samples, genotypes, and the many ways to write one change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cds_app.errors import DataError
from cds_app.fabric.genes.alleles import changes_of
from cds_app.fabric.genes.vcf import read_vcf
from tests.genomes import COLUMNS, HEADER, genome, pharmacogenes, record

STAR2, STAR3, VKORC1, UGT = 94942290, 94981296, 31096368, 233760233


def sites(*records: str, header: tuple[str, ...] = HEADER) -> dict[str, tuple[tuple[str, ...], str]]:
    """Alleles and phase by place."""
    seen = read_vcf([*header, COLUMNS, *records], pharmacogenes())
    return {site.place: (site.alleles, site.phase) for gene in seen for site in gene.sites}


def seen(*records: str) -> tuple[str, ...] | None:
    """What is seen at CYP2C9*2."""
    return sites(*records).get(f"chr10:{STAR2}", (None, ""))[0]


# --- which file


@pytest.mark.parametrize(
    ("header", "field"),
    [
        (("##fileformat=VCFv4.2", "##contig=<ID=chr10,length=135534747>"), "vcf.build"),
        (("##fileformat=VCFv4.2", "##contig=<ID=10,length=135534747,assembly=b37>"), "vcf.build"),
        (("##fileformat=VCFv4.2", "##contig=<ID=chr10,length=130694993>"), "vcf.build"),
        (("##fileformat=VCFv4.2", "##reference=file:///references/hg19.fa"), "vcf.build"),
        (("##fileformat=VCFv4.2", "##contig=<ID=chr10,length=133797422>", "##reference=GRCh37.p13"), "vcf.build"),
        (("##fileformat=VCFv4.2", "##contig=<ID=chr10>"), "vcf.build"),
        (("##fileformat=VCFv3.3", "##contig=<ID=chr10,length=133797422>"), "vcf.fileformat"),
        ((), "vcf.fileformat"),
    ],
)
def test_a_file_of_another_or_of_no_build_is_refused(header: tuple[str, ...], field: str) -> None:
    with pytest.raises(DataError) as refused:
        sites(record("chr10", STAR2, "C", "T", "0/1"), header=header)
    assert refused.value.field == field


@pytest.mark.parametrize("said", ["##reference=GRCh38.p13", "##reference=file:///data/hg38.fa", "##assembly=GRCh38"])
def test_a_build_that_is_only_named_is_believed(said: str) -> None:
    header = ("##fileformat=VCFv4.3", said)
    assert sites(record("10", STAR2, "C", "T", "1/1"), header=header)[f"chr10:{STAR2}"] == (("T", "T"), "")


def test_a_reference_base_that_is_not_grch38_refuses_the_file() -> None:
    for ref, alt in (("A", "T"), ("G", "A")):  # another build; the other strand
        with pytest.raises(DataError, match="REF is not that of the build"):
            sites(record("chr16", VKORC1, ref, alt, "0/1"))


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS.replace("REF\tALT", "ALT\tREF"),
        COLUMNS.replace("FORMAT", "FORMATS"),
        COLUMNS.replace("\tFORMAT\tNA1", ""),
        COLUMNS.replace("\tINFO", ""),
    ],
)
def test_columns_in_another_order_or_without_genotypes_are_refused(columns: str) -> None:
    with pytest.raises(DataError) as refused:
        read_vcf([*HEADER, columns, record("chr10", STAR2, "C", "T", "0/1")], pharmacogenes())
    assert refused.value.field == "vcf.header"


def test_a_sample_is_named_where_there_are_several() -> None:
    lines = [*HEADER, f"{COLUMNS}\tNA2", f"{record('chr10', STAR2, 'C', 'T', '0/0')}\t1/1"]
    with pytest.raises(DataError) as refused:
        read_vcf(lines, pharmacogenes())
    assert refused.value.field == "sample"
    with pytest.raises(DataError):
        read_vcf(lines, pharmacogenes(), "NA3")
    assert read_vcf(lines, pharmacogenes(), "NA2")[0].sites[0].alleles == ("T", "T")


@pytest.mark.parametrize(
    "line",
    [
        "chr10\tx\t.\tC\tT\t.\tPASS\t.\tGT\t0/1", "chr10\t94942290\t.\tC", "chr10", "\x00\x01\x02",
        f"chr10\t{STAR2}\t.\t<DEL>\tT\t.\tPASS\t.\tGT\t0/1", f"chr10\t{STAR2}\t.\tC\tT\t.\tPASS\t.\tGT\t0/2",
        f"chr10\t{'9' * 40}\t.\tC\tT\t.\tPASS\t.\tGT\t0/1",
    ],
)  # fmt: skip
def test_a_line_that_is_no_record_is_refused_by_its_number_and_never_quoted(line: str) -> None:
    with pytest.raises(DataError) as refused:
        sites(record("chr10", STAR3, "A", "C", "0/0"), line)
    assert refused.value.field == "vcf.record.2"
    assert line not in refused.value.message


def test_a_file_without_records_shows_nothing() -> None:
    assert sites() == {}


# --- genotypes


@pytest.mark.parametrize(
    ("alt", "genotype", "more", "alleles"),
    [
        ("T", "0/1", {}, ("C", "T")), ("T", "1/1", {}, ("T", "T")), ("T", "0/0", {}, ("C", "C")),
        (".", "0/0", {}, ("C", "C")), ("A,T", "1/2", {}, ("?", "T")), ("A,T", "0/2", {}, ("C", "T")),
        ("t", "0/1", {}, ("C", "T")), ("*", "0/1", {}, ("C", "?")), ("T,<NON_REF>", "0/1", {}, ("C", "T")),
        ("<NON_REF>", "0/0", {"GQ": "40"}, ("C", "C")), ("<NON_REF>", "0/0", {}, ()),
        (".", "0/0", {"DP": "9", "RGQ": "30"}, ("C", "C")),
        (".", "0/0", {"DP": "0"}, ()), (".", "0/0", {"DP": "3", "RGQ": "0"}, ()),
        ("<NON_REF>", "0/0", {"GQ": "40", "MIN_DP": "0"}, ()), (".", "0/0", {"info": "AN=2;DP=0"}, ()),
        (".", "0/0", {"info": f"END={STAR2 + 9}"}, ()), ("<NON_REF>", "0/1", {}, ("C", "?")),
        ("T", "./.", {}, ()), ("T", ".", {}, ()), ("T", "./1", {}, ()), ("T", "1", {}, ()), ("T", "0/1/1", {}, ()),
        ("T", "0/1", {"filter": "LowQual"}, ()), ("T", "0/1", {"FT": "q10"}, ()), ("T", "0/1", {"GQ": "12"}, ()),
        ("T", "0/1", {"GQ": "99"}, ("C", "T")), ("T", "0/1", {"GQ": "nan"}, ()), ("T", "0/1", {"GQ": "x"}, ()),
        ("T", "0/1", {"filter": "."}, ("C", "T")), ("T", "0/1", {"PL": "15,0,20"}, ()),
        ("T", "0/1", {"PL": "150,0,200"}, ("C", "T")), ("T", "0/1", {"PL": "15,0,20", "GQ": "30"}, ("C", "T")),
        ("T", "0/1", {"PL": "150,0,x"}, ()), ("<NON_REF>", "0/0", {"PL": "0,60,900"}, ("C", "C")),
        ("<NON_REF>", "0/0", {"PL": "0,6,90"}, ()),
    ],
)  # fmt: skip
def test_a_genotype_is_what_both_copies_show_and_else_no_call(
    alt: str, genotype: str, more: dict[str, str], alleles: tuple[str, ...]
) -> None:
    assert seen(record("chr10", STAR2, "C", alt, genotype, **more)) == alleles


def test_what_no_record_speaks_of_was_not_seen() -> None:
    assert seen(record("chr10", STAR3, "A", "C", "0/1"), record("chr2", STAR2, "C", "T", "0/1")) is None


def test_phases_are_kept_with_their_sets() -> None:
    found = sites(record("chr10", STAR2, "C", "T", "1|0"), record("chr10", STAR3, "A", "C", "0|1", PS="94942290"))
    assert found == {f"chr10:{STAR2}": (("T", "C"), "|"), f"chr10:{STAR3}": (("A", "C"), "94942290")}


def test_a_block_of_reference_covers_the_positions_in_it() -> None:
    block = record("chr10", STAR2 - 40, "T", "<NON_REF>", "0/0", info=f"END={STAR2 + 30}", GQ="30")
    found = sites(block)
    assert found[f"chr10:{STAR2}"] == (("C", "C"), "")
    assert f"chr10:{STAR3}" not in found
    unsure = record("chr10", STAR2 - 40, "T", "<*>", "0/0", info=f"END={STAR2 + 30}", GQ="3")
    assert sites(unsure)[f"chr10:{STAR2}"] == ((), "")


def test_rows_of_one_place_that_contradict_each_other_leave_it_uncalled() -> None:
    one = record("chr10", STAR2, "C", "T", "0/1")
    assert seen(one, one) == ("C", "T")
    assert seen(one, record("chr10", STAR2, "C", "T", "1/1")) == ()
    assert seen(one, record("chr10", STAR2, "C", ".", "0/0")) == ()
    assert seen(one, record("chr10", STAR2, "C", "T", "./.")) == ()
    assert seen(record("chr10", STAR2, "C", "T", "0/0"), record("chr10", STAR2 - 1, "GC", "AT", "0/1")) == ()
    assert seen(one, record("chr10", STAR2 - 1, "GCG", "ACA", "0/1")) == ("C", "T"), "the other copy, unchanged here"


def test_an_allele_that_was_split_into_two_rows_is_put_together() -> None:
    tpmt = 18130687  # T>C and T>G have names of their own
    rows = record("chr6", tpmt, "T", "C", "0/1"), record("chr6", tpmt, "T", "G", "0/1")
    assert sites(*rows)[f"chr6:{tpmt}"] == (("C", "G"), "")
    phased = record("chr6", tpmt, "T", "C", "1|0"), record("chr6", tpmt, "T", "G", "0|1")
    assert sites(*phased)[f"chr6:{tpmt}"] == (("C", "G"), "|")
    impossible = record("chr6", tpmt, "T", "C", "1/1"), record("chr6", tpmt, "T", "G", "0/1")
    assert sites(*impossible)[f"chr6:{tpmt}"] == ((), "")
    assert sites(record("chr6", tpmt, "T", "C", "1|0"), record("chr6", tpmt, "T", "G", "1|0"))[f"chr6:{tpmt}"] == (
        (),
        "",
    )


# --- one change, many spellings


@pytest.mark.parametrize(
    ("gene", "at", "ref", "alt", "name"),
    [
        ("CYP2C9", 94942210, "GAAAGAAATGG", "G", "94942205CAATGGAAAGA>C"),
        ("CYP2C9", 94949282, "AA", "A", "94949281GA>G"),
        ("NUDT15", 48037782, "A", "AGGAGTC", "48037782A>AGGAGTC"),
        ("NUDT15", 48037795, "GGAGTCG", "G", "48037782AGGAGTC>A"),
        ("NUDT15", 48040981, "AA", "A", "48040977GA>G"),
        ("NUDT15", 48037826, "G", "GCGGG", "48037825C>CGCGG"),
        ("UGT1A1", 233760247, "T", "TAT", "233760233C>CAT"),
        ("UGT1A1", 233760233, "CAT", "CATAT", "233760233C>CAT"),
        ("CYP3A5", 99652771, "A", "AA", "99652770T>TA"),
        ("DPYD", 97740414, "AATGA", "A", "97740410GATGA>G"),
        ("TPMT", 18149031, "GC", "GCT", "18149032C>CT"),
    ],
)
def test_insertions_and_deletions_are_moved_to_where_the_content_has_them(
    gene: str, at: int, ref: str, alt: str, name: str
) -> None:
    assert [one.name for one in changes_of(pharmacogenes().genes[gene], at, ref, alt)] == [name]


@pytest.mark.parametrize("spelled", [(UGT, "CAT", "CATAT"), (UGT, "C", "CAT"), (UGT + 14, "T", "TAT")])
def test_ugt1a1_28_is_seen_however_it_is_written(spelled: tuple[int, str, str]) -> None:
    at, ref, alt = spelled
    assert sites(record("chr2", at, ref, alt, "0/1"))[f"chr2:{UGT}"] == (("CAT", "CATAT"), "")


def test_several_bases_exchanged_in_one_record_are_taken_apart() -> None:
    found = sites(record("chr10", STAR2 - 1, "GC", "AT", "0/1"))
    assert found[f"chr10:{STAR2}"] == (("C", "T"), "")


def test_what_one_allele_of_a_record_changes_lies_on_one_copy() -> None:
    found = sites(record("chr10", STAR2, "CG", "TA", "0/1"))
    assert found[f"chr10:{STAR2}"] == (("C", "T"), f"record {STAR2}")
    assert found[f"chr10:{STAR2 + 1}"] == (("G", "A"), f"record {STAR2}")
    assert sites(record("chr10", STAR2, "CG", "TA", "1|0", PS="7"))[f"chr10:{STAR2}"] == (("T", "C"), "7")
    assert sites(record("chr10", STAR2, "CG", "TA", "1/1"))[f"chr10:{STAR2}"] == (("T", "T"), "")


def test_a_base_that_is_left_out_is_no_other_base_unless_an_allele_is_spelled() -> None:
    assert seen(record("chr10", STAR2, "N", "<NON_REF>", "0/0", GQ="50")) == ("C", "C")
    assert seen(record("chr10", STAR2, "N", "<DEL>", "0/0", info=f"END={STAR2 + 5}")) is None
    with pytest.raises(DataError, match="another strand"):
        seen(record("chr10", STAR2, "N", "T", "0/1"))


def test_a_deletion_over_a_position_takes_its_base_away() -> None:
    assert seen(record("chr10", STAR2 - 1, "GCGTT", "G", "0/1")) == ("C", "?")
    assert seen(record("chr10", STAR2 - 1, "GCGTT", "G", "0/0")) == ("C", "C")


def test_an_exchange_says_nothing_of_an_insertion_behind_it() -> None:
    assert f"chr7:{99652770}" not in sites(record("chr7", 99652770, "T", "C", "0/1"))
    assert sites(record("chr7", 99652770, "T", ".", "0/0"))["chr7:99652770"] == (("T", "T"), "")
    assert sites(record("chr7", 99652770, "T", "TAA", "0/1"))["chr7:99652770"] == (("T", "?"), "")


@pytest.mark.parametrize(
    ("line", "structural"),
    [
        (record("chr10", 94938000, "A", "<DEL>", "0/1", info="END=94990000"), True),
        (record("chr10", 94938000, "A", "<DUP>", "./.", info="SVLEN=60000"), True),
        (record("chr10", 94938000, "A", "<DEL>", "0/0", info="END=94990000"), False),
        (record("chr10", 94938000, "A", "<DEL>", "0/1", info="END=94938100"), False),
        (record("chr10", STAR2, "C", "C[chr2:321681[", "0/1"), True),
        (record("chr10", STAR2, "C", "T", "0/1", CN="3"), True),
        (record("chr10", STAR2, "C", "T", "0/1", CN="2"), False),
    ],
)
def test_lost_and_gained_copies_are_told(line: str, structural: bool) -> None:
    found = read_vcf([*HEADER, COLUMNS, line, record("chr10", STAR3, "A", "C", "0/0")], pharmacogenes())
    assert [one.structural for one in found if one.gene == "CYP2C9"] == [structural]


def test_a_whole_genome_reads_in_constant_memory_line_by_line() -> None:
    def lines() -> Iterator[str]:
        yield from genome()
        yield from (record("chr10", 95_000_000 + n, "A", "G", "0/1") for n in range(5000))

    rows = lines()
    assert {one.gene for one in read_vcf(rows, pharmacogenes())} >= {"CYP2C9", "VKORC1"}
    assert next(rows, None) is None
