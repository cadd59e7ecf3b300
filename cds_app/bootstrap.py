"""The composition root: settings in, a wired app out. The only place that knows which adapters are used."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final

from flask import Flask

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.logs import configure_logs
from cds_app.content import content_root, latest
from cds_app.deps import Deps, Ehrs, Trust, deps_of
from cds_app.ports import Clock
from cds_app.score.warfarin.dose import NAME as DOSE
from cds_app.score.warfarin.dose import DoseModel
from cds_app.services.callers.keys import Keys
from cds_app.services.callers.registration import check_callers
from cds_app.services.callers.trust import Directory, Door
from cds_app.services.calls.answer import Answering
from cds_app.services.calls.gather import Gatherer
from cds_app.services.calls.handing import Handing
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.content.model_cards import Shelf
from cds_app.services.content.pharmacology import load_pharmacy
from cds_app.services.feedback import Listening
from cds_app.services.records import Records, Twinner
from cds_app.services.sidebar.deciding import Deciding
from cds_app.services.sidebar.frame import Frame
from cds_app.services.sidebar.opening import Opening
from cds_app.services.sidebar.pages import Sidebar
from cds_app.services.sidebar.trials import Trials
from cds_app.services.smart.discovery import Discovery
from cds_app.services.smart.grants import Granting
from cds_app.services.smart.id_tokens import IdTokens
from cds_app.services.smart.launching import Launching
from cds_app.services.smart.signing import SigningKeys
from cds_app.services.smart.turnstile import Pace, Turnstile
from cds_app.services.smart.visits import Visits
from cds_app.services.sources.identities import Identities
from cds_app.services.sources.intake import Intake, Source
from cds_app.services.sources.populating import Populating
from cds_app.services.sources.subscriptions import Notified, Subscription, Subscriptions
from cds_app.services.watch.canary import NAME, Canary
from cds_app.services.watch.firing import FiringWatch
from cds_app.services.watch.readiness import PartState
from cds_app.services.watch.rounds import Duty, Rounds
from cds_app.services.watch.switchboard import Switchboard
from cds_app.services.watch.watching import Watching
from cds_app.services.what_if.effects import Effects
from cds_app.services.what_if.simulators import Simulators
from cds_app.settings import Settings
from cds_app.simulate.glucose.people import load_people
from cds_app.simulate.haemodynamics.patient import NAME as CIRCULATION
from cds_app.simulate.surgery.comparing import SurgeryModel
from cds_app.web.app import Dials, Faces, build
from cds_app.web.cds_hooks import Desk
from cds_app.web.sidebar import Bedside
from cds_app.web.smart import Smart

GAUGES_EVERY_S: Final = 5.0
_INSULIN: Final = "pkpd/insulin-uvapadova-2008"
LAUNCHES_PER_S: Final = 20.0
LAUNCHES_AT_ONCE: Final = 60
"""For each worker: a hospital's thousands open their charts at a few a second."""


def granting_of(ehrs: Ehrs, settings: Settings) -> Granting:
    """What asks EHRs for tokens."""
    return Granting(
        discovery=Discovery(ehrs.documents),
        endpoint=ehrs.tokens,
        keys=SigningKeys(ehrs.cabinet),
        base_url=settings.base_url,
    )


