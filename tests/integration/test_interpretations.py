"""What a laboratory calls its own value: beside the value on cards, and against a value that it cannot be about."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.services.replay import replay_decision
from tests.answers import cards_of, result_in, told, topic_of
from tests.conftest import FROZEN
from tests.patients import hyperkalaemic

V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0078"


def coded(code: Any, system: Any = V3, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **more}


def cards(client: FlaskClient, said: object, value: float = 6.8, **more: object) -> dict[str, str]:
    """Summary and detail of each card by topic, for a potassium that its laboratory calls something."""
    body = hyperkalaemic(FROZEN, value)
    result_in(body, value).update({"interpretation": said, **more})
    return told(cards_of(client, body))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([coded("HH")], "critically high"),
        ([coded("HH", V2)], "critically high"),
        ([coded("HH", "")], "critically high"),
        ([coded("AA")], "critical"),
        ([{"text": "Critical  High"}], "critically high"),
        ([{"text": "HH"}], "critically high"),
        ([coded("XYZ", "urn:local", text="Panic high")], "critically high"),
        ([coded("U"), coded("H"), coded("HH")], "critically high"),
        (coded("HH"), "critically high"),
        ([coded("N")], "normal"),
        ([coded("N")] * 10_000, "normal"),
    ],
)
def test_critical_and_what_the_usual_range_denies_stands_beside_the_value(
    client: FlaskClient, said: object, shown: str
) -> None:
    found = cards(client, said)
    assert f"; reported as {shown}" in found["hyperkalaemia"]
    assert "disputed" not in found


@pytest.mark.parametrize(
    "said",
    [
        [coded("H")], [coded("A")], [coded("HU")], [coded(">")],
        [coded("HH", "urn:local")], [coded("HH"), coded("LL")], [coded("H"), coded("N")], [coded("S")], [coded("POS")],
        [coded("not high")], [{"text": "not high"}], [{"text": "<b>HH</b>"}], [{"text": ["HH"]}],
        [{"coding": "HH"}], [{"coding": [None, 7, {"code": 7}, {"code": ["HH"]}]}],
        "HH", 7, None, True, {}, [], [None], [[coded("HH")]], ["HH"],
    ],
)  # fmt: skip
def test_what_says_no_more_than_the_value_does_or_cannot_be_read_adds_nothing(
    client: FlaskClient, said: object
) -> None:
    found = cards(client, said)
    assert "reported as" not in found["hyperkalaemia"]


@pytest.mark.parametrize(
    ("said", "value", "label"),
    [
        ("L", 6.8, "low"),
        ("LL", 6.8, "critically low"),
        ("H", 2.4, "high"),
        ("HH", 2.4, "critically high"),
        ("HH", 4.2, "critically high"),
        ("LL", 4.2, "critically low"),
        ("AA", 4.2, "critical"),
    ],
)
def test_a_value_that_cannot_be_what_it_is_called_is_not_used_and_said_so(
    client: FlaskClient, said: str, value: float, label: str
) -> None:
    found = cards(client, [coded(said)], value)
    assert {"hyperkalaemia", "hypokalaemia"}.isdisjoint(found)
    summary = found["disputed"].partition("\n")[0]
    assert summary == f"Not used, confirm: Potassium {value} mmol/L at 22:30, reported as {label}"
    assert f"Not used: Potassium {value} mmol/L at 22:30, reported as {label}." in found["disputed"]
    assert "1 resource could not be used" in found["disputed"]


def test_of_several_the_first_is_named_and_the_others_are_counted(client: FlaskClient) -> None:
    body = hyperkalaemic(FROZEN)
    held = [entry["resource"] for found in body["prefetch"].values() for entry in found.get("entry", ())]
    for one in held:
        if one.get("valueQuantity", {}).get("value") in (4.6, 6.8):
            one["interpretation"] = [coded("LL")]
    (card,) = cards_of(client, body)
    assert card["summary"] == (
        "Not used, confirm: Potassium 6.8 mmol/L at 22:30, reported as critically low (and 1 more)"
    )
    assert "reported as critically low, and 1 more." in card["detail"]


@pytest.mark.parametrize(("said", "value"), [("H", 4.2), ("L", 4.2), ("A", 4.2), ("N", 6.8), ("N", 2.4), ("HH", 6.8)])
def test_what_another_usual_range_may_explain_is_used(client: FlaskClient, said: str, value: float) -> None:
    assert "disputed" not in cards(client, [coded(said)], value)


def test_the_laboratory_s_own_range_decides(client: FlaskClient) -> None:
    limits = [{"low": {"value": 3.0}, "high": {"value": 6.9}}]
    assert "disputed" in cards(client, [coded("HH")], 6.8, referenceRange=limits)
    only_high = [{"high": {"value": 6.9}}]
    assert "disputed" not in cards(client, [coded("LL")], 2.2, referenceRange=only_high)


@pytest.mark.parametrize(
    ("years", "stated", "judged"),
    [(17, [], False), (17, [{"low": {"value": 3}, "high": {"value": 6}}], True), (19, [], True)],
)
def test_of_a_child_the_laboratory_s_own_range_alone_decides(
    client: FlaskClient, years: int, stated: list[object], judged: bool
) -> None:
    body = hyperkalaemic(FROZEN)
    body["prefetch"]["patient"]["birthDate"] = f"{FROZEN.year - years}-01-01"
    held = (entry["resource"] for found in body["prefetch"].values() for entry in found.get("entry", ()))
    newest = next(one for one in held if one.get("valueQuantity", {}).get("value") == 6.8)
    newest |= {"interpretation": [coded("L")], "referenceRange": stated}
    topics = set(map(topic_of, cards_of(client, body)))
    assert ("disputed" in topics) is judged


def test_of_a_bound_nothing_is_disputed(client: FlaskClient) -> None:
    below = {"value": 6.8, "comparator": "<", "unit": "mmol/L", "code": "mmol/L"}
    assert "disputed" not in cards(client, [coded("L")], valueQuantity=below)


def test_what_was_shown_and_not_used_comes_out_again_byte_for_byte(client: FlaskClient, deps: Deps) -> None:
    cards(client, [coded("HH")])
    cards(client, [coded("LL")], 6.9)
    decisions = [one.decision for one in deps.store.journal() if one.decision]
    assert {"hyperkalaemia", "disputed"} <= {one.topic for one in decisions}
    assert all(replay_decision(deps.knowledge, deps.store, one.id).same for one in decisions)
