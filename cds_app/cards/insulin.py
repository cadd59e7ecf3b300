"""Cards about drafted insulin: what virtual people say of the dose, and a dose that does better, as another draft."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cds_app.cards.detail import Blocks, Lines, say, write
from cds_app.cards.dose_material import TIER, TITLE, DoseMaterial, dose_topics, line, removal
from cds_app.cards.drafts import Due
from cds_app.cards.insulin_numbers import insulin_numbers
from cds_app.cards.redrafts import once, redrafted
from cds_app.cards.text import Trusted, capital, hundred, plain, render
from cds_app.cards.unseen import lost
from cds_app.cards.views import seen
from cds_app.cards.wire import SUMMARY_LIMIT, Draft, Proposal
from cds_app.domain.told import Told
from cds_app.mitigate.doses import DRAFT
from cds_app.mitigate.insulin import NONE, UNIT, Injection, LowGlucose
from cds_app.simulate.glucose.people import INSULINS
from cds_app.simulate.glucose.what_if import InsulinOutcome

_DECIMALS: Final = 4


def insulin_cards(material: DoseMaterial) -> Iterator[Due]:
    """A card for each simulated draft of which there is something to say."""
    return (_due(one, material) for one in material.injections if one.speaks)


def _due(one: Injection, material: DoseMaterial) -> Due:
    """Its points are the chance of low glucose, or the share of the time out of range; another dose is news."""
    worst = one.over[0].share if one.over else 1.0 - one.draft.time_in_range
    quantities = material.situation.ontology.variables
    return Due(
        topic=_topic(one),
        tier=TIER,
        points=round(100.0 * worst, _DECIMALS),
        grounds=(
            f"{one.order.ref}#{one.doses_u[DRAFT]:g}U",
            *(fact.ref for fact in (*one.like.measured, *one.like.acts)),
        ),
        measured=frozenset(quantities[fact.variable].quantity for fact in one.like.measured),
        write=lambda _: _card(one, material),
    )


def _topic(one: Injection) -> str:
    low, harm, _ = dose_topics(INSULINS)
    return harm if one.over else low


def _card(one: Injection, material: DoseMaterial) -> Draft:
    label = material.situation.ontology.concepts[one.order.concepts[0]].label
    blocks = Blocks(
        reasons=_reasons(one, material),
        options=_options(one, material),
        sure=line(material.templates, "insulin.sure.j2", _sure(one, material)),
        unseen=line(material.templates, "insulin.unseen.j2", _unseen(one, material)),
    )
    return Draft(
        topic=_topic(one),
        title=f"{label}: {TITLE}",
        tier=TIER,
        summary=_summary(one, label, material),
        detail=write(blocks, material.templates)[0],
        proposals=tuple(_proposals(one, label, material)),
        explanation=insulin_numbers(one),
    )


# --- words


def _units(one: Injection, name: str) -> Trusted:
    units = one.doses_u[name]
    return Trusted(f"{units:.4g} {UNIT.removesuffix('s') if units == 1.0 else UNIT} now" if units else "no insulin now")


def _eaten(one: Injection) -> Trusted:
    return Trusted(f"{one.carbohydrate_g:.4g} g carbohydrate" if one.carbohydrate_g else "")


def _with_meal(one: Injection, name: str) -> Trusted:
    """A dose as a dosage says it, so that it is read again with the same meal."""
    return Trusted(f"{_units(one, name)} for {_eaten(one)}") if one.carbohydrate_g else _units(one, name)


def _share(outcome: InsulinOutcome) -> Trusted:
    return hundred(outcome.time_in_range)


def _summary(one: Injection, label: str, material: DoseMaterial) -> str:
    lead, better = next(iter(one.over), None), one.better
    values: dict[str, object] = {
        "drug": Trusted(label),
        "plan": _units(one, DRAFT),
        "share": _share(one.draft),
        "aim": _aim(one, _told(material)),
        "harm": _low_view(lead, _told(material)) if lead else None,
        "better": _better_view(one, better, lead) if better else None,
    }
    texts = (render(material.templates, "insulin.summary.j2", {**values, "most": most}) for most in (1, 0))
    return next((text for text in texts if len(text) <= SUMMARY_LIMIT), f"{label}: {TITLE}")


def _told(material: DoseMaterial) -> Told:
    return material.situation.ontology.quantity("glucose").told


def _aim(one: Injection, told: Told) -> dict[str, Trusted]:
    rules = one.people.file.rules
    low, high = told.limit(rules.range_mg_dl.low, rules.range_mg_dl.high)
    return {
        "low": Trusted(low),
        "high": Trusted(high),
        "unit": Trusted(told.text),
        "hours": Trusted(f"{rules.orders.within_h:g}"),
    }


def _low_view(low: LowGlucose, told: Told) -> dict[str, Trusted]:
    return {
        "chance": hundred(low.share),
        "limit": Trusted(f"{100.0 * low.at_most:.0f}"),
        "below": Trusted(told.limit(low.below_mg_dl)[0]),
        "unit": Trusted(told.text),
    }


def _better_view(one: Injection, better: InsulinOutcome, lead: LowGlucose | None) -> dict[str, Trusted]:
    same = (low for low in one.lows(better) if lead is not None and low.below_mg_dl == lead.below_mg_dl)
    return {
        "plan": _units(one, better.name),
        "share": _share(better),
        "harm": next((hundred(low.share) for low in same), Trusted("")),
    }


def _reasons(one: Injection, material: DoseMaterial) -> Lines:
    templates, told = material.templates, _told(material)
    order = {"text": plain(one.order.text, limit=60), "plan": _with_meal(one, DRAFT)}
    target = {"share": _share(one.draft), **_aim(one, told)}
    lows = {"lows": [_low_view(low, told) for low in one.over], **_aim(one, told)}
    return (
        *say(templates, "dose_draft", [order]),
        *say(templates, "insulin_low", [lows] if one.over else []),
        *say(templates, "insulin_range", [target]),
    )


def _options(one: Injection, material: DoseMaterial) -> Lines:
    """The dose to recommend, or that there is none; then no insulin."""
    better = one.better
    names = dict.fromkeys((*([better.name] if better is not None else []), NONE))
    plans = [_plan_view(one, one.outcome(name), _told(material)) for name in names]
    none = [{"doses": len(one.doses_u) - 1}] if one.answer.recommended is None else []
    return (*say(material.templates, "insulin_none", none), *say(material.templates, "insulin_plan", plans))


def _plan_view(one: Injection, outcome: InsulinOutcome, told: Told) -> dict[str, object]:
    return {
        "plan": Trusted(capital(_units(one, outcome.name))),
        "share": _share(outcome),
        "lows": [_low_view(low, told) for low in sorted(one.lows(outcome), key=lambda low: -low.below_mg_dl)],
    }


def _sure(one: Injection, material: DoseMaterial) -> dict[str, object]:
    found, rules, patient = one.answer, one.people.file.rules, one.like.patient
    marks = {"limits": rules.needs_review or one.rule.needs_review, "model": found.needs_review}
    return {
        "people": len(found.weights),
        "alike": Trusted(f"{found.alike:.1f}"),
        "doses": len(one.doses_u),
        "model": Trusted("UVA/Padova 2008"),
        "review": [Trusted(name) for name, marked in marks.items() if marked],
        "seen": [seen(fact, None, material.setting) for fact in one.like.measured],
        "daily": Trusted(f"{patient.daily_insulin_u:.4g}"),
        "acts": len(patient.given),
        "acting": Trusted(f"{found.acting_u:.4g}"),
    }


def _unseen(one: Injection, material: DoseMaterial) -> dict[str, object]:
    return {
        **_aim(one, _told(material)),
        "eaten": _eaten(one),
        **lost(material.unused),
        "zone": Trusted(str(material.setting.zone)),
    }


# --- what may be accepted


def _proposals(one: Injection, label: str, material: DoseMaterial) -> Iterator[Proposal]:
    """Another draft with the better dose, and removing the first one."""
    better = one.better
    if better is not None and better.name != NONE and one.written.resource:
        lead = next(iter(one.over), None)
        values: dict[str, Any] = {
            "drug": Trusted(label),
            "plan": _units(one, DRAFT),
            "share": _share(one.draft),
            "harm": _low_view(lead, _told(material)) if lead else None,
            "better": _better_view(one, better, lead),
        }
        text = line(material.templates, "insulin.proposal.j2", values)
        dosage = once(one.doses_u[better.name], _with_meal(one, better.name))
        yield Proposal(text=text, resource=redrafted(one.written, dosage, material.patient, material.situation.now))
    yield from removal(one.order.ref, f"{label} {_units(one, DRAFT)}")
