from __future__ import annotations

import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.content import latest
from cds_app.domain import units
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import MAX_UNIT_LENGTH, UnitConverter, unit_name
from cds_app.errors import UnitError


@pytest.fixture(scope="module")
def ontology() -> Ontology:
    return load_ontology(latest("ontology"))


@pytest.fixture(scope="module")
def converter(ontology: Ontology) -> UnitConverter:
    return UnitConverter(ontology)


def _reason(converter: UnitConverter, ontology: Ontology, key: str, unit: str) -> str:
    with pytest.raises(UnitError) as caught:
        converter.convert(1.0, unit, ontology.variables[key])
    assert caught.value.field == key
    assert not unit or unit not in caught.value.message
    return caught.value.reason


@pytest.mark.parametrize(
    ("key", "value", "unit", "expected"),
    [
        ("creatinine", 10.0, "mg/L", 1.0),
        ("platelets", 250.0, "10*9/L", 250.0),
        ("platelets", 250.0, "10^9/L", 250.0),
        ("platelets", 250.0, "K/uL", 250.0),
        ("platelets", 250.0, "x10E3/uL", 250.0),
        ("platelets", 250000.0, "/uL", 250.0),
        ("red_cells", 4.5, "m/uL", 4.5),  # MIMIC-IV; as UCUM it would be metres
        ("red_cells", 4.5, "10*12/L", 4.5),
        ("sodium", 140.0, "mEq/L", 140.0),
        ("sodium", 140.0, "MMOL/L", 140.0),
        ("calcium_ionized", 2.4, "mEq/L", 1.2),
        ("body_temp", 98.6, "[degF]", 37.0),
        ("body_temp", 98.6, "F", 37.0),
        ("body_temp", 37.0, "°C", 37.0),
        ("body_temp", 37.0, "C", 37.0),  # as UCUM a coulomb
        ("body_temp", 310.15, "K", 37.0),
        ("heart_rate", 72.0, "bpm", 72.0),
        ("heart_rate", 72.0, "beats/min", 72.0),
        ("resp_rate", 16.0, "breaths/min", 16.0),
        ("sbp", 120.0, "mm Hg", 120.0),
        ("alt", 40.0, "IU/L", 40.0),
        ("alt", 40.0, "[IU]/L", 40.0),
        ("alt", 1.0, "ukat/L", 60.0),
        ("tsh", 2.0, "uIU/mL", 2.0),
        ("tsh", 2.0, "mU/L", 2.0),
        ("hemoglobin", 130.0, "g/L", 13.0),
        ("hemoglobin", 13.0, "g%", 13.0),
        ("creatinine", 88.4017, "µmol/L", 1.0),
        ("d_dimer_feu", 0.5, "ug/mL{FEU}", 500.0),
        ("d_dimer_feu", 0.5, "mg/L FEU", 500.0),
        ("fio2_setting", 0.4, "1", 40.0),
        ("hematocrit", 0.4, "L/L", 40.0),
        ("uacr", 3.4, "mg/mmol", 30.057),
        ("uacr", 30.0, "mg/g", 30.0),
        ("uacr", 0.03, "mg/mg", 30.0),
        ("osmolality", 290.0, "mmol/kg", 290.0),
        ("peep", 5.0, "cmH2O", 5.0),
        ("body_weight", 150.0, "lb", 68.0389),
        ("body_height", 70.0, "in", 177.8),
        ("urine_output", 1.5, "L", 1500.0),
        ("steps_24h", 9000.0, "{steps}/d", 9000.0),
        ("egfr_2021", 60.0, "mL/min/1.73m2", 60.0),
        ("crp", 1.2, "mg/dL", 12.0),
        ("body_weight", 70.0, " kg ", 70.0),
        ("potassium", 4.1, "Meq/L", 4.1),  # as UCUM a megaequivalent
        ("urine_output", 80.0, "ML", 80.0),  # as UCUM a megalitre
        ("uacr", 30.0, "MG/G", 30.0),
        ("egfr_2021", 8.0, "mL/min/1.73", 8.0),  # as UCUM 73 mL/min
        ("wbc", 12.0, "G/L", 12.0),
        ("platelets", 210.0, "Gpt/L", 210.0),
        ("inr", 1.4, "{Ratio}", 1.4),
        ("heart_rate", 72.0, "Beats per minute", 72.0),
    ],
)
def test_converts(
    converter: UnitConverter, ontology: Ontology, key: str, value: float, unit: str, expected: float
) -> None:
    # expected values are given to six digits
    assert converter.convert(value, unit, ontology.variables[key]) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("creatinine", "mmHg"),
        ("creatinine", "mg"),
        ("potassium", "mosm/L"),  # particles are not potassium
        ("platelets", "m[IU]/L"),  # both are "per volume" to the SI
        ("tsh", "10*3/uL"),
        ("heparin_anti_xa_ufh", "/uL"),
        ("d_dimer_feu", "ng/mL{DDU}"),  # about half of FEU
        ("inr", "%"),  # prothrombin time in per cent of normal
        ("gcs_total", "{INR}"),
        ("spo2_pulse_ox", "mg/g"),
        ("hematocrit", "mmol/mol"),
        ("urine_red_cells", "%"),
        ("sbp", "Cel"),
        ("body_temp", "mm[Hg]"),
        ("urine_output", "mL/h"),
        ("alt", "mg/dL"),
        ("wbc", "%"),
    ],
)
def test_unit_of_something_else_is_wrong_dimension(
    converter: UnitConverter, ontology: Ontology, key: str, unit: str
) -> None:
    assert _reason(converter, ontology, key, unit) == "wrong-dimension"


