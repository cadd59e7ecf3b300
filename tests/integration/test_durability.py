"""What was acknowledged is there after a kill, and nothing is there by halves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import IO

import pytest

from cds_app.adapters.sql.store import SqlStore
from cds_app.ports import Entry
from tests.stores import sqlite_store

SCRIPT = Path(__file__).with_name("crashing_writer.py")
KILLS = 10

Ack = tuple[str, int, str]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    made = sqlite_store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def writers(tmp_path: Path, store: SqlStore) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, SCRIPT, f"sqlite:///{tmp_path / 'twinline.sqlite'}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def run_and_kill(process: subprocess.Popen[str], seed: str, chance: random.Random) -> list[Ack]:
    """Let a writer write until a random moment after a random number of acknowledgements."""
    into, out = pipes(process)
    into.write(f"{seed}\n")
    into.flush()
    pid, acks, enough = int(out.readline().split()[1]), list[Ack](), chance.randint(1, 12)
    for line in out:
        if line == "gone\n":
            break
        _, patient, number, tag = line.split()
        acks.append((patient, int(number), tag))
        if len(acks) == enough:
            sleep(chance.random() * 0.02)
            os.kill(pid, signal.SIGKILL)
    return acks


def tags_of(entries: list[Entry]) -> dict[str, int]:
    """How many entries there are of each commit."""
    counts: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.decision:
            counts[entry.decision.id[:-2]] += 1
        elif entry.feedback:
            counts[entry.feedback.card] += 1
    return counts


def check_whole(store: SqlStore, acks: list[Ack]) -> None:
    written = {
        (patient, segment.number, segment.facts.demographics[0].name)
        for patient in {patient for patient, _, _ in acks}
        for segment in store.segments(patient)
    }
    assert set(acks) <= written
    assert tags_of(list(store.journal())) == {tag: 3 for _, _, tag in written}
    verdict = store.verify()
    assert (verdict.entries, verdict.broken_at) == (3 * len(written), None)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [KILLS, pytest.param(100, marks=pytest.mark.soak)])
def test_no_acknowledged_commit_is_lost_and_none_is_half_written(
    store: SqlStore, writers: subprocess.Popen[str], kills: int
) -> None:
    chance, acks = random.Random(20310330), list[Ack]()
    for kill in range(kills):
        acks += run_and_kill(writers, f"run{kill}", chance)
        check_whole(store, acks)
        store.ready()
    assert len(acks) > kills


@pytest.mark.slow
def test_two_processes_write_to_one_database_without_a_gap(
    tmp_path: Path, store: SqlStore, writers: subprocess.Popen[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, SCRIPT, f"sqlite:///{tmp_path / 'twinline.sqlite'}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as second:
        into, out = pipes(second)
        into.write("second\n")
        into.flush()
        pid = int(out.readline().split()[1])
        acks = run_and_kill(writers, "first", random.Random(1))
        more = [out.readline() for _ in range(3)]
        os.kill(pid, signal.SIGKILL)
        more += out.readlines() if into.close() is None else []
    for line in more:
        if line.startswith("ack"):
            _, patient, number, tag = line.split()
            acks.append((patient, int(number), tag))
    check_whole(store, acks)
    assert {tag.split("-")[0] for _, _, tag in acks} == {"first", "second"}
