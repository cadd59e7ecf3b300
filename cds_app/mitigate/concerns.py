"""Which topics of the catalogue concern this patient now, how much, and what that rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec

from cds_app.domain.facts import Fact, Measurement
from cds_app.mitigate.catalogue import Catalogue, TierRule, Topic
from cds_app.mitigate.conditions import TieredRisk, View, evaluate
from cds_app.mitigate.extents import Course, courses, extents
from cds_app.mitigate.rules import ScoreRule
from cds_app.score.result import Abstained, Score
from cds_app.score.situation import Situation


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity as a clinician wants to see it beside a concern.

    Parameters
    ----------
    quantity : str
        Ontology quantity.
    latest : Measurement
        The newest value.
    stale : bool
        Whether the newest value is older than the ontology calls current.
    """

    quantity: str
    latest: Measurement
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """A topic that concerns the patient now.

    Parameters
    ----------
    topic, title : str
        Id and title in the catalogue.
    tier : int
        1 information, 2 act today, 3 act now.
    tier_word : str
        The catalogue's word for the tier.
    readings : tuple of Reading
        Measurements that the tier rests on, then those the topic shows besides.
    facts : tuple of Fact
        Everything the tier rests on.
    unknown : tuple of str
        Inputs that were lacking; with them the tier might be higher.
    score : str or None
        The clinical score that the tier's own words rest on, where it is one.
    measured : frozenset of str
        Quantities that the tier, or the ground that its word names, rests on; other readings are shown besides.
    estimated : bool
        Whether it rests on a learned risk alone.
    extents : mapping of str to float
        How far beyond the quantities are that its tier compares, in reference change values; more is worse.
    courses : callable
        How far they were in the last day, by quantity, where the tier is the highest of its topic.
    """

    topic: str
    title: str
    tier: int
    tier_word: str
    readings: tuple[Reading, ...]
    facts: tuple[Fact, ...]
    unknown: tuple[str, ...] = ()
    score: str | None = None
    measured: frozenset[str] = frozenset()
    estimated: bool = False
    extents: Mapping[str, float] = field(default_factory=dict)
    courses: Callable[[], Mapping[str, Course]] = dict


def assess(
    catalogue: Catalogue,
    situation: Situation,
    scores: Mapping[str, Score | Abstained],
    risks: Mapping[str, TieredRisk | Abstained],
) -> tuple[Concern, ...]:
    """Concerns of a patient, the most urgent first, then in the order of the catalogue.

    Parameters
    ----------
    catalogue : Catalogue
    situation : Situation
    scores : mapping of str to Score or Abstained
        From `clinical_scores`.
    risks : mapping of str to risk or abstention
        Learned risks by name.

    Returns
    -------
    tuple of Concern
        Empty for a patient who has died, and for one whom the catalogue is not of. The topic that stands alone, while
        it concerns the patient.
    """
    if situation.deceased or not catalogue.is_of(situation.age_years):
        return ()
    view = View(situation=situation, scores=scores, risks=risks)
    single = catalogue.topics.get(catalogue.alone or "")
    if single is not None and (alone := _judge(single, view)) is not None:
        return (alone,)
    told = situation.told
    asked = [one for one in catalogue.topics.values() if one.active and not any(map(told.isdisjoint, one.needs))]
    judged = (_judge(topic, view) for topic in asked)
    return tuple(sorted((one for one in judged if one is not None), key=lambda one: -one.tier))


def _judge(topic: Topic, view: View) -> Concern | None:
    unknown: dict[str, None] = {}
    for tier in topic.tiers:
        verdict = evaluate(tier.when, view)
        if verdict.holds is not False:
            unknown.update(dict.fromkeys(verdict.unknown))
        if verdict.holds:
            return _concern(topic, tier, verdict.evidence, tuple(unknown), view)
    return None


def _concern(topic: Topic, tier: TierRule, facts: tuple[Fact, ...], unknown: tuple[str, ...], view: View) -> Concern:
    said = next(((one, verdict) for one in tier.says if (verdict := evaluate(one.when, view)).holds), None)
    word, leading = (said[0].why, said[1].evidence) if said is not None else (tier.word, ())
    named, all_ = _measured(leading, view.situation), _measured((*leading, *facts), view.situation)
    return Concern(
        topic=topic.id,
        title=topic.title,
        tier=tier.tier,
        tier_word=word,
        readings=_readings((*all_, *topic.shows), view.situation),
        facts=tuple(dict.fromkeys((*leading, *facts))),
        unknown=unknown,
        measured=frozenset(named or all_),
        score=said[0].when.score if said is not None and isinstance(said[0].when, ScoreRule) else None,
        estimated=not leading and (said is not None or not facts),
        extents=extents(tier.compared, view),
        courses=partial(courses, tier.compared, view) if tier is topic.tiers[0] else dict,
    )


def _measured(facts: Iterable[Fact], situation: Situation) -> tuple[str, ...]:
    variables = situation.ontology.variables
    return tuple(variables[one.variable].quantity for one in facts if isinstance(one, Measurement))


def _readings(quantities: Iterable[str], situation: Situation) -> tuple[Reading, ...]:
    found = (_reading(quantity, situation) for quantity in dict.fromkeys(quantities))
    return tuple(one for one in found if one is not None)


def _reading(quantity: str, situation: Situation) -> Reading | None:
    latest = situation.latest(quantity)
    if latest is None:
        return None
    return Reading(quantity=quantity, latest=latest, stale=situation.fresh(quantity) is None)
