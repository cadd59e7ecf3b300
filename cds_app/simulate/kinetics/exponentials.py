"""Concentrations as sums of exponentials between one event and the next, for all times and draws at once.

What decays is kept apart from what an infusion holds up: each mode falls towards its share of the steady state, and a
dose swallowed is one more exponential, at the rate of absorption. Where two rates meet, or a mode hardly decays, such
sums cancel: nothing is found then, and `cds_app.simulate.kinetics.courses` goes step by step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.simulate.kinetics.disposition import Disposition

_BLOCK: Final = 2000  # draws at a time, as many as the nearest memory holds
_SMALL: Final = 1 << 18  # numbers: two megabytes
_DIGITS: Final = 9
_APART: Final = 1e-4  # of the rate of absorption: four of sixteen digits are lost at most
_SLOWEST: Final = 1e-5  # per hour: a slower mode has no steady state to speak of


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happens at an instant: doses, and the rate at which infusions run from then on; perhaps nothing."""

    at_h: float
    injected_mg: float = 0.0
    swallowed_mg: float = 0.0
    rate_mg_per_h: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """Exponentials of some draws: their rates, and what a mg injected, a mg swallowed and a mg/h infused add to each.

    All (exponentials, draws); ``held`` (draws,) is the concentration that an infusion of 1 mg/h keeps up.
    """

    rates: Floats
    injected: Floats
    swallowed: Floats
    infused: Floats
    held: Floats

    def only(self, some: slice) -> _Basis:
        return _Basis(
            rates=np.ascontiguousarray(self.rates[:, some]),
            injected=self.injected[:, some],
            swallowed=self.swallowed[:, some],
            infused=self.infused[:, some],
            held=self.held[some],
        )


def concentrations(
    where: Disposition,
    fraction: Floats | float,
    events: Sequence[Event],
    times_h: Floats,
    *,
    marks_h: Sequence[float] = (),
) -> Floats | None:
    """Central concentrations, mg/L, (times, draws); at the instant of an event, just before it.

    Parameters
    ----------
    where : Disposition
    fraction : ndarray (draws,) or float
        Of what is swallowed, that is absorbed.
    events : sequence of Event
        Ascending.
    times_h : ndarray (times,)
        Ascending.
    marks_h : sequence of float
        Where nothing happens, but from where equal lengths of time come again: each is worked out once.

    Returns
    -------
    ndarray or None
        None where a sum of exponentials would lose digits, absorption has more than one step, or many draws of
        a drug without absorption are as soon done step by step.
    """
    many = where.rates.size * (len(events) + len(times_h)) > _SMALL
    if many and not where.steps:
        return None
    basis = _basis(where, fraction, infused=any(one.rate_mg_per_h for one in events))
    if basis is None:
        return None
    found = np.zeros((len(times_h), basis.rates.shape[1]))
    if not events:
        return found
    if many:
        events = list(_marked(events, marks_h))
    at = np.array([one.at_h for one in events])
    since = np.searchsorted(at, times_h) - 1
    first = int(np.searchsorted(since, 0))
    lengths = np.round(np.concatenate([np.diff(at, prepend=at[0]), times_h[first:] - at[since[first:]]]), _DIGITS)
    for low in range(0, found.shape[1], _BLOCK):
        some = slice(low, low + _BLOCK)
        _fill(found[first:, some], basis.only(some), events, since[first:], lengths)
    return found


def _marked(events: Sequence[Event], marks_h: Sequence[float]) -> Iterator[Event]:
    """Events, and after the first of them marks, each with the rate that holds there."""
    known = {one.at_h: one for one in events}
    rate, first = 0.0, events[0].at_h
    for at in sorted({*known, *(round(one, _DIGITS) for one in marks_h if one > first)}):
        one = known.get(at) or Event(at_h=at, rate_mg_per_h=rate)
        rate = one.rate_mg_per_h
        yield one


