"""Asking again with one value more: the answers are the model's own, ordered, and reach what they promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cds_app.content import latest
from cds_app.domain.ontology_files import load_ontology
from cds_app.explain.counterfactual import Question, most_telling, needs
from cds_app.score.features.hours import Statics, features
from cds_app.score.risk.model import RiskModel
from cds_app.twin.bedside import Likely
from cds_app.twin.model import TwinModel
from cds_app.twin.state import track_of

_COURSES = {
    "heart_rate": [92.0, 101.0, 108.0, 118.0],
    "resp_rate": [18.0, 22.0, 26.0, 29.0],
    "map": [78.0, 70.0, 64.0, 58.0],
    "sbp": [118.0, 106.0, 96.0, 88.0],
    "spo2": [96.0, 95.0, 93.0, 92.0],
    "body_temp": [37.2, 37.9, 38.6, 39.1],
    "wbc": [11.0, 17.0],
}
_NOW_H = 8.0


@pytest.fixture(scope="module")
def question() -> Question:
    twin = TwinModel.from_artefact(latest("twin"), load_ontology(latest("ontology")))
    tracks = {
        name: track_of(twin, name, [8.0 - 2 * i for i in reversed(range(len(values)))], values)
        for name, values in _COURSES.items()
    }
    who = Statics(age_years=67.0, sex="male", unit_start_h=0.0, hours_before_unit=5.0)
    model = RiskModel.from_artefact(latest("sepsis"))
    return Question(model=model, twin=twin, tracks=tracks, statics=who, at_h=_NOW_H)


def test_the_question_as_it_stands_is_the_served_estimate(question: Question) -> None:
    row = features(question.twin, question.tracks, question.statics, [_NOW_H])[0]
    assert question.risk()[0] == pytest.approx(question.model.predict(row).probability, abs=1e-6)


def test_a_value_more_is_as_if_it_had_been_measured_now(question: Question) -> None:
    longer = {**question.tracks, "lactate": track_of(question.twin, "lactate", [_NOW_H], [4.1])}
    row = features(question.twin, longer, question.statics, [_NOW_H])[0]
    assert question.risk("lactate", [4.1])[0] == pytest.approx(question.model.predict(row).probability, abs=1e-6)


def test_values_after_the_instant_are_not_seen(question: Question) -> None:
    longer = dict(question.tracks)
    longer["wbc"] = track_of(question.twin, "wbc", [6.0, 8.0, 30.0], [11.0, 17.0, 2.0])
    later = Question(model=question.model, twin=question.twin, tracks=longer, statics=question.statics, at_h=_NOW_H)
    assert later.seen("wbc") == 2
    assert later.risk("wbc", [14.0])[0] == pytest.approx(question.risk("wbc", [14.0])[0], abs=1e-9)


def test_what_would_tell_most_comes_first_and_what_the_twin_does_not_know_is_left_out(question: Question) -> None:
    found = most_telling(question, ["lactate", "creatinine", "platelets", "no_such_quantity"])
    assert {one.quantity for one in found} == {"lactate", "creatinine", "platelets"}
    assert [one.spread for one in found] == sorted((one.spread for one in found), reverse=True)
    assert all(one.low < one.high for one in found)


def test_a_value_that_would_do_does(question: Question) -> None:
    now = float(question.risk()[0])
    found = needs(question, ["heart_rate", "body_temp", "map", "lactate"], 0.95 * now)
    assert "lactate" not in {one.quantity for one in found}, "never measured: there is nothing to change"
    reached = [one for one in found if one.needed is not None]
    assert reached, "a twentieth less is in reach of one of them"
    for one in reached:
        assert float(question.risk(one.quantity, [one.needed or 0.0])[0]) < 0.95 * now
        assert one.risk < 0.95 * now


def test_what_cannot_be_reached_is_said_and_comes_last(question: Question) -> None:
    found = needs(question, ["heart_rate", "map"], 0.0)
    assert [one.needed for one in found] == [None, None]


def test_what_would_do_with_the_smallest_change_comes_first(question: Question) -> None:
    now = float(question.risk()[0])
    found = needs(question, ["heart_rate", "body_temp", "map", "resp_rate"], 0.97 * now)
    reached = [one.change for one in found if one.needed is not None]
    assert len(reached) > 1
    assert reached == sorted(reached)


def test_a_value_of_the_predicted_state_gives_no_number(question: Question) -> None:
    """A mean pressure below 65 is what the model predicts: it is not asked with one."""
    awake = {**question.tracks, "map": track_of(question.twin, "map", [6.0, 7.5], [80.0, 74.0])}
    asked = replace(question, model=RiskModel.from_artefact(latest("hypotension")), tracks=awake)
    found = asked.risk("map", [58.0, 72.0])
    assert np.isnan(found[0])
    assert 0.0 < found[1] < 1.0
    assert "map" not in {one.quantity for one in most_telling(asked, ["map", "heart_rate"]) if one.low < 65.0}


@pytest.mark.parametrize("head", ["sepsis", "hypotension", "hypoxaemia", "aki"])
def test_no_value_is_tried_that_neither_such_patients_nor_this_one_have(question: Question, head: str) -> None:
    asked = replace(question, model=RiskModel.from_artefact(latest(head)))
    names = dict.fromkeys(name for name in asked.model.quantities if name in asked.twin.dynamics)
    wide = {name: Likely(quantity=name, mean=1.0, low=-1e6, high=1e6) for name in names}
    usual = {one.quantity: one for one in most_telling(asked, names)}
    found = {one.quantity: one for one in most_telling(asked, names, wide)}
    assert found.keys() >= usual.keys() - {"map", "spo2"}
    assert bool(found.keys() & usual.keys()) is (head != "hypotension")  # of this patient only the pressure tells there
    for name in found.keys() & usual.keys():
        seen = asked.seen(name)
        newest = [asked.tracks[name].values[seen - 1]] if seen else []
        assert found[name].low == pytest.approx(min(usual[name].low, *newest, usual[name].high))
        assert found[name].high == pytest.approx(max(usual[name].high, *newest, usual[name].low))


def test_what_it_would_take_lies_between_the_newest_value_and_the_usual_one(question: Question) -> None:
    few = {**question.tracks, "wbc": track_of(question.twin, "wbc", [6.0], [0.4])}
    asked = replace(question, tracks=few)
    found = needs(asked, ["wbc", "heart_rate", "body_temp", "map"], 0.95 * float(asked.risk()[0]))
    assert any(one.needed is not None for one in found)
    for one in found:
        dynamics = asked.twin.dynamics[one.quantity]
        ends = sorted((one.now, dynamics.to_unit(dynamics.baseline_mean)))
        assert one.needed is None or ends[0] <= one.needed <= ends[1]
