"""The twin at an instant as model input: what was believed after the last sample, carried forward to the query.

The arithmetic is that of `cds_app.twin.filter.predict` and `cds_app.score.deviation.standardised`, for many patients,
quantities and instants at once; a test holds them equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.score.features.samples import Moments
from cds_app.twin.model import TwinModel

BELIEF: tuple[str, ...] = ("baseline", "deviation", "p_dd", "z")
"""What a sample leaves behind, in this order: columns of a `cds_app.twin.state.Track`."""
PARTS: tuple[str, ...] = ("twin_level", "twin_baseline", "twin_departure", "twin_surprise")
"""The blocks that `view` returns."""
_LEAST_SHARE = 0.25  # as for `score.deviation`


@dataclass(frozen=True, slots=True)
class Motion:
    """How quantities move between samples: (quantities,); NaN for one that the twin does not follow."""

    mean: Floats
    baseline_h: Floats
    deviation_h: Floats
    variance: Floats
    scale: Floats

    @classmethod
    @lru_cache(maxsize=4)
    def of(cls, twin: TwinModel, quantities: tuple[str, ...]) -> Motion:
        """Parameters of some quantities."""
        rows = np.full((5, len(quantities)), np.nan)
        for i, name in enumerate(quantities):
            if (one := twin.dynamics.get(name)) is not None:
                rows[:, i] = (
                    one.baseline_mean, one.baseline_relaxation_h, one.relaxation_h, one.deviation_sd**2,
                    one.deviation_scale,
                )  # fmt: skip
        return cls(*rows)


def view(motion: Motion, now: Moments, age_h: Floats) -> tuple[Floats, ...]:
    """Where the twin is, one block (queries, quantities) per entry of `PARTS`; NaN before the first sample.

    Returns
    -------
    tuple of ndarray of float64
        Expected value now (on the scale of the state), personal baseline minus that of the population, standardised
        deviation from the baseline, and how surprising the last sample was, in standard deviations.
    """
    baseline, deviation, p_dd, z = now.belief()
    kept_b, kept_d = np.exp(-age_h / motion.baseline_h), np.exp(-age_h / motion.deviation_h)
    own, moved = kept_b * (baseline - motion.mean), kept_d * deviation
    variance = motion.variance
    known = np.maximum(kept_d * kept_d * (variance - p_dd), _LEAST_SHARE * variance)
    departure = moved / (np.sqrt(known) * motion.scale)
    return motion.mean + own + moved, own, departure, np.where(np.isnan(kept_d), np.nan, z)
