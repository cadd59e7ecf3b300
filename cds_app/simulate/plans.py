"""Regimens: what is given when, by which way and for how long, with the checks that come before any arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Final, Literal

from cds_app.simulate.refusals import Refusal

Route = Literal["iv", "oral"]
ROUTES: Final = ("iv", "oral")
MAX_DOSES: Final = 2000
MAX_HORIZON_H: Final = 24.0 * 120.0
SHORTEST_H: Final = 1.0 / 3600.0
_TOUCHING_H: Final = 1e-6
_TWICE: Final = (
    "two doses are alike in amount, time and length: one that stands there under two identities must be recorded once"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """One administration.

    Parameters
    ----------
    at_h : float
        Start, hours from now; negative: given already.
    amount_mg : float
        Of what the order names (racemic warfarin, not S-warfarin).
    over_h : float
        Length of an infusion; 0: a bolus, or swallowed.
    route : {"iv", "oral"}
    """

    at_h: float
    amount_mg: float
    over_h: float = 0.0
    route: Route = "iv"

    @property
    def end_h(self) -> float:
        """When it is in."""
        return self.at_h + self.over_h


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Doses in order of time, under a name.

    Parameters
    ----------
    name : str
    doses : tuple of Dose
        None of them: no further dose is given.
    interval_h : float or None
        Of a regular plan: what a steady state refers to.
    amount_mg : float or None
        Of a regular plan: the dose that is repeated.
    """

    name: str
    doses: tuple[Dose, ...]
    interval_h: float | None = None
    amount_mg: float | None = None

    @property
    def daily_mg(self) -> float | None:
        """Of a regular plan, mg in 24 h."""
        if self.interval_h is None or self.amount_mg is None:
            return None
        return self.amount_mg * 24.0 / self.interval_h


@dataclass(frozen=True, slots=True, kw_only=True)
class Regimen:
    """The same dose at the same interval, perhaps after a loading dose.

    Parameters
    ----------
    name : str
    amount_mg, interval_h : float
    over_h : float
        Length of each infusion; the loading dose runs at the same rate.
    route : {"iv", "oral"}
    start_h : float
        First dose, hours from now.
    loading_mg : float or None
        Given instead of the first dose.
    """

    name: str
    amount_mg: float
    interval_h: float
    over_h: float = 0.0
    route: Route = "iv"
    start_h: float = 0.0
    loading_mg: float | None = None

    def until(self, horizon_h: float) -> Plan:
        """The doses that start before the horizon."""
        count = max(1, _count(horizon_h - self.start_h, self.interval_h))
        first = self._dose(self.start_h, self.loading_mg or self.amount_mg)
        rest = (self._dose(self.start_h + n * self.interval_h, self.amount_mg) for n in range(1, count))
        return Plan(name=self.name, doses=(first, *rest), interval_h=self.interval_h, amount_mg=self.amount_mg)

    def _dose(self, at_h: float, amount_mg: float) -> Dose:
        over_h = self.over_h * amount_mg / self.amount_mg
        return Dose(at_h=at_h, amount_mg=amount_mg, over_h=over_h, route=self.route)

    def problems(self, where: str, horizon_h: float) -> tuple[Refusal, ...]:
        """What keeps this from being a plan at all, asked before doses are laid out."""
        found = []
        for field, value in (("amount_mg", self.amount_mg), ("interval_h", self.interval_h)):
            if not (isfinite(value) and value > 0.0):
                found.append(Refusal(field=f"{where}.{field}", limit="must be a number above 0"))
        if self.loading_mg is not None and not (isfinite(self.loading_mg) and self.loading_mg > 0.0):
            found.append(Refusal(field=f"{where}.loading_mg", limit="must be a number above 0"))
        if not (isfinite(self.start_h) and 0.0 <= self.start_h < horizon_h):
            found.append(Refusal(field=f"{where}.start_h", limit=f"must be from 0 to before {horizon_h:g} h"))
        if not found and _count(horizon_h - self.start_h, self.interval_h) > MAX_DOSES:
            found.append(Refusal(field=f"{where}.interval_h", limit=f"must make at most {MAX_DOSES} doses"))
        return tuple(found)


def _count(span_h: float, interval_h: float) -> int:
    """Doses that start within a span; one too many stands for however many more."""
    whole = int(min(span_h / interval_h, MAX_DOSES + 1))
    return whole + (span_h - whole * interval_h > _TOUCHING_H)


def dose_problems(doses: Sequence[Dose], where: str, routes: Sequence[str]) -> tuple[Refusal, ...]:
    """Everything wrong with doses taken on their own: amounts, times, ways, infusions that overlap."""
    if len(doses) > MAX_DOSES:
        return (Refusal(field=where, limit=f"must be at most {MAX_DOSES}"),)
    found = [one for n, dose in enumerate(doses) for one in _own_problems(dose, f"{where}.{n}", routes)]
    return tuple(found) if found else tuple(_overlaps(doses, where))


def _own_problems(dose: Dose, where: str, routes: Sequence[str]) -> Iterator[Refusal]:
    if not (isfinite(dose.amount_mg) and dose.amount_mg > 0.0):
        yield Refusal(field=f"{where}.amount_mg", limit="must be a number above 0")
    if not (isfinite(dose.at_h) and abs(dose.at_h) <= MAX_HORIZON_H):
        yield Refusal(field=f"{where}.at_h", limit=f"must be within {MAX_HORIZON_H:g} h of now")
    if dose.route not in routes:
        yield Refusal(field=f"{where}.route", limit=f"must be {' or '.join(routes)}")
    elif dose.route == "oral" and dose.over_h:
        yield Refusal(field=f"{where}.over_h", limit="must be 0 for what is swallowed")
    elif not (isfinite(dose.over_h) and 0.0 <= dose.over_h <= MAX_HORIZON_H):
        yield Refusal(field=f"{where}.over_h", limit=f"must be 0 to {MAX_HORIZON_H:g} h")
    elif 0.0 < dose.over_h < SHORTEST_H:
        yield Refusal(field=f"{where}.over_h", limit="must be 0, or a second at least")


def _overlaps(doses: Sequence[Dose], where: str) -> Iterator[Refusal]:
    infusions = sorted((one for one in doses if one.over_h > 0.0), key=lambda one: one.at_h)
    for before, after in pairwise(infusions):
        if after.at_h < before.end_h - _TOUCHING_H:
            yield Refusal(field=where, limit=_TWICE if _alike(before, after) else "infusions must not overlap")
            return
    boluses = sorted((one for one in doses if one.over_h == 0.0), key=lambda one: (one.at_h, one.amount_mg))
    for before, after in pairwise(boluses):
        if after.at_h - before.at_h < _TOUCHING_H:
            limit = _TWICE if _alike(before, after) else "two doses must not start at the same time"
            yield Refusal(field=where, limit=limit)
            return


def _alike(one: Dose, other: Dose) -> bool:
    apart = (one.at_h - other.at_h, one.end_h - other.end_h, one.amount_mg - other.amount_mg)
    return max(map(abs, apart)) < _TOUCHING_H and one.route == other.route
