"""Every card that leaves obeys CDS Hooks 2.0, and every draft in it is a valid FHIR R4 resource."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.domain.ontology import Ontology, Variable
from cds_app.services.content.knowledge import Knowledge
from tests.conformance.rules import UUID, discovery_violations, violations
from tests.conftest import FROZEN, FrozenClock
from tests.patients import QUIET, SEPTIC, call, course, hyperkalaemic, patient, septic, stay

URL = "/cds-services/twinline-patient-view"
PATIENTS = 60
HOSTILE = "<b>x</b> [a](https://evil.example) \u202e\x00 " + "ü" * 300


def outside(variable: Variable, chance: random.Random) -> float:
    """A plausible value, mostly outside of the reference range."""
    span = variable.reference_for("female")
    low, high = variable.plausible.low or 0.0, variable.plausible.high or 1000.0
    usual_low, usual_high = (span.low if span else None), (span.high if span else None)
    below = (low, usual_low if usual_low is not None else low)
    above = (usual_high if usual_high is not None else low, min(high, 3 * (usual_high or high)))
    return round(chance.uniform(*chance.choice([below, above, above])), variable.decimals)


def result(variable: Variable, value: float, name: str, minutes: int) -> dict[str, Any]:
    system, code = variable.codes[0]
    return {
        "resourceType": "Observation",
        "id": f"{name}-{variable.key.replace('_', '-')}-{minutes}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code, "display": HOSTILE}], "text": HOSTILE},
        "subject": {"reference": f"Patient/{name}"},
        "effectiveDateTime": (FROZEN - timedelta(minutes=minutes)).isoformat(),
        "valueQuantity": {"value": value, "unit": variable.unit, "code": variable.unit,
                          "system": "http://unitsofmeasure.org"},
    }  # fmt: skip


def drug(text: str, name: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": f"{name}-drug",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{name}"},
        "authoredOn": (FROZEN - timedelta(hours=30)).isoformat(),
        "medicationCodeableConcept": {"text": f"{text} {HOSTILE}"},
    }


def deranged(ontology: Ontology, number: int) -> dict[str, Any]:
    """A patient with about a third of all results, each twice, most of them abnormal."""
    chance, name = random.Random(number), f"deranged-{number}"
    numeric = [one for one in ontology.variables.values() if one.numeric and one.codes and not one.generic]
    chosen = [one for one in numeric if chance.random() < 0.35]
    results = [result(one, outside(one, chance), name, minutes) for one in chosen for minutes in (20, 700)]
    drugs = [drug(chance.choice(["digoxin", "warfarin", "tacrolimus", "furosemide", "amiodarone"]), name)]
    last = chance.choice([QUIET, SEPTIC])
    beginnings = [stay(FROZEN - timedelta(hours=11), name)] if chance.random() < 0.8 else []
    return call(patient(name), *beginnings, *course(FROZEN, QUIET, last, 10, name), *results, *drugs, patient_id=name)


def told() -> Iterator[dict[str, Any]]:
    yield septic(FROZEN)
    yield hyperkalaemic(FROZEN, patient_id="p2")
    yield call(patient("p3"), stay(FROZEN, "p3"), patient_id="p3")
    yield call(patient("p4", birthDate="2020-01-01"), stay(FROZEN, "p4"), patient_id="p4")


@pytest.fixture
def answers(client: FlaskClient, knowledge: Knowledge) -> list[dict[str, Any]]:
    calls = [*told(), *(deranged(knowledge.ontology, number) for number in range(PATIENTS))]
    found = []
    for one in calls:
        response = client.post(URL, json=one)
        assert response.status_code == 200, response.text
        found.append(json.loads(response.data))
    return found


def test_every_card_obeys_cds_hooks_and_every_draft_is_valid_fhir(answers: list[dict[str, Any]], deps: Deps) -> None:
    topics, drafts, seen = set[str](), 0, set[str]()
    for answer in answers:
        assert violations(answer) == []
        for card in answer["cards"]:
            topics.add(card["source"]["topic"]["code"])
            ids = [card["uuid"], *(one["uuid"] for one in card.get("suggestions", ()))]
            assert all(UUID.match(one) for one in ids)
            assert seen.isdisjoint(ids)
            seen.update(ids)
            for suggestion in card.get("suggestions", ()):
                (action,) = suggestion["actions"]  # Epic accepts no more
                resource = action["resource"]
                get_fhir_model_class(resource["resourceType"]).model_validate(resource)
                assert (action["type"], resource["status"], resource["intent"]) == ("create", "draft", "proposal")
                drafts += 1
    assert len(topics) >= 8, sorted(topics)
    assert drafts > 30
    logged = [one.decision for one in deps.store.journal() if one.decision and one.decision.shown]
    assert sum(len(answer["cards"]) for answer in answers) == len(logged)


def test_no_text_from_fhir_is_alive_on_a_card(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        for card in answer["cards"]:
            said = card["summary"] + card.get("detail", "")
            assert "<b>" not in said
            assert "evil.example" not in said
            assert "\u202e" not in said


def test_feedback_on_any_card_of_ours_is_accepted(client: FlaskClient, clock: FrozenClock) -> None:
    (card, *_) = client.post(URL, json=hyperkalaemic(FROZEN)).get_json()["cards"]
    for reason in card["overrideReasons"]:
        clock.forward(seconds=1)
        item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": clock.at.isoformat(),
                "overrideReason": {"reason": reason}}  # fmt: skip
        assert client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200


def test_discovery_obeys_cds_hooks(client: FlaskClient) -> None:
    assert discovery_violations(client.get("/cds-services").get_json()) == []