@pytest.mark.parametrize(
    "unit",
    [
        "10^400mg", "mg/dL/", "(score", "}{", "{a{b}}", "mg\x00/dL", "é", "[unheard]", "0/L", "2160-0", "m" * 5000,
        "{" + "x" * 5000 + "}", "10*99999999/L", "km99999999", "10*9999/L", "10*-9999/L", "(" * 64, "dB", "B[SPL]",
        "K/uL; DROP TABLE", "mg/dL or so", "mg/1.5dL", "1.73",
    ],
)  # fmt: skip
def test_what_nobody_can_read_is_unknown_and_refused_fast(
    converter: UnitConverter, ontology: Ontology, unit: str
) -> None:
    start = time.perf_counter()
    assert _reason(converter, ontology, "creatinine", unit) in {"unknown-unit", "wrong-dimension"}
    assert time.perf_counter() - start < 2.0  # without the limit on digits, minutes


def test_a_mass_of_what_is_coded_in_moles_is_not_guessed_at(converter: UnitConverter, ontology: Ontology) -> None:
    urea = ontology.variables["urea"]  # its molar mass is that of the nitrogen, a mass might be of the whole molecule
    assert converter.convert(5.0, "mmol/L", urea) == pytest.approx(14.007)
    assert converter.convert(5000.0, "umol/L", urea) == pytest.approx(14.007)
    for mass in ("mg/dL", "g/L"):
        assert _reason(converter, ontology, "urea", mass) == "wrong-dimension"
    assert converter.convert(30.0, "mg/dL", ontology.variables["urea_nitrogen"]) == 30.0


def test_case_is_never_folded(converter: UnitConverter, ontology: Ontology) -> None:
    creatinine = ontology.variables["creatinine"]
    assert converter.convert(1.0, "Mg/dL", creatinine) == pytest.approx(1e9)  # megagrams: implausible, and seen as such
    assert converter.convert(1.0, "mg/dL", creatinine) == 1.0


@pytest.mark.parametrize("key", ["gcs_total", "inr", "ph_arterial", "urine_specific_gravity"])
@pytest.mark.parametrize("unit", ["", " "])
def test_no_unit_is_accepted_for_mere_numbers(
    converter: UnitConverter, ontology: Ontology, key: str, unit: str
) -> None:
    assert converter.convert(3.0, unit, ontology.variables[key]) == 3.0


@pytest.mark.parametrize("key", ["spo2_pulse_ox", "fio2_setting", "hba1c", "creatinine", "heart_rate", "uacr"])
@pytest.mark.parametrize("unit", ["", "  "])
def test_no_unit_is_not_guessed_elsewhere(converter: UnitConverter, ontology: Ontology, key: str, unit: str) -> None:
    assert _reason(converter, ontology, key, unit) == "unknown-unit"


def test_variable_without_a_number_has_no_unit(converter: UnitConverter, ontology: Ontology) -> None:
    assert _reason(converter, ontology, "blood_culture", "mg/dL") == "unknown-unit"
    assert _reason(converter, ontology, "blood_culture", "") == "unknown-unit"


def test_conversion_seen_before_costs_a_look_up(converter: UnitConverter, ontology: Ontology) -> None:
    creatinine = ontology.variables["creatinine"]
    converter.convert(1.0, "umol/L", creatinine)
    start = time.perf_counter()
    for _ in range(20_000):
        converter.convert(1.0, "umol/L", creatinine)
    assert time.perf_counter() - start < 0.5  # 0.2 us each where measured; a parse takes 1 ms


def test_memory_for_strange_units_is_bounded(ontology: Ontology) -> None:
    converter = UnitConverter(ontology)
    for number in range(5000):
        assert _reason(converter, ontology, "creatinine", f"?{number}") == "unknown-unit"
    assert len(converter._lines) <= 4096
    assert len(converter._ucum._meanings) <= 4096
    assert converter.convert(1.0, "mg/L", ontology.variables["creatinine"]) == pytest.approx(0.1)


