"""From a chart to a simulation: amounts, lengths, courses, levels and covariates over time, and drafts as plans."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Fact, Medication
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.patients import Patient, Stage
from cds_app.simulate.plans import Dose, Regimen
from cds_app.simulate.refusals import Refused
from cds_app.simulate.regimens.chart import Charted, Extra, patient_of
from cds_app.simulate.regimens.genes import genotypes_of
from cds_app.simulate.regimens.orders import mass_mg, next_due_h, regimen_of
from tests.chart import ago, measured, person, problem, procedure, situation
from tests.chart import drug as taken
from tests.unit.simulate.pharmacy import drug

VANCOMYCIN = drug("vancomycin")
NOW = ago(0.0)
Source = Literal["request", "administration"]


def dose(
    hours: float,
    value: float | None = 1000.0,
    unit: str = "mg",
    *,
    source: Source = "administration",
    end_hours: float | None = None,
    dosing: Dosing | None = None,
    concept: str = "vancomycin",
) -> Medication:
    made = taken(concept, source=source, hours=hours, end_hours=end_hours)
    return replace(made, dose_value=value, dose_unit=unit, dosing=dosing)


ADULT: tuple[Fact, ...] = (
    person(60.0),
    measured("body_weight", 80.0, 100.0),
    measured("creatinine", 1.0, 40.0),
)


def charted(*facts: Fact, extra: Extra | None = None, name: str = "vancomycin") -> Charted:
    found = patient_of(situation(*ADULT, *facts), drug(name), extra)
    assert isinstance(found, Charted), found
    return found


def refused(*facts: Fact, extra: Extra | None = None) -> dict[str, str]:
    found = patient_of(situation(*ADULT, *facts), VANCOMYCIN, extra)
    assert isinstance(found, Refused)
    return {one.field: one.limit for one in found.reasons}


def test_administrations_become_doses_in_hours_from_now() -> None:
    found = charted(dose(36.0, end_hours=35.0), dose(12.0, 1.0, "g", end_hours=10.5))
    assert found.patient.history == (
        Dose(at_h=-36.0, amount_mg=1000.0, over_h=1.0),
        Dose(at_h=-12.0, amount_mg=1000.0, over_h=1.5),
    )
    assert found.remarks == ()
    assert len(found.facts) == 2


def test_what_was_not_given_is_no_dose() -> None:
    found = charted(dose(36.0, end_hours=35.0), replace(dose(24.0), status="not-done"))
    assert len(found.patient.history) == 1


@pytest.mark.parametrize("status", ["stopped", "on-hold", "unknown"])
def test_a_dose_that_was_broken_off_keeps_the_history_from_being_known(status: str) -> None:
    found = refused(dose(36.0, end_hours=35.0), replace(dose(24.0, end_hours=23.8), status=status))
    assert found == {
        "history": "a dose of the last 72 h was stopped, or may not have been given: how much was is not known"
    }
    old = charted(dose(36.0, end_hours=35.0), replace(dose(80.0), status=status))
    assert old.remarks == ("Doses that were stopped, or may not have been given, were left out.",)
    by_mouth = replace(dose(24.0, dosing=Dosing(route="oral")), status=status)
    assert charted(dose(36.0, end_hours=35.0), by_mouth).remarks == ()


def test_an_amount_that_the_administration_lacks_is_taken_from_the_order_of_that_time_and_said() -> None:
    early = dose(60.0, 1000.0, source="request", end_hours=30.0, dosing=Dosing(route="iv", over_h=2.0))
    late = dose(30.0, 750.0, source="request")
    found = charted(early, late, dose(36.0, 1.0, "dose"), dose(12.0, 1.0, "dose"))
    assert [(one.amount_mg, one.over_h) for one in found.patient.history] == [(1000.0, 2.0), (750.0, 1.0)]
    assert any("taken from the order" in said for said in found.remarks)
    assert any("1 h was assumed" in said for said in found.remarks)


@pytest.mark.parametrize(("value", "unit"), [(1.0, "dose"), (None, ""), (1000.0, ""), (15.0, "mg/kg"), (200.0, "mL")])
def test_a_dose_without_an_amount_is_refused(value: float | None, unit: str) -> None:
    assert "mg, g or ug" in refused(dose(12.0, value, unit))["history.0.amount_mg"]


def test_vancomycin_by_mouth_does_not_count_and_other_routes_are_refused() -> None:
    by_mouth = dose(10.0, 125.0, dosing=Dosing(route="oral"))
    found = charted(dose(24.0, end_hours=23.0), by_mouth)
    assert [one.amount_mg for one in found.patient.history] == [1000.0]
    assert "not absorbed" in found.remarks[0]
    assert refused(dose(10.0, dosing=Dosing(route="other"))) == {"history.0.route": "must be iv"}


def test_masses_are_converted_and_nothing_else_is_a_mass() -> None:
    assert [mass_mg(2.0, unit) for unit in ("mg", "g", "ug", "mcg", " MG ")] == [2.0, 2000.0, 0.002, 0.002, 2.0]
    assert [mass_mg(2.0, unit) for unit in ("\u00b5g", "\u03bcg", "microgram", "Milligram")] == [
        0.002,
        0.002,
        0.002,
        2.0,
    ]
    assert [mass_mg(2.0, unit) for unit in ("", "mg/kg", "mL", "units", "mmol")] == [None] * 5
    assert mass_mg(None, "mg") is None


def test_a_push_of_a_minute_is_no_infusion_of_a_minute() -> None:
    (one,) = charted(dose(12.0, end_hours=12.0 - 1.0 / 60.0)).patient.history
    assert one.over_h == 1.0


def test_an_infusion_that_ends_before_it_begins_is_refused() -> None:
    assert refused(dose(12.0, end_hours=13.0)) == {"history.0.over_h": "must not end before it begins"}


def test_an_earlier_course_is_left_out_with_its_levels() -> None:
    found = charted(
        dose(1000.0, end_hours=999.0),
        measured("vancomycin_trough", 15.0, 990.0),
        dose(24.0, end_hours=23.0),
        measured("vancomycin_trough", 9.0, 0.5),
    )
    assert [one.at_h for one in found.patient.history] == [-24.0]
    assert [one.value for one in found.patient.levels] == [9.0]
    assert len(found.remarks) == 2


@pytest.mark.parametrize("given", [(dose(36.0, end_hours=35.0),), ()], ids=["on vancomycin", "not yet"])
def test_a_level_of_another_drug_is_named_and_not_used(given: tuple[Medication, ...]) -> None:
    found = charted(*given, measured("gentamicin_trough", 1.2, 1.0), measured("tobramycin_random", 1.2, 4000.0))
    assert found.patient.levels == ()
    assert found.remarks == ("Gentamicin trough was not used: it is a level of another drug than vancomycin.",)


def test_what_was_told_and_no_model_asks_for_is_named() -> None:
    found = charted(extra=Extra(genotypes=(("CYP2C9", "*1/*1"),), flags={"OPIOID": True}))
    assert found.remarks == tuple(
        f"{one} was not used: no model of vancomycin asks for it." for one in ("CYP2C9", "OPIOID")
    )


def test_what_is_assumed_as_nobody_told_it_is_said() -> None:
    said = "Immediate release is assumed: with prolonged release levels are others."
    assert charted(name="tacrolimus").remarks == (said,)
    assert charted(name="tacrolimus", extra=Extra(flags={"PROLONGED_RELEASE": True})).remarks == ()
    (opioid,) = charted(name="propofol").remarks
    assert opioid.startswith("An opioid beside propofol is assumed")


def test_levels_known_as_a_bound_are_left_out_and_said() -> None:
    found = charted(dose(24.0, end_hours=23.0), measured("vancomycin_random", 5.0, 1.0, bound="<"))
    assert found.patient.levels == ()
    assert "only as a bound" in found.remarks[0]


def test_every_creatinine_of_the_course_begins_a_stage() -> None:
    found = charted(dose(36.0, end_hours=35.0), measured("creatinine", 1.5, 20.0), measured("creatinine", 2.0, 4.0))
    stages = [(one.from_h, one.covariates.creatinine_mg_dl) for one in found.patient.stages]
    assert stages == [(-36.0, 1.0), (-20.0, 1.5), (-4.0, 2.0)]


def test_a_creatinine_of_long_ago_says_nothing() -> None:
    facts = (person(60.0), measured("body_weight", 80.0), measured("creatinine", 1.0, 900.0))
    found = patient_of(situation(*facts, dose(24.0, end_hours=23.0)), VANCOMYCIN)
    assert isinstance(found, Charted)
    assert found.patient.stages[0].covariates.creatinine_mg_dl is None


@pytest.mark.parametrize(
    "fact", [problem("dialysis_dependence"), problem("end_stage_renal_disease"), procedure("renal_replacement_therapy")]
)
def test_dialysis_is_seen(fact: Fact) -> None:
    assert charted(fact).patient.stages[0].covariates.dialysis


def test_the_person_is_read() -> None:
    (stage,) = charted().patient.stages
    assert stage.covariates.age_years == 60.0
    assert (stage.covariates.sex, stage.covariates.weight_kg, stage.covariates.height_cm) == ("male", 80.0, None)


def test_the_inr_before_warfarin_is_its_baseline_and_later_ones_are_levels() -> None:
    given = dose(72.0, 5.0, concept="warfarin", dosing=Dosing(route="oral"))
    found = charted(given, measured("inr", 1.1, 80.0), measured("inr", 1.9, 1.0), name="warfarin")
    assert found.patient.stages[0].covariates.baseline_inr == 1.1
    assert [one.value for one in found.patient.levels] == [1.9]
    assert found.patient.history == (Dose(at_h=-72.0, amount_mg=5.0, route="oral"),)
    told = charted(given, extra=Extra(baseline_inr=1.0), name="warfarin")
    assert told.patient.stages[0].covariates.baseline_inr == 1.0


def test_genotypes_agree_or_are_refused() -> None:
    assert genotypes_of([("CYP2C9", "*1/*3"), ("CYP2C9", "*3/*1"), ("VKORC1", "AG")]) == {
        "CYP2C9": "*1/*3",
        "VKORC1": "AG",
    }
    said = refused(extra=Extra(genotypes=(("CYP2C9", "*1/*3"), ("CYP2C9", "*1/*1"))))
    assert said == {"covariates.genotypes.CYP2C9": "calls contradict each other"}


def order(**given: Any) -> Medication:
    dosing = given.pop("dosing", Dosing(route="iv", interval_h=12.0, over_h=1.5))
    return dose(0.0, given.pop("value", 1250.0), given.pop("unit", "mg"), source="request", dosing=dosing)


def test_an_order_becomes_a_regimen() -> None:
    assert regimen_of(order(), VANCOMYCIN, NOW, name="draft") == Regimen(
        name="draft", amount_mg=1250.0, interval_h=12.0, over_h=1.5, route="iv"
    )
    plain = regimen_of(order(dosing=Dosing(interval_h=8.0)), VANCOMYCIN, NOW, name="draft")
    assert isinstance(plain, Regimen)
    assert (plain.over_h, plain.route) == (1.0, "iv")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"unit": ""}, "order.dose"),
        ({"value": None}, "order.dose"),
        ({"dosing": None}, "order.timing"),
        ({"dosing": Dosing(interval_h=12.0, as_needed=True)}, "order.timing"),
        ({"dosing": Dosing(interval_h=12.0, route="oral")}, "order.route"),
        ({"dosing": Dosing(interval_h=12.0, route="other")}, "order.route"),
        ({"dosing": Dosing(interval_h=12.0, unsettled=("dosage",))}, "order.dosage"),
        ({"unit": "", "dosing": Dosing(interval_h=12.0, unsettled=("dose",))}, "order.dose"),
        ({"dosing": Dosing(unsettled=("timing",))}, "order.timing"),
        ({"dosing": Dosing(interval_h=12.0, unsettled=("maximum",))}, "order.maximum"),
        ({"dosing": Dosing(interval_h=12.0, unsettled=("length",))}, "order.length"),
        ({"dosing": Dosing(interval_h=12.0, once=True)}, "order.course"),
        ({"dosing": Dosing(interval_h=12.0, lasts_h=71.0)}, "order.course"),
        ({"dosing": Dosing(interval_h=12.0, end=NOW + timedelta(hours=71))}, "order.course"),
        ({"dosing": Dosing(interval_h=12.0, end=NOW - timedelta(days=9))}, "order.course"),
        (
            {"dosing": Dosing(interval_h=12.0, start=NOW + timedelta(days=4), end=NOW + timedelta(days=6))},
            "order.course",
        ),
        ({"dosing": Dosing(interval_h=12.0, start_day=NOW + timedelta(hours=5))}, "order.start_h"),
    ],
)
def test_an_order_that_leaves_something_open_is_refused_by_field(given: dict[str, Any], field: str) -> None:
    found = regimen_of(order(**given), VANCOMYCIN, NOW, name="draft")
    assert isinstance(found, tuple)
    assert [one.field for one in found] == [field]


@pytest.mark.parametrize(
    "dosing",
    [
        Dosing(interval_h=12.0, lasts_h=72.0),
        Dosing(interval_h=12.0, end=NOW + timedelta(hours=72)),
        Dosing(interval_h=12.0, start_day=NOW - timedelta(hours=5)),
    ],
)
def test_a_course_as_long_as_the_simulation_that_has_begun_is_a_regular_plan(dosing: Dosing) -> None:
    assert isinstance(regimen_of(order(dosing=dosing), VANCOMYCIN, NOW, name="draft"), Regimen)


def test_of_an_order_of_several_instructions_no_dose_given_has_its_amount() -> None:
    """A taper's first step is not what was given later."""
    plain = dose(60.0, 1000.0, source="request", dosing=Dosing(route="iv", over_h=2.0))
    tapered = replace(plain, dosing=Dosing(route="iv", over_h=2.0, unsettled=("dosage",)))
    assert len(charted(plain, dose(36.0, None, "")).patient.history) == 1
    assert "history.0.amount_mg" in refused(tapered, dose(36.0, None, ""))


