"""Draws of a comparison as figures: bands over time, shares with how sure they are, tidy intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.simulate.haemodynamics.fit import Interval

DECIMALS: Final = 3
NORMAL_95: Final = 1.959963984540054
_PERCENTILES: Final = (5.0, 25.0, 50.0, 75.0, 95.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A quantity over the times of the comparison: median, and where 50 % and 90 % of the draws lie.

    None where no draw has an answer any more. Of collapsed draws, mean pressure is the least that the model describes;
    rate, output and BIS are not known.
    """

    low_90: tuple[float | None, ...]
    low_50: tuple[float | None, ...]
    median: tuple[float | None, ...]
    high_50: tuple[float | None, ...]
    high_90: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of draws, and Wilson's 95 % interval for how sure so many draws make of it."""

    value: float
    low: float
    high: float


def share(count: int, draws: int) -> Share:
    """A share of draws with Wilson's 95 % interval (J Am Stat Assoc 1927;22:209)."""
    z2, value = NORMAL_95**2, count / draws
    centre = (value + z2 / (2 * draws)) / (1 + z2 / draws)
    reach = NORMAL_95 * sqrt(value * (1 - value) / draws + z2 / (4 * draws**2)) / (1 + z2 / draws)
    low, high = max(centre - reach, 0.0), min(centre + reach, 1.0)
    return Share(value=round(value, 4), low=round(low, 4), high=round(high, 4))


def band(samples: Floats) -> Band:
    """Percentiles over draws of samples (times, draws); draws without an answer do not count."""
    empty: Flags = np.all(np.isnan(samples), axis=1)
    found = np.nanpercentile(np.where(empty[:, None], 0.0, samples), _PERCENTILES, axis=1)
    rows = [tuple(None if gone else value for value, gone in zip(rounded(row), empty, strict=True)) for row in found]
    return Band(low_90=rows[0], low_50=rows[1], median=rows[2], high_50=rows[3], high_90=rows[4])


def rounded(row: Floats) -> tuple[float, ...]:
    """As it is told and kept: to a thousandth."""
    return tuple(round(float(one), DECIMALS) for one in row)


def tidy(one: Interval) -> Interval:
    """The same, to a thousandth."""
    return Interval(low=round(one.low, DECIMALS), median=round(one.median, DECIMALS), high=round(one.high, DECIMALS))
