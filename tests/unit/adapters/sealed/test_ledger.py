"""The chain of the log: every row follows the one before it, whoever made the rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cds_app.adapters.sealed.ledger import EMPTY, LogRow, Note, check_chain, link, sealed_head
from tests.stores import vault


def chain(*ids: str) -> list[LogRow]:
    """Rows as they are written, one after the other."""
    rows, head = [], EMPTY
    for name in ids:
        rows.append(link(vault(), head, "p", Note(kind="decision", id=name, at="2026-03-01T00:00:00+00:00"), b"x"))
        head = sealed_head(vault(), rows[-1])
    return rows


def test_a_whole_chain_has_no_problem() -> None:
    rows = chain("a", "b", "c")
    found = check_chain(vault(), rows, sealed_head(vault(), rows[-1]))
    assert (found.entries, found.broken_at, found.problem) == (3, None, "")


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_row_of_another_log_under_the_same_key_does_not_follow(at: int) -> None:
    """What an older backup holds is genuine row by row: only the chain tells that it is not this log."""
    rows, others = chain("a", "b", "c"), chain("x", "y", "z")
    spliced = [*rows[:at], others[at], *rows[at + 1 :]]
    found = check_chain(vault(), spliced, sealed_head(vault(), spliced[-1]))
    first = max(at, 1) + 1  # the first row follows nothing: of it the next one tells
    assert (found.broken_at, found.problem) == (first, "a row does not follow the row before")


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row._replace(patient="q"),
        lambda row: row._replace(id="y"),
        lambda row: row._replace(at="2026-03-02T00:00:00+00:00"),
        lambda row: row._replace(payload=b"y"),
    ],
)
def test_a_row_that_was_changed_is_no_longer_that_row(change: Callable[[LogRow], LogRow]) -> None:
    rows = chain("a", "b", "c")
    found = check_chain(vault(), [rows[0], change(rows[1]), rows[2]], sealed_head(vault(), rows[2]))
    assert (found.broken_at, found.problem) == (2, "a row was changed")
