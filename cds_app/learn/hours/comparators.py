"""What a risk has to beat: bedside scores, the last value of its own quantity, and a plain logistic regression.

The bedside scores are those of `score.clinical.news2`, on whole columns: the newest values that the ontology still
calls current, the same bands, the same rounding. A part that is not known gives no points, so a score here is "at
least".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from cds_app.domain.arrays import Floats, Matrix
from cds_app.learn.head import Own
from cds_app.learn.measure import Scored, difference
from cds_app.learn.resampling import Resamples
from cds_app.score.clinical.bands import Bands
from cds_app.score.clinical.news2 import (
    OXYGEN_POINTS,
    PULSE,
    RESPIRATION,
    ROOM_AIR_PERCENT,
    SPO2_SCALE_1,
    SYSTOLIC,
    TEMPERATURE,
)
from cds_app.score.features.hours import NAMES

Newest = Callable[[str], Floats]  # quantity -> its newest value in every row, NaN where none is current

_NEWS2: tuple[tuple[str, Bands, int], ...] = (
    ("resp_rate", RESPIRATION, 0),
    ("spo2", SPO2_SCALE_1, 0),
    ("sbp", SYSTOLIC, 0),
    ("heart_rate", PULSE, 0),
    ("body_temp", TEMPERATURE, 1),
)
# Seymour, JAMA 2016;315:762
_QSOFA: tuple[tuple[str, Bands, int], ...] = (
    ("resp_rate", ((-inf, 0), (22, 1)), 0),
    ("sbp", ((-inf, 1), (101, 0)), 0),
)
CONSCIOUSNESS = "consciousness is not in the data"
OXYGEN = "oxygen is known only where its fraction was recorded"
READ: tuple[str, ...] = (*(name for name, _, _ in _NEWS2), "fio2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator:
    """Another score of the same rows.

    Parameters
    ----------
    score : ndarray of float64, shape (rows,)
        Higher is worse.
    threshold : float
        Alert at or above.
    partial : tuple of str
        What the data lack that the score should have.
    """

    title: str
    score: Floats
    threshold: float
    partial: tuple[str, ...] = ()


def beside(
    scored: Scored, other: Comparator, drawn: Resamples, figures_of: Callable[[Scored], dict[str, Any]]
) -> dict[str, Any]:
    """Figures of a comparator where the risk gives a number too, and how far the risk is ahead."""
    known = np.where(np.isfinite(scored.score), other.score, np.nan)
    rival = Scored.at(scored.at_risk, known, other.threshold)
    found = figures_of(rival)
    about = {"title": other.title, "threshold": other.threshold, "partial": list(other.partial)}
    return {**about, **found, **({"ahead": difference(scored, rival, drawn)} if "auroc" in found else {})}


def bedside(rows: Matrix, fresh_h: Mapping[str, float]) -> dict[str, Comparator]:
    """NEWS2 at 5 and 7, qSOFA at 2.

    Parameters
    ----------
    rows : ndarray of float32, shape (rows, len(FEATURES))
    fresh_h : mapping of str to float
        How long a value of each of `READ` counts as current.
    """
    warning, sepsis = news2_known(rows, fresh_h), qsofa_known(rows, fresh_h)
    return at_their_limits(warning, sepsis, (CONSCIOUSNESS,), beside=(OXYGEN,))


def at_their_limits(
    warning: Floats, sepsis: Floats, lacks: tuple[str, ...], beside: tuple[str, ...]
) -> dict[str, Comparator]:
    """Limits in use: of NEWS2, ``warning``, and of qSOFA, ``sepsis``; what the data lack, and ``beside`` for NEWS2."""
    more = (*lacks, *beside)
    return {
        "news2_5": Comparator(title="NEWS2 of 5 or more", score=warning, threshold=5.0, partial=more),
        "news2_7": Comparator(title="NEWS2 of 7 or more", score=warning, threshold=7.0, partial=more),
        "qsofa_2": Comparator(title="qSOFA of 2 or more", score=sepsis, threshold=2.0, partial=lacks),
    }


def news2_known(rows: Matrix, fresh_h: Mapping[str, float]) -> Floats:
    """NEWS2 of what is known in each row: (rows,)."""
    return news2_of(_newest(rows, fresh_h))


def qsofa_known(rows: Matrix, fresh_h: Mapping[str, float]) -> Floats:
    """QSOFA of what is known in each row: (rows,)."""
    return qsofa_of(_newest(rows, fresh_h))


def news2_of(newest: Newest) -> Floats:
    """NEWS2 of what is known, but for consciousness: (rows,)."""
    return _sum(newest, _NEWS2) + OXYGEN_POINTS * (newest("fio2") > ROOM_AIR_PERCENT)


def qsofa_of(newest: Newest) -> Floats:
    """QSOFA of what is known, but for consciousness: (rows,)."""
    return _sum(newest, _QSOFA)


def last_value(own: Own, rows: Matrix, alerted: float) -> Comparator:
    """The newest value of the head's own quantity, at the threshold that alerts of as many hours as the head does.

    Parameters
    ----------
    rows : ndarray of float32, shape (rows, len(FEATURES))
    alerted : float
        Share of hours.
    """
    value = rows[:, NAMES.index(f"{own.quantity}_last")].astype(np.float64)
    score = -value if own.low_is_worse else value
    known = score[np.isfinite(score)]
    # before the first value nothing speaks for an alert
    least = float(known.min()) - 1.0 if len(known) else 0.0
    score = np.where(np.isfinite(score), score, least)
    threshold = float(np.quantile(score, 1.0 - alerted, method="higher"))
    return Comparator(title=f"last value of {own.quantity}", score=score, threshold=threshold)


def _sum(newest: Newest, table: tuple[tuple[str, Bands, int], ...]) -> Floats:
    return np.asarray(np.sum([_points(bands, newest(name), places) for name, bands, places in table], axis=0))


def _newest(rows: Matrix, fresh_h: Mapping[str, float]) -> Newest:
    return lambda quantity: current(rows, NAMES, quantity, fresh_h[quantity])


def current(rows: Matrix, names: Sequence[str], quantity: str, fresh_h: float) -> Floats:
    """The newest values of a quantity in rows of named features; NaN where they are too old: (rows,)."""
    value, age_h = (rows[:, names.index(f"{quantity}_{part}")].astype(np.float64) for part in ("last", "age_h"))
    return np.where(age_h <= fresh_h, value, np.nan)


def _points(bands: Bands, value: Floats, places: int) -> Floats:
    """Points of rounded values, halves up; none for a value that is not known."""
    starts, given = np.array([start for start, _ in bands]), np.array([points for _, points in bands], np.float64)
    # four decimals first: they undo the single precision of the rows
    rounded = np.floor(np.round(value, 4) * 10.0**places + 0.5 + 1e-9) / 10.0**places
    place = np.searchsorted(starts, rounded + 1e-9, side="right") - 1
    return np.asarray(np.where(np.isfinite(value), given[place], 0.0))
