"""The OpenAPI file tells the truth: routes, statuses, and messages that its JSON Schemas and the service judge alike.

Numbers in names are requirements of cds-hooks 2.0.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from cds_app.bootstrap import app_of
from cds_app.content import content_root, latest
from cds_app.deps import Deps
from cds_app.services.watch import canary
from cds_app.settings import Settings
from tests.conformance.openapi import breaches, described, document, schema
from tests.conftest import FROZEN, FrozenClock
from tests.patients import call, hyperkalaemic, patient, septic

DISCOVERY = "/cds-services"
URL = f"{DISCOVERY}/twinline-patient-view"
SERVICE = f"{DISCOVERY}/{{service_id}}"
NUMBERS = re.compile(r"\{(\d+)\}")
Spoil = Callable[[dict[str, Any]], object]


def canary_calls() -> Iterator[tuple[dict[str, Any], Any]]:
    for one in canary.patients_of(latest(canary.NAME, root=content_root())):
        yield call(*one.resources, patient_id=one.name), one.at


# --- the file itself


def test_every_route_and_method_is_described_and_nothing_else(deps: Deps) -> None:
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app_of(deps).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = {
        (path, method)
        for path, one in document()["paths"].items()
        for method in one
        if method in ("get", "post", "put")
    }
    assert told == served


def test_every_schema_is_one_and_every_reference_resolves() -> None:
    for name in document()["components"]["schemas"]:
        Draft202012Validator.check_schema(schema(name).schema)
        assert list(schema(name).iter_errors(0)) != []  # raises where a reference leads nowhere
    text = re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', json.dumps(document()))
    assert text
    assert all(name in document()["components"][kind] for kind, name in text)


def test_schemas_name_the_requirements_they_state() -> None:
    stated = {int(one) for one in NUMBERS.findall(repr(document()))}
    assert stated >= {3, 4, 29, 34, 36, 52, 54, 77, 146, 147, 214, 215}


# --- what we answer


def test_discovery_is_as_described_4_to_13(client: FlaskClient) -> None:
    assert breaches("Discovery", client.get(DISCOVERY).get_json()) == []


def test_answers_on_canary_patients_are_as_described_77_146_147(client: FlaskClient, clock: FrozenClock) -> None:
    shown = 0
    for body, at in canary_calls():
        clock.at = at
        assert breaches("Request", body) == []
        answer = client.post(URL, json=body).get_json()
        assert breaches("Answer", answer) == []
        shown += len(answer["cards"])
    assert shown >= 4


def test_answers_on_other_patients_are_as_described_77(client: FlaskClient) -> None:
    nothing_known = call(patient("p3"), patient_id="p3")
    for body in (septic(FROZEN), hyperkalaemic(FROZEN, patient_id="p2"), nothing_known):
        assert breaches("Request", body) == []
        answer = client.post(URL, json=body).get_json()
        assert answer["cards"]
        assert breaches("Answer", answer) == []


def feedback_item(card: dict[str, Any], outcome: str) -> dict[str, Any]:
    item = {"card": card["uuid"], "outcome": outcome, "outcomeTimestamp": FROZEN.isoformat()}
    if outcome == "accepted":
        return {**item, "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}]}
    return item


@pytest.mark.parametrize("spelling", ["overrideReason", "overrideReasons"])
@pytest.mark.parametrize("outcome", ["accepted", "overridden"])
def test_feedback_in_either_spelling_is_as_described(client: FlaskClient, outcome: str, spelling: str) -> None:
    card = client.post(URL, json=hyperkalaemic(FROZEN)).get_json()["cards"][0]
    item = {**feedback_item(card, outcome), spelling: {"reason": card["overrideReasons"][0], "userComment": "x"}}
    body = {"feedback": [item]}
    assert breaches("Feedback", body) == []
    answer = client.post(f"{URL}/feedback", json=body)
    assert answer.status_code == 200
    assert breaches("FeedbackAnswer", answer.get_json()) == []


def test_health_is_as_described(client: FlaskClient) -> None:
    assert breaches("Alive", client.get("/healthz").get_json()) == []
    assert breaches("Readiness", client.get("/readyz").get_json()) == []


# --- what we refuse

LACKING = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "y"}

CALLS: list[tuple[str, Spoil, str]] = [
    ("hook is missing", lambda it: it.pop("hook"), "hook"),
    ("hook is empty {3}", lambda it: it.update(hook=""), "hook"),
    ("hookInstance is missing", lambda it: it.pop("hookInstance"), "hookInstance"),
    ("hookInstance is no uuid", lambda it: it.update(hookInstance="1"), "hookInstance"),
    ("context is missing", lambda it: it.pop("context"), "context"),
    ("context is an array", lambda it: it.update(context=[]), "context"),
    ("patientId is missing", lambda it: it["context"].pop("patientId"), "context.patientId"),
    ("patientId is a path", lambda it: it["context"].update(patientId="Patient/1"), "context.patientId"),
    ("userId is missing", lambda it: it["context"].pop("userId"), "context.userId"),
    ("userId has no type", lambda it: it["context"].update(userId="1"), "context.userId"),
    ("userId is of a type that is no user", lambda it: it["context"].update(userId="Device/1"), "context.userId"),
    ("fhirServer is no URL", lambda it: it.update(fhirServer="ehr.example"), "fhirServer"),
    ("a token comes without its server", lambda it: it.update(fhirAuthorization=LACKING), "fhirServer"),
    (
        "the token is of another type",
        lambda it: it.update(fhirServer="https://e.example", fhirAuthorization={**LACKING, "token_type": "MAC"}),
        "fhirAuthorization.token_type",
    ),
    (
        "there is no token",
        lambda it: it.update(fhirServer="https://e.example", fhirAuthorization={**LACKING, "access_token": ""}),
        "fhirAuthorization.access_token",
    ),
    ("prefetch is an array {29}", lambda it: it.update(prefetch=[]), "prefetch"),
]


@pytest.mark.parametrize(("spoil", "field"), [one[1:] for one in CALLS], ids=[one[0] for one in CALLS])
def test_schema_and_service_refuse_the_same_call_for_the_same_field(
    client: FlaskClient, spoil: Spoil, field: str
) -> None:
    body = hyperkalaemic(FROZEN)
    assert breaches("Request", body) == []
    spoil(body)
    refused_alike(client, "Request", body, field)


ITEMS: list[tuple[str, Spoil, str]] = [
    ("card is missing", lambda it: it.pop("card"), "card"),
    ("outcome is missing", lambda it: it.pop("outcome"), "outcome"),
    ("outcome is another", lambda it: it.update(outcome="ignored"), "outcome"),
    ("outcomeTimestamp is missing", lambda it: it.pop("outcomeTimestamp"), "outcomeTimestamp"),
    ("outcomeTimestamp is a day", lambda it: it.update(outcomeTimestamp="2026-03-01"), "outcomeTimestamp"),
    ("accepted, and no suggestion", lambda it: it.pop("acceptedSuggestions"), "acceptedSuggestions"),
    ("accepted, and an empty list {3}", lambda it: it.update(acceptedSuggestions=[]), "acceptedSuggestions"),
    (
        "an accepted suggestion has no id",
        lambda it: it.update(acceptedSuggestions=[{"uuid": "x"}]),
        "acceptedSuggestions[0].id",
    ),
    (
        "the reason is a word",
        lambda it: it.update(outcome="overridden", overrideReason="no"),
        "overrideReason",
    ),
    (
        "the reason of the other spelling is a word",
        lambda it: it.update(outcome="overridden", overrideReasons="no"),
        "overrideReasons",
    ),
]


@pytest.mark.parametrize(("spoil", "field"), [one[1:] for one in ITEMS], ids=[one[0] for one in ITEMS])
def test_schema_and_service_refuse_the_same_feedback_for_the_same_field(
    client: FlaskClient, spoil: Spoil, field: str
) -> None:
    item: dict[str, Any] = {"card": "1", "outcome": "accepted", "outcomeTimestamp": FROZEN.isoformat(),
                            "acceptedSuggestions": [{"id": "1"}]}  # fmt: skip
    body = {"feedback": [item]}
    assert breaches("Feedback", body) == []
    spoil(item)
    refused_alike(client, "Feedback", body, f"feedback[0].{field}", path="/feedback")


@pytest.mark.parametrize("body", [{}, {"feedback": []}, {"feedback": {}}])
def test_schema_and_service_refuse_feedback_without_items(client: FlaskClient, body: dict[str, Any]) -> None:
    refused_alike(client, "Feedback", body, "feedback", path="/feedback")


def refused_alike(client: FlaskClient, name: str, body: object, field: str, path: str = "") -> None:
    found = list(schema(name).iter_errors(body))
    assert any(at_field(one, field) for one in found), breaches(name, body)
    answer = client.post(URL + path, json=body)
    assert answer.status_code == 400
    outcome = answer.get_json(force=True)
    assert breaches("OperationOutcome", outcome) == []
    assert outcome["issue"][0]["expression"] == [field]


def at_field(error: Any, field: str) -> bool:
    """Whether a schema error is about a field, or about one that it lacks, on whatever branch."""
    where = error.json_path.removeprefix("$").removeprefix(".")
    lacking = re.match(r"'(\w+)' is a required property", error.message)
    named = ".".join(filter(None, [where, lacking[1]])) if lacking else where
    return named == field or any(at_field(one, field) for one in error.context or ())


LINK = {"label": "a", "url": "https://a.example", "type": "absolute", "appContext": "c"}

# --- unknown things are tolerated, nothing of ours is unknown


def test_unknown_properties_and_extensions_of_a_call_are_tolerated_214(client: FlaskClient) -> None:
    body = {**hyperkalaemic(FROZEN), "extension": {"com.epic.x": "1"}, "more": [1]}
    body["context"]["more"] = {}
    assert breaches("Request", body) == []
    assert client.post(URL, json=body).status_code == 200


@pytest.mark.parametrize(
    ("spoil", "number"),
    [
        (lambda it: it.update(summary="s" * 140), "summary"),
        (lambda it: it.pop("selectionBehavior"), "selectionBehavior"),
        (lambda it: it.pop("suggestions"), "suggestions"),
        (lambda it: it.update(detail=None), "{3}"),
        (lambda it: it.update(colour="red"), "unknown"),
        (lambda it: it["extension"].update(bare={}), "{215}"),
        (lambda it: it["overrideReasons"][0].pop("display"), "display"),
        (lambda it: it.update(links=[LINK]), "{146}"),
        (lambda it: it["suggestions"][0]["actions"][0].pop("resource"), "resource"),
    ],
)  # fmt: skip
def test_a_card_that_breaks_a_requirement_is_refused_by_the_schema(
    client: FlaskClient, spoil: Spoil, number: str
) -> None:
    card = copy.deepcopy(client.post(URL, json=hyperkalaemic(FROZEN)).get_json()["cards"][0])
    assert breaches("Card", card) == []
    spoil(card)
    assert breaches("Card", card) != [], number


# --- statuses


def test_every_refusal_is_a_described_status_with_a_described_body(client: FlaskClient, deps: Deps) -> None:
    lacking = hyperkalaemic(FROZEN)
    del lacking["prefetch"]["vitals"]
    large = b" " * (deps.settings.max_body_bytes + 1)
    answers = {
        400: client.post(URL, json={}),
        404: client.post(f"{DISCOVERY}/nobody", json={}),
        405: client.put(URL, json={}),
        412: client.post(URL, json=lacking),
        413: client.post(URL, data=large, content_type="application/json"),
        415: client.post(URL, data=b"{}", content_type="text/plain"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        told = described(SERVICE, "post", status)
        assert told is not None
        assert list(told) == [answer.mimetype]
        assert breaches("OperationOutcome", answer.get_json(force=True)) == []


def test_who_has_no_token_gets_a_described_401_without_a_body(deps: Deps) -> None:
    closed = Deps(settings=Settings(), knowledge=deps.knowledge, store=deps.store, clock=deps.clock, fhir=deps.fhir)
    with app_of(closed).test_client() as client:
        for path, method in ((DISCOVERY, "get"), (SERVICE, "post"), (f"{SERVICE}/feedback", "post")):
            answer = client.open(path.replace("{service_id}", "twinline-patient-view"), method=method)
            assert (answer.status_code, answer.data) == (401, b"")
            assert described(path, method, 401) == {}
