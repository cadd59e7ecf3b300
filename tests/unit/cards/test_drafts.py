"""Which cards are due and what they say: four blocks in order, short, urgent first, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.content import artefact
from cds_app.deps import Deps
from cds_app.services.content.knowledge import RISKS
from tests.conftest import FROZEN
from tests.patients import QUIET, SEPTIC, bundle, call, course, hyperkalaemic, observation, patient, septic, stay

URL = "/cds-services/twinline-patient-view"
BLOCKS = ("**Why now**", "**Options to consider**", "**How sure**", "**Not seen**")
RANK = {"info": 0, "warning": 1, "critical": 2}

Ask = Callable[[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    def send(body: dict[str, Any]) -> list[dict[str, Any]]:
        answer = client.post(URL, json=body)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = json.loads(answer.data)["cards"]
        return found

    return send


def worst() -> dict[str, Any]:
    """Septic, with failing kidneys and a high potassium."""
    body = septic(FROZEN)
    body["prefetch"]["labs"] = bundle(
        observation("potassium", 6.9, FROZEN - timedelta(minutes=20)),
        observation("creatinine", 0.9, FROZEN - timedelta(hours=30)),
        observation("creatinine", 3.4, FROZEN - timedelta(minutes=20)),
    )
    return body


def test_a_detail_has_its_blocks_in_order_and_is_short(ask: Ask) -> None:
    found = ask(worst())
    assert found
    for card in found:
        places = [card["detail"].find(block) for block in BLOCKS]
        there = [place for place in places if place >= 0]
        assert there == sorted(there)
        assert places[0] == 0
        assert len(card["detail"]) <= 900
        assert len(card["summary"]) <= 139


def test_a_summary_leaves_the_usual_range_to_the_detail_where_it_would_be_long(ask: Ask) -> None:
    pressures = ((164, 5), (104, 0.2))
    fell = (observation("sbp", value, FROZEN - timedelta(hours=hours)) for value, hours in pressures)
    (card,) = (
        one
        for one in ask(call(patient(), stay(FROZEN - timedelta(hours=40)), *fell))
        if one["source"]["topic"]["code"] == "hypotension"
    )
    assert "down from 164" in card["summary"]
    assert "usual" not in card["summary"]
    assert "usual 90–130" in card["detail"]


def test_what_a_drug_leads_is_not_held_against_the_range_without_it(ask: Ask) -> None:
    inr: dict[str, Any] = {"code": {"coding": [{"system": "http://loinc.org", "code": "6301-6"}]}}
    values = ((2.4, 12 * 24), (2.6, 6 * 24), (1.6, 1))
    warfarin = {
        **{"resourceType": "MedicationRequest", "id": "w", "status": "active", "intent": "order"},
        **{"subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "Warfarin 3 mg"}},
        "authoredOn": (FROZEN - timedelta(days=40)).isoformat(),
    }
    found = ask(
        call(
            patient(),
            warfarin,
            *(
                observation("lactate", value, FROZEN - timedelta(hours=hours), **inr, valueQuantity={"value": value})
                for value, hours in values
            ),
        )
    )
    (card,) = (one for one in found if one["source"]["topic"]["code"] == "inrLow")
    assert card["summary"].startswith("Low INR on warfarin, below range after having been in it: INR 1.6 at ")
    assert "usual" not in card["summary"] + card["detail"].partition("**Options")[0]


@pytest.mark.parametrize(
    ("drug", "topic", "route", "harms"),
    [
        ("Vancomycin 125 mg", "vancomycin_over", "PO/NG", False),
        ("Vancomycin 125 mg", "vancomycin_over", "IV", True),
        ("Neomycin-Polymyxin-Bacitracin", "aminoglycoside", "TP", False),
        ("Gentamicin 0.3 % drops", "aminoglycoside", "OPHTHALMIC ROUTE", False),
        ("Gentamicin", "aminoglycoside", "IV", True),
    ],
)
def test_what_the_body_does_not_take_up_is_no_exposure_of_the_kidney(
    ask: Ask, deps: Deps, drug: str, topic: str, route: str, harms: bool
) -> None:
    order = {
        **{"resourceType": "MedicationRequest", "id": "v", "status": "active", "intent": "order"},
        **{"subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": drug}},
        "dosageInstruction": [{"route": {"text": route}}],
        "authoredOn": (FROZEN - timedelta(hours=20)).isoformat(),
    }
    creatinine = ((0.9, 30), (1.4, 1))
    found = ask(
        call(
            *(patient(), stay(FROZEN - timedelta(hours=40)), order),
            *(observation("creatinine", value, FROZEN - timedelta(hours=hours)) for value, hours in creatinine),
        )
    )
    (kidney,) = (one for one in found if one["source"]["topic"]["code"] == "aki")
    assert ("with nephrotoxic drugs" in kidney["summary"]) is harms
    ready = {entry.decision.topic for entry in deps.store.journal() if entry.decision}
    assert (topic in ready) is harms


def test_there_are_at_most_two_and_what_is_critical_is_among_them(ask: Ask, deps: Deps) -> None:
    found = ask(worst())
    assert len(found) == 2
    assert "hyperkalaemia" in {one["source"]["topic"]["code"] for one in found}
    assert len([one for one in deps.store.journal() if one.decision]) > 2


def test_without_an_estimate_the_most_urgent_comes_first(ask: Ask) -> None:
    body = hyperkalaemic(FROZEN)
    body["prefetch"]["labs"] = bundle(
        observation("creatinine", 0.9, FROZEN - timedelta(hours=30)),
        observation("creatinine", 1.5, FROZEN - timedelta(minutes=20)),
    )
    ranks = [RANK[card["indicator"]] for card in ask(body)]
    assert len(ranks) == 2
    assert ranks == sorted(ranks, reverse=True)


def test_a_value_that_may_be_an_artefact_is_told_as_one_to_be_confirmed(ask: Ask) -> None:
    steady = [(6, 97.0), (5, 98.0), (4, 97.0), (3, 97.0), (2, 98.0), (1, 97.0)]

    def told(latest: float) -> str:
        body = call(patient(), stay(FROZEN - timedelta(hours=8)))
        seen = [*((60 * hours, value) for hours, value in steady), (5, latest)]
        body["prefetch"]["vitals"] = bundle(
            *(observation("spo2", value, FROZEN - timedelta(minutes=minutes)) for minutes, value in seen)
        )
        return " ".join(one["detail"] for one in ask(body))

    assert "unlike the values before, confirm it" in told(45.0)


FASTING = [{"text": "If fasting, 70-100 normal, over 125 provisional diabetes."}]


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ([FASTING] * 4, False),
        ([FASTING, FASTING, [], FASTING], True),
        ([FASTING, FASTING, FASTING, [{"text": "Drawn above a glucose drip."}]], True),
        ([FASTING], True),
    ],
)
def test_what_a_laboratory_writes_beside_every_value_is_not_told(
    ask: Ask, notes: list[list[dict[str, str]]], told: bool
) -> None:
    rows = [
        observation("glucose", 51.0, FROZEN - timedelta(hours=hours), note=note)
        for hours, note in zip((1, 7, 20, 44), reversed(notes), strict=False)
    ]
    (card,) = ask(call(patient(), *rows))
    assert ("comment: " in card["detail"]) is told


def test_a_long_comment_takes_no_ground_of_a_card_away(ask: Ask) -> None:
    recorded = {"subject": {"reference": "Patient/p1"}, "recordedDate": (FROZEN - timedelta(days=90)).isoformat()}
    codes = {
        "I50.32": "Chronic diastolic (congestive) heart failure, as the cardiologist wrote",
        "I11.0": "Hypertensive",
    }
    problems = [
        {
            **{"resourceType": "Condition", "id": code, **recorded},
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}], "text": text},
        }
        for code, text in codes.items()
    ]
    peptide = {
        **observation("lactate", 6636.0, FROZEN - timedelta(hours=20), key="bnp"),
        "code": {"coding": [{"system": "http://loinc.org", "code": "33762-6"}]},
        "valueQuantity": {"value": 6636, "unit": "pg/mL"},
        "note": [{"text": "Reference values vary with age, sex and renal function: " + "at 35 % prevalence, " * 9}],
    }
    spo2 = [observation("spo2", value, FROZEN - timedelta(hours=hours)) for hours, value in ((7, 97.0), (0.1, 89.0))]
    breathing = observation("resp_rate", 27.0, FROZEN - timedelta(minutes=6))
    pressure = observation("sbp", 176.0, FROZEN - timedelta(minutes=6))
    kidney = [
        observation("creatinine", value, FROZEN - timedelta(hours=hours)) for hours, value in ((30, 1.0), (9, 1.5))
    ]
    found = ask(
        call(patient(), stay(FROZEN - timedelta(days=2)), *problems, peptide, *spo2, breathing, pressure, *kidney)
    )
    (heart,) = (one for one in found if one["source"]["topic"]["code"] == "acuteHf")
    assert "NT-proBNP 6636" in heart["detail"]
    assert "35 %" not in heart["detail"]
    assert len(heart["detail"]) <= 900


def test_a_card_about_a_stage_leads_with_what_was_measured(ask: Ask) -> None:
    ibuprofen = {
        **{"resourceType": "MedicationRequest", "id": "i", "status": "active", "intent": "order"},
        **{"subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "Ibuprofen"}},
        "authoredOn": (FROZEN - timedelta(hours=20)).isoformat(),
    }
    rows = [observation("creatinine", value, FROZEN - timedelta(hours=hours)) for hours, value in ((30, 0.9), (1, 1.4))]
    found = ask(call(patient(), stay(FROZEN - timedelta(hours=40)), ibuprofen, *rows))
    (kidney,) = (one for one in found if one["source"]["topic"]["code"] == "aki")
    assert "KDIGO stage 1 with nephrotoxic drugs: Creatinine 1.40 mg/dL" in kidney["summary"]
    assert ", up from 0.90" in kidney["summary"]


def test_a_risk_is_compared_with_what_it_was(ask: Ask) -> None:
    def between(share: float) -> dict[str, float]:
        return {name: QUIET[name] + share * (SEPTIC[name] - QUIET[name]) for name in QUIET}

    ill = course(FROZEN, between(1.0), between(0.95), 24)
    labs = [observation(name, value, FROZEN - timedelta(hours=8)) for name, value in (("lactate", 4.4), ("wbc", 21.0))]
    found = ask(call(patient(), stay(FROZEN - timedelta(hours=30)), *ill, *labs))
    (summary,) = [one["summary"] for one in found if one["source"]["topic"]["code"] == "sepsis"]
    assert ", down from " in summary


def test_no_order_is_drafted_twice_in_one_answer(ask: Ask) -> None:
    drafts = [
        action["resource"]
        for card in ask(worst())
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
    ]
    codes = [json.dumps(one.get("code") or one.get("medicationCodeableConcept"), sort_keys=True) for one in drafts]
    assert codes
    assert len(set(codes)) == len(codes)


def test_where_something_specific_calls_for_action_unusual_overall_is_not_said(ask: Ask, deps: Deps) -> None:
    ask(worst())
    assert "deviation" not in {one.decision.topic for one in deps.store.journal() if one.decision}


def test_reasons_of_a_risk_are_points_that_add_up(ask: Ask) -> None:
    card = next(one for one in ask(septic(FROZEN)) if one["source"]["topic"]["code"] == "sepsis")
    risk = card["extension"]["com.twinline.explanation"]["risk"]
    assert sum(one["points"] for one in risk["reasons"]) == pytest.approx(risk["points"] - risk["base"], abs=0.05)
    assert risk["low"] <= risk["points"] <= risk["high"]


def test_every_ground_is_a_resource_that_was_sent(ask: Ask) -> None:
    body = hyperkalaemic(FROZEN)
    sent = {f"Observation/{one['resource']['id']}" for one in body["prefetch"]["vitals"]["entry"]}
    (card,) = ask(body)
    grounds = card["extension"]["com.twinline.explanation"]["grounds"]
    assert grounds
    assert set(grounds) <= sent
    (resource, *_) = [action["resource"] for one in card["suggestions"] for action in one["actions"]]
    evidence = resource.get("supportingInfo") or resource["supportingInformation"]
    assert {one["reference"] for one in evidence} <= sent


def test_what_was_held_back_is_said_by_its_name_to_machines_too(ask: Ask) -> None:
    body = septic(FROZEN)
    body["prefetch"]["labs"]["entry"].append({"resource": observation("lactate", 3.1, FROZEN - timedelta(minutes=20))})
    card = next(one for one in ask(body) if one["source"]["topic"]["code"] == "sepsis")
    refused = card["extension"]["com.twinline.explanation"]["refused"]
    assert ("Measuring lactate", "Measured in the last 3 hours: Lactate.") in {
        (one["text"], one["reason"]) for one in refused
    }


@pytest.mark.parametrize(("value", "said"), [(0.0, True), (-4.0, True), (4.0, False)])
def test_a_result_that_cannot_be_true_is_said_to_be_left_out(ask: Ask, value: float, said: bool) -> None:
    odd = observation("potassium", value, FROZEN - timedelta(minutes=20))
    card = ask(call(patient(), stay(FROZEN - timedelta(hours=9)), odd))[0]
    assert ("1 resource could not be used" in card["detail"]) is said


def test_a_child_gets_no_estimate(ask: Ask) -> None:
    def estimates(body: dict[str, Any]) -> int:
        return sum("risk" in card["extension"]["com.twinline.explanation"] for card in ask(body))

    child = septic(FROZEN)
    child["prefetch"]["patient"] = patient(birthDate="2020-01-01")
    assert estimates(child) == 0
    assert estimates(septic(FROZEN, "p2")) > 0


def test_an_outpatients_missing_estimate_is_no_news(ask: Ask) -> None:
    visit = stay(FROZEN - timedelta(hours=1), class_code="AMB")
    assert ask(call(patient(), visit, observation("heart_rate", 76.0, FROZEN - timedelta(minutes=5)))) == []


def test_the_dead_get_no_card_about_what_could_not_be_estimated(ask: Ask) -> None:
    gone = patient(deceasedDateTime=(FROZEN - timedelta(hours=1)).isoformat())
    assert ask(call(gone, stay(FROZEN - timedelta(hours=9)))) == []


def unestimated(cards: list[dict[str, Any]]) -> list[list[str]]:
    told = [one["extension"]["com.twinline.explanation"] for one in cards]
    return [one["notEstimated"] for one in told if "notEstimated" in one]


def test_one_card_tells_of_all_that_could_not_be_estimated(ask: Ask) -> None:
    old = observation("heart_rate", 80.0, FROZEN - timedelta(hours=30))
    assert unestimated(ask(call(patient(), stay(FROZEN - timedelta(hours=40)), old))) == [list(RISKS)]


LOST_STAY = {**stay(FROZEN), "period": {"start": "yesterday"}}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), False),  # one old pressure and no stay: an outpatient
        ((observation("heart_rate", 80.0, FROZEN - timedelta(minutes=9)),), False),  # a visit to a clinic
        (
            tuple(observation(name, value, FROZEN) for name, value in QUIET.items()),
            True,
        ),  # watched at the bedside: a stay is missing
        ((LOST_STAY,), True),
    ],
)
def test_that_no_stay_is_on_record_is_news_where_one_was_to_be_expected(
    ask: Ask, more: tuple[dict[str, Any], ...], told: bool
) -> None:
    old = observation("sbp", 120.0, FROZEN - timedelta(days=30))
    assert bool(unestimated(ask(call(patient(), old, *more)))) is told


def test_that_no_stay_is_on_record_is_news_where_the_stays_could_not_be_had(ask: Ask) -> None:
    body = call(patient(), observation("sbp", 120.0, FROZEN - timedelta(days=30)))
    del body["prefetch"]["encounters"]
    assert unestimated(ask(body)) == [list(RISKS)]


def test_that_a_state_is_there_already_is_no_missing_estimate(ask: Ask) -> None:
    assert unestimated(ask(septic(FROZEN))) == []


def test_an_impending_state_is_a_card_of_its_topic_with_what_such_alerts_were_worth(ask: Ask) -> None:
    """Pressure that was below 65 mmHg in seven of eight hours, and is not just now."""
    hours = range(24, -1, -1)
    pressure = [observation("map", 60.0 if hour % 8 else 65.0, FROZEN - timedelta(hours=hour)) for hour in hours]
    others = {**QUIET, "sbp": 91.0, "dbp": 46.0}
    del others["map"]
    body = call(patient(), stay(FROZEN - timedelta(hours=30)), *pressure, *course(FROZEN, others, others, 24))
    (card,) = [one for one in ask(body) if one["source"]["topic"]["code"] == "hypotension"]
    assert card["indicator"] == "info"
    assert card["summary"].startswith("Raised risk of low blood pressure: ")
    assert " in 100 in next 4 h" in card["summary"]
    assert "Consider the cause first" in card["detail"]
    worth = artefact("hypotension", "1.0.0").manifest["policy"]
    right, found = (round(100 * worth[name]) for name in ("ppv", "sensitivity"))
    assert f"Of 100 test patients with an alert like this, {right} had low blood pressure" in card["detail"]
    assert f"of 100 with it, {found} were alerted before" in card["detail"]


def background_of(card: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = card["extension"]["com.twinline.explanation"].get("background", [])
    return found


def long_stay(*labs: str) -> dict[str, Any]:
    """Septic after 60 hours in intensive care."""
    early = (observation(name, 2.0, FROZEN - timedelta(hours=20)) for name in labs)
    return call(patient(), stay(FROZEN - timedelta(hours=60)), *course(FROZEN, QUIET, SEPTIC, 40), *early)


def test_the_first_days_are_told_beside_a_card_once_they_are_over(ask: Ask) -> None:
    told = [one for card in ask(long_stay("creatinine", "lactate", "wbc")) for one in background_of(card)]
    assert told
    for one in told:
        assert (one["model"], one["fromFirstHours"]) == ("mortality", 48.0)
        assert 0.0 < one["low"] <= one["points"] <= one["high"] < 100.0
        assert 0 < len(one["reasons"]) <= 5
        assert "horizonHours" not in one
    assert not [one for card in ask(septic(FROZEN)) for one in background_of(card)]


def test_of_first_days_with_too_little_the_reason_is_told_and_no_card_is_raised(ask: Ask) -> None:
    found = ask(long_stay())
    assert {"model": "mortality", "notEstimated": ["few-measurements"]} in background_of(found[0])
    assert not any("mortality" in json.dumps(card["source"]) for card in found)
