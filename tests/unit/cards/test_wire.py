"""A draft becomes a card as CDS Hooks wants it, the same bytes every time."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.wire import Draft, Proposal, to_card, topic_code, wire_json
from cds_app.services.content.knowledge import Knowledge
from tests.conformance.rules import violations

CARD = "3f1dde72-162b-41ec-82a8-0242ac130003"
ECG = Proposal(text="Consider an ECG.", resource={"resourceType": "ServiceRequest", "status": "draft"})
DRAFT = Draft(
    topic="qt_prolonged",
    title="Long QT",
    tier=2,
    summary="QTc 520 ms",
    detail="**Why now**",
    proposals=(ECG, replace(ECG, text="Consider magnesium.")),
    explanation={"tier": "severe"},
)


@pytest.fixture
def service(knowledge: Knowledge) -> ServiceDefinition:
    return knowledge.service("twinline-patient-view")


def test_a_card_obeys_the_rules_with_and_without_suggestions(service: ServiceDefinition) -> None:
    for draft in (DRAFT, replace(DRAFT, proposals=())):
        assert violations({"cards": [to_card(draft, service, CARD)]}) == []
    assert "suggestions" not in to_card(replace(DRAFT, proposals=()), service, CARD)
    assert "selectionBehavior" not in to_card(replace(DRAFT, proposals=()), service, CARD)


@pytest.mark.parametrize(("tier", "indicator"), [(0, "info"), (1, "info"), (2, "warning"), (3, "critical")])
def test_the_indicator_follows_the_tier_as_the_service_says(
    service: ServiceDefinition, tier: int, indicator: str
) -> None:
    assert to_card(replace(DRAFT, tier=tier), service, CARD)["indicator"] == indicator


def test_ids_of_suggestions_follow_from_the_cards(service: ServiceDefinition) -> None:
    one, two = (to_card(DRAFT, service, CARD)["suggestions"] for _ in range(2))
    assert one == two
    other = to_card(DRAFT, service, str(uuid.UUID(int=4, version=4)))["suggestions"]
    ids = [each["uuid"] for each in (*one, *other)]
    assert len(set(ids)) == 4


def test_a_suggestion_is_one_create_with_its_text_in_every_place_that_is_shown(service: ServiceDefinition) -> None:
    (first, _) = to_card(DRAFT, service, CARD)["suggestions"]
    (action,) = first["actions"]
    assert first["label"] == action["description"] == "Consider an ECG."
    assert (action["type"], action["resource"]) == ("create", ECG.resource)


def test_every_override_reason_of_the_service_is_offered(service: ServiceDefinition) -> None:
    offered = to_card(DRAFT, service, CARD)["overrideReasons"]
    assert [one["code"] for one in offered] == [one.code for one in service.override_reasons]


@pytest.mark.parametrize("length", [138, 139, 140, 500])
def test_a_summary_is_never_longer_than_the_rule_allows(service: ServiceDefinition, length: int) -> None:
    summary = to_card(replace(DRAFT, summary="x" * length), service, CARD)["summary"]
    assert len(summary) == min(length, 139)
    assert summary.endswith("…") is (length > 139)


@pytest.mark.parametrize(
    ("topic", "code"),
    [("sepsis", "sepsis"), ("qt_prolonged", "qtProlonged"), ("not-estimated", "notEstimated"), ("acute_hf", "acuteHf")],
)
def test_topics_are_letters_and_digits_only(topic: str, code: str) -> None:
    assert topic_code(topic) == code


def test_topics_of_the_catalogue_stay_apart(knowledge: Knowledge) -> None:
    codes = [topic_code(name) for name in knowledge.catalogue.topics]
    assert len(set(codes)) == len(codes)
    assert all(code.isalnum() for code in codes)


def test_bytes_depend_on_the_content_alone() -> None:
    assert wire_json({"b": 1, "a": "é"}) == wire_json({"a": "é", "b": 1}) == '{"a":"é","b":1}'.encode()
    assert json.loads(wire_json({"a": [1.5, None]})) == {"a": [1.5, None]}


def test_a_number_that_is_none_never_leaves() -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire_json({"risk": float("nan")})


def test_a_link_launches_the_sidebar_with_the_cards_id_and_nothing_of_the_patient(service: ServiceDefinition) -> None:
    linked = to_card(DRAFT, service, CARD, launch_url="https://twinline.example/smart/launch")
    assert violations({"cards": [linked]}) == []
    (link,) = linked["links"]
    assert (link["type"], link["url"]) == ("smart", "https://twinline.example/smart/launch")
    assert link["appContext"] == CARD
    assert "links" not in to_card(DRAFT, service, CARD)
