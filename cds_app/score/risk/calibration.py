"""From what trees say to a probability: what age adds to it, and the curve that it is read off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far margins lie apart at one age, against another: the same findings may tell more of the young.

    Parameters
    ----------
    middle : float
        The margin that stays where it is at every age.
    per_year : float
        Part of the distance from it that each year adds.
    at_years : float
        The age at which all margins stay.
    from_years, to_years : float
        Below and above, what is added changes no more.
    """

    middle: float
    per_year: float
    at_years: float
    from_years: float
    to_years: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Spread:
        """Read what training wrote.

        Raises
        ------
        ContentError
            If an entry is missing or no number, or margins would change their order at some age.
        """
        try:
            found = cls(**{one.name: float(content[one.name]) for one in fields(cls)})
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError("the spread by age lacks a number", field="calibration.spread") from error
        ends = np.array([found.from_years, found.to_years])
        if not (found.added(found.middle + np.ones(2), ends) > -1.0).all():
            raise ContentError("the spread by age turns margins round", field="calibration.spread")
        return found

    def added(self, margin: Floats | float, age_years: Floats | float) -> Floats:
        """What is added to margins at an age: nothing where it is not known (NaN)."""
        years = np.clip(age_years, self.from_years, self.to_years) - self.at_years
        return np.asarray(np.where(np.isnan(years), 0.0, self.per_year * years) * (margin - self.middle))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """From margin to probability, linear in the log-odds between grid points, constant outside of the grid.

    Parameters
    ----------
    margin : ndarray of float64, shape (points,)
        Ascending.
    log_odds, low, high : ndarray of float64, shape (points,)
        Log-odds of the outcome, and the ends of their 90 % interval. None falls.
    spread : Spread, optional
        What age adds to margins before they are read here.
    """

    margin: Floats
    log_odds: Floats
    low: Floats
    high: Floats
    spread: Spread | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Calibration:
        """Read what training wrote.

        Raises
        ------
        ContentError
            If a curve is missing, of another length, or falls, or the spread by age is not one.
        """
        try:
            curves = {name: np.array(content[name], np.float64) for name in ("margin", "log_odds", "low", "high")}
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError("calibration lacks a curve of numbers", field="calibration") from error
        falls = any((np.diff(curve) < 0).any() for curve in curves.values())
        if falls or len({curve.shape for curve in curves.values()}) != 1 or not len(curves["margin"]):
            raise ContentError("calibration curves differ in length or fall", field="calibration")
        spread = content.get("spread")
        return cls(**curves, spread=None if spread is None else Spread.from_json(spread))

    def probability(self, margin: Floats | float) -> Floats:
        """Calibrated probability of one or many margins."""
        return _expit(np.interp(margin, self.margin, self.log_odds))

    def read(self, margin: float) -> tuple[float, float, float]:
        """Calibrated probability of one margin, and the ends of its 90 % interval."""
        found = [np.interp(margin, self.margin, curve) for curve in (self.log_odds, self.low, self.high)]
        probability, low, high = _expit(np.array(found)).tolist()
        return probability, low, high


def _expit(log_odds: Floats | float) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, np.float64))))
