"""``twinline ingest genomics``: from a file to what a page and a card rest on, once, and refused as a whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_app.commands.ingest import ingest
from cds_app.databases import store_of
from cds_app.errors import DataError
from cds_app.settings import load_settings
from tests.genomes import carrying, genome


@pytest.fixture
def vcf(tmp_path: Path) -> Path:
    path = tmp_path / "sample.vcf"
    path.write_text("\n".join(genome(carrying("CYP2C9*3", "VKORC1"))) + "\n", "utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(ingest, ["genomics", *map(str, arguments)])


def test_a_file_is_told_gene_by_gene(vcf: Path) -> None:
    said = run(vcf, "--show")
    assert said.exit_code == 0, said.output
    assert "CYP2C9: *1/*3, Intermediate Metabolizer, activity score 1" in said.output
    assert "VKORC1: G/A, -1639 AG" in said.output


def test_a_file_is_taken_in_once_and_no_second_time(vcf: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    store = store_of(load_settings({"data_dir": data}, {}, Path("none")))
    packed = tmp_path / "sample.vcf.gz"
    lines = vcf.read_bytes().splitlines(keepends=True)
    packed.write_bytes(b"".join(gzip.compress(b"".join(lines[n : n + 50])) for n in range(0, len(lines), 50)))
    first = run(packed, "--patient", "p1", "--at", "2026-01-15", "--data-dir", data)
    assert first.output == "sample.vcf.gz: 11 genes, stored\n", first.exception
    assert run(vcf, "--patient", "p1", "--at", "2026-01-15", "--data-dir", data).output.endswith("11 genes, known\n")
    (segment,) = store.segments(store.pseudonym("local", "p1"))
    assert {one.gene for one in segment.facts.genes} >= {"CYP2C9", "VKORC1", "CYP3A5"}
    store.close()


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"##fileformat=VCFv4.2\n##contig=<ID=chr10,length=135534747>\n#CHROM\n", "vcf.build"),
        (b"\x1f\x8b\x08\x00cut off", "FILE"),
        (b"##fileformat=VCFv4.2\n##x=\xff\xfe\n", "FILE"),
        (b"", "vcf.header"),
        (b"##fileformat=VCFv4.2\n##reference=GRCh38\n" + b"A" * (9 * 1024 * 1024), "FILE"),
    ],
)
def test_a_file_that_is_none_is_refused_by_field_and_nothing_is_taken_in(
    tmp_path: Path, content: bytes, field: str
) -> None:
    path = tmp_path / "bad.vcf"
    path.write_bytes(content)
    refused = run(path, "--show").exception
    assert isinstance(refused, DataError)
    assert refused.field == field


def test_it_must_be_said_whose_it_is(vcf: Path) -> None:
    refused = run(vcf).exception
    assert isinstance(refused, DataError)
    assert refused.field == "--patient"


def test_a_file_that_speaks_of_no_pharmacogene_is_refused_and_not_taken_for_one_without_changes(vcf: Path) -> None:
    lines = [line.replace("chr", "NC_") if line.startswith("chr") else line for line in vcf.read_text().splitlines()]
    vcf.write_text("\n".join(lines) + "\n", "utf-8")
    said = run(vcf, "--show")
    assert isinstance(said.exception, DataError)
    assert "pharmacogene" in said.exception.message
