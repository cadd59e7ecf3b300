"""A site that reads SI units: its cards, what came in them, and decisions after it chose otherwise."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.bootstrap import app_of
from cds_app.cards.views import came_otherwise
from cds_app.commands.decision import lines_of
from cds_app.deps import Deps
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.replay import replay_decision
from cds_app.services.why import why
from tests.answers import cards_in, cards_of, told
from tests.bedside import bed_of
from tests.conftest import FROZEN
from tests.orders import medication, signing
from tests.patients import call, hyperkalaemic, observation, patient, septic, stay
from tests.units import left_in

CHART = (patient(), stay(FROZEN - timedelta(hours=40)))


@pytest.fixture
def si(deps: Deps) -> Deps:
    return replace(deps, knowledge=deps.knowledge.told_in("si"))


def result(name: str, value: float, hours: float, unit: str = "") -> dict[str, Any]:
    made = observation(name, value, FROZEN - timedelta(hours=hours))
    quantity = {"value": value, "unit": unit, "code": unit, "system": "http://unitsofmeasure.org"}
    return {**made, "valueQuantity": quantity} if unit else made


def opened(deps: Deps, *results: dict[str, Any]) -> dict[str, str]:
    with app_of(deps).test_client() as client:
        return told(cards_of(client, call(*CHART, *results)))


def test_what_came_in_the_units_that_are_read_is_shown_as_it_came(si: Deps) -> None:
    card = opened(si, result("creatinine", 80, 20, "umol/L"), result("creatinine", 250.5, 1, "umol/L"))["aki"]
    assert "Creatinine 250.5 umol/L at" in card
    assert "- Creatinine 250.5 umol/L (80, 19 h earlier), usual 44–97" in card
    assert "creatinine 3.13 times the week's lowest of 80 umol/L" in card
    assert left_in({"aki": card}) == {}


def test_what_came_in_other_units_is_converted_and_stands_beside(si: Deps) -> None:
    card = opened(si, result("creatinine", 0.9, 20), result("creatinine", 2.83, 1))["aki"]
    assert "Creatinine 250 umol/L = 2.83 mg/dL at" in card
    assert "(80, 19 h earlier)" in card


def test_values_limits_options_and_reasons_are_in_the_units_that_are_read(si: Deps) -> None:
    card = opened(si, result("glucose", 2.8, 0.5, "mmol/L"), result("glucose", 6.4, 6, "mmol/L"))["hypoglycaemia"]
    assert card.startswith(
        "Low glucose, below 3.0 mmol/L: Glucose 2.8 mmol/L at 22:30, down from 6.4 at 17:00 (usual 3.9–5.5)"
    )
    high = opened(si, result("glucose", 26, 5, "mmol/L"), result("glucose", 27.1, 0.2, "mmol/L"))["hyperglycaemia"]
    assert high.startswith("High glucose, above 25.0 mmol/L: Glucose 27.1 mmol/L")
    assert "onsider insulin" in high
    assert "7.8-10.0 mmol/L" in high
    assert left_in({"low": card, "high": high}) == {}


def test_an_override_is_read_beside_its_preset(deps: Deps) -> None:
    there = replace(deps, knowledge=deps.knowledge.told_in("conventional, glucose=mmol/L"))
    found = opened(there, result("glucose", 50, 0.5), result("creatinine", 0.9, 20), result("creatinine", 2.83, 1))
    assert "Glucose 2.8 mmol/L = 50 mg/dL" in found["hypoglycaemia"]
    assert "Creatinine 2.83 mg/dL at" in found["aki"]


def test_a_draft_is_checked_in_the_units_that_are_read(si: Deps) -> None:
    metformin = medication("d", "metformin 500 mg oral tablet", status="draft")
    body = signing(metformin, chart=(result("creatinine", 310, 30, "umol/L"), result("creatinine", 320, 1, "umol/L")))
    with app_of(si).test_client() as client:
        (card,) = cards_in(client.post("/cds-services/twinline-order-sign", json=body))
    assert "Creatinine 320 umol/L (310, 29 h earlier)" in card["detail"]


def test_what_would_change_an_estimate_is_told_in_the_units_of_now(deps: Deps) -> None:
    with app_of(deps).test_client() as client:
        first = cards_of(client, septic(FROZEN))[0]
    si = deps.knowledge.told_in("si")
    lines = {knowledge.units_told: _why(knowledge, deps, first["uuid"]) for knowledge in (deps.knowledge, si)}
    assert re.search(r"Creatinine measured again: .* at \d\.\d\d mg/dL, .* at \d\.\d\d mg/dL", lines["conventional"])
    assert re.search(r"Creatinine measured again: .* at \d+ umol/L, .* at \d+ umol/L", lines["si"])
    assert left_in({"why": lines["si"]}) == {}


def _why(knowledge: Knowledge, deps: Deps, decision: str) -> str:
    return "\n".join(line for one in why(knowledge, deps.store, decision) for line in lines_of(one, knowledge))


def test_where_there_is_no_room_what_came_otherwise_is_left_out_first(si: Deps) -> None:
    bed = bed_of(si, [*CHART, result("creatinine", 0.9, 20), result("glucose", 6.4, 6, "mmol/L")], FROZEN)
    material = bed.frame.subject(bed.asking()).material
    found = {name: material.situation.latest(name) for name in ("creatinine", "glucose")}
    assert {name: one and came_otherwise(one, material.setting) for name, one in found.items()} == {
        "creatinine": True,
        "glucose": False,
    }


@pytest.mark.parametrize(("then", "now"), [("si", "conventional"), ("conventional", "si"), ("si, hba1c=%", "si")])
def test_a_decision_is_replayed_in_the_units_of_then(deps: Deps, then: str, now: str) -> None:
    there = replace(deps, knowledge=deps.knowledge.told_in(then))
    with app_of(there).test_client() as client:
        body = call(*CHART, result("glucose", 50, 0.5), result("creatinine", 0.9, 20), result("creatinine", 2.83, 1))
        shown = cards_of(client, body)
    assert len(shown) == 2
    for card in shown:
        replayed = replay_decision(deps.knowledge.told_in(now), deps.store, card["uuid"])
        assert replayed.same
        assert replayed.logged.pins.get("units", "conventional") == then


def test_a_decision_of_before_there_were_units_names_none(client: FlaskClient, deps: Deps) -> None:
    (card,) = cards_of(client, hyperkalaemic(FROZEN))
    assert "units" not in replay_decision(deps.knowledge, deps.store, card["uuid"]).logged.pins
