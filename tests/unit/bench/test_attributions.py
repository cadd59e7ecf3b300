"""The bench of attributions: ours and xgboost's are timed on the same rows."""

from __future__ import annotations

import pytest

from cds_app.bench import attributions
from cds_app.content import latest
from cds_app.score.risk.model import RiskModel


def test_both_engines_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("_MANY", 64), ("_FEWER", 16), ("_SINGLE", 3)):
        monkeypatch.setattr(attributions, name, few)
    shipped = latest("sepsis")
    found = attributions.bench_attributions(RiskModel.from_artefact(shipped), shipped.read_bytes("model.ubj"))
    assert min(found["rows_per_s"], found["xgboost_rows_per_s"]) > 0
    assert min(found["one_row_p50_ms"], found["xgboost_one_row_p50_ms"]) > 0
