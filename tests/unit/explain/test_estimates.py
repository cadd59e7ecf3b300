"""Asking the models: since when a patient is here, and what is said when nothing can be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cds_app.domain.facts import Fact
from cds_app.domain.time import to_hours
from cds_app.domain.timeline import Timeline
from cds_app.explain.estimates import RiskEstimate, admission_of, estimate_risks, risk_before
from cds_app.score.result import Abstained
from cds_app.score.risk import Risk
from cds_app.score.situation import Situation
from cds_app.services.knowledge import Knowledge
from cds_app.twin.state import rebuild
from tests.chart import NOW, ago, measured, person, situation, stay


def pulses(*hours: float) -> list[Fact]:
    return [measured("heart_rate", 80.0, hour) for hour in hours]


def test_an_inpatients_stay_begins_with_the_encounter() -> None:
    found = admission_of(situation(stay(hours=30), *pulses(1, 2)))
    assert (found.hospital_h, found.unit_h, found.assumed) == (to_hours(ago(30)), to_hours(ago(30)), False)


def test_the_unit_has_a_beginning_of_its_own() -> None:
    found = admission_of(situation(stay(hours=30), stay(hours=6, text="Intensive care unit")))
    assert (found.hospital_h, found.unit_h) == (to_hours(ago(30)), to_hours(ago(6)))


@pytest.mark.parametrize(
    ("hours", "since"),
    [
        (range(6), 5),
        ((1, 2, 3, 4, 5, 6, 29), 29),
        ((1, 2, 3, 4, 5, 6, 31), 6),
        ((1, 2, 3, 4, 5), None),
        ((), None),
    ],
)
def test_without_any_encounter_dense_vital_signs_stand_in(hours: tuple[int, ...], since: int | None) -> None:
    found = admission_of(situation(*pulses(*hours)))
    assert found.unit_h == (None if since is None else to_hours(ago(since)))
    assert (found.hospital_h, found.assumed) == (None, since is not None)


def test_an_outpatients_vital_signs_do_not_make_an_inpatient() -> None:
    found = admission_of(situation(stay(hours=3, class_code="AMB"), *pulses(*range(8))))
    assert (found.unit_h, found.assumed) == (None, False)


def seen_by(knowledge: Knowledge, *facts: Fact) -> RiskEstimate:
    timeline = Timeline.of((person(), *facts))
    here = Situation(ontology=knowledge.ontology, facts=timeline.facts, now=NOW, measured=timeline.measured)
    state = rebuild(knowledge.twin, knowledge.ontology, timeline)
    return estimate_risks(knowledge.risks, knowledge.twin, here, state, change_h=6.0)["sepsis"]


def vitals(hours: range) -> list[Fact]:
    usual = {"heart_rate": 95.0, "resp_rate": 22.0, "spo2": 95.0, "map": 72.0, "sbp": 105.0, "body_temp": 38.4}
    return [measured(name, value, hour) for hour in hours for name, value in usual.items()]


def test_reasons_add_up_and_are_ordered(knowledge: Knowledge) -> None:
    found = seen_by(knowledge, stay(hours=12), *vitals(range(11)))
    risk = found.outcome
    assert isinstance(risk, Risk)
    points = [one.points for one in found.reasons]
    assert sum(points) == pytest.approx(100 * (risk.probability - risk.base), abs=1e-3)
    assert [abs(one) for one in points] == sorted(map(abs, points), reverse=True)


def test_without_vital_signs_nothing_is_estimated(knowledge: Knowledge) -> None:
    found = seen_by(knowledge, stay(hours=12))
    assert isinstance(found.outcome, Abstained)
    assert found.outcome.reasons
    assert found.reasons == ()


def test_a_stay_that_is_assumed_is_said_to_be(knowledge: Knowledge) -> None:
    found = seen_by(knowledge, *vitals(range(11)))
    assert found.assumed_stay
    assert isinstance(found.outcome, Risk)


def test_a_risk_of_before_is_given_where_the_model_would_have_spoken(knowledge: Knowledge) -> None:
    model = knowledge.risks["sepsis"]
    before = risk_before(model, seen_by(knowledge, stay(hours=12), *vitals(range(11))))
    assert before is not None
    assert isinstance(before[0], Risk)
    assert before[1] == NOW - timedelta(hours=6)
    assert risk_before(model, seen_by(knowledge, stay(hours=5), *vitals(range(5)))) is None
