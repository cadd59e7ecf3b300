"""Feedback in every shape that clients send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cds_app.errors import BadRequest
from cds_app.services.feedback import read_feedback

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ACCEPTED = {
    "card": "9368d37b-283f-44a0-93ea-547cebab93ed",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "e56e1945-20b3-4393-8503-a1a20fd73152"}],
    "outcomeTimestamp": "2026-03-01T09:29:58Z",
}
OVERRIDDEN = {"card": "123456", "outcome": "overridden", "outcomeTimestamp": "2026-03-01T10:29:58+01:00"}


def read(item: object) -> Any:
    return read_feedback(item, "feedback[0]", "twinline-patient-view", NOW)


def test_an_acceptance_names_its_suggestions() -> None:
    found = read(ACCEPTED)
    assert (found.outcome, found.suggestions) == ("accepted", ("e56e1945-20b3-4393-8503-a1a20fd73152",))
    assert found.at == datetime(2026, 3, 1, 9, 29, 58, tzinfo=UTC)


def test_an_override_needs_no_reason_and_its_card_need_not_be_a_uuid() -> None:
    found = read(OVERRIDDEN)
    assert (found.card, found.reason_code, found.comment) == ("123456", "", "")
    assert found.at == datetime(2026, 3, 1, 9, 29, 58, tzinfo=UTC)


def test_a_coded_reason_without_display_is_kept() -> None:
    reason = {"reason": {"code": "need-more-info", "system": "urn:x"}, "userComment": "seen"}
    found = read({**OVERRIDDEN, "overrideReason": reason})
    assert (found.reason_code, found.reason_system, found.comment) == ("need-more-info", "urn:x", "seen")


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: [one, {"reason": {"code": "2"}}]])
def test_epics_plural_spelling_is_read(wrap: Any) -> None:
    reason = {"reason": {"code": "1", "system": "urn:epic", "display": "Later"}, "userComment": "busy"}
    found = read({**OVERRIDDEN, "overrideReasons": wrap(reason)})
    assert (found.reason_code, found.reason_display, found.comment) == ("1", "Later", "busy")


def test_of_several_codes_of_a_reason_the_first_counts() -> None:
    found = read({**OVERRIDDEN, "overrideReason": {"reason": [{"code": "1"}, {"code": "2"}]}})
    assert found.reason_code == "1"


def test_a_reason_may_come_as_a_codeable_concept() -> None:
    coding = {"code": "1", "system": "urn:x", "display": "Later"}
    for told in ({"coding": [coding, {"code": "2"}]}, {"coding": coding}):
        found = read({**OVERRIDDEN, "overrideReason": {"reason": told}})
        assert (found.reason_code, found.reason_system, found.reason_display) == ("1", "urn:x", "Later")


def test_an_empty_spelling_does_not_hide_the_other_one() -> None:
    found = read({**OVERRIDDEN, "overrideReason": None, "overrideReasons": {"userComment": "busy"}})
    assert found.comment == "busy"


def test_epics_reason_in_an_extension_is_read() -> None:
    name = "com.epic.cdshooks.feedback.overrideReason."
    extension = {name + "reasonCategory": "12", name + "Title": "Not clinically significant"}
    found = read({**OVERRIDDEN, "overrideReasons": {"extension": extension, "userComment": "x"}})
    assert (found.reason_code, found.reason_display) == ("12", "Not clinically significant")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outcome": "ignored"}, "feedback[0].outcome"),
        ({"card": ""}, "feedback[0].card"),
        ({"card": "x" * 257}, "feedback[0].card"),
        ({"card": 7}, "feedback[0].card"),
        ({"outcomeTimestamp": "2026-03"}, "feedback[0].outcomeTimestamp"),
        ({"outcomeTimestamp": "yesterday"}, "feedback[0].outcomeTimestamp"),
        ({"outcomeTimestamp": None}, "feedback[0].outcomeTimestamp"),
        ({"overrideReason": "no"}, "feedback[0].overrideReason"),
        ({"overrideReason": {"reason": "no"}}, "feedback[0].overrideReason.reason"),
        ({"overrideReason": {"userComment": 5}}, "feedback[0].overrideReason.userComment"),
    ],
)
def test_what_is_malformed_is_named_without_its_value(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read({**OVERRIDDEN, **change})
    assert caught.value.field == field


@pytest.mark.parametrize("suggestions", [None, [], "x", [{}], [{"id": ""}], ["a"]])
def test_accepted_needs_suggestions(suggestions: object) -> None:
    with pytest.raises(BadRequest) as caught:
        read({**ACCEPTED, "acceptedSuggestions": suggestions})
    assert (caught.value.field or "").startswith("feedback[0].acceptedSuggestions")


@pytest.mark.parametrize("extension", [None, "x", {}, {"com.other.reason": "1"}])
def test_an_extension_without_a_reason_is_none(extension: object) -> None:
    found = read({**OVERRIDDEN, "overrideReasons": {"extension": extension, "userComment": "x"}})
    assert (found.reason_code, found.comment) == ("", "x")


def test_an_item_must_be_an_object() -> None:
    with pytest.raises(BadRequest):
        read(["accepted"])


def test_our_extension_takes_an_answer_back_whatever_it_was() -> None:
    undo = {"extension": {"com.twinline.undo": True}}
    assert read({**OVERRIDDEN, **undo}).outcome == "undone"
    found = read({"card": "x", "outcome": "accepted", "outcomeTimestamp": "2026-03-01T09:29:58Z", **undo})
    assert (found.outcome, found.suggestions) == ("undone", ())
    assert read({**OVERRIDDEN, "extension": {"com.other": 1}}).outcome == "overridden"
    with pytest.raises(BadRequest) as caught:
        read({**OVERRIDDEN, "extension": {"com.twinline.undo": "yes"}})
    assert caught.value.field == "feedback[0].extension.com.twinline.undo"
