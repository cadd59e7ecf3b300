"""The broker that hospitals run: sessions of a shared subscription are resumed, and no message gets lost."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cds_app.bench.sources import bench_broker
from tests.broker import Worker, free_port, published, until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[int]:
    """Its port."""
    if MOSQUITTO is None:
        pytest.skip("there is no Mosquitto here; on Debian, apt-get install mosquitto brings it")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 10000\n")
    with subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        until(lambda: _listens(port))
        yield port
        process.terminate()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_workers_that_share_lose_nothing_while_connections_break(mosquitto: int) -> None:
    workers = [Worker(mosquitto, "s/#", f"s{number}", "share") for number in range(2)]
    time.sleep(0.5)
    with published(mosquitto) as say:
        for number in range(200):
            workers[0].down = number % 20 < 10
            if number % 10 == 5:
                workers[number % 20 // 10].cut()
            say(f"s/{number % 3}", str(number))
        workers[0].down = False
        until(lambda: {int(text) for one in workers for text in one.taken} == set(range(200)))
    for one in workers:
        one.end()
    assert all(one.taken for one in workers)


def test_what_was_kept_for_later_subscribers_is_not_sent_to_us(mosquitto: int) -> None:
    with published(mosquitto) as say:
        say("r/x", "poison", retain=True)
        worker = Worker(mosquitto, "r/#", "r")
        time.sleep(0.5)
        say("r/x", "fine")
        until(lambda: "fine" in worker.taken)
    worker.end()
    assert worker.taken == ["fine"]


def test_every_sample_on_its_way_through_the_broker_is_in_a_summary(mosquitto: int) -> None:
    found = bench_broker(f"127.0.0.1:{mosquitto}", 1)
    assert found["number"] == 60 * 50 * 6
