"""Limits in a drawing: of each urgency one, and only what can hold of this patient."""

from __future__ import annotations

import pytest

from cds_app.domain.facts import Fact
from cds_app.mitigate.conditions import View
from cds_app.pages.scale import Axis
from cds_app.pages.thresholds import limit_lines, thresholds
from cds_app.score.clinical.scores import clinical_scores
from tests.chart import measured, problem
from tests.spec.mitigations.concerns import CATALOGUE, charted
from tests.unit.mitigate.content import catalogue, topic

_SATURATION = measured("spo2", 95)


def limits(quantity: str, *facts: Fact) -> list[tuple[float, tuple[str, ...]]]:
    situation = charted(facts)
    view = View(situation=situation, scores=clinical_scores(situation))
    return [(one.value, one.topics) for one in thresholds(CATALOGUE.topics.values(), quantity, view)]


def test_each_urgency_of_a_topic_begins_at_one_limit() -> None:
    low = "Low oxygen saturation"
    assert limits("spo2", _SATURATION) == [
        (88.0, (f"{low}, act now",)),
        (92.0, (f"{low}, act today",)),
        (94.0, (f"{low}, information",)),
    ]


@pytest.mark.parametrize(("known", "first"), [("copd", 84.0), ("hypercapnic_respiratory_failure", 84.0)])
def test_limits_are_those_of_the_patient(known: str, first: float) -> None:
    assert [value for value, _ in limits("spo2", _SATURATION, problem(known))] == [first, 88.0]
    failing = limits("spo2", _SATURATION, problem("acute_heart_failure"))
    assert (90.0, ("Acute heart failure, act now",)) in failing


def test_what_stands_at_the_line_is_the_limit() -> None:
    situation = charted([_SATURATION])
    found = thresholds(CATALOGUE.topics.values(), "spo2", View(situation=situation, scores={}))
    lines = limit_lines(
        found, Axis(low=85.0, high=100.0, start=170.0, end=10.0), situation.ontology.quantity("spo2").told
    )
    assert [one.value for one in lines] == ["88", "92", "94"]
    assert lines[0].text == "below 88: Low oxygen saturation, act now"


def test_a_limit_that_speaks_against_a_topic_is_none_of_it() -> None:
    low, awake = {"op": "<", "unit": "mg/dL", "quantity": "glucose"}, {"quantity": "gcs_total", "op": ">=", "value": 15}
    rule = {"all": [{**low, "value": 70}, {"not": {**awake, "unit": "{score}"}}]}
    made = catalogue(topic(tiers=[{"tier": 1, "word": "low", "when": rule}])).topics.values()
    view = View(situation=charted([]), scores={})
    assert [(one.way, one.value) for one in thresholds(made, "glucose", view)] == [("below", 70.0)]
    assert thresholds(made, "gcs_total", view) == ()
