"""Refusals: what is not simulated, and why. A named result that names the field and the limit, never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from cds_app.domain.ontology import Ontology

_DAY_H: Final = 24.0
_HOUR_MIN: Final = 60.0
_QUANTITIES: Final = {"glucose_mg_dl": "glucose", "creatinine_mg_dl": "creatinine", "scr": "creatinine"}
"""Fields whose limits are told in the units that a site reads: models are in the canonical ones."""
_SPAN: Final = re.compile(r"must be (?P<low>\S+) to (?P<high>\S+) (?P<unit>\S+)")


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
    """

    field: str
    limit: str
    beyond: bool = False


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
    found = _SPAN.match(one.limit) if ontology.measuring(quantity) else None
    if found is None or ontology.quantity(quantity).chosen is None:
        return one
    told = ontology.quantity(quantity).told
    low, high = told.limit(float(found["low"]), float(found["high"]))
    return replace(one, limit=f"must be {low} to {high} {told.text}{one.limit[found.end() :]}")


def outside(field: str, value: float | None, low: float, high: float, unit: str) -> tuple[Refusal, ...]:
    """A refusal if a number is missing, not finite or outside its limits; limits themselves are inside."""
    if value is not None and low <= value <= high:
        return ()
    return (Refusal(field=field, limit=f"must be {low:g} to {high:g} {unit}".rstrip()),)
