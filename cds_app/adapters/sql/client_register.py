"""Trust records in the database, each under a MAC: who can write there, but has no key, cannot let anybody in."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.sealed.anchor import Anchor
from cds_app.adapters.sealed.ledger import Change
from cds_app.adapters.sealed.sealing import client_note
from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.schema import clients, log
from cds_app.adapters.sql.session import Session
from cds_app.adapters.sql.transactions import Transactions
from cds_app.domain.clients import Client
from cds_app.errors import IntegrityError, NotFound, SettingsError

_ALL: Final = select(clients).order_by(clients.c.name)
_ADD: Final = insert(clients)
_NAMED: Final = select(clients.c.name).where(clients.c.name == bindparam("name"))
_REMOVE: Final = delete(clients).where(clients.c.name == bindparam("name"))
_CHANGES: Final = (
    select(log.c.number, log.c.at, log.c.topic, log.c.outcome).where(log.c.kind == "client").order_by(log.c.number)
)


class ClientRow(NamedTuple):
    """One row of the table, in the order of its columns."""

    name: str
    iss: str
    jku: str
    jwks: str
    audiences: str
    tenants: str
    algs: str
    mac: bytes


class SqlClients:
    """`cds_app.ports.ClientRegister` on a database that `cds_app.adapters.sql.migrate.migrate` has prepared.

    Every change is an entry of the decision log, written together with it.

    Parameters
    ----------
    database : Database
        Closed by whoever made it.
    vault : Vault
    anchor : Path, optional
        As `cds_app.adapters.sql.store.SqlStore` has it.
    now : callable, optional
        The time to write into the log; this machine's by default.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        anchor: Path | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._database = database
        self._vault = vault
        self._transactions = Transactions(database, vault, Anchor(vault, anchor) if anchor else None)
        self._now = now or SystemClock().now

    def clients(self) -> Sequence[Client]:
        with self._database.read() as session:
            rows = [ClientRow(*row) for row in session.rows(_ALL)]
        return tuple(_client(self._vault, row) for row in rows)

    def add(self, client: Client) -> None:
        row = _row(self._vault, client)
        record = msgspec.json.encode(row._asdict() | {"mac": ""})
        note = client_note("added", client.name, self._now(), record, row.mac.hex())
        try:
            self._transactions.tell(note, lambda session: session.run(_ADD, **row._asdict()))
        except self._database.broken_constraint:
            raise SettingsError("a client of this name or with this issuer is registered already") from None

    def remove(self, name: str) -> None:
        self._transactions.tell(client_note("removed", name, self._now()), partial(_delete, name))

    def history(self) -> Sequence[Change]:
        """Who was added and removed, oldest first."""
        with self._database.read() as session:
            return tuple(Change(*row) for row in session.rows(_CHANGES))


def _delete(name: str, session: Session) -> None:
    if not session.rows(_NAMED, name=name):
        raise NotFound("there is no such client; `twinline clients list` tells all", field="name")
    session.run(_REMOVE, name=name)


class MemoryClients:
    """`cds_app.ports.ClientRegister` in one process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._clients: dict[str, Client] = {}

    def clients(self) -> Sequence[Client]:
        with self._lock:
            return tuple(self._clients[name] for name in sorted(self._clients))

    def add(self, client: Client) -> None:
        with self._lock:
            if any(client.name == one.name or client.iss == one.iss for one in self._clients.values()):
                raise SettingsError("a client of this name or with this issuer is registered already")
            self._clients[client.name] = client

    def remove(self, name: str) -> None:
        with self._lock:
            if self._clients.pop(name, None) is None:
                raise NotFound("there is no such client; `twinline clients list` tells all", field="name")


def check_clients(vault: Vault, rows: Iterable[ClientRow], noted: Mapping[str, str | None]) -> str:
    """What is wrong with the first record that is not the one that was registered; "" if nothing is.

    Parameters
    ----------
    rows : iterable of ClientRow
        The whole table.
    noted : mapping of str to str
        By name: the MAC of the record, in hexadecimal digits, as the log said it last; "" where it was removed, None
        where the log did not say.
    """
    missing = {name for name, mac in noted.items() if mac != ""}
    for row in rows:
        try:
            _client(vault, row)
        except IntegrityError:
            return "the trust record of a client was changed"
        if noted.get(row.name, "") not in (None, row.mac.hex()):
            return "the trust record of a client was put back"
        missing.discard(row.name)
    return "the trust record of a client was removed" if missing else ""


def _row(vault: Vault, client: Client) -> ClientRow:
    audiences, tenants, algs = (json.dumps(sorted(many)) for many in (client.audiences, client.tenants, client.algs))
    row = ClientRow(client.name, client.iss, client.jku, client.jwks, audiences, tenants, algs, b"")
    return row._replace(mac=_mac(vault, row))


def _client(vault: Vault, row: ClientRow) -> Client:
    mac: object = row.mac  # somebody may have put a text there
    if not isinstance(mac, bytes) or not hmac.compare_digest(mac, _mac(vault, row)):
        raise IntegrityError("a trust record was not written with this key")
    audiences, tenants, algs = (frozenset(json.loads(many)) for many in (row.audiences, row.tenants, row.algs))
    return Client(
        name=row.name, iss=row.iss, jku=row.jku, jwks=row.jwks, audiences=audiences, tenants=tenants, algs=algs
    )


def _mac(vault: Vault, row: ClientRow) -> bytes:
    """No row and no head of the decision log begins with this word, so neither can stand in for the other."""
    return vault.mac(msgspec.msgpack.encode(("client", *row[:-1])))
