"""How fast attributions are: ours beside xgboost's, on the same rows. The clock is handed in: the core reads none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds_app.explain.populations import attribute
from cds_app.score.boosted import Boosted
from cds_app.score.features import FEATURES
from cds_app.score.risk import RiskModel

_MANY, _FEWER = 4096, 512  # xgboost takes as long for the fewer
_ROUNDS = 5
_SINGLE = 300

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapSpeed:
    """Figures of `bench_shap`, on one core.

    Parameters
    ----------
    rows_per_s, xgboost_rows_per_s : float
        Of many rows at once; the fastest of some rounds, ours and xgboost's in turn.
    one_row_p50_ms, xgboost_one_row_p50_ms : float
        Of one row at a time, as when serving; also in turn.
    """

    rows_per_s: float
    xgboost_rows_per_s: float
    one_row_p50_ms: float
    xgboost_one_row_p50_ms: float

    def figures(self) -> dict[str, float]:
        """The figures, rounded, with how many times faster ours is."""
        return {
            "rows_per_s": round(self.rows_per_s),
            "xgboost_rows_per_s": round(self.xgboost_rows_per_s),
            "rows_ratio": round(self.rows_per_s / self.xgboost_rows_per_s, 1),
            "one_row_p50_ms": round(self.one_row_p50_ms, 3),
            "xgboost_one_row_p50_ms": round(self.xgboost_one_row_p50_ms, 3),
            "one_row_ratio": round(self.xgboost_one_row_p50_ms / self.one_row_p50_ms, 1),
        }


def bench_shap(model: RiskModel, content: bytes, clock_s: Callable[[], float]) -> ShapSpeed:
    """Explain invented rows with a model.

    Parameters
    ----------
    content : bytes
        The same model in UBJSON, for xgboost.
    clock_s : callable
        ``time.perf_counter``, or ``time.thread_time`` where others use the machine.
    """
    boosted = Boosted.of(content)
    rows = _rows(model, _MANY)
    chosen = np.ascontiguousarray(rows[:, model.columns])
    attribute(model, rows)  # compiles
    many = _in_turn(
        clock_s, _ROUNDS, lambda _: attribute(model, rows), lambda _: boosted.contributions_of(chosen[:_FEWER])
    )
    single = _in_turn(
        clock_s, _SINGLE, lambda n: model.contributions(rows[n]), lambda n: boosted.contributions(chosen[n])
    )
    return ShapSpeed(
        rows_per_s=_MANY / min(many[0]),
        xgboost_rows_per_s=_FEWER / min(many[1]),
        one_row_p50_ms=1000.0 * median(single[0]),
        xgboost_one_row_p50_ms=1000.0 * median(single[1]),
    )


def _in_turn(clock_s: Callable[[], float], rounds: int, *calls: Callable[[int], Any]) -> tuple[list[float], ...]:
    """How long each call took in each round."""
    found: tuple[list[float], ...] = tuple([] for _ in calls)
    for number in range(rounds):
        for call, times in zip(calls, found, strict=True):
            begun = clock_s()
            call(number)
            times.append(clock_s() - begun)
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
