"""Results whose code speaks of moles: a mass under it may be of another molecule."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.content import latest
from cds_app.domain.issues import IssueCode
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.presets import Presets
from cds_app.domain.units import UnitConverter
from cds_app.fabric.reading import Reading, read
from tests.unit.fabric.conftest import LEARNED, LOINC, NOW, observation

ONTOLOGY = load_ontology(latest("ontology"))
UNITS = UnitConverter(ONTOLOGY)
NITROGEN, UREA, MASS = "3094-0", "22664-7", "3091-6"


def told(value: float, unit: str, *codes: str, text_only: bool = False) -> Reading:
    sent: dict[str, Any] = observation(value=value, unit=unit)
    sent["code"] = {"coding": [{"system": LOINC, "code": code} for code in codes]}
    if text_only:
        sent["valueQuantity"] = {"value": value, "unit": unit}
    zone = NOW.tzinfo
    assert zone is not None
    return read([sent], patient="1", ontology=ONTOLOGY, units=UNITS, zone=zone, learned=LEARNED, now=NOW)


@pytest.mark.parametrize("text_only", [False, True])
def test_urea_in_moles_is_nitrogen_and_a_mass_of_it_is_not_guessed_at(text_only: bool) -> None:
    (one,) = told(5.0, "mmol/L", UREA, text_only=text_only).facts.measurements
    assert ONTOLOGY.variables[one.variable].quantity == "urea_nitrogen"
    assert one.value == pytest.approx(14.007)
    refused = told(30.0, "mg/dL", UREA, text_only=text_only)
    assert [one.void for one in refused.facts.measurements] in ([], [True])
    assert [one.code for one in refused.issues] == [IssueCode.WRONG_DIMENSION]


@pytest.mark.parametrize("codes", [(NITROGEN, UREA), (UREA, NITROGEN)])
def test_beside_the_code_of_nitrogen_a_mass_is_of_nitrogen(codes: tuple[str, str]) -> None:
    (one,) = told(30.0, "mg/dL", *codes).facts.measurements
    assert (one.variable, one.value) == ("urea_nitrogen", 30.0)


@pytest.mark.parametrize(("value", "unit"), [(60.056, "mg/dL"), (0.60056, "g/L"), (600.56, "mg/L"), (10.0, "mmol/L")])
def test_a_mass_of_urea_is_not_one_of_its_nitrogen(value: float, unit: str) -> None:
    (one,) = told(value, unit, MASS).facts.measurements
    variable = ONTOLOGY.variables[one.variable]
    assert variable.quantity == "urea_nitrogen"
    assert one.value == pytest.approx(28.014)
    assert variable.told.beside(one) == f"{value:g} {unit} urea"


def test_a_mass_of_urea_in_a_unit_that_says_no_mass_of_it_is_refused() -> None:
    refused = told(0.6, "ug/dL", MASS)
    assert [one.code for one in refused.issues] == [IssueCode.WRONG_DIMENSION]


def test_where_urea_is_told_a_number_of_its_nitrogen_says_so() -> None:
    told_in = Presets(latest("ontology"), ONTOLOGY)
    ontology = told_in.told(told_in.choice("si"))
    (nitrogen,) = told(31.0, "mg/dL", NITROGEN).facts.measurements
    (whole,) = told(66.0, "mg/dL", MASS).facts.measurements
    said = [ontology.variables[one.variable] for one in (nitrogen, whole)]
    assert [one.label for one in said] == ["Urea", "Urea"]
    assert said[0].told.beside(nitrogen) == "31 mg/dL urea nitrogen"
    assert said[1].told.beside(whole) == "66 mg/dL"
