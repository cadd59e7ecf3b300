"""What pages are made of: drawings that show what was measured, reasons that add up, words that are true."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cds_app.deps import Deps
from cds_app.mitigate.conditions import View
from cds_app.pages.canvas import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Asked
from cds_app.pages.options import advices, concern_lines
from cds_app.pages.risks import risk_lines
from cds_app.pages.subject import Subject, identity
from cds_app.pages.systems import systems
from cds_app.pages.thresholds import thresholds
from cds_app.pages.trend import trend
from cds_app.pages.why import MOST_BARS, reason_lines, waterfall
from cds_app.score.risk.model import Risk
from cds_app.twin.bedside import Likely
from tests.bedside import Bed, bed_of, resources
from tests.conftest import FROZEN
from tests.patients import SEPTIC, observation, patient, septic
from tests.sentences import WORDS

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@pytest.fixture
def subject(bed: Bed) -> Subject:
    return bed.opening.subject(bed.asking().opened)


def asked(quantity: str = "heart_rate", window_h: float = 12.0) -> Asked:
    return Asked(quantity=quantity, window_h=window_h, zone=ZoneInfo("UTC"))


def test_a_trend_shows_every_measurement_in_its_window_inside_the_drawing(subject: Subject) -> None:
    view = trend(subject.twin, subject.state, subject.material.situation, asked(window_h=6.0), WORDS)
    assert view is not None
    assert len(view.marks) == len(view.rows) == 6
    assert all(LEFT <= one.x <= view.now_x and TOP <= one.y <= HEIGHT for one in view.marks)
    assert [one.x for one in view.marks] == sorted(one.x for one in view.marks)
    assert view.rows[0].value == f"{SEPTIC['heart_rate']:.0f}"
    assert "above the usual range" in view.finding


def test_a_forecast_is_not_cut_off_where_there_is_room_for_it(deps: Deps) -> None:
    before = observation("lactate", 1.6, FROZEN - timedelta(hours=7))
    bed = bed_of(deps, [*resources(septic(FROZEN)), before], FROZEN)
    seen = bed.opening.subject(bed.asking().opened)
    view = trend(seen.twin, seen.state, seen.material.situation, asked("lactate"), WORDS)
    assert view is not None
    (band,) = view.ahead
    ys = [float(one) for one in _NUMBER.findall(band.wide)[1::2]]
    assert min(ys) > TOP


def test_a_comment_stands_in_the_row_of_its_value(deps: Deps) -> None:
    at = FROZEN - timedelta(minutes=5)
    noted = observation("heart_rate", 20.0, at, note=[{"text": "Leads off"}])
    bed = bed_of(deps, [*resources(septic(FROZEN)), noted], FROZEN)
    seen = bed.opening.subject(bed.asking().opened)
    view = trend(seen.twin, seen.state, seen.material.situation, asked(), WORDS)
    assert view is not None
    assert [row.value for row in view.rows if "comment: Leads off" in row.remark] == ["20"]


def test_what_a_value_is_called_stands_in_its_row_and_one_that_cannot_be_that_is_in_no_drawing(deps: Deps) -> None:
    rows = [
        observation("heart_rate", value, FROZEN - timedelta(minutes=at), key=f"r{at}", interpretation=[{"text": said}])
        for at, value, said in ((5, 141.0, "HH"), (4, 142.0, "L"), (3, 143.0, "N"), (2, 144.0, "H"))
    ]
    bed = bed_of(deps, [*resources(septic(FROZEN)), *rows], FROZEN)
    subject = bed.opening.subject(bed.asking().opened)
    view = trend(subject.twin, subject.state, subject.material.situation, asked(), WORDS)
    assert view is not None
    assert [(row.value, row.remark) for row in view.rows if float(row.value) > 140] == [
        ("144", "above the usual range"),
        ("143", "above the usual range, reported as normal"),
        ("142", "above the usual range, reported as low, not used: it cannot be both"),
        ("141", "above the usual range, reported as critically high"),
    ]
    assert len(view.marks) == len(view.rows) - 1
    assert not any(one.text.startswith("142") for one in view.marks)


def test_of_what_a_value_was_taken_stands_in_its_row(deps: Deps) -> None:
    venous = observation("lactate", 3.1, FROZEN, key="venous", specimen={"display": "Venous blood"})
    bed = bed_of(deps, [*resources(septic(FROZEN)), venous], FROZEN)
    subject = bed.opening.subject(bed.asking().opened)
    view = trend(subject.twin, subject.state, subject.material.situation, asked("lactate"), WORDS)
    assert view is not None
    assert "venous blood" in view.rows[0].remark
    (line,) = systems(subject, {"All": ("lactate",)})[0].unusual
    assert line.word.endswith(", venous blood")


def test_a_glance_says_what_the_newest_value_is_called(deps: Deps) -> None:
    called = observation("potassium", 6.8, FROZEN, interpretation=[{"text": "HH"}])
    bed = bed_of(deps, [*resources(septic(FROZEN)), called], FROZEN)
    found = systems(bed.opening.subject(bed.asking().opened), {"All": ("potassium",)})
    assert [line.word for line in found[0].unusual] == ["above the usual range, reported as critically high"]


def test_a_trend_is_held_against_the_range_that_stands_beside_its_newest_value(deps: Deps) -> None:
    limits = {name: {"value": value, "unit": "/min"} for name, value in (("low", 100), ("high", 190))}
    own = observation("heart_rate", 185.0, FROZEN, key="newest", referenceRange=[limits])
    bed = bed_of(deps, [*resources(septic(FROZEN)), own], FROZEN)
    seen = bed.opening.subject(bed.asking().opened)
    view = trend(seen.twin, seen.state, seen.material.situation, asked(), WORDS)
    assert view is not None
    assert view.usual_text == "100 to 190"
    assert "usual range" not in view.finding
    assert ("usual range" in view.rows[0].remark, "usual range" in view.rows[1].remark) == (False, True)


def test_limits_of_topics_are_drawn_where_they_lie_in_the_drawing(bed: Bed, subject: Subject) -> None:
    limits = thresholds(
        bed.opening.knowledge.catalogue.topics.values(),
        "map",
        View(situation=subject.material.situation, scores=subject.material.scores),
    )
    assert ("below", 65.0) in {(one.way, one.value) for one in limits}
    assert not [
        name for one in limits for name in one.topics if name.startswith("Around an operation")
    ]  # a topic that is switched off
    wanted = replace(asked("map"), thresholds=limits)
    view = trend(subject.twin, subject.state, subject.material.situation, wanted, WORDS)
    assert view is not None
    assert all(TOP <= one.y <= HEIGHT for one in view.limits)
    assert any(one.text.startswith("below 65: ") and "Low blood pressure, act" in one.text for one in view.limits)
    assert {one.value for one in view.limits} >= {"65"}
    assert trend(subject.twin, subject.state, subject.material.situation, asked("map"), WORDS) != view


def test_what_is_imputed_is_drawn_apart_from_measurements_and_carried_ahead_where_they_are_old(
    subject: Subject,
) -> None:
    situation, likely = subject.material.situation, Likely(quantity="heart_rate", mean=118.0, low=101.0, high=135.0)
    late = replace(situation, now=situation.now + timedelta(hours=7))
    silent = trend(subject.twin, subject.state, late, asked(), WORDS)
    view = trend(subject.twin, subject.state, late, replace(asked(), likely=likely), WORDS)
    assert silent is not None
    assert view is not None
    assert (silent.imputed, silent.ahead, silent.forecast) == (None, (), "")
    assert view.imputed is not None
    assert view.imputed.text == "Now most likely 118 /min (101 to 135 in 90 of 100 such patients)"
    assert (view.imputed.x, len(view.marks)) == (view.now_x, len(silent.marks))
    assert view.imputed.top < view.imputed.y < view.imputed.bottom
    assert view.forecast.startswith("From the imputed value, in 3 h the twin expects about")
    fresh = trend(subject.twin, subject.state, situation, replace(asked(), likely=likely), WORDS)
    plain = trend(subject.twin, subject.state, situation, asked(), WORDS)
    assert fresh is not None
    assert plain is not None
    assert fresh.forecast == plain.forecast


def test_bands_hold_the_median_and_the_half_lies_in_the_ninety(subject: Subject) -> None:
    view = trend(subject.twin, subject.state, subject.material.situation, asked(), WORDS)
    assert view is not None
    assert view.past
    assert view.ahead
    for band in (*view.past, *view.ahead):
        wide, half = (_spans(path) for path in (band.wide, band.half))
        assert wide.keys() == half.keys()
        for x, (top, bottom) in half.items():
            assert wide[x][0] - 0.11 <= top <= bottom <= wide[x][1] + 0.11
    assert all(LEFT <= x <= WIDTH - RIGHT + 0.1 for band in view.ahead for x in _spans(band.wide))


def _spans(path: str) -> dict[float, tuple[float, float]]:
    numbers = [float(one) for one in _NUMBER.findall(path)]
    found: dict[float, list[float]] = {}
    for x, y in zip(numbers[::2], numbers[1::2], strict=True):
        found.setdefault(x, []).append(y)
    return {x: (min(ys), max(ys)) for x, ys in found.items()}


def test_a_gap_stays_a_gap(deps: Deps) -> None:
    rows = [observation("heart_rate", 80.0 + i, FROZEN - timedelta(hours=h)) for i, h in enumerate((20, 19, 2, 1))]
    bed = bed_of(deps, [patient(), *rows], FROZEN)
    subject = bed.opening.subject(bed.asking().opened)
    view = trend(subject.twin, subject.state, subject.material.situation, asked(window_h=24.0), WORDS)
    assert view is not None
    assert len(view.lines) == 2
    assert len(view.past) == 2


def test_nothing_is_forecast_from_old_values(deps: Deps) -> None:
    rows = [observation("heart_rate", 80.0, FROZEN - timedelta(hours=h)) for h in (20, 19, 18)]
    bed = bed_of(deps, [patient(), *rows], FROZEN)
    subject = bed.opening.subject(bed.asking().opened)
    view = trend(subject.twin, subject.state, subject.material.situation, asked(window_h=24.0), WORDS)
    assert view is not None
    assert view.ahead == ()
    assert view.forecast == ""
    assert trend(subject.twin, subject.state, subject.material.situation, asked(window_h=6.0), WORDS) is None


def test_the_waterfall_leads_from_the_average_to_the_patient(subject: Subject) -> None:
    estimate = subject.material.risks["sepsis"]
    assert isinstance(estimate.outcome, Risk)
    view = waterfall(estimate.reasons, estimate.outcome, subject, WORDS)
    assert len(view.bars) == MOST_BARS + 1
    assert view.bars[-1].name.endswith("others")
    # bars hang together: each begins where the one before ended, and the last ends at the risk
    at = view.base_x
    for bar in view.bars:
        left, right = bar.x, bar.x + bar.width
        assert min(abs(at - left), abs(at - right)) <= 1.1
        at = right if bar.raises else left
    assert at == pytest.approx(view.risk_x, abs=1.1)


def test_a_reason_that_nobody_measures_says_how_long_and_how_old(subject: Subject) -> None:
    labels = {str(one.label) for one in reason_lines(subject.material.risks["sepsis"].reasons, subject)}
    assert {"Time in the unit 11 h", "Age 65 years"} <= labels


def test_every_reason_with_a_value_names_its_observation(subject: Subject) -> None:
    lines = reason_lines(subject.material.risks["sepsis"].reasons, subject)
    measured = [one for one in lines if one.value]
    assert measured
    assert all(one.ref.startswith("Observation/") and one.link and one.time for one in measured)
    assert sum(one.points for one in subject.material.risks["sepsis"].reasons) == pytest.approx(
        100 * (subject.material.risks["sepsis"].outcome.probability - subject.material.risks["sepsis"].outcome.base)  # type: ignore[union-attr]
    )


def test_risks_come_most_raised_first_and_the_unestimated_last(subject: Subject) -> None:
    lines = risk_lines(subject, {})
    assert [one.estimated for one in lines] == sorted((one.estimated for one in lines), reverse=True)
    assert all(one.tier for one in lines if one.estimated)
    assert not any("not raised" in one.tier for one in lines), "above what is usual, though below every tier"
    levels = [one.level for one in lines if one.estimated]
    assert levels == sorted(levels, reverse=True)
    assert all(one.lacking for one in lines if not one.estimated)


def test_unusual_systems_come_first_and_every_system_is_there(bed: Bed, subject: Subject) -> None:
    content = {"Breathing": ("spo2", "resp_rate"), "Brain": ("gcs_total",), "Circulation": ("map", "heart_rate")}
    found = systems(subject, content)
    assert {one.name for one in found} == content.keys()
    assert found[-1].name == "Brain"
    assert found[-1].status == "not measured"
    assert {one.quantity for one in found[0].unusual} <= {"spo2", "resp_rate", "map", "heart_rate"}


def test_an_option_is_offered_once_over_all_concerns(subject: Subject) -> None:
    topics = [one.topic for one in subject.material.concerns]
    lines = concern_lines(advices(subject.material, topics), {}, subject.material.templates)
    drafts = [option.draft for line in lines for option in line.offered if option.draft]
    assert len(drafts) == len(set(drafts))
    refused = [one for line in lines for one in line.refused]
    assert refused
    assert all(one.gate and one.why for one in refused)


def test_a_concern_does_not_say_its_name_twice(subject: Subject) -> None:
    advised = advices(subject.material, [one.topic for one in subject.material.concerns])
    concern = advised[0].concern
    title = f"{concern.title}, {concern.tier_word}: "
    told = concern_lines(
        advised, {concern.topic: f"{title}mean arterial pressure 55 mmHg"}, subject.material.templates
    )[0]
    assert (told.title, told.word, told.summary) == (concern.title, concern.tier_word, "Mean arterial pressure 55 mmHg")
    assert (
        concern_lines(advised, {concern.topic: f"{title}pH (arterial) 7.06"}, subject.material.templates)[0].summary
        == "pH (arterial) 7.06"
    )


def test_identity_says_what_is_not_recorded(bed: Bed, subject: Subject) -> None:
    who = identity(subject)
    assert (who.sex, who.id_tail, who.stale) == ("female", "p1", False)
    situation = replace(subject.material.situation, facts=type(subject.material.situation.facts)(), measured=None)
    nobody = identity(replace(subject, material=replace(subject.material, situation=situation)))
    assert nobody.name == "Name not recorded"
    assert nobody.age == "age not recorded"
    assert nobody.stale
    assert nobody.data_to == ""
