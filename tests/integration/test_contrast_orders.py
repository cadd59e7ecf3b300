"""A contrast CT that is drafted meets the checks of iodinated contrast, whether its name or its code says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.fabric.drafts.contrast import gives_contrast
from tests.conftest import FROZEN
from tests.orders import cards, medication, signing
from tests.patients import observation

URL = "/cds-services/twinline-order-select"
WITH = {"text": "CT abdomen and pelvis with IV contrast"}
CODED = {"coding": [{"system": "http://loinc.org", "code": "36813-4"}]}
SHOWN = {"coding": [{"system": "urn:local", "code": "9", "display": "CT CHEST W CONTRAST"}], "text": "CT chest"}


def study(code: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "ServiceRequest", "id": "ct", "status": "draft", "intent": "order", "code": code, **more}


def kidney(value: float) -> tuple[dict[str, Any], ...]:
    return tuple(observation("creatinine", value, FROZEN - timedelta(hours=hours), key=f"c{hours}") for hours in (9, 2))


def problem(code: str) -> dict[str, Any]:
    return {
        **{"resourceType": "Condition", "id": code, "subject": {"reference": "Patient/p1"}},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
        "recordedDate": (FROZEN - timedelta(days=9)).isoformat(),
    }


ALLERGY = {
    **{"resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p1"}},
    "code": {"text": "Iodinated contrast"},
    "recordedDate": (FROZEN - timedelta(days=900)).isoformat(),
}


@pytest.mark.parametrize("code", [WITH, CODED, SHOWN])
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_at_a_low_filtration_it_is_told_by_name_or_by_code(
    client: FlaskClient, code: dict[str, Any], hook: str
) -> None:
    body = signing(study(code), chart=kidney(3.1), hook=hook)
    if hook == "order-select":
        body["context"]["selections"] = ["ServiceRequest/ct"]
    (card,) = cards(client, body, f"/cds-services/twinline-{hook}")
    assert card["summary"].startswith("Draft order Iodinated contrast: low filtration")
    assert card["indicator"] == "warning"
    assert "Below eGFR 30 contrast may injure the kidney." in card["detail"]
    ((action,),) = (one["actions"] for one in card["suggestions"])
    assert (action["type"], action["resourceId"]) == ("delete", "ServiceRequest/ct")


@pytest.mark.parametrize(
    "code", [{"text": "CT head without contrast"}, {"text": "MRI brain with contrast"}, {"text": "Chest X-ray"}]
)
def test_other_studies_meet_no_such_check(client: FlaskClient, code: dict[str, Any]) -> None:
    assert cards(client, signing(study(code), chart=(*kidney(3.1), ALLERGY))) == []


@pytest.mark.parametrize(
    ("chart", "said"),
    [
        ((ALLERGY,), "Allergy recorded: Iodinated contrast"),
        ((problem("E05.00"),), "iodine may bring on a storm"),
        ((medication("m", "metformin 500 mg tablet"), *kidney(1.6)), "Metformin is taken, and eGFR is below 60"),
    ],
)
def test_what_else_speaks_against_it_is_told(client: FlaskClient, chart: tuple[dict[str, Any], ...], said: str) -> None:
    (card,) = cards(client, signing(study(WITH), chart=chart))
    assert said in card["detail"]
    assert card["indicator"] == "warning"


def test_with_a_sound_kidney_and_nothing_against_it_there_is_no_card(client: FlaskClient) -> None:
    assert cards(client, signing(study(WITH), chart=(medication("m", "metformin 500 mg tablet"), *kidney(0.8)))) == []


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("CT Head WO and W contrast IV", True),
        ("CT abdomen w/o & w contrast", True),
        ("CT w/wo contrast", True),
        ("Contrast-enhanced CT of thorax", True),
        ("CT abdomen with oral and IV contrast", True),
        ("CT pulmonary angiogram", True),
        ("Coronary angiography", True),
        ("CT abdomen with oral contrast", False),
        ("CT brain non-contrast", False),
        ("MR angiography head with contrast", False),
        ("Ultrasound liver with contrast", False),
        ("CT sinuses", False),
    ],
)
def test_names_of_studies_say_whether_contrast_is_given(text: str, given: bool) -> None:
    assert gives_contrast(text) is given


@pytest.mark.parametrize(("name", "told"), [(WITH, True), ({"text": "CT abdomen without contrast"}, False)])
def test_contrast_in_pregnancy_is_told(client: FlaskClient, name: dict[str, Any], told: bool) -> None:
    body = signing(study(name), chart=(problem("Z33.1"), *kidney(0.7)))
    body["prefetch"]["patient"]["birthDate"] = "1996-02-03"
    found = cards(client, body)
    assert ["Pregnancy is recorded: the study irradiates" in one["detail"] for one in found] == ([True] if told else [])
    assert all(one["indicator"] == "warning" and "CT decides" in one["detail"] for one in found)
