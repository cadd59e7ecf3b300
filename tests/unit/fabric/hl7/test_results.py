"""Results as laboratories and monitors send them, read by the ontology that is shipped."""

from __future__ import annotations

from datetime import UTC

import pytest

from cds_app.content import latest
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.units import UnitConverter
from cds_app.fabric.hl7.messages import read_message
from cds_app.fabric.hl7.results import Dialect, results_of
from cds_app.fabric.reading import Reading, read
from tests.conftest import FROZEN
from tests.hl7 import obx, oru

ONTOLOGY: Ontology = load_ontology(latest("ontology"))


def _read(*rows: str) -> Reading:
    found = results_of(read_message(oru(*rows)), Dialect(source="lab", zone=UTC, subject="Patient/1"))
    units = UnitConverter(ONTOLOGY)
    return read(found.observations, patient="1", ontology=ONTOLOGY, units=units, zone=UTC, learned=FROZEN, now=FROZEN)


@pytest.mark.parametrize(
    ("code", "value", "unit", "variable", "canonical"),
    [
        ("150456^MDC_PULS_OXIM_SAT_O2^MDC", "97", "262688^MDC_DIM_PERCENT^MDC", "spo2_pulse_ox", 97.0),
        ("147842^MDC_ECG_HEART_RATE^MDC", "84", "264864^MDC_DIM_BEAT_PER_MIN^MDC", "heart_rate", 84.0),
        ("150301^MDC_PRESS_CUFF_SYS^MDC", "142", "266016^MDC_DIM_MMHG^MDC", "sbp_noninvasive", 142.0),
        ("150344^MDC_TEMP^MDC", "101.3", "268160^MDC_DIM_FAHR^MDC", "body_temp", 38.5),
        ("718-7^Hb^LN", "14.1", "CD:289^g/dL", "hemoglobin", 14.1),
        ("718-7^Hb^LN", "141", "g/L^gram per litre^ISO+", "hemoglobin", 14.1),
        ("718-7^Hb^LOINC", "14.1", "g/dL", "hemoglobin", 14.1),
        ("789-8^Erc^LN", "4.00", "tril/L", "red_cells", 4.0),
        ("6690-2^WBC^LN", "7.5", "bil/L", "wbc", 7.5),
    ],
)
def test_units_and_codes_of_monitors_and_laboratories_are_read(
    code: str, value: str, unit: str, variable: str, canonical: float
) -> None:
    (one,) = _read(obx(code, value, unit)).facts.measurements
    assert one.variable == variable
    assert one.value == pytest.approx(canonical, abs=1e-9)


@pytest.mark.parametrize(
    ("code", "value", "unit"),
    [
        ("150456^MDC_CO2_ET^MDC", "35", "266016^MDC_DIM_MMHG^MDC"),  # a gateway that numbers its channels wrongly
        ("718-7^Hb^LN", "14.1", "CD:289^mmol"),
        ("718-7^Hb^LN", "14.1", "g/dL^g/L"),
    ],
)
def test_a_unit_of_something_else_or_two_units_are_none(code: str, value: str, unit: str) -> None:
    assert not _read(obx(code, value, unit)).facts.measurements


def test_a_sensor_that_is_off_measures_nothing() -> None:
    found = _read(
        obx("150456^MDC_PULS_OXIM_SAT_O2^MDC", "-100", "262688^MDC_DIM_PERCENT^MDC", sub="1"),
        obx("150456^MDC_PULS_OXIM_SAT_O2^MDC", "8388607", "262688^MDC_DIM_PERCENT^MDC", sub="2", status="X"),
    )
    assert [one.implausible for one in found.facts.measurements] == [True]


@pytest.mark.parametrize("own", ["", "00000000", "0"])
def test_a_time_of_noughts_is_none_and_the_order_has_one(own: str) -> None:
    (one,) = _read(obx(at=own)).facts.measurements
    assert one.when == FROZEN.replace(microsecond=0)


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [("<5.0", None, 5.0), ("<= 5", None, 5.0), (">3.5", 3.5, None), ("3.5 - 5.1", 3.5, 5.1), ("< 5 or so", None, None)],
)
def test_a_usual_range_of_one_side_is_one(said: str, low: float | None, high: float | None) -> None:
    (one,) = _read(obx(value="4.1").replace("|mmol/L|", f"|mmol/L|{said}", 1)).facts.measurements
    assert (one.usual_low, one.usual_high) == (low, high)
