"""In which units a clinician reads: the one place that makes them of canonical values.

Facts, twin, scores and rules stay in canonical units. A variable carries how it is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cds_app.domain.facts import Measurement

_MOVED: Final = 0.01
"""By how much of itself a limit may be moved where it is rounded; else it is told with one more decimal."""
_SAME: Final = 1e-9
"""What came and what is told are one number, but for the round-off of two conversions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How the values of a variable are told.

    Parameters
    ----------
    unit, text : str
        In UCUM, and as clinicians read it.
    decimals : int
        Of a value that was not sent in this unit.
    canonical : str
        Text of the canonical unit; "" where that is the unit that is told.
    factor, offset : float
        ``told = factor * canonical + offset``.
    measurand : str
        What a number that came in another unit is of, where that is not what the variable is called: a mass of urea is
        not one of its nitrogen. Else "".
    """

    unit: str
    text: str
    decimals: int
    canonical: str = ""
    factor: float = 1.0
    offset: float = 0.0
    measurand: str = ""

    def value(self, canonical: float) -> float:
        """A value in the unit that is told."""
        return self.factor * canonical + self.offset if self.canonical else canonical

    def back(self, told: float) -> float:
        """The canonical value of one that is told."""
        return (told - self.offset) / self.factor if self.canonical else told

    def number(self, canonical: float) -> str:
        """A value as text, without its unit."""
        return f"{self.value(canonical):.{self.decimals}f}"

    def measured(self, one: Measurement) -> str:
        """What was measured, as text with its bound: as it was sent where that was in this unit."""
        bound = "" if one.bound == "=" else one.bound
        if not self.canonical:
            return f"{bound}{one.value:.{self.decimals}f}"
        return f"{bound}{self._as_sent(one) or self.number(one.value)}"

    def beside(self, one: Measurement) -> str:
        """What came, where that is another number than the one that is told; "" where it is not."""
        sent = self._sent(one)
        return f"{sent} {self.measurand}" if sent and self.measurand else sent

    def _sent(self, one: Measurement) -> str:
        if not self.canonical:
            return one.sent
        if self._as_sent(one):
            return ""
        return one.sent or f"{'' if one.bound == '=' else one.bound}{one.value:.10g} {self.canonical}".rstrip()

    def _as_sent(self, one: Measurement) -> str:
        """The number that came, where it came in this unit, by whichever name; "" where it did not."""
        number = one.sent.partition(" ")[0].lstrip("<>=")
        told = self.value(one.value)
        if not number:
            return f"{one.value:.10g}" if abs(told - one.value) <= _SAME * abs(told) else ""
        return number if abs(float(number) - told) <= _SAME * abs(told) else ""

    def limit(self, *canonical: float, change: bool = False) -> tuple[str, ...]:
        """Limits as text, all with as many decimals: the usual ones, one more where those would move a converted one.

        Parameters
        ----------
        change : bool
            Whether they are differences.
        """
        values = [self.factor * one if change else self.value(one) for one in canonical]
        moved = bool(self.canonical) and any(abs(round(one, self.decimals) - one) > _MOVED * abs(one) for one in values)
        return tuple(f"{one:.{self.decimals + moved}f}" for one in values)

    def span(self, low: float, high: float) -> str:
        """Two canonical limits as text, with the unit: ``3.3 to 19.4 mmol/L``."""
        return f"{' to '.join(self.limit(low, high))} {self.text}"


def with_unit(number: str, unit: str) -> str:
    """A number with its unit, and the space between them that it needs: none for a percent sign or no unit."""
    return f"{number}{unit}" if unit in ("", "%") else f"{number} {unit}"
