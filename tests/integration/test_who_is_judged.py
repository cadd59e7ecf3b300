"""Whom cards are about: children are told of as such, the dead not at all, and nobody by a fact without a name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.answers import cards_of
from tests.conftest import FROZEN, FrozenClock
from tests.patients import QUIET, SEPTIC, call, course, observation, patient, stay

ILL = ("potassium", 7.1)


def said_of(client: FlaskClient, *resources: dict[str, Any]) -> list[dict[str, Any]]:
    return cards_of(client, call(*resources))


@pytest.mark.parametrize("class_code", ["IMP", "AMB"])
@pytest.mark.parametrize("born", ["2023-02-03", "2026-02-27", "2008-03-02"])
def test_no_rule_of_adult_care_is_applied_to_a_child_and_a_card_says_so(
    client: FlaskClient, born: str, class_code: str
) -> None:
    start = FROZEN - timedelta(hours=11)
    found = said_of(
        client,
        patient(birthDate=born),
        stay(start, class_code=class_code),
        *course(FROZEN, SEPTIC, SEPTIC),
        observation(*ILL, FROZEN - timedelta(hours=1)),
    )
    assert [one["source"]["topic"]["code"] for one in found] == ["notEstimated"]
    assert "the models are for adults" in found[0]["summary"]
    assert "those of Twinline are for adults" in found[0]["detail"]


def test_of_a_child_it_is_told_once_a_stay_and_at_visits_once_a_year(client: FlaskClient, clock: FrozenClock) -> None:
    child = patient(birthDate="2020-02-03")

    def told(*stays: dict[str, Any]) -> bool:
        return bool(said_of(client, child, *stays, observation(*ILL, clock.at - timedelta(hours=1))))

    def visit() -> dict[str, Any]:
        return {**stay(clock.at - timedelta(hours=1), class_code="AMB"), "id": f"visit-{clock.at:%Y%m%d}"}

    assert told(visit())
    for days in (1, 30, 300):
        clock.forward(days=days)
        assert not told(visit())
    admitted = {**stay(clock.at - timedelta(hours=2)), "id": "admission"}
    assert told(admitted), "on the ward others look after the child"
    clock.forward(days=9)
    assert not told(admitted)
    clock.forward(days=360)
    over = {**admitted, "status": "finished", "meta": {"versionId": "2"}}
    over["period"] = {**admitted["period"], "end": (clock.at - timedelta(days=350)).isoformat()}
    assert told(over, visit())


@pytest.mark.parametrize("born", ["2008-02-27", None])
def test_an_adult_and_somebody_of_unknown_age_are_judged(client: FlaskClient, born: str | None) -> None:
    found = said_of(client, patient(birthDate=born), observation(*ILL, FROZEN - timedelta(hours=1)))
    assert "7.1 mmol/L" in found[0]["summary"]
    assert not any("of adults" in one["detail"] for one in found)


@pytest.mark.parametrize("dead", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-02-28"}])
def test_no_card_is_about_the_dead(client: FlaskClient, dead: dict[str, Any]) -> None:
    for _ in range(2):
        assert said_of(client, patient(**dead), observation(*ILL, FROZEN - timedelta(hours=1))) == []
    alive = patient(deceasedBoolean=False, meta={"versionId": "2"})
    assert said_of(client, alive, observation(*ILL, FROZEN - timedelta(hours=1), key="again"))


def test_dying_is_not_told_as_unusual_once_it_is_over(client: FlaskClient) -> None:
    dying = {
        "heart_rate": 25.0,
        "spo2": 43.0,
        "sbp": 50.0,
        "dbp": 20.0,
        "map": 30.0,
        "resp_rate": 4.0,
        "body_temp": 34.0,
    }
    rows = course(FROZEN - timedelta(minutes=10), SEPTIC, dying)
    died = {"deceasedDateTime": (FROZEN - timedelta(minutes=5)).isoformat()}
    assert said_of(client, patient(**died), stay(FROZEN - timedelta(hours=30)), *rows) == []


@pytest.mark.parametrize(("class_code", "told"), [("IMP", True), ("EMER", True), ("AMB", False)])
def test_a_visit_is_not_compared_with_hours_of_intensive_care(client: FlaskClient, class_code: str, told: bool) -> None:
    odd = {**QUIET, "heart_rate": 168.0, "body_temp": 41.6, "sbp": 165.0, "dbp": 135.0, "map": 145.0}
    rows = course(FROZEN, QUIET, odd)
    found = said_of(client, patient(), stay(FROZEN - timedelta(hours=11), class_code=class_code), *rows)
    assert ("deviation" in {one["source"]["topic"]["code"] for one in found}) is told


def test_a_problem_without_a_text_has_the_name_that_we_know_it_by(client: FlaskClient) -> None:
    recorded = (FROZEN - timedelta(hours=20)).isoformat()
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J81.0"}
    oedema = {
        "resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "recordedDate": recorded,
        "code": {"coding": [coding]},
    }  # fmt: skip
    signs = [observation(name, value, FROZEN - timedelta(minutes=9)) for name, value in (("spo2", 84.0), ("sbp", 84.0))]
    found = said_of(client, patient(), stay(FROZEN - timedelta(hours=30)), oedema, *signs)
    heart = next(one for one in found if "heart failure" in one["summary"])
    assert "Pulmonary oedema, recorded" in heart["detail"]
    assert "- , " not in heart["detail"]
    assert "Before discharge" not in heart["detail"], "nobody in shock is discharged"


@pytest.mark.parametrize(("glucose", "asked"), [(215.0, False), (320.0, True)])
def test_ketones_are_missed_only_where_glucose_makes_one_think_of_them(
    client: FlaskClient, glucose: float, asked: bool
) -> None:
    rows = [observation("glucose", glucose, FROZEN - timedelta(hours=hours), key=f"g{hours}") for hours in (1, 5)]
    found = said_of(client, patient(), stay(FROZEN - timedelta(hours=11)), *rows)
    card = next(one for one in found if "High glucose" in one["summary"])
    assert "Consider insulin" in card["detail"]
    assert ("Not if ketoacidosis is likely" in card["detail"]) is asked


def test_a_card_of_shock_names_what_to_do_before_it_takes_a_number_apart(client: FlaskClient) -> None:
    recorded = (FROZEN - timedelta(hours=4)).isoformat()
    about = {"subject": {"reference": "Patient/p1"}, "recordedDate": recorded}
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J18.9"}
    pneumonia = {"resourceType": "Condition", "id": "c", **about, "code": {"coding": [coding], "text": "Pneumonia"}}
    allergy = {
        "resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p1"},
        "code": {"text": "Penicillin"},
    }  # fmt: skip
    found = said_of(
        client,
        patient(),
        stay(FROZEN - timedelta(hours=11)),
        pneumonia,
        allergy,
        *course(FROZEN, SEPTIC, SEPTIC),
        observation("lactate", 5.0, FROZEN - timedelta(hours=1)),
    )
    sepsis = next(one for one in found if "septic shock" in one["summary"])
    assert "others together" not in sepsis["detail"]
    assert "risk" in sepsis["extension"]["com.twinline.explanation"], "the number is there for whoever opens the twin"
    assert "mmHg" in sepsis["detail"].partition("**Options")[0], "what it rests on is there"
    options = [one["label"] for one in sepsis["suggestions"]]
    assert any("blood cultures" in one for one in options)
    assert any("meropenem" in one for one in options)
    assert any("norepinephrine" in one for one in options)
    assert len(sepsis["detail"]) <= 900


def test_a_score_that_a_raised_risk_does_not_rest_on_brings_no_proviso_of_its_own(client: FlaskClient) -> None:
    recorded = {"subject": {"reference": "Patient/p1"}, "recordedDate": "2020-01-01T00:00:00Z"}
    copd = {"resourceType": "Condition", "id": "c", **recorded, "code": {"text": "COPD"}}
    vital = {
        "heart_rate": 108.0,
        "resp_rate": 24.0,
        "spo2": 92.0,
        "body_temp": 38.2,
        "sbp": 112.0,
        "dbp": 60.0,
        "map": 77.0,
    }
    start = stay(FROZEN - timedelta(hours=90))
    rows = (*course(FROZEN, vital, vital, 24), observation("wbc", 18.0, FROZEN - timedelta(hours=5)))
    found = said_of(client, patient(), start, copd, *rows, observation("lactate", 1.9, FROZEN - timedelta(hours=2)))
    told = {one["source"]["topic"]["code"]: one for one in found}
    assert "sepsis risk" in told["sepsis"]["summary"]
    assert "scale 1" not in told["sepsis"]["detail"]


def test_a_stage_that_rests_on_no_measurement_is_said_as_a_stage(client: FlaskClient) -> None:
    about = {"subject": {"reference": "Patient/p1"}}
    lately = (FROZEN - timedelta(hours=9)).isoformat()
    dialysis = {
        **{"resourceType": "Procedure", "id": "d", "status": "completed", **about},
        **{"code": {"text": "Hemodialysis"}, "performedDateTime": lately},
    }
    vancomycin = {
        **{"resourceType": "MedicationRequest", "id": "v", "status": "active", "intent": "order", **about},
        **{"medicationCodeableConcept": {"text": "Vancomycin"}, "authoredOn": lately},
        "dosageInstruction": [{"route": {"text": "IV"}}],
    }
    found = said_of(client, patient(), stay(FROZEN - timedelta(hours=30)), dialysis, vancomycin)
    (card,) = (one for one in found if one["source"]["topic"]["code"] == "vancomycinOver")
    assert "with kidney injury: KDIGO stage" in card["summary"]