def test_the_next_dose_is_due_after_the_last_and_after_what_still_runs() -> None:
    stages = (Stage(from_h=-20.0, covariates=Covariates()),)
    assert next_due_h(Patient(stages=stages), 12.0) == 0.0
    assert next_due_h(Patient(stages=stages, history=(Dose(at_h=-4.0, amount_mg=1.0),)), 12.0) == 8.0
    assert next_due_h(Patient(stages=stages, history=(Dose(at_h=-30.0, amount_mg=1.0),)), 12.0) == 0.0
    running = Dose(at_h=-1.0, amount_mg=1.0, over_h=3.0)
    assert next_due_h(Patient(stages=stages, history=(running,)), 1.0) == 2.0


def test_facts_of_the_future_are_not_seen() -> None:
    later = replace(measured("vancomycin_trough", 30.0), when=ago(-5.0))
    assert charted(dose(24.0, end_hours=23.0), later).patient.levels == ()


def test_an_unknown_age_is_left_open_and_not_guessed() -> None:
    found = patient_of(situation(person(None), dose(24.0, end_hours=23.0)), VANCOMYCIN)
    assert isinstance(found, Charted)
    assert found.patient.stages[0].covariates.age_years is None


def test_what_was_measured_before_the_first_dose_on_record_tells_of_doses_that_are_missing_there() -> None:
    """A curve that begins at nothing would contradict what was measured."""
    level = measured("vancomycin_random", 17.0, 5.0)
    for facts in ((level,), (level, dose(2.0, end_hours=1.0))):
        when = r"(before the first one on record|ago, and none is on record)"
        said = rf"are missing: a level was measured \d+ (h|days) {when}"
        assert re.fullmatch(said, refused(*facts)["history"])
    faint, old = measured("vancomycin_random", 0.3, 5.0), measured("vancomycin_random", 17.0, 15.0 * 24.0)
    bound = measured("vancomycin_random", 5.0, 5.0, bound="<")
    for one in (faint, old, bound):
        assert charted(one, dose(2.0, end_hours=1.0)).patient.levels == ()


