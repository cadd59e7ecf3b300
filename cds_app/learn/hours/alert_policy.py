"""The alert policy of the cards over whole stays of many patients: `cards.policy.judge` of one topic, hour by hour.

Nobody answers a card here, and every hour has new facts: so a card is shown when nothing was shown before, when things
got worse, or when the quiet is over. A test holds the two implementations equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.cards.definition import HIGHEST_TIER, Policy
from cds_app.domain.arrays import Flags, Floats, Ints

NO_CANDIDATE = -1
_DAY_H = 24
_DOUBLINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What would be said in each row, if the policy let it.

    Parameters
    ----------
    patient : ndarray of int64, shape (rows,)
        Numbered from 0.
    hour : ndarray of int64, shape (rows,)
        Whole hours; each of a patient once.
    tier : ndarray of int64, shape (rows,)
        `NO_CANDIDATE` where there is nothing to say.
    points : ndarray of float64, shape (rows,)
        Risk in points of 100.
    """

    patient: Ints
    hour: Ints
    tier: Ints
    points: Floats


class _Told:
    """What each patient's clinicians have been told; changes as the hours go by."""

    def __init__(self, patients: int) -> None:
        self.at_h = np.full(patients, -np.inf)
        self.tier = np.full(patients, NO_CANDIDATE)
        self.points = np.full(patients, -np.inf)
        self.repeats = np.zeros(patients, np.int64)
        self.lately = np.full((patients, _DAY_H), -np.inf)  # points by hour of the day, of the last day only

    def forget(self, hour: int) -> None:
        """An hour begins: what was told a day before is no longer of the last day."""
        self.lately[:, hour % _DAY_H] = -np.inf

    def highest(self, who: Ints) -> Floats:
        """Most points told in the last day or, before that, last."""
        return np.asarray(np.maximum(self.points[who], self.lately[who].max(axis=1)))

    def tell(self, who: Ints, hour: int, tier: Ints, points: Floats, own_h: float) -> None:
        """Cards are shown; each that repeats without a break doubles the quiet, up to a limit."""
        anew = hour - self.at_h[who] > own_h * 2.0 ** self.repeats[who] + own_h
        again = np.minimum(self.repeats[who] + 1, _DOUBLINGS)
        self.repeats[who] = np.where(anew | (tier > self.tier[who]), 0, again)
        self.at_h[who], self.tier[who], self.points[who] = hour, tier, points
        self.lately[who, hour % _DAY_H] = points


def shown(candidates: Candidates, policy: Policy, topic: str) -> Flags:
    """Rows in which a card is shown: (rows,).

    Parameters
    ----------
    policy : Policy
        Lockouts, rise and lowest tier are read.
    topic : str
        Whose own lockout holds.
    """
    out = np.zeros(len(candidates.hour), bool)
    ready = np.flatnonzero(candidates.tier >= max(policy.min_tier, 0))
    if not len(ready):
        return out
    ready = ready[np.argsort(candidates.hour[ready], kind="stable")]
    hours = candidates.hour[ready]
    first, last = int(hours[0]), int(hours[-1])
    edges = np.searchsorted(hours, np.arange(first, last + 2))
    told = _Told(int(candidates.patient.max()) + 1)
    own_h = policy.lockout_of(topic)
    for hour in range(first, last + 1):
        told.forget(hour)
        rows = ready[edges[hour - first] : edges[hour - first + 1]]
        rows = rows[_news(told, candidates, rows, policy, topic)]
        out[rows] = True
        told.tell(candidates.patient[rows], hour, candidates.tier[rows], candidates.points[rows], own_h)
    return out


def _news(told: _Told, candidates: Candidates, rows: Ints, policy: Policy, topic: str) -> Flags:
    """Whether each row of an hour is to be told: never before, worse, or after the quiet."""
    who, tier = candidates.patient[rows], candidates.tier[rows]
    never = told.tier[who] == NO_CANDIDATE
    worse = tier > told.tier[who]
    risen = candidates.points[rows] - told.highest(who) >= policy.rise_of(topic)
    over = candidates.hour[rows] - told.at_h[who] >= _quiet_h(told, who, tier, policy, policy.lockout_of(topic))
    return np.asarray(never | worse | risen | over)


def _quiet_h(told: _Told, who: Ints, tier: Ints, policy: Policy, own_h: float) -> Floats:
    """Lockout, a day for what got better, doubled for repetitions; of the highest tier a day at most."""
    highest = tier == HIGHEST_TIER
    better = tier < told.tier[who]
    lockout = np.where(better, max(own_h, float(_DAY_H)), np.where(highest, policy.lockout_h, own_h))
    quiet = lockout * 2.0 ** told.repeats[who]
    return np.asarray(np.where(highest, np.minimum(quiet, np.maximum(lockout, float(_DAY_H))), quiet))
