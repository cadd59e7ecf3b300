"""Drafted insulin over HTTP: tried on virtual people where they can stand for the patient, else it is said why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from flask.testing import FlaskClient

from cds_app.bootstrap import app_of
from cds_app.deps import Deps
from cds_app.fabric.drugs.dosing import dosing_of
from cds_app.services.replay import replay_decision
from tests.conftest import FROZEN, FrozenClock
from tests.doses import EXPLANATION, IV, numbers, plan, topic, weight
from tests.insulin import LOW, ONCE, SKIN, TYPE_1, USUAL, injected, injecting, lispro, sugar
from tests.orders import cards, medication
from tests.patients import patient

Chart = tuple[Mapping[str, Any], ...]
MEAL = "10 units now for 60 g carbohydrate"
GLUCOSE = 2  # its place in the usual chart


def with_glucose(*rows: Mapping[str, Any]) -> Chart:
    return (*USUAL[:GLUCOSE], *rows, *USUAL[GLUCOSE + 1 :])


def coded(kind: str, key: str, system: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": key,
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": system, "code": code}]},
        **more,
    }


TYPE_2 = coded("Condition", "t2", "http://hl7.org/fhir/sid/icd-10", "E11.9")
KETOACIDOSIS = coded("Condition", "dka", "http://hl7.org/fhir/sid/icd-10", "E10.1", recordedDate=FROZEN.isoformat())
KETONES = sugar(
    4.2,
    40.0,
    "mmol/L",
    id="ketones",
    code={"coding": [{"system": "http://loinc.org", "code": "6873-4"}]},
)
DIALYSIS = coded(
    "Procedure",
    "d1",
    "http://snomed.info/sct",
    "302497006",
    status="completed",
    performedDateTime=FROZEN.isoformat(),
)
PREGNANT = coded("Condition", "pregnancy", "http://snomed.info/sct", "77386006", recordedDate=FROZEN.isoformat())


def test_too_much_is_told_with_a_dose_that_is_not_and_what_it_rests_on(client: FlaskClient) -> None:
    (card,) = cards(client, injecting(lispro(10.0)))
    said, better = numbers(card), plan(card, numbers(card)["recommended"])
    assert (topic(card), card["indicator"]) == ("doseHarmInsulins", "warning")
    assert card["summary"].startswith("Insulin lispro 10 units now: ")
    assert f"in 100 below 54 mg/dL (limit 5); {better['units']:g} units now " in card["summary"]
    assert better["harms"]
    assert all(harm["points"] <= harm["limit"] for harm in better["harms"])
    assert better["timeInRange"] - plan(card, "draft")["timeInRange"] >= said["gainPoints"]
    assert (said["people"], said["chance"], said["hours"]) == (10, "none", 6.0)
    assert said["used"] == {
        "glucoseMgDl": 250.0,
        "weightKg": 78.0,
        "ageYears": 65.0,
        "dailyInsulinUnits": 40.0,
    }
    for text in (
        "Simulation, not an order: 10 virtual adults with type 1 diabetes (UVA/Padova 2008)",
        "nothing drawn, so no seed",
        "Pending clinical review: limits, model.",
        "Glucose (capillary) 250 mg/dL at 22:40, Weight 78.0 kg at 13:00, 40 units in 24 h.",
        "carbohydrate within 6 h changes the answer most",
        "- No insulin now: 3",
    ):
        assert text in card["detail"], card["detail"]
    assert len(card["detail"]) <= 900


def test_the_card_names_the_virtual_people_that_were_used(deps: Deps) -> None:
    people = {name: replace(one, name="others") for name, one in deps.knowledge.people.items()}
    with app_of(replace(deps, knowledge=replace(deps.knowledge, people=people))).test_client() as client:
        (card,) = cards(client, injecting(lispro(10.0)))
    assert numbers(card)["model"] == "others"


def test_the_suggestion_is_the_draft_with_the_better_dose_as_valid_fhir(client: FlaskClient) -> None:
    (card,) = cards(client, injecting(lispro(10.0)))
    create, remove = (one["actions"][0] for one in card["suggestions"])
    assert (create["type"], remove["type"]) == ("create", "delete")
    assert remove["resourceId"] == "MedicationRequest/draft-1"
    resource, better = create["resource"], plan(card, numbers(card)["recommended"])
    MedicationRequest.model_validate(resource)
    assert (resource["status"], resource["intent"]) == ("draft", "order")
    (instruction,) = resource["dosageInstruction"]
    assert instruction["timing"] == ONCE
    assert instruction["route"]["coding"] == SKIN["coding"]
    (rated,) = instruction["doseAndRate"]
    assert rated["doseQuantity"] == {
        "value": better["units"],
        "unit": "units",
        "system": "http://unitsofmeasure.org",
        "code": "[iU]",
    }
    assert "Remove the first draft" in create["description"]


def test_too_little_is_told_and_as_much_as_is_good_interrupts_nobody(client: FlaskClient) -> None:
    high = with_glucose(sugar(340.0))
    (card,) = cards(client, injecting(lispro(1.0), chart=high))
    assert topic(card) == "doseInsulins"
    assert "1 unit now: " in card["summary"]
    assert " % of 6 h at 70–180 mg/dL; " in card["summary"]
    best = plan(card, numbers(card)["recommended"])["units"]
    assert best > 1.0
    assert cards(client, injecting(lispro(best), chart=high)) == []


@pytest.mark.parametrize(("said", "eaten", "low"), [({}, None, (60, 70)), ({"text": MEAL}, 60.0, (25, 35))])
def test_carbohydrate_that_the_draft_says_is_eaten_with_it(
    client: FlaskClient, said: dict[str, Any], eaten: float | None, low: tuple[float, float]
) -> None:
    """Of 100 virtual people fewer fall low from the same insulin when they eat."""
    (card,) = cards(client, injecting(lispro(10.0, **said)))
    harms = {harm["belowMgDl"]: harm["points"] for harm in plan(card, "draft")["harms"]}
    assert low[0] <= harms[54.0] <= low[1]
    assert numbers(card)["used"].get("carbohydrateG") == eaten
    told = "60 g carbohydrate, eaten now, is in it under every dose, as the draft says; none else"
    assert (told in card["detail"]) == (eaten is not None)
    assert ("No meal is supposed" in card["detail"]) == (eaten is None)
    (instruction,) = card["suggestions"][0]["actions"][0]["resource"]["dosageInstruction"]
    assert ("for 60 g carbohydrate" in instruction["text"]) == (eaten is not None)


def test_the_better_dose_for_a_meal_is_read_again_with_the_same_meal(client: FlaskClient) -> None:
    (card,) = cards(client, injecting(lispro(10.0, text=MEAL)))
    better = card["suggestions"][0]["actions"][0]["resource"]["dosageInstruction"][0]
    dosing = dosing_of(better, better["doseAndRate"][0]["doseQuantity"], UTC)
    assert dosing is not None
    assert (dosing.once, dosing.carbohydrate_g) == (True, 60.0)


def test_insulin_that_still_acts_is_in_it(client: FlaskClient) -> None:
    over = injected(6.0, 9.5, "insulin regular")
    chart = (*USUAL[:-2], injected(6.0, 30.0), over, injected(6.0, 1.5, "insulin aspart"))
    (card,) = cards(client, injecting(lispro(4.0), chart=chart))
    assert numbers(card)["used"]["actingUnits"] == [{"minutes": -90, "units": 6.0}]
    assert "MedicationAdministration/injected-1.5" in numbers(card)["grounds"]
    assert "44 units in 24 h, 6 of them still acting." in card["detail"]
    assert "None of 15 other doses looked at keeps low glucose within its limits" in card["detail"]
    assert [one["actions"][0]["type"] for one in card["suggestions"]] == ["delete"]


@pytest.mark.parametrize(
    ("draft", "chart"),
    [
        (lispro(10.0, "[iU]"), USUAL),
        (lispro(10.0, "U"), USUAL),
        (lispro(10.0, "Units"), USUAL),
        (lispro(10.0, timing={"code": {"text": "ONCE"}}), USUAL),
        (lispro(10.0), with_glucose(sugar(250.0 / 18.016, unit="mmol/L"))),
        (lispro(0.125, "U/kg"), (TYPE_1, weight(80.0), *USUAL[GLUCOSE:])),
    ],
)
def test_units_are_read_as_they_are_written(client: FlaskClient, draft: dict[str, Any], chart: Chart) -> None:
    (card,) = cards(client, injecting(draft, chart=chart))
    assert plan(card, "draft")["units"] == 10.0
    assert numbers(card)["used"]["glucoseMgDl"] == pytest.approx(250.0)
    assert topic(card) == "doseHarmInsulins"


def test_the_same_is_said_again_byte_for_byte_and_pins_its_virtual_people(
    client: FlaskClient, deps: Deps, clock: FrozenClock
) -> None:
    (first,) = cards(client, injecting(lispro(10.0)))
    clock.forward(minutes=1)
    assert cards(client, injecting(lispro(10.0))) == []  # told
    (one,) = [one.decision for one in deps.store.journal() if one.decision and one.decision.id == first["uuid"]]
    again = replay_decision(deps.knowledge, deps.store, one.id)
    assert (again.same, again.again) == (True, one)
    assert "models/pkpd/insulin-uvapadova-2008" in one.pins


EVERY_MEAL = {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d", "when": ["AC"]}}
THRICE = {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}
LATER = {"repeat": {"count": 1, "boundsPeriod": {"start": (FROZEN + timedelta(hours=3)).isoformat()}}}
RATE = [{"rateQuantity": {"value": 1.2, "unit": "U/h", "code": "[iU]/h"}}]


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (lispro(4.0, drug="insulin glargine"), "this insulin acts for a day"),
        (lispro(4.0, drug="insulin regular"), "this insulin is slower than the modelled"),
        (lispro(4.0, drug="insulin nph"), "this insulin acts longer than the modelled"),
        (lispro(4.0, drug="insulin 70 30"), "this insulin is a mixture"),
        (
            lispro(0.0, drug="insulin", timing={"code": {"text": "ASDIR"}}),
            "the dosage must be one dose for the glucose of now, not a scale; this insulin must be named",
        ),
        (
            lispro(8.0, drug="insulin", timing={"code": {"text": "BREAKFAST"}}),
            "carbohydrate of the meal is needed, and the order does not say it as one amount in grams, eaten with one "
            "dose; this insulin must be named",
        ),
        (lispro(8.0, drug="insulin"), "this insulin must be named"),
        (lispro(4.0, route=IV), "the drafted route must be under the skin: insulin into a vein is not in the model"),
        (lispro(100.0, drug="insulin regular", route=IV), "insulin into a vein is not in the model"),
        (lispro(4.0, route={}), "the drafted route must be said, and under the skin"),
        (lispro(None, doseAndRate=RATE), "a rate of insulin under the skin is not simulated: one dose now is"),
        (lispro(4.0, asNeededBoolean=True), "the drafted timing must be one dose now, not on demand"),
        (
            lispro(4.0, timing=EVERY_MEAL),
            "carbohydrate of the meal is needed, and the order does not say it as one amount in grams",
        ),
        (lispro(4.0, timing={"code": {"text": "TID AC"}}), "carbohydrate of the meal is needed"),
        (lispro(4.0, timing=THRICE), "must be one dose now: repeated ones go with meals of unknown carbohydrate"),
        (lispro(4.0, text="4 units with lunch"), "carbohydrate of the meal is needed"),
        (lispro(4.0, text="1 unit per 10 g carbohydrate"), "carbohydrate of the meal is needed"),
        (
            lispro(4.0, timing=EVERY_MEAL, text="4 units for 60 g carbohydrate"),
            "must be one dose now: repeated ones go with later meals and glucose",
        ),
        (lispro(4.0, text="4 units for 250 g carbs"), "carbohydrate must be at most 200 g in a meal"),
        (lispro(4.0, timing={}), "the drafted timing must be one dose now"),
        (lispro(4.0, timing=LATER), "the start of the draft must be within 30 min: glucose by then is not known"),
        (lispro(4.0, unit=""), "the drafted dose needs an amount in units or units per kg"),
        (lispro(4.0, unit="mL"), "the drafted dose needs an amount in units or units per kg"),
        (lispro(4.0, unit="mg/kg"), "the drafted dose needs an amount in units or units per kg"),
        (lispro(4.0, unit="U/h"), "the drafted dose needs an amount in units or units per kg"),
        (lispro(None), "the drafted dose needs an amount in units"),
        (lispro(0.0), "the drafted dose must be above 0 and at most 80 units"),
        (lispro(-4.0), "the drafted dose must be above 0 and at most 80 units"),
        (lispro(85.0), "the drafted dose must be above 0 and at most 80 units"),
        (lispro(1e300, "U/kg"), "the drafted dose must be above 0 and at most 80 units"),
    ],
)
def test_an_order_that_the_model_cannot_be_given_says_why(client: FlaskClient, draft: dict[str, Any], why: str) -> None:
    said(client, injecting(draft, chart=(*USUAL, LOW)), why)


@pytest.mark.parametrize(
    ("draft", "told"),
    [
        (lispro(4.0, drug="insulin glargine"), False),
        (lispro(8.0, drug="insulin"), False),
        (lispro(0.0, drug="insulin", timing={"code": {"text": "ASDIR"}}), False),
        (lispro(4.0, route=IV), False),
        (lispro(4.0, asNeededBoolean=True), False),
        (lispro(4.0, timing=THRICE), False),
        (lispro(4.0, timing=LATER), False),
        (lispro(4.0, timing=EVERY_MEAL), True),
        (lispro(4.0, route={}), True),
        (lispro(4.0, unit="mL"), True),
    ],
)
def test_it_has_a_card_of_its_own_only_where_who_signs_can_add_what_is_missing(
    client: FlaskClient, draft: dict[str, Any], told: bool
) -> None:
    assert [topic(one) for one in cards(client, injecting(draft))] == ["doseUnsimulatedInsulins"] * told


def said(client: FlaskClient, body: dict[str, Any], why: str) -> None:
    card = next(one for one in cards(client, body) if "dose not simulated: " in one["detail"].lower())
    assert why in card["detail"], card["detail"]
    assert "simulation" not in card["extension"][EXPLANATION]
    assert "create" not in {one["actions"][0]["type"] for one in card.get("suggestions", ())}


@pytest.mark.parametrize(
    ("chart", "why"),
    [
        (USUAL[1:], "the diagnosis: only type 1 diabetes is simulated"),
        ((TYPE_2, *USUAL[1:]), "the diagnosis: only type 1 diabetes is simulated"),
        ((TYPE_2, *USUAL), "the diagnosis: is type 1 and type 2 diabetes"),
        ((*USUAL, KETOACIDOSIS), "ketoacidosis is not in the model"),
        ((*USUAL, KETONES), "ketoacidosis is not in the model"),
        ((*USUAL, DIALYSIS), "dialysis: is outside what the models are made for"),
        ((*USUAL, PREGNANT), "pregnancy is outside what the models are made for"),
        (with_glucose(), "glucose of the last 60 min is needed"),
        (with_glucose(sugar(250.0, 4500.0)), "glucose is 3 days old: one of the last 60 min is needed"),
        (with_glucose(sugar(250.0, 300.0)), "glucose is 5 h old: one of the last 60 min is needed"),
        (with_glucose(sugar(250.0, -30.0)), "glucose of the last 60 min is needed"),
        (with_glucose(sugar(250.0, unit="mmol/L")), "glucose of the last 60 min is needed that can be true: check"),
        (with_glucose(sugar(250.0, unit="kg")), "glucose of the last 60 min is needed"),
        (with_glucose(sugar(500.0)), "glucose must be 60 to 350 mg/dL"),
        ((TYPE_1, *USUAL[GLUCOSE:]), "weight must be recorded within 30 days"),
        ((TYPE_1, weight(30.0), *USUAL[GLUCOSE:]), "weight must be 50 to 130 kg"),
        (USUAL[: GLUCOSE + 1], "insulin of a usual day must be entered"),
        (
            (*USUAL, injected(4.0, 3.0, "insulin lispro", dose={"value": 4, "unit": "mL"})),
            "insulin of a usual day must",
        ),
        ((*USUAL[:4], injected(8.0, 3.0, "insulin lispro")), "are recorded for a part of a day only"),
        ((*USUAL[:3], *USUAL[4:]), "basal insulin is needed: none was given in 24 h"),
        ((*USUAL, injected(-8.0, 3.0, "insulin lispro")), "insulin of a usual day must be entered"),
        (
            (TYPE_1, weight(60.0), *USUAL[GLUCOSE : GLUCOSE + 2], injected(8.0, 30.0)),
            "insulin of a usual day is, with this weight, like that of no virtual person",
        ),
        ((*USUAL, injected(8.0, 3.0, "insulin regular")), "insulin given before is none that the model knows"),
        ((*USUAL, injected(8.0, 3.0, "insulin lispro", route=IV)), "insulin given before is none that the model knows"),
    ],
)
def test_a_patient_whom_no_virtual_person_stands_for_is_refused_by_what_is_lacking(
    client: FlaskClient, chart: Chart, why: str
) -> None:
    said(client, injecting(lispro(4.0), chart=chart), why)


@pytest.mark.parametrize("born", ["2012-01-01", "1940-01-01"])
def test_children_and_the_very_old_are_refused(client: FlaskClient, born: str) -> None:
    body = injecting(lispro(4.0))
    body["prefetch"]["patient"] = patient(birthDate=born)
    said(client, body, "age must be 18 to 75 years")


def test_a_dose_per_kg_needs_a_weight(client: FlaskClient) -> None:
    chart = (TYPE_1, *USUAL[GLUCOSE:])
    said(
        client, injecting(lispro(0.1, "U/kg"), chart=chart), "the drafted dose is per kg: a weight of the last 30 days"
    )


def test_what_could_not_be_read_is_counted(client: FlaskClient) -> None:
    (card,) = cards(client, injecting(lispro(4.0), chart=with_glucose(sugar(250.0, unit="kg"))))
    assert "1 resource could not be used." in card["detail"]


@pytest.mark.parametrize(("draft", "pointed"), [(lispro(4.0, timing=EVERY_MEAL), True), (lispro(4.0, route={}), False)])
def test_what_the_page_takes_by_hand_is_pointed_to_and_nothing_else(
    client: FlaskClient, draft: dict[str, Any], pointed: bool
) -> None:
    (card,) = cards(client, injecting(draft))
    assert ("What if, Insulin takes by hand what is missing." in card["detail"]) == pointed


def test_a_scale_is_not_taken_apart(client: FlaskClient) -> None:
    scale = lispro(4.0)
    scale["dosageInstruction"] *= 2
    said(
        client, injecting(scale, chart=(*USUAL, LOW)), "the dosage must be one dose for the glucose of now, not a scale"
    )


def test_two_insulins_drafted_at_once_are_not_simulated_as_if_each_stood_alone(client: FlaskClient, deps: Deps) -> None:
    second = {**lispro(6.0, drug="insulin aspart"), "id": "draft-2"}
    assert cards(client, injecting(lispro(4.0), second)) == []
    found = cards(client, injecting(lispro(4.0), second, chart=(*USUAL, LOW)))
    assert "another draft of insulin stands beside it" in found[0]["detail"]
    assert {one["actions"][0]["type"] for card in found for one in card.get("suggestions", ())} <= {"delete"}
    assert not any("simulation" in one["extension"][EXPLANATION] for one in found)


def test_basal_insulin_drafted_beside_it_does_not_keep_a_dose_from_being_simulated(client: FlaskClient) -> None:
    basal = medication("draft-2", "insulin glargine", status="draft", dosageInstruction=[{"route": SKIN}])
    found = cards(client, injecting(lispro(10.0), basal))
    assert "doseHarmInsulins" in {topic(one) for one in found}


def test_a_dose_beyond_all_measure_is_told_for_anybody(client: FlaskClient) -> None:
    (card,) = cards(client, injecting(lispro(100.0), chart=()))
    assert card["summary"] == "Insulin lispro 100 units: above the highest dose here, 80 units"
    assert card["indicator"] == "warning"
    assert [one["actions"][0]["type"] for one in card["suggestions"]] == ["delete"]
    assert (
        cards(client, injecting(lispro(100.0, drug="insulin glargine"), chart=())) == []
    )  # some need as much in a day


def test_what_is_missing_is_said_once_a_day(client: FlaskClient, deps: Deps, clock: FrozenClock) -> None:
    body = injecting(lispro(4.0), chart=USUAL[1:])
    (card,) = cards(client, body)
    assert (card["indicator"], topic(card)) == ("info", "doseUnsimulatedInsulins")
    assert (
        card["summary"] == "Insulin lispro draft: dose not simulated: the diagnosis: only type 1 diabetes is simulated"
    )
    assert replay_decision(deps.knowledge, deps.store, card["uuid"]).same
    assert cards(client, body) == []
    clock.forward(hours=25)
    (other,) = cards(client, injecting(lispro(4.0, route={}), chart=USUAL[1:]))  # another reason, of the same draft
    assert "the drafted route must be said" in other["summary"]


def test_insulin_for_a_low_glucose_is_not_simulated(client: FlaskClient) -> None:
    (card,) = cards(client, injecting(lispro(4.0), chart=with_glucose(sugar(50.0))))
    assert topic(card) == "glucoseLowInsulinLispro"
    assert "simulation" not in card["extension"][EXPLANATION]
