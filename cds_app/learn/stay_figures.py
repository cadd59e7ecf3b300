"""How good a risk of whole stays is, overall and by group, as plain numbers for a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from cds_app.learn.measure import calibration, error_by_chance, groups
from cds_app.learn.resampling import Ranking, Resamples, interval, ratio

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SEED_OF_INTERVALS = 2012
_FEWEST = 10  # deaths; below, figures of a group are noise and are not given


def as_many_alerts_as_deaths(risk: Floats, label: Ints) -> float:
    """Threshold at which sensitivity equals precision: on a smooth curve the best lesser of the two."""
    return float(np.sort(risk)[-int(label.sum())])


def measured(who: pd.DataFrame, stay: Ints, died: Ints, risk: Floats, alert: Flags) -> dict[str, Any]:
    """Figures overall, by sex and by age band, with 95 % intervals by stay.

    Parameters
    ----------
    who : DataFrame
        ``Age`` and ``Gender`` of every row.
    stay : ndarray of int64, shape (rows,)
        Whose row; a stay that was asked of more than once is drawn as a whole.
    """
    drawn = Resamples.drawn(int(stay.max()) + 1, np.random.default_rng(_SEED_OF_INTERVALS))
    everybody = {"overall": {"": np.ones(len(died), bool)}}
    parts = everybody | {f"by_{kind}": found for kind, found in groups(who).items()}
    found = {
        kind: {
            name: figures(stay[mine], died[mine], risk[mine], alert[mine], drawn)
            for name, mine in rows.items()
            if mine.any()
        }
        for kind, rows in parts.items()
    }
    return {**found, "overall": found["overall"][""]}


def figures(stay: Ints, died: Ints, risk: Floats, alert: Flags, drawn: Resamples) -> dict[str, Any]:
    """Discrimination, calibration and the alert rule of some stays; only counts where fewer than ten died."""
    counts = {"patients": len(died), "patients_with_outcome": int(died.sum())}
    if counts["patients_with_outcome"] < _FEWEST or died.all():
        return counts
    ranking = Ranking.of(drawn, stay, died, risk)
    hits, alerts, deaths = (drawn.sums(stay, one.astype(np.float64)) for one in (alert & (died > 0), alert, died))
    rule = {"sensitivity": ratio(hits, deaths), "precision": ratio(hits, alerts)}
    rule["lesser_of_both"] = np.minimum(rule["sensitivity"], rule["precision"])
    between = {"auroc": ranking.auroc(), "auprc": ranking.auprc(), **rule}
    return {
        **counts,
        "auroc": float(roc_auc_score(died, risk)),
        "auprc": float(average_precision_score(died, risk)),
        **{name: float(np.nan_to_num(one[0])) for name, one in rule.items()},
        "calibration": {**calibration(died, risk), "ece_by_chance": error_by_chance(stay, died, risk)},
        "intervals": {name: interval(one) for name, one in between.items()},
    }
