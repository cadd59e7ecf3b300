"""Cards about drafted doses: what the simulation says of the draft, and a plan that does better, as another draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from jinja2 import Environment

from cds_app.cards.detail import Blocks, Lines, say, write
from cds_app.cards.dose_material import TIER, TITLE, DoseMaterial, dose_topics, line, removal
from cds_app.cards.dose_numbers import dose_numbers
from cds_app.cards.drafts import Due
from cds_app.cards.insulin import insulin_cards
from cds_app.cards.redrafts import plan_text, redrafted, regular, with_length
from cds_app.cards.text import Trusted, hundred, plain, points, render, simulated
from cds_app.cards.undosed import excess_cards, field_text, undosed_cards
from cds_app.cards.unseen import lost
from cds_app.cards.views import SeenView, seen
from cds_app.cards.wire import SUMMARY_LIMIT, Draft, Proposal
from cds_app.domain.facts import Measurement
from cds_app.mitigate.doses import DRAFT, STANDING, Dosed
from cds_app.simulate.kinetics.drugs import Target
from cds_app.simulate.regimens.answers import HarmChance, PlanOutcome
from cds_app.simulate.regimens.outcomes import DAY_H, area_unit
from cds_app.simulate.regimens.remarks import measured_of
from cds_app.simulate.regimens.what_if import DISAGREEING, NO_LEVEL

_DECIMALS: Final = 4
_INR: Final = "{INR}"
_TOLD_ELSEWHERE: Final = frozenset({NO_LEVEL, DISAGREEING})


def dose_cards(material: DoseMaterial) -> tuple[Due, ...]:
    """A card for each draft of which there is something to say, those above every limit first."""
    spoken = (_due(one, material) for one in material.dosed if one.speaks)
    return (*excess_cards(material), *spoken, *insulin_cards(material), *undosed_cards(material))


def _topic(one: Dosed) -> str:
    low, harm, _ = dose_topics(one.drug.name)
    return harm if one.over else low


def _due(one: Dosed, material: DoseMaterial) -> Due:
    """Its points are the chance of the worst harm, or of missing the target: a draft made worse is told again.

    Among its grounds stands the dose: another one is news, though it stands in the same draft.
    """
    measured = measured_of(one.drug, one.charted.patient, one.answer, material.situation)
    missed = 1.0 - one.draft.target.probability if one.draft.target is not None else 0.0
    worst = max((harm.chance.probability for harm in one.over), default=missed)
    plan = one.plans[DRAFT]
    order = f"{one.order.ref}#{plan.amount_mg:g}mg-{plan.interval_h:g}h"
    return Due(
        topic=_topic(one),
        tier=TIER,
        points=round(100.0 * worst, _DECIMALS),
        grounds=tuple(dict.fromkeys([order, *one.charted.facts, *(fact.ref for fact in measured)])),
        measured=frozenset(material.situation.ontology.variables[fact.variable].quantity for fact in measured),
        write=lambda _: _card(one, measured, material),
    )


def _card(one: Dosed, measured: Sequence[Measurement], material: DoseMaterial) -> Draft:
    label = material.situation.ontology.concepts[one.drug.file.concept].label
    blocks = Blocks(
        reasons=_reasons(one, material.templates),
        evidence=_limits(one, material),
        remarks=say(material.templates, "dose_exposure", filter(None, [_exposures(one)])),
        options=tuple(_options(one, material.templates)),
        sure=line(material.templates, "dose.sure.j2", _sure(one, measured, material)),
        unseen=line(material.templates, "dose.unseen.j2", _unseen(one, material)),
    )
    return Draft(
        topic=_topic(one),
        title=f"{label}: {TITLE}",
        tier=TIER,
        summary=_summary(one, label, material.templates),
        detail=write(blocks, material.templates)[0],
        proposals=tuple(_proposals(one, label, material)),
        explanation=dose_numbers(one),
    )


# --- words


def _chance(outcome: PlanOutcome) -> Trusted | None:
    """In 100; None where the target is not meant for the plan."""
    return None if outcome.target is None else hundred(outcome.target.probability)


def _summary(one: Dosed, label: str, templates: Environment) -> str:
    lead, better = next(iter(one.over), None), one.better
    values: dict[str, object] = {
        "drug": Trusted(label),
        "plan": plan_text(one.plans[DRAFT]),
        "chance": _chance(one.draft),
        "aim": say(templates, "dose_aim", [_aim(one.target, one.drug.file.levels.unit)])[0],
        "harm": _harm_view(lead) if lead else None,
        "better": _better_view(one, better, lead) if better else None,
    }
    texts = (render(templates, "dose.summary.j2", {**values, "most": most}) for most in (1, 0))
    return next((text for text in texts if len(text) <= SUMMARY_LIMIT), f"{label}: {TITLE}")


def _aim(target: Target, level_unit: str) -> dict[str, object]:
    return {
        "metric": target.metric,
        "low": Trusted(f"{target.low:g}"),
        "high": Trusted(f"{target.high:g}"),
        "unit": Trusted(target.unit),
        "least": Trusted(f"{100.0 * target.low:.0f}"),
        "threshold": Trusted("" if target.threshold is None else f"{target.threshold:.3g}"),
        "level_unit": Trusted(level_unit),
    }


def _better_view(one: Dosed, better: PlanOutcome, lead: HarmChance | None) -> dict[str, object]:
    same = next((harm for harm in better.harms if lead is not None and harm.says == lead.says), None)
    return {
        "plan": Trusted(f"{_whose(better)}{plan_text(one.plans[better.name])}"),
        "chance": _chance(better),
        "harm": hundred(same.chance.probability) if same is not None else None,
    }


def _whose(outcome: PlanOutcome) -> str:
    return "standing order " if outcome.name == STANDING else ""


def _harm_view(harm: HarmChance) -> dict[str, object]:
    return {
        "chance": hundred(harm.chance.probability),
        "limit": Trusted(f"{100.0 * harm.at_most:.0f}"),
        "says": Trusted(harm.says),
        "short": Trusted(harm.short),
    }


def _reasons(one: Dosed, templates: Environment) -> Lines:
    plan = with_length(one.plans[DRAFT], said=one.says_length)
    order = {"text": plain(one.order.text, limit=60) or Trusted(one.drug.name), "plan": plan}
    shares = one.draft.target_by_model.values()
    ends = dict.fromkeys(hundred(each) for each in (min(shares), max(shares))) if shares else {}
    target: dict[str, object] = {
        "chance": _chance(one.draft),
        "spread": Trusted(" to ".join(ends) if len(ends) > 1 else ""),
        "says": _says(one),
    }
    harms = (_harm_view(harm) for harm in one.over[:1])
    return (
        *say(templates, "dose_draft", [order]),
        *say(templates, "dose_target", [target] if one.draft.target is not None else []),
        *say(templates, "dose_harm", harms),
    )


def _says(one: Dosed) -> Trusted:
    """The target in the words of the content, and when its end is."""
    if one.target.metric != "end":
        return Trusted(one.target.says)
    when, comma, of = one.target.says.partition(",")
    return Trusted(f"{when} ({one.answer.times_h[-1] / DAY_H:g} days){comma}{of}")


def _exposures(one: Dosed) -> list[dict[str, Trusted]]:
    draft, unit = one.draft, one.answer.unit
    rows = (("AUC24", draft.auc24_steady, area_unit(unit)),
            ("trough", draft.trough, unit))  # fmt: skip
    return [
        {
            "name": Trusted(name),
            "median": simulated(spread.median),
            "low": simulated(spread.low90),
            "high": simulated(spread.high90),
            "unit": Trusted(of),
        }
        for name, spread, of in rows
        if spread is not None
    ]


def _limits(one: Dosed, material: DoseMaterial) -> Lines:
    """Other harms over their limits, limits of doses that the draft breaks, what was supposed and what is strange."""
    harms = [{**view, "says": view["short"]} for view in map(_harm_view, one.over[1:])]
    broken = [
        {"field": field_text(each.field, material.labels), "limit": Trusted(each.limit)} for each in one.draft.outside
    ]
    said = (*one.answer.remarks, *one.charted.remarks)
    told = tuple(Trusted(each.rstrip(".")) for each in said if each not in _TOLD_ELSEWHERE)
    return (
        *say(material.templates, "dose_harm", harms),
        *say(material.templates, "dose_outside", broken),
        *told,
    )


def _options(one: Dosed, templates: Environment) -> Iterator[Trusted]:
    """The plan to recommend, or that there is none; then the standing order."""
    better = one.better
    if one.offers and one.answer.recommended is None:
        yield from say(templates, "dose_none", [{"plans": one.offers}])
    if better is not None:
        yield from say(templates, "dose_plan", [_plan_view(one, better)])
    if STANDING in one.plans and (better is None or better.name != STANDING):
        yield from say(templates, "dose_plan", [_plan_view(one, one.outcome(STANDING))])


def _plan_view(one: Dosed, outcome: PlanOutcome) -> dict[str, object]:
    gain = one.answer.gain if outcome.name == one.answer.recommended else None
    stands = outcome.name == STANDING
    return {
        "kind": Trusted(_whose(outcome).capitalize()),
        "plan": with_length(one.plans[outcome.name], said=one.says_length and not stands),
        "chance": _chance(outcome),
        "gain": Trusted("") if gain is None else points(100.0 * gain.probability),
        "harms": [] if stands else [_harm_view(harm) for harm in outcome.harms],
    }


def _sure(one: Dosed, measured: Sequence[Measurement], material: DoseMaterial) -> dict[str, object]:
    found, goal = one.answer, one.drug.file.goals[one.rule.goal]
    models = sorted(found.models, key=lambda each: (-each.weight, each.name))
    marks = {
        "target": goal.target.needs_review,
        "limits": any(each.needs_review for each in goal.harms) or one.rule.needs_review,
        "models": any(each.needs_review for each in models),
    }
    views: list[SeenView] = [seen(fact, None, material.setting) for fact in measured]
    weights = [Trusted(f"{each.weight:.2f}") for each in models]
    named = zip(models, weights, strict=True)
    return {
        "draws": found.draws,
        "seed": found.seed,
        "offers": one.offers,
        "models": [{"name": _model(each.name, one), "weight": weight} for each, weight in named],
        "each": weights[0] if len(weights) > 1 and len(set(weights)) == 1 else None,
        "review": [Trusted(name) for name, marked in marks.items() if marked],
        "standing": STANDING in one.plans,
        "doses": found.doses,
        "levels": found.levels,
        "level": _level(one),
        "seen": views,
    }


def _level(one: Dosed) -> Trusted:
    """What is measured of the drug, as it is called."""
    return Trusted("INR" if one.drug.file.levels.unit == _INR else "level")


def _model(name: str, one: Dosed) -> Trusted:
    """``Goti 2018``."""
    return Trusted(name.removeprefix(f"{one.drug.name}-").replace("-", " ").capitalize())


def _unseen(one: Dosed, material: DoseMaterial) -> dict[str, object]:
    return {
        "levels": one.answer.levels,
        "level": _level(one),
        "left_out": [_model(name, one) for name, _ in one.answer.left_out],
        **lost(material.unused),
        "zone": Trusted(str(material.setting.zone)),
    }


# --- what may be accepted


def _proposals(one: Dosed, label: str, material: DoseMaterial) -> Iterator[Proposal]:
    """Another draft with the better plan, and removing the first one; never what stands already."""
    better = one.better
    if better is not None and better.name != STANDING and one.written.resource:
        values = {
            "drug": Trusted(label),
            "plan": plan_text(one.plans[DRAFT]),
            "chance": _chance(one.draft),
            "better": {
                "plan": with_length(one.plans[better.name], said=one.says_length),
                "chance": _chance(better),
            },
        }
        text = line(material.templates, "dose.proposal.j2", values)
        dosage = regular(one, one.plans[better.name])
        yield Proposal(text=text, resource=redrafted(one.written, dosage, material.patient, material.situation.now))
    yield from removal(one.order.ref, f"{label} {plan_text(one.plans[DRAFT])}")
