"""Doses and times in, concentrations out: the exact recursion from one event to the next, for all draws at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.disposition import Body, Disposition, disposition
from cds_app.simulate.kinetics.exponentials import Event, concentrations
from cds_app.simulate.plans import Dose

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
    """Compartments, steps of absorption, and whether the effect site is looked at instead of the plasma."""

    compartments: int
    steps: int = 0
    effect: bool = False


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
    area: bool = False,
    marks_h: Sequence[float] = (),
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
    area : bool
        Whether the area under the curve is wanted; by mass balance, so it is as exact as the concentrations.
    marks_h : sequence of float
        Where nothing happens, but from where equal lengths of time come again: that saves work.
    """
    wanted: Floats = np.round(np.asarray(times_h, np.float64), _DIGITS).astype(np.float64)
    walk = _Walk(structure, epochs, doses, area=area)
    summed = None if area else walk.summed(wanted, marks_h)
    if summed is not None:
        return Course(times_h=wanted, values=summed.T)
    rows = np.empty((len(wanted), walk.draws))
    areas = np.empty_like(rows) if area else None
    changes = deque(walk.changes)
    for at, instant in enumerate(wanted.tolist()):
        while changes and changes[0] < instant:
            walk.reach(changes[0])
            walk.happen(changes.popleft())
        walk.reach(instant)
        walk.write(rows[at])
        if areas is not None:
            areas[at] = walk.area_so_far
    return Course(times_h=wanted, values=rows.T, area=None if areas is None else areas.T)


class _Walk:
    """One pass through time."""

    def __init__(self, structure: Structure, epochs: Sequence[Epoch], doses: Sequence[Dose], *, area: bool) -> None:
        self._structure = structure
        self._epochs = [(round(one.from_h, _DIGITS), one) for one in epochs]
        self._starts: dict[float, list[Dose]] = {}
        for dose in doses:
            self._starts.setdefault(round(dose.at_h, _DIGITS), []).append(dose)
        self._rates = _rates(doses)
        self._changes = {*self._starts, *self._rates, *(at for at, _ in self._epochs[1:])}
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
            effect=self._structure.effect,
        )

    @property
    def draws(self) -> int:
        return int(self._body.modes.shape[1])

    @property
    def area_so_far(self) -> Floats | float:
        return 0.0 if self._area is None else self._area

    @property
    def changes(self) -> list[float]:
        """When anything changes."""
        return sorted(self._changes)

    def summed(self, wanted: Floats, marks_h: Sequence[float]) -> Floats | None:
        """All concentrations in one go, (times, draws), where parameters hold throughout and sums lose no digits."""
        if self._structure.effect or len(self._epochs) > 1 or not len(wanted):
            return None
        events = list(self._events(wanted[-1]))
        return concentrations(self._body.where, self._fraction, events, wanted, marks_h=marks_h)

    def _events(self, until_h: float) -> Iterator[Event]:
        rate = 0.0
        for at in self.changes:
            if at > until_h:
                return
            rate = self._rates.get(at, rate)
            whole = [one for one in self._starts.get(at, ()) if not one.over_h]
            swallowed = sum(one.amount_mg for one in whole if one.route == "oral")
            injected = sum(one.amount_mg for one in whole) - swallowed
            yield Event(at_h=at, injected_mg=injected, swallowed_mg=swallowed, rate_mg_per_h=rate)

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
        if self._body.effect is not None:
            row[:] = self._body.effect
        else:
            self._body.write(row)

    def happen(self, instant: float) -> None:
        """What happens at an instant: new parameters first, then doses."""
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
