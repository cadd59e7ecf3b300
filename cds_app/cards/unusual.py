"""The card about the twin as a whole: unusual overall, where nothing more specific calls for action."""

from __future__ import annotations

from collections.abc import Sequence

from cds_app.cards.detail import Blocks, say, write
from cds_app.cards.material import Material
from cds_app.cards.text import Trusted, number, render
from cds_app.cards.unseen import unseen
from cds_app.cards.views import Setting, compared, seen
from cds_app.cards.wire import Draft, longest
from cds_app.score.deviation import JointDeviation

DEVIATION = "deviation"
_LEADS = 3


def deviation(found: JointDeviation, percentile: float, material: Material) -> Draft:
    """The card that says what is furthest from the patient's own course, all measurements together."""
    setting = material.setting
    leads = [name for name, _ in found.contributions[:_LEADS]]
    said = number(min(percentile, 99.9), 0 if percentile < 99 else 1)
    texts = (_deviation_summary(said, leads[:most], setting, material) for most in range(len(leads), 0, -1))
    return Draft(
        topic=DEVIATION,
        title="Unusual overall",
        tier=1,
        summary=longest(texts),
        detail=_deviation_detail(leads, len(found.used), setting, material),
        proposals=(),
        explanation={
            "index": round(found.index or 0.0, 3),
            "percentile": round(percentile, 2),
            "contributions": [{"measurement": name, "part": round(part, 3)} for name, part in found.contributions],
        },
    )


def _deviation_summary(percentile: Trusted, leads: Sequence[str], setting: Setting, material: Material) -> str:
    values = {"percentile": percentile, "leads": Trusted(", ".join(setting.label(name) for name in leads))}
    return render(material.templates, "deviation.summary.j2", values)


def _deviation_detail(leads: Sequence[str], used: int, setting: Setting, material: Material) -> str:
    templates = material.templates
    situation, change_h = material.situation, material.service.policy.change_h
    latest = (one for name in leads if (one := situation.latest(name)) is not None)
    views = (seen(one, compared(one, situation, setting, change_h), setting) for one in latest)
    blocks = Blocks(
        evidence=say(templates, "evidence", views),
        sure=Trusted(render(templates, "deviation.sure.j2", {"used": used})),
        unseen=unseen(material, setting, (), with_model=False).line(),
    )
    return write(blocks, templates)[0]
