"""What every ClientRegister does, whatever it stands on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from cds_app.adapters.sealed.ledger import stamp
from cds_app.adapters.sealed.sealing import client_note
from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.client_register import SqlClients
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import IntegrityError, NotFound, SettingsError
from cds_app.ports import ClientRegister
from tests.stores import NOW, append, feedback, vault
from tests.trust import EPIC, Ehr, Opener, audited, put_rows, rows_of

FULL = EPIC.client(
    name="north",
    audiences=("https://cds.example/a", "https://cds.example/b"),
    tenants=("one", "two"),
    algs=("RS256", "RS384"),
)
PUBLISHED = Ehr(iss="urn:other").client(name="south", jwks="", jku="https://ehr.example/keys")


def test_nobody_is_registered_at_first(register: ClientRegister) -> None:
    assert tuple(register.clients()) == ()


def test_records_are_read_back_exactly_and_by_name(register: ClientRegister) -> None:
    register.add(PUBLISHED)
    register.add(FULL)
    assert tuple(register.clients()) == (FULL, PUBLISHED)


@pytest.mark.parametrize(
    "second", [Ehr(iss="urn:new").client(name="north"), EPIC.client(name="another")], ids=["name", "issuer"]
)
def test_a_name_and_an_issuer_are_registered_once(register: ClientRegister, second: object) -> None:
    register.add(FULL)
    with pytest.raises(SettingsError, match="already"):
        register.add(second)  # type: ignore[arg-type]
    assert tuple(register.clients()) == (FULL,)


def test_who_is_removed_is_gone_and_may_come_back(register: ClientRegister) -> None:
    register.add(FULL)
    register.remove("north")
    assert tuple(register.clients()) == ()
    with pytest.raises(NotFound):
        register.remove("north")
    register.add(FULL)
    assert len(register.clients()) == 1


@pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_another_process_sees_it_at_once(opener: Opener) -> None:
    mine, theirs = SqlClients(opener(), vault()), SqlClients(opener(), vault())
    mine.add(FULL)
    assert tuple(theirs.clients()) == (FULL,)
    theirs.remove("north")
    assert tuple(mine.clients()) == ()


@pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
@pytest.mark.parametrize("column", ["name", "iss", "jku", "jwks", "audiences", "tenants", "algs"])
def test_who_can_write_the_table_but_has_no_key_cannot_let_anybody_in(opener: Opener, column: str) -> None:
    database = opener()
    SqlClients(database, vault()).add(FULL)
    with database.writing.begin() as connection:
        connection.execute(text(f"UPDATE clients SET {column} = '[\"x\"]'"))  # noqa: S608 - names of our own
    with pytest.raises(IntegrityError):
        SqlClients(database, vault()).clients()


@pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_every_change_is_an_entry_of_the_log_and_what_failed_is_none(opener: Opener) -> None:
    database = opener()
    register = SqlClients(database, vault(), now=lambda: NOW)
    store = SqlStore(database.url.render_as_string(hide_password=False), vault())
    register.add(FULL)
    append(store, "", feedback=(feedback("a"),))
    with pytest.raises(SettingsError):
        register.add(FULL)
    with pytest.raises(NotFound):
        register.remove("nobody")
    register.remove("north")
    assert [one[:1] + one[2:] for one in register.history()] == [(1, "added", "north"), (3, "removed", "north")]
    assert {one.at for one in register.history()} == {stamp(NOW)}
    assert [(one.patient, one.decision, bool(one.feedback)) for one in store.journal()] == [
        ("", None, False), ("", None, True), ("", None, False),
    ]  # fmt: skip
    assert store.verify().broken_at is None
    store.close()


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
def test_a_history_that_was_changed_is_found(opener: Opener) -> None:
    database = opener()
    SqlClients(database, vault()).add(FULL)
    with database.writing.begin() as connection:
        connection.execute(text("UPDATE log SET outcome = 'south'"))
    store = SqlStore(database.url.render_as_string(hide_password=False), vault())
    assert store.verify().broken_at == 1
    store.close()


@pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)
def test_a_record_of_another_key_is_not_believed(opener: Opener) -> None:
    database = opener()
    SqlClients(database, Vault(bytes(32))).add(FULL)
    with pytest.raises(IntegrityError):
        SqlClients(database, vault()).clients()


@pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_the_audit_finds_whom_somebody_changed_removed_or_put_back(opener: Opener) -> None:
    database = opener()
    register = SqlClients(database, vault())

    def put(rows: list[dict[str, Any]]) -> str:
        put_rows(database, "clients", rows)
        return audited(database)

    register.add(FULL)
    old = rows_of(database, "clients")
    register.add(PUBLISHED)
    both = rows_of(database, "clients")
    assert audited(database) == ""
    assert put([{**one, "jku": "https://elsewhere.example"} for one in both]).endswith("client was changed")
    assert put(old).endswith("client was removed")
    assert put(both) == ""
    register.remove("north")
    assert audited(database) == ""
    assert put(both).endswith("client was put back")
    put([one for one in both if one["name"] == "south"])
    register.add(replace(FULL, jwks="", jku="https://north.example/keys"))
    assert audited(database) == ""
    assert put(both).endswith("client was put back")  # with the keys that it had before


@pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_who_was_registered_before_the_log_named_records_is_not_called_put_back(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = opener()
    store = SqlStore(database.url.render_as_string(hide_password=False), vault())
    monkeypatch.setattr("cds_app.adapters.sql.client_register.client_note", lambda *said: client_note(*said[:4]))
    SqlClients(database, vault()).add(FULL)
    assert store.verify().said == ""
    with database.writing.begin() as connection:
        connection.execute(text("DELETE FROM clients"))
    assert store.verify().said.endswith("client was removed")
    store.close()
