from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact, content_root, latest, write_manifest
from cds_app.domain.ontology import Ontology, Range, Variable
from cds_app.domain.ontology_files import load_ontology
from cds_app.errors import ContentError
from cds_app.score.features.hours import QUANTITIES

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
MODEL_QUANTITIES = (*QUANTITIES, "po2", "o2_flow", "gcs_total", "urine_output", "body_weight")

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return load_ontology(latest("ontology"))


def _named(ontology: Ontology, *codes: str) -> str | None:
    found = ontology.variable((LOINC, code) for code in codes)
    return None if found is None else found.key


# --- what the content says


@pytest.mark.parametrize("quantity", MODEL_QUANTITIES)
def test_every_quantity_of_the_models_is_there_with_a_process(ontology: Ontology, quantity: str) -> None:
    variable = ontology.quantity(quantity)
    assert variable.quantity == quantity
    assert variable.numeric
    assert variable.process is not None


@pytest.mark.parametrize(
    ("loinc", "quantity"),
    [
        ("6298-4", "potassium"), ("38483-4", "creatinine"), ("6299-2", "urea_nitrogen"), ("49765-1", "calcium"),
        ("2069-3", "chloride"), ("20565-8", "bicarbonate"), ("2028-9", "bicarbonate"), ("32693-4", "lactate"),
        ("2518-9", "lactate"), ("41653-7", "glucose"), ("76534-7", "sbp"), ("14979-9", "aptt"), ("3150-0", "fio2"),
        ("14682-9", "creatinine"), ("22664-7", "urea_nitrogen"), ("14631-6", "bilirubin_total"), ("14749-6", "glucose"),
        ("59260-0", "hemoglobin"), ("76215-3", "sbp"), ("76214-6", "map"), ("8329-5", "body_temp"),
        ("32713-0", "potassium"), ("26515-7", "platelets"), ("34714-6", "inr"), ("2000-8", "calcium"),
        ("8331-1", "body_temp"), ("1925-7", "base_excess"), ("11558-4", "ph"), ("1968-7", "bilirubin_direct"),
    ],
)  # fmt: skip
def test_synonyms_measure_one_quantity(ontology: Ontology, loinc: str, quantity: str) -> None:
    found = ontology.variable([(LOINC, loinc)])
    assert found is not None
    assert found.quantity == quantity


@pytest.mark.parametrize(
    ("loinc", "quantity"),
    [
        ("2532-0", "lactate"), ("33914-3", "egfr_2021"), ("2161-8", "creatinine"), ("2955-3", "sodium"),
        ("2756-5", "ph"), ("2746-6", "ph"), ("99504-3", "glucose"), ("40443-4", "heart_rate"),
        ("67151-1", "troponin_i"),
        ("2711-0", "sao2"), ("2705-2", "po2"), ("11556-8", "po2"), ("5792-7", "glucose"), ("1994-3", "calcium"),
        ("89579-7", "troponin_i"), ("20564-1", "sao2"),
    ],
)  # fmt: skip
def test_similar_but_different_is_not_mixed(ontology: Ontology, loinc: str, quantity: str) -> None:
    found = ontology.variable([(LOINC, loinc)])
    assert found is not None
    assert found.quantity != quantity


def test_generic_code_gives_way_to_the_specific_one(ontology: Ontology) -> None:
    assert _named(ontology, "2708-6", "59408-5") == "spo2_pulse_ox"
    assert _named(ontology, "59408-5", "2708-6") == "spo2_pulse_ox"
    assert _named(ontology, "2708-6") == "sao2"


def test_unknown_code_stays_unknown(ontology: Ontology) -> None:
    assert _named(ontology, "99999-9") is None
    assert ontology.variable([]) is None
    assert ontology.variable([("urn:local", "8867-4")]) is None
    assert ontology.concepts_of([(SNOMED, "1")]) == ()


def test_reference_range_follows_sex_where_it_differs(ontology: Ontology) -> None:
    haemoglobin = ontology.variables["hemoglobin"]
    assert haemoglobin.reference_for("female") == Range(low=12, high=15.5)
    assert haemoglobin.reference_for("male") == Range(low=13.5, high=17.5)
    assert haemoglobin.reference_for(None) == Range(low=12, high=17.5)
    assert ontology.variables["sodium"].reference_for("female") == Range(low=135, high=145)
    assert ontology.variables["blood_culture"].reference_for(None) is None


