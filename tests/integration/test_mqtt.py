"""MQTT over a real broker: shared, acknowledged when durable, nothing lost when workers or connections die."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cds_app.adapters.mqtt import Link, Subscriber
from cds_app.databases import store_of
from cds_app.errors import DependencyDown
from cds_app.settings import Settings
from tests.broker import _PATIENCE_S, Worker, published, until
from tests.conftest import MRN
from tests.service import ROOT


def test_workers_share_messages_and_none_gets_lost(broker: int) -> None:
    workers = [Worker(broker, "a/#", f"a{number}", "share") for number in range(2)]
    time.sleep(0.5)
    with published(broker) as say:
        for number in range(30):
            say(f"a/{number % 3}", str(number))
    until(lambda: sum(len(one.taken) for one in workers) >= 30)
    for one in workers:
        one.end()
    assert all(one.taken for one in workers)
    assert sorted(int(text) for one in workers for text in one.taken) == list(range(30))


@pytest.mark.parametrize("cuts", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_what_is_not_durable_is_not_acknowledged_and_comes_again_over_the_next_connection(
    broker: int, cuts: int
) -> None:
    worker = Worker(broker, "b/#", "b")
    time.sleep(0.5)
    with published(broker) as say:
        worker.down = True
        for number in range(20):
            say("b/x", str(number))
        for _ in range(cuts):
            worker.cut()
            time.sleep(0.2)
        worker.down = False
        until(lambda: {int(text) for text in worker.taken} == set(range(20)))
        say("b/x", "20")
        until(lambda: "20" in worker.taken)
    worker.end()


def test_a_retained_message_of_earlier_says_so_where_the_broker_sends_it_in_spite_of_us(broker: int) -> None:
    with published(broker) as say:
        say("c/x", "poison", retain=True)
        worker = Worker(broker, "c/#", "c")
        time.sleep(0.5)
        say("c/x", "fine")
        until(lambda: "fine" in worker.taken)
    worker.end()
    assert "fine" not in worker.retained
    assert set(worker.taken) - {"fine"} == set(worker.retained) <= {"poison"}


def test_a_broker_that_is_not_there_is_said() -> None:
    with pytest.raises(DependencyDown, match="broker"):
        Subscriber(Link(host="127.0.0.1", port=1, client="d", topic="d")).start()


@contextmanager
def service(home: Path, port: int, client: str) -> Iterator[subprocess.Popen[str]]:
    """The real process on a database of its own."""
    words = ("ingest", "mqtt", "--broker", f"127.0.0.1:{port}", "--topic", "t/#", "--group", "", "--client", client)
    command = [sys.executable, "-m", "cds_app", *words, "--data-dir", str(home)]
    environ = {"TWINLINE_IDENTIFIER_SYSTEMS": MRN, "PATH": ""}
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "subscribed\n"
            yield process
        finally:
            process.kill()


def samples(start: int, second: int, device: int) -> str:
    values = [[start + second, "MDC_ECG_HEART_RATE", 70 + device], [start + second, "MDC_PULS_OXIM_SAT_O2", 97]]
    person = {"system": MRN, "value": str(device)}
    return json.dumps({"device": f"m{device}", "patient": person, "sent": start + second, "samples": values})


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_nothing_is_lost_when_workers_are_killed(broker: int, tmp_path: Path, kills: int) -> None:
    store_of(Settings(data_dir=tmp_path)).close()
    start = int(time.time()) // 60 * 60 - 240
    client = f"t{kills}"
    each = 120 // (kills + 1) + 1
    with published(broker) as say:
        for run in range(kills + 1):
            with service(tmp_path, broker, client) as process:
                for second in range(run * each, min(120, (run + 1) * each)):
                    if second == run * each + each // 2 and run < kills:
                        process.kill()
                    for device in range(2):
                        say("t/x", samples(start, second, device))
                if run == kills:
                    until(lambda: summarised(tmp_path) == (8, 480))
                    process.terminate()
                    assert process.wait(_PATIENCE_S) == 0


def summarised(home: Path) -> tuple[int, int]:
    """How many summaries there are, and how many samples they rest on."""
    store = store_of(Settings(data_dir=home))
    try:
        newest: dict[str, int] = {}
        for _, alias in store.aliases():
            for segment in store.segments(alias):
                for one in segment.facts.measurements:
                    found = one.provenance.samples if one.provenance else 0
                    newest[one.ref] = max(newest.get(one.ref, 0), found)
        return len(newest), sum(newest.values())
    finally:
        store.close()
