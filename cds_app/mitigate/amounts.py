"""Checks of an order by what the kidneys filter, and by how much of it is given in a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf, isfinite
from typing import Final

from cds_app.domain.dosing import Daily
from cds_app.domain.facts import Medication
from cds_app.domain.ontology import Ontology
from cds_app.domain.sentences import sentence
from cds_app.mitigate.conditions import evaluate
from cds_app.mitigate.filtration import Dialysed, Filtered, Unfiltered, filtration_of
from cds_app.mitigate.findings import Case, Finding, Outcome, Unchecked
from cds_app.mitigate.order_checks import AmountCheck, Filtration, KidneyCheck
from cds_app.score.allergies import most_specific
from cds_app.score.chronology import is_single
from cds_app.simulate.regimens.orders import mass_mg

_NO_DAILY: Final = sentence("no_daily")
_DAY_H: Final = 24.0
_DAY: Final = timedelta(hours=_DAY_H)
_ROUNDED: Final = 1.0 + 1e-9
"""Parts of a sum may not be exact."""
_SEVERAL: Final = frozenset({"dosage", "dose", "timing"})


def kidney(check: KidneyCheck, case: Case) -> Outcome:
    """A drug that needs caution at this filtration, or so much of it in a day."""
    if not case.is_one_of(check.drugs):
        return
    found = filtration_of(case.view, check)
    if isinstance(found, Dialysed):
        worst, figure = max(one.tier for one in check.filtration), sentence("renal_therapy_figure")
        yield Finding(check=check, tier=worst, why=check.dialysis, evidence=found.evidence, figure=figure)
        return
    if isinstance(found, Unfiltered):
        yield Unchecked(check=check, lacking=found.lacking, said=check.unknown == "say")
        return
    reached = next((one for one in check.filtration if found.value < one.below), None)
    if reached is not None and reached.most_mg_per_day is not None:
        yield from _too_much(check, reached, reached.most_mg_per_day, found, case)
    elif reached is not None:
        why = sentence("why_and_found", why=reached.why, found=found.said)
        yield Finding(check=check, tier=reached.tier, why=why, evidence=found.evidence)
    elif found.stands_in:
        yield Unchecked(check=check, lacking=sentence("no_weight_for_clearance"), said=False)


def _too_much(check: KidneyCheck, reached: Filtration, most_mg: float, found: Filtered, case: Case) -> Outcome:
    daily_mg = daily_mg_of(case.order, check.drugs, case.situation.ontology)
    if daily_mg is None:
        yield Unchecked(check=check, lacking=_NO_DAILY, said=False)
    elif daily_mg > most_mg:
        mg, most, below = f"{daily_mg:g}", f"{most_mg:g}", f"{reached.below:g}"
        why = sentence("daily_in_renal", mg=mg, most=most, below=below, why=reached.why, filtration=found.said)
        figure = sentence("daily_in_renal_figure", mg=mg, most=most)
        yield Finding(check=check, tier=reached.tier, why=why, evidence=found.evidence, figure=figure)


def amount(check: AmountCheck, case: Case) -> Outcome:
    """More of a drug in a day than is safe, by weight in the light, with what is ordered or drafted beside it."""
    if not case.is_one_of(check.drugs) or _on_the_spot(case.order) or _otherwise(check, case.order):
        return
    if check.when is not None and not evaluate(check.when, case.view).holds:
        return
    own_mg = daily_mg_of(case.order, check.drugs, case.situation.ontology)
    if own_mg is None:
        yield _at_once(check, case) or Unchecked(check=check, lacking=_NO_DAILY, said=False)
        return
    beside = _beside(check, case)
    counted = tuple(one for one, mg in beside if mg is not None)
    together = _Together(mg=own_mg + sum(mg for _, mg in beside if mg is not None), own_mg=own_mg, beside=counted)
    found = _above(check, together, case)
    if found is not None:
        yield found
        return
    if len(counted) < len(beside):
        yield Unchecked(check=check, lacking=sentence("no_other_daily"), said=False)
    if _may_be_more(case.order):
        yield Unchecked(check=check, lacking=sentence("several_doses"), said=False)
    elif check.light is not None and case.situation.fresh("body_weight") is None:
        yield Unchecked(check=check, lacking=sentence("no_weight"), said=False)


def _otherwise(check: AmountCheck, order: Medication) -> bool:
    """Whether every instruction gives it by a route that the check says nothing of."""
    return bool(order.giving) and all(one.way in check.but for one in order.giving)


def _at_once(check: AmountCheck, case: Case) -> Finding | None:
    """A single dose that is more than is safe in a day, of which nobody says how often it is given."""
    order = case.order
    dose_mg = mass_mg(order.dose_value, order.dose_unit) if len(case.heads) == 1 else None
    told = order.dosing is not None and order.dosing.interval_h is not None
    if not check.at_once or told or dose_mg is None or dose_mg <= check.most_mg_per_day:
        return None
    mg, most = f"{dose_mg:g}", f"{check.most_mg_per_day:g}"
    why, figure = sentence("at_once", mg=mg, most=most, why=check.why), sentence("at_once_figure", mg=mg, most=most)
    return Finding(check=check, tier=check.tier, why=why, figure=figure)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Together:
    """What a draft and what stands beside it come to in 24 h, mg."""

    mg: float
    own_mg: float
    beside: tuple[Medication, ...]

    def over(self, most_mg: float) -> tuple[float, tuple[Medication, ...]] | None:
        """The draft's own amount where that is too much already, else all of it; None where it is not too much."""
        if self.own_mg > most_mg:
            return self.own_mg, ()
        return (self.mg, self.beside) if self.mg > most_mg * _ROUNDED else None


