"""Drafted doses against the models: what is compared with what, and when there is something to say."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Demographics, Fact, Medication
from cds_app.domain.proposed import Proposed, Written
from cds_app.mitigate.doses import DRAFT, STANDING, Dosed, DoseRule, Given, Undosed, simulate_draft, simulate_drafts
from cds_app.simulate.plans import Regimen
from tests.chart import NOW, ago, measured, person, problem, situation
from tests.chart import drug as taken
from tests.unit.simulate.pharmacy import drug

ROOT = Path(__file__).parents[3]
RULE = DoseRule(goal="usual", low=0.5, gain=0.1, draws=400, coarse_step_h=8.0, compared=2, needs_review=True)
ADULT: tuple[Fact, ...] = (person(60.0), measured("body_weight", 80.0, 100.0), measured("creatinine", 1.0, 40.0))
EVERY_12_H = Dosing(route="iv", interval_h=12.0, over_h=1.0)


def order(
    amount: float | None,
    dosing: Dosing | None = EVERY_12_H,
    *,
    ref: str = "draft-1",
    name: str = "vancomycin",
    **more: Any,
) -> Medication:
    made = taken(name, source="request", hours=0.0)
    return changed(
        made, **{"ref": f"MedicationRequest/{ref}", "dose_value": amount, "dose_unit": "mg", "dosing": dosing, **more}
    )


def asked(draft: Medication, *chart: Fact, rule: DoseRule = RULE, name: str = "vancomycin") -> Dosed | Undosed:
    adult = ADULT[1:] if any(isinstance(one, Demographics) for one in chart) else ADULT
    return simulate_draft(draft, Written(instructions=1), drug(name), rule, situation(*adult, *chart), Given(seed=11))


def dosed(draft: Medication, *chart: Fact, **more: Any) -> Dosed:
    found = asked(draft, *chart, **more)
    assert isinstance(found, Dosed), found
    return found


def reasons(draft: Medication, *chart: Fact, **more: Any) -> dict[str, str]:
    found = asked(draft, *chart, **more)
    assert isinstance(found, Undosed)
    return {one.field: one.limit for one in found.reasons}


@cache
def low() -> Dosed:
    return dosed(order(500.0))


def test_a_low_dose_has_a_better_one_within_limits() -> None:
    found = low()
    assert (found.low, found.over, found.speaks) == (True, (), True)
    assert found.better is not None
    assert found.better.within_limits
    assert found.answer.gain is not None
    assert found.answer.gain.probability >= RULE.gain
    assert found.offers == 27  # of 28, one is the draft
    assert 2 <= len(found.answer.plans) <= 3
    assert all(one.within_limits for one in found.answer.plans[1:])


def test_every_plan_looked_at_runs_no_faster_than_the_draft() -> None:
    for name, plan in low().plans.items():
        assert plan.over_h >= 1.0, name
        assert plan.amount_mg / plan.over_h <= 500.0, name
    found = dosed(order(500.0, Dosing(route="iv", interval_h=12.0)))
    assert not found.says_length
    assert {one.over_h for one in found.plans.values()} == {1.0}  # as usual, where nothing was said


def test_the_same_seed_says_the_same_and_a_harm_needs_more_than_chance() -> None:
    assert dosed(order(500.0)).answer == low().answer
    found = dosed(order(2000.0, Dosing(route="iv", interval_h=8.0, over_h=1.0)))
    assert [one.says.partition(":")[0] for one in found.over] == ["AUC24 above 700 mg.h/L", "trough above 20 mg/L"]
    assert found.better is not None
    for harm in dosed(order(1000.0)).draft.harms:
        over = harm in dosed(order(1000.0)).over
        assert over == (harm.chance.probability > harm.at_most + 1.6448536269514722 * harm.chance.standard_error)


def test_a_dose_that_is_good_enough_is_compared_with_nothing() -> None:
    content = replace(RULE, low=0.2)
    found = dosed(order(750.0), rule=content)
    assert (found.offers, found.speaks, list(found.plans)) == (0, False, [DRAFT])


def test_a_small_gain_is_not_worth_an_interruption() -> None:
    found = dosed(order(750.0), rule=replace(RULE, gain=0.9))
    assert (found.low, found.better, found.speaks) == (True, None, False)


def test_a_drug_without_offers_is_simulated_alone() -> None:
    content = drug("vancomycin")
    file = content.file.model_copy(update={"offers": content.file.offers.model_copy(update={"doses_mg": ()})})
    bare = type(content)(file=file, version="1.0.0", sha256="0", models=content.models)
    found = simulate_draft(order(500.0), Written(instructions=1), bare, RULE, situation(*ADULT), Given(seed=1))
    assert isinstance(found, Dosed)
    assert (found.offers, found.better, found.speaks) == (0, None, False)


def test_more_offers_than_one_question_takes_are_looked_at_in_parts() -> None:
    content = drug("vancomycin")
    many = content.file.offers.model_copy(update={"doses_mg": tuple(400.0 + 50.0 * n for n in range(12))})
    file = content.file.model_copy(update={"offers": many})
    wide = type(content)(file=file, version="1.0.0", sha256="0", models=content.models)
    found = simulate_draft(order(425.0), Written(instructions=1), wide, RULE, situation(*ADULT), Given(seed=1))
    assert isinstance(found, Dosed)
    assert found.offers == 48
    assert found.better is not None


def standing(amount: float, *, ref: str = "old", **more: Any) -> Medication:
    usual: dict[str, Any] = {"status": "active", "when": ago(30.0)}
    return order(amount, ref=ref, **usual | more)


def test_the_standing_order_is_compared_where_there_is_one_and_it_can_be() -> None:
    found = dosed(order(500.0), standing(1000.0))
    assert found.plans[STANDING].amount_mg == 1000.0
    assert not any(one.startswith("1000 mg every 12") for one in found.plans)  # it is not offered again
    for chart in (
        [standing(1000.0), standing(750.0, ref="older")],
        [standing(1000.0, dosing=None)],
        [standing(1e6)],
        [standing(1000.0, status="on-hold")],
        [standing(1000.0, ref="draft-1")],
    ):
        assert STANDING not in dosed(order(500.0), *chart).plans


def test_doses_given_move_the_next_one() -> None:
    given = changed(taken("vancomycin", source="administration", hours=4.0), dose_value=1000.0, dose_unit="mg")
    found = dosed(order(500.0), given)
    assert found.plans[DRAFT].start_h == 8.0
    assert found.charted.facts == (given.ref,)
    later = Dosing(route="iv", interval_h=12.0, over_h=1.0, start=ago(-20.0))
    assert dosed(order(500.0, later), given).plans[DRAFT].start_h == 20.0


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (order(None), "order.dose"),
        (order(500.0, dose_unit="mg/kg"), "order.dose"),
        (order(500.0, None), "order.timing"),
        (order(500.0, None), "order.route"),
        (order(500.0, Dosing(interval_h=12.0)), "order.route"),
        (order(500.0, Dosing(route="oral", interval_h=6.0)), "order.route"),
        (order(500.0, Dosing(route="iv", interval_h=12.0, as_needed=True)), "order.timing"),
        (order(-500.0), "plans.0.amount_mg"),
        (order(1e6), "plans.0.doses"),
        (order(500.0, Dosing(route="iv", interval_h=12.0, over_h=13.0)), "plans.0.doses"),
    ],
)
def test_what_a_draft_leaves_open_or_overdoes_is_refused(draft: Medication, field: str) -> None:
    assert field in reasons(draft)


def test_whom_the_models_are_not_made_for_is_refused() -> None:
    woman = person(30.0, sex="female")
    assert set(reasons(order(500.0), woman, problem("pregnancy"))) == {"covariates.pregnancy"}
    assert "covariates.age_years" in reasons(order(500.0), person(12.0))
    assert "covariates.dialysis" in reasons(order(500.0), problem("dialysis_dependence"))
    unclear = changed(taken("vancomycin", source="administration", hours=4.0), dose_value=None)
    assert set(reasons(order(500.0), unclear)) == {"history.0.amount_mg"}


def test_excess_is_told_by_the_amount_alone() -> None:
    for draft, excessive in ((order(3001.0, None), True), (order(3000.0, None), False), (order(None), False)):
        found = asked(draft)
        assert isinstance(found, Undosed)
        assert found.excessive is excessive


def many(*drafts: Medication, selected: tuple[str, ...] | None = None, most: int = 2, written: int = 1) -> list[str]:
    found = simulate_drafts(
        {"vancomycin": drug("vancomycin"), "gentamicin": drug("gentamicin")},
        {"vancomycin": RULE, "gentamicin": RULE},
        situation(*ADULT),
        Proposed(
            orders=drafts,
            selected=selected,
            written={one.ref: Written(instructions=written) for one in drafts},
        ),
        most=most,
        given=Given(seed=3),
    )
    return [one.reasons[0].limit if isinstance(one, Undosed) else one.drug.name for one in found]


def test_each_judged_draft_of_a_known_drug_is_simulated() -> None:
    one, two = order(500.0), order(240.0, name="gentamicin", ref="draft-2")
    other = order(5.0, name="digoxin", ref="draft-3")
    assert many(one, two, other) == ["vancomycin", "gentamicin"]
    assert many(one, two, selected=("MedicationRequest/draft-2",)) == ["gentamicin"]
    assert many(one, two, most=1) == ["vancomycin", "of one call, the first 1 are simulated"]
    assert many(one, written=2) == ["must be one instruction, not several"]


def test_two_drafts_of_one_drug_are_not_judged_as_if_each_stood_alone() -> None:
    one, two = order(500.0), order(1000.0, ref="draft-2")
    assert many(one, two) == ["another draft of this drug stands beside it"] * 2
    assert many(one, two, selected=(one.ref,)) == ["another draft of this drug stands beside it"]


def test_hours_are_counted_from_the_call() -> None:
    plan = low().plans[DRAFT]
    assert plan == Regimen(name=DRAFT, amount_mg=500.0, interval_h=12.0, over_h=1.0, route="iv", start_h=0.0)
    assert low().order.when == NOW