def test_longest_unit_is_read_and_a_longer_one_is_not(converter: UnitConverter, ontology: Ontology) -> None:
    creatinine = ontology.variables["creatinine"]
    longest = "mg/dL{" + "x" * (MAX_UNIT_LENGTH - len("mg/dL{}")) + "}"
    assert converter.convert(1.0, longest, creatinine) == 1.0
    assert _reason(converter, ontology, "creatinine", longest[:-1] + "x}") == "unknown-unit"


def test_threads_may_share_a_converter(ontology: Ontology) -> None:
    converter = UnitConverter(ontology)
    keys = [key for key, one in ontology.variables.items() if one.numeric and one.alternate_units]

    def convert_all(_: int) -> list[float]:
        return [converter.convert(1.0, unit, ontology.variables[key])
                for key in keys for unit in ontology.variables[key].alternate_units]  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(convert_all, range(4))
    assert all(one == first for one in others)


def test_pint_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, cds_app.domain.units; sys.exit('pint' in sys.modules or 'ucumvert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_library_that_fails_is_not_taken_for_a_unit_that_is_none(
    ontology: Ontology, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ValueError("a definition cannot be read")

    monkeypatch.setattr("ucumvert.PintUcumRegistry", broken)
    monkeypatch.setattr(units, "_ucum", units._Ucum)  # one of its own, which has read nothing yet
    with pytest.raises(ValueError, match="a definition cannot be read"):
        UnitConverter(ontology).is_ucum("mg/dL")


@given(value=st.floats(min_value=-1e6, max_value=1e6), other=st.floats(min_value=-1e6, max_value=1e6))
def test_conversion_is_a_straight_line(
    converter: UnitConverter, ontology: Ontology, value: float, other: float
) -> None:
    temperature = ontology.variables["body_temp"]
    gap = converter.convert(value, "[degF]", temperature) - converter.convert(other, "[degF]", temperature)
    # the difference of two numbers around 1e6 keeps 1e-10 of them
    assert math.isclose(gap, (value - other) / 1.8, rel_tol=1e-9, abs_tol=1e-6)


def test_every_synonym_is_read_by_some_variable_or_is_ucum(converter: UnitConverter, ontology: Ontology) -> None:
    assert all(converter.is_ucum(unit) for unit in ontology.unit_synonyms.values())


def test_a_synonym_that_names_a_number_stands_for_numbers_only(converter: UnitConverter, ontology: Ontology) -> None:
    assert converter.convert(7.0, "/10", ontology.variables["pain_score"]) == 7.0
    assert converter.convert(1.0, "/10", ontology.variables["spo2_pulse_ox"]) == pytest.approx(10.0)
    assert _reason(converter, ontology, "hemoglobin", "Gpt/L") == "unknown-unit"  # what counts cells weighs nothing


@pytest.mark.parametrize(
    ("key", "value", "unit", "expected"),
    [
        ("tacrolimus", 5.0, "ug/L", 5.0),
        ("body_temp", 100.4, "[degF]", 38.0),
        ("body_temp", 101.3, "[degF]", 38.5),
        ("potassium", 215.039, "mg/L", 5.5),
        ("vancomycin_trough", 0.02, "g/L", 20.0),
        ("hematocrit", 0.29, "L/L", 29.0),
    ],
)
def test_a_converted_value_meets_the_limit_that_it_is_written_on(
    converter: UnitConverter, ontology: Ontology, key: str, value: float, unit: str, expected: float
) -> None:
    assert converter.convert(value, unit, ontology.variables[key]) == expected


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("umol/L", "umol/L"), ("[degF]", "°F"), ("[lb_av]", "lb"), ("mg/dL{sober}", "mg/dL"), ("%", "%"),
        ("kPa", "kPa"), ("1", ""), ("{score}", ""), ("", ""), ("10*3/uL", ""),
        ("[evil](x)", ""), ("evil.example", ""), ("a" * 17, ""),
    ],
)  # fmt: skip
def test_a_unit_is_written_as_people_do_or_not_at_all(unit: str, name: str) -> None:
    assert unit_name(unit) == name


@pytest.mark.parametrize(
    "unit", ["U", "u", "[iU]", "[U]", "IU", "IE", "UI", "I.E.", "Units", "{units}", "International units"]
)
def test_units_of_activity_are_known_by_their_names(unit: str) -> None:
    assert units.is_activity(f" {unit} ")


@pytest.mark.parametrize("unit", ["", "mg", "mL", "mmol", "U/mL", "10 U", "unit dose"])
def test_other_units_are_none_of_activity(unit: str) -> None:
    assert not units.is_activity(unit)
