"""Tacrolimus: two models, of which one is for the first months after a transplantation only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cds_app.simulate.kinetics.patients import Patient, Placed, Stage, place
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.questions import Question, offered
from cds_app.simulate.regimens.what_if import what_if
from tests.unit.simulate.pharmacy import adult, drug


def test_a_stage_at_which_nothing_changes_that_a_model_asks_for_is_none() -> None:
    stages = tuple(
        Stage(from_h=at, covariates=replace(RECIPIENT, creatinine_mg_dl=scr, haematocrit_percent=haematocrit))
        for at, scr, haematocrit in ((-48.0, 1.0, 32.0), (-24.0, 2.0, 32.0), (-1.0, 2.0, 29.0))
    )
    found = {one.name: place(one, Patient(stages=stages)) for one in drug("tacrolimus").models}
    kept = {name: [at for at, _ in one.stages] for name, one in found.items() if isinstance(one, Placed)}
    assert kept == {"tacrolimus-andrews-2019": [-48.0], "tacrolimus-woillard-2011": [-48.0, -1.0]}


def answered(patient: Patient) -> WhatIf:
    tacrolimus = drug("tacrolimus")
    found = what_if(tacrolimus, patient, Question(plans=offered(tacrolimus)[:1], draws=100, goal="kidney_early"))
    assert isinstance(found, WhatIf), found
    return found


RECIPIENT = adult(
    haematocrit_percent=32.0, days_since_transplant=20.0, genotypes={"CYP3A5": "*3/*3", "CYP3A4": "*1/*22"}
)


@pytest.mark.parametrize(
    ("changed", "field", "limit"),
    [
        ({"days_since_transplant": None}, "days_since_transplant", "is needed by this model"),
        ({"days_since_transplant": 93.0}, "days_since_transplant", "must be 0 to 92 days"),
        ({"flags": {"PROLONGED_RELEASE": True}}, "flags.PROLONGED_RELEASE", "must be false in this model"),
        ({"genotypes": {"CYP3A5": "*3/*3"}}, "genotypes.CYP3A4", "not taken as reference"),
    ],
)
def test_andrewss_tacrolimus_counts_early_after_a_transplantation_only(
    changed: dict[str, Any], field: str, limit: str
) -> None:
    early = Patient(stages=(Stage(from_h=0.0, covariates=RECIPIENT),))
    both = ["tacrolimus-andrews-2019", "tacrolimus-woillard-2011"]
    assert [one.name for one in answered(early).models] == both
    late = Patient(stages=(Stage(from_h=0.0, covariates=replace(RECIPIENT, **changed)),))
    found = answered(late)
    assert [one.name for one in found.models] == both[1:]
    ((name, (reason,)),) = found.left_out
    assert (name, reason.field) == (both[0], f"covariates.{field}")
    assert limit in reason.limit
