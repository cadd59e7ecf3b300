"""Asking the models: since when a patient is here, and what is said when nothing can be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from cds_app.domain.facts import Fact
from cds_app.domain.time import to_hours
from cds_app.domain.timeline import Timeline
from cds_app.explain.estimates import RiskEstimate, admission_of, estimate_risks, risk_before
from cds_app.score.result import Abstained
from cds_app.score.risk.model import Risk
from cds_app.score.risk.population import Reference
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge
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


def knowing(knowledge: Knowledge, **usual: float) -> Knowledge:
    """With a model that was trained on patients whose vital signs are about so."""
    features = [
        {"feature": f"{name}_last", "least": None, "mean": mean, "below": mean / 10.0, "above": mean / 10.0}
        for name, mean in usual.items()
    ]
    content = {
        "features": features,
        "correlation": np.eye(len(usual)).tolist(),
        "limits": {"vital_signs": [[1, 4.0]], "everything": [[1, 4.0]]},
    }
    model = replace(knowledge.risks["sepsis"], population=Reference.from_json(content))
    return replace(knowledge, learned=replace(knowledge.learned, models={"sepsis": model}))


def test_a_patient_unlike_any_in_training_gets_no_number_but_the_measurements_that_are_unlike(
    knowledge: Knowledge,
) -> None:
    known = knowing(knowledge, heart_rate=150.0, resp_rate=50.0, map=70.0)
    found = seen_by(known, stay(hours=12), *vitals(range(11)))
    assert isinstance(found.outcome, Abstained)
    (lack,) = found.outcome.reasons
    assert (lack.name, lack.why) == ("outside-population", "out-of-population")
    assert lack.text == "measurements unlike those it was made from: Respiratory rate, Heart rate"
    assert (found.reasons, found.before()) == ((), None)


def test_a_patient_like_those_in_training_gets_the_same_number_as_ever(knowledge: Knowledge) -> None:
    facts = (stay(hours=12), *vitals(range(11)))
    found = seen_by(knowing(knowledge, heart_rate=95.0, resp_rate=22.0, map=70.0), *facts)
    assert found.outcome == seen_by(knowledge, *facts).outcome
    assert found.before() is not None


def test_there_is_no_risk_of_before_where_the_patient_was_unlike_any_then(knowledge: Knowledge) -> None:
    then = (*vitals(range(7, 11)), measured("heart_rate", 40.0, 6.0))
    found = seen_by(knowing(knowledge, heart_rate=95.0), stay(hours=12), *vitals(range(6)), *then)
    assert isinstance(found.outcome, Risk)
    assert found.before() is None


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
