"""Who is outside a model's population: the distance against its formula, and that strangers are found and own kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cds_app.errors import ContentError
from cds_app.score.features.hours import FEATURES, NAMES
from cds_app.score.risk.population import PARTS, Reference

_MEANS = {"heart_rate": 85.0, "sbp": 120.0, "map": 80.0, "resp_rate": 18.0, "creatinine": 0.0, "wbc": 2.3}
_SDS = {"heart_rate": 15.0, "sbp": 20.0, "map": 12.0, "resp_rate": 5.0, "creatinine": 0.5, "wbc": 0.4}
_LOG = ("creatinine", "wbc")
_COLUMNS = [NAMES.index(f"{name}_last") for name in _MEANS]


def _correlation() -> np.ndarray:
    found = np.eye(len(_MEANS))
    found[1, 2] = found[2, 1] = 0.6
    found[0, 3] = found[3, 0] = 0.3
    found[4, 5] = found[5, 4] = -0.2
    return found


def _content(**changes: Any) -> dict[str, Any]:
    features = [
        {
            "feature": f"{name}_last", "least": 0.01 if name in _LOG else None, "mean": mean,
            "below": _SDS[name], "above": 1.5 * _SDS[name],
        }
        for name, mean in _MEANS.items()
    ]  # fmt: skip
    limits = {"vital_signs": [[1, 6.0], [4, 4.0]], "everything": [[1, 7.0], [4, 3.5]]}
    return {"features": features, "correlation": _correlation().tolist(), "limits": limits, **changes}


@pytest.fixture
def reference() -> Reference:
    return Reference.from_json(_content())


def _rows(z: np.ndarray) -> np.ndarray:
    """Rows whose values lie so many standard deviations from the mean."""
    sds = np.array(list(_SDS.values())) * np.where(z < 0.0, 1.0, 1.5)
    scaled = np.array(list(_MEANS.values())) + z * sds
    on_log = np.array([name in _LOG for name in _MEANS])
    rows = np.full((len(z), len(FEATURES)), np.nan, np.float32)
    rows[:, _COLUMNS] = np.where(on_log, np.exp(np.where(on_log, scaled, 0.0)), scaled)
    return rows


def _drawn(rng: np.random.Generator, rows: int, *, missing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    z = rng.multivariate_normal(np.zeros(len(_MEANS)), _correlation(), rows)
    z[rng.random(z.shape) < missing] = np.nan
    return z, _rows(z)


def _brute(z: np.ndarray) -> float:
    known = np.flatnonzero(np.isfinite(z))
    if not len(known):
        return np.nan
    covariance = _correlation()[np.ix_(known, known)]
    return float(z[known] @ np.linalg.inv(covariance) @ z[known]) / len(known)


def test_the_distance_is_mahalanobis_over_what_is_known(reference: Reference) -> None:
    z, rows = _drawn(np.random.default_rng(1), 300, missing=0.4)
    expected = np.array([[_brute(np.r_[one[:4], np.nan, np.nan]), _brute(one)] for one in z])
    assert np.isnan(expected).any()
    # rows are in single precision
    np.testing.assert_allclose(reference.distances(rows), expected, rtol=1e-4, atol=1e-5)


def test_one_row_is_as_many(reference: Reference) -> None:
    _, rows = _drawn(np.random.default_rng(2), 300, missing=0.4)
    rows[::7, _COLUMNS[0]] = 230.0
    outside = reference.outsiders(rows)
    assert [reference.outside(row) for row in rows] == outside.tolist()
    assert 0 < outside.sum() < len(rows)


def test_strangers_are_found_and_own_are_kept(reference: Reference) -> None:
    z, rows = _drawn(np.random.default_rng(3), 4000)
    # of 6 independent standard normal squares, the mean is above 3.5 in 2 of 1000; of 4, above 4 in 3 of 1000
    assert reference.outsiders(rows).mean() < 0.01
    assert reference.outsiders(_rows(z + np.array([4.0, 0, 0, 4.0, 0, 0]))).mean() > 0.9
    # each value alone is as usual, but a mean pressure is never so far above its systolic one
    mixed = np.zeros((1, len(_MEANS)))
    mixed[0, [1, 2]] = -2.0, 2.0
    assert reference.outsiders(_rows(mixed)).all()
    assert not reference.outsiders(_rows(np.abs(mixed))).any()


def test_the_measurements_that_are_most_unlike_are_named(reference: Reference) -> None:
    z = np.array([[0.1, -0.2, 0.1, 6.0, 0.2, 0.1], [0.1, 0.1, 0.0, 0.1, 7.0, -3.0]])
    rows = _rows(z)
    assert reference.outsiders(rows).all()
    assert reference.leads(rows[0]) == ("resp_rate",)  # the others are as in anybody
    assert reference.leads(rows[1]) == ("creatinine", "wbc")


def test_of_whom_nothing_is_known_nothing_is_said(reference: Reference) -> None:
    row = np.full(len(FEATURES), np.nan, np.float32)
    assert np.isnan(reference.distances(row[None])).all()
    assert not reference.outside(row)
    assert not reference.outsiders(row[None]).any()
    assert reference.known(row).tolist() == [0, 0]


def test_nobody_is_outside_where_there_is_no_limit() -> None:
    reference = Reference.from_json(_content(limits={"vital_signs": [], "everything": [[6, 3.0]]}))
    far = _rows(np.full((1, len(_MEANS)), 9.0))
    assert reference.outsiders(far).all()
    far[0, _COLUMNS[-1]] = np.nan
    assert not reference.outsiders(far).any()


def test_below_detection_counts_as_the_least(reference: Reference) -> None:
    rows = _rows(np.zeros((2, len(_MEANS))))
    rows[:, _COLUMNS[4]] = 0.0, 0.01
    first, second = reference.distances(rows)
    assert np.isfinite(first).all()
    assert first == pytest.approx(second)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": [{"feature": "shoe_size"}]},
        {"correlation": [[1.0]]},
        {"correlation": np.ones((6, 6)).tolist()},
        {"limits": {PARTS[0]: []}},
    ],
)
def test_a_reference_that_does_not_hold_together_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContentError, match="incomplete"):
        Reference.from_json(_content(**changes))
