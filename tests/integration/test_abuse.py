"""What an attacker, or a broken feed, tries at the service. Numbers are those of deploy/docs/risk-register.md."""

from __future__ import annotations

import ast
import gzip
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.cards.text import inert, plain
from cds_app.deps import Deps
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.replay import replay_decision
from tests.answers import URL, cards_of
from tests.conftest import FROZEN, FrozenClock
from tests.orders import SIGN, potassium, signing, spironolactone
from tests.patients import call, hyperkalaemic, observation, patient

PACKAGE = Path(__file__).parents[2] / "cds_app"


@pytest.mark.parametrize(
    "name",
    ["../Patient?_count=10000", "A&_include=*", "p1/../p2", "p1?x", "p\u0456", "p1\n", "", "p1' OR '1'='1", 7, None],
)
def test_19_54_a_patient_that_is_no_id_is_refused_by_name_only(client: FlaskClient, deps: Deps, name: object) -> None:
    body = hyperkalaemic(FROZEN)
    body["context"]["patientId"] = name
    response = client.post(URL, json=body)
    assert response.status_code == 400
    assert response.get_json()["issue"][0]["expression"] == ["context.patientId"]
    assert not name or str(name) not in response.text
    assert list(deps.store.journal()) == []


def _poisoned() -> list[dict[str, Any]]:
    at = FROZEN - timedelta(minutes=5)
    good = observation("potassium", 6.9, at, key="k1")
    return [
        {**good, "status": "entered-in-error"},
        {**good, "status": "cancelled"},
        {**good, "modifierExtension": [{"url": "https://x", "valueBoolean": True}]},
        {**good, "effectiveDateTime": "1900-01-01T00:00:00Z"},
        {**good, "effectiveDateTime": (FROZEN + timedelta(days=400)).isoformat()},
        {**good, "valueQuantity": {"value": 6.9, "unit": "mg/L", "code": "mg/L"}},
        {**good, "valueQuantity": {"value": -6.9, "unit": "mmol/L", "code": "mmol/L"}},
        {**good, "valueQuantity": {"value": 6900000.0, "unit": "mmol/L", "code": "mmol/L"}},
        {**good, "valueQuantity": {"value": "6.9", "unit": "mmol/L", "code": "mmol/L"}},
        {**good, "subject": {"reference": "Patient/p2"}},
    ]


def test_20_the_same_value_unspoiled_is_told(client: FlaskClient) -> None:
    found = cards_of(client, call(patient(), observation("potassium", 6.9, FROZEN - timedelta(minutes=5), key="k1")))
    assert [one["source"]["topic"]["code"] for one in found].count("hyperkalaemia") == 1


@pytest.mark.parametrize("resource", _poisoned())
def test_18_20_a_poisoned_value_raises_no_card(client: FlaskClient, resource: dict[str, Any]) -> None:
    found = cards_of(client, call(patient(), resource))
    assert not [one for one in found if one["source"]["topic"]["code"] == "hyperkalaemia"]


def test_61_a_unit_that_changes_within_a_series_is_converted_or_left_out(client: FlaskClient) -> None:
    """Creatinine in umol/L under the code of mg/dL would be kidney failure; said as umol/L it is normal."""
    series = [observation("creatinine", 0.9, FROZEN - timedelta(hours=hours), key=f"c{hours}") for hours in (30, 20)]
    quantity = {"value": 80.0, "unit": "umol/L", "system": "http://unitsofmeasure.org", "code": "umol/L"}
    switched = observation("creatinine", 0, FROZEN - timedelta(hours=1), key="c1", valueQuantity=quantity)
    found = cards_of(client, call(patient(), *series, switched))
    assert not [one for one in found if one["source"]["topic"]["code"] == "aki"]
    wrong = observation("creatinine", 80.0, FROZEN - timedelta(minutes=5), key="c0")
    found = cards_of(client, call(patient(), *series, switched, wrong))
    assert not [one for one in found if one["source"]["topic"]["code"] == "aki"]


def test_30_53_nothing_that_was_sent_reaches_headers_or_is_run(
    client: FlaskClient, capfd: pytest.CaptureFixture[str]
) -> None:
    nasty = "{{7*7}}\r\nSet-Cookie: x=1\x1b[31m"
    response = client.post(f"/cds-services/{'x%0d%0aSet-Cookie:%20x=1'}", json={})
    assert response.status_code == 404
    assert "Set-Cookie" not in response.headers
    draft = spironolactone(medicationCodeableConcept={"text": f"spironolactone {nasty}"})
    answer = client.post(SIGN, json=signing(draft, chart=potassium(5.9)))
    (card,) = answer.get_json()["cards"]
    assert "spironolactone &#123;&#123;7&#42;7&#125;&#125; Set&#45;Cookie" in card["detail"]
    assert "Set-Cookie" not in answer.headers
    logged = capfd.readouterr()
    assert "Set-Cookie" not in logged.out + logged.err
    assert "\x1b" not in logged.out + logged.err


