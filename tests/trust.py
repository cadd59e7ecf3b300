"""EHRs that sign, registers and ledgers to test, and somebody who tries everything else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import text

from cds_app.adapters.sql.cabinet import MemoryCabinet, SqlCabinet
from cds_app.adapters.sql.client_register import MemoryClients, SqlClients
from cds_app.adapters.sql.database import Database
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.adapters.sql.token_ledger import MemoryTokens, SqlTokens
from cds_app.domain.clients import Client
from cds_app.ports import Cabinet, ClientRegister, SeenTokens
from cds_app.services.callers.registration import new_client
from tests.conftest import FROZEN
from tests.stores import vault

BASE = "http://127.0.0.1:8717"
DISCOVERY = f"{BASE}/cds-services"
ENDPOINT = f"{DISCOVERY}/twinline-patient-view"
FEEDBACK = f"{ENDPOINT}/feedback"
NOW = FROZEN.timestamp()
_COUNTER = itertools.count(1)


@cache
def ec_key(kid: str = "ec-1", curve: str = "P-384") -> ECKey:
    return ECKey.generate_key(curve, parameters={"kid": kid})


@cache
def rsa_key(kid: str = "rsa+1==", bits: int = 2048) -> RSAKey:
    """The kid is one as Epic makes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # some are weak on purpose
        return RSAKey.generate_key(bits, parameters={"kid": kid})


def key_set(*keys: ECKey | RSAKey, private: bool = False) -> str:
    return json.dumps({"keys": [key.as_dict(private=private) for key in keys]})


def encoded(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True)
class Ehr:
    """A CDS client with a key."""

    iss: str = "https://ehr.example/r4"
    key: ECKey | RSAKey = field(default_factory=ec_key)
    alg: str = "ES384"

    def claims(self, **change: Any) -> dict[str, Any]:
        """Claims for one call; ``...`` leaves one out."""
        made = {"iss": self.iss, "aud": ENDPOINT, "iat": NOW, "exp": NOW + 300, "jti": f"token-{next(_COUNTER)}"}
        return {name: value for name, value in {**made, **change}.items() if value is not ...}

    def header(self, **change: Any) -> dict[str, Any]:
        made = {"alg": self.alg, "kid": self.key.kid, "typ": "JWT"}
        return {name: value for name, value in {**made, **change}.items() if value is not ...}

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A signed token; what is stated replaces what is usual, whether a library would write it or not."""
        head = self.header(**(header or {}))
        text = f"{encoded(head)}.{encoded(self.claims(**claims))}"
        return f"{text}.{encoded(jws.JWSRegistry.algorithms[self.alg].sign(text.encode(), self.key))}"

    def bearer(self, header: dict[str, Any] | None = None, **claims: Any) -> dict[str, str]:
        """The same as a header of a request."""
        return {"Authorization": f"Bearer {self.token(header, **claims)}"}

    def client(self, **change: Any) -> Client:
        """The record of this client, as it is registered."""
        made = {"name": "ehr", "iss": self.iss, "jwks": key_set(self.key)}
        return new_client(**{**made, **change})


EPIC = Ehr(key=rsa_key(), alg="RS384")


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token as no library makes it."""
    return f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}"


def signed_with_the_public_key(ehr: Ehr, hash_name: str = "sha256") -> str:
    """The classic confusion: a public key as the shared secret of an HMAC."""
    text = f"{encoded(ehr.header(alg='HS' + hash_name[3:]))}.{encoded(ehr.claims())}"
    mac = hmac.digest(ehr.key.as_pem(private=False), text.encode(), getattr(hashlib, hash_name))
    return f"{text}.{encoded(mac)}"


class PublishedKeys:
    """`cds_app.ports.PublishedReader` that remembers what it was asked for."""

    def __init__(self, document: str | Exception) -> None:
        self.document = document
        self.asked: list[str] = []

    def read(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.document, Exception):
            raise self.document
        return self.document.encode()


class Ticking:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def audited(database: Database) -> str:
    """What the audit says is wrong."""
    store = SqlStore(database.url.render_as_string(hide_password=False), vault())
    try:
        return store.verify().said
    finally:
        store.close()


def rows_of(database: Database, table: str) -> list[dict[str, Any]]:
    with database.writing.begin() as connection:
        return [dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608 - of ours


def put_rows(database: Database, table: str, rows: list[dict[str, Any]]) -> None:
    """What somebody with a copy of a table, but without the key, can do."""
    names = ", ".join(f":{name}" for name in rows[0]) if rows else ""
    with database.writing.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - of ours
        if rows:
            connection.execute(text(f"INSERT INTO {table} VALUES ({names})"), rows)  # noqa: S608 - of ours


STORES = ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
Opener = Callable[[], Database]


@pytest.fixture
def opener(request: pytest.FixtureRequest, store_kind: str, tmp_path: Path) -> Iterator[Opener]:
    """Opens one migrated database as often as is asked: each time as another process would."""
    postgres = store_kind == "postgres"
    url: str = request.getfixturevalue("postgres_url") if postgres else f"sqlite:///{tmp_path / 'twinline.sqlite'}"
    opened: list[Database] = []

    def open_one() -> Database:
        migrate(url)
        opened.append(Database(url, waits_for_disk=False))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture(params=STORES)
def store_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def register(store_kind: str, opener: Opener) -> ClientRegister:
    return MemoryClients() if store_kind == "memory" else SqlClients(opener(), vault())


@pytest.fixture
def seen(store_kind: str, opener: Opener) -> SeenTokens:
    return MemoryTokens() if store_kind == "memory" else SqlTokens(opener())


@pytest.fixture
def cabinet(store_kind: str, opener: Opener) -> Cabinet:
    return MemoryCabinet() if store_kind == "memory" else SqlCabinet(opener(), vault())
