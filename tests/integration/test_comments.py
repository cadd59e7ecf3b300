"""What a laboratory or a nurse wrote beside a value: on the card with the value, and in what is offered first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.answers import cards_of, result_in, topic_of
from tests.conftest import FROZEN
from tests.patients import QUIET, call, course, hyperkalaemic, observation, patient, stay

FIRST = "Haemolysis was reported: consider a repeat sample"
LAST = "Consider a repeat sample to exclude haemolysis"


def card(client: FlaskClient, body: dict[str, Any], topic: str = "hyperkalaemia") -> dict[str, Any]:
    return next(one for one in cards_of(client, body) if topic_of(one) == topic)


def commented(*texts: Any, value: float = 6.8) -> dict[str, Any]:
    body = hyperkalaemic(FROZEN, value)
    result_in(body, value)["note"] = [{"text": text} for text in texts]
    return body


def test_a_comment_stands_beside_the_value_and_a_repeat_comes_first(client: FlaskClient) -> None:
    found = card(client, commented("Sample haemolysed.", "Phoned to ward"))
    assert "comment: “Sample haemolysed. Phoned to ward”" in found["detail"]
    offered = found["detail"].partition("**Options to consider**")[2].split("\n- ")
    assert offered[1].startswith(FIRST)
    assert "ECG" in offered[2]


def test_without_a_comment_treatment_comes_first(client: FlaskClient) -> None:
    found = card(client, hyperkalaemic(FROZEN, 5.7))
    assert LAST in found["detail"]
    assert FIRST not in found["detail"]
    assert "comment" not in found["detail"]


@pytest.mark.parametrize(
    ("said", "haemolysed"),
    [
        ("HEMOLYSIS FALSELY ELEVATES K.", True),
        ("Slightly Hemolyzed specimen.  Hemolysis falsely elevates this test.", True),
        ("Not an arterial sample. Haemolysed", True),
        ("VERIFIED.  PROVIDER NOTIFIED PER CURRENT LAB POLICY.", False),
        ("No haemolysis", False),
        ("No visible hemolysis seen", False),
        ("Corrected: repeat sample, not haemolysed", False),
        ("non-hemolyzed", False),
    ],
)
def test_a_repeat_comes_first_only_where_haemolysis_is_reported(
    client: FlaskClient, said: str, haemolysed: bool
) -> None:
    found = card(client, commented(said))
    assert "comment: “" in found["detail"]
    assert (FIRST in found["detail"]) is haemolysed


@pytest.mark.parametrize("said", [None, 7, {}, "", " \u200b\n", [], ["x"]])
def test_what_is_no_comment_changes_nothing(client: FlaskClient, said: object) -> None:
    with_it = card(client, commented(said))
    assert "comment" not in with_it["detail"]
    assert FIRST not in with_it["detail"]


def test_a_comment_is_inert_and_short(client: FlaskClient) -> None:
    found = card(client, commented("![x](http://evil.example/a.png) <b>stop</b>\n\n# all clear " + 300 * "z"))
    for live in ("](http", "<b>", "\n# ", 201 * "z"):
        assert live not in found["detail"]
    assert "all clear" in found["detail"]


def test_a_panel_s_comment_is_of_each_of_its_values(client: FlaskClient) -> None:
    at = FROZEN - timedelta(minutes=20)
    row = observation("potassium", 6.8, at)
    panel = {
        **{key: row[key] for key in ("resourceType", "id", "status", "subject", "effectiveDateTime")},
        "code": {"coding": [{"system": "http://loinc.org", "code": "24326-1"}]},
        "component": [{"code": row["code"], "valueQuantity": row["valueQuantity"]}],
        "note": [{"text": "Haemolysis, marked"}],
    }
    body = call(patient(), stay(FROZEN - timedelta(hours=11)), *course(FROZEN, QUIET, QUIET), panel)
    assert "comment: “Haemolysis, marked”" in card(client, body)["detail"]