def test_31_an_override_is_kept_with_who_what_and_when_and_replays(
    client: FlaskClient, deps: Deps, knowledge: Knowledge
) -> None:
    (card,) = cards_of(client, hyperkalaemic(FROZEN))
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat(),
            "overrideReason": {"reason": {"code": "patient-refuses"}, "userComment": "told the family"}}  # fmt: skip
    assert client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200
    shown = next(one.decision for one in deps.store.journal() if one.decision and one.decision.shown)
    assert json.loads(shown.pins["event"])["user"].startswith("Practitioner")
    assert {"facts", "models/ontology", "hooks", "seed"} <= shown.pins.keys()
    said = next(one.feedback for one in deps.store.journal() if one.feedback)
    assert (said.card, said.reason_code, said.comment) == (shown.id, "patient-refuses", "told the family")
    assert replay_decision(knowledge, deps.store, shown.id).same


def test_32_a_clock_that_is_set_back_breaks_no_order(client: FlaskClient, deps: Deps, clock: FrozenClock) -> None:
    assert cards_of(client, hyperkalaemic(FROZEN))
    clock.at = FROZEN - timedelta(hours=5)
    assert cards_of(client, hyperkalaemic(clock.at, patient_id="p2"))
    earlier = observation("potassium", 6.8, clock.at - timedelta(minutes=5), key="k-early")
    known = client.post(URL, json=call(patient(), earlier))
    assert (known.status_code, known.get_json()["issue"][0]["details"]["coding"][0]["code"]) == (503, "clock-behind")
    numbers = [one.number for one in deps.store.journal()]
    assert numbers == sorted(numbers) == list(range(1, len(numbers) + 1))
    assert deps.store.verify().broken_at is None


def test_46_packed_bodies_and_endless_numbers_are_refused(client: FlaskClient, deps: Deps) -> None:
    packed = gzip.compress(b" " * 50_000_000)
    response = client.post(URL, data=packed, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert response.get_json(force=True)["issue"][0]["expression"] == ["Content-Encoding"]
    digits = b'{"hook":"patient-view","x":' + b"9" * 5000 + b"}"
    assert client.post(URL, data=digits, content_type="application/json").status_code == 400
    assert list(deps.store.journal()) == []


def test_48_feedback_comes_in_bounded_portions(client: FlaskClient, deps: Deps) -> None:
    item = {"card": "x", "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}
    response = client.post(f"{URL}/feedback", json={"feedback": [{**item, "card": str(n)} for n in range(501)]})
    assert response.status_code == 400
    assert list(deps.store.journal()) == []


def _seconds(text: str) -> float:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        plain(text)
        inert(text)
        took.append(time.perf_counter() - begun)
    return min(took)


@pytest.mark.parametrize("unit", ["a:/", "x@", "\u0301", "www.", "&#", "\u202e[", "((((", "  "])
def test_50_long_texts_take_no_longer_than_their_length(unit: str) -> None:
    """Eight times the text: quadratic work would take sixty-four times as long."""
    assert _seconds(unit * 80_000) < 24 * _seconds(unit * 10_000) + 0.005


def test_55_nothing_is_unpickled_or_run_from_a_file() -> None:
    banned = {"pickle", "joblib", "dill", "shelve", "marshal", "yaml", "cloudpickle"}
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        imported = {
            name.name.split(".")[0] for one in ast.walk(tree) if isinstance(one, ast.Import) for name in one.names
        } | {(one.module or "").split(".")[0] for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
        called = {one.func.id for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
        assert not imported & banned, file
        assert not called & {"eval", "exec", "compile", "__import__"}, file


@pytest.mark.parametrize(
    "path", ["..%2f..%2fpyproject.toml", "....//x", "sepsis%00", "sepsis/../../x", "%2e%2e/sepsis"]
)
def test_56_model_cards_lead_nowhere_else(client: FlaskClient, path: str) -> None:
    response = client.get(f"/models/{path}")
    assert response.status_code in (404, 308)
    assert "[project]" not in response.text
