"""How much more the same findings tell of the young than of the old: one number, shrunk towards none.

Trees that add up give what is found nearly the same weight at every age, so that estimates of the young lie too close
together and of the old too far apart. By how much is found on stays that the trees had not seen, as for a calibration.
Such stays are few, so that chance is most of it: what is found counts by how far it is from chance.
"""

from __future__ import annotations

import numpy as np

from cds_app.domain.arrays import Floats, Ints
from cds_app.learn.measure import logistic_line
from cds_app.score.risk.calibration import Spread

_ENDS = (18.0, 90.0)  # the data name no age beyond 90
_USUAL = 0.2 / 60.0  # before anything is seen: a fifth between 20 and 80 years would be no surprise, two fifths would


def spread_of(margin: Floats, label: Ints, age_years: Floats, stay: Ints) -> Spread:
    """How margins spread by age.

    Parameters
    ----------
    margin, label, age_years : ndarray, shape (rows,)
        What trees said of stays that they had not seen, and what followed; NaN is an unknown age.
    stay : ndarray of int64, shape (rows,)
        Whose row: rows of one stay say the same once.

    Notes
    -----
    One step of Newton's method from the line of calibration, by a logistic regression in which the slope changes with
    age; the mean of a normal prior around no change and that step, with its error by stay (sandwich).
    """
    middle, centre = float(margin.mean()), float(np.nanmean(np.clip(age_years, *_ENDS)))
    spread = Spread(middle=middle, per_year=1.0, at_years=centre, from_years=_ENDS[0], to_years=_ENDS[1])
    intercept, slope = logistic_line(margin, label.astype(np.float64), np.ones(len(margin)))
    risk = 1.0 / (1.0 + np.exp(-(intercept + slope * margin)))
    weight = risk * (1.0 - risk)
    change = _beside(slope * spread.added(margin, age_years), margin, weight)
    score, information = change * (label - risk), float((change**2 * weight).sum())
    error = float(np.sqrt((np.bincount(stay, score) ** 2).sum())) / information
    kept = _USUAL**2 / (_USUAL**2 + error**2)
    return Spread(
        middle=middle,
        per_year=kept * float(score.sum()) / information,
        at_years=centre,
        from_years=_ENDS[0],
        to_years=_ENDS[1],
    )


def _beside(change: Floats, margin: Floats, weight: Floats) -> Floats:
    """What a line through the margin leaves of a change."""
    line = np.polynomial.Polynomial.fit(margin, change, 1, w=np.sqrt(weight))
    return np.asarray(change - line(margin))
