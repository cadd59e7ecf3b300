"""Calls prove who makes them: what is refused looks always the same, and what is let in stays apart."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_app.adapters.logs import ALLOWED, configure_logs
from cds_app.adapters.sql.client_register import MemoryClients
from cds_app.bootstrap import app_of
from cds_app.deps import Deps, Trust
from cds_app.settings import Settings
from tests.answers import cards_in
from tests.conftest import FROZEN
from tests.fhir_server import FhirServer, Serve
from tests.patients import hyperkalaemic
from tests.refused_tokens import EHR, PUBLISHED_ELSEWHERE, REFUSED, TENANTED, Refused
from tests.trust import DISCOVERY, ENDPOINT, FEEDBACK

URL = "/cds-services/twinline-patient-view"
PAGE = "https://ehr-pages.example"
BARE = (401, b"", [("Cache-Control", "no-store"), ("Content-Length", "0"), ("WWW-Authenticate", "Bearer")])


@pytest.fixture
def register() -> MemoryClients:
    made = MemoryClients()
    made.add(EHR.client())
    made.add(TENANTED.client(name="other", tenants=("north", "south")))
    return made


@pytest.fixture
def guarded(deps: Deps, register: MemoryClients) -> Deps:
    """An app that wants to know who calls, and lets one page in browsers call."""
    return replace(deps, settings=Settings(cors_origins=(PAGE,)), trust=Trust(clients=register))


@pytest.fixture
def client(guarded: Deps) -> Iterator[FlaskClient]:
    with app_of(guarded).test_client() as made:
        yield made


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs(stream)
    yield stream
    configure_logs()


@pytest.fixture
def listener(serve: Serve) -> FhirServer:
    """A server of the attacker's, which would hand out a key."""
    return serve(lambda handler, _: handler.say(PUBLISHED_ELSEWHERE.encode(), kind="application/json"))


def seen_by_a_caller(response: TestResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    headers = [(name, value) for name, value in response.headers.items() if name != "Vary"]
    return response.status_code, response.data, sorted(headers)


def body(patient: str = "p1") -> dict[str, Any]:
    return hyperkalaemic(FROZEN, patient_id=patient)


# --- abuse cases 1 to 6: whatever is wrong, one answer


@pytest.mark.parametrize("one", REFUSED, ids=str)
def test_what_is_refused_gets_the_same_bare_401(
    client: FlaskClient, listener: FhirServer, log: io.StringIO, one: Refused
) -> None:
    """Abuse cases 1 to 6 and 37: one status, one empty body, the same headers; no outbound call; no token logged."""
    stated = one.make(f"{listener.base}/keys")
    headers = {} if stated is None else {"Authorization": stated}
    response = client.post(URL, json=body(), headers=headers)
    assert seen_by_a_caller(response) == BARE
    assert listener.seen == []
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["code"], line["reason"]) == ("unauthorised", one.reason.value)
    assert set(line) <= ALLOWED
    if stated and "." in stated:
        assert max(stated.split("."), key=len) not in log.getvalue()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/cds-services"), ("POST", URL), ("POST", f"{URL}/feedback"), ("POST", "/cds-services/nobody")],
)
def test_every_endpoint_wants_to_know_before_it_reads_anything(client: FlaskClient, method: str, path: str) -> None:
    for sent in (b"", b"{", b"{}", b"x" * 100_000):
        response = client.open(path, method=method, data=sent, content_type="application/json")
        assert seen_by_a_caller(response) == BARE


def test_a_token_for_one_endpoint_opens_no_other(client: FlaskClient) -> None:
    """Abuse case 4, each endpoint with the tokens of the others."""
    calls = [("GET", DISCOVERY), ("POST", ENDPOINT), ("POST", FEEDBACK)]
    for method, url in calls:
        path = url.removeprefix(DISCOVERY.removesuffix("/cds-services"))
        for _, audience in calls:
            response = client.open(path, method=method, json=body(), headers=EHR.bearer(aud=audience))
            assert (response.status_code == 401) == (audience != url)


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"},
                                     {"X-Forwarded-Proto": "https"}, {"Forwarded": "host=evil.example"}])  # fmt: skip
