"""Drafted doses that are not simulated: what they, the chart or the patient leave open is said, and no number is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import FROZEN
from tests.doses import CHART, about_dose, creatinine, dosage, dosing, drafted, standing, weight
from tests.orders import cards
from tests.patients import patient

GRAM_A_DAY = {"numerator": {"value": 0.9, "unit": "g"}, "denominator": {"value": 1, "unit": "d"}}
BY_VOLUME = {"value": 250, "unit": "mL/h"}
THREE_DOSES = {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h", "count": 3}}
TWO_UNITS = [{"doseQuantity": {"value": 500, "unit": "mg", "code": "g"}}]


@pytest.mark.parametrize(
    ("draft", "chart", "why"),
    [
        (drafted(500, 12, dosageInstruction=dosage(500, 12, unit="")), CHART, "the drafted dose needs an amount in mg"),
        (drafted(500, 12, dosageInstruction=dosage(15, 12, unit="mg/kg")), CHART, "the drafted dose needs an amount"),
        (drafted(500, 12, dosageInstruction=dosage(500, 12) * 2), CHART, "must be one instruction, not several"),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, route={"text": "IM"})),
            CHART,
            "the drafted route must be iv",
        ),
        (drafted(500, 12, dosageInstruction=dosage(500, 12, route=None)), CHART, "the drafted route must be said"),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, asNeededBoolean=True)),
            CHART,
            "timing needs a regular interval",
        ),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, timing={"code": {"text": "with dialysis"}})),
            CHART,
            "timing needs a regular interval",
        ),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, text="500 mg every 12 h as needed")),
            CHART,
            "timing needs a regular interval",
        ),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, maxDosePerPeriod=GRAM_A_DAY)),
            CHART,
            "a highest dose stands beside it and might be exceeded",
        ),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, over_h=None, rateQuantity=BY_VOLUME)),
            CHART,
            "the drafted length of an infusion must be one length of time, or a rate in the unit of the dose",
        ),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, timing=THREE_DOSES)),
            CHART,
            "the drafted course must go on for 72 h at least",
        ),
        (
            drafted(500, 12, dosageInstruction=dosage(500, 12, doseAndRate=TWO_UNITS)),
            CHART,
            "the drafted dose must be one amount in mg, g or ug, in which unit and code agree",
        ),
        (drafted(500, 12), CHART[1:], "weight is needed"),
        (drafted(500, 12), CHART[:2], "creatinine is needed"),
        (drafted(500, 12), (*CHART[1:], weight(3.0)), "weight must be"),
        (drafted(500, 12), (*CHART[:2], creatinine(0.1)), "creatinine must be"),
    ],
)
def test_what_cannot_be_simulated_has_no_number_and_a_reason_beside_another_card(
    client: FlaskClient, draft: dict[str, Any], chart: tuple[Mapping[str, Any], ...], why: str
) -> None:
    order = standing(500, 12)  # the draft is a duplicate: another card speaks of it
    (card,) = cards(client, dosing(draft, chart=(*chart, order)))
    assert card["source"]["topic"]["code"] == "orderDuplicateVancomycin"
    unseen = card["detail"].partition("**Not seen**")[2]
    assert "dose not simulated: " in unseen
    assert why in unseen
    assert cards(client, dosing(draft, chart=chart)) == []


def test_dialysis_and_children_are_refused(client: FlaskClient) -> None:
    done = {
        "resourceType": "Procedure",
        "id": "d1",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": "Hemodialysis", "coding": [{"system": "http://snomed.info/sct", "code": "302497006"}]},
        "performedDateTime": FROZEN.isoformat(),
    }
    assert about_dose(cards(client, dosing(drafted(500, 12), chart=(*CHART, done)))) == []
    body = dosing(drafted(500, 12))
    body["prefetch"]["patient"] = patient(birthDate="2015-01-01")
    assert about_dose(cards(client, body)) == []
