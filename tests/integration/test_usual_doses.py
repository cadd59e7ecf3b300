"""Doses as they are usually given, and as they are mistaken, of every drug that is simulated, for typical patients.

Each row is a draft about to be signed; what is expected is what the cards about its dose say. Doses are usual practice
from memory: gentamicin and tobramycin of 5 or 7 mg/kg once a day or 1.5 mg/kg three times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
from flask.testing import FlaskClient

from tests.conftest import FROZEN
from tests.doses import EXPLANATION, TRANSPLANT, creatinine, dosage, height, numbered_seeds, numbers, topic, weight
from tests.genomes import genotype
from tests.insulin import injecting, lispro
from tests.orders import cards, drafts, medication
from tests.patients import QUIET, call, course, patient

PEOPLE: Final = {  # born, sex, kg, cm, creatinine in mg/dL; by Cockcroft and Gault 119, 49, 49, 25 and 205 mL/min
    "young": ("1996-02-03", "male", 70.0, 175.0, 0.9),
    "old": ("1946-02-03", "female", 55.0, 160.0, 0.8),
    "eGFR 45": ("1961-02-03", "male", 75.0, 175.0, 1.6),
    "eGFR 20": ("1961-02-03", "male", 75.0, 175.0, 3.1),
    "obese": ("1981-02-03", "male", 140.0, 175.0, 0.9),
}
PLACES: Final = {"ward": "General medical ward", "icu": "Intensive care unit"}
NOTHING, HARM, LOW, NOT = "nothing", "harm", "low", "not simulated"
EXCESS, DAILY = "above the highest dose", "too much in a day"

ROWS: Final = """
young   | ward | gentamicin | 350  | 24 | nothing
young   | ward | gentamicin | 490  | 24 | nothing
young   | ward | gentamicin | 105  | 8  | nothing
young   | ward | gentamicin | 175  | 24 | low
young   | ward | gentamicin | 980  | 24 | harm
young   | ward | gentamicin | 3500 | 24 | harm
young   | ward | gentamicin | 1050 | 8  | harm
old     | ward | gentamicin | 280  | 36 | nothing
old     | ward | gentamicin | 80   | 12 | nothing
old     | ward | gentamicin | 385  | 24 | harm
old     | ward | gentamicin | 2800 | 36 | harm
eGFR 45 | ward | gentamicin | 75   | 12 | nothing
eGFR 45 | ward | gentamicin | 525  | 24 | harm
eGFR 20 | ward | gentamicin | 525  | 24 | harm
eGFR 20 | ward | gentamicin | 110  | 8  | harm
obese   | ward | gentamicin | 490  | 24 | not simulated
obese   | ward | gentamicin | 4900 | 24 | above the highest dose
young   | icu  | gentamicin | 350  | 24 | nothing
young   | icu  | gentamicin | 490  | 24 | nothing
young   | icu  | gentamicin | 3500 | 24 | harm
eGFR 20 | icu  | gentamicin | 525  | 24 | harm
obese   | icu  | gentamicin | 490  | 24 | not simulated
young   | ward | tobramycin | 350  | 24 | nothing
young   | ward | tobramycin | 490  | 24 | nothing
young   | ward | tobramycin | 105  | 8  | nothing
young   | ward | tobramycin | 980  | 24 | low
young   | ward | tobramycin | 3500 | 24 | harm
eGFR 20 | ward | tobramycin | 525  | 24 | not simulated
old     | ward | tobramycin | 280  | 36 | not simulated
obese   | ward | tobramycin | 490  | 24 | not simulated
young   | icu  | tobramycin | 3500 | 24 | harm
eGFR 20 | icu  | tobramycin | 525  | 24 | harm
young   | ward | vancomycin | 1000 | 12 | nothing
young   | ward | vancomycin | 500  | 12 | low
young   | ward | vancomycin | 2000 | 12 | harm
young   | ward | vancomycin | 10000 | 12 | harm
old     | ward | vancomycin | 1000 | 24 | nothing
old     | ward | vancomycin | 2000 | 24 | harm
eGFR 45 | ward | vancomycin | 1000 | 24 | nothing
eGFR 20 | ward | vancomycin | 500  | 24 | nothing
eGFR 20 | ward | vancomycin | 1000 | 12 | harm
obese   | ward | vancomycin | 1750 | 12 | nothing
obese   | ward | vancomycin | 3500 | 12 | harm
young   | icu  | vancomycin | 1000 | 12 | nothing
eGFR 20 | icu  | vancomycin | 1000 | 12 | harm
young   | ward | meropenem  | 1000 | 8  | nothing
young   | ward | meropenem  | 2000 | 8  | nothing
young   | ward | meropenem  | 500  | 8  | low
young   | ward | meropenem  | 10000 | 8 | above the highest dose
old     | ward | meropenem  | 1000 | 12 | nothing
eGFR 45 | ward | meropenem  | 1000 | 12 | nothing
eGFR 45 | ward | meropenem  | 2000 | 8  | too much in a day
eGFR 20 | ward | meropenem  | 500  | 12 | nothing
eGFR 20 | ward | meropenem  | 1000 | 8  | too much in a day
obese   | ward | meropenem  | 1000 | 8  | not simulated
young   | icu  | meropenem  | 1000 | 8  | nothing
young   | icu  | meropenem  | 10000 | 8 | above the highest dose
young   | ward | warfarin   | 5    | 24 | nothing
young   | ward | warfarin   | 2.5  | 24 | low
young   | ward | warfarin   | 50   | 24 | harm
old     | ward | warfarin   | 3    | 24 | nothing
old     | ward | warfarin   | 30   | 24 | harm
eGFR 20 | ward | warfarin   | 5    | 24 | nothing
obese   | ward | warfarin   | 5    | 24 | not simulated
obese   | ward | warfarin   | 50   | 24 | above the highest dose
young   | ward | tacrolimus | 3.5  | 12 | nothing
young   | ward | tacrolimus | 1.75 | 12 | low
young   | ward | tacrolimus | 7    | 12 | harm
young   | ward | tacrolimus | 35   | 12 | harm
eGFR 20 | icu  | tacrolimus | 3.5  | 12 | nothing
old     | ward | tacrolimus | 2.5  | 12 | not simulated
obese   | ward | tacrolimus | 50   | 12 | above the highest dose
"""
OVER_H: Final = {"gentamicin": 0.5, "tobramycin": 0.5, "meropenem": 0.5, "vancomycin": 1.0}
ORAL: Final = {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}], "text": "Oral route"}


def result(key: str, code: str, value: float, unit: str) -> dict[str, Any]:
    """A laboratory's result of three hours ago."""
    return {
        **weight(value, FROZEN - timedelta(hours=3)),
        "id": key,
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


GENES: Final = {
    "warfarin": (genotype("CYP2C9", "*1/*1"), genotype("VKORC1", "A/G"), result("inr", "6301-6", 1.1, "{INR}")),
    "tacrolimus": (genotype("CYP3A5", "*3/*3"), result("hct", "4544-3", 33.0, "%")),
}
BESIDE: Final = {**GENES, "tacrolimus": (*GENES["tacrolimus"], TRANSPLANT)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A patient at a place, a drug, its dose in mg and how often it is given, and what is said of it."""

    who: str
    where: str
    drug: str
    mg: float
    every_h: float
    said: str

    def __str__(self) -> str:
        return f"{self.who}, {self.where}: {self.drug} {self.mg:g} mg every {self.every_h:g} h"


def rows() -> Iterator[Row]:
    for line in ROWS.strip().splitlines():
        who, where, drug, mg, every, said = (cell.strip() for cell in line.split("|"))
        yield Row(who=who, where=where, drug=drug, mg=float(mg), every_h=float(every), said=said)


@pytest.fixture(autouse=True)
def the_same_chance_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    numbered_seeds(monkeypatch)


def signed(row: Row, beside: Mapping[str, tuple[Mapping[str, Any], ...]] = BESIDE) -> dict[str, Any]:
    born, sex, kg, cm, mg_dl = PEOPLE[row.who]
    stay = {
        "resourceType": "Encounter",
        "id": "p1-stay",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "type": [{"text": PLACES[row.where]}],
        "subject": {"reference": "Patient/p1"},
        "period": {"start": (FROZEN - timedelta(hours=30)).isoformat()},
    }
    chart = (weight(kg), height(cm), creatinine(mg_dl), creatinine(mg_dl, 26.0), *beside.get(row.drug, ()))
    vital = course(FROZEN, QUIET, QUIET)
    body = call(patient(birthDate=born, gender=sex), stay, *vital, *chart, hook="order-sign")
    instruction = dosage(row.mg, row.every_h, over_h=OVER_H.get(row.drug))
    if row.drug not in OVER_H:
        instruction[0]["route"] = ORAL
    draft = medication("draft-1", row.drug, status="draft", dosageInstruction=instruction)
    body["context"]["draftOrders"] = drafts(draft)
    return body


def verdict(found: list[dict[str, Any]], drug: str) -> str:
    name = drug.capitalize()
    told = {topic(one): one for one in found}
    harm = told.get(f"doseHarm{name}")
    if harm is not None:
        return EXCESS if "highestDose" in harm["extension"][EXPLANATION] else HARM
    if f"dose{name}" in told:
        return LOW
    if any("mg in 24 h, at most" in one["detail"] for one in found):
        return DAILY
    unsimulated = f"doseUnsimulated{name}" in told or any("not simulated" in one["detail"] for one in found)
    return NOT if unsimulated else NOTHING


@pytest.mark.parametrize("row", tuple(rows()), ids=str)
def test_what_is_said_of_a_dose(client: FlaskClient, row: Row) -> None:
    found = cards(client, signed(row))
    assert verdict(found, row.drug) == row.said, [one["summary"] for one in found]
    for card in found:
        if topic(card).startswith("dose") and "simulation" in card["extension"][EXPLANATION]:
            offers_are_safe_and_enough(card)


def offers_are_safe_and_enough(card: Mapping[str, Any]) -> None:
    """What may be accepted is within every limit, and neither too little nor too much for the middle patient."""
    said = numbers(card)
    created = [one for one in card["suggestions"] if one["actions"][0]["type"] == "create"]
    assert bool(created) is (said.get("recommended") is not None)
    for better in (one for one in said["plans"] if one["name"] == said.get("recommended")):
        assert all(harm["points"] <= harm["limit"] for harm in better["harms"])
        assert not better.get("outside")
        if said["target"]["metric"] == "auc24_steady":
            assert said["target"]["low"] <= better["auc24"]["median"] <= said["target"]["high"]


@pytest.mark.parametrize(
    ("where", "models"),
    [("ward", {"gentamicin-xuan-2004"}), ("icu", {"gentamicin-duong-2022", "gentamicin-hodiamont-2017"})],
)
def test_models_are_of_where_the_patient_is(client: FlaskClient, where: str, models: set[str]) -> None:
    low = Row(who="young", where=where, drug="gentamicin", mg=60.0, every_h=24.0, said=LOW)
    (card,) = cards(client, signed(low))
    assert {one["name"] for one in numbers(card)["models"]} == models


def test_tacrolimus_is_simulated_for_nobody_without_a_kidney_transplant(client: FlaskClient) -> None:
    row = Row(who="young", where="ward", drug="tacrolimus", mg=3.5, every_h=12.0, said=NOT)
    (card,) = cards(client, signed(row, GENES))
    assert card["summary"] == (
        "Tacrolimus draft: dose not simulated: the chart must hold a kidney transplant: the model is of nobody else"
    )


@pytest.mark.parametrize(("code", "used"), [("C50.9", False), ("C92.0", True)])
def test_a_model_of_haematological_malignancy_is_used_in_it_alone(client: FlaskClient, code: str, used: bool) -> None:
    cancer = {**TRANSPLANT, "id": "cancer", "code": {"coding": [{**TRANSPLANT["code"]["coding"][0], "code": code}]}}
    row = Row(who="young", where="ward", drug="vancomycin", mg=500.0, every_h=12.0, said=LOW)
    found = cards(client, signed(row, {"vancomycin": (cancer,)}))
    (card,) = (one for one in found if topic(one) == "doseVancomycin")
    assert ("vancomycin-buelga-2005" in {one["name"] for one in numbers(card)["models"]}) is used


@pytest.mark.parametrize(("units", "said"), [(3.0, ""), (30.0, "doseHarmInsulins"), (40.0, "doseHarmInsulins")])
def test_insulin_for_a_high_glucose(client: FlaskClient, units: float, said: str) -> None:
    found = cards(client, injecting(lispro(units)))
    assert [topic(one) for one in found] == ([said] if said else [])
