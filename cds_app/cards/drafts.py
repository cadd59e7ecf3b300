"""From material to draft cards: which cards are due, and what each says in its four blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
from jinja2 import Environment

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
    score_total,
    score_value,
    shared_source,
    told_refusals,
)
from cds_app.cards.material import Advice, Material
from cds_app.cards.policy import ABSTENTION, Candidate
from cds_app.cards.text import Trusted, against, ago, capital, hours_ahead, hundred, render
from cds_app.cards.unestimated import abstention, failed, unestimated
from cds_app.cards.unseen import Unseen, unseen
from cds_app.cards.unusual import DEVIATION, deviation
from cds_app.cards.views import SeenView, Setting, came_otherwise, seen
from cds_app.cards.why import Why
from cds_app.cards.wire import SUMMARY_LIMIT, Draft, Proposal
from cds_app.domain.facts import Measurement
from cds_app.explain.estimates import RiskEstimate
from cds_app.explain.reasons import Reason
from cds_app.mitigate.concerns import Concern
from cds_app.mitigate.options import Option
from cds_app.score.result import Lack, Score
from cds_app.score.risk.eligibility import Ineligible
from cds_app.score.risk.model import Risk

ACT_TODAY = 2
_REFUSALS = 2
_LENGTHS = (2, 1, 0)  # of a summary: with change and usual range, without the range, without both
_GLANCE = 110  # characters of a summary that are read at a glance: for more, only the change is worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class Alongside:
    """What else a response tells: options that earlier cards of it offer, and what is open and has no card in it."""

    options: Sequence[Option] = ()
    besides: Lines = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due(Candidate):
    """A card that is due: what the alert policy needs to know of it, and how to write it if it may be shown.

    Parameters
    ----------
    write : callable
        Takes what else the response tells.
    brief : callable
        What it is about in a few words, for another card to name it where there is no room for it.
    """

    write: Callable[[Alongside], Draft]
    brief: Callable[[], Trusted] = Trusted


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
        write=lambda told: _concern(material.advise(concern, told.options), material, told.besides),
        brief=lambda: _brief(concern, material),
        extents=concern.extents,
        courses=concern.courses,
    )


def _told(estimate: RiskEstimate, material: Material) -> frozenset[str]:
    return frozenset(one.quantity for one in estimate.reasons[: material.service.policy.reasons_shown])


def _risk(estimate: RiskEstimate | None) -> Risk | None:
    return estimate.outcome if estimate is not None and isinstance(estimate.outcome, Risk) else None


def _brief(concern: Concern, material: Material) -> Trusted:
    """Its title, and the measurement that its tier compares or else how much it is so."""
    lead = next((one for one in concern.readings if one.quantity in concern.measured), None)
    if lead is None or lead.quantity not in concern.extents:
        return Trusted(f"{concern.title}, {concern.tier_word}")
    view = seen(lead.latest, None, material.setting)
    return Trusted(f"{concern.title} {view.value}{view.unit}")


def _concern(advice: Advice, material: Material, besides: Lines) -> Draft:
    concern, why = advice.concern, Why(advice=advice, material=material)
    estimate = material.risks.get(advice.risk or "")
    risk = _risk(estimate)
    detail, told = _detail(why, estimate, risk, besides)
    if risk is not None and concern.estimated:
        summary = _risk_summary(advice, risk, material)
    else:
        summary = _measured_summary(why)
    return Draft(
        topic=concern.topic,
        title=concern.title,
        tier=concern.tier,
        summary=naming(summary, besides, material.templates),
        detail=detail,
        proposals=tuple(_proposals(advice.offered[:told])),
        explanation=explanation_of(advice, estimate, risk, material.background(), material.templates),
        options=advice.offered[:told],
    )


def naming(summary: str, besides: Lines, templates: Environment) -> str:
    """A summary that names what has no card, or says how much of it there is, as there is room for."""
    if not besides:
        return summary
    values = {"summary": Trusted(summary), "total": len(besides)}
    named = (
        render(templates, "besides.summary.j2", {**values, "besides": besides[:most]})
        for most in range(len(besides), -1, -1)
    )
    return next((one for one in named if len(one) <= SUMMARY_LIMIT), summary)


def _risk_summary(advice: Advice, risk: Risk, material: Material) -> str:
    values = {"word": Trusted(capital(advice.concern.tier_word)), **_risk_values(advice, risk, material.setting)}
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


def _measured_summary(why: Why) -> str:
    advice, material = why.advice, why.material
    concern = advice.concern
    values: dict[str, Any] = {"title": Trusted(f"{_title(why)}, {concern.tier_word}")}
    lead = next((one for one in concern.readings if one.quantity in concern.measured), None)
    total = material.scores.get(concern.score or "")
    if isinstance(total, Score) and (lead is None or not is_stage(total)):  # the words of the tier say the stage
        text = score_total(total, why.label(total))
        return render(material.templates, "named.summary.j2", {**values, "fact": None, "found": text})
    if lead is None:
        fact = next(iter(named_facts(concern, material.setting)), None)
        return render(material.templates, "named.summary.j2", {**values, "fact": fact, "found": None})
    found = _computed(advice, lead.latest, material)
    if found is not None:
        return render(material.templates, "named.summary.j2", {**values, "fact": None, "found": found})
    values["ago"] = _aged(lead.latest, lead.quantity, material)
    return _led_summary(why.seen[lead.quantity], values, material)


def _led_summary(lead: SeenView, values: Mapping[str, Any], material: Material) -> str:
    """As much as is read at a glance, and the unit in which the value came where there is room."""

    def text(most: int, sent: str = "") -> str:
        given = {**values, "lead": lead, "most": most, "sent": Trusted(sent)}
        return render(material.templates, "measured.summary.j2", given)

    whole, *shorter = _LENGTHS
    found = text(whole)
    if len(found) > _GLANCE:
        whole, found = next((most, said) for most in shorter if len(said := text(most)) <= SUMMARY_LIMIT or not most)
    both = text(whole, lead.sent) if lead.sent else found
    return both if len(both) <= SUMMARY_LIMIT else found


def _aged(one: Measurement, quantity: str, material: Material) -> Trusted | None:
    """How long ago it was, past half the time for which it counts as current: nobody has looked since."""
    situation = material.situation
    return ago(one.when, situation.now) if situation.age_h(one) > situation.fresh_h(quantity) / 2.0 else None


def _title(why: Why) -> str:
    """Of a topic that is called after its score, what that came to is what a reader looks for first."""
    title = why.advice.concern.title
    return next((score_value(one, title) for one in why.scores if why.label(one) == title), title)


def _detail(why: Why, estimate: RiskEstimate | None, risk: Risk | None, besides: Lines) -> tuple[str, int]:
    """The four blocks, and how many options they name."""
    estimated = why.advice.concern.estimated
    beside = risk if risk is not None and risk.alert and not estimated else None
    explained = estimate.reasons if estimate and (estimated or beside) else ()
    unknown = _unseen(why, risk)
    blocks = _blocks(why, explained, beside, None if beside else risk, unknown)
    blocks = msgspec.structs.replace(
        blocks, besides=say(why.material.templates, "besides", [besides] if besides else [])
    )
    return write(blocks, why.material.templates, _briefer(why, explained, beside, unknown))


def _blocks(why: Why, explained: Sequence[Reason], beside: Risk | None, sure: Risk | None, unknown: Unseen) -> Blocks:
    """All lines: the risk beside a rule and the risk of the topic are told in places of their own."""
    advice, policy, templates = why.advice, why.material.service.policy, why.material.templates
    offered = advice.offered[: policy.options_shown]
    source = shared_source(offered)
    refused = told_refusals(not_asked_again(advice), _REFUSALS)
    return Blocks(
        estimate=say(templates, "estimated", [_risk_values(advice, beside, why.material.setting)] if beside else []),
        remarks=why.totals[1:],
        options=say(templates, "option", option_views(offered, templates, source)),
        source=Trusted("".join(say(templates, "source", [source] if source else []))),
        refusals=say(templates, "refusal", (refusal_view(one, advice.topic, templates) for one in refused)),
        sure=_sure(why, sure),
        unseen=unknown.line(),
        **why.explained(explained, policy.reasons_shown),
    )


def _briefer(
    why: Why, explained: Sequence[Reason], beside: Risk | None, unknown: Unseen
) -> Iterator[Callable[[], Changes]]:
    """What is said with less, one after the other, where there is no room for all.

    In which units values came; what was not seen; what takes a number beside a rule apart; what a laboratory wrote, but
    for that beside the leading measurement; the number itself, where it calls for nothing; of a risk alone what is
    beside its reasons, and one.
    """
    concern, shown = why.advice.concern, why.material.service.policy.reasons_shown
    seen = (*(one.latest for one in concern.readings), *(one.now for one in explained if one.now is not None))
    if any(came_otherwise(one, why.material.setting) for one in seen):
        why = replace(why, as_sent=False)
        yield lambda: why.explained(explained, shown)
    least = () if beside else explained
    yield lambda: {"unseen": unknown.line(brief=True)}
    if beside:
        yield lambda: why.explained(least, shown)
    if any(one.latest.comment for one in concern.readings):
        yield lambda: why.explained(least, shown, comments=False)
    if concern.estimated:
        yield lambda: {"evidence": ()}
        yield lambda: why.told(least, shown - 1)
    elif not beside:
        yield lambda: {"sure": _sure(why, None), "unseen": _unseen(why, None).line(brief=True)}


def _unseen(why: Why, risk: Risk | None) -> Unseen:
    asked = (why.advice.concern.unknown, why.advice.helps)
    return unseen(why.material, why.material.setting, *asked, with_model=risk is not None)


def _computed(advice: Advice, lead: Measurement, material: Material) -> Trusted | None:
    """What a score computed from the leading measurement and others, where that says more than it does."""
    scores = (one for name in advice.topic.scores if isinstance(one := material.scores.get(name), Score))
    return next((text for one in scores if (text := computed(one, lead)) is not None), None)


def _sure(why: Why, risk: Risk | None) -> Trusted:
    advice, material = why.advice, why.material
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
        "provisos": why.provisos,
        "assumed_stay": bool(risk and material.risks[advice.risk or ""].assumed_stay),
    }
    return Trusted(render(material.templates, "sure.j2", values))


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
