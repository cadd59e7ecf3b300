"""What an hour is worth in growing the sepsis score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cds_app.learn.growing import Task
from cds_app.learn.head import Outcome
from cds_app.learn.hours.sepsis import SEPSIS, decision_task
from cds_app.learn.hours.utility import stakes

_PATIENT = np.repeat([0, 1], [40, 20])
_LABEL = ((np.arange(60) >= 30) & (np.arange(60) < 40)).astype(np.int64)  # the first falls ill, the second never


def _task(kept: float) -> Task:
    truth = Outcome(patient=_PATIENT, label=_LABEL, asked=np.ones(len(_LABEL), bool))
    return decision_task(truth, replace(SEPSIS.recipe, kept=kept), np.random.default_rng(0))


def test_an_hour_counts_by_what_is_at_stake_in_it() -> None:
    task, gain = _task(kept=1.0), stakes(_PATIENT, _LABEL).gain
    assert np.array_equal(task.rows, np.flatnonzero(gain))
    assert np.array_equal(task.target > 0, gain[task.rows] > 0)
    # in an hour of somebody without sepsis that is a twentieth
    np.testing.assert_allclose(task.weight / task.weight[-1], np.abs(gain[task.rows]) / 0.05)


def test_hours_that_are_left_out_are_made_up_for() -> None:
    whole, part = _task(kept=1.0), _task(kept=0.5)
    assert 0 < (_PATIENT[part.rows] == 1).sum() < 20
    assert (_PATIENT[part.rows] == 0).sum() == (_PATIENT[whole.rows] == 0).sum()
    twice = part.weight[-1] / part.weight[0] / (whole.weight[-1] / whole.weight[0])
    assert twice == pytest.approx(2.0)
