"""What a card about drafted insulin says, once more for machines."""

from __future__ import annotations

from typing import Any, Final

from cds_app.cards.dose_numbers import bare, points
from cds_app.mitigate.insulin import NONE, Injection
from cds_app.simulate.glucose.what_if import InsulinOutcome

_DECIMALS: Final = 4


def insulin_numbers(one: Injection) -> dict[str, Any]:
    """Range, harms, doses, virtual people with their weights, and what makes it again: nothing in it is chance."""
    found, rules, patient = one.answer, one.people.file.rules, one.like.patient
    better = {} if one.better is None else {"recommended": one.better.name}
    said = {
        "order": one.order.ref,
        "drug": one.order.concepts[0],
        "simulation": {
            "people": len(found.weights),
            "alike": round(found.alike, 1),
            "weights": {name: round(weight, _DECIMALS) for name, weight in found.weights},
            "chance": "none",
            "model": one.people.name,
            "version": found.version,
            "sha256": found.sha256,
            "needsReview": found.needs_review,
            "range": {"low": rules.range_mg_dl.low, "high": rules.range_mg_dl.high, "unit": "mg/dL"},
            "hours": rules.orders.within_h,
            "lowPoints": points(one.rule.low),
            "gainPoints": points(one.rule.gain),
            "dosesLookedAt": len(one.doses_u),
            **better,
            "plans": [_plan_said(one, each) for each in found.plans],
            "used": {
                "glucoseMgDl": patient.glucose_mg_dl,
                "weightKg": patient.weight_kg,
                "ageYears": patient.age_years,
                "dailyInsulinUnits": patient.daily_insulin_u,
                "carbohydrateG": one.carbohydrate_g or None,
                "actingUnits": [{"minutes": each.at_min, "units": each.units} for each in patient.given],
            },
            "grounds": [fact.ref for fact in (*one.like.measured, *one.like.acts)],
        },
    }
    return {key: bare(inner) for key, inner in said.items()}


def _plan_said(one: Injection, outcome: InsulinOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "units": 0.0 if outcome.name == NONE else one.doses_u[outcome.name],
        "timeInRange": points(outcome.time_in_range),
        "harms": [
            {"belowMgDl": low.below_mg_dl, "points": points(low.share), "limit": points(low.at_most)}
            for low in one.lows(outcome)
        ],
    }
