"""A CDS service of canned cards on a loopback port, which writes down what it is asked."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from flask import Flask, Response, json, request
from flask.typing import ResponseReturnValue
from werkzeug.test import TestResponse

from cds_app.sandbox.people.patients import SyntheticPatient, cohort
from cds_app.sandbox.server import create_sandbox, running

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
CARD = "6f1c7b8e-0000-4000-8000-00000000000{}"
SUGGESTION = "6f1c7b8e-1111-4000-8000-00000000000{}"
REASONS = [
    {"code": "action-completed", "system": "urn:example:reasons", "display": "Already done"},
    {"code": "data-wrong", "system": "urn:example:reasons", "display": "The data behind it are wrong"},
]
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "vitals": "Observation?patient={{context.patientId}}&category=vital-signs&_sort=-date&_count=5",
    "nobody": "Patient/nobody-of-{{context.encounterId}}",
}


def card(number: int, indicator: str, summary: str, *, patient: str = "", **more: Any) -> dict[str, Any]:
    """A card; with a patient, one that proposes to measure lactate."""
    proposal = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {"coding": [{"system": "http://loinc.org", "code": "32693-4"}], "text": "Lactate"},
        "subject": {"reference": f"Patient/{patient}"},
    }
    suggestion = {
        "label": "Consider measuring lactate",
        "uuid": SUGGESTION.format(number),
        "actions": [{"type": "create", "description": "Consider measuring lactate", "resource": proposal}],
    }
    made = {
        "uuid": CARD.format(number),
        "summary": summary,
        "detail": "**Why now**\n\n- Heart rate 120 &#47;min\n- Lactate <img src=x onerror=alert(1)>\n\nNot an order.",
        "indicator": indicator,
        "source": {"label": "Stub", "topic": {"code": f"topic{number}", "system": "urn:example:topics"}},
        "overrideReasons": REASONS,
    }
    return made | ({"suggestions": [suggestion], "selectionBehavior": "any"} if patient else {}) | more


def order_card(number: int, draft: str, **more: Any) -> dict[str, Any]:
    """A critical card that proposes to remove a draft."""
    action = {"type": "delete", "description": "Remove this draft", "resourceId": f"MedicationRequest/{draft}"}
    suggestion = {"label": "Remove this draft", "uuid": SUGGESTION.format(number), "actions": [action]}
    return card(number, "critical", "Draft order: does not suit", **({"suggestions": [suggestion]} | more))


@dataclass(kw_only=True)
class Stub:
    """The service: set ``cards`` and ``fail`` before a call, read ``calls`` and ``feedback`` after it.

    With ``warns``, every draft order gets a card.
    """

    url: str = ""
    cards: list[dict[str, Any]] = field(default_factory=list)
    starting: list[dict[str, Any]] = field(default_factory=list)
    warns: bool = True
    fail: tuple[int, str] | None = None
    fail_feedback: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Flask:
        app = Flask("stub", static_folder=None)

        @app.get("/cds-services")
        def discovery() -> ResponseReturnValue:
            hooks = ("patient-view", "encounter-start", "order-select", "order-sign")
            listed = [{"id": f"stub-{hook}", "hook": hook, "description": "x", "prefetch": PREFETCH} for hook in hooks]
            return {"services": listed}

        @app.post("/cds-services/<name>")
        def service(name: str) -> ResponseReturnValue:
            self.calls.append(request.get_json())
            if self.fail:
                issue = {"severity": "error", "code": "incomplete", "details": {"text": self.fail[1]}}
                body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
                return Response(body, self.fail[0], mimetype="application/fhir+json")
            if "order" in name:
                return {"cards": self._about_orders(request.get_json()["context"])}
            return {"cards": self.cards if name == "stub-patient-view" else self.starting}

        @app.post("/cds-services/<name>/feedback")
        def feedback(name: str) -> ResponseReturnValue:
            if self.fail_feedback:
                return Response("no", 503)
            self.feedback.extend({**one, "service": name} for one in request.get_json()["feedback"])
            return Response(status=200)

        return app

    def _about_orders(self, context: dict[str, Any]) -> list[dict[str, Any]]:
        drafts = [one["resource"]["id"] for one in context["draftOrders"]["entry"]]
        return [order_card(5 + at, draft) for at, draft in enumerate(drafts)] if self.warns else []


def text_of(page: requests.Response | TestResponse) -> str:
    """What a page says, without its elements."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@contextmanager
def running_stub() -> Iterator[Stub]:
    """A stub on a free port."""
    stub = Stub()
    with running(stub.app()) as url:
        stub.url = url
        yield stub


def two_patients() -> tuple[SyntheticPatient, ...]:
    """The one who turns septic, and the one who is well."""
    found = {one.id: one for one in cohort(7, START)}
    return found["synthetic-001"], found["synthetic-007"]


PATIENTS = two_patients()
SICK, WELL = (one.id for one in PATIENTS)
NOW = PATIENTS[0].opens[3]


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A stub of its own for each test."""
    with running_stub() as made:
        yield made


@pytest.fixture
def ehr(stub: Stub) -> Iterator[str]:
    """The base URL of a small EHR with both patients, which calls the stub."""
    with running(create_sandbox(stub.url, PATIENTS, now=NOW, open_fhir=True)) as url:
        yield url
