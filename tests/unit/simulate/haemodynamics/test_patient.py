"""A patient as the circulation may use them: missing, stale and implausible inputs are refused by name."""

from __future__ import annotations

from math import inf, nan

import pytest

from cds_app.content import latest
from cds_app.domain.facts import Fact
from cds_app.domain.ontology_files import load_ontology
from cds_app.errors import ContentError
from cds_app.score.result import Abstained
from cds_app.score.situation import Situation
from cds_app.simulate.haemodynamics.model import values
from cds_app.simulate.haemodynamics.patient import MEASURED, NEEDED, Known, Patient, known, patient_of
from tests.chart import NOW, drug, measured, person, problem, situation
from tests.surgery_patients import SURGERY, patient, refused, seen


def told(who: Patient) -> Known | Abstained:
    return known(who, SURGERY.bounds)


def test_an_ordinary_patient_is_known() -> None:
    found = told(patient())
    assert isinstance(found, Known)
    assert (found.mean_pressure, found.heart_rate, found.pulse_pressure) == (89.0, 72.0, 58.0)
    assert found.body_surface_m2 == pytest.approx(1.947, abs=0.001)
    assert (found.cardiac_output, found.ejection_fraction) == (None, None)


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_measurement_is_named(name: str) -> None:
    assert refused_patient(patient(**{name: None})) == {name: "missing"}


def refused_patient(who: Patient) -> dict[str, str]:
    return refused(told(who))


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("late", [1.01, inf, nan, -1.0])
def test_a_stale_measurement_is_named_with_how_long_it_counts(name: str, late: float) -> None:
    limit = SURGERY.bounds.current_for_h[name]
    low, high = SURGERY.bounds.limits[name]
    who = patient(**{name: seen(0.5 * (low + high), late * limit)})
    assert refused_patient(who) == {name: "stale"}


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("value", [0.0, -10.0, 1e6, nan, inf])
def test_an_implausible_measurement_is_named_with_the_limits(name: str, value: float) -> None:
    found = told(patient(**{name: seen(value)}))
    assert isinstance(found, Abstained)
    low, high = SURGERY.bounds.limits[name]
    assert [(one.name, one.text) for one in found.reasons] == [(name, f"the model is for {low:g} to {high:g}")]


def test_three_kilograms_are_refused() -> None:
    assert refused_patient(patient(body_weight=seen(3.0))) == {"body_weight": "out-of-population"}


def test_a_weight_that_does_not_go_with_the_height_is_refused() -> None:
    assert refused_patient(patient(body_weight=seen(41.0), body_height=seen(205.0))) == {
        "body_mass_index": "out-of-population"
    }


@pytest.mark.parametrize(("age", "why"), [(None, "missing"), (17, "out-of-population"), (91, "out-of-population")])
def test_age_is_needed_and_adult(age: int | None, why: str) -> None:
    assert refused_patient(patient(age_years=age)) == {"age": why}


def test_every_reason_is_given_at_once() -> None:
    who = patient(sex=None, map=None, heart_rate=seen(72.0, 30.0), body_weight=seen(3.0))
    assert refused_patient(who) == {
        "sex": "missing",
        "map": "missing",
        "heart_rate": "stale",
        "body_weight": "out-of-population",
    }


# --- from the record


def record(*facts: Fact) -> Situation:
    plain = situation(*facts, person(64, "male"))
    return Situation(ontology=load_ontology(latest("ontology")), facts=plain.facts, now=NOW)


VITALS = (
    *(measured("sbp", 128), measured("dbp", 70), measured("heart_rate", 72)),
    *(measured("body_weight", 78, 100.0), measured("body_height", 175, 1000.0)),
)


def of(*facts: Fact) -> Patient:
    found = patient_of(record(*facts))
    assert isinstance(found, Patient), found
    return found


def test_the_record_gives_pulse_pressure_and_mean() -> None:
    who = of(*VITALS)
    assert who.pulse_pressure == seen(58.0, 1.0)
    assert who.map is not None
    assert who.map.value == pytest.approx(70 + 58 / 3)
    assert isinstance(told(who), Known)


def test_the_younger_of_measured_and_derived_mean_pressure_counts() -> None:
    assert of(*VITALS, measured("map", 80, 0.5)).map == seen(80.0)
    older = of(*VITALS, measured("map", 80, 5.0)).map
    assert older is not None
    assert older.age_h == 1.0


def test_pressures_taken_far_apart_make_no_pulse_pressure() -> None:
    who = of(measured("sbp", 128, 0.5), measured("dbp", 70, 3.0), *VITALS[2:])
    assert (who.pulse_pressure, who.map) == (None, None)


def test_a_current_ejection_fraction_counts_and_an_old_one_is_as_if_none_were_there() -> None:
    assert of(*VITALS, measured("lvef", 35, 24.0)).ejection_fraction == seen(0.35, 24.0)
    assert of(*VITALS, measured("lvef", 35, 2200.0)).ejection_fraction is None
    assert of(*VITALS, measured("lvef", 35, 24.0, bound="<")).ejection_fraction is None
    assert refused_patient(of(*VITALS, measured("lvef", 10, 24.0))) == {"ejection_fraction": "out-of-population"}


def test_a_bound_is_no_measurement() -> None:
    who = of(*VITALS[:2], *VITALS[3:], measured("heart_rate", 72, bound=">"))
    assert refused_patient(who) == {"heart_rate": "missing"}


def test_a_beta_blocker_is_seen() -> None:
    assert not of(*VITALS).beta_blocked
    assert of(*VITALS, drug("beta_blockers", source="statement")).beta_blocked


def test_a_running_vasopressor_and_pregnancy_are_reasons_against_it() -> None:
    assert refused(patient_of(record(*VITALS, drug("norepinephrine", hours=0.5)))) == {"vasopressors": "unsuitable"}
    expecting = patient_of(record(*VITALS, problem("pregnancy")))
    assert refused(expecting) == {"pregnancy": "out-of-population"}


def test_an_empty_record_lacks_everything_by_name() -> None:
    found = refused_patient(of())
    assert found == dict.fromkeys(("body_weight", "body_height", "map", "heart_rate", "pulse_pressure"), "missing")


@pytest.mark.parametrize(
    "group",
    [
        {},
        {"values": {}, "tag": "V", "needs-review": False},
        {"values": {}, "source": "here", "tag": "X", "needs-review": False},
        {"values": {}, "source": "here", "tag": "M", "needs-review": False},
        {"values": {}, "source": "", "tag": "V", "needs-review": False},
    ],
)
def test_numbers_without_source_tag_or_review_do_not_load(group: dict[str, object]) -> None:
    with pytest.raises(ContentError):
        values({"some": group}, "some")
