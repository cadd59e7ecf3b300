"""What a risk of whole stays has to beat: bedside scores at the end of the first days, and signs of severity."""

from __future__ import annotations

import numpy as np

from cds_app.domain.arrays import Floats, Ints, Matrix
from cds_app.learn.hours.comparators import OXYGEN, READ, Comparator, at_their_limits, current, news2_of, qsofa_of
from cds_app.learn.hours.rows import shipped_fresh_h
from cds_app.learn.stays.figures import as_many_alerts_as_deaths
from cds_app.score.clinical.news2 import FULL_GCS, NOT_ALERT_POINTS
from cds_app.score.features.stays import FEATURES

_NAMES = tuple(one.name for one in FEATURES)
_COMA = "gcs_total"
_CALLED = {"spo2": "sao2"}
_SEDATED = "the coma scale counts as charted, under sedation too"
_SATURATION = "saturation is known only from arterial blood"


def rivals(rows: Matrix, died: Ints) -> dict[str, Comparator]:
    """NEWS2 at 5 and 7 and qSOFA at 2, of the newest values, and signs of severity at the worst of the stay.

    Parameters
    ----------
    rows : ndarray of float32, shape (rows, len(FEATURES))
        As `score.features.stays.stay_features` makes them.
    died : ndarray of int64, shape (rows,)
        As many alerts as deaths are given of the signs of severity, which have no limit in use.
    """
    fresh_h = shipped_fresh_h((*READ, _COMA))

    def newest(quantity: str) -> Floats:
        return current(rows, _NAMES, _CALLED.get(quantity, quantity), fresh_h[quantity])

    confused = newest(_COMA) < FULL_GCS
    warning, sepsis = news2_of(newest) + NOT_ALERT_POINTS * confused, qsofa_of(newest) + confused
    signs = rows[:, _NAMES.index("saps_stay")].astype(np.float64)
    severity = Comparator(
        title="signs of severity (parts of SAPS II)", score=signs, threshold=as_many_alerts_as_deaths(signs, died)
    )
    return {**at_their_limits(warning, sepsis, (_SEDATED,), beside=(_SATURATION, OXYGEN)), "severity": severity}
