"""What cards are written with: templates and phrases that content must hold, known before anybody needs one."""

from __future__ import annotations

from typing import Final, get_args

from jinja2 import Environment, TemplateError

from cds_app.domain.sentences import Name
from cds_app.errors import ContentError

PHRASES: Final = "phrases.j2"
SENTENCES: Final = "sentences.j2"
TEMPLATES: Final = frozenset({
    "abstention.reason.j2", "abstention.rules.j2", "abstention.summary.j2", "abstention.sure.j2",
    "besides.summary.j2", "detail.md.j2", "deviation.summary.j2", "deviation.sure.j2", "discharge.summary.j2",
    "discharge.sure.j2", "discharge.unseen.j2", "disputed.remark.j2", "disputed.summary.j2", "disputed.sure.j2",
    "dose.excess.j2", "dose.excess.sure.j2", "dose.proposal.j2", "dose.summary.j2", "dose.sure.j2", "dose.undosed.j2",
    "dose.undosed.summary.j2", "dose.undosed.sure.j2", "dose.unseen.j2", "effect.j2", "insulin.proposal.j2",
    "insulin.summary.j2", "insulin.sure.j2", "insulin.unseen.j2", "lost.j2", "measured.summary.j2",
    "named.summary.j2", "order.allergies.options.j2", "order.allergies.summary.j2", "order.allergies.sure.j2",
    "order.allergies.unseen.j2", "order.disputed.j2", "order.summary.j2", "order.sure.j2", "order.unchecked.j2",
    "order.unread.summary.j2", "order.unread.sure.j2", "order.unread.unseen.j2", "order.unseen.j2", "phrases.j2",
    "readmission.summary.j2", "risk.summary.j2", "sentences.j2", "sure.j2", "unseen.j2",
})  # fmt: skip
MACROS: Final = frozenset({
    "also", "besides", "disputed", "dose_aim", "dose_draft", "dose_exposure", "dose_harm", "dose_none", "dose_outside",
    "dose_plan", "dose_target", "estimated", "evidence", "insulin_low", "insulin_none", "insulin_plan",
    "insulin_range", "named", "option", "order", "others", "pending", "reason", "refusal", "seen",
    "source", "unmeasured", "unnamed", "unread", "unresolved", "why",
})  # fmt: skip
"""Of `PHRASES`."""


def check_templates(templates: Environment) -> None:
    """Every template compiles, and every one that a card may be written with is there.

    Raises
    ------
    ContentError
        Naming the template, or the macro, under ``templates/cards``.
    """
    for name in templates.list_templates():
        try:
            templates.get_template(name)
        except TemplateError as error:
            raise ContentError(f"templates/cards/{name} does not compile") from error
    if missing := TEMPLATES.difference(templates.list_templates()):
        raise ContentError(f"templates/cards lacks {', '.join(sorted(missing))}", field=min(missing))
    for name, macros in ((PHRASES, MACROS), (SENTENCES, frozenset(get_args(Name)))):
        if missing := macros.difference(vars(templates.get_template(name).module)):
            raise ContentError(f"templates/cards/{name} lacks {', '.join(sorted(missing))}", field=name)
