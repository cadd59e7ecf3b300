"""Whether the interval of a calibration holds what it says, and how far it must be widened to do so.

An interval says where the rate among patients with one estimate lies. That rate is never seen: what is seen is the
share of some patients, which chance moves too. So patients are cut into cells, fifths of the risk of everybody and of
every group, and a cell is held when its observed share lies no further from its mean risk than interval and chance
together allow. Rows of one patient say nearly the same, so chance is that of patients, not of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.measure import log_odds
from cds_app.score.risk.calibration import Calibration

LEVEL = 0.9
_WITHIN = 1.6449  # standard deviations of chance that hold 90 of 100
_PARTS = 5
_FEWEST = 10  # patients with the outcome in a cell; below, chance is not near normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was said of rows, and what followed: arrays (rows,)."""

    risk: Floats
    low: Floats
    high: Floats
    label: Ints
    patient: Ints

    @classmethod
    def by(cls, calibration: Calibration, margin: Floats, label: Ints, patient: Ints) -> Told:
        """What a calibration says of margins."""
        low, risk, high = (
            1.0 / (1.0 + np.exp(-np.interp(margin, calibration.margin, curve)))
            for curve in (calibration.low, calibration.log_odds, calibration.high)
        )
        return cls(risk=risk, low=low, high=high, label=label, patient=patient)

    def of(self, rows: Flags | Ints) -> Told:
        """Some of the rows."""
        return Told(
            risk=self.risk[rows],
            low=self.low[rows],
            high=self.high[rows],
            label=self.label[rows],
            patient=self.patient[rows],
        )


def coverage(told: Told, among: Mapping[str, Mapping[str, Flags]]) -> dict[str, Any]:
    """How many cells were held.

    Parameters
    ----------
    told : Told
        Of patients whom neither trees nor calibration have seen.
    among : mapping
        Groups of rows (`measure.groups`), which are looked at beside all rows.

    Returns
    -------
    dict
        ``level``, ``cells``, ``held`` (interval and chance together) and ``held_by_interval_alone``.
    """
    cells = list(_cells(told, _parts(told, among)))
    return {
        "level": LEVEL,
        "cells": len(cells),
        "held": sum(one.needed <= 1.0 for one in cells),
        "held_by_interval_alone": sum(one.apart <= one.half for one in cells),
    }


def widening(told: Told, among: Mapping[str, Mapping[str, Flags]]) -> list[float]:
    """Of every cell, how many times as wide its interval would have to be for the cell to be held."""
    return [one.needed for one in _cells(told, _parts(told, among))]


def widest(needed: Iterable[float]) -> float:
    """The factor, not less than 1, at which as many cells as `LEVEL` says are held."""
    found = np.fromiter(needed, np.float64)
    return max(1.0, float(np.quantile(found, LEVEL, method="higher"))) if len(found) else 1.0


@dataclass(frozen=True, slots=True)
class _Cell:
    """How far the observed share is from the mean risk, how far the interval reaches that way, chance: log-odds."""

    apart: float
    half: float
    chance: float

    @property
    def needed(self) -> float:
        """How many times as wide the interval would have to be."""
        beyond = self.apart**2 - (_WITHIN * self.chance) ** 2
        return float(np.sqrt(max(beyond, 0.0)) / max(self.half, 1e-9))


def _parts(told: Told, among: Mapping[str, Mapping[str, Flags]]) -> Iterator[Flags]:
    yield np.ones(len(told.risk), bool)
    for groups in among.values():
        yield from groups.values()


def _cells(told: Told, parts: Iterable[Flags]) -> Iterator[_Cell]:
    for mine in parts:
        rows = np.flatnonzero(mine)
        for some in np.array_split(rows[np.argsort(told.risk[rows], kind="stable")], _PARTS):
            here = told.of(some)
            if len(np.unique(here.patient[here.label > 0])) >= _FEWEST:
                yield _cell(here)


def _cell(told: Told) -> _Cell:
    said, seen = told.risk.mean(), told.label.mean()
    end = (told.high if seen > said else told.low).mean()
    who = np.unique(told.patient, return_inverse=True)[1]
    chance = np.sqrt((np.bincount(who, told.label - seen) ** 2).sum()) / len(told.label)
    middle, shown, reach = (float(one) for one in log_odds(np.array([said, seen, end])))
    steep = max(seen * (1.0 - seen), 1e-9)
    return _Cell(abs(shown - middle), abs(reach - middle), float(chance / steep))
