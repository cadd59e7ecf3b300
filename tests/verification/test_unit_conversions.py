"""Conversions against factors that were published by others.

The factors are those that clinical laboratories print, to three to five digits. Ours follow from the molar mass, so
they agree within the last printed digit: half of it is 0.05 % for three digits and 0.005 % for four. Where the printed
factor itself deviates from the molar mass by more, the tolerance is that deviation, and is said so.
"""

from __future__ import annotations

import pytest

from cds_app.content import latest
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter

EXACT = 1e-9


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return load_ontology(latest("ontology"))


@pytest.fixture(scope="module")
def converter(ontology: Ontology) -> UnitConverter:
    return UnitConverter(ontology)


@pytest.mark.parametrize(
    ("key", "unit", "factor", "tolerance"),
    [  # one canonical unit is `factor` of the other unit
        ("glucose_sp", "mmol/L", 0.0555, 5e-4),
        ("cgm_glucose_mass", "mmol/L", 0.0555, 5e-4),
        ("creatinine", "umol/L", 88.42, 3e-4),  # 88.40 by molar mass and in KDIGO 2012
        ("creatinine", "umol/L", 88.4, 5e-5),
        ("bilirubin_total", "umol/L", 17.104, 5e-5),
        ("bilirubin_direct", "umol/L", 17.104, 5e-5),
        ("urea_nitrogen", "mmol/L", 0.357, 5e-4),  # mmol of urea, which has two atoms of nitrogen
        ("calcium", "mmol/L", 0.2495, 5e-4),
        ("calcium", "meq/L", 0.499, 5e-4),
        ("calcium_ionized", "mg/dL", 4.008, 5e-4),
        ("magnesium", "mmol/L", 0.4114, 5e-4),
        ("phosphate", "mmol/L", 0.3229, 5e-4),  # as phosphorus
        ("hemoglobin", "g/L", 10.0, EXACT),
        ("albumin", "g/L", 10.0, EXACT),
        ("uric_acid", "umol/L", 59.48, 2e-4),
        ("chol_total", "mmol/L", 0.02586, 5e-4),
        ("hdl", "mmol/L", 0.02586, 5e-4),
        ("ldl_calc", "mmol/L", 0.02586, 5e-4),
        ("triglycerides", "mmol/L", 0.01129, 5e-4),
        ("lactate_blood", "mg/dL", 9.008, 5e-5),
        ("sbp", "kPa", 0.133322, 5e-6),
        ("pco2_arterial", "kPa", 0.133322, 5e-6),
        ("uacr", "mg/mmol", 0.113, 2e-3),  # 0.11312 by the molar mass of creatinine
        ("digoxin", "nmol/L", 1.281, 5e-4),
        ("phenytoin_total", "umol/L", 3.964, 5e-4),
        ("theophylline", "umol/L", 5.55, 5e-4),
        ("troponin_t", "ng/L", 1000.0, EXACT),
        ("troponin_i", "ng/L", 1000.0, EXACT),
        ("ntprobnp", "pmol/L", 0.1182, 5e-4),
        ("bnp", "pmol/L", 0.289, 2e-3),  # 0.2887
        ("fibrinogen", "g/L", 0.01, EXACT),
        ("crp", "mg/dL", 0.1, EXACT),
        ("body_weight", "[lb_av]", 2.20462, 5e-6),
        ("body_height", "[in_i]", 0.393701, 5e-6),
        ("sleep_duration", "min", 60.0, EXACT),
        ("fio2_setting", "1", 0.01, EXACT),
        ("hematocrit", "1", 0.01, EXACT),
        ("sodium", "meq/L", 1.0, EXACT),
        ("potassium", "meq/L", 1.0, EXACT),
        ("chloride", "meq/L", 1.0, EXACT),
        ("bicarbonate", "meq/L", 1.0, EXACT),
        ("platelets", "10*9/L", 1.0, EXACT),
        ("vancomycin_random", "mg/L", 1.0, EXACT),
        ("tacrolimus", "ug/L", 1.0, EXACT),
        ("d_dimer_feu", "ug/mL{FEU}", 0.001, EXACT),
        ("procalcitonin", "ug/L", 1.0, EXACT),
        ("iron", "umol/L", 0.1791, 5e-4),
        ("cortisol", "nmol/L", 27.59, 5e-4),
        ("free_t4", "pmol/L", 12.87, 5e-4),
        ("vitamin_b12", "pmol/L", 0.7378, 5e-4),
        ("ethanol", "mmol/L", 0.2171, 5e-4),
        ("hemoglobin", "mmol/L", 0.6206, 5e-4),  # as the monomer (IFCC)
    ],
)
def test_agrees_with_the_published_factor(
    converter: UnitConverter, ontology: Ontology, key: str, unit: str, factor: float, tolerance: float
) -> None:
    assert converter.convert(factor, unit, ontology.variables[key]) == pytest.approx(1.0, rel=tolerance)


@pytest.mark.parametrize(
    ("ngsp", "ifcc"), [(5.0, 31.0), (6.0, 42.0), (6.5, 48.0), (7.0, 53.0), (8.0, 64.0), (9.0, 75.0), (10.0, 86.0)]
)
def test_hba1c_agrees_with_the_published_table(
    converter: UnitConverter, ontology: Ontology, ngsp: float, ifcc: float
) -> None:
    # the table (NGSP and IFCC) is in whole mmol/mol, half of which is 0.046 %
    assert converter.convert(ifcc, "mmol/mol", ontology.variables["hba1c"]) == pytest.approx(ngsp, abs=0.046)


def test_hba1c_agrees_with_the_master_equation(converter: UnitConverter, ontology: Ontology) -> None:
    for ngsp in (4.0, 6.5, 12.0):
        ifcc = (ngsp - 2.15) * 10.929
        # the slope is written to ten digits
        assert converter.convert(ifcc, "mmol/mol", ontology.variables["hba1c"]) == pytest.approx(ngsp, rel=1e-8)


@pytest.mark.parametrize(("fahrenheit", "celsius"), [(32.0, 0.0), (98.6, 37.0), (212.0, 100.0), (-40.0, -40.0)])
def test_temperature_scales_meet_at_their_fixed_points(
    converter: UnitConverter, ontology: Ontology, fahrenheit: float, celsius: float
) -> None:
    # an offset of 273.15 K keeps twelve digits
    found = converter.convert(fahrenheit, "[degF]", ontology.variables["body_temp"])
    assert found == pytest.approx(celsius, abs=1e-9)


def test_ranges_survive_a_round_trip(converter: UnitConverter, ontology: Ontology) -> None:
    """Two points give the line of every declared unit; its inverse leads back."""
    for variable in ontology.variables.values():
        for unit in (*variable.alternate_units, *variable.unit_synonyms, *variable.affine):
            at_zero, at_one = (converter.convert(x, unit, variable) for x in (0.0, 1.0))
            for edge in (variable.plausible.low, variable.plausible.high):
                assert edge is not None
                there = (edge - at_zero) / (at_one - at_zero)
                assert converter.convert(there, unit, variable) == pytest.approx(edge, rel=1e-9, abs=1e-9)


def test_factors_are_positive(converter: UnitConverter, ontology: Ontology) -> None:
    for variable in ontology.variables.values():
        for unit in (*variable.alternate_units, *variable.unit_synonyms):
            assert converter.convert(2.0, unit, variable) > converter.convert(1.0, unit, variable)