def test_the_audience_never_follows_from_what_a_request_says(client: FlaskClient, headers: dict[str, str]) -> None:
    """Abuse case 12."""
    evil = ENDPOINT.replace("127.0.0.1:8717", "evil.example")
    for audience in (evil, evil.replace("http:", "https:"), ENDPOINT.replace("http:", "https:")):
        response = client.post(URL, json=body(), headers={**headers, **EHR.bearer(aud=audience)})
        assert seen_by_a_caller(response) == BARE
    assert client.post(URL, json=body(), headers={**headers, **EHR.bearer()}).status_code == 200


# --- abuse case 7


def test_a_replay_is_refused_at_every_endpoint(client: FlaskClient) -> None:
    """Abuse case 7, in one process."""
    headers = EHR.bearer(aud=[DISCOVERY, ENDPOINT, FEEDBACK])
    assert client.get("/cds-services", headers=headers).status_code == 200
    for response in (
        client.get("/cds-services", headers=headers),
        client.post(URL, json=body(), headers=headers),
        client.post(f"{URL}/feedback", json={"feedback": []}, headers=headers),
    ):
        assert seen_by_a_caller(response) == BARE


# --- abuse case 38


def test_a_known_patient_answers_strangers_as_an_unknown_one(client: FlaskClient) -> None:
    """Abuse case 38: neither without a token nor with another client's does an answer tell who is known here."""
    assert cards_in(client.post(URL, json=body("known"), headers=EHR.bearer()))
    for headers in ({}, EHR.bearer(exp=1)):
        answers = [client.post(URL, json=body(name), headers=headers) for name in ("known", "unknown")]
        assert seen_by_a_caller(answers[0]) == seen_by_a_caller(answers[1]) == BARE
    empty = {**body(), "prefetch": dict.fromkeys(body()["prefetch"])}
    north = [
        cards_in(client.post(URL, json=of_patient(empty, name), headers=TENANTED.bearer(tenant="north")))
        for name in ("known", "unknown")
    ]
    told = [[(one["summary"], one["detail"], one["indicator"]) for one in found] for found in north]
    assert told[0] == told[1]


def of_patient(call: dict[str, Any], name: str) -> dict[str, Any]:
    return {**call, "context": {**call["context"], "patientId": name}}


def test_patients_of_clients_tenants_and_servers_are_different_people(client: FlaskClient, guarded: Deps) -> None:
    """What one client told about its patient p1 is never said, or silenced, to another that has a p1 too."""
    north, south = TENANTED.bearer(tenant="north"), TENANTED.bearer(tenant="south")
    first = [cards_in(client.post(URL, json=body(), headers=one)) for one in (EHR.bearer(), north, south)]
    assert [len(found) for found in first] == [1, 1, 1]
    assert cards_in(client.post(URL, json=body(), headers=EHR.bearer())) == []
    elsewhere = {**body(), "fhirServer": "https://second.example/r4"}
    assert len(cards_in(client.post(URL, json=elsewhere, headers=EHR.bearer()))) == 1
    assert len({entry.patient for entry in guarded.store.journal()}) == 4


def test_nobody_answers_another_clients_card(client: FlaskClient, guarded: Deps) -> None:
    """An override of somebody else is kept as one of an unknown card, answered alike, and silences nothing."""
    (card,) = cards_in(client.post(URL, json=body(), headers=TENANTED.bearer(tenant="north")))
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}

    def answer(headers: dict[str, str], minute: int) -> tuple[int, str]:
        said = {**item, "outcomeTimestamp": (FROZEN + timedelta(minutes=minute)).isoformat()}
        assert client.post(f"{URL}/feedback", json={"feedback": [said]}, headers=headers).status_code == 200
        (*_, last) = guarded.store.journal()
        assert last.feedback is not None
        return len(last.patient), last.feedback.topic

    assert answer(EHR.bearer(aud=FEEDBACK), 1) == (0, "")
    assert answer(TENANTED.bearer(aud=FEEDBACK, tenant="south"), 2) == (0, "")
    assert answer(TENANTED.bearer(aud=FEEDBACK, tenant="north"), 3) == (64, "hyperkalaemia")


# --- abuse case 41


PREFLIGHTS = [("GET", "authorization", "/cds-services"), ("POST", "authorization,content-type", URL),
              ("POST", "authorization,content-type", f"{URL}/feedback")]  # fmt: skip


