"""What whoever measured says of a value itself (``Observation.interpretation``, OBX-8): low, high, critical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from cds_app.domain.facts import Code

Side = Literal["low", "high", "outside", "normal"]


class Span(Protocol):
    """A usual range; None is open, or not known."""

    @property
    def low(self) -> float | None: ...

    @property
    def high(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """One such word.

    Parameters
    ----------
    key : str
        Name in the ontology (``critically_high``).
    label : str
        How it is said (``critically high``).
    side : {"low", "high", "outside", "normal"}
        Where it says that the value lies, of the usual range; ``outside`` on either side.
    critical : bool
        Whether somebody is to be told at once.
    codes : tuple of Code
    names : tuple of str
        What it may be called where no code is sent.
    """

    key: str
    label: str
    side: Side
    critical: bool
    codes: tuple[Code, ...]
    names: tuple[str, ...]

    def denies(self, value: float, span: Span) -> bool:
        """Whether a value lies elsewhere than it says. Of an end that is open nothing is known."""
        below, above = _beyond(value, span)
        within_low, within_high = span.low is not None and not below, span.high is not None and not above
        if self.side == "normal":
            return below or above
        if self.side == "outside":
            return within_low and within_high
        return above or within_low if self.side == "low" else below or within_high

    def disproves(self, value: float, span: Span) -> bool:
        """Whether a value that is read so cannot be the one that was measured: its unit or its code is wrong.

        Low of what lies above the usual range, or high of what lies below it: no other range puts that right, and
        to act on either would be to guess. Critical of what lies inside it: as a usual value it would reassure.

        Anything else is told beside the value, which is used: usual ranges differ by age, sex, hour and laboratory, and
        many systems send ``N`` with whatever they have not judged.
        """
        below, above = _beyond(value, span)
        opposite = (self.side == "low" and above) or (self.side == "high" and below)
        return opposite or (self.critical and self.denies(value, span))


def _beyond(value: float, span: Span) -> tuple[bool, bool]:
    return span.low is not None and value < span.low, span.high is not None and value > span.high
