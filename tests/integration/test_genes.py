"""Genes over HTTP: what a laboratory reported changes what is simulated and what is said of a draft."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.services.replay import replay_decision
from tests.conftest import FROZEN
from tests.doses import TRANSPLANT, about_dose, dosing, height, numbered_seeds, weight
from tests.genomes import genotype
from tests.orders import cards, medication, signing
from tests.patients import observation

BY_MOUTH = {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]}


@pytest.fixture(autouse=True)
def the_same_chance_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_seeds(monkeypatch)


def draft(drug: str, mg: float, every_h: float) -> dict[str, Any]:
    timing = {"repeat": {"frequency": 1, "period": every_h, "periodUnit": "h"}}
    dose = {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    instruction = {"route": BY_MOUTH, "timing": timing, "doseAndRate": [{"doseQuantity": dose}]}
    return medication("draft-1", drug, status="draft", dosageInstruction=[instruction])


def inr(value: float) -> dict[str, Any]:
    return {
        **observation("creatinine", value, FROZEN - timedelta(hours=20), key="inr-1"),
        "code": {"coding": [{"system": "http://loinc.org", "code": "6301-6"}]},
        "valueQuantity": {"value": value, "unit": "{INR}", "system": "http://unitsofmeasure.org", "code": "{INR}"},
    }


def heart_valve() -> dict[str, Any]:
    code = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "Z95.2"}]}
    return {**TRANSPLANT, "id": "valve", "code": code}


def warfarin(client: FlaskClient, *genes: dict[str, Any], mg: float = 10.0) -> list[dict[str, Any]]:
    chart = (weight(70.0), height(165.0), inr(1.0), *genes)
    return cards(client, dosing(draft("warfarin 10 mg oral tablet", mg, 24), chart=chart))


def test_a_dose_of_warfarin_is_simulated_for_the_genotype_that_was_reported(client: FlaskClient) -> None:
    (card,) = about_dose(warfarin(client, genotype("CYP2C9", "*1/*3"), genotype("VKORC1", "A/A")))
    assert "CYP2C9 *1/*3, VKORC1 A/A, reported 2026-01-29" in card["detail"]
    assert card["source"]["topic"]["code"] == "doseHarmWarfarin"
    assert "Used: 0 doses, 0 INRs, Weight 70.0 kg at 13:00, INR 1.0 at 03:00." in card["detail"]  # and no creatinine
    assert "No INR since the first dose: one would change the answer most." in card["detail"]
    assert "left out" not in card["detail"]
    assert "INR of 2.0 to 3.0 at the end of the horizon (14 days), most indications" in card["detail"]


def test_with_a_valve_the_usual_target_of_warfarin_betters_no_draft_and_harms_are_told(client: FlaskClient) -> None:
    usual, valve = (genotype("CYP2C9", "*1/*1"), genotype("VKORC1", "A/G")), heart_valve()
    (low,) = about_dose(warfarin(client, *usual, mg=2.0))
    assert low["source"]["topic"]["code"] == "doseWarfarin"
    assert about_dose(warfarin(client, *usual, valve, mg=2.0)) == []
    sensitive = (genotype("CYP2C9", "*1/*3"), genotype("VKORC1", "A/A"))
    (harm,) = about_dose(warfarin(client, *sensitive, valve))
    assert harm["source"]["topic"]["code"] == "doseHarmWarfarin"
    assert "With a prosthetic heart valve the target may be another one: no other plan was looked for" in harm["detail"]
    assert [one["label"] for one in harm["suggestions"]] == ["Remove this draft: Warfarin 10 mg every 24 h"]


def test_without_a_genotype_no_dose_of_warfarin_is_simulated(client: FlaskClient) -> None:
    (card,) = warfarin(client)
    assert card["summary"] == (
        "Warfarin draft: dose not simulated: CYP2C9 and VKORC1 are needed by this model;"
        " what was not called is not taken as reference"
    )
    assert about_dose(warfarin(client, genotype("CYP2C9", "*1/*3"))) == []
    contradicted = (genotype("CYP2C9", "*1/*3"), genotype("CYP2C9", "*1/*1", key="other"), genotype("VKORC1", "A/A"))
    found = warfarin(client, *contradicted)
    assert about_dose(found) == []
    assert any("CYP2C9 results contradict each other" in card["detail"] for card in found)


def test_a_drug_that_a_gene_makes_dangerous_is_told_before_it_is_signed(client: FlaskClient, deps: Deps) -> None:
    codeine = medication("draft-1", "codeine 30 mg oral tablet", status="draft")
    (card,) = cards(client, signing(codeine, chart=(genotype("CYP2D6", "*1/*2x3"),)))
    assert card["indicator"] == "critical"
    assert "CYP2D6 *1/*2x3, Ultrarapid Metabolizer." in card["detail"]
    assert "CPIC" in card["detail"]
    entry = deps.store.find(card["uuid"])
    assert entry is not None
    assert replay_decision(deps.knowledge, deps.store, card["uuid"]).same


@pytest.mark.parametrize("more", [(), (genotype("CYP3A4", "*1"),)], ids=["alone", "beside half of CYP3A4"])
def test_tacrolimus_is_simulated_for_who_expresses_cyp3a5(
    client: FlaskClient, more: tuple[dict[str, Any], ...]
) -> None:
    haematocrit = {
        **observation("creatinine", 35.0, FROZEN - timedelta(hours=20), key="hct-1"),
        "code": {"coding": [{"system": "http://loinc.org", "code": "4544-3"}]},
        "valueQuantity": {"value": 35.0, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"},
    }
    chart = (weight(70.0), height(165.0), haematocrit, genotype("CYP3A5", "*1/*1"), TRANSPLANT, *more)
    found = cards(client, dosing(draft("tacrolimus 2 mg oral capsule", 2, 12), chart=chart))
    (dose,) = about_dose(found)
    assert "Haematocrit 35% at 03:00" in dose["detail"]
    assert "CYP3A5 *1/*1, reported 2026-01-29" in dose["detail"]
    assert any("CYP3A5 *1/*1, Normal Metabolizer." in card["detail"] for card in found)
    assert ("CYP3A4 is not known unambiguously" in dose["detail"]) == bool(more)


def test_of_several_models_the_one_that_lacks_least_says_what_is_needed(client: FlaskClient) -> None:
    chart = (weight(70.0), genotype("CYP3A5", "*3/*3"), TRANSPLANT)
    (card,) = cards(client, dosing(draft("tacrolimus 2 mg oral capsule", 2, 12), chart=chart))
    assert card["summary"] == "Tacrolimus draft: dose not simulated: haematocrit is needed by this model"
