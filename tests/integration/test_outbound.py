"""Who is called from here, and what a failing FHIR server does to an answer. Numbers are those of the abuse cases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.adapters.http.breaker import Breaker, BreakerState
from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.bootstrap import app_of
from cds_app.deps import Deps
from cds_app.errors import DataUnavailable
from tests.conftest import FROZEN
from tests.fhir_server import Behaviour, FhirServer, Handler, Serve, dripping_body, encoded
from tests.patients import hyperkalaemic

URL = "/cds-services/twinline-patient-view"
EMPTY = encoded({"resourceType": "Bundle", "type": "searchset"})


@pytest.fixture
def listener(serve: Serve) -> FhirServer:
    """The registered server, which answers whoever comes through."""
    return serve(lambda handler, _: handler.say(EMPTY))


@pytest.fixture
def client_of(deps: Deps) -> Iterator[Callable[[FhirServer], FlaskClient]]:
    """A client of an app that has registered one server."""
    readers: list[RequestsFhirReader] = []

    def made(server: FhirServer) -> FlaskClient:
        readers.append(RequestsFhirReader([server.base], loopback_http=True))
        return app_of(replace(deps, fhir=readers[-1])).test_client()

    yield made
    for reader in readers:
        reader.close()


def body_for(server: str, *absent: str) -> dict[str, Any]:
    """A call that leaves some keys to be fetched."""
    whole = hyperkalaemic(FROZEN)
    kept = {key: value for key, value in whole["prefetch"].items() if key not in absent}
    authorization = {
        "access_token": "ZQXtoken",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "s",
        "subject": "c",
    }
    return {**whole, "prefetch": kept, "fhirServer": server, "fhirAuthorization": authorization}


def disguises(port: int) -> Mapping[str, str]:
    """The address of the listener, or of somebody worse, in other clothes."""
    return {
        "metadata": "http://169.254.169.254/fhir/r4",
        "localhost": f"http://localhost:{port}/fhir/r4",
        "hexadecimal": f"http://0x7f.1:{port}/fhir/r4",
        "decimal": f"http://2130706433:{port}/fhir/r4",
        "ipv6": f"http://[::1]:{port}/fhir/r4",
        "mapped": f"http://[::ffff:127.0.0.1]:{port}/fhir/r4",
        "userinfo": f"http://127.0.0.1:{port}@127.0.0.1:{port}/fhir/r4",
        "user": f"http://ehr.example@127.0.0.1:{port}/fhir/r4",
        "backslash": f"http://127.0.0.1:{port}\\@evil.example/fhir/r4",
        "climbing": f"http://127.0.0.1:{port}/fhir/r4/%2f..",
        "dots": f"http://127.0.0.1:{port}/fhir/r4/../r4",
        "other path": f"http://127.0.0.1:{port}/other",
        "other port": f"http://127.0.0.1:{port + 1}/fhir/r4",
        "trailing dot": f"http://127.0.0.1.:{port}/fhir/r4",
        "ideographic dots": f"http://127\u30020\u30020\u30021:{port}/fhir/r4",
        "full-width dot": f"http://127\uff0e0.0.1:{port}/fhir/r4",
        "full-width digits": f"http://\uff11\uff12\uff17.0.0.1:{port}/fhir/r4",
        "capitals": f"HTTP://127.0.0.1:{port}/fhir/r4",
        "https": f"https://127.0.0.1:{port}/fhir/r4",
        "query": f"http://127.0.0.1:{port}/fhir/r4?x=",
        "fragment": f"http://127.0.0.1:{port}/fhir/r4#",
        "line break": f"http://127.0.0.1:{port}/fhir/r4\r\nHost: evil",
        "file": "file:///etc/passwd",
    }


@pytest.mark.parametrize("disguise", list(disguises(1)))
def test_14_a_server_in_disguise_is_not_called(
    disguise: str, listener: FhirServer, client_of: Callable[[FhirServer], FlaskClient]
) -> None:
    answer = client_of(listener).post(URL, json=body_for(disguises(listener.server_port)[disguise], "vitals"))
    assert answer.status_code in (400, 412), answer.text
    assert "ZQX" not in answer.text
    assert listener.seen == []


def test_14_the_registered_server_itself_is_called(
    listener: FhirServer, client_of: Callable[[FhirServer], FlaskClient]
) -> None:
    assert client_of(listener).post(URL, json=body_for(listener.base, "vitals")).status_code == 200
    assert len(listener.seen) == 1


def test_15_a_redirect_is_not_followed(serve: Serve, client_of: Callable[[FhirServer], FlaskClient]) -> None:
    elsewhere = serve(lambda handler, _: handler.say(EMPTY))
    server = serve(lambda handler, _: handler.say(b"", status=302, Location=f"{elsewhere.base}/latest/meta-data"))
    answer = client_of(server).post(URL, json=body_for(server.base, "vitals"))
    assert answer.status_code == 412
    assert (len(server.seen), elsewhere.seen) == (1, [])


def test_16_an_address_is_registered_by_name_and_not_by_what_the_name_resolves_to(listener: FhirServer) -> None:
    reader = RequestsFhirReader(["https://ehr.example/r4"], loopback_http=True)
    for base in (listener.base, listener.base.replace("127.0.0.1", "localhost"), "http://ehr.example/r4"):
        with pytest.raises(DataUnavailable):
            reader.read(base, "Patient/1", token=None, budget_s=1.0)
    reader.close()
    assert listener.seen == []


def test_17_links_and_references_elsewhere_are_not_fetched(
    serve: Serve, client_of: Callable[[FhirServer], FlaskClient]
) -> None:
    elsewhere = serve(lambda handler, _: handler.say(EMPTY))
    evil = f"{elsewhere.base}/Observation/1"
    record = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"{elsewhere.base}/Patient/p1"},
        "hasMember": [{"reference": evil}],
        "derivedFrom": [{"reference": evil}],
        "note": [{"text": evil}],
    }
    letter = {
        "resourceType": "DocumentReference",
        "id": "d",
        "content": [{"attachment": {"url": evil}}],
        "subject": {"reference": "Patient/p1"},
    }
    entries = [{"fullUrl": evil, "resource": one} for one in (record, letter)]
    searchset = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    server = serve(lambda handler, _: handler.say(encoded(searchset)))
    body = body_for(server.base, "labs")
    body["prefetch"]["vitals"]["link"] = [{"relation": "next", "url": evil}]
    assert client_of(server).post(URL, json=body).status_code == 200
    linked = serve(lambda handler, _: handler.say(encoded({**searchset, "link": [{"relation": "next", "url": evil}]})))
    assert client_of(linked).post(URL, json=body_for(linked.base, "labs")).status_code == 200
    assert elsewhere.seen == []


# --- faults


def _hang(handler: Handler, _: int) -> None:
    time.sleep(1.2)
    handler.close_connection = True


def _truncate(handler: Handler, _: int) -> None:
    handler.say(EMPTY[:-3], Content_Length=str(len(EMPTY)))
    handler.close_connection = True


def _flip(handler: Handler, _: int) -> None:
    handler.say(EMPTY.replace(b"{", b"[", 1))


FAULTS: Mapping[str, Behaviour] = {
    "hung": _hang,
    "reset": lambda handler, _: handler.reset(),
    "truncated": _truncate,
    "flipped byte": _flip,
    "500": lambda handler, _: handler.say(b"", status=500),
    "502": lambda handler, _: handler.say(b"", status=502),
    "503": lambda handler, _: handler.say(b"", status=503, Retry_After="1"),
    "drip": dripping_body,
    "not allowed": lambda handler, _: handler.say(b"", status=403),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_is_needed_and_cannot_be_had_is_412_in_time(
    fault: str, serve: Serve, client_of: Callable[[FhirServer], FlaskClient]
) -> None:
    server = serve(FAULTS[fault])
    begun = time.monotonic()
    answer = client_of(server).post(URL, json=body_for(server.base, "vitals", "labs", "conditions"))
    assert time.monotonic() - begun < 1.5
    assert answer.status_code == 412
    issue = answer.get_json(force=True)["issue"][0]
    assert (issue["code"], issue["expression"]) == ("incomplete", ["prefetch.vitals"])
    assert server.seen


@pytest.mark.parametrize("fault", list(FAULTS))
def test_what_is_not_needed_and_cannot_be_had_is_said_on_the_card_in_time(
    fault: str, serve: Serve, client_of: Callable[[FhirServer], FlaskClient]
) -> None:
    server = serve(FAULTS[fault])
    begun = time.monotonic()
    answer = client_of(server).post(URL, json=body_for(server.base, "medications", "allergies", "labs"))
    assert time.monotonic() - begun < 1.5
    (card,) = answer.get_json()["cards"]
    assert "3 parts of the record could not be fetched." in card["detail"]


def test_a_server_that_is_slow_but_answers_is_waited_for(
    serve: Serve, client_of: Callable[[FhirServer], FlaskClient]
) -> None:
    together = threading.Barrier(3)
    met: list[int] = []

    def slowly(handler: Handler, _: int) -> None:
        met.append(together.wait(timeout=5))  # nobody is answered before all three have asked: side by side
        handler.say(EMPTY)

    server = serve(slowly)
    answer = client_of(server).post(URL, json=body_for(server.base, "medications", "allergies", "labs"))
    assert answer.status_code == 200
    assert sorted(met) == [0, 1, 2]


# --- the breaker


def test_a_server_that_fails_is_left_alone_and_found_again(serve: Serve) -> None:
    well: list[bool] = []
    server = serve(lambda handler, _: handler.say(EMPTY if well else b"", status=200 if well else 500))
    seconds = [0.0]
    reader = RequestsFhirReader(
        [server.base], loopback_http=True, new_breaker=lambda: Breaker(clock=lambda: seconds[0])
    )

    def ask() -> bool:
        try:
            reader.read(server.base, "Observation", token=None, budget_s=1.0)
        except DataUnavailable:
            return False
        return True

    assert not any(ask() for _ in range(20))
    assert (len(server.seen), reader.breakers()) == (5, (BreakerState.OPEN,))
    well.append(True)
    seconds[0] += 30
    assert reader.breakers() == (BreakerState.HALF_OPEN,)
    assert ask()
    assert (ask(), reader.breakers()) == (True, (BreakerState.CLOSED,))
    reader.close()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_is_not_broken(serve: Serve, status: int) -> None:
    server = serve(lambda handler, _: handler.say(b"{}", status=status))
    reader = RequestsFhirReader([server.base], loopback_http=True)
    for _ in range(10):
        with pytest.raises(DataUnavailable):
            reader.read(server.base, "Observation", token=None, budget_s=1.0)
    assert (len(server.seen), reader.breakers()) == (10, (BreakerState.CLOSED,))
    reader.close()


def test_a_server_that_had_no_time_is_not_broken(serve: Serve) -> None:
    server = serve(dripping_body)
    reader = RequestsFhirReader([server.base], loopback_http=True)
    for _ in range(7):
        with pytest.raises(DataUnavailable):
            reader.read(server.base, "Observation", token=None, budget_s=0.05)
    assert reader.breakers() == (BreakerState.CLOSED,)
    reader.close()


def test_one_server_that_fails_closes_no_other(serve: Serve) -> None:
    bad = serve(lambda handler, _: handler.say(b"", status=500))
    good = serve(lambda handler, _: handler.say(EMPTY))
    reader = RequestsFhirReader([bad.base, good.base], loopback_http=True)
    for _ in range(6):
        with pytest.raises(DataUnavailable):
            reader.read(bad.base, "Observation", token=None, budget_s=1.0)
    assert reader.read(good.base, "Observation", token=None, budget_s=1.0)["resourceType"] == "Bundle"
    reader.close()
