"""Amounts of a day that a dosage says in words, tablets or a range: what is sure is read, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.fabric.drugs.daily import daily_of, strengths_of
from cds_app.fabric.drugs.dosing import dosing_of
from cds_app.fabric.drugs.unsettled import doses_of, one_dose
from tests.chart import NOW

TABLET = "Acetaminophen 500 MG Oral Tablet"
MIXTURE = "Oxycodone-Acetaminophen (5mg-325mg)"
CLINICAL_DRUG = "Acetaminophen 325 MG / oxyCODONE Hydrochloride 5 MG Oral Tablet"


def drugs(text: str) -> tuple[str, ...]:
    """Which of the drugs of these tests a text names."""
    known = {
        "acetaminophen": "paracetamol",
        "paracetamol": "paracetamol",
        "oxycodone": "oxycodone",
        "codeine": "codeine",
    }
    said = text.casefold()
    return tuple(dict.fromkeys(key for name, key in known.items() if name in said))


def read(words: str, name: str = "paracetamol", **more: Any) -> dict[str, float]:
    instruction = {"text": words, **more}
    dosing = dosing_of(instruction, one_dose(doses_of(instruction)), NOW.tzinfo)  # type: ignore[arg-type]
    found = daily_of(instruction, dosing, drugs(name), strengths_of((), [name], drugs))
    return {one.concepts[0]: one.mg for one in found}


@pytest.mark.parametrize(
    ("words", "name", "mg"),
    [
        ("Acetaminophen 650 mg PO/NG Q6H:PRN", "acetaminophen", 2600.0),
        ("1 g four times a day", "paracetamol", 4000.0),
        ("1,000 mg every 6 hours", "paracetamol", 4000.0),
        ("500-1000 mg PO Q6H:PRN", "paracetamol", 4000.0),  # what may be given
        ("650 mg q 4-6 hours prn", "paracetamol", 3900.0),
        ("650 mg q6h x 3 days", "paracetamol", 2600.0),
        ("Take two tablets every 6 hours as needed", TABLET, 4000.0),
        ("take 2 tablets (1000 mg) twice daily", TABLET, 2000.0),
        ("1-2 TAB PO Q4H:PRN", MIXTURE, 3900.0),
        ("1-2 TAB PO Q4H:PRN", CLINICAL_DRUG, 3900.0),
        ("0.5 tablet daily", TABLET, 250.0),
    ],
)
def test_what_words_say_in_one_way_counts(words: str, name: str, mg: float) -> None:
    assert read(words, name)["paracetamol"] == pytest.approx(mg)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("1 g up to four times a day", "paracetamol"),
        ("650 mg q4h prn, max 3 g/day", "paracetamol"),
        ("15 mg/kg q6h", "paracetamol"),
        ("15 mL q6h", "Acetaminophen 160 mg/5 mL"),
        ("2 x 500 mg qid", "paracetamol"),
        ("2x500 mg qid", "paracetamol"),
        ("give 650 mg or 1000 mg q6h", "paracetamol"),
        ("650 mg q6h, then 1 g q8h", "paracetamol"),
        ("1 tablet twice daily then 2 tablets", TABLET),
        ("take 2 tablets (650 mg) every 6 hours", TABLET),  # the words are of another strength
        ("2 tablets every 6 hours", "paracetamol"),  # of no strength that is known
        ("1/2 tablet daily", TABLET),
        ("one-half tablet daily", TABLET),
        ("30 tablets every 6 hours", TABLET),
        ("6 tablets once a week", TABLET),
        ("2 tablets daily on Mon", TABLET),
        ("every 6 hours", TABLET),
        ("650 mg", "paracetamol"),
        ("as directed", TABLET),
    ],
)
def test_what_can_be_read_in_another_way_comes_to_nothing(words: str, name: str) -> None:
    assert read(words, name) == {}


def test_elements_count_before_words_that_do_not_contradict_them() -> None:
    def coded(value: float, unit: str) -> list[dict[str, Any]]:
        return [{"doseQuantity": {"value": value, "unit": unit}}]

    every_6_h = {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}}
    assert read("", TABLET, doseAndRate=coded(2, "TAB"), timing=every_6_h) == {"paracetamol": 4000.0}
    assert read("", CLINICAL_DRUG, doseAndRate=[{"doseQuantity": {"value": 1}}], timing=every_6_h) == {
        "paracetamol": 1300.0,
        "oxycodone": 20.0,
    }
    ranged = [{"doseRange": {"low": {"value": 325, "unit": "mg"}, "high": {"value": 650, "unit": "mg"}}}]
    assert read("325-650 mg PO Q6H:PRN", doseAndRate=ranged) == {"paracetamol": 2600.0}
    assert read("650 mg PO Q6H:PRN", doseAndRate=coded(650, "mg")) == {"paracetamol": 2600.0}
    assert read("1000 mg PO Q6H:PRN", doseAndRate=coded(650, "mg")) == {}
    on_mondays = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}}
    assert read("daily", TABLET, doseAndRate=coded(2, "TAB"), timing=on_mondays) == {}


def test_strengths_are_those_of_the_ingredients_before_those_of_a_name() -> None:
    def strength(mg: float, unit: str, per: float = 1.0) -> dict[str, Any]:
        return {"numerator": {"value": mg, "unit": "mg"}, "denominator": {"value": per, "unit": unit}}

    parts = [(("paracetamol",), strength(500, "tablet")), (("codeine",), strength(8, "tablet"))]
    found = strengths_of(parts, [CLINICAL_DRUG], drugs)
    assert [(one.concepts, one.mg) for one in found] == [(("paracetamol",), 500.0), (("codeine",), 8.0)]
    for ratio in (strength(160, "mL", 5.0), strength(160, "mL"), None, {"numerator": {"value": 500, "unit": "mL"}}):
        assert strengths_of([(("paracetamol",), ratio)], ["syrup"], drugs) == ()


@pytest.mark.parametrize("name", ["tablet " + "a " * 50_000, "tablet " + "a" * 100_000, "a (" + "1mg-" * 25_000])
def test_a_name_without_end_is_read_in_no_time(name: str) -> None:
    """Time that grows with the square of the length would not end here."""
    assert strengths_of((), [name], drugs) == ()


def test_a_strength_belongs_to_the_words_right_before_it() -> None:
    found = strengths_of((), ["12 HR Codeine 1,000 MG / Acetaminophen 325 MG Oral Tablet"], drugs)
    assert {one.concepts[0]: one.mg for one in found} == {"codeine": 1000.0, "paracetamol": 325.0}
    assert strengths_of((), ["500 MG Oral Tablet"], drugs) == ()
