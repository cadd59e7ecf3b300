"""Whoever can write to the database, but has no keys, cannot change the decision log unseen."""

# ruff: noqa: S608 - an attacker's SQL is what is tested

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cds_app.adapters.sealed.ledger import LogRow
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.schema import metadata
from cds_app.adapters.sql.store import SqlStore
from cds_app.domain.decisions import Verdict
from cds_app.errors import IntegrityError, TwinlineError
from cds_app.ports import TwinStore
from tests.stores import NOW, append, decision, edit, facts, feedback, sqlite_store, vault

ROOT = Path(__file__).parents[2]
ENTRIES = 9
PATIENTS = [vault().pseudonym("north", f"pat-{i}") for i in range(3)]


def fill(store: TwinStore) -> None:
    """Entries 1 to 9: of three patients in turn a decision and a feedback each, one erasure, two of nobody."""
    for i, patient in enumerate(PATIENTS):
        append(store, patient, facts=facts(3), decisions=(decision(id=f"decision-{i}"),))
    for i, patient in enumerate(PATIENTS):
        append(store, patient, facts=facts(2), feedback=(feedback(f"decision-{i}"),))
    store.erase(PATIENTS[2], NOW)
    append(store, "", feedback=(feedback("x"), feedback("y")))


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database, to be copied."""
    folder = tmp_path_factory.mktemp("original")
    store = sqlite_store(folder, anchor=True)
    fill(store)
    assert store.verify() == Verdict(entries=ENTRIES)
    store.close()
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path


def verdict(folder: Path, *, anchor: bool = False) -> Verdict:
    store = SqlStore(f"sqlite:///{folder / 'twinline.sqlite'}", vault(), anchor=folder / "log.head" if anchor else None)
    try:
        return store.verify()
    finally:
        store.close()


TEXTS = ("patient", "kind", "id", "service", "topic", "suppression", "outcome", "reason_code", "at")
EDITS = [
    *((column, "'changed'") for column in TEXTS),
    *((column, "CAST(x'ff' AS TEXT)") for column in TEXTS),  # no UTF-8
    *((column, f"CAST({column} AS BLOB)") for column in TEXTS),
    *((column, f"{column} || ' '") for column in TEXTS),
    *((column, "x'00'") for column in ("payload", "previous", "mac")),
    *((column, "'text'") for column in ("payload", "previous", "mac")),
    ("tier", "coalesce(tier, 0) + 1"),
    ("tier", "'high'"),
    ("patient", f"CASE patient WHEN '{PATIENTS[0]}' THEN '{PATIENTS[1]}' ELSE '{PATIENTS[0]}' END"),
    ("payload", "(SELECT payload FROM log AS other WHERE other.number = 6 - log.number)"),  # swapped
]


@pytest.mark.parametrize(("column", "value"), EDITS)
@pytest.mark.parametrize("number", [1, 5])
def test_an_edit_of_any_column_is_found_where_it_is(folder: Path, column: str, value: str, number: int) -> None:
    edit(folder, f"UPDATE log SET {column} = {value} WHERE number = {number}")
    assert verdict(folder).broken_at == number


def test_the_runbook_says_of_every_table_what_the_audit_sees() -> None:
    runbook = (ROOT / "deploy" / "docs" / "runbook.md").read_text("utf-8")
    section = runbook.partition("## What the audit sees")[2].partition("\n## ")[0]
    told = {name for line in section.splitlines() for name in line.split("|")[1:2]}
    named = {one.strip(" `") for cell in told for one in cell.split(",")}
    assert set(metadata.tables) <= named


def test_every_column_is_edited_above() -> None:
    assert {column for column, _ in EDITS} | {"number"} == set(LogRow._fields)


@pytest.mark.parametrize("number", range(1, ENTRIES + 1))
def test_a_deletion_is_found_where_it_is(folder: Path, number: int) -> None:
    edit(folder, f"DELETE FROM log WHERE number = {number}")
    found = verdict(folder)
    assert (found.broken_at, found.entries) == (number, number - 1)


@pytest.mark.parametrize("number", range(1, ENTRIES))
def test_a_deletion_is_found_though_the_rest_is_renumbered(folder: Path, number: int) -> None:
    edit(
        folder,
        f"DELETE FROM log WHERE number = {number}",
        f"UPDATE log SET number = -number WHERE number > {number}",
        "UPDATE log SET number = -number - 1 WHERE number < 0",
    )
    assert verdict(folder).broken_at == number


@pytest.mark.parametrize("number", [-4, 0, ENTRIES + 1, ENTRIES + 5])
@pytest.mark.parametrize("source", [1, ENTRIES])
def test_an_insertion_is_found(folder: Path, number: int, source: int) -> None:
    columns = ", ".join(LogRow._fields[4:])
    edit(
        folder,
        f"INSERT INTO log SELECT {number}, patient, kind, 'new', {columns} FROM log WHERE number = {source}",
    )
    assert verdict(folder).broken_at == min(number, ENTRIES + 1)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (3, 7), (8, 9)])
def test_a_changed_order_is_found_at_the_first_of_the_two(folder: Path, first: int, second: int) -> None:
    edit(
        folder,
        f"UPDATE log SET number = -1 WHERE number = {first}",
        f"UPDATE log SET number = {first} WHERE number = {second}",
        f"UPDATE log SET number = {second} WHERE number = -1",
    )
    assert verdict(folder).broken_at == first


@pytest.mark.parametrize("kept", range(ENTRIES))
def test_a_cut_tail_is_found(folder: Path, kept: int) -> None:
    edit(folder, f"DELETE FROM log WHERE number > {kept}")
    assert verdict(folder).broken_at == kept + 1
    store = SqlStore(f"sqlite:///{folder / 'twinline.sqlite'}", vault())
    with pytest.raises(IntegrityError):
        store.ready()
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM log_head",
        "UPDATE log_head SET number = number - 1",
        "UPDATE log_head SET mac = (SELECT mac FROM log WHERE number = 3)",
        "UPDATE log_head SET seal = x'00'",
        "UPDATE log_head SET seal = 'text'",
        "UPDATE log_head SET number = 0, mac = x'', seal = x''",
        "UPDATE log_head SET id = 2",
    ],
)
def test_a_changed_head_is_found_and_nothing_is_added_to_it(folder: Path, statement: str) -> None:
    edit(folder, statement)
    assert verdict(folder).broken_at == ENTRIES + 1
    store = SqlStore(f"sqlite:///{folder / 'twinline.sqlite'}", vault())
    with pytest.raises(IntegrityError):
        store.ready()
    store.close()


def test_a_head_that_was_rolled_back_is_found(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    append(store, PATIENTS[0], decisions=(decision(),))
    edit(tmp_path, "CREATE TABLE old AS SELECT * FROM log_head")
    append(store, PATIENTS[0], decisions=(decision(),))
    edit(tmp_path, "DELETE FROM log_head", "INSERT INTO log_head SELECT * FROM old")
    assert store.verify().broken_at == 3
    store.close()


def roll_back_whole(folder: Path) -> None:
    """What a restored old copy of the file is: an old log with its own, genuine head."""
    store = sqlite_store(folder, anchor=True)
    edit(folder, "CREATE TABLE old AS SELECT * FROM log_head")
    append(store, PATIENTS[0], decisions=(decision(),))
    store.close()
    edit(
        folder,
        f"DELETE FROM log WHERE number > {ENTRIES}",
        "DELETE FROM log_head",
        "INSERT INTO log_head SELECT * FROM old",
    )


def test_a_log_that_was_rolled_back_with_its_head_is_found_by_the_anchor_only(folder: Path) -> None:
    roll_back_whole(folder)
    assert verdict(folder).broken_at is None
    assert verdict(folder, anchor=True).broken_at == ENTRIES + 1


def test_a_log_that_went_on_after_a_rollback_is_found_by_the_anchor(folder: Path) -> None:
    roll_back_whole(folder)
    store = sqlite_store(folder)
    append(store, PATIENTS[0], decisions=(decision(), decision()))
    store.close()
    assert verdict(folder).broken_at is None
    assert verdict(folder, anchor=True).broken_at == ENTRIES + 1


def test_an_emptied_database_is_found_by_the_anchor(folder: Path) -> None:
    for path in folder.glob("twinline.sqlite*"):
        path.unlink()
    sqlite_store(folder).close()
    assert verdict(folder, anchor=True).broken_at == 1


@pytest.mark.parametrize("text", ["", "9", "9 00 00", "9 zz zz", "é 00 00"])
def test_a_changed_anchor_is_found(folder: Path, text: str) -> None:
    (folder / "log.head").write_text(text, "utf-8")
    assert verdict(folder, anchor=True).broken_at == 1


def test_an_anchor_may_lag_behind(folder: Path) -> None:
    store = sqlite_store(folder)
    append(store, PATIENTS[0], decisions=(decision(),))
    store.close()
    assert verdict(folder, anchor=True) == Verdict(entries=ENTRIES + 1)


def test_an_anchor_that_cannot_be_written_shows_in_readiness_and_loses_no_commit(tmp_path: Path) -> None:
    sqlite_store(tmp_path).close()
    store = SqlStore(f"sqlite:///{tmp_path / 'twinline.sqlite'}", vault(), anchor=tmp_path / "elsewhere" / "log.head")
    store.ready()
    assert append(store, PATIENTS[0], facts=facts(), decisions=(decision(),)) == 1
    with pytest.raises(TwinlineError, match="anchor"):
        store.ready()
    (tmp_path / "elsewhere").mkdir()
    store.ready()
    assert store.verify() == Verdict(entries=1)
    assert (tmp_path / "elsewhere" / "log.head").exists()
    store.close()


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        (f"UPDATE patients SET wrapped_key = NULL WHERE pseudonym = '{PATIENTS[1]}'", 2),
        (f"UPDATE patients SET wrapped_key = x'00' WHERE pseudonym = '{PATIENTS[1]}'", 2),
        (f"UPDATE patients SET wrapped_key = x'00' WHERE pseudonym = '{PATIENTS[2]}'", 3),
        (
            f"UPDATE patients SET wrapped_key = (SELECT wrapped_key FROM patients WHERE pseudonym = '{PATIENTS[0]}')"
            f" WHERE pseudonym = '{PATIENTS[1]}'",
            2,
        ),
        (f"DELETE FROM patients WHERE pseudonym = '{PATIENTS[0]}'", 1),
        ("DELETE FROM patients WHERE pseudonym = 'unmatched'", 8),
    ],
)
def test_a_changed_or_missing_key_is_found(folder: Path, statement: str, broken_at: int) -> None:
    edit(folder, statement)
    assert verdict(folder).broken_at == broken_at


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segments SET sealed = x'00' WHERE number = 1",
        "UPDATE segments SET sealed = 'text' WHERE number = 1",
        "UPDATE segments SET learned = '2001-01-01T00:00:00.000000+00:00' WHERE number = 1",
        "UPDATE segments SET learned = 'then' WHERE number = 1",
        "UPDATE segments SET sealed = (SELECT sealed FROM segments AS s"
        " WHERE s.number = 2 AND s.patient = segments.patient)",
        f"UPDATE segments SET sealed = (SELECT sealed FROM segments AS s WHERE s.number = segments.number"
        f" AND s.patient = '{PATIENTS[1]}')",
        "DELETE FROM segments WHERE number = 1",
        "UPDATE segments SET number = number + 1",
    ],
)
def test_a_changed_swapped_or_missing_segment_is_not_read(folder: Path, statement: str) -> None:
    edit(folder, statement.replace("number + 1", "-number"), "UPDATE segments SET number = 1 - number WHERE number < 0")
    store = SqlStore(f"sqlite:///{folder / 'twinline.sqlite'}", vault())
    with pytest.raises(IntegrityError):
        store.segments(PATIENTS[0])
    store.close()


@pytest.mark.parametrize("patient", PATIENTS[:2])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE segments SET sealed = x'00' WHERE number = 2",
        "UPDATE segments SET sealed = 'text' WHERE number = 2",
        "UPDATE segments SET learned = '2001-01-01T00:00:00.000000+00:00' WHERE number = 1",
        "UPDATE segments SET learned = CAST(x'ff' AS TEXT) WHERE number = 2",
        "UPDATE segments SET number = 7 WHERE number = 2",
        "UPDATE segments SET number = 'two' WHERE number = 2",
        "DELETE FROM segments WHERE number = 1",
        "UPDATE patients SET created = '2001-01-01T00:00:00.000000+00:00' WHERE true",
    ],
)
def test_the_audit_finds_changed_facts_though_the_log_is_sound(folder: Path, change: str, patient: str) -> None:
    edit(folder, change + f" AND {'pseudonym' if 'patients' in change else 'patient'} = '{patient}'")
    found = verdict(folder)
    assert (found.entries, found.broken_at) == (ENTRIES, None)
    assert found.problem
    assert found.said == found.problem


def test_the_audit_finds_segments_that_were_swapped_or_belong_to_nobody(folder: Path) -> None:
    swapped = f"(SELECT sealed FROM segments AS s WHERE s.number = segments.number AND s.patient = '{PATIENTS[1]}')"
    edit(folder, f"UPDATE segments SET sealed = {swapped} WHERE patient = '{PATIENTS[0]}'")
    assert verdict(folder).problem
    edit(folder, "DELETE FROM segments", f"INSERT INTO segments VALUES ('{PATIENTS[2]}', 1, 'then', x'00')")
    assert verdict(folder).problem, "whoever was erased has none"


def test_the_audit_names_the_decision_whose_facts_were_deleted(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    for number in (1, 2):
        rests = replace(decision(), pins={"segments": str(number)})
        append(store, PATIENTS[0], facts=facts(number), decisions=(rests,))
    append(store, PATIENTS[0], facts=facts(3))
    edit(tmp_path, "DELETE FROM segments WHERE number = 3")
    assert store.verify() == Verdict(entries=2), "nothing was decided on it"
    edit(tmp_path, "DELETE FROM segments WHERE number = 2")
    assert store.verify().broken_at == 2
    store.close()


def test_the_time_of_an_erasure_is_the_logs(folder: Path) -> None:
    edit(folder, "UPDATE patients SET erased = '2001-01-01T00:00:00.000000+00:00' WHERE erased IS NOT NULL")
    assert verdict(folder).broken_at == 3


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_of_any_cell_can_be_changed_unseen(original: Path, folder: Path, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, ENTRIES))
    column = data.draw(st.sampled_from(LogRow._fields[1:]))
    value = data.draw(st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)))
    shutil.copy(original / "twinline.sqlite", folder / "twinline.sqlite")
    with closing(sqlite3.connect(folder / "twinline.sqlite")) as connection:
        before = connection.execute("SELECT * FROM log").fetchall()
        try:
            connection.execute(f"UPDATE log SET {column} = ? WHERE number = ?", (value, number))
        except (sqlite3.IntegrityError, UnicodeEncodeError):
            assume(False)
        assume(connection.execute("SELECT * FROM log").fetchall() != before)
        connection.commit()
    assert verdict(folder).broken_at == number


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[tuple[SqlStore, psycopg.Connection]]:
    migrate(postgres_url)
    store = SqlStore(postgres_url, vault())
    fill(store)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        yield store, admin
    store.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE log SET topic = 'changed' WHERE number = 4", 4),
        ("UPDATE log SET payload = '\\x00' WHERE number = 4", 4),
        ("DELETE FROM log WHERE number = 4", 4),
        ("DELETE FROM log WHERE number > 4", 5),
        ("DELETE FROM log_head", ENTRIES + 1),
        (f"UPDATE patients SET wrapped_key = NULL WHERE pseudonym = '{PATIENTS[1]}'", 2),
        ("UPDATE segments SET sealed = '\\x00' WHERE number = 2", None),
        ("UPDATE patients SET created = 'then'", None),
    ],
)
def test_the_same_holds_on_postgresql(
    postgres: tuple[SqlStore, psycopg.Connection], statement: str, broken_at: int | None
) -> None:
    store, admin = postgres
    assert store.verify() == Verdict(entries=ENTRIES)
    admin.execute(statement.encode())
    found = store.verify()
    assert (found.broken_at, bool(found.problem)) == (broken_at, True)
