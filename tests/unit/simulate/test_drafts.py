"""A draft order beside what is offered instead."""

from __future__ import annotations

from msgspec.structs import replace

from cds_app.domain.facts import Dosing, Fact, Medication
from cds_app.simulate.drafts import DRAFT, Judged, judge
from cds_app.simulate.questions import Question
from cds_app.simulate.refusals import Refused
from tests.chart import drug as taken
from tests.chart import measured, person, situation
from tests.unit.simulate.pharmacy import drug

QUESTION = Question(plans=(), draws=200, seed=4)


def chart(*facts: Fact) -> list[Fact]:
    given = [
        replace(taken("vancomycin", hours=hours, end_hours=hours - 1.0), dose_value=1000.0, dose_unit="mg")
        for hours in (30.5, 18.5, 6.5)
    ]
    return [person(60.0), measured("body_weight", 80.0), measured("creatinine", 1.0, 40.0), *given, *facts]


def order(value: float | None = 1500.0, interval_h: float | None = 12.0) -> Medication:
    made = taken("vancomycin", source="request", hours=0.0)
    return replace(made, dose_value=value, dose_unit="mg", dosing=Dosing(route="iv", interval_h=interval_h, over_h=1.5))


def judged(made: Medication, *facts: Fact) -> Judged:
    found = judge(made, situation(*chart(*facts)), drug("vancomycin"), QUESTION)
    assert isinstance(found, Judged), found
    return found


def test_too_high_a_draft_gets_a_lower_dose_suggested() -> None:
    found = judged(order(), measured("vancomycin_trough", 19.0, 7.0))
    assert found.answer.plans[0].name == DRAFT
    assert not found.answer.plans[0].within_limits
    assert found.suggestion is not None
    assert found.suggestion.amount_mg * 24.0 / found.suggestion.interval_h < 3000.0
    assert found.answer.levels == 1


def test_a_good_draft_is_left_alone() -> None:
    first = judged(order(), measured("vancomycin_trough", 12.0, 7.0))
    assert first.suggestion is not None
    good = order(first.suggestion.amount_mg, first.suggestion.interval_h)
    made = replace(good, dosing=Dosing(route="iv", interval_h=first.suggestion.interval_h, over_h=1.5))
    again = judged(made, measured("vancomycin_trough", 12.0, 7.0))
    assert again.answer.recommended == DRAFT
    assert again.suggestion is None


def test_the_draft_begins_when_its_next_dose_is_due() -> None:
    found = judged(order())
    assert {one.start_h for one in found.plans} == {5.5}
    assert found.plans[0].over_h == 1.5
    assert len({(one.amount_mg, one.interval_h) for one in found.plans}) == len(found.plans)


def test_an_order_of_another_drug_is_refused() -> None:
    other = replace(order(), concepts=("meropenem",))
    found = judge(other, situation(*chart()), drug("vancomycin"), QUESTION)
    assert isinstance(found, Refused)
    assert found.reasons[0].field == "order.medication"


def test_an_order_that_leaves_something_open_is_refused() -> None:
    for made, field in ((order(value=None), "order.dose"), (order(interval_h=None), "order.timing")):
        found = judge(made, situation(*chart()), drug("vancomycin"), QUESTION)
        assert isinstance(found, Refused)
        assert [one.field for one in found.reasons] == [field]
