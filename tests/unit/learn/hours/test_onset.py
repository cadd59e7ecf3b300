"""Labels built from courses: against a slow and obvious reference, against what is served, and without a look ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cds_app.learn.growing import Recipe
from cds_app.learn.head import Head, Outcome
from cds_app.learn.hours.events import AKI, HYPOTENSION, HYPOXAEMIA, least_risk_at, onset_task
from cds_app.learn.hours.onset import absent
from cds_app.learn.hours.rows import shipped_twin
from cds_app.score.risk.eligibility import OF_THE_STATE, Circumstances, Ineligible, eligible
from cds_app.twin.state import track_of

HEADS = (HYPOTENSION, HYPOXAEMIA, AKI)
COLUMN = {"hypotension": "MAP", "hypoxaemia": "O2Sat", "aki": "Creatinine"}
NAMED = pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)
Values = list[tuple[float, float]]  # hour and value


def course(head: Head, *values: float, first: int = 1) -> pd.DataFrame:
    hours = np.arange(first, first + len(values), dtype=np.float64)
    return pd.DataFrame({"pid": "p1", "ICULOS": hours, COLUMN[head.name]: np.array(values, np.float32)})


def asked(head: Head, *values: float) -> Outcome:
    found = head.outcome(course(head, *values))
    assert found is not None
    return found


def drawn(head: Head, patients: int, seed: int) -> pd.DataFrame:
    """Courses that cross the limit often, with gaps, at times as dense as a monitor's and at times sparse."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(patients):
        n, known = int(rng.integers(1, 220 if head is AKI else 40)), float(rng.choice((0.05, 0.3, 0.9)))
        if head is AKI:
            value = np.round(np.exp(rng.normal(0, 0.25, n)), 2)
        else:
            value = np.round(rng.normal(70 if head is HYPOTENSION else 92, 5, n), 1)
        shown = np.where(rng.random(n) < known, value, np.nan)
        hours = np.arange(n) + float(rng.integers(1, 4))
        parts.append(pd.DataFrame({"pid": f"p{i:04d}", "ICULOS": hours, COLUMN[head.name]: shown.astype(np.float32)}))
    return pd.concat(parts, ignore_index=True)


def kidney_injured(now_h: float, now: float, before: Values) -> bool:
    two_days = [value for hour, value in before if hour >= now_h - 48]
    week = [value for hour, value in before if hour >= now_h - 168]
    return bool(two_days and round(now - min(two_days), 6) >= 0.3) or bool(week and round(now / min(week), 6) >= 1.5)


def in_state(head: Head, at: int, values: Values) -> bool:
    hour, value = values[at]
    if head is AKI:
        return kidney_injured(hour, value, values[:at])
    return value < {"hypotension": 65, "hypoxaemia": 90}[head.name]


def slowly(head: Head, frame: pd.DataFrame) -> tuple[list[int], list[bool]]:
    """Label and question of every row, one patient and hour after the other."""
    labels, questions = [], []
    for _, rows in frame.groupby("pid", sort=False):
        each = zip(rows["ICULOS"], rows[COLUMN[head.name]], strict=True)
        values = [(float(hour), round(float(value), 4)) for hour, value in each if np.isfinite(value)]
        there = [in_state(head, i, values) for i in range(len(values))]
        for now in rows["ICULOS"]:
            past = [i for i, (hour, _) in enumerate(values) if hour <= now]
            coming = [i for i, (hour, _) in enumerate(values) if now < hour <= now + head.horizon_h]
            fresh = bool(past) and now - values[past[-1]][0] <= {"aki": 24}.get(head.name, 2)
            labels.append(int(any(there[i] for i in coming)))
            questions.append(fresh and not there[past[-1]] and bool(coming))
    return labels, questions


@NAMED
def test_labels_are_those_of_the_slow_reference(head: Head) -> None:
    frame = drawn(head, 120, seed=11)
    found = head.outcome(frame)
    assert found is not None
    labels, questions = slowly(head, frame)
    assert found.label.tolist() == labels
    assert found.asked.tolist() == questions
    both = {(bool(label), one) for label, one in zip(labels, questions, strict=True)}
    assert len(both) == 4


