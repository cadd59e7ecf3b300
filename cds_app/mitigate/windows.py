"""How far back a rule looks."""

from __future__ import annotations

from cds_app.mitigate.rules import Measured, Quantity
from cds_app.score.situation import Situation


def hours_back(rule: Quantity | Measured, situation: Situation) -> float | None:
    """Hours before now; None where the ontology says what is current."""
    if rule.within_h is None or not rule.beside:
        return rule.within_h
    others = (situation.fresh(name) for name in rule.beside)
    return rule.within_h + min((situation.age_h(one) for one in others if one is not None), default=0.0)
