"""Observations of the Genomics Reporting guide as facts: what is said, and nothing that is not."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.domain.facts import GeneResult, Site
from cds_app.domain.issues import IssueCode
from cds_app.fabric.reading import Reading, read
from cds_app.services.content.knowledge import Knowledge
from tests.conftest import FROZEN
from tests.genomes import coded, component, genotype, reported


@pytest.fixture
def reading(knowledge: Knowledge) -> Any:
    def made(*resources: dict[str, Any]) -> Reading:
        return read(
            resources,
            patient="p1",
            ontology=knowledge.ontology,
            units=knowledge.units,
            zone=knowledge.zone,
            learned=FROZEN,
            now=FROZEN,
        )

    return made


def only(reading: Reading) -> GeneResult:
    assert len(reading.facts) == 1
    return reading.facts.genes[0]


def test_a_genotype_is_kept_as_it_is_said(reading: Any) -> None:
    found = only(reading(genotype("CYP2C9", "CYP2C9 *1/*3")))
    assert (found.gene, found.source, found.alleles) == ("CYP2C9", "genotype", ("CYP2C9 *1/*3",))
    assert found.text == "Genetics laboratory"


def test_of_several_genes_studied_the_one_that_the_value_names_is_meant(reading: Any) -> None:
    both = [component("48018-6", {"coding": [{"code": "HGNC:2623"}], "text": name}) for name in ("CYP2C9", "VKORC1")]
    found = only(reading(reported("g", "84413-4", "CYP2C9 *2/*5", component=both)))
    assert (found.gene, found.alleles) == ("CYP2C9", ("CYP2C9 *2/*5",))


def test_a_gene_is_known_by_its_symbol_by_its_identifier_or_by_the_value(reading: Any) -> None:
    coded_gene = [component("48018-6", coded("HGNC:4932", "http://www.genenames.org/geneId"))]
    assert only(reading(reported("g", "84413-4", "*57:01/*07:02", component=coded_gene))).gene == "HGNC:4932"
    assert only(reading(reported("g", "84413-4", "HLA-B*15:02"))).gene == "HLA-B"


def test_a_haplotype_is_one_allele(reading: Any) -> None:
    found = only(reading(reported("h", "84414-2", "*3", "CYP2C9")))
    assert (found.source, found.alleles) == ("haplotype", ("*3",))


@pytest.mark.parametrize("value", [coded("LA10317-8"), {"text": "Intermediate metabolizer"}])
def test_what_a_gene_means_for_a_drug_is_a_phenotype(reading: Any, value: dict[str, Any]) -> None:
    implication = "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"
    effect = [component("53040-2", value)]
    resource = reported("i", "x", None, "CYP2C19", component=effect)
    resource |= {"code": coded("therapeutic-implication", implication)}
    del resource["valueCodeableConcept"]
    found = only(reading(resource))
    assert (found.source, found.phenotype) == ("phenotype", "Intermediate metabolizer")


@pytest.mark.parametrize(
    ("code", "gene"),
    [
        ("79713-4", "TPMT"), ("79714-2", "CYP2C19"), ("79715-9", "CYP2D6"), ("79716-7", "CYP2C9"),
        ("79717-5", "CYP3A5"), ("79719-1", "DPYD"), ("79722-5", "SLCO1B1"), ("81145-5", "CYP3A4"),
    ],
)  # fmt: skip
def test_a_phenotype_whose_code_names_the_gene_needs_no_component(reading: Any, code: str, gene: str) -> None:
    found = only(reading(reported("a", code, coded("LA9657-3"))))
    assert (found.gene, found.source, found.phenotype) == (gene, "phenotype", "Poor metabolizer")


@pytest.mark.parametrize(
    ("code", "gene"), [("40425-1", "CYP2D6"), ("41048-0", "TPMT"), ("81139-8", "CYP3A4"), ("81140-6", "CYP3A5")]
)
def test_a_genotype_whose_code_names_the_gene_needs_no_component(reading: Any, code: str, gene: str) -> None:
    found = only(reading(reported("a", code, "*1/*3")))
    assert (found.gene, found.source, found.alleles) == (gene, "genotype", ("*1/*3",))


def named(code: str, text: str, value: str, gene: str = "") -> dict[str, Any]:
    """A result whose code is named by the sender."""
    made = reported("a", code, value, gene)
    return made | {"code": {"coding": [made["code"]["coding"][0] | {"display": text}]}}


@pytest.mark.parametrize(
    "resource",
    [
        named("79716-7", "CYP2C9 gene product metabolic activity interpretation", "Normal metabolizer"),
        named("79716-7", "Metabolizer status", "Normal metabolizer", "CYP2C9"),
    ],
)
def test_what_stands_beside_the_code_of_a_gene_may_repeat_it(reading: Any, resource: dict[str, Any]) -> None:
    assert only(reading(resource)).gene == "CYP2C9"


@pytest.mark.parametrize(
    "resource",
    [
        named("79716-7", "CYP2C19 phenotype", "Poor metabolizer"),
        named("79716-7", "Phenotype", "Poor metabolizer", "CYP2C19"),
        named("79714-2", "CYP2D6 gene product metabolic activity interpretation", "CYP2D6 *4/*4"),
        named("40425-1", "CYP2C19 genotype", "CYP2C19 *2/*2"),
    ],
)
def test_a_code_that_senders_took_for_that_of_another_gene_tells_of_neither(
    reading: Any, resource: dict[str, Any]
) -> None:
    found = reading(resource)
    assert not found.facts.genes
    assert [one.code for one in found.issues] == [IssueCode.AMBIGUOUS_CODE]


@pytest.mark.parametrize(
    ("value", "state", "alleles"),
    [
        ("LA9633-4", "LA6706-1", ("C", "T")), ("LA9633-4", "LA6705-3", ("T", "T")), ("LA9634-2", None, ("C", "C")),
        ("LA18198-4", None, ()), ("LA9633-4", None, ()), ("LA9633-4", "LA6707-9", ()),
    ],
)  # fmt: skip
def test_a_variant_is_on_as_many_copies_as_it_is_said_to_be(
    reading: Any, value: str, state: str | None, alleles: tuple[str, ...]
) -> None:
    parts = [component("81290-9", "NC_000010.11:g.94942290C>T")]
    parts += [component("53034-5", coded(state))] if state else []
    found = only(reading(reported("v", "69548-6", coded(value), "CYP2C9", component=parts)))
    assert found.sites == (Site(place="NC_000010.11:94942290", ref="C", alleles=alleles),)


def test_a_variant_by_its_dbsnp_id_has_the_bases_that_are_told(reading: Any) -> None:
    parts = [
        component("81255-2", "rs9923231"), component("69547-8", "G"), component("69551-0", "A"),
        component("53034-5", coded("LA6706-1")), component("81254-5", coded("31096367")),
    ]  # fmt: skip
    found = only(reading(reported("v", "69548-6", coded("LA9633-4"), "VKORC1", component=parts)))
    assert found.sites == (Site(place="rs9923231", ref="G", alleles=("G", "A")),)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (coded("LA6577-6"), "negative"),
        (coded("10828004", "http://snomed.info/sct"), "positive"),
        ({"coding": [*coded("LA6577-6")["coding"], *coded("LA6576-8")["coding"]], "text": "Positive"}, "contradictory"),
        (coded("419984006", "http://snomed.info/sct") | {"text": "Inconclusive"}, "Inconclusive"),
    ],
)
def test_an_allele_that_is_looked_for_is_there_or_not(reading: Any, value: dict[str, Any], said: str) -> None:
    found = only(reading(reported("hla", "50956-2", value)))
    assert (found.gene, found.alleles, found.phenotype) == ("HLA-B", ("*57:01",), said)


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (reported("a", "84413-4", "*1/*3"), IssueCode.NO_CODE),
        (reported("b", "84413-4", {}, "CYP2C9"), IssueCode.NO_VALUE),
        (reported("c", "69548-6", coded("LA9633-4"), "CYP2C9"), IssueCode.NO_VALUE),
        (genotype("CYP2C9", "*1/*3") | {"status": "preliminary"}, IssueCode.NOT_FINAL),
        (genotype("CYP2C9", "*1/*3") | {"subject": {"reference": "Patient/p2"}}, IssueCode.OTHER_PATIENT),
    ],
)
def test_what_cannot_be_used_leaves_an_issue(reading: Any, resource: dict[str, Any], code: IssueCode) -> None:
    found = reading(resource)
    assert not found.facts.genes
    assert [one.code for one in found.issues] == [code]


def test_what_was_entered_in_error_takes_its_result_back(reading: Any) -> None:
    found = reading(genotype("CYP2C9", "*1/*3") | {"status": "entered-in-error"})
    assert {one.ref: one.void for one in found.facts}["Observation/genotype-cyp2c9"]
