"""Which risks could not be estimated, and when that is worth a card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cds_app.cards.detail import Blocks, write
from cds_app.cards.material import Material
from cds_app.cards.policy import ABSTENTION
from cds_app.cards.text import Trusted, render
from cds_app.cards.unseen import unseen
from cds_app.cards.wire import Draft
from cds_app.domain.issues import IssueCode
from cds_app.explain.estimates import RiskEstimate
from cds_app.score.result import Abstained, Lack
from cds_app.score.risk.eligibility import OF_THE_STATE, Ineligible

_UNWATCHED: Final = frozenset({Ineligible.NO_VITAL_SIGN.value, Ineligible.FEW_FRESH_VITALS.value})
_LOSING: Final = frozenset({
    IssueCode.FETCH_FAILED, IssueCode.SERVER_OUTCOME, IssueCode.NO_TIME, IssueCode.IMPOSSIBLE_TIME, IssueCode.FUTURE,
    IssueCode.UNREADABLE, IssueCode.MODIFIER_EXTENSION, IssueCode.UNRESOLVED_REFERENCE, IssueCode.OTHER_PATIENT,
})  # fmt: skip
"""Why a stay may not be on record though it was sent, or should have been."""


def unestimated(material: Material) -> dict[tuple[Lack, ...], list[str]]:
    """Names of the risks whose abstention is news, by what was lacking; what is not there at all comes first."""
    found: dict[tuple[Lack, ...], list[str]] = {}
    for name, estimate in material.risks.items():
        lacks = _lacks(estimate)
        if lacks and _news(lacks, material):
            found.setdefault(lacks, []).append(name)
    return dict(sorted(found.items(), key=lambda one: not failed(one[0])))


def _unjudged(missing: Iterable[Sequence[Lack]], material: Material) -> tuple[Trusted, ...]:
    """That no rule was asked either, of somebody who is too young for them."""
    young = any(one.name == Ineligible.TOO_YOUNG.value for lacks in missing for one in lacks)
    return (Trusted(render(material.templates, "abstention.rules.j2", {})),) if young else ()


def failed(lacks: Sequence[Lack]) -> bool:
    """Whether a model itself is not there, which is news however lately something else was lacking."""
    return any(one.why == "unavailable" for one in lacks)


def _news(lacks: Sequence[Lack], material: Material) -> bool:
    """An outpatient's is none, nor that a stay has only begun; that of a child is, wherever it is.

    Of whom no stay is on record at all is an outpatient, too, where something was measured before and nobody watches
    the vital signs now. Not where a part of the record was lost: the stay may be in it.
    """
    situation, names = material.situation, [one.name for one in lacks]
    if Ineligible.TOO_YOUNG.value in names:  # of whom nothing else is said either
        return not situation.deceased
    seen = bool(situation.quantities) and _LOSING.isdisjoint(material.unused)
    unwatched = seen and not _UNWATCHED.isdisjoint(names)
    outpatient = not situation.inpatient and (bool(situation.facts.stays) or unwatched)
    begun = Ineligible.TOO_EARLY.value in names and Ineligible.NOT_INPATIENT.value not in names
    return not begun and not outpatient and not situation.deceased


def _lacks(estimate: RiskEstimate) -> tuple[Lack, ...]:
    """What was lacking for a number, but for the state that is predicted.

    Who is in it has a card of its topic. That it is not known (no creatinine today, no mean pressure in two hours) is
    so of most patients at most hours: no card tells of it. Where no stay is known, none has only begun.
    """
    if not isinstance(estimate.outcome, Abstained):
        return ()
    reasons = estimate.outcome.reasons
    names = {one.name for one in reasons}
    if Ineligible.TOO_YOUNG.value in names:
        return tuple(one for one in reasons if one.name == Ineligible.TOO_YOUNG.value)
    untold = {*OF_THE_STATE, *([Ineligible.TOO_EARLY.value] if Ineligible.NOT_INPATIENT.value in names else [])}
    return tuple(one for one in reasons if one.name not in untold)


def abstention(missing: Mapping[tuple[Lack, ...], Sequence[str]], material: Material) -> Draft:
    """The card that says which risks were not estimated, and why."""
    setting, templates = material.setting, material.templates
    named = [(", ".join(map(setting.label, names)), _words(lacks, material)) for lacks, names in missing.items()]
    title = named[0][0] if len(named) == 1 and "," not in named[0][0] else setting.label("risks")
    values = {"title": title, "why": named[0][1]}
    blocks = Blocks(
        remarks=tuple(
            Trusted(render(templates, "abstention.reason.j2", {"risks": of, "why": why})) for of, why in named
        )
        + _unjudged(missing, material),
        sure=Trusted(render(templates, "abstention.sure.j2", {})),
        unseen=unseen(material, setting, (), with_model=True).line(),
    )
    return Draft(
        topic=ABSTENTION,
        title="Not estimated",
        tier=0,
        summary=render(templates, "abstention.summary.j2", values),
        detail=write(blocks, templates)[0],
        proposals=(),
        explanation={
            "notEstimated": [name for names in missing.values() for name in names],
            "reasons": list(dict.fromkeys(one.name for lacks in missing for one in lacks)),
        },
    )


def _words(lacks: Sequence[Lack], material: Material) -> Trusted:
    return Trusted(", ".join(material.labels.get(one.text or one.name, one.text or one.name) for one in lacks))
