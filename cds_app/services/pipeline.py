"""The main job on one screen: event and record in, decisions out. Pure: the same inputs give the same bytes.

record -> situation -> scores, risks, deviations -> concerns -> policy -> options -> cards -> decisions
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.drafts import ACT_TODAY, Due, due
from cds_app.cards.material import Advice, Material
from cds_app.cards.policy import Candidate, judge
from cds_app.cards.shadow import NO_SHADOW, Shadow, judged
from cds_app.cards.wire import Draft, canonical_json, to_card
from cds_app.domain.decisions import Decision, Suppression
from cds_app.domain.events import HookEvent
from cds_app.explain.background import background
from cds_app.explain.estimates import RiskEstimate, estimate_risks, risk_before
from cds_app.mitigate.concerns import Concern, assess
from cds_app.mitigate.conditions import View
from cds_app.mitigate.options import Option, options_for
from cds_app.score.clinical import clinical_scores
from cds_app.score.deviation import JointDeviation, deviations, joint
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
    shadow : Shadow
        What of the service lies in shadow.
    """

    service: ServiceDefinition
    event: HookEvent
    record: Record
    segments: int
    unused: Mapping[str, int]
    seed: str
    shadow: Shadow = NO_SHADOW


def decide(knowledge: Knowledge, inputs: Inputs) -> tuple[Decision, ...]:
    """Every card that is due, shown or suppressed, most urgent first."""
    return conclude(knowledge, inputs, gather_material(knowledge, inputs))


def conclude(knowledge: Knowledge, inputs: Inputs, material: Material) -> tuple[Decision, ...]:
    """What follows from the material. Only what is shown, or would be but for shadow mode, is written."""
    service, now = inputs.service, inputs.event.received
    found = due(material)
    candidates = [
        Candidate(topic=one.topic, tier=one.tier, points=one.points, grounds=one.grounds, measured=one.measured)
        for one in found
    ]
    policy = partial(judge, policy=service.policy, snooze_h=service.snooze_h, now=now)
    verdicts = judged(candidates, inputs.record.past, policy, inputs.shadow)
    pins = _pins(knowledge, inputs)
    offered: dict[Suppression, list[Option]] = {Suppression.NONE: [], Suppression.SHADOW: []}
    decisions: list[Decision] = []
    for index, (one, verdict) in enumerate(zip(found, verdicts, strict=True)):
        earlier = offered.get(verdict)
        draft = one.write(earlier) if earlier is not None else None
        if draft is not None and earlier is not None:
            earlier.extend(draft.options)
        decisions.append(_decision(inputs, one, draft, verdict, index, pins))
    return tuple(decisions)


def gather_material(knowledge: Knowledge, inputs: Inputs) -> Material:
    """All stages before the cards."""
    event, record = inputs.event, inputs.record
    timeline = record.timeline
    situation = Situation(
        ontology=knowledge.ontology, facts=timeline.facts, now=event.received, measured=timeline.measured
    )
    scores = clinical_scores(situation)
    change_h = inputs.service.policy.change_h
    asked = estimate_risks(knowledge.risks, knowledge.twin, situation, record.state, change_h=change_h)
    risks = asked | knowledge.silenced()
    view = View(situation=situation, scores=scores, risks={name: one.outcome for name, one in risks.items()})
    concerns = assess(knowledge.catalogue, situation, scores, view.risks)
    return Material(
        service=inputs.service,
        templates=knowledge.templates,
        zone=knowledge.zone,
        labels=knowledge.labels,
        situation=situation,
        scores=scores,
        deviation=None if any(one.tier >= ACT_TODAY for one in concerns) else _deviation(knowledge, inputs),
        risks=risks,
        concerns=concerns,
        risk_of=knowledge.risk_of,
        background=cache(partial(background, knowledge.background, situation)),
        advise=partial(_advise, knowledge, event.patient, view, risks),
        unused=inputs.unused,
    )


def _deviation(knowledge: Knowledge, inputs: Inputs) -> JointDeviation:
    state, now = inputs.record.state, inputs.event.received
    return joint(knowledge.twin.joint, deviations(knowledge.twin, knowledge.ontology, state, now))


def _advise(
    knowledge: Knowledge,
    patient: str,
    view: View,
    risks: Mapping[str, RiskEstimate],
    concern: Concern,
    offered: Sequence[Option],
) -> Advice:
    risk = knowledge.risk_of.get(concern.topic)
    model = knowledge.risks.get(risk or "")
    options, refused = options_for(concern, knowledge.catalogue, view, patient=patient, offered=offered)
    return Advice(
        concern=concern,
        topic=knowledge.catalogue.topics[concern.topic],
        offered=options,
        refused=refused,
        risk=risk,
        earlier=risk_before(model, risks[model.name]) if model else None,
    )


def _decision(
    inputs: Inputs, one: Due, draft: Draft | None, verdict: Suppression, index: int, pins: Mapping[str, str]
) -> Decision:
    card_id = str(uuid.uuid5(uuid.UUID(inputs.seed), f"{index} {one.topic}"))
    return Decision(
        id=card_id,
        service=inputs.service.id,
        topic=one.topic,
        tier=one.tier,
        points=one.points,
        at=inputs.event.received,
        suppression=verdict,
        trigger=" ".join(one.grounds),
        pins=pins,
        card=canonical_json(to_card(draft, inputs.service, card_id)) if draft else b"",
    )


def _pins(knowledge: Knowledge, inputs: Inputs) -> dict[str, str]:
    event, record = inputs.event, inputs.record
    shadow = inputs.shadow.stated()
    return {
        **knowledge.pins,
        **({"shadow": canonical_json(shadow).decode()} if shadow else {}),
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
