"""Orders as regular plans, and why some are none: what a dosage leaves open is refused by field, never supposed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from cds_app.domain.dosing import Dosing, Open
from cds_app.domain.facts import Medication
from cds_app.domain.units import mg_per
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.patients import Patient
from cds_app.simulate.plans import Regimen
from cds_app.simulate.refusals import Refusal

_UNSETTLED: Final[Mapping[Open, str]] = {
    "dosage": "must be one instruction, not several",
    "dose": "must be one amount in mg, g or ug, in which unit and code agree",
    "maximum": "stands beside it and might be exceeded: what is given is not known",
    "timing": "must be one regular interval, not a range, two that differ, or hours of the day that are not even",
    "length": "must be one length of time, or a rate in the unit of the dose in a time",
}
"""What keeps an order from being a regular plan, by what its dosage leaves open."""


def regimen_of(order: Medication, drug: Drug, now: datetime, *, name: str) -> Regimen | tuple[Refusal, ...]:
    """A draft or standing order as a regular plan from now on, or everything that it leaves open.

    Parameters
    ----------
    order : Medication
        Of this drug.
    """
    dosing = order.dosing or Dosing()
    amount_mg, interval_h, said = mass_mg(order.dose_value, order.dose_unit), dosing.interval_h, dosing.route
    found = [Refusal(field=f"order.{one}", limit=_UNSETTLED[one], beyond=True) for one in dosing.unsettled]
    if amount_mg is None and "dose" not in dosing.unsettled:
        found.append(Refusal(field="order.dose", limit="needs an amount in mg, g or ug"))
    if dosing.as_needed or (interval_h is None and "timing" not in dosing.unsettled):
        found.append(Refusal(field="order.timing", limit="needs a regular interval", beyond=dosing.as_needed))
    found.extend(_short(dosing, drug, now))
    if said not in ("", *drug.file.routes):
        found.append(Refusal(field="order.route", limit=f"must be {' or '.join(drug.file.routes)}", beyond=True))
    if found or amount_mg is None or interval_h is None:
        return tuple(found)
    route = drug.file.routes[0] if said == "" else ("iv" if said == "iv" else "oral")
    known = dosing.over_h
    over_h = (drug.file.usual_infusion_h if known is None else known) if route == "iv" else 0.0
    return Regimen(name=name, amount_mg=amount_mg, interval_h=interval_h, over_h=over_h, route=route)


def _short(dosing: Dosing, drug: Drug, now: datetime) -> Iterator[Refusal]:
    """A course that ends before the simulation does: what a regular plan reaches is not what it reaches."""
    begins = now if dosing.start is None else max(now, dosing.start)
    ends_h = [] if dosing.end is None else [hours(begins, dosing.end)]
    ends_h += [] if dosing.lasts_h is None else [dosing.lasts_h]
    if dosing.once or min(ends_h, default=drug.file.horizon_h) < drug.file.horizon_h:
        least = f"{drug.file.horizon_h:g} h"
        limit = f"must go on for {least} at least: a shorter one is not simulated as a regular plan"
        yield Refusal(field="order.course", limit=limit, beyond=True)
    if dosing.start_day is not None and dosing.start_day > now:
        yield Refusal(field="order.start_h", limit="must be a time: on which hour of a later day is not said")


def next_due_h(patient: Patient, interval_h: float) -> float:
    """When the next dose of a regular plan is due after what was given, hours from now; 0 if it is overdue."""
    last = max((one.at_h for one in patient.history), default=None)
    running = max((one.end_h for one in patient.history), default=0.0)
    return max(0.0, running, 0.0 if last is None else last + interval_h)


def mass_mg(value: float | None, unit: str) -> float | None:
    """An amount in mg; None for any unit that is no mass (``mL``, ``mg/kg``, ``{dose}``, none)."""
    factor = mg_per(unit)
    return None if value is None or factor is None else value * factor


def hours(since: datetime, at: datetime) -> float:
    """From one instant to another; negative backwards."""
    return (at - since).total_seconds() / 3600.0
