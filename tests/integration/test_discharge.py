"""Before discharge: what is unresolved, what is pending, and the parts of a readmission score, over HTTP."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.services.replay import replay_decision
from tests.answers import cards_in
from tests.conformance.rules import violations
from tests.conftest import FROZEN
from tests.orders import medication, potassium
from tests.patients import QUIET, call, course, observation, patient, stay

URL = "/cds-services/twinline-encounter-discharge"


def leaving(*chart: dict[str, Any], days: float = 1.0) -> dict[str, Any]:
    body = call(
        patient(),
        stay(FROZEN - timedelta(days=days)),
        *course(FROZEN, QUIET, QUIET),
        *chart,
        hook="encounter-discharge",
    )
    body["context"]["encounterId"] = "p1-stay"
    return body


def cards(client: FlaskClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(URL, json=body)
    assert violations(answer.get_json()) == []
    return cards_in(answer)


def lab(name: str, code: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    made = observation("potassium", value, FROZEN - timedelta(hours=3), key=f"p1-{name}", **more)
    made["code"]["coding"][0]["code"] = code
    made["valueQuantity"] |= {"unit": unit, "code": unit}
    return made


def earlier_stay(number: int) -> dict[str, Any]:
    start = FROZEN - timedelta(days=30 * number)
    return {
        **stay(start),
        "id": f"earlier-{number}",
        "status": "finished",
        "period": {"start": start.isoformat(), "end": (start + timedelta(days=3)).isoformat()},
    }


def test_a_quiet_patient_leaves_without_a_card(client: FlaskClient) -> None:
    assert cards(client, leaving(*potassium(4.4))) == []


def test_what_is_unresolved_and_pending_is_one_card(client: FlaskClient, deps: Deps) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "preliminary",
        "code": {"text": "Blood culture <b>"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (FROZEN - timedelta(hours=5)).isoformat(),
    }
    registered = lab("hb", "718-7", 11.0, "g/dL", status="registered")
    (card,) = cards(client, leaving(*potassium(6.2), report, registered))
    assert card["summary"] == ("Before discharge: 1 unresolved (High potassium, moderate), 2 results or tests pending")
    assert card["indicator"] == "warning"
    assert "Unresolved: High potassium, moderate: Potassium 6.2 mmol/L" in card["detail"]
    assert "Pending: Blood culture &#60;b&#62;, not final" in card["detail"]
    assert "1 registered without a value yet" in card["detail"]
    (one,) = [entry.decision for entry in deps.store.journal() if entry.decision]
    assert replay_decision(deps.knowledge, deps.store, one.id).same


def test_a_stage_of_kidney_injury_says_what_it_is_a_multiple_of(client: FlaskClient) -> None:
    before = observation("creatinine", 0.9, FROZEN - timedelta(hours=60))
    (card,) = cards(client, leaving(before, observation("creatinine", 2.1, FROZEN - timedelta(hours=3)), days=3.0))
    (line,) = [one for one in card["detail"].splitlines() if "KDIGO stage 2" in one]
    assert line.endswith("; creatinine 2.33 times the week's lowest of 0.90 mg/dL")


def test_what_is_pending_alone_is_information(client: FlaskClient) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "id": "s1",
        "status": "active",
        "intent": "order",
        "code": {"text": "Echocardiogram"},
        "subject": {"reference": "Patient/p1"},
        "authoredOn": (FROZEN - timedelta(hours=5)).isoformat(),
    }
    (card,) = cards(client, leaving(order))
    assert (card["indicator"], card["summary"]) == ("info", "Before discharge: 1 result or test pending")
    assert "Pending: Echocardiogram, ordered, no result" in card["detail"]


@pytest.mark.parametrize(("orders", "more"), [(4, None), (5, "1 more not final"), (7, "3 more not final")])
def test_of_much_that_is_pending_the_rest_is_counted(client: FlaskClient, orders: int, more: str | None) -> None:
    order = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": (FROZEN - timedelta(hours=5)).isoformat(),
    }
    pending = [{**order, "id": f"s{number}", "code": {"text": f"Study {number}"}} for number in range(orders)]
    (card,) = cards(client, leaving(*pending))
    assert card["summary"] == f"Before discharge: {orders} results or tests pending"
    assert card["detail"].count("ordered, no result") == 4
    assert re.findall(r"\d+ more not final", card["detail"]) == ([more] if more else [])


def test_a_readmission_score_names_its_parts_and_what_it_lacks(client: FlaskClient) -> None:
    chart = [lab("hb", "718-7", 9.8, "g/dL"), lab("na", "2951-2", 131.0, "mmol/L"), earlier_stay(2), earlier_stay(5)]
    (card,) = cards(client, leaving(*chart, days=6))
    assert card["summary"] == "Readmission within 30 days: HOSPITAL score at least 6 of 13, intermediate or higher"
    assert card["indicator"] == "info"
    for part in ("haemoglobin below 12 g/dL, 1", "sodium below 135 mmol/L, 1", "2 admissions in the year before, 2"):
        assert part in card["detail"]
    assert "admission type: whether elective" in card["detail"]
    assert "Donzé" in card["detail"]
    assert "Admissions elsewhere are not seen." in card["detail"]


def test_who_has_died_is_not_discharged_with_a_card(client: FlaskClient) -> None:
    body = leaving(*potassium(6.2))
    body["prefetch"]["patient"]["deceasedDateTime"] = (FROZEN - timedelta(hours=1)).isoformat()
    assert cards(client, body) == []


@pytest.mark.parametrize(("drug", "told"), [("spironolactone 25 mg", True), ("ramipril 5 mg", False)])
def test_a_potassium_of_5_5_is_unresolved_at_discharge_on_an_aldosterone_antagonist(
    client: FlaskClient, drug: str, told: bool
) -> None:
    said = [one["summary"] for one in cards(client, leaving(*potassium(5.5), medication("m", drug)))]
    assert said == (["Before discharge: 1 unresolved (High potassium, mild, with an MRA)"] if told else [])