def _above(check: AmountCheck, together: _Together, case: Case) -> Finding | None:
    weight, light = case.situation.fresh("body_weight"), check.light
    of = case.label(check.drugs[0]) if len(case.heads) > 1 else ""
    if (found := together.over(check.most_mg_per_day)) is not None:
        beside, mg, most = found[1], f"{found[0]:g}", f"{check.most_mg_per_day:g}"
        why = sentence("daily", drug=of, mg=mg, together=bool(beside), most=most, why=check.why)
        figure = sentence("daily_figure", drug=of, mg=mg, together=bool(beside), most=most)
        return Finding(check=check, tier=check.tier, why=why, beside=beside, figure=figure)
    if light is None or weight is None or weight.value >= light.below_kg:
        return None
    if (found := together.over(light.most_mg_per_kg_per_day * weight.value)) is not None:
        beside, mg, most = found[1], f"{found[0] / weight.value:.0f}", f"{light.most_mg_per_kg_per_day:g}"
        below = f"{light.below_kg:g}"
        why = sentence("daily_per_kg", drug=of, mg=mg, together=bool(beside), below=below, most=most, why=check.why)
        figure = sentence("daily_per_kg_figure", drug=of, mg=mg, together=bool(beside), most=most)
        return Finding(check=check, tier=check.tier, why=why, evidence=(weight,), beside=beside, figure=figure)
    return None


def _beside(check: AmountCheck, case: Case) -> tuple[tuple[Medication, float | None], ...]:
    """Other orders and drafts of the drug that go on beside it, each once, with what each comes to in 24 h.

    None of what goes on beside it for less than a day, and so adds less than that.
    """
    ontology, now = case.situation.ontology, case.situation.now
    ordered = (one for drug in check.drugs for one in case.others(drug, _DAY_H) if one.source == "request")
    drafted = (one for one in case.drafts if not frozenset(check.drugs).isdisjoint(one.concepts))
    rows = {one.ref: one for one in (*ordered, *drafted) if not _on_the_spot(one)}.values()
    shared = ((one, _shared_h(case.order, one, now)) for one in rows)
    return tuple(
        (one, daily_mg_of(one, check.drugs, ontology) if hours >= _DAY_H or is_single(one) else None)
        for one, hours in shared
        if hours > 0.0
    )


def _shared_h(one: Medication, other: Medication, now: datetime) -> float:
    """For how long two orders go on beside each other, at most a day; a single dose counts for a day."""
    begins = max(now, *(_begins(each, now) for each in (one, other)))
    ends = min(begins + _DAY, *(begins + _DAY if each.end is None else each.end for each in (one, other)))
    return (ends - begins).total_seconds() / 3600.0


def _begins(order: Medication, now: datetime) -> datetime:
    start = order.dosing.start if order.dosing is not None else None
    return now if start is None else start


def _on_the_spot(order: Medication) -> bool:
    """Whether what is given acts where it is put: little of that is taken up."""
    return order.dosing is not None and order.dosing.route == "local"


def daily_mg_of(order: Medication, drugs: Sequence[str], ontology: Ontology) -> float | None:
    """The most in 24 h of one of some drugs that an order says, as needed or not; of a single dose that dose.

    None where nothing says it, where a highest dose stands beside it, which may be less, and of a mixture of which only
    one amount is said: of which part is not known.
    """
    said = [one.mg for one in order.daily if not frozenset(drugs).isdisjoint(one.concepts) and _is_one(one, ontology)]
    if len(most_specific(order.concepts, ontology)) == 1 and (coded := _coded_mg(order)) is not None:
        return coded
    return said[0] if len(said) == 1 else None


def _is_one(daily: Daily, ontology: Ontology) -> bool:
    return len(most_specific(daily.concepts, ontology)) == 1


def _coded_mg(order: Medication) -> float | None:
    dose_mg, dosing = mass_mg(order.dose_value, order.dose_unit), order.dosing
    if dose_mg is None or dosing is None or "maximum" in dosing.unsettled:
        return None
    daily_mg = dose_mg if dosing.once else dose_mg * 24.0 / dosing.interval_h if dosing.interval_h else inf
    return daily_mg if isfinite(daily_mg) else None


def _may_be_more(order: Medication) -> bool:
    """Whether more instructions, doses or intervals are said than the one that was counted."""
    return order.dosing is not None and not _SEVERAL.isdisjoint(order.dosing.unsettled)