def test_nobody_is_simulated_in_pregnancy_whoever_asks() -> None:
    woman = person(30.0, "female")
    found = patient_of(situation(woman, *ADULT[1:], problem("pregnancy")), VANCOMYCIN)
    assert isinstance(found, Refused)
    assert [one.field for one in found.reasons] == ["covariates.pregnancy"]
    assert isinstance(patient_of(situation(woman, *ADULT[1:]), VANCOMYCIN), Charted)


def test_a_weight_of_another_year_is_no_weight_now() -> None:
    old = (person(60.0), measured("body_weight", 80.0, 4 * 365 * 24.0), measured("creatinine", 1.0, 10.0))
    found = patient_of(situation(*old), VANCOMYCIN)
    assert isinstance(found, Charted)
    assert found.patient.stages[-1].covariates.weight_kg is None
    began = measured("body_weight", 78.0, 1000.0)
    course = [dose(hours, 5.0, concept="warfarin", dosing=Dosing(route="oral")) for hours in range(984, 0, -24)]
    lasting = patient_of(situation(person(60.0), began, *course), drug("warfarin"))
    assert isinstance(lasting, Charted)
    assert lasting.patient.stages[-1].covariates.weight_kg == 78.0  # it was current when the course began


def test_a_creatinine_that_is_old_or_changes_is_said() -> None:
    here = (person(60.0), measured("body_weight", 80.0, 100.0))

    def remarks(*facts: Fact) -> tuple[str, ...]:
        found = patient_of(situation(*here, *facts), VANCOMYCIN)
        assert isinstance(found, Charted)
        return found.remarks

    assert remarks(measured("creatinine", 1.0, 10.0)) == ()
    (old,) = remarks(measured("creatinine", 1.0, 140.0))
    assert old.startswith("Creatinine was last measured 140 h ago")
    (changed,) = remarks(measured("creatinine", 1.0, 40.0), measured("creatinine", 2.8, 3.0))
    assert changed.startswith("Creatinine changed by more than 30 % within 7 days")
