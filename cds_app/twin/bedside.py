"""One patient now, as a window that ends now: what each quantity most likely is, though nobody measured it lately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from types import MappingProxyType
from typing import Final

import numpy as np

from cds_app.domain.arrays import Ints
from cds_app.domain.facts import Measurement
from cds_app.domain.time import to_hours
from cds_app.twin.imputation import Channel, Completed, Imputer
from cds_app.twin.windows import HOURS, Singles, nearest_h, neighbours, who

_CUFF = "_noninvasive"
_NORMAL_95 = 1.6448536269514722
_LEAST_VARIANCE = 1e-6
_RIDGE = 1e-3  # of a correlation that leaves nothing open


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """An imputed value: never a fact.

    Parameters
    ----------
    mean, low, high : float
        Expected value and 90 % interval, canonical unit.
    since_h : float
        Whole hours since it was last measured; as many as a window has where it was not.
    stands : bool
        Whether it was measured so lately that the interval is known to hold: then it may stand in for a measurement.
    """

    quantity: str
    mean: float
    low: float
    high: float
    since_h: float = HOURS
    stands: bool = False


NOBODY: Final[Mapping[str, Likely]] = MappingProxyType({})
"""Nothing is imputed."""


def window_of(measured: Mapping[str, Sequence[Measurement]], now_h: float, channels: Sequence[Channel]) -> Singles:
    """The last `HOURS` hours: array (HOURS, channels), the mean of each hour, NaN where nothing was measured.

    Parameters
    ----------
    measured : mapping of str to sequence of Measurement
        By variable; later ones than now, implausible ones and bounds are left out.
    now_h : float
        Hours since 1970-01-01T00:00Z.
    """
    total = np.zeros((HOURS, len(channels)))
    count = np.zeros((HOURS, len(channels)))
    for place, channel in enumerate(channels):
        for one in measured.get(channel.variable, ()) if channel.variable else ():
            back = floor(now_h - to_hours(one.when))
            if 0 <= back < HOURS and one.bound == "=" and channel.low <= one.value <= channel.high:
                total[HOURS - 1 - back, place] += one.value
                count[HOURS - 1 - back, place] += 1.0
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(mean, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bedside:
    """What imputation makes of one patient now.

    Parameters
    ----------
    window : ndarray of float32, shape (HOURS, channels)
        Of `window_of`.
    completed : Completed
        Its last hour.
    """

    imputer: Imputer
    window: Singles
    completed: Completed

    @classmethod
    def of(cls, imputer: Imputer, window: Singles, age_years: float | None, male: float | None) -> Bedside:
        """Ask the imputer once."""
        return cls(imputer=imputer, window=window, completed=imputer.now(window, _statics(age_years, male)))

    def likely(self) -> dict[str, Likely]:
        """What each quantity that was not measured within the hour most likely is, by quantity."""
        found, since = {}, self._since()
        horizon = self.imputer.blends["causal"].horizon_h
        for quantity, place in self._places().items():
            mean, low, high = (
                float(one[0, place]) for one in (self.completed.mean, self.completed.low, self.completed.high)
            )
            found[quantity] = Likely(
                quantity=quantity, mean=mean, low=low, high=high, since_h=float(since[place]),
                stands=bool(since[place] < HOURS and since[place] <= horizon[place]),
            )  # fmt: skip
        return found

    def draws(self, quantities: Iterable[str], number: int, rng: np.random.Generator) -> list[dict[str, float]]:
        """Multiple imputations: what several quantities might be at once, as they go together in this patient.

        Each alone spreads as its interval says. Quantities that were measured within the hour are left out.
        """
        places = {name: place for name, place in self._places().items() if name in set(quantities)}
        if not places:
            return []
        cells = list(places.values())
        covariance = self.imputer.joint.together(self.window)[np.ix_(cells, cells)].astype(np.float64)
        spread = np.sqrt(np.maximum(np.diag(covariance), _LEAST_VARIANCE))
        correlation = covariance / np.outer(spread, spread)
        root = np.linalg.cholesky((correlation + correlation.T) / 2.0 + _RIDGE * np.eye(len(cells)))
        normal = rng.standard_normal((number, len(cells))) @ root.T / np.sqrt(1.0 + _RIDGE)
        mean, low, high = (
            one[0, cells].astype(np.float64) for one in (self.completed.mean, self.completed.low, self.completed.high)
        )
        side = np.where(normal < 0.0, mean - low, high - mean) / _NORMAL_95
        within = [(self.imputer.channels[i].low, self.imputer.channels[i].high) for i in cells]
        drawn = np.clip(mean + normal * side, *np.array(within).T)
        return [dict(zip(places, map(float, row), strict=True)) for row in drawn]

    def _since(self) -> Ints:
        """Hours since each channel was last measured; `HOURS` where it was not."""
        return np.asarray(nearest_h(neighbours(self.window[None]), "causal")[0, -1], np.int64)

    def _places(self) -> dict[str, int]:
        """The channel that stands for each quantity that was not measured within the hour.

        That of the newest measurement; where there is none, what a catheter would say comes before what a cuff would.
        """
        channels, since = self.imputer.channels, self._since()
        alike: dict[str, list[int]] = {}
        for place, channel in enumerate(channels):
            if channel.variable:
                alike.setdefault(channel.quantity, []).append(place)
        return {
            quantity: min(places, key=lambda i: (since[i], channels[i].variable.endswith(_CUFF)))
            for quantity, places in alike.items()
            if self.completed.imputed[0, places].all()
        }


def _statics(age_years: float | None, male: float | None) -> Singles:
    unknown = np.array([np.nan])
    age, sex = (unknown if one is None else np.array([float(one)]) for one in (age_years, male))
    return np.asarray(who(age, sex, unknown, np.full((1, 4), np.nan))[0], np.float32)
