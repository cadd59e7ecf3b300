"""The card of draft orders that could not be read at all: nothing was checked, and nothing is guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from jinja2 import Environment

from cds_app.cards.detail import Blocks, say, write
from cds_app.cards.drafts import Due
from cds_app.cards.text import Trusted, render
from cds_app.cards.wire import Draft
from cds_app.mitigate.findings import UNCHECKED_TIER

UNREAD = "draft_unread"


def unread_due(unread: Mapping[str, str], templates: Environment) -> Due:
    """One card for all of them.

    Parameters
    ----------
    unread : mapping of str to str
        By reference of a draft, why, as an issue code.
    """
    return Due(
        topic=UNREAD,
        tier=UNCHECKED_TIER,
        points=None,
        grounds=tuple(unread),
        write=lambda _: _card(unread, templates),
    )


def _card(unread: Mapping[str, str], templates: Environment) -> Draft:
    views = [{"why": why, "number": number} for why, number in sorted(Counter(unread.values()).items())]
    blocks = Blocks(
        reasons=say(templates, "unread", views),
        sure=Trusted(render(templates, "order.unread.sure.j2", {})),
        unseen=Trusted(render(templates, "order.unread.unseen.j2", {})),
    )
    detail, _ = write(blocks, templates)
    return Draft(
        topic=UNREAD,
        title="Draft orders that could not be read",
        tier=UNCHECKED_TIER,
        proposals=(),
        summary=render(templates, "order.unread.summary.j2", {"number": len(unread)}),
        detail=detail,
        explanation={"unread": [{"order": ref, "why": why} for ref, why in sorted(unread.items())]},
    )
