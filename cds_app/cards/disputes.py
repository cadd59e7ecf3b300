"""The card that says that a value was not used, because whoever measured it calls it what it is not as it was read."""

from __future__ import annotations

from collections.abc import Sequence

from cds_app.cards.detail import Blocks, write
from cds_app.cards.material import Material
from cds_app.cards.text import Trusted, render
from cds_app.cards.unseen import unseen
from cds_app.cards.views import seen
from cds_app.cards.wire import Draft
from cds_app.domain.facts import Measurement

DISPUTED = "disputed"


def dispute(found: Sequence[Measurement], material: Material) -> Draft:
    """The card for one or more such values, the newest first.

    It tells both sides and takes neither: which of them is wrong, the value's unit, its code or what was said of it, is
    seen at its source only.
    """
    setting, templates = material.setting, material.templates
    values = {"first": seen(found[0], None, setting), "more": len(found) - 1}
    blocks = Blocks(
        remarks=(Trusted(render(templates, "disputed.remark.j2", {})),),
        sure=Trusted(render(templates, "disputed.sure.j2", {})),
        unseen=unseen(material, setting, (), with_model=False).line(),
    )
    return Draft(
        topic=DISPUTED,
        title="Not used",
        tier=1,
        summary=render(templates, "disputed.summary.j2", values),
        detail=write(blocks, templates)[0],
        proposals=(),
        explanation={"notUsed": [one.ref for one in found]},
    )
