"""States that a model predicts: how to tell from the values of one quantity whether the patient is in one.

Training and serving read the same limits: a label is "the state is reached within the horizon", and nobody is asked
who is in the state already or of whom that is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_app.errors import ContentError

SAME_INSTANT_H = 1e-6
_STEP_IN_RISE = 0.005 - 1e-9  # a difference is rounded to two decimals, as `score.clinical.kidney` does
_STEP_IN_RATIO = 5e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """A value below a limit.

    Parameters
    ----------
    quantity : str
        What is measured.
    below : float
        The limit, canonical unit.
    fresh_h : float
        So long after a value it still says whether the patient is in the state.
    """

    quantity: str
    below: float
    fresh_h: float

    def reached(self, hours: Sequence[float], values: Sequence[float], last: int) -> bool:
        """Whether the sample ``last`` of a series is in the state; ``hours`` ascend."""
        return values[last] < self.below


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """A value above the lowest of those before it: by an amount, or to a multiple.

    Parameters
    ----------
    quantity : str
        What is measured.
    by, by_within_h : float
        Least rise above the lowest of so many hours before, canonical unit.
    times, times_within_h : float
        Least multiple of the lowest of so many hours before.
    fresh_h : float
        So long after a value it still says whether the patient is in the state.
    """

    quantity: str
    by: float
    by_within_h: float
    times: float
    times_within_h: float
    fresh_h: float

    def reached(self, hours: Sequence[float], values: Sequence[float], last: int) -> bool:
        """Whether the sample ``last`` of a series is in the state; a first value never is."""
        low = self._lowest(hours, values, last, self.by_within_h)
        base = self._lowest(hours, values, last, self.times_within_h)
        return bool(self.risen(values[last], low, base))

    def risen(self, now: Any, low: Any, base: Any) -> Any:
        """Whether a value is far enough above its two lowest; numbers or arrays, infinite where there is none."""
        return (now - low >= self.by - _STEP_IN_RISE) | (now >= (self.times - _STEP_IN_RATIO) * base)

    @staticmethod
    def _lowest(hours: Sequence[float], values: Sequence[float], last: int, within_h: float) -> float:
        lowest = float("inf")
        for before in range(last - 1, -1, -1):
            ago = hours[last] - hours[before]
            if ago > within_h + SAME_INSTANT_H:
                break
            if ago > SAME_INSTANT_H:
                lowest = min(lowest, values[before])
        return lowest


Endpoint = Fall | Rise


def endpoint_of(content: Mapping[str, Any]) -> Endpoint:
    """An endpoint as a manifest writes it.

    Raises
    ------
    ContentError
        If it is neither kind.
    """
    kind = Fall if "below" in content else Rise
    try:
        return kind(**content)
    except TypeError as error:
        raise ContentError("eligibility.endpoint is neither a fall nor a rise", field="eligibility.endpoint") from error
