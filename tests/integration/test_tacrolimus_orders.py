"""What a drafted dose of tacrolimus is held against early after a kidney transplantation, and without early doses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import FROZEN
from tests.doses import TRANSPLANT, creatinine, dosage, given, height, numbered_seeds, numbers, topic, weight
from tests.genomes import genotype
from tests.orders import cards, medication, signing
from tests.patients import observation

ORAL = {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]}


@pytest.fixture(autouse=True)
def the_same_chance_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_seeds(monkeypatch)


def lab(code: str, value: float, unit: str, hours: float) -> dict[str, Any]:
    return {
        **observation("creatinine", value, FROZEN - timedelta(hours=hours), key=f"r{code}{hours:g}"),
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


def level(value: float, hours: float) -> dict[str, Any]:
    return lab("11253-2", value, "ng/mL", hours)


def transplanted(days: float) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": "transplantation",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "70536003"}]},
        "performedDateTime": (FROZEN - timedelta(days=days)).isoformat(),
    }


def taken(days: float, mg: float = 4.0) -> list[dict[str, Any]]:
    """A dose every 12 h, the last 11 h ago."""
    hours = range(11, int(24 * days), 12)
    return [
        {**given(mg, one, "tacrolimus"), "dosage": {"dose": {"value": mg, "unit": "mg"}, "route": ORAL}}
        for one in hours
    ]


def found(client: FlaskClient, mg: float, *chart: dict[str, Any]) -> list[dict[str, Any]]:
    known = (weight(75.0), height(175.0), creatinine(1.4), lab("4544-3", 33.0, "%", 3.0), TRANSPLANT)
    instruction = [{**dosage(mg, 12.0, over_h=None)[0], "route": ORAL}]
    draft = medication("draft-1", "tacrolimus", status="draft", dosageInstruction=instruction)
    return cards(client, signing(draft, chart=(*known, genotype("CYP3A5", "*3/*3"), *chart)))


def dose_card(answered: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in answered if topic(one).startswith("dose") and "Unsimulated" not in topic(one)), None)


@pytest.mark.parametrize(("days", "target"), [(10.0, "8–12"), (100.0, "5–10"), (None, "5–10")])
def test_early_after_the_transplantation_more_is_aimed_at(client: FlaskClient, days: float | None, target: str) -> None:
    chart = () if days is None else (transplanted(days),)
    card = dose_card(found(client, 1.0, *chart))
    assert card is not None
    assert f"a trough of {target} ng/mL" in card["summary"]


def test_a_low_dose_early_is_told_even_where_none_is_within_all_limits(client: FlaskClient) -> None:
    card = dose_card(found(client, 1.0, transplanted(10.0)))
    assert card is not None
    assert "recommended" not in numbers(card)
    assert "doses led by levels" in card["detail"]
    assert [one for one in card["suggestions"] if one["actions"][0]["type"] == "create"] == []


@pytest.mark.parametrize("mg", [3.0, 4.0])
def test_nothing_is_said_early_of_a_dose_that_no_other_betters(client: FlaskClient, mg: float) -> None:
    assert dose_card(found(client, mg, transplanted(10.0))) is None


def test_a_level_leads_the_early_dose(client: FlaskClient) -> None:
    card = dose_card(found(client, 1.0, transplanted(10.0), *taken(9.0), level(9.0, 12.0)))
    assert card is not None
    assert numbers(card)["recommended"] in {"4 mg every 12 h", "5 mg every 12 h"}


@pytest.mark.parametrize(("days", "simulated"), [(9.0, True), (6.0, False)])
def test_a_level_before_the_first_dose_on_record_is_forgotten_after_a_week(
    client: FlaskClient, days: float, simulated: bool
) -> None:
    before = level(7.0, 24 * days + 48)
    answered = found(client, 1.0, *taken(days), before, level(9.0, 12.0), level(8.0, 24 * days - 60))
    card = dose_card(answered)
    assert (card is not None) is simulated
    said = " ".join(one["detail"] for one in answered)
    if card is not None:
        assert numbers(card)["levels"] == 1
        assert "before the first dose on record: doses before that are not known" in said
    else:
        assert "a level was measured 2 days before the first one on record" in said
