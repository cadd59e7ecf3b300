"""What every SeenTokens does, whatever it stands on."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from cds_app.adapters.sql.token_ledger import SLACK_S, SWEEP_EVERY, MemoryTokens, SqlTokens
from cds_app.errors import DependencyDown
from cds_app.ports import SeenTokens
from tests.trust import NOW, Opener

SQL = pytest.mark.parametrize(
    "store_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
LATER = NOW + 360


def test_a_token_is_new_once(seen: SeenTokens) -> None:
    assert [seen.first("a", "1", until=LATER, now=NOW) for _ in range(3)] == [True, False, False]


def test_tokens_of_different_issuers_do_not_meet(seen: SeenTokens) -> None:
    pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("a1", ""), ("", "a1")]
    assert all(seen.first(issuer, token, until=LATER, now=NOW) for issuer, token in pairs)


def test_what_an_issuer_calls_its_tokens_does_no_harm(seen: SeenTokens) -> None:
    names = ["", "'; DROP TABLE seen_tokens; --", "\0", "ü" * 500, "../../dev/null"]
    assert [seen.first("a", name, until=LATER, now=NOW) for name in names] == [True] * len(names)
    assert [seen.first("a", name, until=LATER, now=NOW) for name in names] == [False] * len(names)


def test_of_many_at_once_one_is_first(seen: SeenTokens) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: (n % 20, seen.first("a", str(n % 20), until=LATER, now=NOW)), range(320)))
    assert Counter(name for name, first in found if first) == dict.fromkeys(range(20), 1)


def test_a_token_is_remembered_until_it_is_over_however_many_come_after(seen: SeenTokens) -> None:
    assert seen.first("a", "mine", until=LATER, now=NOW)
    for number in range(3 * SWEEP_EVERY):
        seen.first("a", str(number), until=NOW, now=NOW)
    assert not seen.first("a", "mine", until=LATER, now=LATER)


def remembered(seen: SeenTokens) -> int:
    if isinstance(seen, MemoryTokens):
        return len(seen._seen)
    assert isinstance(seen, SqlTokens)
    with seen._database.read() as session:
        return int(session.rows(text("SELECT count(*) FROM seen_tokens"))[0][0])


def test_what_is_over_is_forgotten_and_the_table_stays_bounded(seen: SeenTokens) -> None:
    """Abuse case 48, for tokens."""
    for number in range(10 * SWEEP_EVERY):
        now = NOW + 30 * number
        seen.first("a", str(number), until=now + 60, now=now)
    assert remembered(seen) <= SWEEP_EVERY + (60 + SLACK_S) / 30 + 2


@SQL
def test_other_processes_know_it(opener: Opener) -> None:
    ledgers = [SqlTokens(opener()) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: ledgers[n % 4].first("a", "1", until=LATER, now=NOW), range(64)))
    assert sum(found) == 1


@SQL
def test_a_database_that_cannot_be_written_makes_no_token_new(opener: Opener) -> None:
    database = opener()
    with database.writing.begin() as connection:
        connection.execute(text("DROP TABLE seen_tokens"))
    with pytest.raises(DependencyDown):
        SqlTokens(database).first("a", "1", until=LATER, now=NOW)
