"""Which resources a segment is of: changed unseen, a result that the EHR deletes would go on counting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cds_app.adapters.sql.store import SqlStore
from cds_app.domain.decisions import Verdict
from tests.stores import commit_to, decision, edit, facts, sqlite_store, vault

PATIENT, REALM = vault().pseudonym("north", "p"), "north"
RESTS = replace(decision(), pins={"segments": "1", "event": json.dumps({"tenant": REALM})})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = sqlite_store(tmp_path)
    store.commit(commit_to(PATIENT, facts=facts(3), decisions=(RESTS,), realm=REALM))
    store.commit(commit_to(PATIENT, known=(1, 1), facts=facts(2), realm=REALM))
    store.commit(commit_to("alias", facts=facts(2)))
    yield store
    store.close()


def test_what_was_noted_is_sound_and_so_is_what_was_never_noted(store: SqlStore, tmp_path: Path) -> None:
    assert store.verify() == Verdict(entries=1)
    edit(tmp_path, "UPDATE mentions SET resources = NULL WHERE number = 1")  # as before this was noted
    assert store.verify() == Verdict(entries=1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mentions SET resources = x''",
        "UPDATE mentions SET resources = substr(resources, 9)",
        "UPDATE mentions SET resources = x'0000000000000000' || substr(resources, 9)",
        "UPDATE mentions SET resources = 'text'",
        "UPDATE mentions SET resources = (SELECT resources FROM mentions AS m WHERE m.number = 2) WHERE number = 1",
        "DELETE FROM mentions WHERE number = 2",
        "DELETE FROM mentions WHERE patient = 'alias'",
    ],
)
def test_the_audit_finds_what_was_changed(store: SqlStore, tmp_path: Path, change: str) -> None:
    edit(tmp_path, change)
    found = store.verify()
    assert (found.entries, found.problem) == (1, "which resources a segment is of was changed")
