"""What a page aims at: the usual target, another one that is chosen, and none where nothing settles which."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from cds_app.deps import Deps
from cds_app.errors import BadRequest
from cds_app.mitigate.effects import DoseEffect
from cds_app.services.what_if.dose import Wish
from tests.bedside import Bed, bed_of
from tests.conftest import FROZEN
from tests.doses import TRANSPLANT
from tests.genomes import genotype
from tests.orders import medication
from tests.patients import patient
from tests.trials import effect_of, measured

USUAL = "INR of 2.0 to 3.0 at the end of the horizon, most indications"
MITRAL = "INR of 2.5 to 3.5 at the end of the horizon, mechanical mitral valve"
OPEN = "Target: must be chosen: it differs from patient to patient, and nothing on record settles it"
VALVE = {
    **TRANSPLANT,
    "id": "valve",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "Z95.2"}]},
}
GENES = (genotype("CYP2C9", "*1/*1"), genotype("VKORC1", "A/G"))


def course(name: str, mg: float, every_h: int, hours: tuple[int, ...]) -> list[dict[str, Any]]:
    """An order by mouth, and what was given of it."""
    by_mouth = {"coding": [{"system": "http://snomed.info/sct", "code": "26643006"}]}
    timing = {"repeat": {"frequency": 1, "period": every_h, "periodUnit": "h"}}
    amount = {"value": mg, "unit": "mg"}
    instruction = {"timing": timing, "route": by_mouth, "doseAndRate": [{"doseQuantity": amount}]}
    order = medication(f"order-{name}", name, dosageInstruction=[instruction])
    return [
        order,
        *(
            {
                **{"resourceType": "MedicationAdministration", "id": f"{name}-{one}", "status": "completed"},
                "subject": order["subject"],
                "medicationCodeableConcept": {"text": name},
                "effectiveDateTime": (FROZEN - timedelta(hours=one)).isoformat(),
                "dosage": {"dose": amount, "route": by_mouth},
            }
            for one in hours
        ),
    ]


def on_warfarin(deps: Deps, *more: dict[str, Any]) -> Bed:
    body = (measured("29463-7", "kg", 70.0, 30, "weight"), measured("6301-6", "{INR}", 1.0, 300, "inr"))
    days = tuple(range(12, 252, 24))
    return bed_of(deps, [patient(), *body, *GENES, *course("warfarin", 5, 24, days), *more], FROZEN)


def on_tacrolimus(deps: Deps) -> Bed:
    body = (measured("29463-7", "kg", 70.0, 30, "weight"), measured("4544-3", "%", 33.0, 20, "hct"))
    given = course("tacrolimus", 3, 12, (30, 18, 6))
    return bed_of(deps, [patient(), *body, genotype("CYP3A5", "*3/*3"), dict(TRANSPLANT), *given], FROZEN)


def test_the_usual_target_is_aimed_at_and_the_others_can_be_chosen(deps: Deps) -> None:
    bed = on_warfarin(deps)
    html = bed.trials.what_if(bed.asking(), Wish(drug="warfarin"))
    assert f"Target: {USUAL}." in html
    assert f'<option value="usual" selected>{USUAL}</option>' in html
    assert f'<option value="mechanical_mitral">{MITRAL}</option>' in html
    chosen = bed.trials.what_if(bed.asking(), Wish(drug="warfarin", goal="mechanical_mitral"))
    assert f"Target: {MITRAL}." in chosen
    assert f'<option value="mechanical_mitral" selected>{MITRAL}</option>' in chosen
    with pytest.raises(BadRequest, match="must be one of"):
        bed.trials.what_if(bed.asking(), Wish(drug="warfarin", goal="luck"))
    assert 'id="goal"' not in bed.trials.what_if(bed.asking(), Wish(drug="vancomycin"))


def test_what_is_usual_is_not_for_who_has_what_speaks_against_it(deps: Deps) -> None:
    bed = on_warfarin(deps, VALVE)
    html = bed.trials.what_if(bed.asking(), Wish(drug="warfarin"))
    assert OPEN in html
    assert '<option value="" selected>Choose one</option>' in html
    assert "in 100 virtual copies" not in html
    assert f"Target: {USUAL}." in bed.trials.what_if(bed.asking(), Wish(drug="warfarin", goal="usual"))


def test_of_several_targets_none_is_taken_by_chance(deps: Deps) -> None:
    bed = on_tacrolimus(deps)
    assert OPEN in bed.trials.what_if(bed.asking(), Wish(drug="tacrolimus"))
    chosen = bed.trials.what_if(bed.asking(), Wish(drug="tacrolimus", goal="kidney_maintenance"))
    assert "Target: trough of 5 to 10 ng/mL after kidney transplantation, maintenance." in chosen


def test_an_option_is_told_on_the_usual_target_and_where_there_is_none_not_at_all(deps: Deps) -> None:
    more = DoseEffect(of="dose", drugs=("warfarin",), change="scale", by=1.1)
    assert "on target (2 to 3) in" in effect_of(on_warfarin(deps), more).says
    line = effect_of(on_warfarin(deps, VALVE), more)
    assert (line.says, line.lacks) == ("", (OPEN,))
    best = DoseEffect(of="dose", drugs=("tacrolimus",), change="best", by=None)
    assert effect_of(on_tacrolimus(deps), best).lacks == (OPEN,)
    stop = DoseEffect(of="dose", drugs=("tacrolimus",), change="stop", by=None)
    assert effect_of(on_tacrolimus(deps), stop).says.startswith("Without a further dose tacrolimus is at ")


def rows(html: str) -> dict[str, list[str]]:
    """Of plans compared: what each cell says, by the plan's name."""
    table = html[html.index("Plans compared") :]
    found = re.findall(r'<th scope="row">([^<]*?)(?: <span|<br|</th>)(.*?)</tr>', table, re.DOTALL)
    return {name: re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in found}


def test_an_inr_that_has_not_settled_by_the_end_is_said_to_move(deps: Deps) -> None:
    bed = on_warfarin(deps)
    more = bed.trials.what_if(bed.asking(), Wish(drug="warfarin", amount_mg=10.0))
    assert re.search(r"The middle INR still rises at the end, by \d\.\d in 2 days\.", more)
    for settled in (Wish(drug="warfarin", amount_mg=5.0, horizon_h=2000.0, draws=200), Wish(drug="vancomycin")):
        assert "The middle INR still" not in bed.trials.what_if(bed.asking(), settled)


def test_a_page_of_warfarin_looks_at_all_plans_and_tells_the_inr_at_the_end(deps: Deps) -> None:
    bed = on_warfarin(deps)
    html = bed.trials.what_if(bed.asking(), Wish(drug="warfarin", amount_mg=1.0))
    assert "best within limits" in html
    assert "No plan that was compared is within all limits" not in html
    columns = re.findall(r'<th scope="col">([^<]*)</th>', html[html.index("Plans compared") :])
    at = columns.index("After 14 days, INR") - 1
    (one,) = (cells for name, cells in rows(html).items() if name == "1 mg every 24 h")
    assert re.fullmatch(r"1\.\d \(1\.\d to [12]\.\d\)", one[at])
    assert one[0] == "in 12 h"  # a day after the last dose
    best = re.search(r"(Most|About as many) [^.]* within limits: ([^,.]*), (\d+) in 100", html)
    assert best is not None
    asked = re.search(r"1 mg every 24 h: (?:&lt;)?(\d+) in 100", html)
    assert asked is not None
    assert (int(best[3]) > int(asked[1])) == (best[1] == "Most")
