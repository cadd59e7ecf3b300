"""A sidebar over a chart in memory: an EHR that can be read, written to, changed and switched off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from cds_app.adapters.metrics import PrometheusMeter
from cds_app.bootstrap import identities_of, simulators_of, trials_of
from cds_app.cards.drafts import due
from cds_app.content import content_root
from cds_app.deps import Deps
from cds_app.domain.visits import Visit
from cds_app.errors import DataUnavailable
from cds_app.mitigate.options import Option
from cds_app.pages.options import advices
from cds_app.services.calls.gather import Gatherer
from cds_app.services.feedback import Listening
from cds_app.services.records import Records, Twinner
from cds_app.services.sidebar.deciding import Deciding, Wanted
from cds_app.services.sidebar.frame import Asking, Frame
from cds_app.services.sidebar.opening import Opening
from cds_app.services.sidebar.pages import Sidebar
from cds_app.services.sidebar.trials import Trials
from cds_app.services.watch.switchboard import Switchboard
from cds_app.services.what_if.effects import Effects
from cds_app.services.what_if.simulators import Simulators
from tests.conftest import FROZEN
from tests.patients import bundle, septic

BASE = "https://fhir.hospital.example/r4"


@dataclass(slots=True)
class Chart:
    """What the EHR holds of one patient, as `FhirReader` and `FhirWriter`."""

    resources: list[dict[str, Any]] = field(default_factory=list)
    down: bool = False
    refused: set[str] = field(default_factory=set)
    created: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    asked: int = 0

    def allowed(self, base: str) -> bool:
        return base == BASE

    def breakers(self) -> tuple[str, ...]:
        return ("closed",)

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        self.asked += 1
        kind = path.partition("?")[0].partition("/")[0]
        if self.down or kind in self.refused:
            raise DataUnavailable("the FHIR server is not available", field=kind)
        found = [one for one in self.resources if one["resourceType"] == kind]
        if "/" not in path.partition("?")[0]:
            return bundle(*found)
        return found[0]

    def create(self, base: str, resource: Mapping[str, Any], *, token: str, only_if_none: str, budget_s: float) -> str:
        kind = str(resource["resourceType"])
        if self.down or kind in self.refused:
            raise DataUnavailable("the FHIR server refused", field=kind)
        known = [
            n
            for n, (one, search) in enumerate(self.created)
            if search and search == only_if_none and one["resourceType"] == kind
        ]
        if not known:
            self.created.append((dict(resource), only_if_none))
        return f"{kind}/{(known or [len(self.created) - 1])[0] + 1}"

    def set_status(self, base: str, reference: str, status: str, *, token: str, budget_s: float) -> None:
        raise DataUnavailable("the FHIR server refused", field=reference.partition("/")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """One visit at one chart."""

    chart: Chart
    opening: Opening
    frame: Frame
    sidebar: Sidebar
    trials: Trials
    simulators: Simulators
    effects: Effects
    deciding: Deciding
    visit: Visit

    def asking(self, *, back_h: float = 0.0, anew: bool = False) -> Asking:
        opened = self.opening.refresh(self.visit, token, anew=anew)
        return Asking(opened=opened, root=f"/sidebar/{self.visit.id}", token="form-token", back_h=back_h)


def token() -> str:
    return "access-token"


def bed_of(deps: Deps, resources: list[dict[str, Any]], at: datetime, **visit: Any) -> Bed:
    """A sidebar for patient p1."""
    chart = Chart(resources)
    twinner = Twinner(deps.knowledge.twin, deps.knowledge.ontology)
    records = Records(deps.store, twinner, capacity=100_000, tied=identities_of(deps).tied)
    gatherer = Gatherer(knowledge=deps.knowledge, fhir=chart, budget_s=2.0, max_entries=10_000)
    opening = Opening(
        deps.knowledge, deps.store, records, gatherer, Switchboard(deps.store), deps.clock, identities_of(deps)
    )
    meter = PrometheusMeter()
    listening = Listening(deps.store, records, deps.knowledge.templates, meter)
    scopes = frozenset({"user/*.cruds"})
    given: dict[str, Any] = {"scopes": scopes, "user": "Practitioner/7", "encounter": "p1-stay", **visit}
    frame, simulators = Frame(opening, content_root() / "templates" / "sidebar"), simulators_of(deps.knowledge)
    effects = Effects(simulators, deps.knowledge.catalogue, frame.effects)
    return Bed(
        chart=chart,
        opening=opening,
        frame=frame,
        sidebar=Sidebar(frame, effects),
        trials=trials_of(frame, simulators),
        simulators=simulators,
        effects=effects,
        deciding=Deciding(opening, listening, chart, meter),
        visit=Visit(id="v1", issuer=BASE, realm=BASE, patient="p1", began=at, **given),
    )


TOPIC = "sepsis"


def resources(call: dict[str, Any]) -> list[dict[str, Any]]:
    return [call["prefetch"]["patient"], *(one["resource"] for one in call["prefetch"]["vitals"]["entry"])]


@pytest.fixture
def bed(deps: Deps) -> Bed:
    return bed_of(deps, resources(septic(FROZEN)), FROZEN)


def offered(bed: Bed, topic: str = TOPIC) -> tuple[Option, ...]:
    material = bed.opening.subject(bed.asking().opened).material
    advised = advices(material, [one.topic for one in due(material)])
    return next(one.offered for one in advised if one.concern.topic == topic)


def drafted(bed: Bed) -> Option:
    return next(one for one in offered(bed) if one.resource is not None)


def wanted(bed: Bed, option: str = "", **more: str) -> Wanted:
    return Wanted(topic=TOPIC, option=option, digest=bed.asking().opened.record.digest, **more)
