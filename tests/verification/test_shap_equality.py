"""What is served as contributions equals shap's own TreeExplainer, an independent implementation of TreeSHAP."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.content import latest
from cds_app.score.features.hours import FEATURES
from cds_app.score.risk.model import RiskModel
from cds_app.score.trees.boosted import load_booster

shap = pytest.importorskip("shap")


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.from_artefact(latest("sepsis"))


def _rows(model: RiskModel, count: int) -> np.ndarray:
    """The golden (invented) rows, each value moved a little and a fifth of them removed."""
    rng = np.random.default_rng(4)
    golden = np.array(
        [[np.nan if value is None else value for value in row] for row in model.golden["rows"]], np.float32
    )
    rows = golden[rng.integers(0, len(golden), count)] * rng.normal(1.0, 0.1, (count, golden.shape[1]))
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows.astype(np.float32)


@pytest.mark.filterwarnings("ignore")
def test_contributions_equal_shap(model: RiskModel) -> None:
    rows = _rows(model, 12)
    explainer = shap.TreeExplainer(load_booster(latest("sepsis").read_bytes("model.ubj")))
    expected = explainer.shap_values(rows)
    for row, theirs in zip(rows, expected, strict=True):
        full = np.full(len(FEATURES), np.nan, np.float32)
        full[model.columns] = row
        moved, base = model.contributions(full)
        # shap hands its sums of some hundred leaves over as float32
        np.testing.assert_allclose(moved, theirs, atol=1e-6)
        assert base == pytest.approx(float(np.ravel(explainer.expected_value)[0]), abs=1e-5)


def test_shipped_model_passes_its_self_check(model: RiskModel) -> None:
    model.self_check()
