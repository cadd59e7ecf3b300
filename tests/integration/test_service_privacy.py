"""Nothing that identifies a patient or a clinician leaves the service but in cards: canaries in every field."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from cds_app.commands.running import running_service
from tests.conftest import FROZEN
from tests.fhir_server import Behaviour, FhirServer, Handler, Serve, encoded
from tests.patients import bundle, hyperkalaemic
from tests.service import SERVICE, SIMULATED, at, post, shown, stored

pytestmark = pytest.mark.slow

CANARY = "ZQX"
WHO = "ZQX-patient-1"
SUBJECT = {"reference": f"Patient/{WHO}"}


def coded(kind: str, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "urn:ZQX-system", "code": "ZQX-code", "display": "ZQX-display"}], "text": "ZQX-text"}
    return {"resourceType": kind, "id": f"ZQX-{kind}", "code": code, "subject": SUBJECT, "note": [{"text": "ZQX-note"}],
            "recordedDate": FROZEN.isoformat(), "effectiveDateTime": FROZEN.isoformat(), **more}  # fmt: skip


def telling(url: str) -> dict[str, Any]:
    """A call with a canary in every field that could identify somebody."""
    body = at(hyperkalaemic(FROZEN, patient_id=WHO))
    body["context"]["userId"] = "Practitioner/ZQX-user"
    body["context"]["encounterId"] = "ZQX-encounter"
    prefetch = body["prefetch"]
    prefetch["patient"] |= {"name": [{"text": "ZQX-name"}], "telecom": [{"value": "ZQX-phone"}]}
    prefetch["conditions"] = bundle(coded("Condition", clinicalStatus={"coding": [{"code": "active"}]}))
    prefetch["labs"] = bundle(coded("Observation", status="final", valueString="ZQX-value"), {"resourceType": "ZQX"})
    prefetch["ZQX-key"] = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "ZQX-outcome"}]}
    del prefetch["medications"]
    token = {"access_token": "ZQX-token", "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "ZQX-app"}
    return {**body, "fhirServer": url, "fhirAuthorization": token}


def refusing(handler: Handler, _: int) -> None:
    handler.say(encoded({"resourceType": "OperationOutcome", "issue": [{"diagnostics": "ZQX-refused"}]}), status=403)


@pytest.fixture
def ehr(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> FhirServer:
    behave: Behaviour = refusing
    server = serve(behave)
    monkeypatch.setenv("TWINLINE_FHIR_SERVERS", server.base)
    return server


@pytest.fixture
def url(tmp_path: Path, ehr: FhirServer) -> Iterator[str]:
    with running_service(tmp_path, SIMULATED) as found:
        yield found


def raw(url: str, request: bytes) -> str:
    """What comes back on a plain connection."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as wire:
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: wire.recv(65536), b"")).decode()


def feedback(card: str, **more: Any) -> dict[str, Any]:
    reason = {"code": "ZQX-reason", "system": "urn:ZQX-reasons", "display": "ZQX-because"}
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat(),
            "overrideReason": {"reason": reason, "userComment": "ZQX-comment"}, **more}  # fmt: skip


def wrong_answers(url: str, body: dict[str, Any]) -> list[str]:
    """Errors of every kind, provoked with canaries."""
    calls = [
        {**body, "hook": "ZQX-hook"},
        {**body, "hookInstance": "ZQX-instance"},
        {**body, "fhirServer": "ZQX-server"},
        {**body, "fhirServer": "https://ehr.example/ZQX\0"},
        {**body, "extension": {"com.twinline.simulated-time": "ZQX-time"}},
        {**body, "fhirAuthorization": {"access_token": ["ZQX"]}},
        {**body, "context": {"patientId": "ZQX/../1", "userId": "ZQX"}},
        {**body, "context": {**body["context"], "userId": "ZQX user"}},
        {**body, "prefetch": ["ZQX"]},
        {**body, "prefetch": {"vitals": {"resourceType": "ZQX"}}},
    ]
    answers = [post(url, one) for one in calls]
    answers += [
        post(url, {"feedback": [item]}, path="/feedback")
        for item in (
            feedback("ZQX", outcome="ZQX"),
            feedback("ZQX", outcomeTimestamp="ZQX"),
            "ZQX",
            feedback("Z" * 999),
        )
    ]
    where = f"{url}/cds-services/{SERVICE}"
    header = {"Content-Type": "application/json"}
    answers += [
        requests.post(where, data=text, headers=header, timeout=10) for text in ('{"ZQX": 1, "ZQX": 2}', "ZQX{")
    ]
    answers += [requests.get(f"{url}/ZQX-path?patient=ZQX", timeout=10), requests.get(f"{where}?ZQX=1", timeout=10)]
    answers += [requests.post(f"{url}/cds-services/ZQX-service", json=body, timeout=10)]
    assert [one.status_code for one in answers if one.status_code not in (400, 404, 405, 412)] == []
    return [one.text for one in answers]


GARBAGE = [
    b"ZQX-line\r\n\r\n",
    b"GET /ZQX HTTP/ZQX\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nZQX header: ZQX-value\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ZQX-\x00token\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ZQX-coding\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ZQX\r\n\r\n",
    b"GET /" + b"ZQX" * 4000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-ZQX-%d: ZQX\r\n" % i for i in range(200)) + b"\r\n",
]


def test_no_canary_leaves_the_service_but_in_a_card(url: str, tmp_path: Path, ehr: FhirServer) -> None:
    body = telling(ehr.base)
    answer = post(url, body)
    (card, *_) = shown(answer)
    assert post(url, {"feedback": [feedback(card), feedback("ZQX-card")]}, path="/feedback").status_code == 200
    said = wrong_answers(url, body) + [raw(url, request) for request in GARBAGE]
    assert [text for text in said if CANARY in text] == []
    assert all(raw(url, request).startswith("HTTP/1.1 4") for request in GARBAGE[2:4] + GARBAGE[6:])

    # What must be there to be looked for: the call was fetched for with its token, and its facts are in the store.
    assert any(headers.get("Authorization") == "Bearer ZQX-token" for _, headers in ehr.seen)
    with stored(tmp_path) as store:
        key = store.pseudonym(ehr.base, WHO)
        held = str(store.segments(key)) + str(store.entries(key)) + str(store.entries(""))
    for canary in ("ZQX-name", "ZQX-code", "ZQX-text", "ZQX-user", "ZQX-comment", "ZQX-reason", "ZQX-card"):
        assert canary in held, canary
    assert "ZQX-token" not in held

    leaks = [path.name for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert leaks == []
    lines = (tmp_path / "service.log").read_text("utf-8").splitlines()
    assert any(json.loads(line)["event"] == "answered" for line in lines if line.startswith("{"))
