"""Codes of drugs as records send them, and what is refused of the file that lists them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact, content_root, latest, write_manifest
from cds_app.domain.drug_codes import DRUG_CODES
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.errors import ContentError
from cds_app.fabric.codes import code_of, concepts_of

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
YJ = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code"


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return load_ontology(latest("ontology"))


def _meant(ontology: Ontology, system: str, code: str) -> set[str]:
    """The most specific concepts that a code stands for."""
    found = concepts_of((code_of(system, code),), ontology)
    return set(found) - {above for key in found for above in ontology.with_parents(key)[1:]}


@pytest.mark.parametrize(
    ("code", "drugs"),
    [
        ("723", {"amoxicillin"}),
        ("1364430", {"apixaban"}),
        ("1114199", {"rivaroxaban"}),
        ("1659149", {"piperacillin_tazobactam"}),
        ("1665021", {"ceftriaxone"}),
        ("10831", {"co_trimoxazole"}),
        ("1049221", {"oxycodone", "paracetamol"}),
        ("0", set()),
    ],
)
def test_a_drug_is_known_as_ingredient_as_brand_and_as_product(ontology: Ontology, code: str, drugs: set[str]) -> None:
    assert _meant(ontology, RXNORM, code) == drugs


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("J01CR05", {"piperacillin_tazobactam"}),
        ("J01CR03", {"penicillins"}),
        ("J01C", {"penicillins"}),
        ("j01ca17", {"penicillins"}),
        ("J01CG02", {"beta_lactams"}),
        ("J01DI04", {"beta_lactams"}),
        ("J01AA12", {"tigecycline"}),
        ("N05AN01", {"lithium"}),
        ("C09BA03", {"lisinopril", "diuretics"}),
        ("B01AB02", set()),
        ("B01AD12", set()),
        ("V08CA01", set()),
        ("C03XA01", {"diuretics"}),
        ("A07AA09", {"glycopeptides"}),
        ("S01AA11", set()),
    ],
)
def test_an_atc_code_is_what_is_listed_or_else_of_the_narrowest_group(
    ontology: Ontology, code: str, meant: set[str]
) -> None:
    assert _meant(ontology, ATC, code) == meant


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("3332001F1032", {"warfarin"}),
        ("2149114F1029", {"valsartan", "amlodipine"}),
        ("1149019F1706", {"nsaids"}),
        ("6139505F3036", {"piperacillin_tazobactam"}),
        ("2149110F1023", {"losartan", "hydrochlorothiazide"}),
        ("6113001B1020", set()),  # vancomycin by mouth: nothing is taken up
        ("2649735S2150", set()),  # a patch
        ("9999999F1032", set()),
    ],
)
def test_a_japanese_product_is_known_by_its_ingredient(ontology: Ontology, code: str, meant: set[str]) -> None:
    assert _meant(ontology, YJ, code) == meant


@pytest.mark.parametrize(
    ("system", "code", "meant"),
    [
        ("urn:oid:1.2.392.100495.20.2.73", "3332001F1032", {"warfarin"}),
        ("urn:oid:1.2.392.100495.20.1.73", "3332001F1032", {"warfarin"}),
        ("urn:oid:1.2.392.100495.20.2.72", "3332001F1016", {"warfarin"}),
        ("urn:oid:1.2.392.100495.20.2.81", "1149019F1ZZZ", {"nsaids"}),
        ("http://jpfhir.jp/fhir/core/mhlw/CodeSystem/MedicationGeneralOrderCode", "1149019F1ZZZ", {"nsaids"}),
        ("http://jpfhir.jp/fhir/core/CodeSystem/JP_JfagyMedicationAllergen_CS", "6131001F1ZZZ", {"amoxicillin"}),
        ("http://medis.or.jp/CodeSystem/master-HOT9", "103835401", set()),  # a number that says nothing by itself
    ],
)
def test_other_codes_of_japan_are_read_where_they_begin_as_yj_codes_do(
    ontology: Ontology, system: str, code: str, meant: set[str]
) -> None:
    assert _meant(ontology, system, code) == meant


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("urn:oid:2.16.840.1.113883.6.73", "J01CA04"),
        (" http://www.whocc.no/atc ", " J01CA04 "),
        ("https://whocc.no/atc/", "J01CA04"),
        ("http://fhir.de/CodeSystem/bfarm/atc", "J01CA04"),
        ("urn:oid:2.16.840.1.113883.6.88", "723"),
        ("https://www.nlm.nih.gov/research/umls/rxnorm/", "723 "),
    ],
)
def test_a_system_of_drugs_is_known_however_it_is_spelled(ontology: Ontology, system: str, code: str) -> None:
    assert _meant(ontology, system, code) == {"amoxicillin"}


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("91936005", {"penicillins"}),
        ("373270004", {"penicillins"}),
        ("91939003", {"sulfonamides"}),
        ("293586001", {"aspirin"}),
        ("387458008", {"aspirin"}),
        ("609537003", {"ace_inhibitors"}),
        ("293962009", {"beta_blockers"}),
        ("16403005", {"nsaids"}),
        ("716186003", set()),
        ("409137002", set()),
        ("91935009", set()),
    ],
)
def test_an_allergy_is_known_as_finding_and_as_substance(ontology: Ontology, code: str, meant: set[str]) -> None:
    assert _meant(ontology, SNOMED, code) == meant


def test_what_one_list_and_memory_say_waits_for_a_check(ontology: Ontology) -> None:
    lists = latest("ontology").read_json(DRUG_CODES)["lists"]
    assert all(one["source"].startswith("2x") is one.get("review", False) for one in lists)
    assert all(ontology.concepts[key].needs_review for one in lists if one.get("review") for key in one["codes"])


@pytest.mark.parametrize(
    ("codes", "field"),
    [
        ({"amoxycilin": ["723"]}, "amoxycilin"),
        ({"sepsis": ["1"]}, "sepsis"),
        ({"warfarin": ["1", "1"]}, "warfarin"),
        ({"warfarin": []}, "lists"),
    ],
)
def test_a_bad_list_is_refused_by_file_and_concept(tmp_path: Path, codes: dict[str, Any], field: str) -> None:
    source = content_root() / "models" / "ontology" / "1.0.0"
    folder = tmp_path / "models" / "ontology" / "1.0.0"
    shutil.copytree(source, folder)
    (folder / DRUG_CODES).write_text(json.dumps({"lists": [{"system": RXNORM, "source": "test", "codes": codes}]}))
    write_manifest(folder, json.loads((folder / "manifest.json").read_text()))
    with pytest.raises(ContentError) as refused:
        load_ontology(artefact("ontology", "1.0.0", root=tmp_path))
    assert f"{DRUG_CODES}" in (refused.value.field or "")
    assert field in (refused.value.field or "")
