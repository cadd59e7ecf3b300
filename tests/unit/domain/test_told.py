"""How a value and a limit are told: as sent, converted once, and rounded by one rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_app.content import artefact
from cds_app.domain.facts import Bound, Measurement
from cds_app.domain.limit_texts import worded
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.presets import Presets
from cds_app.domain.told import with_unit
from cds_app.errors import ContentError

_CONTENT = artefact("ontology", "1.0.0")
_PRESETS = Presets(_CONTENT, load_ontology(_CONTENT))


def told_in(units: str) -> Ontology:
    return _PRESETS.told(_PRESETS.choice(units))


PLAIN, SI = told_in("conventional"), told_in("si, body_temp=[degF]")


def measured(variable: str, value: float, sent: str = "", bound: Bound = "=") -> Measurement:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    known: dict[str, Any] = {"ref": "Observation/1", "version": "1", "when": at, "learned": at}
    return Measurement(**known, variable=variable, value=value, sent=sent, bound=bound)


@pytest.mark.parametrize(
    ("one", "value", "beside"),
    [
        (measured("creatinine", 2.828, "250 umol/L"), "250", ""),
        (measured("creatinine", 2.828, "250 µmol/L"), "250", ""),  # by whichever name it came
        (measured("glucose_sp", 99.08800, "5.5 mmol/L"), "5.5", ""),
        (measured("glucose_sp", 99.0880, "5.50 mmol/L"), "5.50", ""),
        (measured("glucose_sp", 180.0), "10.0", "180 mg/dL"),  # came in the canonical unit
        (measured("glucose_sp", 180.0, "1.8 g/L"), "10.0", "1.8 g/L"),
        (measured("glucose_sp", 500.0, ">500 mg/dL", ">"), ">27.8", ">500 mg/dL"),
        (measured("glucose_sp", 500.0, bound=">"), ">27.8", ">500 mg/dL"),
        (measured("creatinine", 0.33936, "<30 umol/L", "<"), "<30", ""),
        (measured("body_temp", 38.5), "101.3", "38.5 °C"),
        (measured("body_temp", 38.33333333333, "101 °F"), "101", ""),
        (measured("ntprobnp", 412.0), "412", ""),  # ng/L is the same number as pg/mL
        (measured("potassium", 4.25), "4.2", ""),
        (measured("hba1c", 6.9994830294, "53 mmol/mol"), "53", ""),
    ],
)
def test_what_came_in_the_unit_is_shown_as_it_came_and_else_stands_beside(
    one: Measurement, value: str, beside: str
) -> None:
    told = SI.variables[one.variable].told
    assert (told.measured(one), told.beside(one)) == (value, beside)


def test_in_the_canonical_unit_all_is_as_it_is() -> None:
    told = PLAIN.variables["creatinine"].told
    one = measured("creatinine", 2.828, "250 umol/L")
    assert (told.measured(one), told.beside(one), told.number(2.828)) == ("2.83", "250 umol/L", "2.83")
    assert told.limit(2.0, 0.3) == ("2.00", "0.30")


@pytest.mark.parametrize(
    ("text", "plain", "si"),
    [
        ("below {glucose 180}", "below 180 mg/dL", "below 10.0 mmol/L"),
        ("{glucose 140-180}", "140-180 mg/dL", "7.8-10.0 mmol/L"),
        ("{glucose 54 bare}", "54", "3.0 mmol/L"),
        ("{creatinine 0.3}", "0.3 mg/dL", "26.5 umol/L"),  # 27 would move it by 2 in 100
        ("{creatinine 4.0}", "4.0 mg/dL", "354 umol/L"),
        ("{hemoglobin 7}; {hemoglobin 7.5 bare}", "7 g/dL; 7.5", "70 g/L; 75 g/L"),
        ("{pco2 45}", "45 mmHg", "6.0 kPa"),
        ("{calcium 14 = 3.5 mmol/L}", "14 mg/dL (3.5 mmol/L)", "3.5 mmol/L"),
        ("{calcium 14 or 3.5 mmol/L}", "14 mg/dL", "3.5 mmol/L"),
        ("{glucose 54 = 3 mg/L}", "54 mg/dL (3 mg/L)", "3.0 mmol/L"),  # the source's own words are of another unit
        ("{body_temp 38}", "38 °C", "100.4 °F"),
        ("{change body_temp 1}", "1 °C", "1.8 °F"),
        ("{potassium 6}", "6 mmol/L", "6 mmol/L"),
        ("{hba1c 6.5}", "6.5 %", "48 mmol/mol"),
        ("no limit", "no limit", "no limit"),
    ],
)
def test_a_limit_reads_as_the_site_reads_it(text: str, plain: str, si: str) -> None:
    assert (worded(text, PLAIN), worded(text, SI)) == (plain, si)


@pytest.mark.parametrize("text", ["{sugar 180}", "{consciousness 1}", "{change sugar 5}"])
def test_a_limit_of_nothing_that_is_measured_is_refused(text: str) -> None:
    with pytest.raises(ContentError, match="is the limit of no quantity") as found:
        worded(text, PLAIN)
    assert found.value.field == text


def test_no_limit_of_a_chosen_unit_is_moved_by_more_than_one_in_a_hundred() -> None:
    edges = [
        (variable, edge)
        for variable in SI.variables.values()
        for limits in (variable.reference.values() if variable.chosen else ())
        for edge in (limits.low, limits.high)
        if edge
    ]
    assert len(edges) > 20
    for variable, edge in edges:
        (shown,) = variable.told.limit(edge)
        wanted = variable.told.value(edge)
        assert abs(float(shown) - wanted) <= 0.01 * wanted, variable.key


def test_a_value_that_is_told_comes_back() -> None:
    for variable in SI.variables.values():
        if variable.numeric:
            value = variable.plausible.high or 1.0
            assert variable.told.back(variable.told.value(value)) == pytest.approx(value, rel=1e-12)


def test_a_percent_sign_stands_at_its_number() -> None:
    assert (with_unit("92", "%"), with_unit("7.30", ""), with_unit("5", "kPa")) == ("92%", "7.30", "5 kPa")


def test_nothing_else_of_a_variable_changes() -> None:
    for key, variable in SI.variables.items():
        assert replace(variable, chosen=None, label=PLAIN.variables[key].label) == PLAIN.variables[key]
