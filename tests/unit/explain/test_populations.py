"""Many rows at once are explained as each alone, with or without a place to keep compiled code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb
from numba.core import caching

from cds_app.content import latest
from cds_app.explain import populations
from cds_app.explain.populations import attribute
from cds_app.score.features.hours import FEATURES
from cds_app.score.risk.model import RiskModel
from cds_app.score.trees.boosted import Boosted
from cds_app.score.trees.forest import read_forest
from cds_app.score.trees.tree_shap import TreeShap


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel.from_artefact(latest("sepsis"))


@pytest.fixture
def _compiled_anew() -> Iterator[None]:
    populations._compiled.cache_clear()
    yield
    populations._compiled.cache_clear()


def rows(count: int) -> np.ndarray:
    rng = np.random.default_rng(8)
    found = rng.normal(30.0, 30.0, (count, len(FEATURES))).astype(np.float32)
    found[rng.random(found.shape) < 0.3] = np.nan
    return found


def test_each_row_is_explained_as_when_serving(model: RiskModel) -> None:
    some = rows(20)
    found = attribute(model, some)
    for row, moved in zip(some, found.contributions, strict=True):
        risk, contributions, base = model.explain(row)
        assert moved.tolist() == contributions
        assert found.base == base
        assert found.base + moved.sum() == pytest.approx(risk.margin, abs=1e-9)


def test_where_our_engine_does_not_read_the_trees_xgboost_is_asked(model: RiskModel) -> None:
    boosted = replace(model, trees=Boosted.of(latest("sepsis").read_bytes("model.ubj")))
    ours, theirs = attribute(model, rows(5)), attribute(boosted, rows(5))
    np.testing.assert_allclose(ours.contributions, theirs.contributions, atol=1e-5)  # float32
    assert ours.base == pytest.approx(theirs.base, abs=1e-5)


def test_no_rows_are_explained_by_nothing(model: RiskModel) -> None:
    assert attribute(model, rows(0)).contributions.shape == (0, len(model.features))


@pytest.mark.parametrize("columns", [3, 1000])
def test_rows_of_another_width_are_refused(model: RiskModel, columns: int) -> None:
    assert isinstance(model.trees, TreeShap)
    with pytest.raises(ValueError, match="number of features"):
        populations.contributions_of(model.trees, np.zeros((2, columns), np.float32))


@pytest.mark.usefixtures("_compiled_anew")
def test_compiled_code_does_what_it_says(model: RiskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    x[::5, 0] = np.nan
    label = np.nan_to_num(x[:, 0], nan=1.0) * x[:, 1]
    booster = xgb.train({"max_depth": 4, "nthread": 1}, xgb.DMatrix(x, label=label), 4)
    trees = TreeShap.of(read_forest(bytes(booster.save_raw("ubj"))))
    compiled = populations.contributions_of(trees, x)
    monkeypatch.setattr(populations, "_compiled", lambda: populations._add_block)
    np.testing.assert_array_equal(populations.contributions_of(trees, x), compiled)


@pytest.mark.usefixtures("_compiled_anew")
def test_compiled_code_need_not_be_kept(model: RiskModel, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = attribute(model, rows(3)).contributions
    populations._compiled.cache_clear()
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])  # as where no folder can be written to
    np.testing.assert_array_equal(attribute(model, rows(3)).contributions, expected)
