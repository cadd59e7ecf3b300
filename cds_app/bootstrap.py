"""The composition root: settings in, a wired app out. The only place that knows which adapters are used."""

from __future__ import annotations

import atexit
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from flask import Flask

from cds_app.adapters.cabinet import MemoryCabinet, SqlCabinet
from cds_app.adapters.client_register import MemoryClients, SqlClients
from cds_app.adapters.clock import SystemClock
from cds_app.adapters.database import Database
from cds_app.adapters.fhir_http import RequestsFhirReader
from cds_app.adapters.jwks_http import RequestsJwksReader
from cds_app.adapters.logs import configure_logs
from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.metrics import PrometheusMeter
from cds_app.adapters.migrate import migrate
from cds_app.adapters.oauth_http import AuthlibTokenEndpoint
from cds_app.adapters.sql_store import SqlStore
from cds_app.adapters.token_ledger import MemoryTokens, SqlTokens
from cds_app.adapters.vault import Vault, key_file, read_master_key
from cds_app.content import content_root, latest
from cds_app.errors import SettingsError
from cds_app.ports import Cabinet, ClientRegister, Clock, FhirReader, JwksReader, SeenTokens, TokenEndpoint, TwinStore
from cds_app.services.answer import Answering
from cds_app.services.canary import NAME, Canary
from cds_app.services.discovery import Discovery
from cds_app.services.feedback import Listening
from cds_app.services.firing import FiringWatch
from cds_app.services.gather import Gatherer
from cds_app.services.grants import Granting
from cds_app.services.id_tokens import IdTokens
from cds_app.services.keys import Keys
from cds_app.services.knowledge import Knowledge, load_knowledge
from cds_app.services.launching import Launching
from cds_app.services.model_cards import Shelf
from cds_app.services.readiness import PartState
from cds_app.services.records import Records, Twinner
from cds_app.services.rounds import Duty, Rounds
from cds_app.services.signing import SigningKeys
from cds_app.services.switchboard import Switchboard
from cds_app.services.trust import Directory, Door
from cds_app.services.turnstile import Pace, Turnstile
from cds_app.services.visits import Visits
from cds_app.services.watching import Watching
from cds_app.settings import Settings
from cds_app.web.app import Dials, build
from cds_app.web.cds_hooks import Desk
from cds_app.web.smart import Smart

GAUGES_EVERY_S: Final = 5.0
LAUNCHES_PER_S: Final = 20.0
LAUNCHES_AT_ONCE: Final = 60
"""For each worker: a hospital's thousands open their charts at a few a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who may call. By default nobody is registered, and what is written down is forgotten with the process."""

    clients: ClientRegister = field(default_factory=MemoryClients)
    seen: SeenTokens = field(default_factory=MemoryTokens)
    jwks: JwksReader = field(default_factory=RequestsJwksReader)
    close: Callable[[], None] = field(default=lambda: None)