def smart_of(deps: Deps) -> Smart:
    """What launches, and what is launched."""
    granting, id_tokens = granting_of(deps.ehrs, deps.settings), IdTokens(deps.ehrs.documents)
    turnstile = Turnstile(max(1, deps.settings.threads // 2))
    visits = Visits(deps.ehrs.cabinet, granting, id_tokens, deps.clock, turnstile)
    launching = Launching(
        cabinet=deps.ehrs.cabinet,
        clients=deps.trust.clients,
        granting=granting,
        id_tokens=id_tokens,
        visits=visits,
        turnstile=turnstile,
        pace=Pace(LAUNCHES_PER_S, LAUNCHES_AT_ONCE),
        base_url=deps.settings.base_url,
    )
    keys, templates = SigningKeys(deps.ehrs.cabinet), content_root() / "templates"
    return Smart(launching=launching, visits=visits, keys=keys, clock=deps.clock, templates=templates)


def bedside_of(deps: Deps, answering: Answering, listening: Listening, smart: Smart) -> Bedside:
    """The sidebar, on the records and turns of the hooks."""
    gatherer = replace(answering.gatherer, budget_s=deps.settings.page_budget_s)
    opening = Opening(
        deps.knowledge,
        deps.store,
        answering.records,
        gatherer,
        answering.switchboard,
        deps.clock,
        answering.identities,
        answering.turns,
        simulated=deps.settings.simulated_time,
    )
    frame, simulators = Frame(opening, content_root() / "templates" / "sidebar"), simulators_of(deps.knowledge)
    return Bedside(
        visits=smart.visits,
        opening=opening,
        frame=frame,
        sidebar=Sidebar(frame, Effects(simulators, deps.knowledge.catalogue, frame.effects)),
        trials=trials_of(frame, simulators),
        deciding=Deciding(opening, listening, deps.drafts, deps.meter),
        clock=deps.clock,
        own_origin=smart.origin,
        registered=smart.launching.frames,
    )


def simulators_of(knowledge: Knowledge) -> Simulators:
    """Everything that pages simulate with."""
    root = content_root()
    return Simulators(
        pharmacy=load_pharmacy(root, knowledge.ontology),
        surgery=SurgeryModel.from_artefact(latest(CIRCULATION, root=root)),
        people=load_people(latest(_INSULIN, root=root)),
        imputer=knowledge.imputer,
    )


def trials_of(frame: Frame, simulators: Simulators) -> Trials:
    """The pages that simulate."""
    return Trials(frame, simulators, stable=cache(partial(_stable, content_root())))


def _stable(root: Path) -> DoseModel:
    """The model of the stable dose of warfarin, checked against what it said when it was trained."""
    model = DoseModel.from_artefact(latest(DOSE, root=root))
    model.self_check()
    return model


def static_files() -> Path:
    """Where styles, scripts and pictures of pages are."""
    return content_root() / "templates" / "static"


def identities_of(deps: Deps) -> Identities:
    """Ties between identifiers and patients."""
    systems = frozenset(deps.settings.identifier_systems)
    return Identities(deps.ehrs.cabinet, deps.store.pseudonym, deps.clock, systems)


def intake_of(deps: Deps, source: Source) -> Intake:
    """The way in for a source."""
    return Intake(source, deps.knowledge, deps.store, identities_of(deps), deps.meter, deps.clock)


def notified_of(deps: Deps) -> Notified:
    """What hears FHIR subscriptions."""

    def take(name: str, subscription: Subscription, resources: Sequence[object]) -> None:
        populating_of(deps, name, subscription).bring(resources)

    return Notified(Subscriptions(deps.ehrs.cabinet, deps.clock), take, deps.clock)


def populating_of(
    deps: Deps, name: str, subscription: Subscription, find: Callable[[str], object] | None = None
) -> Populating:
    """The way in for a subscription's EHR; ``find`` asks it for drugs that did not come along."""
    return Populating(intake_of(deps, Source(name=name, tenant=subscription.realm)), find)


def answering_of(deps: Deps) -> Answering:
    """The use case behind every hook."""
    twinner = Twinner(deps.knowledge.twin, deps.knowledge.ontology)
    identities = identities_of(deps)
    gatherer = Gatherer(
        knowledge=deps.knowledge,
        fhir=deps.fhir,
        budget_s=deps.settings.fetch_budget_s,
        max_entries=deps.settings.max_entries,
    )
    records = Records(
        deps.store,
        twinner,
        capacity=deps.settings.cached_facts,
        tied=identities.tied,
        simulated=deps.settings.simulated_time,
    )
    handing = Handing(deps.store, records, deps.meter, deps.clock)
    return Answering(
        knowledge=deps.knowledge,
        store=deps.store,
        records=records,
        gatherer=gatherer,
        switchboard=Switchboard(deps.store),
        meter=deps.meter,
        identities=identities,
        handing=handing,
        turns=handing.turns,
        computing=gatherer.computing,
    )


def door_through(trust: Trust, settings: Settings, clock: Clock | None = None) -> Door:
    """What lets callers in."""
    return Door(
        directory=Directory(trust.clients),
        keys=Keys(trust.jwks),
        seen=trust.seen,
        clock=clock or SystemClock(),
        base_url=settings.base_url,
        max_age_s=settings.token_max_age_s,
        open_to_this_machine=settings.open_to_this_machine,
    )


def app_of(deps: Deps) -> Flask:
    """A Flask app over given dependencies."""
    answering = answering_of(deps)
    return built(deps, answering, watching_of(deps, answering))


def canary_of(deps: Deps, answering: Answering) -> Canary:
    """The canary patients of this installation, asked for beside the calls."""
    load = partial(latest, NAME, root=content_root())
    stale_s = 3 * deps.settings.canary_every_s
    return Canary(deps.knowledge, load, answering.computing, stale_s=stale_s)


def firing_of(deps: Deps, answering: Answering) -> FiringWatch:
    """What looks at the rates of cards, and trips the storm breaker."""
    return FiringWatch(deps.store, deps.knowledge.zone, deps.clock, deps.meter, answering.switchboard.turn)


def watching_of(
    deps: Deps, answering: Answering, canary: Canary | None = None, firing: FiringWatch | None = None
) -> Watching:
    """What looks after the service."""
    return Watching(
        knowledge=deps.knowledge,
        store=deps.store,
        fhir=deps.fhir,
        switchboard=answering.switchboard,
        meter=deps.meter,
        clock=None if deps.settings.simulated_time else deps.clock,
        clients=deps.trust.clients.clients,
        canary=canary.state if canary else lambda: PartState.NOT_RUN,
        alarms=firing.alarms if firing else lambda: (),
    )


def rounds_of(watching: Watching, canary: Canary | None, firing: FiringWatch | None, settings: Settings) -> Rounds:
    """What is done beside the calls."""
    duties = [Duty(name="canary", every_s=settings.canary_every_s, act=canary.run)] if canary else []
    if firing:
        duties.append(Duty(name="firing", every_s=settings.firing_every_s, act=firing.look))
    return Rounds([*duties, Duty(name="gauges", every_s=GAUGES_EVERY_S, act=watching.tell)])


def built(deps: Deps, answering: Answering, watching: Watching) -> Flask:
    """The app over its use cases."""
    listening = Listening(
        deps.store,
        answering.records,
        deps.knowledge.templates,
        deps.meter,
        answering.turns,
        simulated=deps.settings.simulated_time,
    )
    door, smart = door_through(deps.trust, deps.settings, deps.clock), smart_of(deps)
    desk = Desk(settings=deps.settings, clock=deps.clock, answering=answering, listening=listening, door=door)
    dials = Dials(readiness=watching.readiness, meter=deps.meter, page=deps.meter.page)
    faces = Faces(smart=smart, bedside=bedside_of(deps, answering, listening, smart), static=static_files())
    shelf = Shelf(content_root(), deps.knowledge.learned.artefacts)
    return build(desk, shelf, dials, faces, notified_of(deps))


def quiet_logs() -> None:
    """Only warnings and errors to standard error: for commands that answer many calls and report on them themselves."""
    configure_logs(level=logging.WARNING)


def create_app(settings: Settings) -> Flask:
    """The app as it is served: real adapters, logs as JSON lines, the store closed at exit."""
    configure_logs()
    deps = deps_of(settings)
    answering = answering_of(deps)
    canary = canary_of(deps, answering) if settings.canary_every_s else None
    firing = firing_of(deps, answering) if settings.firing_every_s else None
    watching = watching_of(deps, answering, canary, firing)
    rounds = rounds_of(watching, canary, firing, settings)
    atexit.register(deps.close)
    check_callers(settings, deps.trust.clients)
    atexit.register(rounds.stop)  # before the stores are closed: the last registered goes first
    rounds.start()
    return built(deps, answering, watching)
