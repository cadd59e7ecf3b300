"""Refusals: what is not simulated, and why. A named result that names the field and the limit, never a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from cds_app.domain.ontology import Ontology

_DAY_H: Final = 24.0
_HOUR_MIN: Final = 60.0
_QUANTITIES: Final = {"glucose_mg_dl": "glucose", "creatinine_mg_dl": "creatinine", "scr": "creatinine"}
"""Fields whose limits are told in the units that a site reads: models are in the canonical ones."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which numbers would be accepted: ``low`` to ``high``, themselves included, in a model's ``unit`` ("": none)."""

    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"must be {self.low:g} to {self.high:g} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason for which something is not simulated.

    Parameters
    ----------
    field : str
        What is wrong, as a path: ``plans.0.doses.1.amount_mg``, ``covariates.weight_kg``, ``levels.0.at_h``.
    limit : str
        What would be accepted, or why this cannot be, in plain English.
    beyond : bool
        Whether what is asked is of another kind than what is simulated, so that nothing that anybody could measure or
        write down would make it possible.
    span : Span, optional
        The numbers with which ``limit`` begins, where it is one of numbers.
    """

    field: str
    limit: str
    beyond: bool = False
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No simulation, and every reason.

    Parameters
    ----------
    subject : str
        What was asked for: the drug.
    reasons : tuple of Refusal
        Never empty.
    """

    subject: str
    reasons: tuple[Refusal, ...]


def aged(hours: float) -> str:
    """A length of time as it is said of a measurement: ``40 min``, ``30 h``, ``9 days``."""
    if hours >= 2.0 * _DAY_H:
        return f"{hours / _DAY_H:.0f} days"
    return f"{hours * _HOUR_MIN:.0f} min" if hours < 2.0 else f"{hours:.0f} h"


def told(refusals: Iterable[Refusal], ontology: Ontology) -> tuple[Refusal, ...]:
    """Refusals with their limits in the units in which the ontology has them told."""
    return tuple(_told(one, ontology) for one in refusals)


def _told(one: Refusal, ontology: Ontology) -> Refusal:
    quantity = _QUANTITIES.get(one.field.rpartition(".")[2].lower(), "")
    chosen = ontology.quantity(quantity).chosen if ontology.measuring(quantity) else None
    if one.span is None or chosen is None:
        return one
    return replace(one, limit=one.limit.replace(str(one.span), f"must be {chosen.span(one.span.low, one.span.high)}"))


def outside(field: str, value: float | None, low: float, high: float, unit: str) -> tuple[Refusal, ...]:
    """A refusal if a number is missing, not finite or outside its limits; limits themselves are inside."""
    if value is not None and low <= value <= high:
        return ()
    span = Span(low, high, unit)
    return (Refusal(field=field, limit=str(span), span=span),)
