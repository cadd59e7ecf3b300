"""What was not seen: inputs that are missing or too old, results that could not be used, and how fresh the rest is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cds_app.cards.material import Material
from cds_app.cards.text import Trusted, render
from cds_app.cards.views import Setting, seen, taken
from cds_app.domain.facts import UnknownFinding
from cds_app.domain.issues import IssueCode
from cds_app.score.features.hours import QUANTITIES
from cds_app.score.situation import Situation

_NAMED = 3
_HELPING = 2


def unseen(
    material: Material,
    setting: Setting,
    unknown: Iterable[str],
    helps: Iterable[str] = (),
    *,
    with_model: bool,
    brief: bool = False,
) -> str:
    """One line for the card.

    Parameters
    ----------
    unknown : iterable of str
        Inputs that a rule lacked.
    helps : iterable of str
        Of what was not seen, what would move the estimate, most first.
    with_model : bool
        Whether the learned model's inputs count too.
    brief : bool
        Whether all but the first are counted and not named.
    """
    situation = material.situation
    first = tuple(dict.fromkeys((*_known(unknown, setting), *material.service.policy.asked_first)))
    lacking = [name for name in (first if with_model else _known(unknown, setting)) if situation.fresh(name) is None]
    rest = [name for name in QUANTITIES if name not in first and situation.fresh(name) is None] if with_model else ()
    stale = [name for name in lacking if situation.latest(name) is not None]
    missing = [name for name in lacking if situation.latest(name) is None]
    named, of_stale = (1, 0 if missing else 1) if brief else (_NAMED, _NAMED)
    values = {
        "stale": list(_dated(stale[:of_stale], situation, setting)),
        "missing": [*(setting.label(name) for name in missing[:named]), *_circumstances(unknown, setting)],
        "more": max(len(stale) - of_stale, 0) + max(len(missing) - named, 0) + len(rest),
        "helps": [setting.label(name) for name in helps][:_HELPING],
        "disputed": [seen(one, None, setting) for one in material.disputed],
        **_unknown(situation, setting),
        "worded": len(situation.worded_problems),
        **lost(material.unused),
        "data_to": _data_to(situation, setting),
        "zone": Trusted(str(material.setting.zone)),
    }
    return " ".join(render(material.templates, "unseen.j2", values).split())


def _unknown(situation: Situation, setting: Setting) -> dict[str, object]:
    """How many results are of no variable, and apart from them those that are only because of what they were taken.

    Of the latter those that would be current, as they alone would have counted.
    """
    taken_elsewhere = [one for one in situation.facts.unknown if one.taken]
    elsewhere = [one for one in taken_elsewhere if _current(one, situation)]
    named = dict.fromkeys(_named(one, setting) for one in elsewhere)
    return {
        "unknown": len(situation.facts.unknown) - len(taken_elsewhere),
        "elsewhere": len(elsewhere),
        "of": [*named][:_HELPING],
    }


def _current(one: UnknownFinding, situation: Situation) -> bool:
    variable = situation.ontology.variable(one.codes)
    return variable is not None and 0.0 <= situation.age_h(one) <= variable.fresh_h


def _named(one: UnknownFinding, setting: Setting) -> Trusted:
    variable = setting.ontology.variable(one.codes)
    label = variable.label if variable is not None else "?"
    return Trusted(f"{label} ({taken(one, setting.ontology) or '?'})")


def lost(unused: Mapping[str, int]) -> dict[str, int]:
    """How many parts of the record could not be fetched, and how many resources could not be used, for ``lost.j2``."""
    unfetched = unused.get(IssueCode.FETCH_FAILED, 0)
    return {"unfetched": unfetched, "unused": sum(unused.values()) - unfetched}


def _known(names: Iterable[str], setting: Setting) -> tuple[str, ...]:
    return tuple(name for name in names if setting.ontology.measuring(name))


def _circumstances(names: Iterable[str], setting: Setting) -> Iterator[Trusted]:
    return (setting.label(name) for name in names if name in setting.groups and not setting.ontology.measuring(name))


def _dated(names: Iterable[str], situation: Situation, setting: Setting) -> Iterator[dict[str, Trusted]]:
    for name in names:
        last = situation.latest(name)
        if last is not None:
            yield {"label": setting.label(name), "when": setting.clock(last.when)}


def _data_to(situation: Situation, setting: Setting) -> Trusted | None:
    newest = max((situation.series(name)[-1].when for name in situation.quantities), default=None)
    return setting.clock(newest) if newest else None
