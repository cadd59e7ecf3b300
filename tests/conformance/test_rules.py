"""The checker of the CDS Hooks rules finds every rule broken, and nothing in a card that breaks none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.rules import discovery_violations, violations

CODING = {"code": "a", "system": "urn:x", "display": "A"}
ACTION = {"type": "create", "description": "Do", "resource": {"resourceType": "ServiceRequest"}}
CARD: dict[str, Any] = {
    "uuid": "3f1dde72-162b-41ec-82a8-0242ac130003",
    "summary": "s" * 139,
    "detail": "*d*",
    "indicator": "info",
    "source": {"label": "Twinline", "url": "https://x.example", "topic": CODING},
    "suggestions": [{"label": "Do", "uuid": "3f1dde72-162b-41ec-82a8-0242ac130004", "actions": [ACTION]}],
    "selectionBehavior": "any",
    "overrideReasons": [CODING],
    "links": [{"label": "More", "url": "https://x.example/a", "type": "smart", "appContext": "c"}],
    "extension": {"com.twinline.explanation": {"a": 0, "b": False}},
}

Spoil = Callable[[dict[str, Any]], object]


def test_a_lawful_card_breaks_no_rule() -> None:
    assert violations({"cards": [CARD]}) == []
    assert violations({"cards": []}) == []


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda it: it.pop("summary"), "summary"),
        (lambda it: it.update(summary="s" * 140), "summary"),
        (lambda it: it.update(indicator="hard-stop"), "indicator"),
        (lambda it: it.pop("source"), "source"),
        (lambda it: it["source"].pop("label"), "source.label"),
        (lambda it: it["source"].update(url="/relative"), "source.url"),
        (lambda it: it["source"]["topic"].pop("system"), "source.topic.system"),
        (lambda it: it.pop("selectionBehavior"), "selectionBehavior"),
        (lambda it: it.pop("suggestions"), "selectionBehavior"),
        (lambda it: it.update(selectionBehavior="all"), "selectionBehavior"),
        (lambda it: it["suggestions"][0].pop("label"), "suggestions[0].label"),
        (lambda it: it["suggestions"][0].update(uuid="1"), "suggestions[0].uuid"),
        (lambda it: it["suggestions"][0].update(isRecommended="yes"), "isRecommended"),
        (lambda it: it["suggestions"][0]["actions"][0].update(type="invent"), "actions[0].type"),
        (lambda it: it["suggestions"][0]["actions"][0].pop("description"), "actions[0].description"),
        (lambda it: it["suggestions"][0]["actions"][0].pop("resource"), "actions[0].resource"),
        (lambda it: it["suggestions"][0]["actions"][0].update(type="delete"), "actions[0].resourceId"),
        (lambda it: it["overrideReasons"][0].pop("display"), "overrideReasons[0].display"),
        (lambda it: it["links"][0].update(type="absolute"), "links[0].appContext"),
        (lambda it: it["links"][0].update(type="deep"), "links[0].type"),
        (lambda it: it["links"][0].update(url="x"), "links[0].url"),
        (lambda it: it.update(extension={"bare": {"a": 1}}), "extension"),
        (lambda it: it.update(uuid="not-one"), "uuid"),
        (lambda it: it.update(detail=None), "detail"),
        (lambda it: it.update(detail=""), "detail"),
        (lambda it: it["extension"]["com.twinline.explanation"].update(c=[]), "extension"),
        (lambda it: it.update(colour="red"), "colour"),
    ],
)
def test_a_broken_rule_is_found_at_its_place(spoil: Spoil, where: str) -> None:
    card = copy.deepcopy(CARD)
    spoil(card)
    assert [one for one in violations({"cards": [card]}) if where in one] != []


@pytest.mark.parametrize("answer", [None, [], {}, {"cards": None}, {"cards": [None]}, {"cards": [], "card": []}])
def test_what_is_no_response_is_found(answer: object) -> None:
    assert violations(answer) != []


def test_discovery_is_checked_too() -> None:
    service = {"hook": "patient-view", "description": "d", "id": "x", "prefetch": {"a": "Patient/1"}}
    assert discovery_violations({"services": [service]}) == []
    wrong: tuple[dict[str, object], ...] = ({"hook": ""}, {"prefetch": {}}, {"prefetch": {"a": 1}}, {"title": None})
    for spoiled in wrong:
        assert discovery_violations({"services": [{**service, **spoiled}]}) != []
    assert discovery_violations({}) != []
