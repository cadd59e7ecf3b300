from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cds_app.content import latest
from cds_app.learn.files import challenge2019 as source
from cds_app.learn.files.challenge2019 import Column
from cds_app.learn.twin.dynamics import conformal, fit_dynamics, least_absolute
from cds_app.learn.twin.joint import correlation, quantiles, thinned
from cds_app.learn.twin.panel import Panel


def test_the_three_parts_are_disjoint_and_of_the_stated_size() -> None:
    pids = pd.Series([f"p{i}" for i in range(4000)])
    parts = pd.DataFrame({part: source.in_part(pids, part) for part in ("fit", "calibrate", "test")})
    assert (parts.sum(axis=1) == 1).all()
    assert parts["fit"].mean() == pytest.approx(0.70, abs=0.03)
    assert parts["calibrate"].mean() == pytest.approx(0.15, abs=0.03)


def test_loading_sorts_converts_and_removes_artefacts(tmp_path: Path) -> None:
    rows = {"pid": ["b", "a", "a"], "ICULOS": [1, 2, 1], "HR": [0.0, 80.0, 70.0], "FiO2": [0.4, 50.0, 0.02]}
    pd.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    found = source.load(tmp_path / "rows.parquet")
    assert found["pid"].tolist() == ["a", "a", "b"]
    assert found["HR"].tolist()[:2] == [70.0, 80.0]
    assert found["FiO2"].tolist()[1:] == [50.0, 40.0]
    assert found.isna().sum().to_dict() == {"pid": 0, "ICULOS": 0, "HR": 1, "FiO2": 1}


def test_least_absolute_regression_finds_the_line_among_outliers() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    target = 1.0 + 2.0 * x[:, 0] - x[:, 1] + rng.laplace(size=4000) * 0.1
    target[:600] += 50.0
    found = least_absolute(np.column_stack([np.ones(4000), x]), target)
    assert found == pytest.approx([1.0, 2.0, -1.0], abs=0.05)


@pytest.mark.parametrize(("n", "rank"), [(99, 95), (19, 19), (5, 5)])
def test_the_conformal_quantile_is_the_order_statistic_of_the_theorem(n: int, rank: int) -> None:
    assert conformal(np.arange(1.0, n + 1.0), 0.05) == rank


def test_the_fit_recovers_the_process_that_made_the_data() -> None:
    rng, stays, hours = np.random.default_rng(3), 500, 60
    kept = np.exp(-1 / 8.0)
    deviation = rng.normal(0, 6.0, stays)
    rows = []
    baseline = rng.normal(90.0, 9.0, stays)
    for _ in range(hours):
        rows.append(baseline + deviation + rng.normal(0, 3.0, stays))
        deviation = kept * deviation + rng.normal(0, 6.0 * np.sqrt(1 - kept**2), stays)
    panel = Panel(
        patient=np.repeat(np.arange(stays), hours), hours=np.tile(np.arange(1.0, hours + 1), stays),
        values={"heart_rate": np.array(rows).T.ravel()},
    )  # fmt: skip
    found = fit_dynamics(panel, Column("HR", "heart_rate", 10, 300, "/min"), rng)
    assert found is not None
    assert found.baseline_mean == pytest.approx(90.0, abs=2.0)
    assert found.baseline_sd == pytest.approx(9.0, rel=0.2)
    assert found.deviation_sd == pytest.approx(6.0, rel=0.2)
    assert found.relaxation_h == pytest.approx(8.0, rel=0.35)
    assert found.noise_sd == pytest.approx(3.0, rel=0.25)  # the t-likelihood shrinks scales of Gaussian data


def test_too_few_patients_give_no_dynamics() -> None:
    panel = Panel(patient=np.arange(50), hours=np.ones(50), values={"heart_rate": np.full(50, 80.0)})
    column = Column("HR", "heart_rate", 10, 300, "/min")
    assert fit_dynamics(panel, column, np.random.default_rng(0)) is None


def test_the_correlation_is_found_through_missing_values_and_is_positive_definite() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(5000, 1))
    z = (common + rng.normal(size=(5000, 4))) / np.sqrt(2)
    z[rng.random(z.shape) < 0.4] = np.nan
    matrix, shrink = correlation(z)
    assert matrix[~np.eye(4, dtype=bool)] == pytest.approx(0.5 * (1 - shrink), abs=0.06)
    assert np.diag(matrix) == pytest.approx(1.0)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_rare_numbers_of_quantities_get_their_quantiles_from_thinned_rows() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(600, 6))
    z[0, :5] = np.nan
    few = thinned(z[1:], 3, rng)
    assert (np.isfinite(few).sum(axis=1) == 3).all()
    found = quantiles(z, np.eye(6), rng)
    assert [at_least for at_least, _ in found] == [3, 5]
    assert found[0][1][6] == pytest.approx(0.79, abs=0.12)  # median of chi-square with 3 degrees, over 3


def test_the_shipped_artefact_says_where_it_comes_from() -> None:
    manifest = latest("twin").manifest
    assert manifest["credit"] == source.DATA_SET.credit_short
    assert {"seed", "split", "population", "data", "figures"} <= set(manifest)
