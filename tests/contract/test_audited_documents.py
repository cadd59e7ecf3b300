"""The audit opens every document, and holds those that decide whom we trust against the log."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from cds_app.adapters.sealed.sealing import document_note
from cds_app.adapters.sql.cabinet import SLACK_S, SWEEP_EVERY, SqlCabinet
from cds_app.adapters.sql.database import Database
from cds_app.ports import Document
from tests.stores import NOW, vault
from tests.trust import Opener, audited, put_rows, rows_of

pytestmark = pytest.mark.parametrize("store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])

ISSUER, KEY, VISIT = ("issuer", "north"), ("signing-key", "k1"), ("visit", "v1")


def document(kind: str, name: str, version: int = 0, minutes: int | None = None) -> Document:
    until = None if minutes is None else NOW + timedelta(minutes=minutes)
    return Document(kind=kind, name=name, version=version, content=b"content", until=until)


@pytest.fixture
def database(opener: Opener) -> Database:
    """An issuer in its second version, a key that will be replaced, a visit, and an issuer that was removed."""
    made = opener()
    cabinet = SqlCabinet(made, vault())
    for one in (document(*ISSUER), document(*ISSUER, 1), document(*KEY), document(*VISIT, minutes=60)):
        cabinet.write(one, NOW)
    cabinet.write(document("issuer", "south"), NOW)
    cabinet.take("issuer", "south", NOW)
    return made


@pytest.mark.parametrize(
    "change",
    [
        "version = version + 1 WHERE kind = 'visit'",
        "until = until + 600 WHERE kind = 'visit'",
        "until = NULL WHERE kind = 'visit'",
        "name = 'v2' WHERE kind = 'visit'",
        "kind = 'launch' WHERE kind = 'visit'",
        "sealed = (SELECT sealed FROM documents WHERE kind = 'issuer') WHERE kind = 'visit'",
        "name = 'south' WHERE kind = 'issuer'",
    ],
)
def test_a_document_that_was_changed_is_found(database: Database, change: str) -> None:
    assert audited(database) == ""
    with database.writing.begin() as connection:
        connection.execute(text(f"UPDATE documents SET {change}"))  # noqa: S608 - an attacker's SQL is what is tested
    assert audited(database) == "a document was changed"


@pytest.mark.parametrize("kind", ["issuer", "signing-key"])
def test_who_decides_whom_we_trust_cannot_be_removed_unseen(database: Database, kind: str) -> None:
    put_rows(database, "documents", [one for one in rows_of(database, "documents") if one["kind"] != kind])
    assert audited(database) == "an issuer or a signing key was removed"


def test_nor_put_back_as_it_was_before_its_last_change(database: Database) -> None:
    before, cabinet = rows_of(database, "documents"), SqlCabinet(database, vault())
    cabinet.write(document(*ISSUER, 2), NOW)
    assert audited(database) == ""
    put_rows(database, "documents", before)
    assert audited(database) == "an issuer or a signing key was put back"


def test_an_issuer_that_was_removed_stays_so(database: Database) -> None:
    before, cabinet = rows_of(database, "documents"), SqlCabinet(database, vault())
    cabinet.take(*ISSUER, NOW)
    assert audited(database) == ""
    put_rows(database, "documents", before)
    assert audited(database) == "an issuer or a signing key was put back"


def test_a_replaced_key_has_an_end_and_may_be_gone_after_it_but_does_not_get_another(database: Database) -> None:
    before, cabinet = rows_of(database, "documents"), SqlCabinet(database, vault())
    cabinet.write(document(*KEY, 1, minutes=1), NOW)
    assert audited(database) == ""
    after = rows_of(database, "documents")
    put_rows(database, "documents", before)
    assert audited(database) == "an issuer or a signing key was put back"
    put_rows(database, "documents", after)
    later = NOW + timedelta(minutes=2, seconds=SLACK_S)
    for number in range(SWEEP_EVERY):
        cabinet.write(document("visit", f"later {number}", minutes=600), later)
    assert "k1" not in {one["name"] for one in rows_of(database, "documents")}
    assert audited(database) == ""


def test_what_was_written_before_the_log_named_versions_is_not_called_put_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_app.adapters.sql.cabinet.document_note", lambda *said: document_note(*said[:4]))
    SqlCabinet(database, vault()).write(document("issuer", "west"), NOW)
    assert audited(database) == ""
    put_rows(
        database,
        "documents",
        [{**one, "name": "east"} if one["name"] == "west" else one for one in rows_of(database, "documents")],
    )
    assert audited(database) == "a document was changed"
