"""What a card says, once more for machines: the extension that goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment

from cds_app.cards.grounds import held_back
from cds_app.cards.material import Advice
from cds_app.explain.estimates import RiskEstimate
from cds_app.explain.reasons import Reason
from cds_app.mitigate.gates import Refusal
from cds_app.score.features.stays import WINDOW_H
from cds_app.score.result import Abstained
from cds_app.score.risk.model import Risk

_MOST_REASONS = 5


def explanation_of(
    advice: Advice,
    estimate: RiskEstimate | None,
    risk: Risk | None,
    background: Mapping[str, RiskEstimate],
    templates: Environment,
) -> dict[str, Any]:
    """What a concern rests on, what was offered and refused, the risk with all of its reasons, and the background."""
    concern = advice.concern
    said: dict[str, Any] = {
        "tier": concern.tier_word,
        "grounds": list(dict.fromkeys(fact.ref for fact in concern.facts)),
        "options": [{"id": one.id, "needsReview": one.needs_review} for one in advice.offered],
        "refused": [_refusal(one, advice, templates) for one in advice.refused],
        "unknown": list(concern.unknown),
    }
    if estimate is not None and risk is not None:
        said["risk"] = _risk_numbers(estimate.reasons, risk)
    if background:
        said["background"] = [_background_numbers(name, one) for name, one in background.items()]
    return {key: value for key, value in said.items() if value not in ([], "")}


def _refusal(one: Refusal, advice: Advice, templates: Environment) -> dict[str, str]:
    """An option that was held back, by its id and by its short name, and why."""
    name, why = held_back(one, advice.topic, templates)
    return {"id": one.option, "text": name, "gate": one.gate, "reason": why}


def _risk_numbers(told: Sequence[Reason], risk: Risk) -> dict[str, Any]:
    return {
        "model": risk.model_name,
        "version": risk.model_version,
        **({} if risk.horizon_h is None else {"horizonHours": risk.horizon_h}),
        "points": round(100 * risk.probability, 2),
        "low": round(100 * risk.low, 2),
        "high": round(100 * risk.high, 2),
        "base": round(100 * risk.base, 2),
        "reasons": [_reason_numbers(one) for one in told],
    }


def _background_numbers(name: str, estimate: RiskEstimate) -> dict[str, Any]:
    """A model of the first days of the stay: what it says of them, or why it says nothing."""
    outcome = estimate.outcome
    if isinstance(outcome, Abstained):
        return {"model": name, "notEstimated": [lack.name for lack in outcome.reasons]}
    return {**_risk_numbers(estimate.reasons[:_MOST_REASONS], outcome), "fromFirstHours": WINDOW_H}


def _reason_numbers(one: Reason) -> dict[str, Any]:
    said: dict[str, Any] = {"measurement": one.quantity, "points": round(one.points, 3)}
    if one.now is not None:
        said |= {"value": one.now.value, "reference": one.now.ref}
    return said | ({"modifiable": True} if one.modifiable else {})
