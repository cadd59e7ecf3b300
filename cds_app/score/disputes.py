"""Values that are not used because whoever measured them calls them what they are not, as they were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from cds_app.domain.facts import Measurement
from cds_app.score.situation import Situation


def disputed(situation: Situation, keys: Iterable[str], within_h: float | None = None) -> Iterator[Measurement]:
    """Those of some variables, by variable newest first.

    Parameters
    ----------
    keys : iterable of str
        Keys of variables.
    within_h : float or None
        How far to look back, hours; None: for as long as a value of its kind counts as current.
    """
    ontology = situation.ontology
    for key in keys:
        hours = situation.fresh_h(ontology.variables[key].quantity) if within_h is None else within_h
        since = situation.now - timedelta(hours=hours)
        for one in reversed(situation.by_variable.get(key, ())):
            if one.when < since:
                break
            if one.implausible and one.when <= situation.now and ontology.disputed(one, age_years=situation.age_years):
                yield one
