"""Urine output over a window, and only where charting is dense enough to say how much it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from cds_app.domain.facts import Measurement
from cds_app.score.situation import Situation

_LONGEST_GAP_H = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Urine:
    """What was collected.

    Parameters
    ----------
    volume_ml, hours : float
        Volume, and the time over which it was collected.
    evidence : tuple of Measurement
        The entries, each the volume since the one before.
    """

    volume_ml: float
    hours: float
    evidence: tuple[Measurement, ...]


def collected(situation: Situation, hours: float) -> Urine | None:
    """Urine of the last ``hours``, ending with the newest entry.

    Notes
    -----
    An entry is the volume since the entry before it. None unless the newest entry is at most 3 hours old, an
    entry lies at or before the start of the window, and no gap is longer than 3 hours: a missing entry is not
    a dry one.
    """
    newest = situation.latest("urine_output", _LONGEST_GAP_H)
    if newest is None:
        return None
    start = newest.when - timedelta(hours=hours)
    opening = situation.previous("urine_output", start + timedelta(microseconds=1))
    if opening is None:
        return None
    reach = (newest.when - opening.when).total_seconds() / 3600.0
    chain = situation.history("urine_output", reach, until=newest.when)
    entries = tuple(one for one in chain if one.when > opening.when)
    if not _dense(opening, entries) or any(one.bound != "=" for one in entries):
        return None
    return Urine(volume_ml=sum(one.value for one in entries), hours=reach, evidence=entries)


def _dense(opening: Measurement, entries: tuple[Measurement, ...]) -> bool:
    gap = timedelta(hours=_LONGEST_GAP_H)
    return all(later.when - one.when <= gap for one, later in pairwise((opening, *entries)))
