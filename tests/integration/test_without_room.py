"""What is to be acted on and has no card, as a response holds two, is named by its last card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from cds_app.cards.wire import SUMMARY_LIMIT
from tests.conformance.rules import violations
from tests.conftest import FROZEN
from tests.orders import cards as signed
from tests.orders import medication, potassium, signing
from tests.patients import call, observation, patient, stay

URL = "/cds-services/twinline-patient-view"


CODES = {
    "glucose": ("2345-7", "mg/dL"),
    "hemoglobin": ("718-7", "g/dL"),
    "potassium": ("2823-3", "mmol/L"),
    "magnesium": ("19123-9", "mg/dL"),
    "phosphate": ("2777-1", "mg/dL"),
    "inr": ("6301-6", "{INR}"),
}


def lab(name: str, value: float) -> dict[str, Any]:
    code, unit = CODES[name]
    made = observation("potassium", value, FROZEN - timedelta(minutes=20), key=name)
    made["code"]["coding"][0]["code"] = code
    made["valueQuantity"] |= {"unit": unit, "code": unit}
    return made


def opened(client: FlaskClient, **values: float) -> list[dict[str, Any]]:
    rows = [lab(name, value) for name, value in values.items()]
    answer = client.post(URL, json=call(patient(), stay(FROZEN - timedelta(hours=40)), *rows))
    assert answer.status_code == 200, answer.text
    assert violations(answer.get_json()) == []
    found: list[dict[str, Any]] = answer.get_json()["cards"]
    return found


def test_the_last_card_names_what_the_cap_leaves_without_one(client: FlaskClient) -> None:
    first, last = opened(client, glucose=38.0, hemoglobin=6.1, potassium=2.6)
    assert "lso" not in first["summary"]
    assert "Also open" not in first["detail"]
    assert last["summary"].endswith("; also: Low potassium 2.6 mmol/L")
    assert len(last["summary"]) <= SUMMARY_LIMIT
    assert "- Also open: Low potassium 2.6 mmol/L" in last["detail"]
    assert len(last["detail"]) <= 900


def test_it_has_its_own_card_at_the_next_opening(client: FlaskClient) -> None:
    opened(client, glucose=38.0, hemoglobin=6.1, potassium=2.6)
    next_, *_ = opened(client, glucose=38.0, hemoglobin=6.1, potassium=2.6)
    assert next_["source"]["topic"]["code"] == "hypokalaemia"
    assert "Also open" not in next_["detail"]


def test_what_is_information_alone_is_not_named(client: FlaskClient) -> None:
    *_, last = opened(client, glucose=38.0, hemoglobin=6.1, potassium=3.3)
    assert "Also open" not in last["detail"]


def test_of_many_the_detail_names_all_and_the_summary_what_it_holds(client: FlaskClient) -> None:
    *_, last = opened(client, glucose=38.0, hemoglobin=6.1, potassium=2.6, magnesium=0.8, phosphate=0.7, inr=6.0)
    (line,) = (one for one in last["detail"].splitlines() if "Also open" in one)
    for what in ("High INR", "Low magnesium", "Low potassium", "Low phosphate"):
        assert what in line
    assert " and 3 more" in last["summary"]
    assert len(last["summary"]) <= SUMMARY_LIMIT
    assert len(last["detail"]) <= 900


def test_a_draft_that_has_no_card_is_named_too(client: FlaskClient) -> None:
    names = ("spironolactone", "lisinopril", "potassium chloride", "losartan")
    rows = [medication(f"d{at}", f"{name} oral", status="draft") for at, name in enumerate(names)]
    found = signed(client, signing(*rows, chart=potassium(6.4)))
    assert len(found) == 3
    assert sum("Also open: " in one["detail"] for one in found) == 1
    assert "Also open: Losartan: potassium is high" in found[-1]["detail"]
