"""What one call's decisions are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.shadow import NO_SHADOW, Shadow
from cds_app.cards.text import Trusted, ago
from cds_app.cards.views import Setting
from cds_app.domain.events import HookEvent
from cds_app.domain.facts import Measurement
from cds_app.domain.proposed import NOTHING, Proposed
from cds_app.domain.time import to_hours
from cds_app.explain.estimates import admission_of
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.records import Record

_ROUTINE = 3  # values in a row with the same words beside them


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything a decision depends on beside content.

    Parameters
    ----------
    record : Record
        With the facts of this call already in.
    segments : int
        Number of the newest segment that the record holds, the one about to be written included.
    unused : mapping of str to int
        Resources of this call that were dropped, by issue code.
    seed : str
        A uuid from which all ids of the answer follow.
    shadow : Shadow
        What of the service lies in shadow.
    proposed : Proposed
        Drafts of this call. They are in no segment: the decision itself carries them.
    """

    service: ServiceDefinition
    event: HookEvent
    record: Record
    segments: int
    unused: Mapping[str, int]
    seed: str
    shadow: Shadow = NO_SHADOW
    proposed: Proposed = NOTHING


def setting_of(knowledge: Knowledge, inputs: Inputs, situation: Situation) -> Setting:
    """For whom and when the texts of a call are written."""
    return Setting(
        ontology=knowledge.ontology,
        zone=knowledge.zone,
        now=situation.now,
        sex=situation.sex,
        groups=knowledge.labels,
        state=inputs.record.state,
        circumstances=_circumstances(situation),
        adult=knowledge.catalogue.is_of(situation.age_years),
        routine=partial(_routine, situation),
    )


def _routine(situation: Situation, one: Measurement) -> bool:
    """Whether its comment stands, word for word, beside each of the values of the same kind before it."""
    rows = [other for other in situation.by_variable.get(one.variable, ()) if other.when < one.when]
    before = sorted(rows, key=lambda other: other.when)[-_ROUTINE:]
    return len(before) == _ROUTINE and all(other.comment == one.comment for other in before)


def _circumstances(situation: Situation) -> dict[str, Trusted]:
    """Of the inputs of risks that nobody measures: since when the patient is there, and how old."""
    unit_h, years = admission_of(situation).unit_h, situation.age_years
    since = None if unit_h is None else situation.now - timedelta(hours=to_hours(situation.now) - unit_h)
    stayed = {} if since is None else {"time_in_unit": ago(since, situation.now)}
    return stayed if years is None else stayed | {"age": Trusted(f"{years} years")}


def situation_of(knowledge: Knowledge, inputs: Inputs) -> Situation:
    """The patient at the event's time."""
    timeline = inputs.record.timeline
    return Situation(
        ontology=knowledge.ontology,
        facts=timeline.facts,
        now=inputs.event.received,
        measured=timeline.measured,
        genes=knowledge.genes,
        contested=timeline.contested,
    )
