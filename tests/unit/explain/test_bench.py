"""The bench of attributions: what it tells follows from what the clock told."""

from __future__ import annotations

from itertools import count

import pytest

from cds_app.content import latest
from cds_app.explain import bench
from cds_app.score.risk import RiskModel


def test_figures_follow_from_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_MANY", 64)
    monkeypatch.setattr(bench, "_FEWER", 16)
    monkeypatch.setattr(bench, "_SINGLE", 3)
    shipped = latest("sepsis")
    ticks = count(step=0.5)  # every call takes half a second
    found = bench.bench_shap(RiskModel.from_artefact(shipped), shipped.read_bytes("model.ubj"), lambda: next(ticks))
    assert found.figures() == {
        "rows_per_s": 128,
        "xgboost_rows_per_s": 32,
        "rows_ratio": 4.0,
        "one_row_p50_ms": 500.0,
        "xgboost_one_row_p50_ms": 500.0,
        "one_row_ratio": 1.0,
    }
