"""Growing trees: what a recipe asks for is what the trees are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cds_app.learn.growing import Recipe, Task, grow
from cds_app.score.features.hours import FEATURES, NAMES


def test_a_feature_that_is_sure_is_in_trees_that_draw_few() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(600, len(FEATURES))).astype(np.float32)
    age = NAMES.index("age_years")
    target = (rows[:, age] > 0.0).astype(np.float64)
    task, everything = Task(rows=np.arange(600), target=target, weight=np.ones(600)), np.arange(len(FEATURES))
    plain = Recipe(rounds=20, depth=1, eta=0.1, colsample=0.15, trees_per_round=1, least_child_weight=0.1, threads=1)
    plainly, surely = (
        str(grow(rows, task, one, everything).get_dump()).count("age_years")
        for one in (plain, replace(plain, sure=("age_years",)))
    )
    assert plainly <= 8
    assert surely >= 16  # of 19 that are expected
