"""Problems and allergies in words, with no code that others share: known by their whole name, else said to be there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.answers import cards_of
from tests.conftest import FROZEN
from tests.orders import SIGN, potassium, signing, spironolactone
from tests.patients import bundle, call, hyperkalaemic, observation, patient, septic

UNREAD = "in words or local codes, not understood here"
CHECK_IT = "An allergy in words that are not understood here is recorded: check it"


def worded(kind: str, text: str, **more: Any) -> dict[str, Any]:
    of = {"Condition": "subject", "Procedure": "subject", "AllergyIntolerance": "patient"}[kind]
    return {
        "resourceType": kind,
        "id": f"w{len(text)}",
        "code": {"text": text},
        of: {"reference": "Patient/p1"},
        **more,
    }


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Pulmonary oedema", True),
        ("pulmonary  EDEMA", True),
        ("Pulmonary-oedema", True),
        ("Pulmonary oedema?", False),
        ("No pulmonary oedema", False),
        ("Family history of pulmonary oedema", False),
        ("Pulmonary oedema, resolved", False),
    ],
)
def test_a_problem_in_words_is_known_by_its_whole_name_and_nothing_else(
    client: FlaskClient, text: str, read: bool
) -> None:
    low = [observation("spo2", 84.0, FROZEN - timedelta(hours=hours)) for hours in (2, 1)]
    body = call(patient(), *low)
    body["prefetch"]["conditions"] = bundle(worded("Condition", text, recordedDate=FROZEN.isoformat()))
    found = cards_of(client, body)
    assert ("acuteHf" in {one["source"]["topic"]["code"] for one in found}) is read
    assert found
    assert all(("1 problem " + UNREAD in one["detail"]) is not read for one in found)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("COPD", True),
        ("Chronic obstructive pulmonary disease", True),
        ("Chronic Obstructive Pulmonary Disease (disorder)", True),
        ("Chronic obstructive pulmonary disease, unspecified", True),
        ("No history of COPD", False),
        ("No chronic obstructive pulmonary disease", False),
        ("COPD?", False),
        ("COPD (ruled out)", False),
        ("Mother: COPD", False),
        ("Asthma/COPD", False),
    ],
)
def test_a_problem_is_known_by_the_names_of_its_codes_too(client: FlaskClient, text: str, read: bool) -> None:
    low = [observation("spo2", 85.0, FROZEN - timedelta(hours=hours)) for hours in (2, 1)]
    body = call(patient(), *low)
    body["prefetch"]["conditions"] = bundle(worded("Condition", text, recordedDate=FROZEN.isoformat()))
    (card,) = (one for one in cards_of(client, body) if one["source"]["topic"]["code"] == "hypoxia")
    assert ("88-92 %" in card["detail"]) is read
    assert (UNREAD in card["detail"]) is not read


def test_problems_in_words_that_are_not_understood_are_counted_while_they_hold(client: FlaskClient) -> None:
    body = hyperkalaemic(FROZEN)
    over = {"coding": [{"code": "resolved"}]}
    given = [worded("Condition", "Bad kidneys"), worded("Condition", "Sugar"), worded("Condition", "Flu")]
    body["prefetch"]["conditions"] = bundle(*given[:2], {**given[2], "clinicalStatus": over})
    assert f"2 problems {UNREAD}." in cards_of(client, body)[0]["detail"]


@pytest.mark.parametrize(
    ("text", "unread"),
    [
        ("PCN", True),
        ("Latex", True),
        ("No shellfish", True),
        ("No known allergies except latex", True),
        ("NKDA", False),
        ("No known allergies", False),
        ("No known penicillin allergy", False),
    ],
)
def test_an_allergy_that_is_not_understood_stands_beside_every_drug_that_is_offered(
    client: FlaskClient, text: str, unread: bool
) -> None:
    body = septic(FROZEN)
    body["prefetch"]["allergies"] = bundle(worded("AllergyIntolerance", text))
    body["prefetch"]["conditions"] = bundle(worded("Condition", "Pneumonia", recordedDate=FROZEN.isoformat()))
    card = next(one for one in cards_of(client, body) if one["source"]["topic"]["code"] == "sepsis")
    assert (CHECK_IT in card["detail"]) is unread


@pytest.mark.parametrize(
    ("system", "unread"), [("urn:oid:1.2.840.114350.1.13.0.1.7.2.768076", True), ("http://snomed.info/sct", False)]
)
def test_a_code_of_the_house_says_no_more_than_its_words(client: FlaskClient, system: str, unread: bool) -> None:
    body = signing(spironolactone(), chart=potassium(6.2))
    coding = {"coding": [{"system": system, "code": "91935009"}], "text": "Peanut"}
    body["prefetch"]["allergies"] = bundle({**worded("AllergyIntolerance", "x"), "code": coding})
    (card,) = cards_of(client, body, SIGN)
    assert ("in words that are not understood here" in card["detail"]) is unread


@pytest.mark.parametrize(("text", "unread"), [("PCN", True), ("Penicillin", False)])
def test_an_order_is_not_said_to_be_free_of_allergies_that_are_not_understood(
    client: FlaskClient, text: str, unread: bool
) -> None:
    body = signing(spironolactone(), chart=potassium(6.2))
    body["prefetch"]["allergies"] = bundle(worded("AllergyIntolerance", text))
    (card,) = cards_of(client, body, SIGN)
    assert ("in words that are not understood here" in card["detail"]) is unread


def test_a_procedure_in_words_is_known_by_its_whole_name(client: FlaskClient) -> None:
    lately = (FROZEN - timedelta(hours=3)).isoformat()
    body = signing(spironolactone(), chart=potassium(6.2))
    done = worded("Procedure", "Hemodialysis", status="completed", performedDateTime=lately)
    body["prefetch"]["procedures"] = bundle(done)
    (card,) = cards_of(client, body, SIGN)
    assert "dialysis" in card["detail"]
