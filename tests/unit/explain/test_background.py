"""What is said of the first days in intensive care, and when nothing is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.domain.facts import Fact
from cds_app.domain.timeline import Timeline
from cds_app.explain.background import background
from cds_app.explain.estimates import RiskEstimate
from cds_app.score.result import Abstained
from cds_app.score.risk.model import Risk
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge
from tests.chart import NOW, measured, person, stay

UNIT = "Intensive care unit"
USUAL = {
    **{"heart_rate": 95.0, "resp_rate": 22.0, "map": 72.0, "sbp": 105.0, "body_temp": 38.4, "gcs_total": 14.0},
    **{"sodium": 138.0, "potassium": 4.2, "creatinine": 1.4, "urea_nitrogen": 30.0, "wbc": 12.0},
}


def charted(*, since: float, until: float = 0.0) -> list[Fact]:
    hours = range(int(until), int(since), 4)
    return [measured(name, value, float(hour)) for hour in hours for name, value in USUAL.items()]


def chart(knowledge: Knowledge, *facts: Fact, age: float = 70.0) -> Situation:
    return Situation(ontology=knowledge.ontology, facts=Timeline.of((person(age), *facts)).facts, now=NOW)


def asked(knowledge: Knowledge, here: Situation) -> RiskEstimate | None:
    return background(knowledge.background, here).get("mortality")


def test_after_two_days_the_risk_is_told_with_reasons_that_add_up(knowledge: Knowledge) -> None:
    found = asked(knowledge, chart(knowledge, stay(hours=60, text=UNIT), *charted(since=60)))
    assert found is not None
    risk = found.outcome
    assert isinstance(risk, Risk)
    assert risk.tiers == ()
    assert 0.0 < risk.low <= risk.probability <= risk.high < 1.0
    assert sum(one.points for one in found.reasons) == pytest.approx(100 * (risk.probability - risk.base), abs=1e-3)


def test_it_is_the_same_days_later_and_reasons_show_the_values_of_then(knowledge: Knowledge) -> None:
    facts = (stay(hours=100, text=UNIT), *charted(since=100, until=40))
    now = chart(knowledge, *facts, *(measured("heart_rate", 190.0, float(hour)) for hour in range(30)))
    later = replace(now, now=NOW + timedelta(days=4))
    found, again = asked(knowledge, now), asked(knowledge, later)
    assert found is not None
    assert again is not None
    assert (found.outcome, found.reasons) == (again.outcome, again.reasons)
    assert next(one.now for one in found.reasons if one.quantity == "heart_rate" and one.now).value == 95.0


@pytest.mark.parametrize(
    "here",
    [
        stay(hours=47, text=UNIT),
        stay(hours=337, text=UNIT),
        stay(hours=60, text="Medical ward"),
    ],
)
def test_the_question_does_not_arise_outside_of_intensive_care_or_of_its_days(knowledge: Knowledge, here: Fact) -> None:
    assert asked(knowledge, chart(knowledge, here, *charted(since=60))) is None
    assert asked(knowledge, chart(knowledge, *charted(since=60))) is None


@pytest.mark.parametrize(
    ("facts", "age", "why"),
    [
        (charted(since=60), 17.0, ["too-young"]),
        (charted(since=11), 70.0, ["nothing-measured"]),
        ([measured("heart_rate", 80.0, 30.0)], 70.0, ["few-measurements"]),
    ],
)
def test_without_a_basis_the_reason_is_named(
    knowledge: Knowledge, facts: list[Fact], age: float, why: list[str]
) -> None:
    found = asked(knowledge, chart(knowledge, stay(hours=60, text=UNIT), *facts, age=age))
    assert found is not None
    assert isinstance(found.outcome, Abstained)
    assert [one.name for one in found.outcome.reasons] == why
    assert found.reasons == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"heart_rate": 150.0, "resp_rate": 50.0, "map": 40.0, "sbp": 60.0, "dbp": 30.0},  # a newborn's
        {"body_temp": 45.0},  # as high as a value may be
        {"sbp": 30.0, "map": 20.0},
    ],
)
def test_no_number_for_a_stay_whose_measurements_are_jointly_unlike_those_of_training(
    knowledge: Knowledge, wrong: dict[str, float]
) -> None:
    hours = range(0, 60, 4)
    facts = [measured(name, value, float(hour)) for hour in hours for name, value in (USUAL | wrong).items()]
    found = asked(knowledge, chart(knowledge, stay(hours=60, text=UNIT), *facts))
    assert found is not None
    assert isinstance(found.outcome, Abstained)
    (reason,) = found.outcome.reasons
    assert (reason.name, reason.why) == ("outside-population", "out-of-population")
    assert found.reasons == ()


def test_no_topic_can_raise_a_card_on_it(knowledge: Knowledge) -> None:
    assert not set(knowledge.background) & {*knowledge.risks, *knowledge.risk_of.values()}
