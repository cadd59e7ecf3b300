"""What cards are made of: everything the stages before found out about one patient at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from jinja2 import Environment

from cds_app.cards.definition import ServiceDefinition
from cds_app.explain.estimates import RiskEstimate
from cds_app.mitigate.catalogue import Topic
from cds_app.mitigate.concerns import Concern
from cds_app.mitigate.gates import Refusal
from cds_app.mitigate.options import Option
from cds_app.score.deviation import JointDeviation
from cds_app.score.result import Abstained, Score
from cds_app.score.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A concern with its options, and the learned risk that it is about, if it is about one."""

    concern: Concern
    topic: Topic
    offered: tuple[Option, ...]
    refused: tuple[Refusal, ...]
    risk: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Input of `cards.drafts`.

    Parameters
    ----------
    labels : mapping of str to str
        Names of model inputs that are no quantity, and of outcomes.
    unused : mapping of str to int
        Resources of this call that were dropped, by issue code.
    """

    service: ServiceDefinition
    templates: Environment
    zone: tzinfo
    labels: Mapping[str, str]
    situation: Situation
    scores: Mapping[str, Score | Abstained]
    deviation: JointDeviation
    risks: Mapping[str, RiskEstimate]
    advice: tuple[Advice, ...]
    unused: Mapping[str, int]
