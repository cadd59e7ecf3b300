"""What a running Twinline stands on: the real adapters as the settings name them, or memory. Seen by the root only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.adapters.http.fhir_write import RequestsFhirWriter
from cds_app.adapters.http.oauth import AuthlibTokenEndpoint
from cds_app.adapters.http.published import RequestsPublishedReader
from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.metrics import PrometheusMeter
from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.cabinet import MemoryCabinet, SqlCabinet
from cds_app.adapters.sql.client_register import MemoryClients, SqlClients
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.token_ledger import MemoryTokens, SqlTokens
from cds_app.content import content_root
from cds_app.databases import anchor_of, store_of, vault_of
from cds_app.domain.ontology import Ontology
from cds_app.domain.site_mapping import SiteMapping, parse_mapping
from cds_app.domain.units import UnitConverter
from cds_app.errors import ContentError
from cds_app.ports import (
    Cabinet,
    ClientRegister,
    Clock,
    FhirReader,
    FhirWriter,
    PublishedReader,
    SeenTokens,
    TokenEndpoint,
    TwinStore,
)
from cds_app.services.content.knowledge import Knowledge, load_knowledge, load_vocabulary
from cds_app.services.smart.issuers import Issuers
from cds_app.settings import Settings
from cds_app.web.smart import LAUNCH_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who may call. By default nobody is registered, and what is written down is forgotten with the process."""

    clients: ClientRegister = field(default_factory=MemoryClients)
    seen: SeenTokens = field(default_factory=MemoryTokens)
    jwks: PublishedReader = field(default_factory=RequestsPublishedReader)
    close: Callable[[], None] = field(default=lambda: None)


def _documents() -> PublishedReader:
    return RequestsPublishedReader(what="the EHR's document", field="iss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ehrs:
    """What launches stand on. By default nobody is registered, and what is written down is forgotten with the process.

    Parameters
    ----------
    cabinet : Cabinet
        Issuers, signing keys, launches and visits.
    documents : PublishedReader
        Reads what EHRs publish.
    tokens : TokenEndpoint
    close : callable
    """

    cabinet: Cabinet = field(default_factory=MemoryCabinet)
    documents: PublishedReader = field(default_factory=_documents)
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
    drafts: FhirWriter = field(default_factory=lambda: RequestsFhirWriter(()))
    trust: Trust = field(default_factory=Trust)
    ehrs: Ehrs = field(default_factory=Ehrs)
    meter: PrometheusMeter = field(default_factory=PrometheusMeter)

    def close(self) -> None:
        """Let go of every database."""
        for one in (self.store, self.trust, self.ehrs):
            one.close()


def knowledge_of(settings: Settings) -> Knowledge:
    """The content of this installation, checked."""
    launch_url = f"{settings.base_url}{LAUNCH_PATH}" if settings.sidebar_links else ""
    return load_knowledge(
        content_root(),
        timezone=settings.timezone,
        launch_url=launch_url,
        mapping=_mapping_of(settings),
        units=settings.units,
    )


def vocabulary_of(settings: Settings) -> tuple[Ontology, UnitConverter]:
    """What this installation knows by name, and its units, without any model."""
    return load_vocabulary(content_root(), _mapping_of(settings))


def _mapping_of(settings: Settings) -> SiteMapping | None:
    return mapping_in(settings.site_mapping) if settings.site_mapping is not None else None


def mapping_in(file: Path) -> SiteMapping:
    """What a site's mapping file says, in shape. Raises ContentError."""
    try:
        content = file.read_bytes()
    except OSError:
        raise ContentError("the site mapping cannot be read", field="site_mapping") from None
    return parse_mapping(content)


def trust_of(settings: Settings) -> Trust:
    """Who may call, as the migrated database that the settings name has it."""
    database = Database(settings.store_url, waits_for_disk=False, opened=_readers(settings))
    return Trust(clients=SqlClients(database, vault_of(settings)), seen=SqlTokens(database), close=database.close)


def ehrs_of(settings: Settings) -> Ehrs:
    """What launches stand on, in the migrated database that the settings name."""
    database = Database(settings.store_url, opened=_readers(settings))
    return Ehrs(cabinet=SqlCabinet(database, vault_of(settings), anchor=anchor_of(settings)), close=database.close)


def _readers(settings: Settings) -> int:
    """Connections that may be read from at once: one a thread, and one for the rounds beside the calls."""
    return settings.threads + 1


def deps_of(settings: Settings) -> Deps:
    """The real adapters."""
    store, clock, ehrs = store_of(settings, opened=_readers(settings)), SystemClock(), ehrs_of(settings)
    issuers = Issuers(ehrs.cabinet)

    def launches(base: str) -> bool:
        return issuers.at(base, clock.now()) is not None

    return Deps(
        settings=settings,
        knowledge=knowledge_of(settings),
        store=store,
        clock=clock,
        fhir=RequestsFhirReader(settings.fhir_servers, loopback_http=True, registered=launches),
        drafts=RequestsFhirWriter(settings.fhir_servers, loopback_http=True, registered=launches),
        trust=trust_of(settings),
        ehrs=ehrs,
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
