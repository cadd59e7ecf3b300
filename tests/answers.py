"""What the service answers, as a test reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

URL = "/cds-services/twinline-patient-view"


def cards_in(answer: TestResponse) -> list[dict[str, Any]]:
    """The cards of an answer, which is to be one."""
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["cards"]
    return found


def cards_of(client: FlaskClient, body: dict[str, Any], url: str = URL) -> list[dict[str, Any]]:
    """The cards that a call is answered with."""
    return cards_in(client.post(url, json=body))


def topic_of(card: dict[str, Any]) -> str:
    """What a card is about."""
    return str(card["source"]["topic"]["code"])


def told(cards: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Summary and detail of each card by topic."""
    return {topic_of(one): f"{one['summary']}\n{one['detail']}" for one in cards}


def result_in(body: dict[str, Any], value: float) -> dict[str, Any]:
    """The first result of this value among what a call brings, to be changed."""
    held = (entry["resource"] for found in body["prefetch"].values() for entry in found.get("entry", ()))
    found: dict[str, Any] = next(one for one in held if one.get("valueQuantity", {}).get("value") == value)
    return found
