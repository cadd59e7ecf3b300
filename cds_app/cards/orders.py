"""Cards about orders: one per draft (or drug that is taken), its worst finding first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from jinja2 import Environment

from cds_app.cards.allergies import allergies_due
from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.detail import Blocks, Lines, fits, in_words, say, write
from cds_app.cards.drafts import Due
from cds_app.cards.grounds import Named, named_of
from cds_app.cards.text import Trusted, plain, render
from cds_app.cards.unread import unread_due
from cds_app.cards.unseen import lost
from cds_app.cards.views import Setting, compared, seen
from cds_app.cards.wire import SUMMARY_LIMIT, Draft, Proposal
from cds_app.domain.facts import Allergy, Fact, Measurement, Medication
from cds_app.mitigate.check import Check
from cds_app.mitigate.findings import UNCHECKED_TIER, Checked, Finding, Unchecked
from cds_app.score.allergies import named_most
from cds_app.score.situation import Situation

_EVIDENCE: Final = 4
_BESIDE, _PARTS = 2, 3
_DISPUTED: Final = "drug_disputed"
_DISPUTED_TIER: Final = 2
_LENGTHS: Final = (2, 1, 0)  # of a summary: with change and usual range, without the range, without both


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMaterial:
    """What cards about orders are made of.

    Parameters
    ----------
    checked : tuple of Checked
    unused : mapping of str to int
        Resources and drafts of this call that were dropped, by issue code.
    unknown : int
        Drafts of drugs that the ontology does not know.
    unread : mapping of str to str
        By reference of a draft that could not be read at all, why, as an issue code.
    disputed : tuple of str
        References of drafts whose codes say one drug and whose words say another: both were checked.
    undosed : mapping of str to Trusted
        By reference of a draft, why its dose was not simulated.
    allergies : tuple of Allergy
        Those that may be to a drug, in words that are not understood, newest first.
    """

    service: ServiceDefinition
    templates: Environment
    setting: Setting
    labels: Mapping[str, str]
    situation: Situation
    checked: tuple[Checked, ...]
    unused: Mapping[str, int]
    unknown: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)
    disputed: tuple[str, ...] = ()
    undosed: Mapping[str, Trusted] = field(default_factory=dict)
    allergies: tuple[Allergy, ...] = ()


def order_cards(material: OrderMaterial) -> tuple[Due, ...]:
    """Every card that is due, most urgent first, then in the order of the drafts."""
    found = [one for checked in material.checked if (one := _due(checked, material)) is not None]
    if material.unread:
        found.append(unread_due(material.unread, material.templates))
    if not found and material.allergies:  # a card of an order has a line for them
        views = [_allergy_view(one, material.setting) for one in material.allergies]
        stay = material.situation.stay
        found.append(allergies_due(material.allergies, views, stay.ref if stay else None, material.templates))
    return tuple(sorted(found, key=lambda one: -one.tier))


def _due(checked: Checked, material: OrderMaterial) -> Due | None:
    """The card of one order; its topic is its worst finding and the drug, so that each is quiet by itself."""
    said = [one for one in checked.unchecked if one.said]
    disputed = checked.order.ref in material.disputed
    if not checked.findings and not said and not disputed:
        return None
    about = checked.findings[0].check if checked.findings else said[0].check if said and not disputed else None
    facts = [fact for one in checked.findings for fact in (*one.evidence, *one.beside)]
    measured = (one for one in facts if isinstance(one, Measurement))
    variables = material.situation.ontology.variables
    topic = f"{about.id if about else _DISPUTED}_{checked.drug}"
    return Due(
        topic=topic,
        tier=_tier(checked, disputed=disputed),
        points=None,
        grounds=tuple(dict.fromkeys([checked.order.ref, *(one.ref for one in facts)])),
        measured=frozenset(variables[one.variable].quantity for one in measured),
        write=lambda told: _card(checked, about, topic, material, told.besides),
        brief=lambda: _brief(checked, about, material),
    )


def _tier(checked: Checked, *, disputed: bool) -> int:
    found = checked.findings[0].tier if checked.findings else UNCHECKED_TIER
    return max(found, _DISPUTED_TIER) if disputed else found


def _title(checked: Checked, about: Check | None, material: OrderMaterial) -> str:
    return f"{_drug(checked.order, material)}: {about.title if about else 'code and name differ'}"


def _brief(checked: Checked, about: Check | None, material: OrderMaterial) -> Trusted:
    return Trusted(_title(checked, about, material))


def _card(checked: Checked, about: Check | None, topic: str, material: OrderMaterial, besides: Lines) -> Draft:
    label = _drug(checked.order, material)
    said = say(material.templates, "besides", [besides] if besides else [])
    detail, _ = write(msgspec.structs.replace(_fitting(checked, material), besides=said), material.templates)
    return Draft(
        topic=topic,
        title=_title(checked, about, material),
        tier=_tier(checked, disputed=checked.order.ref in material.disputed),
        summary=_summary(checked, label, material),
        detail=detail,
        proposals=tuple(_proposals(checked, label, disputed=checked.order.ref in material.disputed)),
        explanation=_explanation(checked, material.templates),
    )


def _kind(checked: Checked) -> Trusted:
    return Trusted("Draft order" if checked.draft else "Active order")


# --- the summary


def _summary(checked: Checked, label: str, material: OrderMaterial) -> str:
    values: dict[str, Any] = {"kind": _kind(checked), "drug": Trusted(label)}
    if not checked.findings and checked.order.ref in material.disputed:
        return render(material.templates, "order.disputed.j2", values)
    if not checked.findings:
        first = next(one for one in checked.unchecked if one.said)
        values |= {"title": Trusted(first.check.asks), "lacking": in_words(first.lacking, material.templates)}
        return render(material.templates, "order.unchecked.j2", values)
    lead = checked.findings[0]
    measured = next((one for one in lead.evidence if isinstance(one, Measurement)), None)
    values |= {
        "title": Trusted(lead.check.title),
        "beside": _figure(lead, material) or _other(lead, label, material) or _allergens(lead, material),
        "lead": seen(measured, _earlier(measured, material), material.setting) if measured else None,
    }
    texts = (render(material.templates, "order.summary.j2", {**values, "most": most}) for most in _LENGTHS)
    return next((text for text in texts if len(text) <= SUMMARY_LIMIT), "") or render(
        material.templates, "order.summary.j2", {**values, "lead": None, "most": 0}
    )


def _figure(finding: Finding, material: OrderMaterial) -> Trusted:
    return in_words(finding.figure or "", material.templates)


def _beside(finding: Finding, material: OrderMaterial) -> Trusted:
    """The other drugs by our names for them: what an EHR calls them stands in the detail, made inert."""
    names = dict.fromkeys(_drug(one, material) for one in finding.beside if one.concepts)
    return Trusted(", ".join(list(names)[:_BESIDE]))


def _other(finding: Finding, label: str, material: OrderMaterial) -> Trusted:
    """The other drugs, unless they are the one that the summary names anyway."""
    beside = _beside(finding, material)
    return Trusted("") if beside == label else beside


def _allergens(finding: Finding, material: OrderMaterial) -> Trusted:
    """What an allergy is to, by our names."""
    ontology = material.situation.ontology
    heads = (key for one in finding.evidence if isinstance(one, Allergy) for key in named_most(one.concepts, ontology))
    return Trusted(", ".join([ontology.concepts[key].label for key in dict.fromkeys(heads)][:_BESIDE]))


def _drug(order: Medication, material: OrderMaterial) -> str:
    """Our name for a drug; of a mixture the names of its parts, and of what is disputed of either."""
    names = _names([order], material)
    return (" or " if order.ref in material.disputed else " + ").join(names[:_PARTS])


def _names(orders: Iterable[Medication], material: OrderMaterial) -> list[str]:
    """Our names for all that is in them."""
    ontology = material.situation.ontology
    return [ontology.concepts[key].label for one in orders for key in named_most(one.concepts, ontology)]


def _earlier(measured: Measurement, material: OrderMaterial) -> Measurement | None:
    return compared(measured, material.situation, material.setting, material.service.policy.change_h)


# --- the detail


def _fitting(checked: Checked, material: OrderMaterial) -> Blocks:
    """As many findings as have room, each with its source, and the others by their titles.

    Where there is room for all, values that came in another unit are told in both.
    """
    most = len(checked.findings)
    while most > 1 and not _have_room(_blocks(checked, most, material), material):
        most -= 1
    both = _blocks(checked, most, material, as_sent=True)
    return both if fits(both, material.templates) else _blocks(checked, most, material)


def _have_room(blocks: Blocks, material: OrderMaterial) -> bool:
    return fits(msgspec.structs.replace(blocks, evidence=(), options=blocks.options[:1]), material.templates)


def _blocks(checked: Checked, most: int, material: OrderMaterial, *, as_sent: bool = False) -> Blocks:
    templates, told = material.templates, partial(say, material.templates)
    findings, others = checked.findings[:most], checked.findings[most:]
    titles = Trusted(", ".join(dict.fromkeys(one.check.title for one in others)))
    leads = tuple(_leads(findings))
    whys = (_why_view(one, lead, material, as_sent=as_sent) for one, lead in zip(findings, leads, strict=True))
    return Blocks(
        reasons=(
            *told("order", [_order_view(checked)]),
            *told("disputed", [_drug(checked.order, material)] if checked.order.ref in material.disputed else []),
            *told("why", whys),
            *told("also", [titles] if others else []),
        ),
        evidence=_evidence(findings, leads, material, as_sent=as_sent),
        options=tuple(dict.fromkeys(Trusted(one.check.consider) for one in findings)),
        sure=Trusted(render(templates, "order.sure.j2", {"sources": list(_sources(findings, checked.unchecked))})),
        unseen=Trusted(" ".join(render(templates, "order.unseen.j2", _unseen(checked, material)).split())),
    )


def _order_view(checked: Checked) -> dict[str, object]:
    order = checked.order
    dose = "" if order.dose_value is None else plain(f"{order.dose_value:g} {order.dose_unit}", limit=30)
    return {"kind": _kind(checked), "text": plain(order.text, limit=80) or checked.drug, "dose": dose}


def _leads(findings: Sequence[Finding]) -> Iterator[Measurement | None]:
    """Per finding the measurement that is said with it: its first, unless that was said before."""
    said: set[str] = set()
    for finding in findings:
        first = next((one for one in finding.evidence if isinstance(one, Measurement)), None)
        yield None if first is None or first.ref in said else first
        if first is not None:
            said.add(first.ref)


def _why_view(
    finding: Finding, lead: Measurement | None, material: OrderMaterial, *, as_sent: bool
) -> dict[str, object]:
    beside, text = _beside(finding, material), in_words(finding.why, material.templates)
    names = _names(finding.beside, material)
    begins = any(text.startswith(f"{name} ") for name in names)
    if begins and all(name in text for name in names):  # says itself which
        beside = Trusted("")
    elif beside and not begins:
        text = Trusted(text[0].lower() + text[1:])
    view = None if lead is None else seen(lead, _earlier(lead, material), material.setting, as_sent=as_sent)
    return {"text": text, "beside": beside, "seen": view, "review": finding.check.needs_review}


def _evidence(
    findings: Sequence[Finding], leads: Sequence[Measurement | None], material: OrderMaterial, *, as_sent: bool
) -> Lines:
    """What the findings rest on beside what was said with them."""
    facts = dict.fromkeys(fact for one in findings for fact in (*one.evidence, *one.beside))
    measured = [one for one in facts if isinstance(one, Measurement) and one not in leads]
    named = [view for one in facts if (view := _named(one, material.setting)) is not None]
    shown = measured[:_EVIDENCE]
    views = [seen(one, _earlier(one, material), material.setting, as_sent=as_sent) for one in shown]
    return (
        *say(material.templates, "evidence", views),
        *say(material.templates, "named", named[: _EVIDENCE - min(len(views), _EVIDENCE - 1)]),
    )


def _named(fact: Fact, setting: Setting) -> Named | None:
    if isinstance(fact, Allergy):
        return _allergy_view(fact, setting)
    if isinstance(fact, Medication) and fact.status == "draft":
        return Named(text=plain(fact.text, limit=60), how="drafted", time=setting.clock(fact.when))
    return named_of(fact, setting)


def _allergy_view(allergy: Allergy, setting: Setting) -> Named:
    since = _since(allergy, setting)
    how = "known" if since else "date not known"
    return Named(text=plain(f"Allergy: {allergy.text}", limit=60), how=how, time=since)


def _since(fact: Fact, setting: Setting) -> Trusted:
    return Trusted("") if fact.when.year <= _UNDATED_YEAR else Trusted(f"since {_date(fact.when, setting)}")


_UNDATED_YEAR: Final = 1900


def _date(at: datetime, setting: Setting) -> str:
    return f"{at.astimezone(setting.zone):%d %b %Y}"


def _sources(findings: Sequence[Finding], unchecked: Sequence[Unchecked]) -> Iterator[dict[str, object]]:
    checks = [one.check for one in findings] + [one.check for one in unchecked if one.said]
    told: dict[str, bool] = {}
    for check in checks:
        told.setdefault(check.guideline.place(", "), check.needs_review)
    for text, review in told.items():
        yield {"text": text, "review": review}


def _unseen(checked: Checked, material: OrderMaterial) -> dict[str, object]:
    situation = material.situation
    latest = (situation.latest(name) for name in situation.quantities)
    newest = max((one.when for one in latest if one is not None), default=None)
    return {
        "unchecked": [
            {
                "title": one.check.asks,
                "lacking": in_words(one.lacking, material.templates),
                "words": plain(one.words, limit=60),
            }
            for one in _each(checked.unchecked)
        ],
        "undosed": material.undosed.get(checked.order.ref),
        "unknown": material.unknown,
        **lost(material.unused),
        "data_to": material.setting.clock(newest) if newest else None,
        "zone": Trusted(str(material.setting.zone)),
    }


def _each(unchecked: Sequence[Unchecked]) -> tuple[Unchecked, ...]:
    """Each lack once, what a card must say first."""
    rows = sorted(unchecked, key=lambda one: not one.said)
    return tuple({(one.check.asks, one.lacking): one for one in rows}.values())


# --- what may be accepted, and the same for machines


def _proposals(checked: Checked, label: str, *, disputed: bool) -> Iterator[Proposal]:
    """Removing the draft, where the EHR named it: never what stands already."""
    if checked.draft and (checked.findings or disputed) and "~" not in checked.order.ref:
        yield Proposal(text=f"Remove this draft: {label}", removes=checked.order.ref)


def _explanation(checked: Checked, templates: Environment) -> dict[str, Any]:
    said: dict[str, Any] = {
        "order": checked.order.ref,
        "drug": checked.drug,
        "findings": [_finding_said(one) for one in checked.findings],
        "unchecked": [
            {"check": one.check.id, "lacking": str(in_words(one.lacking, templates))} for one in checked.unchecked
        ],
    }
    return {key: value for key, value in said.items() if value != []}


def _finding_said(finding: Finding) -> dict[str, Any]:
    said: dict[str, Any] = {
        "check": finding.check.id,
        "tier": finding.tier,
        "needsReview": finding.check.needs_review,
        "grounds": [one.ref for one in (*finding.evidence, *finding.beside)],
    }
    return {key: value for key, value in said.items() if value != []}