def _documents() -> JwksReader:
    return RequestsJwksReader(what="the EHR's document", field="iss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ehrs:
    """What launches stand on. By default nobody is registered, and what is written down is forgotten with the process.

    Parameters
    ----------
    cabinet : Cabinet
        Issuers, signing keys, launches and visits.
    documents : JwksReader
        Reads what EHRs publish.
    tokens : TokenEndpoint
    close : callable
    """

    cabinet: Cabinet = field(default_factory=MemoryCabinet)
    documents: JwksReader = field(default_factory=_documents)
    tokens: TokenEndpoint = field(default_factory=AuthlibTokenEndpoint)
    close: Callable[[], None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Everything a running Twinline stands on."""

    settings: Settings
    knowledge: Knowledge
    store: TwinStore
    clock: Clock
    fhir: FhirReader
    trust: Trust = field(default_factory=Trust)
    ehrs: Ehrs = field(default_factory=Ehrs)
    meter: PrometheusMeter = field(default_factory=PrometheusMeter)


def knowledge_of(settings: Settings) -> Knowledge:
    """The content of this installation, checked."""
    return load_knowledge(content_root(), timezone=settings.timezone)


def store_of(settings: Settings) -> SqlStore:
    """The store that the settings name, migrated and open."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate(settings.store_url)
    return SqlStore(settings.store_url, vault_of(settings), anchor=anchor_of(settings))


def anchor_of(settings: Settings) -> Path:
    """Where the newest head of the log is kept outside of the database."""
    return settings.data_dir / "audit.head"


@contextmanager
def register_of(settings: Settings) -> Iterator[SqlClients]:
    """The trust records of the database that the settings name, to be changed: migrated, open, closed at the end."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate(settings.store_url)
    database = Database(settings.store_url)
    try:
        yield SqlClients(database, vault_of(settings), anchor=anchor_of(settings))
    finally:
        database.close()


@contextmanager
def cabinet_of(settings: Settings) -> Iterator[SqlCabinet]:
    """The small documents of the database that the settings name: migrated, open, closed at the end."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    migrate(settings.store_url)
    database = Database(settings.store_url)
    try:
        yield SqlCabinet(database, vault_of(settings), anchor=anchor_of(settings))
    finally:
        database.close()


def trust_of(settings: Settings) -> Trust:
    """Who may call, as the migrated database that the settings name has it."""
    database = Database(settings.store_url, waits_for_disk=False)
    return Trust(clients=SqlClients(database, vault_of(settings)), seen=SqlTokens(database), close=database.close)


def ehrs_of(settings: Settings) -> Ehrs:
    """What launches stand on, in the migrated database that the settings name."""
    database = Database(settings.store_url)
    return Ehrs(cabinet=SqlCabinet(database, vault_of(settings), anchor=anchor_of(settings)), close=database.close)


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


def check_callers(settings: Settings, clients: ClientRegister) -> None:
    """Refuse to serve nobody, or everybody without having been told so.

    Raises
    ------
    SettingsError
    """
    if not settings.open_to_this_machine and not clients.clients():
        raise SettingsError(
            "no client may call: register one with `twinline clients add`, or say --open-to-this-machine to answer "
            "every program on this machine without asking who it is (demonstrations and tests only)",
            field="open_to_this_machine",
        )


def vault_of(settings: Settings) -> Vault:
    """The keys: from the setting, or from the key file beside the database."""
    if settings.master_key:
        return Vault(read_master_key(settings.master_key))
    return Vault(key_file(settings.data_dir / "master.key"))


def deps_of(settings: Settings) -> Deps:
    """The real adapters."""
    return Deps(
        settings=settings,
        knowledge=knowledge_of(settings),
        store=store_of(settings),
        clock=SystemClock(),
        fhir=RequestsFhirReader(settings.fhir_servers, loopback_http=True),
        trust=trust_of(settings),
        ehrs=ehrs_of(settings),
    )


def memory_deps(knowledge: Knowledge, settings: Settings) -> Deps:
    """Everything in memory, for replays in process: nothing is kept and no server is called."""
    return Deps(
        settings=settings,
        knowledge=knowledge,
        store=MemoryStore(Vault(secrets.token_bytes(32))),
        clock=SystemClock(),
        fhir=RequestsFhirReader(()),
    )


def answering_of(deps: Deps) -> Answering:
    """The use case behind every hook."""
    twinner = Twinner(deps.knowledge.twin, deps.knowledge.ontology)
    gatherer = Gatherer(
        knowledge=deps.knowledge,
        fhir=deps.fhir,
        budget_s=deps.settings.fetch_budget_s,
        max_entries=deps.settings.max_entries,
    )
    return Answering(
        knowledge=deps.knowledge,
        store=deps.store,
        records=Records(deps.store, twinner, capacity=deps.settings.cached_facts),
        gatherer=gatherer,
        switchboard=Switchboard(deps.store),
        meter=deps.meter,
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
    door = door_through(deps.trust, deps.settings, deps.clock)
    desk = Desk(settings=deps.settings, clock=deps.clock, answering=answering, listening=listening, door=door)
    dials = Dials(readiness=watching.readiness, meter=deps.meter, page=deps.meter.page)
    return build(desk, Shelf(content_root(), deps.knowledge.learned.artefacts), dials, smart_of(deps))


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
    atexit.register(deps.store.close)
    atexit.register(deps.trust.close)
    atexit.register(deps.ehrs.close)
    check_callers(settings, deps.trust.clients)
    atexit.register(rounds.stop)  # before the stores are closed: the last registered goes first
    rounds.start()
    return built(deps, answering, watching)
