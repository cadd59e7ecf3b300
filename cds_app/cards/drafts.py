"""From material to draft cards: which cards are due, and what each says in its four blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from cds_app.cards.detail import Blocks, Changes, Lines, say, write
from cds_app.cards.disputes import DISPUTED, dispute
from cds_app.cards.explanation import explanation_of
from cds_app.cards.grounds import (
    computed,
    is_stage,
    named_facts,
    not_asked_again,
    option_views,
    refusal_view,
    score_text,
    score_total,
    score_value,
    shared_source,
    told_refusals,
    unmeasured,
)
from cds_app.cards.material import Advice, Material
from cds_app.cards.policy import ABSTENTION, Candidate
from cds_app.cards.text import Trusted, against, hours_ahead, hundred, points, render
from cds_app.cards.unestimated import abstention, failed, unestimated
from cds_app.cards.unseen import unseen
from cds_app.cards.unusual import DEVIATION, deviation
from cds_app.cards.views import ReasonView, SeenView, Setting, also, compared, reason, seen
from cds_app.cards.wire import Draft, Proposal, longest
from cds_app.domain.facts import Measurement
from cds_app.explain.estimates import RiskEstimate
from cds_app.explain.reasons import Reason
from cds_app.mitigate.concerns import Concern, Reading
from cds_app.mitigate.options import Option
from cds_app.score.result import Lack, Score
from cds_app.score.risk.eligibility import Ineligible
from cds_app.score.risk.model import Risk

_READINGS = 3
ACT_TODAY = 2
_REFUSALS, _NAMED = 2, 3
_LENGTHS = (2, 1, 0)  # of a summary: with change and usual range, without the range, without both
_GLANCE = 110  # characters of a summary that are read at a glance: for more, only the change is worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Candidate):
    """A card that is due: what the alert policy needs to know of it, and how to write it if it may be shown.

    Parameters
    ----------
    write : callable
        Takes the options that earlier cards of the response offer.
    """

    write: Callable[[Sequence[Option]], Draft]


def due(material: Material) -> tuple[Due, ...]:
    """Every card that is due, most urgent first."""
    found = [_concern_due(concern, material) for concern in material.concerns]
    found.extend(_dispute_due(material))
    found.extend(_deviation_due(material))
    if not material.alone and (missing := unestimated(material)):
        found.append(_abstention_due(missing, material))
    return tuple(sorted(found, key=lambda one: _precedence(one, material)))


def _precedence(one: Due, material: Material) -> tuple[int, int]:
    """Urgency, then the order the service states."""
    order = material.service.policy.precedence
    return -one.tier, order.index(one.topic) if one.topic in order else len(order)


# --- a concern


def _concern_due(concern: Concern, material: Material) -> Due:
    estimate = material.risks.get(material.risk_of.get(concern.topic, ""))
    risk = _risk(estimate)
    return Due(
        topic=concern.topic,
        tier=concern.tier,
        points=100.0 * risk.probability if risk else None,
        grounds=tuple(dict.fromkeys(fact.ref for fact in concern.facts)),
        measured=concern.measured if not concern.estimated or estimate is None else _told(estimate, material),
        write=lambda offered: _concern(material.advise(concern, offered), material),
        extents=concern.extents,
        courses=concern.courses,
    )


def _told(estimate: RiskEstimate, material: Material) -> frozenset[str]:
    return frozenset(one.quantity for one in estimate.reasons[: material.service.policy.reasons_shown])


def _risk(estimate: RiskEstimate | None) -> Risk | None:
    return estimate.outcome if estimate is not None and isinstance(estimate.outcome, Risk) else None


def _concern(advice: Advice, material: Material) -> Draft:
    concern, setting = advice.concern, material.setting
    estimate = material.risks.get(advice.risk or "")
    risk = _risk(estimate)
    detail, told = _detail(advice, estimate, risk, material)
    if risk is not None and concern.estimated:
        summary = _risk_summary(advice, risk, setting, material)
    else:
        summary = _measured_summary(advice, setting, material)
    return Draft(
        topic=concern.topic,
        title=concern.title,
        tier=concern.tier,
        summary=summary,
        detail=detail,
        proposals=tuple(_proposals(advice.offered[:told])),
        explanation=explanation_of(advice, estimate, risk, material.background()),
        options=advice.offered[:told],
    )


def _risk_summary(advice: Advice, risk: Risk, setting: Setting, material: Material) -> str:
    values = {"word": _sentence(advice.concern.tier_word), **_risk_values(advice, risk, setting)}
    return render(material.templates, "risk.summary.j2", values)


def _risk_values(advice: Advice, risk: Risk, setting: Setting) -> dict[str, Trusted | None]:
    return {
        "risk": hundred(risk.probability),
        "low": hundred(risk.low),
        "high": hundred(risk.high),
        "base": hundred(risk.base),
        "horizon": hours_ahead(risk.horizon_h),
        "change": _risk_change(advice, risk, setting),
    }


def _risk_change(advice: Advice, risk: Risk, setting: Setting) -> Trusted | None:
    found = advice.earlier()
    if found is None:
        return None
    earlier, at = found
    rose = risk.probability > earlier.probability
    return against(hundred(risk.probability), hundred(earlier.probability), setting.clock(at), rose=rose)


def _measured_summary(advice: Advice, setting: Setting, material: Material) -> str:
    concern = advice.concern
    values: dict[str, Any] = {"title": Trusted(f"{_title(advice, material)}, {concern.tier_word}")}
    lead = next((one for one in concern.readings if one.quantity in concern.measured), None)
    total = material.scores.get(concern.score or "")
    if isinstance(total, Score) and (lead is None or not is_stage(total)):  # the words of the tier say the stage
        text = score_total(total, material.labels.get(f"score:{total.name}", total.name))
        return render(material.templates, "named.summary.j2", {**values, "fact": None, "found": text})
    if lead is None:
        fact = next(iter(named_facts(concern, setting)), None)
        return render(material.templates, "named.summary.j2", {**values, "fact": fact, "found": None})
    found = _computed(advice, lead.latest, material)
    if found is not None:
        return render(material.templates, "named.summary.j2", {**values, "fact": None, "found": found})
    values["lead"] = _leading(lead, advice, setting, material)
    texts = (render(material.templates, "measured.summary.j2", {**values, "most": most}) for most in _LENGTHS)
    whole = next(texts)
    return whole if len(whole) <= _GLANCE else longest(texts)


def _title(advice: Advice, material: Material) -> str:
    """Of a topic that is called after its score, what that came to is what a reader looks for first."""
    labelled = ((one, material.labels.get(f"score:{one.name}", one.name)) for one in _telling(advice, material))
    title = advice.concern.title
    return next((score_value(score, label) for score, label in labelled if label == title), title)


def _detail(advice: Advice, estimate: RiskEstimate | None, risk: Risk | None, material: Material) -> tuple[str, int]:
    """The four blocks, and how many options they name."""
    estimated = advice.concern.estimated
    beside = risk if risk is not None and risk.alert and not estimated else None
    explained = estimate.reasons if estimate and (estimated or beside) else ()
    blocks = _blocks(advice, explained, beside, risk, material)
    return write(blocks, material.templates, _briefer(advice, explained, beside, risk, material))


def _blocks(
    advice: Advice, explained: Sequence[Reason], beside: Risk | None, risk: Risk | None, material: Material
) -> Blocks:
    """All lines: the risk beside a rule and the risk of the topic are told in places of their own."""
    policy, templates, setting = material.service.policy, material.templates, material.setting
    offered = advice.offered[: policy.options_shown]
    source = shared_source(offered)
    refused = told_refusals(not_asked_again(advice), _REFUSALS)
    return Blocks(
        estimate=say(templates, "estimated", [_risk_values(advice, beside, setting)] if beside else []),
        remarks=tuple(_scores(advice, material))[1:],
        options=say(templates, "option", option_views(offered, source)),
        source=Trusted("".join(say(templates, "source", [source] if source else []))),
        refusals=say(templates, "refusal", (refusal_view(one, advice.topic) for one in refused)),
        **_explained(advice, explained, policy.reasons_shown, material),
        **_modelled(advice, risk, material, sure=None if beside else risk),
    )


def _briefer(
    advice: Advice, explained: Sequence[Reason], beside: Risk | None, risk: Risk | None, material: Material
) -> Iterator[Callable[[], Changes]]:
    """What is said with less, one after the other, where there is no room for all.

    What was not seen; what takes a number beside a rule apart; what a laboratory wrote, but for that beside the leading
    measurement; the number itself, where it calls for nothing; of a risk alone what is beside its reasons, and one.
    """
    shown, least = material.service.policy.reasons_shown, () if beside else explained
    yield lambda: _unseen(advice, risk, material, brief=True)
    if beside:
        yield lambda: _explained(advice, least, shown, material)
    if any(one.latest.comment for one in advice.concern.readings):
        yield lambda: _explained(advice, least, shown, material, comments=False)
    if advice.concern.estimated:
        yield lambda: {"evidence": ()}
        yield lambda: {**_explained(advice, least, shown - 1, material), "evidence": ()}
    elif not beside:
        yield lambda: _modelled(advice, None, material, sure=None, brief=True)


def _explained(
    advice: Advice, reasons: Sequence[Reason], shown: int, material: Material, *, comments: bool = True
) -> Changes:
    """The lines of *Why now* that depend on how much of an estimate is taken apart."""
    templates, setting = material.templates, material.setting
    told = reasons[:shown]
    return {
        "reasons": (
            *say(templates, "reason", (_reason(one, setting, material) for one in told)),
            *say(templates, "unmeasured", unmeasured(reasons, setting) if advice.concern.estimated else ()),
        ),
        "evidence": _evidence(advice, told, setting, material, comments=comments),
        "others": say(templates, "others", _others(reasons[shown:])),
    }


def _modelled(
    advice: Advice, risk: Risk | None, material: Material, *, sure: Risk | None, brief: bool = False
) -> Changes:
    """The lines that depend on whether the risk of the topic is told."""
    return {"sure": Trusted(_sure(advice, sure, material)), **_unseen(advice, risk, material, brief=brief)}


def _unseen(advice: Advice, risk: Risk | None, material: Material, *, brief: bool) -> Changes:
    asked = (advice.concern.unknown, advice.helps)
    missing = unseen(material, material.setting, *asked, with_model=risk is not None, brief=brief)
    return {"unseen": Trusted(missing)}


def _computed(advice: Advice, lead: Measurement, material: Material) -> Trusted | None:
    """What a score computed from the leading measurement and others, where that says more than it does."""
    scores = (one for name in advice.topic.scores if isinstance(one := material.scores.get(name), Score))
    return next((text for one in scores if (text := computed(one, lead)) is not None), None)


def _sentence(text: str) -> Trusted:
    return Trusted(text[:1].upper() + text[1:])


def _reason(one: Reason, setting: Setting, material: Material) -> ReasonView:
    change_h = material.service.policy.change_h
    earlier = compared(one.now, material.situation, setting, change_h) if one.now is not None else None
    return reason(one, earlier, setting)


def _leading(one: Reading, advice: Advice, setting: Setting, material: Material) -> SeenView:
    """A measurement beside the one that the concern compares it with, where it does, else the usual one."""
    quantities = material.situation.ontology.variables
    older = [
        fact
        for fact in advice.concern.facts
        if isinstance(fact, Measurement)
        and fact.when < one.latest.when
        and quantities[fact.variable].quantity == one.quantity
    ]
    view = seen(one.latest, older[0], setting) if older else _seen(one.latest, setting, material)
    span = None if one.quantity in advice.topic.led else view.range
    return msgspec.structs.replace(view, range=span, also=also(one.latest, material.situation, setting))


def _seen(one: Measurement, setting: Setting, material: Material) -> SeenView:
    return seen(one, compared(one, material.situation, setting, material.service.policy.change_h), setting)


def _others(rest: Sequence[Reason]) -> Iterator[Mapping[str, object]]:
    if rest:
        yield {"count": len(rest), "points": points(sum(one.points for one in rest))}


def _evidence(advice: Advice, told: Sequence[Reason], setting: Setting, material: Material, *, comments: bool) -> Lines:
    """What the concern rests on, the most telling first, then what is shown besides: the end is left out first."""
    concern = advice.concern
    said = {one.now.ref for one in told if one.now is not None}
    current = (one for one in concern.readings if not one.stale or one.quantity in concern.measured)
    rows = [one for one in current if one.latest.ref not in said][:_READINGS]
    views = [_leading(one, advice, setting, material) for one in rows]
    if not comments:
        views[1:] = [msgspec.structs.replace(one, comment="") for one in views[1:]]
    seen_rows = say(material.templates, "evidence", views)
    first = min(sum(one.quantity in concern.measured for one in rows), 1)
    grounds = {fact.ref for fact in concern.facts}
    rests = max(first, sum(one.latest.ref in grounds for one in rows))
    named = say(material.templates, "named", named_facts(concern, setting)[:_NAMED])
    score, others = tuple(_scores(advice, material))[:1], seen_rows[first:rests]
    grounded = next((grounds >= {fact.ref for fact in one.inputs} for one in _telling(advice, material)), False)
    middle = (*score, *others) if grounded else (*others, *score)
    return (*seen_rows[:first], *named[:1], *middle, *named[1:], *seen_rows[rests:])


def _scores(advice: Advice, material: Material) -> Iterator[Trusted]:
    for score in _telling(advice, material):
        yield score_text(score, material.labels.get(f"score:{score.name}", score.name))


def _telling(advice: Advice, material: Material) -> Iterator[Score]:
    """The scores that a topic asks for, as far as they say something.

    Beside a learned risk alone none that has to be taken with caution: it is not what the card rests on.
    """
    scores = (material.scores.get(name) for name in advice.topic.scores)
    known = (one for one in scores if isinstance(one, Score) and one.value > 0)
    yield from (one for one in known if not (advice.concern.estimated and one.caution))


def _sure(advice: Advice, risk: Risk | None, material: Material) -> str:
    alone = advice.concern.estimated
    policy = risk.policy if risk and alone else None
    values: dict[str, object] = {
        "of_100": hundred(policy.ppv) if policy else None,
        "found": hundred(policy.sensitivity) if policy else None,
        "outcome": Trusted(material.labels[f"outcome:{advice.risk}"] if policy else ""),
        "horizon": hours_ahead(risk.horizon_h) if risk else Trusted(""),
        "risk": hundred(risk.probability) if risk else None,
        "low": hundred(risk.low) if risk else Trusted(""),
        "high": hundred(risk.high) if risk else Trusted(""),
        "base": hundred(risk.base) if risk else Trusted(""),
        "rule": None if risk and alone else Trusted(advice.topic.guideline.cited),
        "model": Trusted(f"{risk.model_name} {risk.model_version}") if risk else None,
        "cautions": [Trusted(one.caution) for one in _telling(advice, material) if one.caution],
        "assumed_stay": bool(risk and material.risks[advice.risk or ""].assumed_stay),
    }
    return render(material.templates, "sure.j2", values)


def _proposals(offered: Sequence[Option]) -> Iterator[Proposal]:
    for option in offered:
        if option.resource is not None:
            yield Proposal(text=option.text, resource=option.resource)


# --- the twin as a whole


def _deviation_due(material: Material) -> Iterator[Due]:
    found = material.deviation
    if found is None or found.percentile is None:
        return
    if found.percentile >= material.service.policy.deviation_percentile:
        write = partial(deviation, found, found.percentile, material)
        yield Due(topic=DEVIATION, tier=1, points=None, write=lambda _: write())


# --- what was not used, and what could not be estimated


def _dispute_due(material: Material) -> Iterator[Due]:
    found = sorted(material.disputed, key=lambda one: one.when, reverse=True)
    if found:
        yield Due(
            topic=DISPUTED,
            tier=1,
            points=None,
            grounds=tuple(one.ref for one in found),
            write=lambda _: dispute(found, material),
        )


def _abstention_due(missing: Mapping[tuple[Lack, ...], Sequence[str]], material: Material) -> Due:
    """Of a child once in each hospital stay, and at visits once a year: the age says it, whatever is measured."""
    lacking = [f"{name}:{one.name}" for lacks, names in missing.items() for name in names for one in lacks]
    lasting = all(one.name == Ineligible.TOO_YOUNG.value for lacks in missing for one in lacks)
    stay = material.situation.stay if lasting and material.situation.inpatient else None
    return Due(
        topic=ABSTENTION,
        tier=int(any(map(failed, missing))),
        points=None,
        grounds=(*lacking, *([stay.ref] if stay is not None else [])),
        lasting=lasting,
        write=lambda _: abstention(missing, material),
    )
