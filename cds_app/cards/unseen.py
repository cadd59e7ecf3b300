"""What was not seen: inputs that are missing or too old, results that could not be used, and how fresh the rest is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import Environment

from cds_app.cards.material import Material
from cds_app.cards.text import Trusted, render
from cds_app.cards.views import Setting, seen, taken
from cds_app.domain.facts import UnknownFinding
from cds_app.domain.issues import IssueCode
from cds_app.score.features.hours import QUANTITIES
from cds_app.score.situation import Situation

_NAMED = 3
_HELPING = 2
_RECENT_H = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What was not seen, to be said at length or briefly.

    Parameters
    ----------
    stale, missing : tuple of str
        Quantities that are asked for first.
    rest : int
        How many of the model's other inputs are not known now.
    circumstances : tuple of str
        What was lacking that nobody measures.
    beside : mapping of str to object
        What is said in any case, as the template names it.
    """

    stale: tuple[str, ...]
    missing: tuple[str, ...]
    rest: int
    circumstances: tuple[Trusted, ...]
    beside: Mapping[str, object]
    situation: Situation
    setting: Setting
    templates: Environment

    def line(self, *, brief: bool = False) -> Trusted:
        """One line for a card; if it is brief, all but the first are counted and not named."""
        stale, missing = self.stale, self.missing
        named, of_stale = (1, 0 if missing else 1) if brief else (_NAMED, _NAMED)
        values = {
            "stale": list(_dated(stale[:of_stale], self.situation, self.setting)),
            "missing": [*map(self.setting.label, missing[:named]), *self.circumstances],
            "more": max(len(stale) - of_stale, 0) + max(len(missing) - named, 0) + self.rest,
            **self.beside,
        }
        return Trusted(" ".join(render(self.templates, "unseen.j2", values).split()))


def unseen(
    material: Material, setting: Setting, unknown: Iterable[str], helps: Iterable[str] = (), *, with_model: bool
) -> Unseen:
    """What was not seen of a patient.

    Parameters
    ----------
    unknown : iterable of str
        Inputs that a rule lacked.
    helps : iterable of str
        Of what was not seen, what would move the estimate, most first.
    with_model : bool
        Whether the learned model's inputs count too.
    """
    situation = material.situation
    unknown = tuple(dict.fromkeys(unknown))
    known = _known(unknown, setting)
    first = dict.fromkeys((*known, *material.service.policy.asked_first)) if with_model else known
    lacking = [name for name in first if situation.fresh(name) is None]
    rest = [name for name in QUANTITIES if name not in first and situation.fresh(name) is None] if with_model else ()
    return Unseen(
        stale=tuple(name for name in lacking if situation.latest(name) is not None),
        missing=tuple(name for name in lacking if situation.latest(name) is None),
        rest=len(rest),
        circumstances=tuple(_circumstances(unknown, setting)),
        beside={
            "helps": [setting.label(name) for name in helps][:_HELPING],
            "disputed": [seen(one, None, setting) for one in material.disputed],
            **_unknown(situation, setting),
            "worded": len(situation.worded_problems),
            **lost(material.unused),
            "data_to": _data_to(situation, setting),
            "zone": Trusted(str(material.setting.zone)),
        },
        situation=situation,
        setting=setting,
        templates=material.templates,
    )


def _unknown(situation: Situation, setting: Setting) -> dict[str, object]:
    """How many results are of no variable, and apart from them those that are only because of what they were taken.

    Of the former those of the last day: what of an old record is not understood says nothing of the patient now. Of the
    latter those that would be current, as they alone would have counted.
    """
    unknown = [one for one in situation.facts.unknown if not one.taken]
    elsewhere = [one for one in situation.facts.unknown if one.taken and _current(one, situation)]
    named = dict.fromkeys(_named(one, setting) for one in elsewhere)
    return {
        "unknown": sum(0.0 <= situation.age_h(one) <= _RECENT_H for one in unknown),
        "recent_h": _RECENT_H,
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
    unfetched, ahead = unused.get(IssueCode.FETCH_FAILED, 0), unused.get(IssueCode.FUTURE, 0)
    return {"unfetched": unfetched, "unused": sum(unused.values()) - unfetched, "ahead": ahead}


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