@pytest.mark.parametrize(
    ("system", "code", "held"),
    [
        (RXNORM, "29046", {"lisinopril", "ace_inhibitors", "raas_inhibitors"}),
        (RXNORM, "1659133", {"piperacillin_tazobactam", "penicillins", "beta_lactams", "antimicrobials"}),
        (RXNORM, "11124", {"vancomycin", "glycopeptides", "nephrotoxins", "antimicrobials"}),
        (RXNORM, "1663223", {"amiodarone", "qt_prolonging"}),
        (RXNORM, "5224", {"heparin", "heparins", "anticoagulants"}),
        (SNOMED, "76571007", {"septic_shock", "sepsis", "infection", "shock"}),
        (SNOMED, "302497006", {"haemodialysis", "renal_replacement_therapy"}),
        (SNOMED, "450847001", {"responds_to_pain", "not_alert"}),
    ],
)
def test_concepts_hold_with_all_their_classes(ontology: Ontology, system: str, code: str, held: set[str]) -> None:
    found = ontology.concepts_of([(system, code)])
    assert held <= set(found)


def test_most_specific_concept_comes_first(ontology: Ontology) -> None:
    assert ontology.with_parents("lisinopril") == ("lisinopril", "ace_inhibitors", "raas_inhibitors")
    assert ontology.concepts_of([(RXNORM, "29046")])[0] == "lisinopril"


def test_spironolactone_is_both_a_raas_inhibitor_and_potassium_sparing(ontology: Ontology) -> None:
    assert {"raas_inhibitors", "potassium_sparing_diuretics", "diuretics"} <= set(
        ontology.with_parents("spironolactone")
    )


def test_co_trimoxazole_is_its_two_ingredients(ontology: Ontology) -> None:
    assert {"trimethoprim", "sulfonamides"} <= set(ontology.with_parents("co_trimoxazole"))


def test_what_is_from_memory_says_so(ontology: Ontology) -> None:
    assert "reference" in ontology.variables["potassium"].review
    assert ontology.variables["chest_xray"].review == ("code",)
    assert ontology.concepts["prasugrel"].needs_review
    assert not ontology.concepts["blood_culture"].needs_review


def test_process_stands_within_the_plausible_range(ontology: Ontology) -> None:
    for variable in ontology.variables.values():
        if variable.process is not None and variable.process.transform == "identity":
            assert variable.plausible.holds(variable.process.baseline_mean), variable.key


def test_noise_is_variation_within_a_person_and_that_of_measuring() -> None:
    """Of the manifest's ``engineering_choices.process``: sqrt(CVI² + CVA²), CVA half of CVI, four digits are kept."""
    rows = latest("ontology").read_json("variables.json")["variables"]
    told = [(one["cvi_pct"] / 100.0, one["process"], one["key"]) for one in rows if "cvi_pct" in one]
    assert len(told) > 50
    for cvi, process, key in told:
        scale = process["baseline_mean"] if process["transform"] == "identity" else 1.0
        assert process["noise_sd"] == pytest.approx(scale * cvi * 1.25**0.5, rel=1e-3), key


def test_quantity_that_nobody_measures_has_no_variable(ontology: Ontology) -> None:
    with pytest.raises(KeyError):
        ontology.quantity("unheard_of")


def test_range_is_inclusive_and_may_be_open() -> None:
    assert Range(low=1, high=2).holds(1)
    assert Range(low=1, high=2).holds(2)
    assert not Range(low=1, high=2).holds(2.0001)
    assert Range(low=None, high=2).holds(-9)
    assert Range(low=1, high=None).holds(9)
    assert not Range(low=1, high=None).holds(0.9)


def test_specific_match_in_any_place_wins_over_a_generic_one() -> None:
    def one(key: str, generic: bool) -> Variable:
        return Variable(
            key=key, quantity=key, label=key, unit="%", unit_text="%", codes=((LOINC, key),), generic=generic,
            plausible=Range(low=0, high=1), reference={}, fresh_h=1, decimals=0,
        )  # fmt: skip

    made = Ontology(
        version="0", sha256="", concepts={}, unit_synonyms={}, variables={"a": one("a", True), "b": one("b", True)}
    )
    assert made.variable([(LOINC, "a"), (LOINC, "b")]) is made.variables["a"]


