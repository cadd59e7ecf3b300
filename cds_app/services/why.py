"""Why an estimate was what it was, and what would have changed it: for a decision of the log, as known then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_app.cards.material import Material
from cds_app.errors import IntegrityError
from cds_app.explain.counterfactual import Need, Open, Telling, most_telling, needs
from cds_app.explain.estimates import RiskEstimate
from cds_app.explain.reasons import Reason
from cds_app.ports import TwinStore
from cds_app.score.risk.model import Risk
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.helping import Asked, bedside_of, inputs_of, question_of, still_open, would_help
from cds_app.services.pipeline import gather_material
from cds_app.services.replay import inputs_then
from cds_app.twin.state import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One estimate taken apart.

    Parameters
    ----------
    name : str
        Of the learned risk.
    reasons : tuple of Reason
        Greatest effect first.
    limit : float
        Lower end of the tier that was reached, or where alerts begin.
    telling : tuple of Telling
        What a new value of each measurement would tell, most first.
    needs : tuple of Need
        What each measurement that treatment can move would have to be for the estimate to fall below ``limit``; empty
        where it is below.
    helps : tuple of Telling
        Of ``telling``, what is not known now.
    still_open : Open or None
        How far the estimate rests on what is not known now.
    """

    name: str
    risk: Risk
    reasons: tuple[Reason, ...]
    limit: float
    telling: tuple[Telling, ...]
    needs: tuple[Need, ...]
    helps: tuple[Telling, ...]
    still_open: Open | None


def why(knowledge: Knowledge, store: TwinStore, decision_id: str) -> tuple[Why, ...]:
    """Every estimate that was given at the moment of a decision, taken apart.

    Raises
    ------
    NotFound, PatientErased
    IntegrityError
        If models or twin are not what they were then: today's answer would explain another estimate.
    """
    logged, inputs = inputs_then(knowledge, store, decision_id)
    changed = [
        name for name, pin in knowledge.pins.items() if name.startswith("models/") and logged.pins.get(name) != pin
    ]
    if changed:
        raise IntegrityError(f"changed since this decision: {', '.join(sorted(changed))}", field="decision")
    material, tracks = gather_material(knowledge, inputs), inputs.record.state.tracks
    found = (taken_apart(knowledge, material, tracks, name) for name in material.risks)
    return tuple(one for one in found if one is not None)


def taken_apart(knowledge: Knowledge, material: Material, tracks: Mapping[str, Track], name: str) -> Why | None:
    """One estimate taken apart; None where the model abstained.

    Parameters
    ----------
    tracks : mapping of str to Track
        Of the twin that the material was made from.
    """
    estimate, situation = material.risks[name], material.situation
    if not isinstance(estimate.outcome, Risk):
        return None
    asked = Asked(situation=situation, tracks=tracks, name=name)
    return _apart(knowledge, asked, estimate, estimate.outcome)


def _apart(knowledge: Knowledge, asked: Asked, estimate: RiskEstimate, risk: Risk) -> Why:
    question, model = question_of(knowledge, asked), knowledge.risks[asked.name]
    expected = bedside_of(knowledge, asked.situation).likely()
    limit = next((tier.lowest for tier in model.tiers if tier.name == risk.tier), risk.threshold)
    reached = risk.probability >= limit
    return Why(
        name=model.name,
        risk=risk,
        reasons=estimate.reasons,
        limit=limit,
        telling=most_telling(question, dict.fromkeys(one.quantity for one in model.features), expected),
        needs=needs(question, sorted(model.modifiable), limit) if reached else (),
        helps=would_help(knowledge, asked, inputs_of(knowledge, asked)),
        still_open=still_open(knowledge, asked),
    )
