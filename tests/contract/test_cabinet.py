"""What every Cabinet does, whatever it stands on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from cds_app.adapters.sealed.vault import Vault
from cds_app.adapters.sql.cabinet import SWEEP_EVERY, DocumentRow, MemoryCabinet, SqlCabinet
from cds_app.adapters.sql.schema import documents
from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import Conflict, DependencyDown, IntegrityError
from cds_app.ports import Cabinet, Document
from tests.stores import vault
from tests.trust import Opener

NOW = datetime(2031, 3, 30, 0, 59, 59, 123456, tzinfo=UTC)
SQL = pytest.mark.parametrize(
    "store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


def document(
    name: str = "a", content: bytes = b"one", *, kind: str = "visit", until: datetime | None = None
) -> Document:
    return Document(kind=kind, name=name, version=0, content=content, until=until)


def later(**step: float) -> datetime:
    return NOW + timedelta(**step)


def test_what_is_written_is_read(cabinet: Cabinet) -> None:
    written = cabinet.write(document(content=bytes(range(256))), NOW)
    assert (written.version, written.content) == (1, bytes(range(256)))
    assert cabinet.read("visit", "a", NOW) == written
    assert cabinet.read("visit", "b", NOW) is None
    assert cabinet.read("launch", "a", NOW) is None


@pytest.mark.parametrize("kind", ["visit", "issuer"])
def test_only_the_first_of_two_who_make_it_makes_it(cabinet: Cabinet, kind: str) -> None:
    cabinet.write(document(kind=kind), NOW)
    with pytest.raises(Conflict):
        cabinet.write(document(content=b"two", kind=kind), NOW)
    found = cabinet.read(kind, "a", NOW)
    assert found is not None
    assert found.content == b"one"


def test_only_who_knows_the_last_version_writes_the_next(cabinet: Cabinet) -> None:
    first = cabinet.write(document(), NOW)
    second = cabinet.write(Document(kind="visit", name="a", version=first.version, content=b"two"), NOW)
    assert second.version == 2
    for version in (1, 3):
        with pytest.raises(Conflict):
            cabinet.write(Document(kind="visit", name="a", version=version, content=b"three"), NOW)
    with pytest.raises(Conflict):
        cabinet.write(Document(kind="visit", name="not there", version=1, content=b"three"), NOW)
    assert cabinet.read("visit", "a", NOW) == second


@pytest.mark.parametrize("kind", ["visit", "issuer"])
def test_of_many_at_once_one_writes_each_version(cabinet: Cabinet, kind: str) -> None:
    cabinet.write(document(kind=kind), NOW)

    def write(version: int) -> bool:
        try:
            cabinet.write(Document(kind=kind, name="a", version=version, content=b"x"), NOW)
        except Conflict:
            return False
        return True

    for version in (1, 2, 3):
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(write, [version] * 16)) == 1


def test_all_of_a_kind_come_by_name(cabinet: Cabinet) -> None:
    for name in ("b", "a", "c"):
        cabinet.write(document(name), NOW)
    cabinet.write(document("d", kind="launch"), NOW)
    assert [one.name for one in cabinet.all("visit", NOW)] == ["a", "b", "c"]
    assert cabinet.all("issuer", NOW) == ()


@pytest.mark.parametrize("kind", ["visit", "issuer"])
def test_it_is_taken_once(cabinet: Cabinet, kind: str) -> None:
    cabinet.write(document(kind=kind), NOW)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: cabinet.take(kind, "a", NOW), range(32)))
    assert [one.content for one in taken if one] == [b"one"]
    assert cabinet.read(kind, "a", NOW) is None
    assert cabinet.take(kind, "never there", NOW) is None


def test_what_is_over_is_not_there(cabinet: Cabinet) -> None:
    written = cabinet.write(document(until=later(minutes=10)), NOW)
    assert cabinet.read("visit", "a", later(minutes=9, seconds=59)) == written
    after = later(minutes=10, seconds=1)
    assert cabinet.read("visit", "a", after) is None
    assert cabinet.all("visit", after) == ()
    with pytest.raises(Conflict):
        cabinet.write(Document(kind="visit", name="a", version=1, content=b"two"), after)
    assert cabinet.take("visit", "a", after) is None


def test_what_is_over_can_be_written_anew(cabinet: Cabinet) -> None:
    cabinet.write(document(until=later(minutes=10)), NOW)
    again = cabinet.write(document(content=b"two"), later(minutes=11))
    assert (again.version, again.until) == (1, None)
    assert cabinet.read("visit", "a", later(days=400)) == again


def test_an_end_can_be_moved(cabinet: Cabinet) -> None:
    first = cabinet.write(document(until=later(minutes=10)), NOW)
    more = Document(kind="visit", name="a", version=first.version, content=b"one", until=later(minutes=20))
    second = cabinet.write(more, NOW)
    assert cabinet.read("visit", "a", later(minutes=15)) == second


def test_names_do_no_harm(cabinet: Cabinet) -> None:
    names = ["", "'; DROP TABLE documents; --", "ü" * 500, "../../dev/null"]
    for name in names:
        cabinet.write(document(name, content=name.encode()), NOW)
    for name in names:
        found = cabinet.read("visit", name, NOW)
        assert found is not None
        assert found.content == name.encode()


def test_the_content_is_not_in_what_it_looks_like(cabinet: Cabinet) -> None:
    assert b"secret" not in repr(cabinet.write(document(content=b"secret"), NOW)).encode()


def joined(there: bytes, new: bytes) -> bytes:
    return bytes(sorted({*there, *new}))


def test_what_is_merged_is_joined_to_what_is_there(cabinet: Cabinet) -> None:
    cabinet.write(document("b", b"xz", until=later(minutes=1)), NOW)
    cabinet.merge([document("a", b"ca"), document("b", b"y"), document("a", b"b")], joined, NOW)
    one, other = cabinet.all("visit", NOW)
    assert (one.content, one.version, one.until) == (b"abc", 2, None)
    assert (other.content, other.version, other.until) == (b"xyz", 2, None)
    cabinet.merge([document("b", b"w", until=later(minutes=10))], joined, later(minutes=5))
    cabinet.merge([], joined, NOW)
    found = cabinet.read("visit", "b", later(minutes=9))
    assert found is not None
    assert (found.content, found.version) == (b"wxyz", 3)


def test_what_is_over_is_not_joined_to(cabinet: Cabinet) -> None:
    cabinet.write(document(content=b"x", until=later(minutes=1)), NOW)
    cabinet.merge([document(content=b"y")], joined, later(minutes=2))
    found = cabinet.read("visit", "a", later(minutes=2))
    assert found is not None
    assert (found.content, found.version) == (b"y", 1)


def test_of_a_merge_that_fails_nothing_is_written(cabinet: Cabinet) -> None:
    def failing(there: bytes, new: bytes) -> bytes:
        if new == b"bad":
            raise IntegrityError("cannot be joined")
        return new

    with pytest.raises(IntegrityError):
        cabinet.merge([document("a", b"good"), document("b", b"bad")], failing, NOW)
    assert cabinet.all("visit", NOW) == ()


def test_many_who_merge_at_once_in_any_order_lose_nothing(cabinet: Cabinet) -> None:
    names = ["a", "b", "c", "d"]

    def merge(number: int) -> None:
        order = names if number % 2 else names[::-1]
        cabinet.merge([document(name, bytes([number])) for name in order], joined, NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(merge, range(40)))
    assert [(one.name, one.content) for one in cabinet.all("visit", NOW)] == [
        (name, bytes(range(40))) for name in names
    ]


def test_what_is_told_in_the_log_is_not_merged(cabinet: Cabinet) -> None:
    with pytest.raises(ValueError, match="kind"):
        cabinet.merge([document(kind="issuer")], joined, NOW)


def kept(cabinet: Cabinet) -> int:
    if isinstance(cabinet, MemoryCabinet):
        return len(cabinet._kept)
    assert isinstance(cabinet, SqlCabinet)
    with cabinet._database.read() as session:
        return int(session.rows(text("SELECT count(*) FROM documents"))[0][0])


def test_what_is_over_is_swept_and_the_table_stays_bounded(cabinet: Cabinet) -> None:
    cabinet.write(document("for ever"), NOW)
    for number in range(5 * SWEEP_EVERY):
        at = later(minutes=number)
        cabinet.write(document(str(number), until=at + timedelta(minutes=2)), at)
    assert kept(cabinet) <= SWEEP_EVERY + 2 + 5 + 2
    assert cabinet.read("visit", "for ever", later(days=1)) is not None


def test_rows_are_in_the_order_of_their_columns() -> None:
    assert [column.name for column in documents.c] == list(DocumentRow._fields)


@SQL
def test_other_processes_see_it_at_once(opener: Opener) -> None:
    one, other = SqlCabinet(opener(), vault()), SqlCabinet(opener(), vault())
    written = one.write(document(), NOW)
    assert other.read("visit", "a", NOW) == written


@SQL
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE documents SET name = 'b'",
        "UPDATE documents SET kind = 'issuer'",
        "UPDATE documents SET version = 7",
        "UPDATE documents SET until = until + 86400",
        "UPDATE documents SET until = NULL",
    ],
)
def test_a_document_that_was_changed_in_the_database_is_not_believed(opener: Opener, change: str) -> None:
    database = opener()
    cabinet = SqlCabinet(database, vault())
    cabinet.write(document(until=later(minutes=10)), NOW)
    with database.writing.begin() as connection:
        connection.execute(text(change))
    with pytest.raises(IntegrityError, match="key"):
        (*cabinet.all("issuer", NOW), *cabinet.all("visit", NOW))


@SQL
def test_without_the_key_nothing_is_read(opener: Opener) -> None:
    database = opener()
    SqlCabinet(database, vault()).write(document(content=b"a secret"), NOW)
    with database.read() as session:
        ((sealed,),) = session.rows(text("SELECT sealed FROM documents"))
    assert b"secret" not in bytes(sealed)
    with pytest.raises(IntegrityError):
        SqlCabinet(database, Vault(bytes(32))).read("visit", "a", NOW)


@SQL
def test_processes_that_merge_the_same_documents_in_any_order_lose_nothing(opener: Opener) -> None:
    cabinets = [SqlCabinet(opener(), vault()) for _ in range(4)]
    names = ["a", "b", "c", "d"]

    def merge(worker: int) -> None:
        for turn in range(5):
            order = names[worker:] + names[:worker]
            cabinets[worker].merge([document(one, bytes([5 * worker + turn])) for one in order], joined, NOW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(merge, range(4)))
    assert [one.content for one in cabinets[0].all("visit", NOW)] == [bytes(range(20))] * 4


@SQL
def test_a_database_that_cannot_be_used_is_a_dependency_down(opener: Opener) -> None:
    database = opener()
    cabinet = SqlCabinet(database, vault())
    with database.writing.begin() as connection:
        connection.execute(text("DROP TABLE documents"))
    with pytest.raises(DependencyDown):
        cabinet.read("visit", "a", NOW)
    with pytest.raises(DependencyDown):
        cabinet.write(document(), NOW)
    with pytest.raises(DependencyDown):
        cabinet.merge([document()], joined, NOW)
    with pytest.raises(DependencyDown):
        cabinet.take("visit", "a", NOW)


@SQL
def test_what_decides_whom_we_trust_is_told_in_the_log_and_nothing_else_is(opener: Opener) -> None:
    database = opener()
    cabinet = SqlCabinet(database, vault())
    first = cabinet.write(document("north", b"a secret", kind="issuer"), NOW)
    cabinet.write(Document(kind="issuer", name="north", version=first.version, content=b"two"), NOW)
    with pytest.raises(Conflict):
        cabinet.write(document("north", kind="issuer"), NOW)
    cabinet.write(document("k1", kind="signing-key"), NOW)
    cabinet.write(document("v1", kind="visit"), NOW)
    cabinet.take("issuer", "north", NOW)
    cabinet.take("issuer", "north", NOW)
    told = [(one.number, one.what, one.name) for one in cabinet.history("issuer")]
    assert told == [(1, "written", "north"), (2, "written", "north"), (4, "removed", "north")]
    assert [(one.number, one.name) for one in cabinet.history("signing-key")] == [(3, "k1")]
    assert cabinet.history("visit") == ()
    store = SqlStore(database.url.render_as_string(hide_password=False), vault())
    assert (store.verify().entries, store.verify().broken_at) == (4, None)
    assert [one.patient for one in store.journal()] == [""] * 4
    store.close()