# --- what the loader refuses


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str, Edit], ContentError]:
    """Edits one file of a copy of the ontology and returns the error that loading it raises."""
    source = content_root() / "models" / "ontology" / "1.0.0"
    folder = tmp_path / "models" / "ontology" / "1.0.0"

    def load(name: str, edit: Edit) -> ContentError:
        shutil.copytree(source, folder)
        content = json.loads((folder / name).read_text("utf-8"))
        edit(content)
        (folder / name).write_text(json.dumps(content), "utf-8")
        (folder / "manifest.json").unlink()
        write_manifest(folder, {})
        with pytest.raises(ContentError) as caught:
            load_ontology(artefact("ontology", "1.0.0", root=tmp_path))
        return caught.value

    return load


def _row(content: dict[str, Any], key: str) -> dict[str, Any]:
    rows = content.get("variables") or content["concepts"]
    found: dict[str, Any] = next(row for row in rows if row["key"] == key)
    return found


def _change(which: str, **fields: Any) -> Edit:
    return lambda content: _row(content, which).update(fields)


@pytest.mark.parametrize(
    ("edit", "where", "why"),
    [
        (_change("potassium", colour="red"), "colour", "Extra inputs"),
        (_change("potassium", label=""), "label", "at least 1"),
        (_change("potassium", decimals="one"), "decimals", "integer"),
        (_change("potassium", fresh_h=-1), "fresh_h", "greater than 0"),
        (_change("potassium", unit="mmol/bucket"), "potassium_blood.unit", "elsewhere"),
        (_change("albumin", unit="g/bucket"), "albumin.unit", "not UCUM"),
        (_change("potassium_blood", unit="mol/L"), "potassium_blood.unit", "one unit"),
        (_change("albumin", plausible={"low": 9, "high": 1}), "albumin.plausible", "low below high"),
        (_change("albumin", plausible={"low": None, "high": 9}), "albumin.plausible", "closed"),
        (_change("albumin", reference={"any": {"low": 4, "high": 3}}), "albumin.reference.any", "above"),
        (_change("albumin", reference={"female": {"low": 3, "high": 99}}), "reference.female", "plausible"),
        (_change("albumin", reference={"any": {"low": None, "high": None}}), "reference.any", "says nothing"),
        (_change("creatinine", molar_mass=None), "creatinine.alternate_units", "molar mass"),
        (_change("albumin", alternate_units=["mm[Hg]"]), "albumin.alternate_units", "does not convert"),
        (_change("inr", unit_synonyms={"ratio": "%"}), "inr.alternate_units", "does not convert"),
        (_change("alt", key="ast"), "ast", "twice"),
        (_change("alt", codes=[{"system": LOINC, "code": "2160-0"}]), "alt.codes", "creatinine already"),
        (_change("alt", codes=[{"system": LOINC, "code": "x"}] * 2), "alt.codes", "twice"),
        (_change("alt", codes=[]), "codes", "at least 1"),
        (_change("blood_culture", unit="mg/dL"), "unit", "Extra inputs"),
        (_change("alt", kind="guess"), "variables", "does not match"),
    ],
)  # fmt: skip
def test_bad_variable_is_refused_by_file_and_field(
    broken: Callable[[str, Edit], ContentError], edit: Edit, where: str, why: str
) -> None:
    error = broken("variables.json", edit)
    assert error.field is not None
    assert error.field.startswith("variables.json#")
    assert where in error.field
    assert why in error.message


@pytest.mark.parametrize(
    ("edit", "where", "why"),
    [
        (_change("lisinopril", parents=["nobody"]), "lisinopril.parents", "no concept nobody"),
        (_change("raas_inhibitors", parents=["lisinopril"]), "", "its own ancestor"),
        (_change("lisinopril", by_mouth_not=["nephrotoxins"]), "lisinopril.by_mouth_not", "no parent"),
        (_change("lisinopril", key="ramipril"), "ramipril", "twice"),
        (_change("lisinopril", kind="plant"), "kind", "Input should be"),
        (_change("lisinopril", dose=5), "dose", "Extra inputs"),
    ],
)
def test_bad_concept_is_refused_by_file_and_field(
    broken: Callable[[str, Edit], ContentError], edit: Edit, where: str, why: str
) -> None:
    error = broken("concepts.json", edit)
    assert error.field is not None
    assert error.field.startswith("concepts.json#")
    assert where in error.field
    assert why in error.message


