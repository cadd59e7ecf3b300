"""How far the twin is from where this person usually is: per quantity, and jointly, with an exact decomposition."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.domain.ontology import Ontology
from cds_app.twin.model import Dynamics, JointReference, TwinModel
from cds_app.twin.outlook import Instant, belief_at, hours_of
from cds_app.twin.state import Track, TwinState

_LEAST_FRESH = 3  # below, an index of "the patient as a whole" would speak of one organ
_LEAST_SHARE = 0.25  # of the stationary variance: keeps a nearly forgotten deviation from being blown up


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One quantity against the person's own expectation.

    Parameters
    ----------
    quantity : str
    z : float
        Signed, standardised: about standard normal in the reference population when all is as usual.
    stale : bool
        Whether the latest sample is older than the ontology's ``fresh_h``.
    """

    quantity: str
    z: float
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JointDeviation:
    """All fresh quantities together.

    Parameters
    ----------
    index : float or None
        Mean squared standardised deviation after removing correlation; about 1 in the reference population. None when
        too few quantities are fresh.
    contributions : tuple of (str, float)
        Not negative, largest first; they sum to ``index`` exactly.
    percentile : float or None
        Share of the reference population's patient-hours with a lower index, per cent.
    used, stale, unknown : tuple of str
        Quantities in the index; left out as stale; left out because their correlation is not known.
    """

    index: float | None
    contributions: tuple[tuple[str, float], ...]
    percentile: float | None
    used: tuple[str, ...]
    stale: tuple[str, ...]
    unknown: tuple[str, ...]


def deviations(model: TwinModel, ontology: Ontology, state: TwinState, at: Instant) -> tuple[Deviation, ...]:
    """Every quantity that was seen up to an instant, in alphabetical order."""
    hours = hours_of(at)
    return tuple(
        _deviation(model.dynamics[name], track, ontology.quantity(name).fresh_h, hours)
        for name, track in state.tracks.items()
        if track.until(hours)
    )


def _deviation(dynamics: Dynamics, track: Track, fresh_h: float, hours: float) -> Deviation:
    last = track.until(hours) - 1
    return Deviation(
        quantity=track.quantity,
        z=standardised(dynamics, track, hours),
        stale=hours - track.hours[last] > fresh_h,
    )


def standardised(dynamics: Dynamics, track: Track, hours: float) -> float:
    """Estimated deviation over the standard deviation that such an estimate has in the population.

    The variance of a Kalman estimate of ``d`` is its prior variance minus its posterior variance. With one sample the
    result is that sample's z against the population; with more, against the person's own baseline. Both are divided by
    the scale that was found in the reference population.
    """
    belief = belief_at(dynamics, track, hours)
    variance = dynamics.deviation_sd**2
    usual = sqrt(max(variance - belief.p_dd, _LEAST_SHARE * variance))
    return belief.deviation / (usual * dynamics.deviation_scale)


def joint(reference: JointReference, found: Sequence[Deviation]) -> JointDeviation:
    """The joint deviation index of all fresh quantities whose correlation is known."""
    stale = tuple(one.quantity for one in found if one.stale)
    unknown = tuple(one.quantity for one in found if not one.stale and one.quantity not in reference.quantities)
    used = [one for one in found if not one.stale and one.quantity in reference.quantities]
    names = tuple(one.quantity for one in used)
    if len(used) < _LEAST_FRESH:
        return JointDeviation(index=None, contributions=(), percentile=None, used=names, stale=stale, unknown=unknown)
    rows = [reference.quantities.index(name) for name in names]
    correlation = np.array(reference.correlation)[np.ix_(rows, rows)]
    parts = decomposed(np.array([one.z for one in used]), correlation) / len(used)
    index = float(parts.sum())
    ranked = sorted(zip(names, map(float, parts), strict=True), key=lambda one: (-one[1], one[0]))
    return JointDeviation(
        index=index,
        contributions=tuple(ranked),
        percentile=percentile(reference, len(used), index),
        used=names,
        stale=stale,
        unknown=unknown,
    )


def decomposed(z: Floats, correlation: Floats) -> Floats:
    """Split ``z' C^-1 z`` into one part per variable that is never negative.

    The parts are the squares of ``C^-1/2 z``: the uncorrelated variables that lie closest to the original ones
    (Garthwaite PH, Koch I, Aust N Z J Stat 2016;58:499, "corr-max").
    """
    values, vectors = np.linalg.eigh(correlation)
    whitened: Floats = vectors @ ((vectors.T @ z) / np.sqrt(values))
    return whitened * whitened


def percentile(reference: JointReference, used: int, index: float) -> float | None:
    """Where an index lies among the reference population's, for about as many quantities."""
    row = bisect_right([at_least for at_least, _ in reference.quantiles], used) - 1
    if row < 0:
        return None
    return float(np.interp(index, reference.quantiles[row][1], reference.percents))
