"""Drafted doses over HTTP: simulated, told where another plan does better or a harm is over its limit, and replayed."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.services.replay import replay_decision
from tests.conftest import FrozenClock
from tests.doses import (
    CHART,
    EXPLANATION,
    IV,
    about_dose,
    creatinine,
    dosage,
    dosing,
    drafted,
    given,
    height,
    numbered_seeds,
    numbers,
    plan,
    standing,
    topic,
    weight,
)
from tests.orders import cards, drafts, medication
from tests.patients import bundle

SELECT = "/cds-services/twinline-order-select"


@pytest.fixture(autouse=True)
def the_same_chance_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_seeds(monkeypatch)


def test_a_low_dose_is_told_with_a_better_one_and_what_it_rests_on(client: FlaskClient) -> None:
    (card,) = cards(client, dosing(drafted(500, 12)))
    said, better = numbers(card), plan(card, numbers(card)["recommended"])
    assert card["source"]["topic"]["code"] == "doseVancomycin"
    assert card["indicator"] == "warning"
    assert card["summary"].startswith("Vancomycin 500 mg every 12 h: ")
    assert "in 100 reach AUC24 400–600 mg.h/L; 1" in card["summary"]
    assert better["target"] - plan(card, "draft")["target"] >= said["gainPoints"]
    assert better["harms"]
    assert all(harm["points"] <= harm["limit"] for harm in better["harms"])
    assert (said["draws"], said["doses"], said["levels"]) == (2000, 0, 0)
    assert sum(one["draws"] for one in said["models"]) == 2000
    for text in (
        "Simulation, not an order: 2000 draws, seed ",
        "Goti 2018",
        "Pending clinical review: limits, models.",
        "Weight 80.0 kg at 13:00, Creatinine 0.80 mg/dL at 21:00",
        "one would change the answer most",
        "Not made for this patient: Adane 2015",
    ):
        assert text in card["detail"], card["detail"]
    assert len(card["detail"]) <= 900


def test_the_suggestion_is_the_draft_with_the_better_dose_as_valid_fhir(client: FlaskClient) -> None:
    draft = drafted(
        500,
        12,
        priority="urgent",
        category={"coding": [{"code": "inpatient"}]},  # as an object: an older release
        reasonReference=[{"reference": "https://ehr.example/r4/Condition/c1"}],
        encounter={"reference": "Encounter/p1-stay"},
        dispenseRequest={"quantity": {"value": 14}},
        note=[{"text": "500 mg only"}],
        identifier=[{"value": "1"}],
    )
    (card,) = cards(client, dosing(draft))
    create, remove = (one["actions"] for one in card["suggestions"])
    ((action,), (second,)) = create, remove
    assert (action["type"], second["type"]) == ("create", "delete")
    assert second["resourceId"] == "MedicationRequest/draft-1"
    resource, better = action["resource"], plan(card, numbers(card)["recommended"])
    MedicationRequest.model_validate(resource)
    assert (resource["status"], resource["intent"], resource["priority"]) == ("draft", "order", "urgent")
    assert resource["subject"] == {"reference": "Patient/p1"}
    assert resource["reasonReference"] == [{"reference": "Condition/c1"}]
    assert not {"id", "identifier", "dispenseRequest", "note", "category"} & resource.keys()
    (instruction,) = resource["dosageInstruction"]
    assert instruction["doseAndRate"][0]["doseQuantity"]["value"] == better["doseMg"]
    repeat = instruction["timing"]["repeat"]
    assert (repeat["period"], repeat["periodUnit"]) == (better["intervalHours"], "h")
    assert repeat["duration"] == pytest.approx(60 * better["overHours"])
    assert better["doseMg"] / better["overHours"] <= 500.0  # no faster than the draft
    assert instruction["route"]["coding"] == IV["coding"]
    dose = f"{better['doseMg']:g} mg every {better['intervalHours']:g} h"
    assert action["description"].startswith(f"Vancomycin {dose}, each over ")
    assert "Remove the first draft" in action["description"]


def test_a_harm_over_its_limit_leads(client: FlaskClient) -> None:
    (card,) = cards(client, dosing(drafted(2000, 8)))
    assert card["source"]["topic"]["code"] == "doseHarmVancomycin"
    assert card["summary"].startswith("Vancomycin 2000 mg every 8 h: >99")
    assert "in 100 with AUC24 above 700 mg.h/L (limit 15); " in card["summary"]
    assert "kidney injury becomes likelier" in card["detail"]


def test_where_every_plan_harms_that_is_said(client: FlaskClient) -> None:
    (card,) = about_dose(cards(client, dosing(drafted(490, 24, "gentamicin"), chart=(*CHART[:2], creatinine(5.0)))))
    assert (
        "None of 24 plans looked at is within its limits of harm and on target in the middle patient: another drug, or"
        " doses led by levels" in card["detail"]
    )
    assert [one["actions"][0]["type"] for one in card["suggestions"]] == ["delete"]


def test_of_doses_that_do_as_well_the_smaller_is_suggested(client: FlaskClient) -> None:
    (card,) = about_dose(cards(client, dosing(drafted(2000, 8, "meropenem"), chart=(*CHART[:2], creatinine(4.0)))))
    better = plan(card, numbers(card)["recommended"])
    assert better["doseMg"] * 24.0 / better["intervalHours"] <= 2000.0
    assert better["target"] > 95.0


def test_a_dose_as_good_as_any_interrupts_nobody(client: FlaskClient, deps: Deps) -> None:
    chart = (*CHART[:2], creatinine(0.7))
    assert cards(client, dosing(drafted(1000, 12), chart=chart)) == []
    assert not [one for one in deps.store.journal() if one.decision]


def test_the_standing_order_is_compared_and_doses_given_count(client: FlaskClient) -> None:
    chart = (*CHART, standing(750, 12), given(750, 26), given(750, 14), given(750, 2))
    (card,) = about_dose(cards(client, dosing(drafted(500, 24), chart=chart)))
    assert numbers(card)["doses"] == 3
    assert plan(card, "standing")["doseMg"] == 750
    assert plan(card, "standing")["startHours"] == 10.0
    assert plan(card, "draft")["startHours"] == 22.0
    assert "Standing order 750 mg every 12 h: " in card["detail"]
    assert "The standing order is taken to stop." in card["detail"]
    assert {"MedicationAdministration/given-2", "MedicationAdministration/given-26"} <= set(numbers(card)["grounds"])


def test_orders_picked_are_simulated_too_and_not_told_twice_unless_made_worse(
    client: FlaskClient, clock: FrozenClock
) -> None:
    chart = (*CHART[:2], creatinine(0.7))
    body = dosing(drafted(750, 12), chart=chart, hook="order-select", selections=["MedicationRequest/draft-1"])
    assert len(cards(client, body, SELECT)) == 1
    for dose, told in (((750, 12), 0), ((250, 24), 1), ((2000, 8), 1)):  # the same, worse, and too much of it
        clock.forward(minutes=2)
        assert len(cards(client, dosing(drafted(*dose), chart=chart))) == told, dose


def test_a_simulated_decision_replays_byte_for_byte_and_pins_its_models(
    client: FlaskClient, deps: Deps, clock: FrozenClock
) -> None:
    for body in (dosing(drafted(500, 12)), dosing(drafted(2000, 8)), dosing(drafted(160, 24, "gentamicin"))):
        assert cards(client, body)
        clock.forward(hours=3)
    found = [one.decision for one in deps.store.journal() if one.decision]
    assert len(found) == 3
    for one in found:
        again = replay_decision(deps.knowledge, deps.store, one.id)
        assert (again.same, again.again) == (True, one)
        assert {"models/pkpd/vancomycin", "models/pkpd/vancomycin-goti-2018"} <= one.pins.keys()


def test_two_drafts_of_one_drug_are_not_simulated_as_if_each_stood_alone(client: FlaskClient) -> None:
    second = {**drafted(1000, 24), "id": "draft-2"}
    assert about_dose(cards(client, dosing(drafted(500, 12), second))) == []


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        (
            dosing(drafted(1000, 12), chart=(height(175.0), creatinine(0.8))),
            "Vancomycin draft: dose not simulated: weight is needed by this model",
        ),
        (
            dosing(drafted(1000, 12, dosageInstruction=dosage(1000, 12, unit=""))),
            "Vancomycin draft: dose not simulated: the drafted dose needs an amount in mg, g or ug",
        ),
    ],
)
def test_what_is_missing_for_a_simulation_is_said_once_a_day_in_a_line(
    client: FlaskClient, deps: Deps, body: dict[str, Any], summary: str
) -> None:
    (card,) = cards(client, body)
    assert (card["indicator"], card["summary"]) == ("info", summary)
    assert topic(card).startswith("doseUnsimulated")
    assert "suggestions" not in card
    assert "No judgement of the dose: nothing was simulated." in card["detail"]
    assert card["extension"][EXPLANATION]["notSimulated"]
    assert replay_decision(deps.knowledge, deps.store, card["uuid"]).same
    assert cards(client, body) == []


def test_what_an_order_card_says_of_the_dose_is_not_said_twice(client: FlaskClient) -> None:
    (card,) = cards(client, dosing(drafted(1000, 12), chart=()))
    assert topic(card) == "kidneyVancomycinVancomycin"
    assert "dose not simulated: creatinine and weight are needed by this model" in card["detail"]


def test_more_drafts_than_there_is_time_for_are_left_out(client: FlaskClient, deps: Deps) -> None:
    three = [
        {**drafted(*dose, drug), "id": drug}
        for drug, dose in {"vancomycin": (500, 12), "meropenem": (250, 12), "gentamicin": (80, 8)}.items()
    ]
    cards(client, dosing(*three))
    topics = {one.decision.topic for one in deps.store.journal() if one.decision}
    assert {one for one in topics if one.startswith("dose")} == {"dose_vancomycin", "dose_meropenem"}


def test_of_a_drug_that_must_not_be_given_no_dose_is_suggested(client: FlaskClient) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a1",
        "patient": {"reference": "Patient/p1"},
        "code": {"text": "Vancomycin"},
    }
    (card,) = cards(client, dosing(drafted(500, 12), chart=(*CHART, allergy)))
    assert card["source"]["topic"]["code"] == "orderAllergyVancomycin"
    assert [one["actions"][0]["type"] for one in card["suggestions"]] == ["delete"]


def test_a_dose_beyond_all_measure_is_told_though_it_is_not_simulated(client: FlaskClient) -> None:
    (card,) = cards(client, dosing(drafted(1000, 12, dosageInstruction=dosage(1000, 12, unit="g"))))
    assert card["summary"] == "Vancomycin 1000 g: above the highest dose here, 3000 mg"
    assert card["indicator"] == "warning"
    assert "Dose not simulated: " in card["detail"]
    assert "from memory, pending clinical review" in card["detail"]
    assert [one["actions"][0]["type"] for one in card["suggestions"]] == ["delete"]


def test_no_text_of_a_simulated_draft_is_alive(client: FlaskClient) -> None:
    text = "vancomycin <b>x</b> [a](https://evil.example) \u202e"
    draft = medication(
        "draft-1",
        "",
        status="draft",
        medicationCodeableConcept={"text": text},
        dosageInstruction=dosage(500, 12),
        reasonCode=[{"text": text}],
    )
    (card,) = cards(client, dosing(draft))
    said = card["summary"] + card["detail"] + "".join(one["label"] for one in card["suggestions"])
    assert not any(one in said for one in ("<b>", "evil.example", "\u202e"))
    resource = card["suggestions"][0]["actions"][0]["resource"]
    assert "evil.example" not in str(resource)
    assert "\u202e" not in str(resource)


def test_a_draft_in_a_bundle_with_its_medication_is_written_again_in_words(client: FlaskClient) -> None:
    code = {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "11124"}],
        "text": "vancomycin",
    }
    draft = drafted(500, 12, medicationReference={"reference": "Medication/m9"})
    del draft["medicationCodeableConcept"]
    body = dosing(draft)
    body["context"]["draftOrders"] = drafts(draft, {"resourceType": "Medication", "id": "m9", "code": code})
    (card,) = cards(client, body)
    resource = card["suggestions"][0]["actions"][0]["resource"]
    assert resource["medicationCodeableConcept"] == code
    assert "medicationReference" not in resource


def test_height_is_used_where_it_is_known(client: FlaskClient) -> None:
    (card,) = cards(client, dosing(drafted(500, 12), chart=(weight(120.0), height(160.0), creatinine(0.8))))
    assert "vancomycin-adane-2015" in {one["name"] for one in numbers(card)["models"]}


def test_the_standing_order_may_be_the_better_one_and_is_not_ordered_again(client: FlaskClient) -> None:
    chart = (weight(80.0), height(175.0), creatinine(0.7), standing(1000, 12))
    (card,) = about_dose(cards(client, dosing(drafted(500, 12), chart=chart)))
    assert numbers(card)["recommended"] == "standing"
    assert "; standing order 1000 mg every 12 h " in card["summary"]
    assert "- Standing order 1000 mg every 12 h: " in card["detail"]
    assert [one["actions"][0]["type"] for one in card["suggestions"]] == ["delete"]


def test_a_draft_without_an_id_or_a_length_gets_a_suggestion_without_them(client: FlaskClient) -> None:
    draft = drafted(500, 12, dosageInstruction=dosage(500, 12, over_h=None))
    del draft["id"]
    (card,) = cards(client, dosing(draft))
    (suggestion,) = card["suggestions"]
    (action,) = suggestion["actions"]
    assert action["type"] == "create"
    assert "each over" not in action["description"] + card["detail"]
    assert "duration" not in action["resource"]["dosageInstruction"][0]["timing"]["repeat"]


def test_levels_are_used_and_tell_the_models_apart(client: FlaskClient) -> None:
    level = {
        **creatinine(9.0),
        "id": "level-1",
        "code": {"coding": [{"system": "http://loinc.org", "code": "4092-3"}]},
        "valueQuantity": {"value": 9.0, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"},
    }
    chart = (*CHART, given(1000, 26), given(1000, 14), level)
    (card,) = about_dose(cards(client, dosing(drafted(250, 24), chart=chart)))
    assert (numbers(card)["levels"], numbers(card)["doses"]) == (1, 2)
    assert len({one["weight"] for one in numbers(card)["models"]}) > 1
    assert "Observation/level-1" in numbers(card)["grounds"]
    assert "Another level would make it surer." in card["detail"]


def test_a_weight_that_hourly_vital_signs_have_pushed_out_is_asked_for_by_its_code(client: FlaskClient) -> None:
    body = dosing(drafted(500, 12), chart=CHART[2:])
    body["prefetch"]["dosing"] = bundle(*CHART[:2])
    (card,) = cards(client, body)
    assert "Weight 80.0 kg" in card["detail"]
