"""What is not known of a patient now, and what knowing it would do to an estimate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cds_app.domain.time import to_hours
from cds_app.explain.counterfactual import Open, Question, Telling, most_telling
from cds_app.explain.estimates import admission_of, statics_of
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.continuity import bedside
from cds_app.twin.bedside import Bedside
from cds_app.twin.state import Track

LEAST = 0.01
"""How far apart the estimates at a low and a high value lie at least, for a measurement to be worth a word."""
_DRAWS = 24
_ENDS = (0.05, 0.95)
_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One learned risk of one patient at one instant.

    Parameters
    ----------
    tracks : mapping of str to Track
        Of the twin.
    name : str
        Of the learned risk.
    """

    situation: Situation
    tracks: Mapping[str, Track]
    name: str


def question_of(knowledge: Knowledge, asked: Asked) -> Question:
    """The risk as it may be asked again."""
    return Question(
        model=knowledge.risks[asked.name],
        twin=knowledge.twin,
        tracks=asked.tracks,
        statics=statics_of(asked.situation, admission_of(asked.situation)),
        at_h=to_hours(asked.situation.now),
    )


def bedside_of(knowledge: Knowledge, situation: Situation) -> Bedside:
    """What imputation makes of the patient now."""
    return bedside(knowledge.imputer, situation)


def would_help(
    knowledge: Knowledge, asked: Asked, among: Iterable[str], *, most: int | None = None
) -> tuple[Telling, ...]:
    """Measurements that are missing or too old, and would move the estimate; most first.

    Parameters
    ----------
    among : iterable of str
        Quantities to try; what is no input of the model is left out.
    most : int, optional
        How many are tried, the first of them; all by default.
    """
    tried = _not_known(knowledge, asked, among)[:most]
    if not tried:
        return ()
    expected = bedside_of(knowledge, asked.situation).likely()
    found = most_telling(question_of(knowledge, asked), tried, expected)
    return tuple(one for one in found if one.spread >= LEAST)


def still_open(knowledge: Knowledge, asked: Asked) -> Open | None:
    """How far the estimate rests on what nobody measured, by multiple imputation; None where nothing is missing."""
    followed = knowledge.twin.dynamics
    lacking = [one for one in _not_known(knowledge, asked, inputs_of(knowledge, asked)) if one in followed]
    # the same chance each time: the same chart gives the same answer
    draws = bedside_of(knowledge, asked.situation).draws(lacking, _DRAWS, np.random.default_rng(0))
    told = question_of(knowledge, asked).imagined(draws)
    if not draws or 2 * len(told) < len(draws):
        return None
    low, high = _ends([risk for risk, _ in told])
    parts = [(name, *_ends([points.get(name, 0.0) for _, points in told])) for name in draws[0]]
    return Open(
        low=low,
        high=high,
        quantities=tuple(draws[0]),
        points=tuple(sorted(parts, key=lambda one: (one[1] - one[2], one[0]))[:_PARTS]),
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(np.array(values), _ENDS)
    return float(low), float(high)


def inputs_of(knowledge: Knowledge, asked: Asked) -> tuple[str, ...]:
    """Quantities that the model looks at."""
    return tuple(dict.fromkeys(knowledge.risks[asked.name].quantities))


def _not_known(knowledge: Knowledge, asked: Asked, among: Iterable[str]) -> list[str]:
    """Inputs of the model that were never measured, or too long ago."""
    inputs, ontology = set(inputs_of(knowledge, asked)), knowledge.ontology
    lacking = (name for name in dict.fromkeys(among) if name in inputs and ontology.measuring(name))
    return [name for name in lacking if asked.situation.fresh(name) is None]
