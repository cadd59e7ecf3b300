"""Doses and times in, concentrations out: the exact recursion from one event to the next, for all draws at once."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.disposition import Body, Disposition, disposition
from cds_app.simulate.plans import Dose

Floats = NDArray[np.float64]
Watched = Literal["central", "effect"]
_AGAIN: Final = 2
_NEARBY: Final = 1 << 16  # numbers: half a megabyte
_DIGITS: Final = 9  # times are told apart to a billionth of an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Parameters that hold from an instant on.

    Parameters
    ----------
    from_h : float
        Hours from now; the first epoch also holds before it.
    parameters : mapping of str to ndarray (draws,)
        As `disposition` takes them, and ``F``, the fraction absorbed, where it is not 1.
    """

    from_h: float
    parameters: Mapping[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Compartments, and steps of absorption."""

    compartments: int
    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Concentrations, and what was eliminated.

    Parameters
    ----------
    times_h : ndarray (times,)
    values : ndarray (draws, times)
        mg/L. At the instant of a dose: just before it.
    area : ndarray (draws, times) or None
        Area under the central concentration since the first event, mg.h/L.
    """

    times_h: Floats
    values: Floats
    area: Floats | None = None


def course(
    structure: Structure,
    epochs: Sequence[Epoch],
    doses: Sequence[Dose],
    times_h: Floats,
    *,
    watched: Watched = "central",
    area: bool = False,
) -> Course:
    """Concentrations at some times after any history of doses.

    Parameters
    ----------
    structure : Structure
    epochs : sequence of Epoch
        Ascending; parameters are constant in each.
    doses : sequence of Dose
        In any order; infusions may overlap here and add up.
    times_h : ndarray (times,)
        Ascending.
    watched : {"central", "effect"}
    area : bool
        Whether the area under the curve is wanted; by mass balance, so it is as exact as the concentrations.
    """
    walk = _Walk(structure, epochs, doses, watched, area=area)
    wanted: Floats = np.round(np.asarray(times_h, np.float64), _DIGITS).astype(np.float64)
    rows = np.empty((len(wanted), walk.draws))
    areas = np.empty_like(rows) if area else None
    instants = wanted.tolist()
    stretches = list(walk.stretches(instants))
    often = Counter(one.offsets_h for one in stretches)
    for one in stretches:
        if areas is None and walk.sees(one, often[one.offsets_h]):
            rows[one.first : one.end] = walk.ahead(one.offsets_h)
        else:
            for at in range(one.first, one.end):
                walk.reach(instants[at])
                walk.write(rows[at])
                if areas is not None:
                    areas[at] = walk.area_so_far
        walk.reach(one.until_h)
        walk.happen(one.until_h)
    return Course(times_h=wanted, values=rows.T, area=None if areas is None else areas.T)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """From one change to the next, and which of the wanted times lie there: from then on, with its end."""

    until_h: float
    first: int
    end: int
    offsets_h: tuple[float, ...]


class _Walk:
    """One pass through time."""

    def __init__(
        self, structure: Structure, epochs: Sequence[Epoch], doses: Sequence[Dose], watched: Watched, *, area: bool
    ) -> None:
        self._structure = structure
        self._epochs = [(round(one.from_h, _DIGITS), one) for one in epochs]
        self._starts: dict[float, list[Dose]] = {}
        for dose in doses:
            self._starts.setdefault(round(dose.at_h, _DIGITS), []).append(dose)
        self._rates = _rates(doses)
        self._changes = {*self._starts, *self._rates, *(at for at, _ in self._epochs[1:])}
        self._watched = watched
        self._fraction: Floats | float = epochs[0].parameters.get("F", 1.0)
        self._body = Body.empty(self._where(epochs[0]))
        self._now: float | None = None
        self._rate = 0.0
        self._area = np.zeros(self.draws) if area else None
        self._amount = np.zeros(self.draws)

    def _where(self, epoch: Epoch) -> Disposition:
        return disposition(
            epoch.parameters,
            compartments=self._structure.compartments,
            steps=self._structure.steps,
            effect=self._watched == "effect",
        )

    @property
    def draws(self) -> int:
        return int(self._body.modes.shape[1])

    @property
    def area_so_far(self) -> Floats | float:
        return 0.0 if self._area is None else self._area

    def stretches(self, wanted: Sequence[float]) -> Iterator[_Stretch]:
        """From each change to the next, as far as the last time that is wanted."""
        if not wanted:
            return
        changes = sorted(at for at in self._changes if at <= wanted[-1])
        before, first = -inf, 0
        for until_h in dict.fromkeys((*changes, wanted[-1])):
            end = bisect_right(wanted, until_h)
            offsets = tuple(round(one - before, _DIGITS) for one in wanted[first:end]) if isfinite(before) else ()
            yield _Stretch(until_h=until_h, first=first, end=end, offsets_h=offsets)
            before, first = until_h, end

    def sees(self, stretch: _Stretch, often: int) -> bool:
        """Whether all of a stretch is better seen from its start: where the same look comes again, and fits nearby."""
        count = len(stretch.offsets_h)
        if self._watched == "effect" or often < _AGAIN or count < _AGAIN:
            return False
        return count * self._body.modes.size <= _NEARBY

    def ahead(self, offsets_h: tuple[float, ...]) -> Floats:
        """Concentrations from here on while nothing happens, (times, draws)."""
        return self._body.ahead(offsets_h, self._rate)

    def reach(self, instant: float) -> None:
        """Let time pass up to an instant."""
        if self._now is not None and instant > self._now:
            dt_h = round(instant - self._now, _DIGITS)
            self._body.advance(dt_h, self._rate)
            if self._area is not None:
                amount = self._body.amount
                self._area += (self._amount + self._rate * dt_h - amount) / self._body.where.clearance
                self._amount = amount
        self._now = instant

    def write(self, row: Floats) -> None:
        """Put the concentration of now into a row."""
        if self._watched == "effect" and self._body.effect is not None:
            row[:] = self._body.effect
        else:
            self._body.write(row)

    def happen(self, instant: float) -> None:
        """What happens at an instant: new parameters first, then doses."""
        if instant not in self._changes:
            return
        for from_h, epoch in self._epochs[1:]:
            if from_h == instant:
                self._fraction = epoch.parameters.get("F", 1.0)
                self._body = self._body.moved(self._where(epoch))
        for dose in self._starts.get(instant, ()):
            self._give(dose)
        self._rate = self._rates.get(instant, self._rate)

    def _give(self, dose: Dose) -> None:
        if dose.over_h:
            return
        if dose.route == "oral":
            self._body.swallow(dose.amount_mg * self._fraction)
        else:
            self._body.inject(dose.amount_mg)
        if self._area is not None:
            self._amount = self._body.amount


def _rates(doses: Sequence[Dose]) -> dict[float, float]:
    """Total rate of all infusions from each instant at which one begins or ends, mg/h."""
    infusions = [one for one in doses if one.over_h]
    edges: dict[float, list[tuple[int, float]]] = {}
    for number, dose in enumerate(infusions):
        edges.setdefault(round(dose.at_h, _DIGITS), []).append((number, dose.amount_mg / dose.over_h))
        edges.setdefault(round(dose.end_h, _DIGITS), []).append((number, 0.0))
    found, running = {}, dict[int, float]()
    for instant in sorted(edges):
        running |= dict(edges[instant])
        running = {number: rate for number, rate in running.items() if rate}
        found[instant] = sum(running.values())
    return found
