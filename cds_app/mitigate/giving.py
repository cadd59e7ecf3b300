"""Checks of how a draft is given: how much at once, how fast, how concentrated, which way and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cds_app.domain.dosing import Amount, Giving, Way
from cds_app.domain.facts import Measurement, Medication
from cds_app.domain.sentences import sentence
from cds_app.domain.units import is_activity
from cds_app.mitigate.conditions import evaluate
from cds_app.mitigate.findings import Case, Finding, Outcome, Unchecked
from cds_app.mitigate.giving_checks import Above, IntervalCheck, OnceCheck, RateCheck, RouteCheck, StrengthCheck
from cds_app.simulate.regimens.orders import mass_mg

_UNITS: Final = {"[iU]": "units"}
_WAYS: Final[dict[str, Way]] = {"iv": "iv", "oral": "oral", "subcutaneous": "subcutaneous"}
_ROUNDED: Final = 1.0 + 1e-9


def once(check: OnceCheck, case: Case) -> Outcome:
    """A single dose, not what runs at a rate, of more than is safe by its route."""
    order = case.order
    if not case.is_one_of(check.drugs) or len(case.heads) != 1 or (order.dosing is not None and order.dosing.rated):
        return
    for given in givings_of(order):
        value = _value(given.amount, given, check.unit, case)
        if given.runs or given.rate is not None or given.way not in check.routes or value is None:
            continue
        if (found := _too_much(check, value, case)) is not None:
            yield found
            return


def givings_of(order: Medication) -> tuple[Giving, ...]:
    """How an order says that it is given; of one that is no draft, by its elements alone."""
    if order.giving or order.dosing is None:
        return order.giving
    dose_mg, dosing = mass_mg(order.dose_value, order.dose_unit), order.dosing
    dose = None if dose_mg is None else Amount(value=dose_mg, unit="mg")
    return (Giving(way=_WAYS.get(dosing.route, ""), amount=dose, over_h=dosing.over_h, every_h=dosing.interval_h),)


def _too_much(check: OnceCheck, value: float, case: Case) -> Finding | None:
    said, named, ordered = f"{value:g}", _UNITS.get(check.unit, check.unit), _ordered(case)
    if ordered is not None and check.ordered_times is not None:
        usual = ordered.dose_value or 0.0
        if value <= max(check.ordered_from, check.ordered_times * usual):
            return None
        figure = sentence("dose_from_order", value=said, unit=named, ordered=f"{usual:g}")
        why = sentence("figure_and_why", figure=figure, why=check.why)
        return Finding(check=check, tier=check.tier, why=why, figure=figure, beside=(ordered,))
    if value > check.most:
        figure = sentence("dose_most", value=said, unit=named, most=f"{check.most:g}")
        why = sentence("figure_unit_and_why", figure=figure, unit=named, why=check.why)
        return Finding(check=check, tier=check.tier, why=why, figure=figure)
    weight = case.situation.fresh("body_weight")
    if check.most_per_kg is None or weight is None or value <= check.most_per_kg * weight.value * _ROUNDED:
        return None
    figure = sentence("dose_per_kg", value=said, unit=named, per_kg=f"{value / weight.value:.1f}")
    why = sentence("figure_most_and_why", figure=figure, most=f"{check.most_per_kg:g}", why=check.why)
    return Finding(check=check, tier=check.tier, why=why, evidence=(weight,), figure=figure)


def _ordered(case: Case) -> Medication | None:
    """The standing order of the same drug that says the highest dose, in units of activity."""
    rows = [one for head in case.heads for one in case.situation.ordered(head) if one.ref != case.order.ref]
    said = [one for one in rows if one.dose_value and is_activity(one.dose_unit)]
    return max(said, key=lambda one: one.dose_value or 0.0, default=None)


# --- how fast, and how concentrated


def rate(check: RateCheck, case: Case) -> Outcome:
    """More in an hour than is safe; into a vein with nothing said of how fast."""
    if not case.is_one_of(check.drugs):
        return
    for given in givings_of(case.order):
        hourly = _hourly(check, given, case)
        if hourly is not None:
            if (found := _reached(check.levels, hourly, given, case)) is not None:
                yield _above(check, found, hourly, case)
                return
        elif (whole := _unsaid(check, given, case)) is not None:
            yield Unchecked(check=check, lacking=sentence("no_speed"), said=whole > (check.unsaid_above or whole))
            return


def _hourly(check: RateCheck, given: Giving, case: Case) -> float | None:
    if given.rate is not None:
        return _value(given.rate, given, check.unit, case, check.mg_per_unit)
    whole = _value(given.amount, given, check.unit, case, check.mg_per_unit)
    into_a_vein = given.way in ("iv", "")
    return whole / given.over_h if whole is not None and given.over_h and into_a_vein else None


def _unsaid(check: RateCheck, given: Giving, case: Case) -> float | None:
    """How much goes into a vein with nothing said of how fast, where in an hour that is more than the least limit."""
    if given.way != "iv" or given.over_h or given.rate is not None or given.pushed:
        return None
    whole = _value(given.amount, given, check.unit, case, check.mg_per_unit)
    return whole if whole is not None and whole > min(one.above for one in check.levels) else None


def strength(check: StrengthCheck, case: Case) -> Outcome:
    """A solution that holds more than is usual."""
    if not case.is_one_of(check.drugs):
        return
    for given in givings_of(case.order):
        held = None if given.per_ml is None else _in_unit(given.per_ml, check.unit, check.mg_per_unit)
        if held is not None and (found := _reached(check.levels, held, given, case)) is not None:
            yield _above(check, found, held, case)
            return


def _reached(levels: Sequence[Above], value: float, given: Giving, case: Case) -> Above | None:
    """The first level that is exceeded, by this route, in whom its rule holds."""
    weight = case.situation.fresh("body_weight")
    for one in levels:
        if one.per_kg and weight is None:
            continue
        limit = one.above * (weight.value if one.per_kg and weight is not None else 1.0)
        by = not one.routes or given.way in one.routes
        if by and value > limit * _ROUNDED and (one.when is None or evaluate(one.when, case.view).holds):
            return one
    return None


def _above(check: RateCheck | StrengthCheck, level: Above, value: float, case: Case) -> Finding:
    """What was found with its limit; of a strength, which is no limit but what is usual, without."""
    weight = case.situation.fresh("body_weight") if level.per_kg else None
    said, unit = f"{value:g}", _UNITS.get(check.unit, check.unit)
    per_kg = "" if weight is None else f"{value / weight.value:.2g}"
    if isinstance(check, RateCheck):
        figure = sentence("rate", value=said, unit=unit, per_kg=per_kg, most=f"{level.above:g}")
    else:
        figure = sentence("strength", value=said, unit=unit, per_kg=per_kg)
    why = sentence("figure_and_why", figure=figure, why=level.why)
    evidence: tuple[Measurement, ...] = () if weight is None else (weight,)
    return Finding(check=check, tier=level.tier, why=why, evidence=evidence, figure=figure)


def _value(
    amount: Amount | None, given: Giving, unit: str, case: Case, mg_per_unit: float | None = None
) -> float | None:
    """An amount in a unit: of a volume what is in it, for each kg of whose weight is known."""
    if amount is None:
        return None
    if amount.unit == "mL":
        held = None if given.per_ml is None else _in_unit(given.per_ml, unit, mg_per_unit)
        return None if held is None or amount.per_kg else held * amount.value
    value, weight = _in_unit(amount, unit, mg_per_unit), case.situation.fresh("body_weight")
    if value is None or not amount.per_kg:
        return value
    return None if weight is None else value * weight.value


def _in_unit(amount: Amount, unit: str, mg_per_unit: float | None) -> float | None:
    if amount.unit == unit:
        return amount.value
    return amount.value / mg_per_unit if amount.unit == "mg" and mg_per_unit else None


# --- which way, and how often


def route(check: RouteCheck, case: Case) -> Outcome:
    """A way that harms, or no way beside a draft that goes by one."""
    if not case.is_one_of(check.drugs):
        return
    givings = givings_of(case.order)
    if any(one.way in check.routes or (check.pushed and one.pushed and one.way in ("iv", "")) for one in givings):
        if check.when is None or evaluate(check.when, case.view).holds:
            yield Finding(check=check, tier=check.tier, why=check.why)
        return
    if check.beside is None or any(one.way for one in givings):
        return
    others = tuple(_going(check, case.drafts))
    if others:
        yield Finding(check=check, tier=check.beside_tier, why=check.beside, beside=others)


def _going(check: RouteCheck, drafts: Sequence[Medication]) -> Iterator[Medication]:
    return (one for one in drafts if any(given.way in check.routes for given in one.giving))


def interval(check: IntervalCheck, case: Case) -> Outcome:
    """More often than is meant."""
    dosing = case.order.dosing
    if not case.is_one_of(check.drugs) or (dosing is not None and (dosing.once or _is_short(dosing.lasts_h, check))):
        return
    for given in givings_of(case.order):
        by = not check.routes or given.way in ("", *check.routes)
        if by and given.every_h is not None and given.every_h < check.least_h:
            figure = sentence("interval", every_h=f"{given.every_h:g}", least_h=f"{check.least_h:g}")
            yield Finding(check=check, tier=check.tier, why=check.why, figure=figure)
            return


def _is_short(lasts_h: float | None, check: IntervalCheck) -> bool:
    return lasts_h is not None and lasts_h <= check.course_h
