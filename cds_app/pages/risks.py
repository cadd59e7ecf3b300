"""Learned risks in words: the tier, the number in 100, its range, its change, and what is usual on a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_app.cards.text import against, capital, hours_ahead, hundred
from cds_app.explain.estimates import RiskEstimate
from cds_app.pages.subject import Subject
from cds_app.score.result import Lack
from cds_app.score.risk.eligibility import Ineligible
from cds_app.score.risk.model import Risk

NOT_RAISED = "below watch level"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLine:
    """One risk.

    Parameters
    ----------
    name, label : str
        Of the model, and what a clinician calls it.
    level : int
        0 below the lowest tier to 3 high, for order and emphasis.
    tier : str
        Word for it; "" where nothing was estimated.
    risk, low, high, base : str
        In 100.
    share, share_low, share_high, share_base : float
        The same, 0 to 100, for drawings.
    horizon : str
        Hours; "" where it is the rest of the stay.
    change : str
        "up from 20 at 03:40"; "" where it is unknown.
    lacking : str
        Why nothing was estimated; "" where something was.
    sentence : str
    """

    name: str
    label: str
    level: int = 0
    tier: str = ""
    risk: str = ""
    low: str = ""
    high: str = ""
    base: str = ""
    share: float = 0.0
    share_low: float = 0.0
    share_high: float = 0.0
    share_base: float = 0.0
    horizon: str = ""
    change: str = ""
    lacking: str = ""
    model: str = ""

    @property
    def estimated(self) -> bool:
        """Whether there is a number."""
        return not self.lacking


Earlier = Mapping[str, tuple[Risk, str]]
"""By name of the risk: what it was some hours before, and when."""


def risk_lines(subject: Subject, earlier: Earlier) -> tuple[RiskLine, ...]:
    """All learned risks, the most raised first, those that were not estimated last."""
    found = [_line(name, one, subject, earlier) for name, one in subject.material.risks.items()]
    return tuple(sorted(found, key=lambda one: (not one.estimated, -one.level, -_times_base(one))))


def _times_base(one: RiskLine) -> float:
    return one.share / one.share_base if one.share_base else 0.0


def _line(name: str, estimate: RiskEstimate, subject: Subject, earlier: Earlier) -> RiskLine:
    label, risk = subject.setting.label(name), estimate.outcome
    if not isinstance(risk, Risk):
        return RiskLine(name=name, label=label, lacking=lacking(risk.reasons, subject))
    names = [tier.name for tier in risk.tiers]
    return RiskLine(
        name=name,
        label=label,
        level=1 + names.index(risk.tier) if risk.tier in names else 0,
        tier=risk.tier or NOT_RAISED,
        risk=hundred(risk.probability),
        low=hundred(risk.low),
        high=hundred(risk.high),
        base=hundred(risk.base),
        share=100.0 * risk.probability,
        share_low=100.0 * risk.low,
        share_high=100.0 * risk.high,
        share_base=100.0 * risk.base,
        horizon=hours_ahead(risk.horizon_h),
        change=_change(risk, earlier.get(name)),
        model=f"{risk.model_name} {risk.model_version}",
    )


def _change(risk: Risk, before: tuple[Risk, str] | None) -> str:
    if before is None:
        return ""
    was, at = before
    return against(hundred(risk.probability), hundred(was.probability), at, rose=risk.probability > was.probability)


def lacking(reasons: Sequence[Lack], subject: Subject) -> str:
    """Why something was not estimated, in words. Where no stay is known, none has only begun."""
    labels, names = subject.material.labels, {one.name for one in reasons}
    begun = {Ineligible.TOO_EARLY.value} if Ineligible.NOT_INPATIENT.value in names else set()
    told = [one for one in reasons if one.name not in begun]
    return capital(", ".join(dict.fromkeys(labels.get(one.text or one.name, one.text or one.name) for one in told)))
