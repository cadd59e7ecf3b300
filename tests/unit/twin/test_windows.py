"""Windows: what is next to a bin, and that a causal product never sees what comes later."""

from __future__ import annotations

import numpy as np
import pytest

from cds_app.twin.windows import (
    HOURS,
    PRODUCTS,
    Product,
    Singles,
    base,
    inputs,
    interpolated,
    neighbours,
    surprises,
)


def window(*values: tuple[int, float], variables: int = 1) -> Singles:
    found = np.full((1, HOURS, variables), np.nan, np.float32)
    for hour, value in values:
        found[0, hour, 0] = value
    return found


def some(seed: int = 3, windows: int = 4, variables: int = 5) -> Singles:
    rng = np.random.default_rng(seed)
    found = rng.normal(0.0, 1.0, (windows, HOURS, variables)).astype(np.float32)
    return np.asarray(np.where(rng.random(found.shape) < 0.25, found, np.nan), np.float32)


def test_the_line_between_two_measurements_is_straight_and_flat_outside_of_them() -> None:
    line = interpolated(neighbours(window((2, 1.0), (6, 3.0))))[0, :, 0]
    assert line[[0, 2, 3, 4, 6, 47]].tolist() == [1.0, 1.0, 1.5, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("product", PRODUCTS)
def test_where_nothing_was_measured_the_base_is_the_mean_of_everybody(product: Product) -> None:
    assert base(neighbours(window()), product).any() == np.False_


def test_the_last_value_is_carried_forward_only() -> None:
    found = base(neighbours(window((5, 2.0))), "causal")[0, :, 0]
    assert found[[0, 4, 5, 47]].tolist() == [0.0, 0.0, 2.0, 2.0]


def test_a_surprise_is_what_the_neighbours_do_not_say() -> None:
    found = surprises(
        window((2, 1.0), (4, 5.0), (6, 3.0)), neighbours(window((2, 1.0), (4, 5.0), (6, 3.0))), "retrospective"
    )
    assert found[0, 4, 0] == pytest.approx(5.0 - 2.0)
    assert found[0, 2, 0] == pytest.approx(1.0 - 5.0)
    assert np.isnan(found[0, 3, 0])


@pytest.mark.parametrize("hour", [0, 11, 46])
def test_a_causal_product_does_not_see_what_comes_later(hour: int) -> None:
    early, who = some(), np.zeros((4, 2), np.float32)
    late = early.copy()
    late[:, hour + 1 :] = some(seed=4)[:, hour + 1 :]
    seen = [inputs(z, neighbours(z), who, "causal")[:, : hour + 1] for z in (early, late)]
    assert np.array_equal(seen[0], seen[1])


def test_a_retrospective_product_does() -> None:
    early, late, who = some(), some(), np.zeros((4, 2), np.float32)
    late[:, 30:] = np.nan
    seen = [inputs(z, neighbours(z), who, "retrospective")[:, :20] for z in (early, late)]
    assert not np.array_equal(seen[0], seen[1])


@pytest.mark.parametrize("product", PRODUCTS)
def test_features_are_finite_whatever_is_missing(product: Product) -> None:
    for z in (some(), window(), np.full((1, HOURS, 3), 1e6, np.float32)):
        assert np.isfinite(inputs(z, neighbours(z), np.zeros((len(z), 1), np.float32), product)).all()
