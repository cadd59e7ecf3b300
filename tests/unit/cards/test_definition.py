"""A service.json says what a service is, and nothing it says is left unchecked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cds_app.cards.definition import ServiceDefinition, parse_reasons, parse_service
from cds_app.content import content_root
from cds_app.errors import ContentError
from tests.conformance.rules import discovery_violations

NAME = "twinline-patient-view"


@pytest.fixture
def document() -> dict[str, Any]:
    file = content_root() / "hooks" / NAME / "service.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


@pytest.fixture
def service(document: dict[str, Any]) -> ServiceDefinition:
    return parse_service(document, folder=NAME)


def test_discovery_says_what_the_file_says(service: ServiceDefinition, document: dict[str, Any]) -> None:
    listed = service.discovery()
    names = ("id", "hook", "title", "description", "usageRequirements", "prefetch")
    assert listed == {name: document[name] for name in names}
    assert discovery_violations({"services": [listed]}) == []


def test_every_reason_has_its_own_quiet_and_any_other_the_services(
    service: ServiceDefinition, document: dict[str, Any]
) -> None:
    for reason in document["override_reasons"]:
        assert service.snooze_h(reason["code"]) == reason["snooze_h"]
    assert service.snooze_h("unheard-of") == document["default_snooze_h"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda it: it.update(id="Bad Id"), "id"),
        (lambda it: it.update(hook="Patient View"), "hook"),
        (lambda it: it.update(title=""), "title"),
        (lambda it: it.update(review_date="soon"), "review_date"),
        (lambda it: it.update(prefetch={}, needs=[]), "prefetch"),
        (lambda it: it.update(needs=["imaging"]), "imaging"),
        (lambda it: it.update(models={"sepsis": 1}), "models.sepsis"),
        (lambda it: it["policy"].update(max_cards=0), "policy.max_cards"),
        (lambda it: it["policy"].update(max_cards=9), "policy.max_cards"),
        (lambda it: it["policy"].update(indicators=["info"] * 3), "policy.indicators"),
        (lambda it: it["policy"].update(indicators=["info", "warning", "info", "critical"]), "must not fall"),
        (lambda it: it["policy"].update(indicators=["info", "info", "info", "hard-stop"]), "policy.indicators"),
        (lambda it: it["override_reasons"][0].update(display="x" * 61), "override_reasons.0.display"),
        (lambda it: it["override_reasons"][0].update(snooze_h=1000), "override_reasons.0.snooze_h"),
        (lambda it: it.update(default_snooze_h=-1), "default_snooze_h"),
        (lambda it: it["policy"].update(gives_way={"sepsis": ["deviation"]}), "gives_way"),
        (lambda it: it["policy"].update(lockouts_h={"aki": 0}), "lockouts_h"),
        (lambda it: it.update(surprise=1), "surprise"),
    ],
)
def test_what_is_wrong_is_named(
    document: dict[str, Any], change: Callable[[dict[str, Any]], object], field: str
) -> None:
    change(document)
    with pytest.raises(ContentError) as caught:
        parse_service(document, folder=NAME)
    assert caught.value.message.startswith(f"hooks/{NAME}/service.json: ")
    assert field in caught.value.message


def test_the_id_is_the_folders_name(document: dict[str, Any]) -> None:
    with pytest.raises(ContentError, match="id differs"):
        parse_service(document, folder="another")


@pytest.mark.parametrize("given", [None, [], "x", 1])
def test_what_is_no_object_is_refused(given: object) -> None:
    with pytest.raises(ContentError):
        parse_service(given, folder=NAME)


def test_the_shared_reasons_are_the_code_system_and_its_twelve_clinical_codes() -> None:
    document = json.loads((content_root() / "hooks" / "override_reasons.json").read_text("utf-8"))
    reasons = parse_reasons(document)
    assert [one["code"] for one in document["clinical"]] == [
        "cds-not-applicable", "cds-suboptimal-context", "recipient-disagrees-evidence", "recipient-concerns-outcomes",
        "does-not-align-preferences", "not-convenient-feasible", "action-completed", "patient-contraindication",
        "patient-refuses", "too-costly-uncovered", "service-not-available", "recipient-does-not-understand",
    ]  # fmt: skip
    assert len({one.code for one in reasons}) == len(reasons) == 35
    with pytest.raises(ContentError, match=r"clinical\.0\.snooze_h"):
        parse_reasons({**document, "clinical": [{"code": "x", "display": "x", "snooze_h": -1}]})
