"""Charts, and what the shipped catalogue says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from cds_app.content import artefact
from cds_app.domain.facts import (
    Allergy,
    CodedFinding,
    Condition,
    Fact,
    Measurement,
    Medication,
    Procedure,
    Report,
    gather,
)
from cds_app.domain.ontology_files import load_ontology
from cds_app.mitigate.catalogue import load_catalogue
from cds_app.mitigate.concerns import Concern, assess
from cds_app.mitigate.conditions import View
from cds_app.mitigate.options import Option, options_for
from cds_app.score.allergies import most_specific
from cds_app.score.clinical.scores import NAMES, clinical_scores
from cds_app.score.situation import Situation
from cds_app.services.content.knowledge import RISKS
from tests.chart import ONTOLOGY, finding, measured, situation
from tests.sentences import read

ROOT = Path(__file__).parents[3]
REAL = load_ontology(artefact("ontology", "1.0.0", root=ROOT))
CATALOGUE = load_catalogue(artefact("mitigations", "1.0.0", root=ROOT), REAL, scores=NAMES, risks=RISKS)


def vital_signs(**other: float) -> list[Fact]:
    usual = {"resp_rate": 16, "spo2": 97, "sbp": 120, "map": 85, "heart_rate": 75, "body_temp": 37.0, "o2_flow": 0}
    return [finding("consciousness_acvpu", "alert"), *(measured(k, v) for k, v in {**usual, **other}.items())]


def charted(facts: Sequence[Fact]) -> Situation:
    """The chart as the shipped ontology reads it: every class of every drug and problem is the shipped one."""
    known = situation(*facts)
    return replace(known, ontology=REAL, facts=gather([_reread(one) for one in known.facts]))


def judged(*facts: Fact) -> tuple[dict[str, Concern], View]:
    chart = charted(facts)
    view = View(situation=chart, scores=clinical_scores(chart))
    return {one.topic: one for one in assess(CATALOGUE, chart, view.scores, view.risks)}, view


def said(topic: str, *facts: Fact) -> tuple[int, str] | None:
    concern = judged(*facts)[0].get(topic)
    return None if concern is None else (concern.tier, concern.tier_word)


def offered(topic: str, *facts: Fact) -> dict[str, Option]:
    concerns, view = judged(*facts)
    return {one.id: one for one in options_for(concerns[topic], CATALOGUE, view, patient="p")[0]}


def cautions(topic: str, option: str, *facts: Fact) -> list[str]:
    return [read(one.said) for one in offered(topic, *facts)[option].cautions]


def refusals(topic: str, *facts: Fact) -> dict[str, str]:
    concerns, view = judged(*facts)
    return {one.option: read(one.reason) for one in options_for(concerns[topic], CATALOGUE, view, patient="p")[1]}


def _reread(fact: Fact) -> Fact:
    if isinstance(fact, Measurement):
        return msgspec.structs.replace(fact, variable=REAL.quantity(fact.variable).key)
    if not isinstance(fact, Condition | Medication | Procedure | Allergy | Report | CodedFinding):
        return fact
    heads = most_specific(fact.concepts, ONTOLOGY)
    return msgspec.structs.replace(fact, concepts=tuple(up for key in sorted(heads) for up in REAL.with_parents(key)))
