"""The card of recorded allergies that no order could be checked against, in the words of the record."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from jinja2 import Environment

from cds_app.cards.detail import Blocks, say, write
from cds_app.cards.drafts import Due
from cds_app.cards.grounds import Named
from cds_app.cards.text import Trusted, render
from cds_app.cards.wire import Draft
from cds_app.domain.facts import Allergy
from cds_app.mitigate.findings import UNCHECKED_TIER

UNREAD_ALLERGIES = "allergies_unread"
_SHOWN = 3


def allergies_due(
    allergies: Sequence[Allergy], views: Sequence[Named], stay: str | None, templates: Environment
) -> Due:
    """One card for all of them, told once in a stay, or in a year where there is none, until another is recorded.

    Parameters
    ----------
    views : sequence of Named
        How each is told.
    stay : str or None
        Reference of the stay or visit that runs.
    """
    return Due(
        topic=UNREAD_ALLERGIES,
        tier=UNCHECKED_TIER,
        points=None,
        grounds=(*(one.ref for one in allergies), *([stay] if stay else [])),
        lasting=True,
        write=lambda _: _card(allergies, views, templates),
    )


def _card(allergies: Sequence[Allergy], views: Sequence[Named], templates: Environment) -> Draft:
    values, told = {"number": len(allergies)}, partial(render, templates)
    more = len(allergies) - _SHOWN
    blocks = Blocks(
        reasons=(*say(templates, "named", views[:_SHOWN]), *say(templates, "unnamed", [more] if more > 0 else [])),
        options=(Trusted(told("order.allergies.options.j2", values)),),
        sure=Trusted(told("order.allergies.sure.j2", values)),
        unseen=Trusted(told("order.allergies.unseen.j2", values)),
    )
    detail, _ = write(blocks, templates)
    return Draft(
        topic=UNREAD_ALLERGIES,
        title="Recorded allergies that are not understood",
        tier=UNCHECKED_TIER,
        proposals=(),
        summary=told("order.allergies.summary.j2", values),
        detail=detail,
        explanation={"unread": [{"allergy": one.ref} for one in allergies]},
    )
