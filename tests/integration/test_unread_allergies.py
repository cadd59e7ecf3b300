"""Allergies in words nobody knows: told with an order once in a stay, in the words of the record, which stay inert."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import FROZEN, FrozenClock
from tests.orders import cards, medication, potassium, signing, spironolactone
from tests.patients import stay

AMOXICILLIN = medication("d1", "amoxicillin 500 mg capsule", status="draft")
METOPROLOL = medication("d2", "metoprolol 25 mg tablet", status="draft")
SUMMARY = "1 recorded allergy not understood: no order was checked against it"


def allergy(text: str, *, key: str = "a1", category: object = None, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance",
        "id": key,
        "patient": {"reference": "Patient/p1"},
        "code": {"text": text},
        "recordedDate": (FROZEN - timedelta(days=90)).isoformat(),
        **({} if category is None else {"category": category}),
        **more,
    }


def signed(client: FlaskClient, order: dict[str, Any], *chart: dict[str, Any]) -> list[dict[str, Any]]:
    return cards(client, signing(order, chart=chart))


@pytest.mark.parametrize("category", [None, ["medication"], ["biologic", "food"], "medication"])
def test_it_is_told_in_its_own_words_once_in_a_stay(client: FlaskClient, category: object) -> None:
    unread = allergy("Reaktion auf Wirkstoff XY", category=category)
    (card,) = signed(client, AMOXICILLIN, unread)
    assert (card["summary"], card["indicator"]) == (SUMMARY, "info")
    assert "Allergy&#58; Reaktion auf Wirkstoff XY, known since" in card["detail"]
    assert signed(client, METOPROLOL, unread) == []
    assert signed(client, AMOXICILLIN, unread) == []


def test_one_without_a_date_says_so(client: FlaskClient) -> None:
    undated = {name: one for name, one in allergy("Reaktion auf Wirkstoff XY").items() if name != "recordedDate"}
    (card,) = signed(client, AMOXICILLIN, undated)
    assert "Wirkstoff XY, date not known\n" in card["detail"]


def test_another_that_is_recorded_and_another_stay_bring_it_back(client: FlaskClient, clock: FrozenClock) -> None:
    first, second = allergy("Reaktion auf Wirkstoff XY"), allergy("Zubstanzol", key="a2")
    assert len(signed(client, AMOXICILLIN, first)) == 1
    clock.forward(minutes=10)
    assert signed(client, METOPROLOL, first) == []
    (card,) = signed(client, METOPROLOL, first, second)
    assert card["summary"].startswith("2 recorded allergies not understood")
    clock.forward(hours=30)
    assert signed(client, AMOXICILLIN, first, second) == []
    body = signing(AMOXICILLIN, chart=(first, second, {**stay(clock.at), "id": "another-stay"}))
    assert len(cards(client, body)) == 1


@pytest.mark.parametrize(
    "record",
    [
        allergy("NKDA"),
        allergy("Keine Allergien bekannt", category=["medication"]),
        allergy("Erdnuss", category=["food"]),
        allergy("Pollen", category=["environment"]),
        allergy("Ibuprofen"),
        allergy("Reaktion auf Wirkstoff XY", clinicalStatus={"coding": [{"code": "resolved"}]}),
        allergy("Reaktion auf Wirkstoff XY", verificationStatus={"coding": [{"code": "refuted"}]}),
    ],
)
def test_none_food_what_is_known_and_what_is_over_are_no_card(client: FlaskClient, record: dict[str, Any]) -> None:
    assert signed(client, AMOXICILLIN, record) == []


def test_a_shared_code_that_is_not_known_is_told_where_its_category_says_a_drug(client: FlaskClient) -> None:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "999999", "display": "Zubstanzol"}]}
    (card,) = signed(client, AMOXICILLIN, allergy("", category=["medication"], code=code))
    assert "Zubstanzol" in card["detail"]
    assert signed(client, METOPROLOL, allergy("", key="a3", code=code)) == []


def test_its_words_mark_nothing_up_and_many_are_counted(client: FlaskClient) -> None:
    words = ("Xyz [click](http://evil.test) <b>", "**Take** two", "Third", "Fourth", "Fifth")
    (card,) = signed(client, AMOXICILLIN, *(allergy(one, key=f"a{at}") for at, one in enumerate(words)))
    assert card["summary"].startswith("5 recorded allergies")
    assert "evil.test" not in card["detail"]
    assert [one for one in ("<b>", "[click]", "**Take**") if one in card["detail"]] == []
    assert "And 2 more" in card["detail"]


def test_a_card_of_the_order_has_a_line_for_it_and_none_stands_beside(client: FlaskClient) -> None:
    (card,) = signed(client, spironolactone(), *potassium(6.2), allergy("Reaktion auf Wirkstoff XY"))
    assert card["summary"].startswith("Draft order Spironolactone: potassium is high")
    assert "is recorded: “Reaktion auf Wirkstoff XY”" in card["detail"]


def test_where_nothing_is_drafted_nothing_is_told(client: FlaskClient) -> None:
    body = signing(chart=(allergy("Reaktion auf Wirkstoff XY"),))
    assert cards(client, body) == []
