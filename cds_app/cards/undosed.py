"""Drafted doses that were not simulated: above every limit, or for want of something; said in a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from jinja2 import Environment

from cds_app.cards.detail import Blocks, say, write
from cds_app.cards.dose_material import TIER, TITLE, DoseMaterial, dose_topics, line, removal
from cds_app.cards.dose_numbers import excess_numbers, undosed_numbers
from cds_app.cards.drafts import Due
from cds_app.cards.text import Trusted, capital, plain, render
from cds_app.cards.unseen import lost
from cds_app.cards.wire import SUMMARY_LIMIT, Draft
from cds_app.mitigate.doses import Undosed
from cds_app.simulate.kinetics.covariates import DERIVED

_INFORMS: Final = 1
_REASONS: Final = 2
_BY_HAND: Final = frozenset({"order.carbohydrate", "patient.daily_insulin_u"})
"""What no chart says and a page takes."""
_FOLLOWS: Final = frozenset(name.lower() for name in DERIVED)


def undosed_text(
    undosed: Undosed, labels: Mapping[str, str], templates: Environment, *, most: int = _REASONS
) -> Trusted:
    """Why a draft was not simulated, in a few words: the field and its limit, what was measured before what follows."""
    rows = sorted(undosed.reasons, key=lambda one: one.field.rpartition(".")[2] in _FOLLOWS)
    lacking: dict[str, dict[Trusted, None]] = {}
    for one in rows:
        lacking.setdefault(one.limit, {})[field_text(one.field, labels)] = None
    views = [{"fields": list(fields), "limit": Trusted(limit)} for limit, fields in list(lacking.items())[:most]]
    return Trusted(render(templates, "dose.undosed.j2", {"reasons": views}))


def field_text(path: str, labels: Mapping[str, str]) -> Trusted:
    """A field of the simulation in words."""
    name = path.rpartition(".")[2]
    return Trusted(labels.get(f"dose:{name}", name.replace("_", " ")))


# --- a dose above every limit


def excess_cards(material: DoseMaterial) -> Iterator[Due]:
    """A dose above all that the content allows has a card of its own."""
    return (_excess_due(one, material) for one in material.undosed if one.excessive)


def _excess_due(one: Undosed, material: DoseMaterial) -> Due:
    return Due(
        topic=dose_topics(one.drug)[1],
        tier=TIER,
        points=None,
        grounds=(f"{one.order.ref}#{one.order.dose_value}{one.order.dose_unit}",),
        measured=frozenset(),
        write=lambda _: _excess(one, material),
    )


def _excess(one: Undosed, material: DoseMaterial) -> Draft:
    label, highest = material.situation.ontology.concepts[one.concept].label, one.highest
    dose = plain(f"{one.order.dose_value:.12g} {one.order.dose_unit}", limit=30)
    limit = Trusted(f"{highest.amount:g} {highest.unit}")
    order = {"text": plain(one.order.text, limit=60) or Trusted(label), "plan": dose}
    why = undosed_text(one, material.labels, material.templates)
    blocks = Blocks(
        reasons=say(material.templates, "dose_draft", [order]),
        sure=line(material.templates, "dose.excess.sure.j2", {"review": highest.from_memory}),
        unseen=Trusted(f"{capital(why)}."),
    )
    return Draft(
        topic=dose_topics(one.drug)[1],
        title=f"{label}: {TITLE}",
        tier=TIER,
        summary=render(material.templates, "dose.excess.j2", {"drug": Trusted(label), "dose": dose, "limit": limit}),
        detail=write(blocks, material.templates)[0],
        proposals=tuple(removal(one.order.ref, f"{label} {dose}")),
        explanation=excess_numbers(one),
    )


# --- what is missing for a simulation


def undosed_cards(material: DoseMaterial) -> Iterator[Due]:
    """One line for every other draft that was not simulated, unless another card of the draft says it.

    None where who signs has nothing to add to the chart or the draft that would make it possible: a scale, a single
    dose, another insulin.
    """
    for one in material.undosed:
        if not (one.excessive or one.beyond or one.order.ref in material.told):
            yield _undosed_due(one, material)


def _undosed_due(one: Undosed, material: DoseMaterial) -> Due:
    return Due(
        topic=dose_topics(one.drug)[2],
        tier=_INFORMS,
        points=None,
        grounds=tuple(dict.fromkeys(f"{one.order.ref}#{each.field}" for each in one.reasons)),
        measured=frozenset(),
        write=lambda _: _undosed(one, material),
    )


def _undosed(one: Undosed, material: DoseMaterial) -> Draft:
    label, templates = material.situation.ontology.concepts[one.concept].label, material.templates
    texts = [undosed_text(one, material.labels, templates, most=most) for most in (_REASONS, 1)]
    values: dict[str, object] = {"drug": Trusted(label)}
    summaries = [render(templates, "dose.undosed.summary.j2", {**values, "why": why}) for why in texts]
    why = texts[0]
    dose = "" if one.order.dose_value is None else f"{one.order.dose_value:.12g} {one.order.dose_unit}"
    order = {"text": plain(one.order.text, limit=60) or Trusted(label), "plan": plain(dose, limit=30)}
    page = "Insulin" if any(each.field in _BY_HAND for each in one.reasons) else ""
    blocks = Blocks(
        reasons=say(templates, "dose_draft", [order]),
        sure=line(templates, "dose.undosed.sure.j2", {"page": page, **lost(material.unused)}),
        unseen=Trusted(f"{capital(why)}."),
    )
    return Draft(
        topic=dose_topics(one.drug)[2],
        title=f"{label}: {TITLE}",
        tier=_INFORMS,
        summary=next((text for text in summaries if len(text) <= SUMMARY_LIMIT), f"{label}: {TITLE} not simulated"),
        detail=write(blocks, templates)[0],
        proposals=(),
        explanation=undosed_numbers(one),
    )
