"""What cards are made of: everything the stages before found out about one patient at one instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.views import Setting
from cds_app.domain.facts import Measurement
from cds_app.explain.estimates import RiskEstimate
from cds_app.mitigate.catalogue import Topic
from cds_app.mitigate.concerns import Concern
from cds_app.mitigate.gates import Refusal
from cds_app.mitigate.options import Option
from cds_app.score.deviation import JointDeviation
from cds_app.score.result import Abstained, Score
from cds_app.score.risk.model import Risk
from cds_app.score.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A concern with its options, and the learned risk that it is about, if it is about one.

    ``earlier`` tells that risk some hours before, and when; None where the model would have abstained. ``helps`` names
    what is not known now and would move that risk, most first.
    """

    concern: Concern
    topic: Topic
    offered: tuple[Option, ...]
    refused: tuple[Refusal, ...]
    risk: str | None
    earlier: Callable[[], tuple[Risk, datetime] | None]
    helps: tuple[str, ...] = ()


Advise = Callable[[Concern, Sequence[Option]], Advice]
Background = Callable[[], Mapping[str, RiskEstimate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Input of `cards.drafts`.

    Parameters
    ----------
    labels : mapping of str to str
        Names of model inputs that are no quantity, and of outcomes.
    disputed : tuple of Measurement
        Values that are not used (`score.disputes`), by variable newest first.
    deviation : JointDeviation or None
        None when something more specific calls for action.
    risk_of : mapping of str to str
        The learned risk that a concern is about, by topic.
    advise : callable
        Options for a concern, given those that earlier cards of the response offer: asked for shown cards only.
    alone : bool
        Whether the one concern is that beside which nothing else is told.
    background : callable
        What models of whole stays say: context, asked for when a concern's card is written.
    unused : mapping of str to int
        Resources of this call that were dropped, by issue code.
    """

    service: ServiceDefinition
    templates: Environment
    setting: Setting
    labels: Mapping[str, str]
    situation: Situation
    scores: Mapping[str, Score | Abstained]
    disputed: tuple[Measurement, ...]
    deviation: JointDeviation | None
    risks: Mapping[str, RiskEstimate]
    concerns: tuple[Concern, ...]
    alone: bool
    risk_of: Mapping[str, str]
    advise: Advise
    background: Background
    unused: Mapping[str, int]
