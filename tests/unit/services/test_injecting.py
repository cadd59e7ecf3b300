"""Insulin on the page: from what the chart says, beside none, and refused by field where anything is lacking."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from cds_app.deps import Deps
from cds_app.services.what_if.insulin import INJECTED, Injected
from tests.bedside import bed_of
from tests.conftest import FROZEN
from tests.insulin import TYPE_1
from tests.patients import patient
from tests.trials import measured

TYPE_2 = {**TYPE_1, "id": "t2", "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "E11"}]}}


def insulin(hours: float, units: float, unit: str = "U", kind: str = "insulin glargine") -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration",
        "id": f"i{hours}",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": kind},
        "effectiveDateTime": (FROZEN - timedelta(hours=hours)).isoformat(),
        "dosage": {"dose": {"value": units, "unit": unit}},
    }


def chart(*more: dict[str, Any], glucose: float = 220.0) -> list[dict[str, Any]]:
    return [
        patient(),
        TYPE_1,
        measured("2339-0", "mg/dL", glucose, 0.5, "glucose"),
        measured("29463-7", "kg", 75.0, 30, "weight"),
        *more,
    ]


def page(deps: Deps, resources: list[dict[str, Any]], wish: Injected) -> str:
    bed = bed_of(deps, resources, FROZEN)
    return bed.trials.insulin(bed.asking(), wish)


def test_a_dose_is_tried_beside_none_one_less_and_one_more(deps: Deps) -> None:
    html = page(deps, chart(insulin(20.0, 24.0), insulin(3.0, 16.0)), Injected())
    assert "As entered:" in html
    for plan in ("No extra insulin", "3 units", "5 units"):
        assert f'<th scope="row">{plan}' in html
    assert "Simulation, not an order" in html
    assert 'value="40"' in html  # what was given in 24 h
    assert "A virtual person is not the patient" in html
    assert len(html.encode()) <= 60_000


def test_insulin_that_still_acts_is_in_it_and_one_that_the_model_does_not_know_is_no_guess(deps: Deps) -> None:
    acting = insulin(1.0, 4.0, kind="insulin lispro")
    html = page(deps, chart(insulin(20.0, 24.0), acting), Injected(bolus_u=2.0))
    assert "4 units given before still act, and are in it." in html
    assert "Nothing is drawn: there is no seed" in html
    other = page(deps, chart(insulin(20.0, 24.0), insulin(1.0, 4.0, kind="insulin regular")), Injected())
    assert "Insulin given before: is none that the model knows, and still acts" in other


@pytest.mark.parametrize(
    ("resources", "wish", "said"),
    [
        (chart(), Injected(), "must be entered: no insulin of the last 24 h is recorded in units"),
        (chart(insulin(3.0, 16.0, "mL")), Injected(), "must be entered"),
        (chart()[:1] + chart()[2:], Injected(daily_u=40.0), "only type 1 diabetes is simulated"),
        ([*chart()[:2], chart()[3]], Injected(daily_u=40.0), "Glucose: of the last 60 min is needed"),
        ([*chart(), TYPE_2], Injected(daily_u=40.0), "Diagnosis: is type 1 and type 2 diabetes"),
        (
            [*chart(), measured("6873-4", "mmol/L", 4.2, 1, "ketones")],
            Injected(daily_u=40.0),
            "Ketoacidosis: is not in",
        ),
        (chart(glucose=900.0), Injected(daily_u=40.0), "must be"),
        (chart(), Injected(daily_u=40.0, bolus_u=1000.0), "must be above 0 and at most"),
        (chart(), Injected(daily_u=40.0, bolus_u=-1.0), "must be above 0 and at most"),
        (chart(), Injected(daily_u=40.0, carbohydrate_g=1e300), "must be above 0 and at most"),
        (chart(), Injected(daily_u=5e-324), "must be"),
    ],
)
def test_what_is_lacking_or_impossible_is_named_and_gives_no_number(
    deps: Deps, resources: list[dict[str, Any]], wish: Injected, said: str
) -> None:
    html = page(deps, resources, wish)
    assert "Not simulated" in html
    assert said in html
    assert "virtual people fall" not in html


def test_of_ten_people_none_is_said_to_be_fewer_than_one_in_100_and_the_best_plan_has_its_harm(deps: Deps) -> None:
    html = page(deps, chart(glucose=214.0), Injected(daily_u=45.0))
    (said,) = re.findall(r'<p role="status">(.*?)</p>', html, re.DOTALL)
    share = r"(none of the|all of the|\d+ in 100) virtual people fall below 70\."
    assert re.search(
        r"4[0-9] in 100 of the time between 70 and 180 mg/dL; none of the virtual people fall below 70\.", said
    )
    assert re.search(rf"Longest within limits: 5 units, \d+ in 100 of the time; {share}", said)
    table = html[html.index("Plans compared") :]
    assert re.search(r"As entered</th><td>4\d</td><td>none</td><td>none</td><td>none</td>", table)


def test_what_nobody_knows_stands_in_no_box(deps: Deps) -> None:
    """Sent as it stands, the form asks the same again."""
    html = page(deps, chart(), Injected())
    box = re.search(r'name="daily" value="([^"]*)"', html)
    assert box is not None
    assert box[1] == ""


def test_a_form_is_read_by_its_names() -> None:
    assert Injected.of(dict.fromkeys(INJECTED)) == Injected()
    assert Injected.of({"bolus": 2.0, "carbohydrate": 0.0, "daily": 30.0}) == Injected(
        bolus_u=2.0, carbohydrate_g=0.0, daily_u=30.0
    )
