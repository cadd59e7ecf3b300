"""Trust records in the database, each under a MAC: who can write there, but has no key, cannot let anybody in."""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from threading import Lock
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from cds_app.adapters.database import Database
from cds_app.adapters.schema import clients
from cds_app.adapters.vault import Vault
from cds_app.domain.clients import Client
from cds_app.errors import DependencyDown, IntegrityError, NotFound, SettingsError

_ALL: Final = select(clients).order_by(clients.c.name)
_ADD: Final = insert(clients)
_NAMED: Final = select(clients.c.name).where(clients.c.name == bindparam("name"))
_REMOVE: Final = delete(clients).where(clients.c.name == bindparam("name"))


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
    """`cds_app.ports.ClientRegister` on a database that `cds_app.adapters.migrate.migrate` has prepared.

    Parameters
    ----------
    database : Database
        Closed by whoever made it.
    vault : Vault
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def clients(self) -> Sequence[Client]:
        with self._database.read() as session:
            rows = [ClientRow(*row) for row in session.rows(_ALL)]
        return tuple(_client(self._vault, row) for row in rows)

    def add(self, client: Client) -> None:
        row = _row(self._vault, client)
        try:
            with self._database.write() as session:
                session.run(_ADD, **row._asdict())
        except self._database.broken_constraint:
            raise SettingsError("a client of this name or with this issuer is registered already") from None
        except self._database.failures as error:
            raise DependencyDown("the trust record cannot be written") from error

    def remove(self, name: str) -> None:
        try:
            with self._database.write() as session:
                found = session.rows(_NAMED, name=name)
                session.run(_REMOVE, name=name)
        except self._database.failures as error:
            raise DependencyDown("the trust record cannot be removed") from error
        if not found:
            raise NotFound("there is no such client", field="name")


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
                raise NotFound("there is no such client", field="name")


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
