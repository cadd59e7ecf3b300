"""A value of another specimen or place than its code says is none of the variable, and the card says what it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.services.replay import replay_decision
from tests.answers import cards_of, result_in, told, topic_of
from tests.conftest import FROZEN
from tests.patients import QUIET, call, course, hyperkalaemic, observation, patient, stay

SNOMED, TABLE = "http://snomed.info/sct", "http://terminology.hl7.org/CodeSystem/v2-0487"


ODD: tuple[object, ...] = (
    *(None, 7, "urine", [], {}, [None], ["urine"]),
    *({"display": 7}, {"reference": 7}, {"coding": "UR"}, {"text": ["urine"]}),
)  # fmt: skip


def coded(code: str, system: str = SNOMED, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **more}


def contained(made_of: object, **more: Any) -> dict[str, Any]:
    return {
        "contained": [{"resourceType": "Specimen", "id": "s", "type": made_of, **more}],
        "specimen": {"reference": "#s"},
    }


def cards(client: FlaskClient, more: dict[str, Any], *others: dict[str, Any]) -> dict[str, str]:
    """Summary and detail of each card by topic, for a potassium of 6.8 of which something is said."""
    body = hyperkalaemic(FROZEN)
    result_in(body, 6.8).update(more)
    body["prefetch"]["labs"]["entry"].extend({"resource": one} for one in others)
    return told(cards_of(client, body))


@pytest.mark.parametrize(
    "more",
    [
        {"specimen": {"display": "Urine, random"}},
        {"specimen": {"display": "URINE"}},
        {"specimen": [{"display": "URINE"}]},
        {"specimen": {"reference": "Specimen/lost", "display": "CSF;SPINAL FLUID"}},
        {"specimen": {"display": "Serum and urine"}},
        contained(coded("122575003")),
        contained(coded("UR", TABLE)),
        contained(coded("U7", "urn:local", text="24 h urine")),
        contained({"coding": [{"system": "urn:local", "code": "7", "display": "Pleural fluid"}], "text": "No. 2"}),
        contained({"text": "Dialysate"}),
        contained(coded("122556008")),
        {"note": [{"text": "VERIFIED. PLEURAL FLUID."}]},
        {"note": [{"text": "No calls made - urine"}]},
    ],
)
def test_a_potassium_of_something_else_is_no_potassium(client: FlaskClient, more: dict[str, Any]) -> None:
    assert "hyperkalaemia" not in cards(client, more)


@pytest.mark.parametrize(
    "more",
    [
        {"specimen": {"display": "Serum/Plasma"}},
        {"specimen": {"display": "Blood, venous"}},
        {"specimen": {"display": "Specimen 24UM-289MC0001"}},
        {"specimen": {"reference": "Specimen/lost"}},
        contained(coded("119364003")),
        contained(coded("122555007")),
        contained(coded("PLAS", TABLE)),
        contained({"text": "SST gold top"}),
        contained(coded("122575003"), status="entered-in-error"),
        {"note": [{"text": "Compare with the urine potassium. Repeat urine sodium"}]},
        {"bodySite": {"text": "Toe"}, "method": {"text": "estimated"}},
        *({"specimen": odd} for odd in ODD),
        *(contained(odd) for odd in ODD),
        {
            "contained": [{"resourceType": "Basic", "id": "s", "type": {"text": "urine"}}],
            "specimen": {"reference": "#s"},
        },
        {"specimen": {"reference": "#s"}, "contained": {"resourceType": "Specimen"}},
        {"bodySite": 7, "method": [None, "x"]},
    ],
)
def test_blood_what_is_not_known_and_what_cannot_be_read_leave_it_one(
    client: FlaskClient, more: dict[str, Any]
) -> None:
    found = cards(client, more)["hyperkalaemia"]
    assert "something else" not in found


def test_the_card_says_what_was_not_used_and_of_what_it_was(client: FlaskClient) -> None:
    urine = [observation("potassium", 44.0, FROZEN, key=f"u{i}", specimen={"display": "Urine"}) for i in range(2)]
    found = cards(client, {}, *urine)["hyperkalaemia"]
    assert "2 results of something else than their codes say, not used: Potassium (urine)." in found
    assert "codes not known" not in found


@pytest.mark.parametrize(("hours", "told"), [(23, True), (25, False)])
def test_what_would_not_be_current_any_more_is_not_told(client: FlaskClient, hours: int, told: bool) -> None:
    at = FROZEN - timedelta(hours=hours)
    urine = observation("potassium", 44.0, at, key="u", specimen={"display": "Urine"})
    found = cards(client, {}, urine)["hyperkalaemia"]
    assert ("something else" in found) is told
    assert "codes not known" not in found


@pytest.mark.parametrize(("code", "used"), [("122575003", False), ("119364003", True)])
def test_a_specimen_that_comes_beside_its_result_is_read(client: FlaskClient, code: str, used: bool) -> None:
    specimen = {"resourceType": "Specimen", "id": "s1", "type": coded(code)}
    found = cards(client, {"specimen": {"reference": "Specimen/s1"}}, specimen)
    assert ("hyperkalaemia" in found) is used
    assert not any("could not be used" in text for text in found.values())


def test_a_specimen_that_comes_later_counts_and_is_not_forgotten(client: FlaskClient, deps: Deps) -> None:
    def topics(more: dict[str, Any], *others: dict[str, Any]) -> set[str]:
        before = {one.decision.id for one in deps.store.journal() if one.decision}
        cards(client, more, *others)
        return {one.decision.topic for one in deps.store.journal() if one.decision and one.decision.id not in before}

    specimen = {"resourceType": "Specimen", "id": "s1", "type": coded("122575003")}
    result = {"specimen": {"reference": "Specimen/s1"}, "meta": {"versionId": "1"}}
    again = {**result, "issued": FROZEN.isoformat()}  # said otherwise, so that it is read
    assert "hyperkalaemia" in topics(result)
    assert "hyperkalaemia" not in topics(result, specimen)
    assert "hyperkalaemia" not in topics(again)
    assert "hyperkalaemia" in topics({"specimen": {"display": "Serum"}, "meta": {"versionId": "2"}})
    decisions = [one.decision for one in deps.store.journal() if one.decision]
    assert all(replay_decision(deps.knowledge, deps.store, one.id).same for one in decisions)


def acidaemic(**more: Any) -> dict[str, Any]:
    at = FROZEN - timedelta(minutes=20)
    return {
        **observation("heart_rate", 7.05, at, key="gas", **more),
        "code": coded("2744-1", "http://loinc.org"),
        "valueQuantity": {"value": 7.05, "unit": "[pH]", "code": "[pH]"},
    }


@pytest.mark.parametrize(
    ("more", "used"),
    [
        ({}, True),
        ({"specimen": {"display": "Arterial line blood"}}, True),
        (contained(coded("BLDA", TABLE)), True),
        (contained(coded("119297000")), True),
        ({"note": [{"text": "NO CALLS MADE - NOT ARTERIAL BLOOD."}]}, False),
        ({"note": [{"text": "VERIFIED.  NO CALLS MADE - NOT ARTERIAL BLOOD."}]}, False),
        (contained(coded("122555007")), False),
        (contained(coded("122554006")), False),
        ({"specimen": {"display": "Mixed venous"}}, False),
    ],
)
def test_a_gas_that_is_not_arterial_is_no_arterial_gas(client: FlaskClient, more: dict[str, Any], used: bool) -> None:
    body = call(patient(), stay(FROZEN - timedelta(hours=11)), *course(FROZEN, QUIET, QUIET), acidaemic(**more))
    found = set(map(topic_of, cards_of(client, body)))
    assert ("acidaemia" in found) is used


def test_the_state_in_which_a_specimen_came_is_a_comment(client: FlaskClient) -> None:
    found = cards(client, contained(coded("119364003"), condition=[{"text": "Haemolysed"}]))["hyperkalaemia"]
    assert "comment: “Haemolysed”" in found
    assert "Haemolysis was reported: consider a repeat sample" in found
