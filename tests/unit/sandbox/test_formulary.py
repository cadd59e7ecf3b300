"""Drafts say their dose for machines where it was said in the words of the list, and in words alone where not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest

from cds_app.sandbox.people.formulary import FORMULARY, Author, Wish, draft_order

AUTHOR = Author(patient="p1", encounter="e1", user="Practitioner/1", at=datetime(2026, 3, 1, tzinfo=UTC))


def dosage(drug: str, dose: str = "") -> dict[str, Any]:
    made = draft_order(Wish(drug=drug, dose=dose), AUTHOR)
    MedicationRequest.model_validate(made)
    (found,) = made["dosageInstruction"]
    return dict(found)


def test_the_usual_dose_is_said_for_machines_too() -> None:
    found = dosage("vancomycin")
    assert found["text"] == "1 g into a vein every 12 hours"
    assert found["route"]["coding"][0]["code"] == "47625008"
    assert found["timing"]["repeat"] == {"frequency": 1, "period": 12, "periodUnit": "h"}
    assert found["doseAndRate"][0]["doseQuantity"] == {
        "value": 1.0,
        "unit": "g",
        "system": "http://unitsofmeasure.org",
        "code": "g",
    }


def test_the_length_of_an_infusion_may_be_said() -> None:
    repeat = dosage("vancomycin", "750 mg into a vein every 8 hours, each over 90 minutes")["timing"]["repeat"]
    assert (repeat["period"], repeat["duration"], repeat["durationUnit"]) == (8, 90, "min")


@pytest.mark.parametrize(
    "words",
    ["1 g", "500 mg by mouth twice a day", "1 g into a vein every 12 hours if feverish", "-1 g by mouth every 6 hours"],
)
def test_what_is_said_in_other_words_stays_words(words: str) -> None:
    assert dosage("vancomycin", words) == {"text": words}


def test_every_usual_order_is_valid() -> None:
    assert all(dosage(one.key)["text"] == one.usual for one in FORMULARY)
