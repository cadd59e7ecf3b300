"""The usual range that stands beside a value is the laboratory's own, where it can be read; else the general one."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.answers import cards_of, result_in, told
from tests.conftest import FROZEN
from tests.patients import hyperkalaemic

VALUE = 6.8
OWN, GENERAL = "usual 3.3–5.1", "usual 3.5–5.0"


def said(client: FlaskClient, *ranges: object) -> str:
    body = hyperkalaemic(FROZEN, VALUE)
    result_in(body, VALUE)["referenceRange"] = list(ranges)
    (card,) = told(cards_of(client, body)).values()
    return card


def limit(value: object, unit: str = "mmol/L") -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def of(kind: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/referencerange-meaning", "code": kind}]}


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ({"low": limit(3.3), "high": limit(5.1)}, OWN),
        ({"low": limit(3.3, "meq/L"), "high": limit(5.1, "meq/L"), "text": "3.3 - 5.1"}, OWN),
        ({"low": {"value": 3.3}, "high": {"value": 5.1}}, OWN),
        ({"low": limit(3.3), "high": limit(5.1), "type": of("normal")}, OWN),
        ({"high": limit(5.1)}, "usual up to 5.1"),
        ({"low": limit(3.3)}, "usual from 3.3"),
    ],
)
def test_the_laboratory_s_own_range_is_shown(client: FlaskClient, stated: dict[str, Any], shown: str) -> None:
    text = said(client, stated)
    assert text.count(shown) >= 2  # in the summary and beside the value
    assert GENERAL not in text


@pytest.mark.parametrize(
    "stated",
    [
        {"text": "3.3 - 5.1 mmol/L"},
        {"low": limit(5.1), "high": limit(3.3)},
        {"low": limit("3.3"), "high": limit(5.1)},
        {"low": limit(3.3, "furlong"), "high": limit(5.1, "furlong")},
        {"low": {**limit(3.3), "comparator": "<"}, "high": limit(5.1)},
        {"low": limit(3.3), "high": limit(5.1), "type": of("treatment")},
        {"low": limit(3.3), "high": limit(5.1), "appliesTo": [of("normal")]},
        {"low": limit(3.3), "high": limit(5.1), "age": {"high": {"value": 2, "unit": "a"}}},
        {"low": [limit(3.3)], "high": limit(5.1)},
        {},
        None,
        7,
    ],
)
def test_what_is_no_usual_range_of_this_patient_leaves_the_general_one(client: FlaskClient, stated: object) -> None:
    assert GENERAL in said(client, stated)


def test_of_several_ranges_none_is_chosen(client: FlaskClient) -> None:
    assert GENERAL in said(client, {"low": limit(3.3), "high": limit(5.1)}, {"low": limit(3.0), "high": limit(6.0)})
