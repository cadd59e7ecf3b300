"""The main job on one screen: event and record in, decisions out. Pure: the same inputs give the same bytes.

record -> situation -> scores, deviations, risks -> reasons -> concerns, options -> cards -> policy -> decisions
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.drafts import drafts
from cds_app.cards.material import Advice, Material
from cds_app.cards.policy import Candidate, judge
from cds_app.cards.wire import Draft, canonical_json, to_card
from cds_app.domain.decisions import Decision, Suppression
from cds_app.domain.events import HookEvent
from cds_app.explain.estimates import estimate_risks
from cds_app.mitigate.catalogue import risk_of
from cds_app.mitigate.concerns import assess
from cds_app.mitigate.conditions import View
from cds_app.mitigate.options import options_for
from cds_app.score.clinical import clinical_scores
from cds_app.score.deviation import deviations, joint
from cds_app.score.situation import Situation
from cds_app.services.knowledge import Knowledge
from cds_app.services.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything a decision depends on beside content.

    Parameters
    ----------
    service : ServiceDefinition
    event : HookEvent
    record : Record
        With the facts of this call already in.
    segments : int
        Number of the newest segment that the record holds, the one about to be written included.
    unused : mapping of str to int
        Resources of this call that were dropped, by issue code.
    seed : str
        A uuid from which all ids of the answer follow.
    """

    service: ServiceDefinition
    event: HookEvent
    record: Record
    segments: int
    unused: Mapping[str, int]
    seed: str


def decide(knowledge: Knowledge, inputs: Inputs) -> tuple[Decision, ...]:
    """Every card that is due, shown or suppressed, most urgent first."""
    material = gather_material(knowledge, inputs)
    return _decisions(inputs, drafts(material), _pins(knowledge, inputs))


def gather_material(knowledge: Knowledge, inputs: Inputs) -> Material:
    """All stages before the cards."""
    event, record = inputs.event, inputs.record
    timeline = record.timeline
    situation = Situation(
        ontology=knowledge.ontology, facts=timeline.facts, now=event.received, measured=timeline.measured
    )
    scores = clinical_scores(situation)
    deviating = deviations(knowledge.twin, knowledge.ontology, record.state, event.received)
    risks = estimate_risks(knowledge.risks, situation, record.state, change_h=inputs.service.policy.change_h)
    view = View(situation=situation, scores=scores, risks={name: one.outcome for name, one in risks.items()})
    return Material(
        service=inputs.service,
        templates=knowledge.templates,
        zone=knowledge.zone,
        labels=knowledge.labels,
        situation=situation,
        scores=scores,
        deviation=joint(knowledge.twin.joint, deviating),
        risks=risks,
        advice=_advice(knowledge, view, event.patient),
        unused=inputs.unused,
    )


def _advice(knowledge: Knowledge, view: View, patient: str) -> tuple[Advice, ...]:
    catalogue = knowledge.catalogue
    given: list[Advice] = []
    for concern in assess(catalogue, view.situation, view.scores, view.risks):
        before = [option for one in given for option in one.offered]
        offered, refused = options_for(concern, catalogue, view, patient=patient, offered=before)
        topic = catalogue.topics[concern.topic]
        given.append(Advice(concern=concern, topic=topic, offered=offered, refused=refused, risk=risk_of(topic)))
    return tuple(given)


def _decisions(inputs: Inputs, found: Sequence[Draft], pins: Mapping[str, str]) -> tuple[Decision, ...]:
    service, now = inputs.service, inputs.event.received
    candidates = [Candidate(topic=one.topic, tier=one.tier, points=one.points) for one in found]
    verdicts = judge(candidates, inputs.record.past, service.policy, snooze_h=service.snooze_h, now=now)
    return tuple(
        _decision(inputs, draft, verdict, index, pins)
        for index, (draft, verdict) in enumerate(zip(found, verdicts, strict=True))
    )


def _decision(inputs: Inputs, draft: Draft, verdict: Suppression, index: int, pins: Mapping[str, str]) -> Decision:
    card_id = str(uuid.uuid5(uuid.UUID(inputs.seed), f"{index} {draft.topic}"))
    return Decision(
        id=card_id,
        service=inputs.service.id,
        topic=draft.topic,
        tier=draft.tier,
        points=draft.points,
        at=inputs.event.received,
        suppression=verdict,
        trigger=" ".join(draft.grounds),
        pins=pins,
        card=canonical_json(to_card(draft, inputs.service, card_id)),
    )


def _pins(knowledge: Knowledge, inputs: Inputs) -> dict[str, str]:
    event, record = inputs.event, inputs.record
    return {
        **knowledge.pins,
        "seed": inputs.seed,
        "segments": str(inputs.segments),
        "entries": str(record.entries_known),
        "facts": record.digest,
        "unused": canonical_json(dict(inputs.unused)).decode(),
        "event": canonical_json(
            {
                "hook": event.hook,
                "instance": event.instance,
                "tenant": event.tenant,
                "patient": event.patient,
                "user": event.user,
                "encounter": event.encounter,
            }
        ).decode(),
    }
