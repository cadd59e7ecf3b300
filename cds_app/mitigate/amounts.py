"""Checks of an order by what the kidneys filter, and by how much of it is given in a day."""

from __future__ import annotations

from math import inf, isfinite
from typing import Final

from cds_app.domain.facts import Medication
from cds_app.mitigate.filtration import Filtered, Unfiltered, filtration_of
from cds_app.mitigate.findings import Case, Finding, Outcome, Unchecked
from cds_app.mitigate.order_checks import AmountCheck, Filtration, KidneyCheck
from cds_app.simulate.regimens.orders import mass_mg

_NO_DAILY: Final = "no dose in mg at an interval"
_MORE: Final = "more than one dose or interval is said"
_SEVERAL: Final = frozenset({"dosage", "dose", "timing"})


def kidney(check: KidneyCheck, case: Case) -> Outcome:
    """A drug that needs caution at this filtration, or so much of it in a day."""
    if not case.is_one_of(check.drugs):
        return
    found = filtration_of(case.view, check)
    if isinstance(found, Unfiltered):
        if found.dialysis:
            worst = max(one.tier for one in check.filtration)
            yield Finding(
                check=check, tier=worst, why=check.dialysis, evidence=found.dialysis, figure="renal replacement therapy"
            )
        else:
            yield Unchecked(check=check, lacking=found.lacking, said=check.unknown == "say")
        return
    reached = next((one for one in check.filtration if found.value < one.below), None)
    if reached is not None and reached.most_mg_per_day is not None:
        yield from _too_much(check, reached, reached.most_mg_per_day, found, case)
    elif reached is not None:
        yield Finding(check=check, tier=reached.tier, why=f"{reached.why} {found.said}.", evidence=found.evidence)
    elif found.stands_in:
        yield Unchecked(check=check, lacking=f"{found.stands_in} for creatinine clearance", said=False)


def _too_much(check: KidneyCheck, reached: Filtration, most_mg: float, found: Filtered, case: Case) -> Outcome:
    daily_mg = _daily_mg(case.order)
    if daily_mg is None:
        yield Unchecked(check=check, lacking=_NO_DAILY, said=False)
    elif daily_mg > most_mg:
        said = f"{daily_mg:g} mg in 24 h, at most {most_mg:g} mg below {reached.below:g} mL/min."
        why = f"{said} {reached.why} {found.said}."
        figure = f"{daily_mg:g} mg a day, at most {most_mg:g}"
        yield Finding(check=check, tier=reached.tier, why=why, evidence=found.evidence, figure=figure)


def amount(check: AmountCheck, case: Case) -> Outcome:
    """More of a drug in a day than is safe, by weight in the light."""
    if not case.is_one_of(check.drugs):
        return
    daily_mg, weight = _daily_mg(case.order), case.situation.fresh("body_weight")
    if daily_mg is None:
        yield Unchecked(check=check, lacking=_NO_DAILY, said=False)
        return
    if daily_mg > check.most_mg_per_day:
        said = f"{daily_mg:g} mg in 24 h, at most {check.most_mg_per_day:g} mg. {check.why}"
        figure = f"{daily_mg:g} mg, at most {check.most_mg_per_day:g}"
        yield Finding(check=check, tier=check.tier, why=said, figure=figure)
    elif _may_be_more(case.order):
        yield Unchecked(check=check, lacking=_MORE, said=False)
    elif check.light is not None and weight is None:
        yield Unchecked(check=check, lacking="no current weight", said=False)
    elif check.light is not None and weight is not None and weight.value < check.light.below_kg:
        most = check.light.most_mg_per_kg_per_day
        if daily_mg > most * weight.value:
            said = f"{daily_mg / weight.value:.0f} mg/kg in 24 h, below {check.light.below_kg:g} kg at most {most:g}."
            figure = f"{daily_mg / weight.value:.0f} mg/kg, at most {most:g}"
            yield Finding(check=check, tier=check.tier, why=f"{said} {check.why}", evidence=(weight,), figure=figure)


def _daily_mg(order: Medication) -> float | None:
    """The most in 24 h of what is given at an interval, as needed or not; of a single dose that dose.

    None where nothing says it, or a highest dose stands beside it, which may be less.
    """
    dose_mg, dosing = mass_mg(order.dose_value, order.dose_unit), order.dosing
    if dose_mg is None or dosing is None or "maximum" in dosing.unsettled:
        return None
    daily_mg = dose_mg if dosing.once else dose_mg * 24.0 / dosing.interval_h if dosing.interval_h else inf
    return daily_mg if isfinite(daily_mg) else None


def _may_be_more(order: Medication) -> bool:
    """Whether more instructions, doses or intervals are said than the one that was counted."""
    return order.dosing is not None and not _SEVERAL.isdisjoint(order.dosing.unsettled)
