"""Which hours the trees learn from."""

from __future__ import annotations

import numpy as np

from cds_app.learn.growing import Recipe, Task
from cds_app.learn.head import Outcome
from cds_app.learn.sepsis import decision_task

# patient 0 turns septic at hour 26 (label from hour 20 on), patient 1 never does
PATIENT = np.repeat([0, 1], 30)
LABEL = np.concatenate((np.arange(30) >= 20, np.zeros(30))).astype(np.int64)


def _task(early: float) -> Task:
    truth = Outcome(patient=PATIENT, label=LABEL, asked=np.ones(60, bool))
    return decision_task(truth, Recipe(kept=1.0, early=early), np.random.default_rng(0))


def test_hours_long_before_onset_are_left_out_at_no_weight() -> None:
    task = _task(early=0.0)
    assert task.rows.tolist() == [*range(15, 30), *range(30, 60)]
    assert task.target.tolist() == [1.0] * 15 + [0.0] * 30


def test_early_hours_count_as_much_as_the_recipe_says() -> None:
    task = _task(early=0.5)
    weight = dict(zip(task.rows.tolist(), task.weight.tolist(), strict=True))
    assert weight[0] / weight[30] == 0.5
    assert 14 not in weight  # twelve hours before onset an alert neither gains nor costs