@NAMED
def test_training_asks_where_the_service_does(head: Head) -> None:
    """The state as `score.risk.eligibility` sees it in a twin's tracks, and as training sees it in the frame."""
    endpoint, twin, frame = head.limits.endpoint, shipped_twin(), drawn(head, 25, seed=12)
    assert endpoint is not None
    found, at = absent(endpoint, frame), 0
    who = Circumstances(age_years=60.0, pregnant=False, inpatient=True, hours_in_unit=20.0)
    seen = set()
    for _, rows in frame.groupby("pid", sort=False):
        known = rows[np.isfinite(rows[COLUMN[head.name]])]
        clock = 497_000.25  # a unit entered at a quarter past: hours since 1970 are no whole numbers
        hours = (known["ICULOS"] + clock).tolist()
        values = np.round(known[COLUMN[head.name]].astype(np.float64), 4).tolist()
        track = track_of(twin, endpoint.quantity, hours, values)
        for hour in rows["ICULOS"]:
            answer = eligible(head.name, head.limits, who, {endpoint.quantity: track}, hour + clock)
            reasons = {one.name for one in answer.reasons} if answer is not None else set()
            assert found[at] == (not reasons & OF_THE_STATE)
            seen |= reasons & OF_THE_STATE
            at += 1
    assert seen == {Ineligible.STATE_UNKNOWN, Ineligible.ALREADY_THERE}


@NAMED
def test_the_question_does_not_look_ahead_nor_the_label_back(head: Head) -> None:
    frame = drawn(head, 40, seed=13)
    column, endpoint = COLUMN[head.name], head.limits.endpoint
    assert endpoint is not None
    later = frame["ICULOS"] > 12
    changed = frame.assign(**{column: frame[column].where(~later, frame[column].sample(frac=1, random_state=1).values)})
    assert (absent(endpoint, changed) == absent(endpoint, frame))[~later].all()
    first, again = head.outcome(frame), head.outcome(changed)
    assert first is not None
    assert again is not None
    settled = (frame["ICULOS"] + head.horizon_h <= 12).to_numpy()
    assert (first.label == again.label)[settled].all()


def test_low_pressure_is_looked_for_in_the_next_four_hours_only() -> None:
    found = asked(HYPOTENSION, 80, 80, 80, 80, 80, 60, 80)
    assert found.label.tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert found.asked.tolist() == [True, True, True, True, True, False, False]


def test_what_followed_must_be_known() -> None:
    nothing = [np.nan] * 5
    assert not asked(HYPOXAEMIA, 95, *nothing, 95).asked[0]
    assert asked(HYPOXAEMIA, 95, *nothing[:3], 95).asked[0]


def test_a_value_says_something_for_two_hours() -> None:
    assert asked(HYPOTENSION, 80, np.nan, np.nan, np.nan, 80).asked.tolist() == [True, True, True, False, False]


def test_kidney_injury_ends_when_the_lowest_value_of_two_days_has_risen_too() -> None:
    steady = [1.0] * 10 + [1.3] * 60
    found = asked(AKI, *steady)
    # 0.3 mg/dL above the lowest of 48 hours, not 1.5 times the lowest of 7 days
    assert found.asked[:10].all()
    assert not found.asked[10:58].any()
    assert found.asked[58:69].all()


def test_without_the_quantity_nothing_is_known() -> None:
    bare = course(HYPOTENSION, 80, 70).drop(columns=["MAP"])
    assert HYPOTENSION.outcome(bare) is None
    assert HYPOTENSION.limits.endpoint is not None
    assert not absent(HYPOTENSION.limits.endpoint, bare).any()


def truth(*labels: int) -> Outcome:
    rows = len(labels)
    return Outcome(patient=np.arange(rows), label=np.array(labels), asked=np.ones(rows, bool))


def test_the_threshold_is_the_least_risk_that_is_right_often_enough() -> None:
    risk = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert least_risk_at(0.5, truth(1, 0, 1, 0, 0, 0), risk) == 0.6
    assert least_risk_at(0.6, truth(1, 0, 1, 0, 0, 0), risk) == 0.7
    assert least_risk_at(0.5, truth(0, 0, 0, 0, 0, 1), risk) == 0.9  # never so good
    assert least_risk_at(0.5, truth(1, 0, 0), np.array([0.9, 0.5, 0.5])) == 0.9  # equal risks are alerted together


def test_trees_see_some_of_the_rows_that_can_be_asked() -> None:
    rows = 4000
    asked_of = np.arange(rows) % 4 > 0
    here = Outcome(patient=np.zeros(rows, np.int64), label=np.arange(rows) % 2, asked=asked_of)
    task = onset_task(here, Recipe(kept=0.5), np.random.default_rng(4))
    assert asked_of[task.rows].all()
    assert len(task.rows) == pytest.approx(1500, abs=100)  # binomial, 5 standard deviations
    assert (task.target == here.label[task.rows]).all()
    assert (task.weight == 1).all()