def _kind(which: str, **fields: Any) -> Edit:
    return lambda content: next(row for row in content["kinds"] if row["key"] == which).update(fields)


def _way(at: int, **fields: Any) -> Edit:
    return lambda content: content["usual"][at].update(fields)


@pytest.mark.parametrize(
    ("edit", "where", "why"),
    [
        (_kind("serum", parents=["nobody"]), "serum.parents", "no concept nobody"),
        (_kind("blood", parents=["serum"]), "", "its own ancestor"),
        (_kind("serum", key="plasma"), "plasma", "twice"),
        (_kind("serum", names=["plasma"]), "specimen plasma", "twice"),
        (_kind("serum", codes=[{"system": SNOMED, "code": "119361006"}]), "119361006", "twice"),
        (_kind("serum", element="colour"), "element", "Input should be"),
        (_way(0, kind="nobody"), "usual.0", "no nobody"),
        (_way(0, shown=["nobody"]), "usual.0", "no nobody"),
        (_way(0, variables=["nobody"]), "usual.0.variables", "no nobody"),
        (_way(0, variables=["ph_venous"]), "usual.3.variables", "ph_venous is there twice"),
    ],
)
def test_bad_kind_of_specimen_is_refused_by_file_and_field(
    broken: Callable[[str, Edit], ContentError], edit: Edit, where: str, why: str
) -> None:
    error = broken("taken.json", edit)
    assert error.field is not None
    assert error.field.startswith("taken.json#")
    assert where in error.field
    assert why in error.message


def test_an_interpretation_is_named_once(broken: Callable[[str, Edit], ContentError]) -> None:
    error = broken("interpretations.json", lambda content: content["interpretations"][0].update(codes=["L"]))
    assert error.field == "interpretations.json#L"


def test_synonym_for_no_unit_is_refused(broken: Callable[[str, Edit], ContentError]) -> None:
    error = broken("units.json", lambda content: content["synonyms"].update(bpm="beats a minute"))
    assert error.field == "units.json#synonyms.bpm"


def test_file_of_another_shape_is_refused(broken: Callable[[str, Edit], ContentError]) -> None:
    error = broken("units.json", lambda content: content.clear())
    assert error.field == "units.json#synonyms"


@pytest.mark.parametrize(
    ("quantity", "before", "after"),
    [
        ("potassium", 4.25, 4.25 * 1.127),
        ("creatinine", 1.0, 1.15),
        ("lactate", 2.0, 2.0 * 2.28),
        ("glucose", 90, 105.0),
    ],
)
def test_a_reference_change_is_that_of_the_table(
    ontology: Ontology, quantity: str, before: float, after: float
) -> None:
    """Of facts/observations/reference_change_values.csv: 12.7 %, and for skewed quantities 15.0, 128 and 16.7 % up."""
    found = [ontology.quantity(quantity).in_reference_changes(value) for value in (before, after)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[1] - found[0] == pytest.approx(1.0, abs=0.03)


def test_what_has_no_scale_has_no_reference_changes(ontology: Ontology) -> None:
    assert ontology.quantity("creatinine").in_reference_changes(0.0) is None
    assert next(one for one in ontology.variables.values() if one.process is None).in_reference_changes(1.0) is None


def test_what_is_further_from_usual_is_more_unusual(ontology: Ontology) -> None:
    def of(variable: str, *values: float) -> list[float]:
        return [ontology.variables[variable].unusual(one, None) for one in values]

    assert of("potassium", 4.25, 5.25, 2.25) == [0.0, 1.0, 2.0]
    assert of("cgm_gmi", 6.0, 8.0) == [-1.0, 1.0]  # it has an upper limit alone
    only_low = replace(ontology.variables["potassium"], reference={"any": Range(low=3.5, high=None)})
    assert [only_low.unusual(one, None) for one in (4.5, 2.5)] == [-1.0, 1.0]
    assert replace(only_low, reference={}).unusual(9.0, None) == 0.0
