"""How fast attributions are: ours beside xgboost's, on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from cds_app.domain.arrays import Matrix
from cds_app.explain.populations import attribute
from cds_app.score.features.hours import FEATURES
from cds_app.score.risk.model import RiskModel
from cds_app.score.trees.boosted import Boosted

_MANY, _FEWER = 4096, 512  # xgboost takes as long for the fewer
_ROUNDS = 5
_SINGLE = 300


def bench_attributions(model: RiskModel, content: bytes) -> dict[str, float]:
    """Explain invented rows with a model and with the same one in UBJSON, in turn, on one core.

    Returns
    -------
    dict
        Rows a second of many at once (the fastest of some rounds), milliseconds of one at a time as when serving
        (median), each ours and xgboost's, and how many times faster ours is.
    """
    boosted = Boosted.of(content)
    rows = _rows(model, _MANY)
    chosen = np.ascontiguousarray(rows[:, model.columns])
    attribute(model, rows)  # compiles
    many = _in_turn(_ROUNDS, lambda _: attribute(model, rows), lambda _: boosted.contributions_of(chosen[:_FEWER]))
    single = _in_turn(_SINGLE, lambda n: model.contributions(rows[n]), lambda n: boosted.contributions(chosen[n]))
    per_s, theirs_per_s = _MANY / min(many[0]), _FEWER / min(many[1])
    one_ms, theirs_ms = (1000.0 * median(times) for times in single)
    return {
        "rows_per_s": round(per_s),
        "xgboost_rows_per_s": round(theirs_per_s),
        "rows_ratio": round(per_s / theirs_per_s, 1),
        "one_row_p50_ms": round(one_ms, 3),
        "xgboost_one_row_p50_ms": round(theirs_ms, 3),
        "one_row_ratio": round(theirs_ms / one_ms, 1),
    }


def _in_turn(rounds: int, *calls: Callable[[int], Any]) -> tuple[list[float], ...]:
    """How long each call took in each round."""
    found: tuple[list[float], ...] = tuple([] for _ in calls)
    for number in range(rounds):
        for call, times in zip(calls, found, strict=True):
            begun = perf_counter()
            call(number)
            times.append(perf_counter() - begun)
    return found


def _rows(model: RiskModel, count: int) -> Matrix:
    """The golden rows again and again, each value moved a little and a fifth of them removed."""
    rng = np.random.default_rng(11)
    kept = model.golden["rows"]
    golden = np.array([[np.nan if value is None else value for value in row] for row in kept], np.float32)
    rows = np.full((count, len(FEATURES)), np.nan, np.float32)
    rows[:, model.columns] = np.resize(golden, (count, golden.shape[1])) * rng.normal(1.0, 0.1, (count, 1))
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows
