"""The composition root: settings in, a wired app out. The only place that knows which adapters are used."""

from __future__ import annotations

import atexit
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask

from cds_app.adapters.client_register import MemoryClients, SqlClients
from cds_app.adapters.clock import SystemClock
from cds_app.adapters.database import Database
from cds_app.adapters.fhir_http import RequestsFhirReader
from cds_app.adapters.jwks_http import RequestsJwksReader
from cds_app.adapters.logs import configure_logs
from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.migrate import migrate
from cds_app.adapters.sql_store import SqlStore
from cds_app.adapters.token_ledger import MemoryTokens, SqlTokens
from cds_app.adapters.vault import Vault, key_file, read_master_key
from cds_app.content import content_root
from cds_app.errors import SettingsError
from cds_app.ports import ClientRegister, Clock, FhirReader, JwksReader, SeenTokens, TwinStore
from cds_app.services.answer import Answering
from cds_app.services.feedback import Listening
from cds_app.services.gather import Gatherer
from cds_app.services.keys import Keys
from cds_app.services.knowledge import Knowledge, load_knowledge
from cds_app.services.model_cards import Shelf
from cds_app.services.records import Records, Twinner
from cds_app.services.trust import Directory, Door
from cds_app.settings import Settings
from cds_app.web.app import build
from cds_app.web.cds_hooks import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who may call. By default nobody is registered, and what is written down is forgotten with the process."""

    clients: ClientRegister = field(default_factory=MemoryClients)
    seen: SeenTokens = field(default_factory=MemoryTokens)
    jwks: JwksReader = field(default_factory=RequestsJwksReader)
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


def trust_of(settings: Settings) -> Trust:
    """Who may call, as the migrated database that the settings name has it."""
    database = Database(settings.store_url, waits_for_disk=False)
    return Trust(clients=SqlClients(database, vault_of(settings)), seen=SqlTokens(database), close=database.close)


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
    simulated = deps.settings.simulated_time
    listening = Listening(deps.store, answering.records, deps.knowledge.templates, answering.turns, simulated=simulated)
    door = door_through(deps.trust, deps.settings, deps.clock)
    desk = Desk(settings=deps.settings, clock=deps.clock, answering=answering, listening=listening, door=door)
    return build(desk, Shelf(content_root(), deps.knowledge.learned.artefacts))


def quiet_logs() -> None:
    """Only warnings and errors to standard error: for commands that answer many calls and report on them themselves."""
    configure_logs(level=logging.WARNING)


def create_app(settings: Settings) -> Flask:
    """The app as it is served: real adapters, logs as JSON lines, the store closed at exit."""
    configure_logs()
    deps = deps_of(settings)
    atexit.register(deps.store.close)
    atexit.register(deps.trust.close)
    check_callers(settings, deps.trust.clients)
    return app_of(deps)
