"""How fast the memory is: durable commits by one caller and by four, reads with nothing new, the check of the log."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import perf_counter

from cds_app.adapters.sealed.vault import KEY_BYTES, Vault
from cds_app.adapters.sql.migrate import migrate
from cds_app.adapters.sql.store import SqlStore
from cds_app.domain.codec import News
from cds_app.domain.decisions import Decision, Suppression
from cds_app.domain.facts import Facts, Measurement
from cds_app.ports import Commit

_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_COMMITS = 400
_CHECKED = 20_000  # entries of the log
_FACTS = 20  # and a card in each commit
_CARD_BYTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    segments: int = 0
    entries: int = 0


def bench_store(url: str) -> dict[str, float]:
    """Measure on an empty database: what is written there stays, under a key that is thrown away.

    Parameters
    ----------
    url : str
        Database to use, created if it is a SQLite file.

    Returns
    -------
    dict
        ``commits_per_s_N``, ``p50_ms_N`` and ``p95_ms_N`` for N callers, ``segments_ms`` and ``entries_ms`` for a
        read with nothing new (median), ``verify_rows_per_s``.
    """
    migrate(url)
    store = SqlStore(url, Vault(secrets.token_bytes(KEY_BYTES)))
    try:
        return {
            **_writing(store, callers=1),
            **_writing(store, callers=4),
            **_reading(store),
            **_checking(store),
        }
    finally:
        store.close()


def _writing(store: SqlStore, *, callers: int) -> dict[str, float]:
    begin = perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        runs = [pool.submit(_write, store, f"{callers}/{caller}", _COMMITS // callers) for caller in range(callers)]
        times = sorted(time for run in runs for time in run.result())
    return {
        f"commits_per_s_{callers}": len(times) / (perf_counter() - begin),
        f"p50_ms_{callers}": 1e3 * times[len(times) // 2],
        f"p95_ms_{callers}": 1e3 * times[len(times) * 95 // 100],
    }


def _write(store: SqlStore, name: str, commits: int) -> list[float]:
    """Seconds that each commit took; reading what is known is not counted."""
    patient, known, times = store.pseudonym("bench", name), _Known(), list[float]()
    for _ in range(commits):
        commit = _commit(patient, known)
        begin = perf_counter()
        segments = store.commit(commit)
        times.append(perf_counter() - begin)
        known = _Known(segments=segments, entries=store.entries(patient, after=known.entries)[-1].number)
    return times


def _reading(store: SqlStore) -> dict[str, float]:
    patient = store.pseudonym("bench", "1/0")
    return {
        "segments_ms": _median_ms(partial(store.segments, patient, after=len(store.segments(patient)))),
        "entries_ms": _median_ms(partial(store.entries, patient, after=store.entries(patient)[-1].number)),
    }


def _checking(store: SqlStore) -> dict[str, float]:
    patient, known = store.pseudonym("bench", "long"), _Known()
    while known.entries < _CHECKED:
        store.commit(_commit(patient, known, decisions=2000, facts=0))
        known = _Known(entries=store.entries(patient, after=known.entries)[-1].number)
    begin = perf_counter()
    return {"verify_rows_per_s": store.verify().entries / (perf_counter() - begin)}


def _median_ms(act: Callable[[], object], times: int = 500) -> float:
    taken = []
    for _ in range(times):
        begin = perf_counter()
        act()
        taken.append(perf_counter() - begin)
    return 1e3 * sorted(taken)[times // 2]


def _commit(patient: str, known: _Known, *, decisions: int = 1, facts: int = _FACTS) -> Commit:
    return Commit(
        patient=patient,
        segments_known=known.segments,
        entries_known=known.entries,
        learned=_NOW,
        news=News(Facts(measurements=tuple(_measurement(i) for i in range(facts)))),
        decisions=tuple(_decision() for _ in range(decisions)),
    )


def _measurement(number: int) -> Measurement:
    return Measurement(
        ref=f"Observation/{number}", version="1", when=_NOW, learned=_NOW, variable="potassium", value=4 + number / 7
    )


def _decision() -> Decision:
    return Decision(
        id=str(uuid.uuid4()),
        service="twinline-patient-view",
        topic="sepsis",
        tier=1,
        points=12.5,
        at=_NOW,
        suppression=Suppression.NONE,
        trigger="risk",
        card=b" " * _CARD_BYTES,
    )
