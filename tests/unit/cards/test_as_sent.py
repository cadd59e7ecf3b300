"""A value that came in another unit is shown in both, as far as there is room (which `test_retellings` shows)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from tests.conftest import FROZEN
from tests.orders import cards, medication, signing
from tests.patients import call, observation, patient, stay

URL = "/cds-services/twinline-patient-view"


def creatinine(value: float, hours: float) -> dict[str, Any]:
    quantity = {"value": value, "unit": "umol/L", "code": "umol/L", "system": "http://unitsofmeasure.org"}
    made = observation("creatinine", 1.0, FROZEN - timedelta(hours=hours))
    return {**made, "valueQuantity": quantity}


def test_the_summary_and_the_lines_say_both(client: FlaskClient) -> None:
    chart = (patient(), stay(FROZEN - timedelta(hours=40)), creatinine(80, 20), creatinine(250, 1))
    answer = client.post(URL, json=call(*chart))
    assert answer.status_code == 200, answer.text
    (card,) = (one for one in answer.get_json()["cards"] if one["source"]["topic"]["code"] == "aki")
    assert "Creatinine 2.83 mg/dL = 250 umol/L at" in card["summary"]
    assert "- Creatinine 2.83 mg/dL = 250 umol/L (0.90, 19 h earlier), usual" in card["detail"]


def test_so_does_the_card_of_a_draft(client: FlaskClient) -> None:
    metformin = medication("d", "metformin 500 mg oral tablet", status="draft")
    (card,) = cards(client, signing(metformin, chart=(creatinine(310, 30), creatinine(320, 1))))
    assert "Creatinine 3.62 mg/dL = 320 umol/L (3.51, 29 h earlier)" in card["detail"]