def _basis(where: Disposition, fraction: Floats | float, *, infused: bool) -> _Basis | None:
    if where.steps > 1 or (infused and where.rates.min(initial=np.inf) < _SLOWEST):
        return None
    nothing = np.zeros_like(where.shares)
    steady = where.shares / where.rates if infused else nothing
    held = steady.sum(axis=0)
    if not where.steps:
        return _Basis(rates=where.rates, injected=where.shares, swallowed=nothing, infused=-steady, held=held)
    apart = where.chain_rate - where.rates
    if (np.abs(apart) < _APART * where.chain_rate).any():
        return None
    enters = fraction * where.shares * where.chain_rate / apart
    none = nothing[:1]
    return _Basis(
        rates=np.concatenate([where.rates, where.chain_rate[None]]),
        injected=np.concatenate([where.shares, none]),
        swallowed=np.concatenate([enters, -enters.sum(axis=0, keepdims=True)]),
        infused=np.concatenate([-steady, none]),
        held=held,
    )


def _fill(rows: Floats, basis: _Basis, events: Sequence[Event], since: NDArray[np.intp], lengths: Floats) -> None:
    """Rows of one block of draws; ``lengths``: to each event from the one before, then to each time from its event."""
    if basis.rates.size * len(lengths) <= _SMALL:
        unique, back = np.unique(lengths, return_inverse=True)
        decays = np.exp(-unique[:, None, None] * basis.rates)
        states = np.stack(list(_states(basis, events, decays[back[: len(events)]])))
        np.einsum("tnd,tnd->td", states[since], decays[back[len(events) :]], out=rows)
        rows += np.array([one.rate_mg_per_h for one in events])[since, None] * basis.held
        return
    seen = _Decays(basis.rates, lengths)
    ends = np.searchsorted(since, np.arange(len(events)), side="right").tolist()
    states_of = _states(basis, events, (seen.over(one) for one in lengths[: len(events)].tolist()))
    times, at, spare = lengths[len(events) :].tolist(), 0, np.empty_like(basis.rates)
    for event, state, end in zip(events, states_of, ends, strict=True):
        for row in range(at, end):
            _added(np.multiply(state, seen.over(times[row]), out=spare), rows[row])
        if event.rate_mg_per_h:
            rows[at:end] += event.rate_mg_per_h * basis.held
        at = end


def _added(parts: Floats, row: Floats) -> None:
    """The sum of a few rows: twice as fast as ``np.sum``."""
    if len(parts) == 1:
        row[:] = parts[0]
        return
    np.add(parts[0], parts[1], out=row)
    for one in parts[2:]:
        np.add(row, one, out=row)


def _states(basis: _Basis, events: Sequence[Event], decays: Iterable[Floats]) -> Iterator[Floats]:
    """What decays after each event, (exponentials, draws)."""
    state, rate = np.zeros_like(basis.rates), 0.0
    for event, decay in zip(events, decays, strict=True):
        state = state * decay
        if event.injected_mg:
            state += event.injected_mg * basis.injected
        if event.swallowed_mg:
            state += event.swallowed_mg * basis.swallowed
        if event.rate_mg_per_h != rate:
            state += (event.rate_mg_per_h - rate) * basis.infused
            rate = event.rate_mg_per_h
        yield state


class _Decays:
    """What is left after a length of time; of lengths that come again, worked out once."""

    def __init__(self, rates: Floats, lengths: Floats) -> None:
        self._falls = -rates
        self._often = Counter(lengths.tolist())
        self._kept: dict[float, Floats] = {}
        self._spare = np.empty_like(rates)

    def over(self, length_h: float) -> Floats:
        kept = self._kept.get(length_h)
        if kept is not None:
            return kept
        again = self._often[length_h] > 1
        found = np.empty_like(self._spare) if again else self._spare
        np.multiply(self._falls, length_h, out=found)
        np.exp(found, out=found)
        if again:
            self._kept[length_h] = found
        return found
