"""Exact attributions, grouped per clinical measurement, in probability points.

The model gives one log-odds contribution per feature (exact TreeSHAP, Lundberg et al., Nat Mach Intell 2020).
Everything it knows of one measurement (its value, its trend, when and how often it was taken) is summed into one
reason, and the sum is put on the scale that is shown: points in 100.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache

import msgspec
import numpy as np

from cds_app.domain.arrays import Ints
from cds_app.domain.facts import Measurement
from cds_app.score.situation import Situation

_PER_HUNDRED = 100.0
_LOOK_BACK_H = 48.0
_MODELS = 16  # of which the groups are remembered


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement's part in a risk.

    Parameters
    ----------
    quantity : str
        Ontology quantity, or a group such as ``age``.
    points : float
        How far it moved the estimate, in points of 100, from the base.
    now : Measurement or None
        The newest value the model saw; None when it was not measured (the model then used that fact).
    modifiable : bool
        Whether treatment can move it within hours.
    """

    quantity: str
    points: float
    now: Measurement | None
    modifiable: bool = False


def group_points(
    quantities: Sequence[str],
    contributions: Sequence[float],
    *,
    margin: float,
    base_margin: float,
    probability: float,
    base: float,
) -> dict[str, float]:
    """Sum contributions per measurement and scale them to probability points.

    Parameters
    ----------
    quantities, contributions : sequences of equal length
        Of each feature, the clinical measurement it belongs to, and what it contributes in log-odds.
    margin, base_margin : float
        Log-odds of this patient and the average of the training population.
    probability, base : float
        The same two after calibration.

    Returns
    -------
    dict of str to float
        Points in 100 per measurement; they sum to ``100 * (probability - base)`` up to rounding of floats.

    Notes
    -----
    Calibration is monotone, so one common factor takes log-odds differences to probability differences: the
    Aumann-Shapley value along the straight path. Signs and order of the contributions are kept.
    """
    names, group = _groups(tuple(quantities))
    sums: list[float] = np.bincount(group, contributions, len(names)).tolist()
    total = sum(sums)
    span = margin - base_margin
    if abs(total) < 1e-9 or abs(span) < 1e-9:
        return dict.fromkeys(names, 0.0)
    factor = _PER_HUNDRED * (probability - base) / total
    return {name: value * factor for name, value in zip(names, sums, strict=True)}


@lru_cache(maxsize=_MODELS)
def _groups(quantities: tuple[str, ...]) -> tuple[tuple[str, ...], Ints]:
    """Measurements, and of each feature the place of its own among them."""
    place = {name: at for at, name in enumerate(dict.fromkeys(quantities))}
    return tuple(place), np.array([place[one] for one in quantities], np.int64)


def reasons(points: Mapping[str, float], situation: Situation, modifiable: Container[str] = ()) -> tuple[Reason, ...]:
    """Put values beside points, greatest effect first."""
    ordered = sorted(points.items(), key=lambda item: (-abs(item[1]), item[0]))
    return tuple(
        Reason(
            quantity=quantity,
            points=value,
            now=situation.latest(quantity, _LOOK_BACK_H),
            modifiable=quantity in modifiable,
        )
        for quantity, value in ordered
        if value != 0.0
    )


def earlier_of(one: Measurement, situation: Situation, change_h: float) -> Measurement | None:
    """What a value is compared with: the newest at least ``change_h`` older, else the oldest of the last two days."""
    quantity = situation.ontology.variables[one.variable].quantity
    before = [other for other in situation.history(quantity, _LOOK_BACK_H, until=one.when) if other.when < one.when]
    limit = one.when - timedelta(hours=change_h)
    return next((other for other in reversed(before) if other.when <= limit), next(iter(before), None))
