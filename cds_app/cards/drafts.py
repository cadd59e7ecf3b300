"""From material to draft cards: which cards are due, and what each says in its four blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cds_app.cards.detail import Blocks, say, write
from cds_app.cards.material import Advice, Material
from cds_app.cards.policy import ABSTENTION
from cds_app.cards.text import Trusted, hundred, inert, number, points, render
from cds_app.cards.unseen import unseen
from cds_app.cards.views import ReasonView, SeenView, Setting, reason, seen
from cds_app.cards.wire import Draft, Proposal
from cds_app.domain.facts import Measurement, Medication
from cds_app.explain.estimates import RiskEstimate
from cds_app.explain.reasons import Reason, earlier_of
from cds_app.mitigate.catalogue import scores_of
from cds_app.mitigate.gates import Refusal
from cds_app.mitigate.options import Option
from cds_app.score.result import Abstained, Score
from cds_app.score.risk import Risk

DEVIATION = "deviation"
_LEADS = 3
_READINGS = 3
_ACT_TODAY = 2
_HIGHEST = 3
_REFUSALS = 2
_GATES = ("allergy", "contraindicated", "renal", "pregnancy", "weight", "requires", "already", "duplicate")


def drafts(material: Material) -> tuple[Draft, ...]:
    """Every card that is due, most urgent first."""
    found = [_concern(advice, material) for advice in material.advice]
    urgent = any(one.tier >= _ACT_TODAY for one in found)
    found.extend(() if urgent else _deviation(material))
    found.extend(_abstention(name, one, material) for name, one in material.risks.items() if _silent(one, material))
    return tuple(sorted(found, key=lambda one: _precedence(one, material)))


def _precedence(draft: Draft, material: Material) -> tuple[int, int]:
    """Urgency, then the order the service states. An estimate that asks for action today leads: it looks ahead."""
    order = material.service.policy.precedence
    leads = draft.points is not None and draft.tier >= _ACT_TODAY
    place = order.index(draft.topic) if draft.topic in order else len(order)
    return -(_HIGHEST if leads else draft.tier), place


# --- a concern


def _concern(advice: Advice, material: Material) -> Draft:
    concern, setting = advice.concern, setting_of(material)
    estimate = material.risks.get(advice.risk or "")
    risk = estimate.outcome if estimate is not None and isinstance(estimate.outcome, Risk) else None
    summary = _risk_summary(advice, estimate, risk, setting, material) if estimate and risk else None
    detail, told = _detail(advice, estimate, risk, setting, material)
    return Draft(
        topic=concern.topic,
        title=concern.title,
        tier=concern.tier,
        points=100.0 * risk.probability if risk else None,
        summary=summary or _measured_summary(advice, setting, material),
        detail=detail,
        proposals=tuple(_proposals(advice.offered[:told])),
        explanation=_explanation(advice, estimate, risk, material),
        grounds=tuple(dict.fromkeys(fact.ref for fact in concern.facts)),
    )


def setting_of(material: Material) -> Setting:
    """For whom and when the texts of this material are written."""
    situation = material.situation
    return Setting(
        ontology=situation.ontology,
        zone=material.zone,
        now=situation.now,
        sex=situation.sex,
        groups=material.labels,
    )


def _risk_summary(advice: Advice, estimate: RiskEstimate, risk: Risk, setting: Setting, material: Material) -> str:
    values = {
        "word": _sentence(advice.concern.tier_word),
        "risk": hundred(risk.probability),
        "low": hundred(risk.low),
        "high": hundred(risk.high),
        "horizon": number(risk.horizon_h, 0),
        "change": _risk_change(estimate, risk, setting, material),
    }
    return render(material.templates, "risk.summary.j2", values)


def _risk_change(estimate: RiskEstimate, risk: Risk, setting: Setting, material: Material) -> Trusted | None:
    if estimate.earlier is None or estimate.earlier_at is None:
        return None
    before, now = hundred(estimate.earlier.probability), hundred(risk.probability)
    at = setting.clock(estimate.earlier_at)
    if before == now:
        return Trusted(f"unchanged since {at}")
    way = "up" if risk.probability > estimate.earlier.probability else "down"
    return Trusted(f"{way} from {before} at {at}")


def _measured_summary(advice: Advice, setting: Setting, material: Material) -> str:
    concern = advice.concern
    title = Trusted(f"{concern.title}, {concern.tier_word}")
    if not concern.readings:
        return render(material.templates, "named.summary.j2", {"title": title})
    view = _seen(concern.readings[0].latest, setting, material)
    return render(material.templates, "measured.summary.j2", {"title": title, "lead": view})


def _detail(
    advice: Advice, estimate: RiskEstimate | None, risk: Risk | None, setting: Setting, material: Material
) -> tuple[str, int]:
    policy, templates = material.service.policy, material.templates
    told = estimate.reasons[: policy.reasons_shown] if estimate and risk else ()
    rest = estimate.reasons[len(told) :] if estimate and risk else ()
    blocks = Blocks(
        reasons=say(templates, "reason", (_reason(one, setting, material) for one in told)),
        evidence=say(templates, "evidence", _evidence(advice, told, setting, material)),
        remarks=tuple(_remarks(advice, material)),
        others=say(templates, "others", _others(rest)),
        options=say(templates, "option", map(_option_view, advice.offered[: policy.options_shown])),
        refusals=say(templates, "refusal", (_refusal_view(one, advice) for one in _told_refusals(advice.refused))),
        sure=Trusted(_sure(advice, risk, material)),
        unseen=Trusted(unseen(material, setting, advice.concern.unknown, with_model=risk is not None)),
    )
    return write(blocks, templates)


def _told_refusals(refused: Sequence[Refusal]) -> list[Refusal]:
    """Those that protect come before those that spare a repetition."""
    return sorted(refused, key=lambda one: _GATES.index(one.gate))[:_REFUSALS]


def _sentence(text: str) -> Trusted:
    return Trusted(text[:1].upper() + text[1:])


def _reason(one: Reason, setting: Setting, material: Material) -> ReasonView:
    change_h = material.service.policy.change_h
    earlier = earlier_of(one.now, material.situation, change_h) if one.now is not None else None
    return reason(one, earlier, setting)


def _seen(one: Measurement, setting: Setting, material: Material) -> SeenView:
    return seen(one, earlier_of(one, material.situation, material.service.policy.change_h), setting)


def _others(rest: Sequence[Reason]) -> Iterator[Mapping[str, object]]:
    if rest:
        yield {"count": len(rest), "points": points(sum(one.points for one in rest))}


def _evidence(advice: Advice, told: Sequence[Reason], setting: Setting, material: Material) -> list[SeenView]:
    said = {one.now.ref for one in told if one.now is not None}
    rows = [one for one in advice.concern.readings if one.latest.ref not in said]
    return [_seen(one.latest, setting, material) for one in rows[:_READINGS]]


def _remarks(advice: Advice, material: Material) -> Iterator[Trusted]:
    for name in scores_of(advice.topic):
        score = material.scores.get(name)
        if isinstance(score, Score):
            yield _score_text(score, material.labels.get(f"score:{name}", name))
    for fact in advice.concern.facts:
        if isinstance(fact, Medication):
            yield Trusted(f"Takes {inert(fact.text, limit=60)}")


def _score_text(score: Score, label: str) -> Trusted:
    parts = ", ".join(f"{part.label} {part.points:g}" for part in score.parts if part.points)
    least = "at least " if score.bound == ">=" else ""
    return Trusted(f"{label} {least}{score.value:g} ({score.band}{': ' + parts if parts else ''})")


def _option_view(option: Option) -> dict[str, object]:
    guideline = option.guideline
    cautions = " ".join(one.text for one in option.cautions)
    return {
        "text": Trusted(option.text.rstrip(".")),
        "guideline": Trusted(f"{guideline.org} {guideline.year}"),
        "strength": Trusted(option.strength),
        "review": option.needs_review,
        "cautions": inert(cautions, limit=160) if cautions else "",
    }


def _refusal_view(refusal: Refusal, advice: Advice) -> dict[str, object]:
    texts = {entry.id: entry.text for entry in advice.topic.options}
    return {"text": inert(texts[refusal.option], limit=70), "why": inert(refusal.reason, limit=120)}


def _sure(advice: Advice, risk: Risk | None, material: Material) -> str:
    tier = next((one for one in risk.tiers if one.name == risk.tier), None) if risk else None
    values: dict[str, object] = {
        "of_100": tier.of_100 if tier else None,
        "outcome": Trusted(advice.risk or ""),
        "horizon": number(risk.horizon_h, 0) if risk else Trusted(""),
        "risk": hundred(risk.probability) if risk else None,
        "low": hundred(risk.low) if risk else Trusted(""),
        "high": hundred(risk.high) if risk else Trusted(""),
        "base": hundred(risk.base) if risk else Trusted(""),
        "rule": Trusted(f"{advice.topic.guideline.org} {advice.topic.guideline.year}") if not risk else None,
        "model": Trusted(f"{risk.model_name} {risk.model_version}") if risk else None,
        "assumed_stay": bool(risk and material.risks[advice.risk or ""].assumed_stay),
    }
    return render(material.templates, "sure.j2", values)


def _proposals(offered: Sequence[Option]) -> Iterator[Proposal]:
    for option in offered:
        if option.resource is not None:
            yield Proposal(text=option.text, resource=option.resource)


def _explanation(
    advice: Advice, estimate: RiskEstimate | None, risk: Risk | None, material: Material
) -> dict[str, Any]:
    concern = advice.concern
    said: dict[str, Any] = {
        "tier": concern.tier_word,
        "grounds": list(dict.fromkeys(fact.ref for fact in concern.facts)),
        "options": [{"id": one.id, "needsReview": one.needs_review} for one in advice.offered],
        "refused": [{"id": one.option, "gate": one.gate, "reason": one.reason} for one in advice.refused],
        "unknown": list(concern.unknown),
    }
    if estimate is not None and risk is not None:
        said["risk"] = _risk_numbers(estimate, risk)
    return {key: value for key, value in said.items() if value not in ([], "")}


def _risk_numbers(estimate: RiskEstimate, risk: Risk) -> dict[str, Any]:
    return {
        "model": risk.model_name,
        "version": risk.model_version,
        "horizonHours": risk.horizon_h,
        "points": round(100 * risk.probability, 2),
        "low": round(100 * risk.low, 2),
        "high": round(100 * risk.high, 2),
        "base": round(100 * risk.base, 2),
        "reasons": [_reason_numbers(one) for one in estimate.reasons],
    }


def _reason_numbers(one: Reason) -> dict[str, Any]:
    said: dict[str, Any] = {"measurement": one.quantity, "points": round(one.points, 3)}
    if one.now is not None:
        said |= {"value": one.now.value, "reference": one.now.ref}
    return said


# --- the twin as a whole


def _deviation(material: Material) -> Iterator[Draft]:
    found = material.deviation
    if found.percentile is None or found.percentile < material.service.policy.deviation_percentile:
        return
    setting = setting_of(material)
    leads = [name for name, _ in found.contributions[:_LEADS]]
    values = {
        "percentile": number(min(found.percentile, 99.9), 0 if found.percentile < 99 else 1),
        "leads": Trusted(", ".join(setting.label(name) for name in leads)),
    }
    yield Draft(
        topic=DEVIATION,
        title="Unusual overall",
        tier=1,
        points=None,
        summary=render(material.templates, "deviation.summary.j2", values),
        detail=_deviation_detail(leads, setting, material),
        proposals=(),
        explanation={
            "index": round(found.index or 0.0, 3),
            "percentile": round(found.percentile, 2),
            "contributions": [{"measurement": name, "part": round(part, 3)} for name, part in found.contributions],
        },
        grounds=(),
    )


def _deviation_detail(leads: Sequence[str], setting: Setting, material: Material) -> str:
    situation, templates = material.situation, material.templates
    latest = (one for name in leads if (one := situation.latest(name)) is not None)
    used = {"used": len(material.deviation.used)}
    blocks = Blocks(
        evidence=say(templates, "evidence", (_seen(one, setting, material) for one in latest)),
        sure=Trusted(render(templates, "deviation.sure.j2", used)),
        unseen=Trusted(unseen(material, setting, (), with_model=False)),
    )
    return write(blocks, templates)[0]


# --- what could not be estimated


def _silent(estimate: RiskEstimate, material: Material) -> bool:
    """Whether an abstention is news: an outpatient's is not."""
    situation = material.situation
    outpatient = bool(situation.facts.stays) and not situation.inpatient
    return isinstance(estimate.outcome, Abstained) and not outpatient and not situation.deceased


def _abstention(name: str, estimate: RiskEstimate, material: Material) -> Draft:
    setting = setting_of(material)
    lacks = estimate.outcome.reasons if isinstance(estimate.outcome, Abstained) else ()
    why = Trusted(", ".join(material.labels.get(one.text or one.name, one.text or one.name) for one in lacks))
    title = setting.label(name)
    blocks = Blocks(
        remarks=(Trusted(render(material.templates, "abstention.reason.j2", {"why": why})),),
        sure=Trusted(render(material.templates, "abstention.sure.j2", {})),
        unseen=Trusted(unseen(material, setting, (), with_model=True)),
    )
    return Draft(
        topic=ABSTENTION,
        title="Not estimated",
        tier=0,
        points=None,
        summary=render(material.templates, "abstention.summary.j2", {"title": title, "why": why}),
        detail=write(blocks, material.templates)[0],
        proposals=(),
        explanation={"notEstimated": name, "reasons": [one.name for one in lacks]},
        grounds=(),
    )
