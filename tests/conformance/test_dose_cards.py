"""Cards about doses obey CDS Hooks, whatever patient and draft: one action each, and nothing that stands is touched."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from flask.testing import FlaskClient

from tests.conformance.rules import violations
from tests.conftest import FROZEN
from tests.doses import (
    EXPLANATION,
    creatinine,
    dosage,
    dosing,
    drafted,
    given,
    height,
    numbered_seeds,
    standing,
    weight,
)
from tests.orders import SIGN

CALLS = 32
_DOSES = {
    "vancomycin": ((250, 4000), (6, 8, 12, 24, 48)),
    "gentamicin": ((40, 900), (8, 24, 36)),
    "tobramycin": ((40, 900), (8, 24, 48)),
    "meropenem": ((250, 3000), (6, 8, 12)),
}
_LONGEST = 1100  # what must be said of a dose does not always fit what cards of concerns are held to


@pytest.fixture(autouse=True)
def the_same_chance_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_seeds(monkeypatch)


def calls() -> Iterator[dict[str, Any]]:
    """Each of a patient of its own."""
    for number in range(CALLS):
        chance = random.Random(number)
        drug = chance.choice(sorted(_DOSES))
        (low, high), intervals = _DOSES[drug]
        every_h, amount = chance.choice(intervals), 10.0 * round(chance.uniform(low, high) / 10.0)
        chart: list[Mapping[str, Any]] = [
            weight(round(chance.uniform(45, 130), 1), FROZEN - timedelta(hours=chance.choice([3, 300]))),
            height(round(chance.uniform(150, 195))),
            creatinine(round(chance.uniform(0.4, 3.5), 2)),
        ]
        if chance.random() < 0.5:
            chart.append(standing(0.5 * amount, every_h, drug))
            chart += [given(amount, 2.0 + every_h * n, drug) for n in range(3)]
        over_h = chance.choice([None, 0.5, 1.0, 2.0])
        draft = drafted(amount, every_h, drug, dosageInstruction=dosage(amount, every_h, over_h=over_h))
        text = json.dumps(dosing(draft, chart=tuple(chart)))
        yield json.loads(text.replace("Patient/p1", f"Patient/n{number}").replace('"p1"', f'"n{number}"'))


def test_every_card_about_a_dose_obeys_cds_hooks(client: FlaskClient) -> None:
    topics, created = set[str](), 0
    for body in calls():
        answer = client.post(SIGN, json=body).get_json()
        assert violations(answer) == []
        for card in answer["cards"]:
            code = card["source"]["topic"]["code"]
            if not code.startswith("dose"):
                continue
            if code.startswith("doseUnsimulated"):
                assert card["indicator"] == "info"
                continue
            topics.add(code)
            assert card["indicator"] == "warning"
            assert len(card["detail"]) <= _LONGEST, card["detail"]
            if "highestDose" in card["extension"][EXPLANATION]:
                assert "A limit of doses, not a prediction" in card["detail"]
            else:
                assert "Simulation, not an order: 2000 draws, seed " in card["detail"]
            for suggestion in card["suggestions"]:
                (action,) = suggestion["actions"]
                assert action["description"] == suggestion["label"]
                assert action.get("resourceId", "MedicationRequest/draft-1") == "MedicationRequest/draft-1"
                if action["type"] == "create":
                    created += 1
                    resource = action["resource"]
                    MedicationRequest.model_validate(resource)
                    assert (resource["status"], resource["intent"]) == ("draft", "order")
                    assert resource["dosageInstruction"][0]["text"] in action["description"]
                    assert "id" not in resource
                else:
                    assert action["type"] == "delete"
    assert len(topics) >= 4, topics
    assert created >= 8
