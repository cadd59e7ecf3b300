"""A bulk export is taken in once and whole, however often it breaks off, and says by name what it could not take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from cds_app.adapters.sql.cabinet import MemoryCabinet
from cds_app.commands import ingest_bulk as bulk
from cds_app.errors import DataUnavailable, DependencyDown, Gone, TokenRefused, TryLater
from cds_app.fabric.exchange.ndjson import Line
from cds_app.services.sources import exporting
from cds_app.services.sources.exporting import BATCH, MOST_BAD, MOST_SAID_S, TRIES, Exporting
from tests.conftest import FROZEN, FrozenClock
from tests.exports import MemoryExports, lines

PATH = "Patient/$export"


@dataclass
class Heap:
    """`cds_app.services.sources.exporting.Taker` that keeps what it is given."""

    taken: list[Any] = field(default_factory=list)
    drugs: list[Any] = field(default_factory=list)
    withdrawn: list[Mapping[str, datetime]] = field(default_factory=list)
    dies_after: int = 10**9
    down: int = 0

    def begin(self) -> None:
        self.drugs.clear()

    def shared(self, lines: Any) -> None:
        self.drugs += [line.value for line in lines]

    def take(self, lines: list[Line], at: str) -> Mapping[str, int]:
        if len(self.taken) >= self.dies_after:
            raise KeyboardInterrupt
        if self.down and self.taken:
            self.down -= 1
            raise DependencyDown("the database does not answer")
        self.taken += [line.value for line in lines]
        return {"resources": len(lines)}

    def withdraw(self, gone: Mapping[str, datetime]) -> Mapping[str, int]:
        self.withdrawn.append(gone)
        return {"deletions": len(gone)}


@dataclass
class Night:
    """One server, one cabinet, and as many runs as are needed."""

    server: MemoryExports
    heap: Heap = field(default_factory=Heap)
    cabinet: MemoryCabinet = field(default_factory=MemoryCabinet)
    pauses: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=lambda: ["token-1"])

    def token(self, new: bool) -> str:
        if new:
            self.tokens.append(f"token-{len(self.tokens) + 1}")
        return self.tokens[-1]

    def run(self, path: str = PATH, *, full: bool = False) -> exporting.Place:
        made = Exporting(
            name="bulk",
            server=self.server,
            taker=self.heap,
            cabinet=self.cabinet,
            token=self.token,
            clock=FrozenClock(),
            pause=self.pauses.append,
        )
        return made.run(path, full=full)


def rows(count: int, first: int = 0) -> bytes:
    return b"".join(b"%d\n" % i for i in range(first, first + count))


def test_an_export_is_taken_in_and_the_next_asks_for_what_changed() -> None:
    night = Night(MemoryExports(files={"a": [rows(3)], "b": [rows(2, 3)]}, looks=[0.0, 0.0, 7.0, 0.0]))
    assert night.run().counts == {"resources": 5}
    assert night.heap.taken == [0, 1, 2, 3, 4]
    assert night.pauses == [2.0, 4.0, 7.0, 16.0]
    assert night.server.forgotten == ["status/1"]
    night.run()
    assert night.server.begun == [PATH, f"{PATH}?_since=2026-03-01T00:00:00Z"]
    night.run(full=True)
    night.run("Group/g/$export")
    assert night.server.begun[2:] == [PATH, "Group/g/$export"]


def test_drugs_come_before_patients_and_patients_before_what_is_about_them() -> None:
    types = {"c": "Medication", "b": "Patient"}
    night = Night(MemoryExports(files={"a": [rows(1)], "b": [rows(1, 1)], "c": [rows(1, 2)]}, types=types))
    night.run()
    assert night.heap.taken == [2, 1, 0]
    assert night.heap.drugs == [2]


@pytest.mark.parametrize("broken", [TryLater("broke", after_s=0), TryLater("asked to wait", after_s=30)])
def test_a_file_goes_on_where_the_connection_broke(broken: TryLater) -> None:
    whole = rows(2 * BATCH + 3)
    night = Night(MemoryExports(files={"a": [whole[:-20], broken, whole[-20:]]}))
    night.run()
    assert night.heap.taken == list(range(2 * BATCH + 3))
    assert night.pauses == [max(1.0, broken.after_s)]
    assert night.server.streamed["a"] == 2


def test_a_store_that_is_away_for_a_while_is_waited_for() -> None:
    night = Night(MemoryExports(files={"a": [rows(2 * BATCH)]}))
    night.heap.down = 4
    night.run()
    assert night.heap.taken == list(range(2 * BATCH))
    assert night.pauses == [1.0, 2.0, 4.0, 8.0]
    night.heap.down = TRIES
    with pytest.raises(DependencyDown):
        night.run()


def test_a_process_that_died_is_followed_by_one_that_goes_on() -> None:
    night = Night(MemoryExports(files={"d": [lines({})], "a": [rows(3 * BATCH)]}, types={"d": "Medication"}))
    night.heap.dies_after = 1 + BATCH
    with pytest.raises(KeyboardInterrupt):
        night.run()
    assert len(night.heap.taken) == 1 + BATCH
    night.heap.dies_after = 10**9
    place = night.run()
    assert night.heap.taken[1:] == list(range(3 * BATCH))
    assert place.counts == {"resources": 3 * BATCH + 1}
    assert night.server.begun == [PATH]
    assert night.heap.drugs == [{}], "what many share was in memory, and is read again"


def test_an_export_that_expired_is_begun_anew_from_the_same_time() -> None:
    night = Night(MemoryExports(files={"a": [rows(2)]}))
    night.run()
    night.server.files["b"] = [rows(1, 2), Gone("expired", field="file"), rows(1, 3)]
    night.run()
    since = f"{PATH}?_since=2026-03-01T00:00:00Z"
    assert night.server.begun == [PATH, since, since]
    assert night.heap.taken == [0, 1, 0, 1, 0, 1, 2, 3]


def test_waiting_is_longer_each_time_and_ends() -> None:
    night = Night(MemoryExports(starts=[TryLater("429", after_s=10**6), *[TryLater("503")] * TRIES]))
    with pytest.raises(TryLater):
        night.run()
    assert night.pauses == [MOST_SAID_S, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]


@pytest.mark.parametrize("failure", [TryLater("500"), DataUnavailable("403")])
def test_an_export_that_failed_at_the_server_is_none_to_go_on_with(failure: DataUnavailable) -> None:
    night = Night(MemoryExports(files={"a": [rows(1)]}, looks=[failure] * TRIES))
    with pytest.raises(DataUnavailable):
        night.run()
    night.server.looks.clear()
    assert night.run().counts == {"resources": 1}
    assert (night.server.begun, night.server.forgotten) == ([PATH, PATH], ["status/1", "status/2"])


def test_a_token_that_ran_out_is_replaced_once() -> None:
    night = Night(MemoryExports(files={"a": [rows(1)]}, valid="token-2"))
    night.run()
    assert night.heap.taken == [0]
    night.server.valid = "another"
    with pytest.raises(DataUnavailable):
        night.run()


def test_a_file_that_ends_in_the_middle_of_a_line_is_named_and_what_was_whole_stays() -> None:
    night = Night(MemoryExports(files={"a": [rows(2), b'{"resourceType": "Obs'], "b": [rows(1, 9)]}))
    with pytest.raises(DataUnavailable, match="file 1: it ends in the middle of a line"):
        night.run()
    assert night.heap.taken == [0, 1, 9]
    assert night.server.streamed["a"] == TRIES
    night.server.files["a"] = [rows(3)]
    night.run()
    assert night.server.begun == [PATH, PATH], "an export with a broken file is none to go on from"


def test_a_file_of_another_encoding_is_given_up_after_some_lines() -> None:
    foreign = "".join(f'{{"id": "é{i}"}}\n' for i in range(3 * BATCH)).encode("latin-1")
    night = Night(MemoryExports(files={"a": [foreign], "b": [rows(1)]}))
    with pytest.raises(DataUnavailable, match="file 1: it holds something else than NDJSON"):
        night.run()
    assert night.heap.taken == [0]
    assert MOST_BAD < BATCH


def test_errors_are_counted_by_kind_and_deletions_are_taken_back_last() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}, {}]}
    deleted = {"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Observation/7"}}]}
    files: dict[str, Any] = {"e": [lines(outcome)], "d": [lines(deleted)], "a": [rows(1)]}
    night = Night(MemoryExports(files=files, deleted=("d",), errors=("e",)))
    assert night.run().counts == {"resources": 1, "deletions": 1, "error processing": 1, "error unknown": 1}
    assert night.heap.withdrawn == [{"Observation/7": datetime.fromisoformat(night.server.transaction_time)}]
    night.server.errors = ()
    night.run()
    assert night.server.begun == [PATH, PATH], "what the server left out is asked for again"
    night.run()
    assert night.server.begun[-1] != PATH


def test_a_place_in_another_export_is_none() -> None:
    night = Night(MemoryExports(files={"a": [rows(2)]}))
    night.heap.dies_after = 0
    with pytest.raises(KeyboardInterrupt):
        night.run()
    place = msgspec.json.encode(exporting.Place(status_url="status/of another run", file=1))
    known = night.cabinet.read(exporting.PLACE, "bulk", FROZEN)
    assert known is not None
    night.cabinet.write(replace(known, content=place), FROZEN)
    night.heap.dies_after = 10**9
    assert night.run().counts == {"resources": 2}


def test_a_run_that_another_one_replaced_keeps_no_time() -> None:
    night = Night(MemoryExports(files={"a": [rows(1)]}))

    def replaced(lines: list[Line], at: str) -> Mapping[str, int]:
        night.cabinet.take(exporting.JOB, "bulk", FROZEN)
        return {}

    night.heap.take = replaced  # type: ignore[method-assign]
    with pytest.raises(DataUnavailable, match="another run"):
        night.run()
    assert night.cabinet.read(exporting.DONE, "bulk", FROZEN) is None


def test_a_token_that_ran_out_while_the_server_was_busy_is_replaced() -> None:
    night = Night(MemoryExports(files={"a": [rows(1)]}, looks=[TryLater("503"), TokenRefused("no", field="token")]))
    night.server.valid = "token-1"
    with pytest.raises(DataUnavailable):
        night.run()  # the new token is not the valid one
    assert night.tokens == ["token-1", "token-2"]


@pytest.mark.parametrize(("group", "types"), [("g", ""), ("", "Patient"), ("g", "Patient")])
def test_what_is_asked_for_is_part_of_the_name(group: str, types: str) -> None:
    found = bulk._name("north" * 12, bulk._path(group, types))
    assert len(found) <= 63
    assert found != bulk._name("north" * 12, bulk._path("", ""))
