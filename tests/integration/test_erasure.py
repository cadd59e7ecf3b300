"""An erased patient is gone: from the answers, from the file, and from what the master key could still open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cds_app.adapters.sql.store import SqlStore
from cds_app.errors import PatientErased
from tests.stores import NOW, append, decision, facts, feedback, sqlite_store

MARKER = "ZQXMARKERPATIENT"


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def fill(store: SqlStore) -> str:
    patient = store.pseudonym("north", f"{MARKER}-id")
    shown = decision(card=f'{{"summary": "{MARKER}"}}'.encode())
    append(store, patient, facts=facts(5, name=MARKER), decisions=(shown,))
    append(store, patient, facts=facts(5, name=MARKER), feedback=(feedback(shown.id, comment=MARKER),))
    append(store, store.pseudonym("north", "other"), facts=facts(5), decisions=(decision(),))
    return patient


def wrapped_key(folder: Path, patient: str) -> bytes:
    with closing(sqlite3.connect(folder / "twinline.sqlite")) as connection:
        query = "SELECT wrapped_key FROM patients WHERE pseudonym = ?"
        key: bytes = connection.execute(query, (patient,)).fetchone()[0]
        return key


def test_no_plain_text_is_ever_on_the_disk(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    fill(store)
    assert MARKER.encode() not in bytes_on_disk(tmp_path)
    store.close()
    assert MARKER.encode() not in bytes_on_disk(tmp_path)


def test_after_an_erasure_no_file_holds_the_key(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    patient = fill(store)
    key = wrapped_key(tmp_path, patient)
    assert key in bytes_on_disk(tmp_path)
    store.erase(patient, NOW)
    assert key not in bytes_on_disk(tmp_path)
    assert MARKER.encode() not in bytes_on_disk(tmp_path)
    store.close()
    assert key not in bytes_on_disk(tmp_path)


def test_a_reader_in_the_way_only_puts_the_scrubbing_off(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    patient = fill(store)
    key = wrapped_key(tmp_path, patient)
    with closing(sqlite3.connect(tmp_path / "twinline.sqlite", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM patients").fetchall()
        store.erase(patient, NOW)
        assert key in bytes_on_disk(tmp_path)
        reader.execute("ROLLBACK")
    store.ready()
    assert key not in bytes_on_disk(tmp_path)
    store.close()


def test_segments_of_an_erased_patient_are_deleted_and_the_log_stays_whole(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    patient = fill(store)
    store.erase(patient, NOW)
    with closing(sqlite3.connect(tmp_path / "twinline.sqlite")) as connection:
        count = "SELECT count(*) FROM segments WHERE patient = ?"
        assert connection.execute(count, (patient,)).fetchone() == (0,)
    assert (store.verify().entries, store.verify().broken_at) == (4, None)
    store.close()


def test_an_erasure_outlives_the_process(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    patient = fill(store)
    store.erase(patient, NOW)
    store.close()
    again = sqlite_store(tmp_path)
    with pytest.raises(PatientErased):
        again.segments(patient)
    assert [bool(entry.decision or entry.feedback) for entry in again.journal()] == [False, False, True, False]
    again.close()
