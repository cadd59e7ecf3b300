"""What is read of a model file, and which models are left to xgboost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from cds_app.errors import ContentError, TreesUnsupported
from cds_app.score.trees import ubjson
from cds_app.score.trees.forest import read_forest

X = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(float)


def grown(label: np.ndarray = Y, **options: Any) -> bytes:
    types = options.pop("feature_types", None)
    data = xgb.DMatrix(X if types is None else np.abs(X).round(), label=label, feature_types=types)
    booster = xgb.train({"max_depth": 3, "nthread": 1, "verbosity": 0, **options}, data, 3)
    return bytes(booster.save_raw("ubj"))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"booster": "dart"}, "booster is dart"),
        ({"booster": "gblinear"}, "booster is gblinear"),
        ({"objective": "multi:softprob", "num_class": 2}, "several outputs"),
        ({"label": np.c_[Y, Y]}, "several outputs"),
        ({"label": np.c_[Y, Y], "multi_strategy": "multi_output_tree"}, "several outputs"),
        ({"objective": "count:poisson"}, "link"),
        ({"max_depth": 7, "min_child_weight": 0.0}, "too deep"),
        ({"feature_types": ["c"] * 8, "max_cat_to_onehot": 1}, "categorical"),
    ],
)
def test_a_model_outside_of_the_limits_is_refused_by_name(options: dict[str, Any], why: str) -> None:
    with pytest.raises(TreesUnsupported, match=why):
        read_forest(grown(**options))


@pytest.mark.parametrize(
    ("part", "value", "error"),
    [
        ("sum_hessian", 0.0, TreesUnsupported),  # no training row came this way
        ("split_indices", 8, ContentError),  # rows have features 0 to 7
    ],
)
def test_a_split_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, part: str, value: float, error: type[ContentError]
) -> None:
    content, loads = grown(), ubjson.loads

    def spoilt(raw: bytes) -> Any:
        model = loads(raw)
        model["learner"]["gradient_booster"]["model"]["trees"][0][part][:] = value
        return model

    monkeypatch.setattr(ubjson, "loads", spoilt)
    with pytest.raises(error) as found:
        read_forest(content)
    assert type(found.value) is error


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"T", grown()[:-40]])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ContentError, match="UBJSON"):
        read_forest(content)


@pytest.mark.parametrize(
    ("options", "intercept"),
    [({"objective": "reg:squarederror"}, 0.25), ({"objective": "reg:logistic"}, np.log(0.25 / 0.75))],
)
def test_the_intercept_is_on_the_scale_of_the_margin(options: dict[str, Any], intercept: float) -> None:
    assert read_forest(grown(base_score=0.25, **options)).intercept == pytest.approx(intercept, abs=1e-12)
