"""From contributions per feature to points per measurement: exact, with sign and order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from cds_app.explain.reasons import earlier_of, group_points, reasons
from tests.chart import ago, measured, situation


def expit(margin: float) -> float:
    return 1 / (1 + math.exp(-margin))


def grouped(values: list[tuple[str, float]], base_margin: float = -2.0) -> tuple[dict[str, float], float, float]:
    """Points of contributions under the calibration p = expit(margin), with the risk and the base."""
    margin = base_margin + sum(value for _, value in values)
    risk, base = expit(margin), expit(base_margin)
    points = group_points(
        [name for name, _ in values],
        [value for _, value in values],
        margin=margin,
        base_margin=base_margin,
        probability=risk,
        base=base,
    )
    return points, risk, base


contributions = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.floats(-3, 3, allow_nan=False).map(lambda x: round(x, 6))),
    min_size=1,
    max_size=20,
)


@given(contributions, st.floats(-5, 1))
def test_points_add_up_to_risk_minus_base(values: list[tuple[str, float]], base_margin: float) -> None:
    points, risk, base = grouped(values, base_margin)
    if abs(sum(value for _, value in values)) > 1e-6:
        assert sum(points.values()) == pytest.approx(100 * (risk - base), abs=1e-6)


def test_the_sum_is_exact_where_float32_contributions_miss_the_margin_a_little() -> None:
    points = group_points(["a", "b"], [0.7, 0.4], margin=-0.8999, base_margin=-2.0, probability=0.3, base=0.1)
    assert sum(points.values()) == pytest.approx(20.0, abs=1e-12)


@given(contributions)
def test_signs_and_order_of_the_groups_are_kept(values: list[tuple[str, float]]) -> None:
    sums: dict[str, float] = {}
    for name, value in values:
        sums[name] = sums.get(name, 0.0) + value
    points, _, _ = grouped(values)
    if abs(sum(sums.values())) < 1e-6:
        return
    assert all(points[name] * sums[name] >= 0 for name in sums)
    assert [points[name] for name in sorted(sums, key=sums.__getitem__)] == sorted(points.values())


def test_all_features_of_one_measurement_are_one_reason() -> None:
    points, risk, base = grouped([("lactate", 0.5), ("age", 0.25), ("lactate", 0.25)])
    assert points["lactate"] == pytest.approx(3 * points["age"])
    assert points["lactate"] == pytest.approx(75 * (risk - base))


@pytest.mark.parametrize("values", [[("a", 0.0), ("b", 0.0)], [("a", 1.0), ("b", -1.0)], [("a", 1e-12)]])
def test_where_risk_and_base_are_the_same_nothing_moved_it(values: list[tuple[str, float]]) -> None:
    assert set(grouped(values)[0].values()) == {0.0}


def test_contributions_that_do_not_belong_to_the_features_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        group_points(["a"], [1.0, 2.0], margin=1, base_margin=0, probability=0.7, base=0.5)


def test_the_greatest_effect_comes_first_and_none_is_left_out_but_zeros() -> None:
    now = situation(measured("lactate", 4.0, 1), measured("lactate", 2.0, 9), measured("wbc", 20.0, 60))
    found = reasons({"lactate": 2.0, "wbc": -7.0, "age": 2.0, "sodium": 0.0}, now)
    assert [one.quantity for one in found] == ["wbc", "age", "lactate"]
    assert [one.now.value if one.now else None for one in found] == [None, None, 4.0]  # 60 hours are too long ago


@pytest.mark.parametrize(
    ("hours", "expected"),
    [((1, 3, 8, 30), 8), ((1, 3), 3), ((1,), None), ((1, 7, 50), 7), ((1, 60), None)],
)
def test_a_value_is_compared_with_the_newest_that_is_old_enough(hours: tuple[int, ...], expected: int | None) -> None:
    now = situation(*(measured("potassium", 4.0 + hour / 10, hour) for hour in hours))
    latest = now.latest("potassium", 48.0)
    assert latest is not None
    found = earlier_of(latest, now, 6.0)
    assert (found.when if found else None) == (ago(expected) if expected else None)


@pytest.mark.filterwarnings("ignore")
def test_grouped_contributions_of_a_booster_equal_those_of_shap() -> None:
    shap = pytest.importorskip("shap")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 3]) * np.nan_to_num(x[:, 1]) > 0).astype(float)
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": 1}, xgb.DMatrix(x, label=y), 30
    )
    names = ("a", "b", "a", "c", "c", "c")
    served = booster.predict(xgb.DMatrix(x[:40]), pred_contribs=True).astype(float)
    explainer = shap.TreeExplainer(booster)
    independent = explainer.shap_values(x[:40]).astype(float)
    for row, theirs in zip(served, independent, strict=True):
        margin, base_margin = row.sum(), row[-1]
        risk, base = expit(margin), expit(base_margin)
        ours, others = (
            group_points(names, values, margin=margin, base_margin=base_margin, probability=risk, base=base)
            for values in (row[:-1].tolist(), theirs.tolist())
        )
        # float32 sums of 30 trees: 1e-5 in log-odds, times at most 25 points per log-odds
        assert ours == pytest.approx(others, abs=1e-3)
        assert sum(ours.values()) == pytest.approx(100 * (risk - base), abs=1e-9)
