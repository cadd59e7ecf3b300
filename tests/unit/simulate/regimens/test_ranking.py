"""Which plan is recommended: the target first, then harm, then how much of the drug."""

from __future__ import annotations

from dataclasses import replace

from cds_app.simulate.kinetics.patients import Patient, Stage
from cds_app.simulate.plans import Regimen
from cds_app.simulate.regimens.answers import PlanOutcome, WhatIf
from cds_app.simulate.regimens.questions import Question
from cds_app.simulate.regimens.what_if import ranked, what_if
from tests.unit.simulate.pharmacy import adult, drug


def test_of_plans_that_reach_the_target_alike_the_one_with_least_harm_comes_first() -> None:
    every_12_h = tuple(Regimen(name=f"{mg:g}", amount_mg=mg, interval_h=12.0, over_h=1.0) for mg in (750.0, 1000.0))
    patient = Patient(stages=(Stage(from_h=0.0, covariates=adult()),))
    found = what_if(drug("vancomycin"), patient, Question(plans=every_12_h, draws=100))
    assert isinstance(found, WhatIf)
    one = found.plans[0]
    assert one.target is not None
    harm = one.harms[0]

    def like(name: str, target: float, harmed: float, exposure: float) -> PlanOutcome:
        assert one.target is not None
        assert one.auc24_steady is not None
        hurt = replace(harm, chance=replace(harm.chance, probability=harmed), within=True)
        aimed = replace(one.target, probability=target)
        return replace(
            one,
            name=name,
            target=aimed,
            harms=(hurt,),
            outside=(),
            on_target=True,
            unchecked=(),
            auc24_steady=replace(one.auc24_steady, median=exposure),
        )

    plans = [like("most", 0.90, 0.10, 600.0), like("mild", 0.89, 0.02, 450.0), like("less", 0.885, 0.02, 400.0)]
    far = [like("none", 0.80, 0.0, 100.0), like("few", 0.70, 0.0, 90.0)]
    assert [each.name for each in ranked([*plans, *far])] == ["less", "mild", "most", "none", "few"]
    beside = replace(like("beside", 0.95, 0.0, 300.0), on_target=False)
    assert ranked([beside]) == []
