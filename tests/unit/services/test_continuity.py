"""What stands in for a measurement: of whom, how long, how far it spreads what is simulated, and that it is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.content import latest
from cds_app.deps import Deps
from cds_app.domain.facts import Fact
from cds_app.mitigate.effects import CirculationEffect
from cds_app.score.result import Abstained
from cds_app.services.continuity import FEWEST, PULSE_PRESSURE, stand_ins
from cds_app.services.what_if.dose import Wish
from cds_app.services.what_if.operation import Planned
from cds_app.simulate.haemodynamics.patient import known
from cds_app.simulate.plans import Regimen
from cds_app.simulate.refusals import Refused
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.chart import Charted, patient_of
from cds_app.simulate.regimens.questions import Question
from cds_app.simulate.regimens.what_if import what_if
from cds_app.simulate.surgery.plan import Plan, Propofol
from cds_app.twin.bedside import Likely
from cds_app.twin.imputation import Imputer
from tests.bedside import bed_of
from tests.chart import measured, person, situation, stay
from tests.conftest import FROZEN
from tests.patients import QUIET, course, patient
from tests.patients import stay as encounter
from tests.surgery_patients import SURGERY, compared, outcome, refused, seen, viewed
from tests.surgery_patients import patient as surgical
from tests.trials import effect_of, on_vancomycin
from tests.trials import measured as on
from tests.unit.simulate.pharmacy import drug

VANCOMYCIN = drug("vancomycin")
_CHEMISTRY = (
    ("2160-0", "mg/dL", 1.4), ("2823-3", "mmol/L", 4.1), ("2951-2", "mmol/L", 139.0), ("3094-0", "mg/dL", 22.0),
    ("4544-3", "%", 31.0), ("6690-2", "10*3/uL", 9.0), ("777-3", "10*3/uL", 210.0), ("1963-8", "mmol/L", 24.0),
)  # fmt: skip
IN_THE_ICU = stay(hours=60.0, text="Medical intensive care unit")


@pytest.fixture(scope="module")
def imputer() -> Imputer:
    return Imputer.from_artefact(latest("imputation"))


def vitals(newest_h: float) -> list[Fact]:
    """Vital signs of every hour by catheter, the newest so many hours ago."""
    rows = (("heart_rate", 92.0), ("map", 74.0), ("sbp", 112.0), ("dbp", 58.0), ("body_temp", 37.2), ("spo2", 97.0))
    return [measured(name, value + hour % 3, newest_h + hour) for name, value in rows for hour in range(40)]


def test_what_was_measured_some_hours_ago_stands_in_with_its_interval(imputer: Imputer) -> None:
    found = stand_ins(imputer, situation(IN_THE_ICU, *vitals(3.5)))
    assert {"heart_rate", "map", "sbp", "dbp", PULSE_PRESSURE} <= found.keys()
    assert all(one.low < one.mean < one.high for one in found.values())
    assert found["map"].since_h == 3.0
    pulse = found[PULSE_PRESSURE]
    assert pulse.mean == pytest.approx(found["sbp"].mean - found["dbp"].mean)
    assert pulse.high - pulse.low < sum(found[name].high - found[name].low for name in ("sbp", "dbp"))


def test_what_was_never_measured_or_too_long_ago_does_not(imputer: Imputer) -> None:
    found = stand_ins(imputer, situation(IN_THE_ICU, *vitals(3.5), measured("lactate", 2.0, 60.0)))
    assert not {"lactate", "creatinine", "resp_rate"} & found.keys()
    rare = [measured("creatinine", 1.2, 1.2 + hour) for hour in range(40)]
    late = stand_ins(imputer, situation(IN_THE_ICU, *vitals(12.0), *rare))
    assert late.keys() == {"creatinine"}


@pytest.mark.parametrize("who", [(stay(text="Ward 4"),), (IN_THE_ICU, person(15.0)), ()])
def test_of_nobody_whom_imputation_was_not_measured_on(imputer: Imputer, who: tuple[Fact, ...]) -> None:
    assert stand_ins(imputer, situation(*who, *vitals(3.5))) == {}


def test_where_little_is_measured_nothing_stands_in(imputer: Imputer) -> None:
    assert stand_ins(imputer, situation(IN_THE_ICU, *vitals(3.5)[: FEWEST // 2])) == {}


# --- covariates of drugs


def creatinine(mean: float, low: float, high: float) -> dict[str, Likely]:
    return {"creatinine": Likely(quantity="creatinine", mean=mean, low=low, high=high, since_h=30.0, stands=True)}


def on_the_ward(hours: float, likely: dict[str, Likely]) -> Charted:
    adult = (person(60.0), measured("body_weight", 80.0, 100.0), measured("creatinine", 1.0, hours))
    found = patient_of(situation(*adult), VANCOMYCIN, likely=likely)
    assert isinstance(found, Charted)
    return found


def simulated(charted: Charted) -> WhatIf:
    plan = Regimen(name="plan", amount_mg=1000.0, interval_h=12.0, over_h=1.0, route="iv")
    found = what_if(VANCOMYCIN, charted.patient, Question(plans=(plan,), draws=1500, seed=4))
    assert isinstance(found, WhatIf)
    return found


def test_an_imputed_covariate_is_said_and_widens_what_is_simulated() -> None:
    imputed = on_the_ward(60.0, creatinine(1.0, 0.5, 2.0))
    assert imputed.imputed[0].quantity == "creatinine"
    assert "imputed, not measured: 1.0 mg/dL (0.5 to 2.0 in 90 of 100 such patients)" in imputed.remarks[-1]
    now = imputed.patient.stages[-1]
    assert (now.from_h, now.covariates.creatinine_mg_dl) == (0.0, 1.0)
    wide, narrow = (simulated(one).plans[0].auc24_steady for one in (imputed, on_the_ward(60.0, {})))
    assert wide is not None
    assert narrow is not None
    assert wide.high90 - wide.low90 > 1.15 * (narrow.high90 - narrow.low90)
    assert wide.median == pytest.approx(narrow.median, rel=0.1)


def test_a_current_measurement_goes_before_what_is_imputed() -> None:
    found = on_the_ward(10.0, creatinine(1.9, 1.5, 2.4))
    assert found.imputed == ()
    assert found.patient == on_the_ward(10.0, {}).patient


def test_an_interval_beyond_what_a_model_is_made_for_is_refused_by_name() -> None:
    found = on_the_ward(60.0, creatinine(1.0, 0.5, 40.0))
    plan = Regimen(name="plan", amount_mg=1000.0, interval_h=12.0, over_h=1.0, route="iv")
    told = what_if(VANCOMYCIN, found.patient, Question(plans=(plan,), draws=200, seed=4))
    assert isinstance(told, Refused)
    limits = [one.limit for one in told.reasons if one.field == "covariates.creatinine_mg_dl"]
    assert limits
    assert all(one.endswith("at both ends of what is imputed") for one in limits)


def test_the_page_of_a_dose_says_what_is_imputed(deps: Deps) -> None:
    rows = [one for one in on_vancomycin() if "creatinine" not in one["id"]]
    rows += course(FROZEN - timedelta(hours=11), QUIET, QUIET, 30)
    rows += [on(*one, hours, f"{one[0]}-{hours}") for one in _CHEMISTRY for hours in (26.0, 38.0)]
    bed = bed_of(deps, rows, FROZEN)
    html = bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))
    assert "Creatinine now is imputed, not measured" in html


# --- the circulation

PLAN = Plan(name="plan", actions=(Propofol(dose_mg_per_kg=1.5, at_min=1.0),))


def likely(name: str, mean: float, half: float) -> Likely:
    return Likely(quantity=name, mean=mean, low=mean - half, high=mean + half, since_h=4.0, stands=True)


def test_a_stale_pressure_starts_a_simulation_as_it_most_likely_is_and_widens_it() -> None:
    stale = replace(seen(89.0, 4.0), likely=likely("map", 89.0, 15.0))
    narrow, wide = compared(PLAN), compared(PLAN, who=surgical(map=stale))
    assert (dict(narrow.imputed), set(wide.imputed)) == ({}, {"map"})
    at_rest = [one.found["mean_pressure_mmhg"] for one in (narrow, wide)]
    assert at_rest[1].high - at_rest[1].low > 1.5 * (at_rest[0].high - at_rest[0].low)
    assert outcome(wide).lowest_mmhg.low < outcome(narrow).lowest_mmhg.low
    assert viewed(wide).imputed == (
        "mean arterial pressure 89 mmHg (74 to 104 in 90 of 100 such patients), 4 h after the last one",
    )


def test_what_is_imputed_stands_in_only_for_what_is_stale_and_within_the_limits() -> None:
    fresh = known(surgical(map=replace(seen(89.0), likely=likely("map", 60.0, 3.0))), SURGERY.bounds)
    assert not isinstance(fresh, Abstained)
    assert fresh.mean_pressure == 89.0
    low = surgical(map=replace(seen(89.0, 4.0), likely=likely("map", 60.0, 12.0)))
    assert refused(known(low, SURGERY.bounds)) == {"map": "out-of-population"}


def test_page_and_option_of_a_circulation_label_what_is_imputed(deps: Deps) -> None:
    sized = (on("29463-7", "kg", 78, 40, "weight"), on("8302-2", "cm", 168, 40, "height"))
    early = course(FROZEN - timedelta(hours=4), QUIET, QUIET, 40)
    bed = bed_of(deps, [patient(), encounter(FROZEN - timedelta(hours=48)), *early, *sized], FROZEN)
    line = effect_of(bed, CirculationEffect(of="circulation", fluid_ml=500.0))
    assert line.says.endswith("Imputed, not measured lately: mean arterial pressure, heart rate, pulse pressure.")
    html = bed.trials.operation(bed.asking(), Planned())
    assert '<span class="chip">imputed</span> Not measured lately: mean arterial pressure' in html
