"""What a card about a dose says, once more for machines: targets, harms, plans, models, and what makes it again."""

from __future__ import annotations

from typing import Any, Final

from cds_app.mitigate.doses import Dosed, Undosed
from cds_app.simulate.plans import Regimen
from cds_app.simulate.regimens.answers import ModelUse, PlanOutcome
from cds_app.simulate.regimens.outcomes import Spread

_DECIMALS: Final = 4


def dose_numbers(one: Dosed) -> dict[str, Any]:
    """Targets, harms, plans, models with their weights, and what makes it again: draws and seed."""
    found, target = one.answer, one.target
    said: dict[str, Any] = {
        "order": one.order.ref,
        "drug": one.drug.name,
        "simulation": {
            "draws": found.draws,
            "seed": found.seed,
            "version": found.version,
            "sha256": found.sha256,
            "goal": found.goal,
            "target": {
                "metric": target.metric,
                "low": target.low,
                "high": target.high,
                "unit": target.unit,
                "says": target.says,
                "needsReview": target.needs_review,
            },
            "lowPoints": round(100.0 * one.rule.low, _DECIMALS),
            "gainPoints": round(100.0 * one.rule.gain, _DECIMALS),
            "plansLookedAt": one.offers,
            "recommended": one.better.name if one.better is not None else None,
            "gain": _gain_said(one),
            "plans": [_plan_said(one.plans[each.name], each) for each in found.plans],
            "models": [_model_said(each) for each in found.models],
            "leftOut": [
                {"model": name, "reasons": [f"{each.field}: {each.limit}" for each in reasons]}
                for name, reasons in found.left_out
            ],
            "doses": found.doses,
            "levels": found.levels,
            "grounds": list(one.charted.facts),
            "remarks": [*found.remarks, *one.charted.remarks],
        },
    }
    return {key: bare(inner) for key, inner in said.items()}


def excess_numbers(one: Undosed) -> dict[str, Any]:
    """What a card about a dose above every limit says."""
    return {**undosed_numbers(one), "highestDose": one.highest.amount, "highestDoseUnit": one.highest.unit}


def undosed_numbers(one: Undosed) -> dict[str, Any]:
    """What a card about a dose that was not simulated says."""
    return {
        "order": one.order.ref,
        "drug": one.drug,
        "notSimulated": [f"{each.field}: {each.limit}" for each in one.reasons],
    }


def _gain_said(one: Dosed) -> dict[str, float] | None:
    gain = one.answer.gain
    if gain is None or one.better is None:
        return None
    return {"points": points(gain.probability), "low90": points(gain.low90), "high90": points(gain.high90)}


def _plan_said(plan: Regimen, outcome: PlanOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "doseMg": plan.amount_mg,
        "intervalHours": plan.interval_h,
        "overHours": round(plan.over_h, _DECIMALS),
        "startHours": round(plan.start_h, _DECIMALS),
        "route": plan.route,
        "target": None if outcome.target is None else points(outcome.target.probability),
        "targetByModel": {name: points(share) for name, share in outcome.target_by_model.items()},
        "harms": [
            {
                "says": harm.says,
                "points": points(harm.chance.probability),
                "limit": points(harm.at_most),
                "needsReview": harm.needs_review,
            }
            for harm in outcome.harms
        ],
        "auc24": _spread_said(outcome.auc24_steady),
        "trough": _spread_said(outcome.trough),
        "outside": [f"{each.field}: {each.limit}" for each in outcome.outside],
    }


def _model_said(each: ModelUse) -> dict[str, Any]:
    return {
        "name": each.name,
        "version": each.version,
        "sha256": each.sha256,
        "weight": round(each.weight, _DECIMALS),
        "draws": each.draws,
        "effectiveDraws": round(each.effective_draws, 1),
        "needsReview": each.needs_review,
    }


def _spread_said(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    rows = {"median": spread.median, "low90": spread.low90, "high90": spread.high90}
    return {name: round(value, _DECIMALS) for name, value in rows.items()}


def points(share: float) -> float:
    """In 100."""
    return round(100.0 * share, _DECIMALS)


def bare(value: Any) -> Any:
    """Without what is empty: the wire knows no null."""
    if isinstance(value, dict):
        told = {key: bare(inner) for key, inner in value.items()}
        return {key: inner for key, inner in told.items() if inner is not None and inner not in ("", [], {})}
    return [bare(inner) for inner in value] if isinstance(value, list) else value
