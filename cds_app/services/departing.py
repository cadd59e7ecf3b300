"""What is open when a patient is about to leave: from inputs to the cards that are due."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from cds_app.cards.discharge import DischargeMaterial, discharge_cards
from cds_app.cards.drafts import Due
from cds_app.domain.facts import Fact, Procedure
from cds_app.domain.issues import IssueCode
from cds_app.mitigate.concerns import assess
from cds_app.score.clinical.hospital import hospital
from cds_app.score.clinical.scores import clinical_scores
from cds_app.score.result import Score
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.inputs import Inputs, setting_of, situation_of

_NOT_FINAL: Final = frozenset({"preliminary", "partial"})


def discharge_dues(knowledge: Knowledge, inputs: Inputs) -> tuple[Due, ...]:
    """Cards about what is unresolved or pending, and about readmission. None for a patient who has died."""
    situation = situation_of(knowledge, inputs)
    if situation.deceased:
        return ()
    score, scores = hospital(situation), clinical_scores(situation)
    return discharge_cards(
        DischargeMaterial(
            service=inputs.service,
            templates=knowledge.templates,
            setting=setting_of(knowledge, inputs, situation),
            labels=knowledge.labels,
            situation=situation,
            concerns=assess(knowledge.catalogue, situation, scores, {}),
            scores=scores,
            pending=pending(situation),
            without_value=inputs.unused.get(IssueCode.NOT_FINAL.value, 0),
            readmission=score if isinstance(score, Score) else None,
            unused=inputs.unused,
        )
    )


def pending(situation: Situation) -> tuple[Fact, ...]:
    """Of this stay, newest first: results and reports that are not final, and tests ordered that have no result."""
    since = situation.hospital_start
    if since is None:
        return ()
    facts, now = situation.facts, situation.now
    found: list[Fact] = [one for one in facts.measurements if one.preliminary and since <= one.when <= now]
    found += [one for one in facts.reports if one.status in _NOT_FINAL and since <= one.when <= now]
    found += [one for one in facts.procedures if since <= one.when <= now and _is_open(one, situation)]
    return tuple(sorted(found, key=lambda one: one.when, reverse=True))


def _is_open(one: Procedure, situation: Situation) -> bool:
    asked = one.source == "request" and one.status == "active"
    return asked and not any(_done_since(concept, one.when, situation) for concept in one.concepts)


def _done_since(concept: str, at: datetime, situation: Situation) -> bool:
    return any(done.when >= at for done in situation.examined(concept))
