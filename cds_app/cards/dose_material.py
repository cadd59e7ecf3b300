"""What cards about drafted doses are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.text import Trusted, render
from cds_app.cards.views import Setting
from cds_app.cards.wire import Proposal
from cds_app.mitigate.doses import Dosed, Undosed
from cds_app.mitigate.insulin import Injection
from cds_app.score.situation import Situation

TIER: Final = 2
TITLE: Final = "dose"


def dose_topics(drug: str) -> tuple[str, str, str]:
    """What cards about a drug's dose are about: an improbable target; a harm over its limit; no simulation.

    One is no reason for silence about another: who raised a dose that was too low may have raised it too far.
    """
    return f"dose_{drug}", f"dose_harm_{drug}", f"dose_unsimulated_{drug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseMaterial:
    """What cards about drafted doses are made of.

    Parameters
    ----------
    patient : str
        Bare FHIR id, for the drafts.
    dosed : tuple of Dosed
    injections : tuple of Injection
    undosed : tuple of Undosed
    told : frozenset of str
        References of drafts with a card that says beside its findings why no dose was simulated.
    unused : mapping of str to int
        Resources and drafts of this call that were dropped, by issue code.
    """

    service: ServiceDefinition
    templates: Environment
    setting: Setting
    labels: Mapping[str, str]
    situation: Situation
    patient: str
    dosed: tuple[Dosed, ...]
    injections: tuple[Injection, ...]
    undosed: tuple[Undosed, ...]
    told: frozenset[str]
    unused: Mapping[str, int]


def line(templates: Environment, name: str, values: Mapping[str, object]) -> Trusted:
    """A template on one line."""
    return Trusted(" ".join(render(templates, name, values).split()))


def removal(ref: str, what: str) -> Iterator[Proposal]:
    """Removing a draft, where the EHR named it: never what stands already."""
    if "~" not in ref:
        yield Proposal(text=f"Remove this draft: {what}", removes=ref)
