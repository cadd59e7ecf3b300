"""How good a risk of whole stays is, overall and by group, as plain numbers for a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.hours.comparators import Comparator, beside
from cds_app.learn.measure import Scored, by_groups, graded, or_none
from cds_app.learn.resampling import Resamples, interval, ratio, weighted_median

_SEED_OF_INTERVALS = 2012


def as_many_alerts_as_deaths(risk: Floats, label: Ints) -> float:
    """Threshold at which sensitivity equals precision: on a smooth curve the best lesser of the two."""
    return float(np.sort(risk)[-int(label.sum())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Rows at which the risk of a stay was asked for, and what followed: arrays (rows,).

    Parameters
    ----------
    who : DataFrame
        ``Age`` and ``Gender``.
    stay : ndarray of int64
        Whose row; a stay that was asked of more than once is drawn as a whole.
    died : ndarray of int64
    days_left : ndarray of float64
        From the end of the first days to death; NaN where it is not known, or nobody died.
    """

    who: pd.DataFrame
    stay: Ints
    died: Ints
    days_left: Floats

    def scored(self, risk: Floats, alert: Flags) -> Scored:
        """As the common figures want it: one hour of each stay."""
        rows = HoursAtRisk(patient=self.stay, hour=np.zeros(len(self.stay)), label=self.died, horizon_h=0.0)
        return Scored(at_risk=rows, score=risk, alert=alert, given=alert)


def measured(asked: Asked, risk: Floats, alert: Flags, rivals: Mapping[str, Comparator]) -> dict[str, Any]:
    """Figures overall, by sex and by age band, with 95 % intervals by stay, and of other scores of the same rows."""
    drawn = Resamples.drawn(int(asked.stay.max()) + 1, np.random.default_rng(_SEED_OF_INTERVALS))
    scored = asked.scored(risk, alert)
    uncalibrated = partial(_figures, days_left=asked.days_left, drawn=drawn, calibrated=False)
    return {
        "overall": _figures(scored, asked.days_left, drawn),
        **by_groups(asked.who, lambda mine: _figures(scored.of(mine), asked.days_left[mine], drawn)),
        "comparators": {name: beside(scored, one, drawn, uncalibrated) for name, one in rivals.items()},
    }


def _figures(scored: Scored, days_left: Floats, drawn: Resamples, *, calibrated: bool = True) -> dict[str, Any]:
    """Discrimination, calibration and the alert rule of some stays; only counts where fewer than ten died."""
    found = graded(scored, drawn, calibrated=calibrated)
    if "auroc" not in found:
        return found
    rule = _rule(scored, days_left, drawn)
    between = {**found["intervals"], **{name: interval(one) for name, one in rule.items()}}
    return {**found, **{name: or_none(one[0]) for name, one in rule.items()}, "intervals": between}


def _rule(scored: Scored, days_left: Floats, drawn: Resamples) -> dict[str, Floats]:
    """What alerting of some stays finds, in every resample."""
    stay, died, alert = scored.at_risk.patient, scored.at_risk.label, scored.alert
    parts = (np.ones(len(stay)), died, alert, alert & (died > 0))
    rows, deaths, alerts, hits = (drawn.sums(stay, one.astype(np.float64)) for one in parts)
    found = {"sensitivity": ratio(hits, deaths), "precision": ratio(hits, alerts), "alerted": ratio(alerts, rows)}
    ahead = alert & np.isfinite(days_left)
    return {
        **found,
        "lesser_of_both": np.minimum(found["sensitivity"], found["precision"]),
        "days_left": weighted_median(days_left[ahead], drawn.times[stay[ahead]]),
    }
