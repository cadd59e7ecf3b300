"""What a value is read beside, and how old it is: what a reader takes from a line is so."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.cards.text import against, clock_time
from tests.conftest import FROZEN
from tests.patients import QUIET, call, course, observation, patient, stay

URL = "/cds-services/twinline-patient-view"
Rows = list[dict[str, Any]]


def cards(client: FlaskClient, *rows: dict[str, Any], ward: str = "Intensive care unit") -> dict[str, dict[str, Any]]:
    here = {**stay(FROZEN - timedelta(hours=40)), "type": [{"text": ward}]}
    answer = client.post(URL, json=call(patient(), here, *rows))
    assert answer.status_code == 200, answer.text
    return {one["source"]["topic"]["code"]: one for one in answer.get_json()["cards"]}


def taken(name: str, *seen: tuple[float, float]) -> Rows:
    """Values by minutes ago."""
    return [observation(name, value, FROZEN - timedelta(minutes=minutes)) for minutes, value in seen]


def test_two_numbers_that_read_the_same_say_nothing_of_what_was_between() -> None:
    assert against("64", "64", "06:00", rose=True) == "the same at 06:00"
    assert against("64", "70", "06:00", rose=False) == "down from 70 at 06:00"


def test_a_value_unlike_the_ones_before_is_shown_beside_the_one_just_before(client: FlaskClient) -> None:
    rows = taken("spo2", (420, 90.0), (240, 98.0), (180, 97.0), (120, 98.0), (60, 98.0), (5, 89.0))
    lines = cards(client, *rows)["hypoxia"]["detail"].splitlines()
    (line,) = (one for one in lines if one.startswith("- SpO2"))
    assert "unlike the values before" in line
    assert "(98, 55 min earlier)" in line


def test_a_value_of_another_specimen_is_called_by_its_own_name(client: FlaskClient) -> None:
    (gas,) = taken("potassium", (30, 2.9))
    gas["code"] = {"coding": [{"system": "http://loinc.org", "code": "6298-4"}]}
    card = cards(client, gas, *taken("potassium", (600, 3.6)))["hypokalaemia"]
    assert "Potassium (blood) 2.9 mmol/L" in card["summary"]
    assert "down from Potassium 3.6 at" in card["summary"]
    assert "(Potassium 3.6, 10 h earlier)" in card["detail"]


def test_a_topic_that_is_called_after_its_score_says_what_that_came_to(client: FlaskClient) -> None:
    rows = [*taken("resp_rate", (400, 24.0), (10, 26.0)), *taken("spo2", (10, 95.0)), *taken("sbp", (10, 104.0))]
    rows += [*taken("heart_rate", (10, 118.0)), *taken("body_temp", (10, 37.4))]
    card = cards(client, *rows, ward="Surgery")["news2Escalation"]
    assert card["summary"].startswith("NEWS2 at least 7, high (7 or more): Respiratory rate 26 /min")


def test_a_card_of_possible_sepsis_names_the_infection_before_what_a_model_says_in_passing(client: FlaskClient) -> None:
    infected = {
        **{"resourceType": "Condition", "id": "u", "subject": {"reference": "Patient/p1"}},
        "recordedDate": (FROZEN - timedelta(hours=20)).isoformat(),
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "N39.0"}]},
    }
    ill = course(FROZEN, QUIET, {**QUIET, "sbp": 84.0, "map": 61.0}, 10)
    card = cards(client, infected, *ill, *taken("lactate", (20, 3.1)), *taken("creatinine", (20, 2.2)))["sepsis"]
    assert "possible septic shock" in card["summary"]
    why = card["detail"].partition("**Options")[0]
    assert why.index("- Mean arterial pressure") < why.index(", recorded ") < why.index("- Lactate 3.1")
    assert "SOFA" not in why[: why.index("- Lactate 3.1")]


def test_a_stage_that_a_card_rests_on_comes_before_what_it_was_made_of(client: FlaskClient) -> None:
    rows = taken("creatinine", (60 * 30, 0.9), (20, 2.0))
    why = cards(client, *rows)["aki"]["detail"].partition("**Options")[0].splitlines()
    assert [one[:14] for one in why if one.startswith("- ")][:2] == ["- Creatinine 2", "- KDIGO stage "]


def test_another_value_of_the_same_instant_is_told(client: FlaskClient) -> None:
    cuff = observation("map", 74.0, FROZEN - timedelta(minutes=5), key="a-cuff")
    line = observation("map", 58.0, FROZEN - timedelta(minutes=5), key="z-line")
    why = cards(client, *taken("map", (65, 75.0)), cuff, line)["hypotension"]["detail"]
    assert "- Mean arterial pressure 58 mmHg" in why
    assert "; 74 at the same time" in why


LINE, CUFF = {"text": "Arterial line"}, {"text": "Non-invasive cuff"}
INVASIVE = {"coding": [{"system": "http://loinc.org", "code": "76214-6"}]}
BY_CUFF = {"coding": [{"system": "http://loinc.org", "code": "76536-2"}]}


@pytest.mark.parametrize(
    ("line", "cuff"), [({"method": LINE}, {"method": CUFF}), ({"code": INVASIVE}, {"code": BY_CUFF})]
)
@pytest.mark.parametrize("by_line", [58.0, 84.0])
def test_beside_an_arterial_line_a_cuff_does_not_count(
    client: FlaskClient, line: dict[str, Any], cuff: dict[str, Any], by_line: float
) -> None:
    at = FROZEN - timedelta(minutes=5)
    high = {**observation("map", by_line, at, key="a-line"), **line}
    low = {**observation("map", 41.0, at, key="z-cuff"), **cuff}
    told = cards(client, *taken("map", (65, 75.0)), high, low)
    assert ("hypotension" in told) is (by_line < 65)
    if by_line < 65:
        why = told["hypotension"]["detail"]
        assert "- Mean arterial pressure 58 mmHg" in why
        assert "; of the arterial line, cuff 41 at the same time" in why


def test_results_whose_codes_nobody_knows_are_counted_where_they_are_recent(client: FlaskClient) -> None:
    strange = {"coding": [{"system": "http://loinc.org", "code": "99999-9"}], "text": "Something local"}
    rows = [
        {**one, "code": strange} for one in taken("lactate", (5, 1.0), (60 * 23, 1.0), (60 * 25, 1.0), (90000, 1.0))
    ]
    detail = cards(client, *rows, *taken("potassium", (10, 6.8)))["hyperkalaemia"]["detail"]
    assert "2 results of the last 24 h with codes not known here." in detail


@pytest.mark.parametrize(("minutes", "told"), [(60 * 5, ""), (60 * 10, ", 10 h ago and the newest")])
def test_a_value_that_nobody_looked_after_is_told_with_its_age(client: FlaskClient, minutes: int, told: str) -> None:
    card = cards(client, *taken("glucose", (minutes, 42.0)))["hypoglycaemia"]
    assert f" at {clock_time(FROZEN - timedelta(minutes=minutes), FROZEN, UTC)}{told}" in card["summary"]
    assert ("newest" in card["summary"]) is bool(told)