@pytest.mark.parametrize(("method", "asked", "path"), PREFLIGHTS)
def test_a_listed_page_may_call(client: FlaskClient, method: str, asked: str, path: str) -> None:
    """As the CDS Hooks sandbox asks."""
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
    response = client.options(path, headers=preflight)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert method in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].replace(" ", "").split(",")
    assert set(asked.split(",")) <= set(allowed)
    assert response.headers["Vary"] == "Origin"
    called = client.get("/cds-services", headers={"Origin": PAGE, **EHR.bearer(aud=DISCOVERY)})
    assert (called.status_code, called.headers["Access-Control-Allow-Origin"]) == (200, PAGE)


FOREIGN = ["null", "https://evil.example", PAGE + ".evil.example", PAGE + "/", PAGE.upper(), "http" + PAGE[5:],
           PAGE + ":443", "*", "", PAGE + ", https://evil.example"]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
def test_no_other_page_is_told_anything(client: FlaskClient, origin: str) -> None:
    """Abuse case 41: no origin is reflected, `null` is nobody, and no cookies are ever allowed."""
    for path in ("/cds-services", URL, "/healthz", "/nothing"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for response in (client.options(path, headers=asked), client.get(path, headers={"Origin": origin})):
            assert [name for name, _ in response.headers if name.lower().startswith("access-control")] == []
    called = client.get("/cds-services", headers={"Origin": origin, **EHR.bearer(aud=DISCOVERY)})
    assert "Access-Control-Allow-Origin" not in called.headers
    assert called.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [PAGE, "https://evil.example"])
def test_credentials_are_never_allowed_and_a_star_is_never_said(client: FlaskClient, origin: str) -> None:
    """Abuse case 41."""
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    for response in (
        client.options(URL, headers=asked),
        client.post(URL, headers={"Origin": origin}),
        client.post(URL, json=body(), headers={"Origin": origin, **EHR.bearer()}),
    ):
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "*" not in response.headers.get("Access-Control-Allow-Origin", "")


def test_a_listed_page_can_read_a_refusal(client: FlaskClient) -> None:
    response = client.post(URL, json=body(), headers={"Origin": PAGE})
    assert (response.status_code, response.data) == (401, b"")
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


def test_without_listed_pages_there_is_no_cors_at_all(deps: Deps) -> None:
    with app_of(deps).test_client() as plain:
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        response = plain.options("/cds-services", headers=asked)
        called = plain.get("/cds-services", headers={"Origin": PAGE})
    for one in (response, called):
        assert "Access-Control-Allow-Origin" not in one.headers
        assert "Vary" not in one.headers


# --- abuse case 42


def test_discovery_is_the_same_for_everybody(client: FlaskClient, deps: Deps) -> None:
    """Abuse case 42: it names no tenant, no client and nobody's server."""
    answers = [
        client.get("/cds-services", headers=EHR.bearer(aud=DISCOVERY)),
        client.get("/cds-services", headers=TENANTED.bearer(aud=DISCOVERY, tenant="north")),
        client.get("/cds-services", headers=TENANTED.bearer(aud=DISCOVERY, tenant="south")),
    ]
    with app_of(deps).test_client() as opened:
        answers.append(opened.get("/cds-services"))
    assert len({one.data for one in answers}) == 1
    assert not any(word in answers[0].text for word in ("north", "south", EHR.iss, TENANTED.iss, "127.0.0.1"))


# --- the register


def test_a_client_that_was_removed_is_a_stranger(guarded: Deps, register: MemoryClients) -> None:
    register.remove("ehr")
    with app_of(guarded).test_client() as client:
        assert seen_by_a_caller(client.post(URL, json=body(), headers=EHR.bearer())) == BARE


def test_a_call_under_a_foreign_name_does_not_open_an_open_service(deps: Deps) -> None:
    """A page whose name was made to lead to this machine (DNS rebinding) calls with that name as host."""
    with app_of(deps).test_client() as opened:
        for host in ("rebound.example", "rebound.example:8717", "[bad", "127.0.0.1@evil.example"):
            assert seen_by_a_caller(opened.post(URL, json=body(), headers={"Host": host})) == BARE
        for host in ("127.0.0.1:8717", "localhost", "[::1]:8717"):
            assert opened.get("/cds-services", headers={"Host": host}).status_code == 200


def test_health_needs_no_token_and_readiness_looks_at_the_register(guarded: Deps) -> None:
    class Broken(MemoryClients):
        def clients(self) -> Any:
            raise RuntimeError

    with app_of(guarded).test_client() as client:
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    with app_of(replace(guarded, trust=Trust(clients=Broken()))).test_client() as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 500
