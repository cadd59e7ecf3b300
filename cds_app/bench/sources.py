"""``twinline bench sources``: how fast sources are taken in, from the socket to the disk."""

from __future__ import annotations

import json
import multiprocessing
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cds_app.adapters.mllp import END, START, MllpServer
from cds_app.adapters.mqtt import Link, Publisher, Received, Subscriber, take_turns
from cds_app.bootstrap import intake_of
from cds_app.commands.ingest import Entrance
from cds_app.commands.ingest_hl7v2 import desk_of
from cds_app.commands.ingest_mqtt import telemetry_of
from cds_app.deps import Deps, deps_of
from cds_app.errors import DependencyDown
from cds_app.services.sources.intake import Source
from cds_app.services.sources.telemetry import Came
from cds_app.settings import Settings, host_and_port

_SYSTEM: Final = "urn:oid:2.16.840.1.113883.19.5"
_RESULTS: Final = (
    *(("2823-3", "mmol/L", 4.1), ("2951-2", "mmol/L", 140.0), ("2160-0", "mg/dL", 1.1), ("718-7", "g/dL", 13.2)),
    *(("6690-2", "10*3/uL", 8.4), ("777-3", "10*3/uL", 220.0), ("1975-2", "mg/dL", 0.7), ("2345-7", "mg/dL", 104.0)),
)
_PATIENCE_S: Final = 120.0
_TOPIC: Final = "twinline-bench"
_MONITORS: Final = 50
_IN_FLIGHT: Final = 2000
_CHANNELS: Final = (
    *(("MDC_ECG_HEART_RATE", 80.0), ("MDC_TTHOR_RESP_RATE", 15.0), ("MDC_PULS_OXIM_SAT_O2", 96.0)),
    *(("MDC_PRESS_BLD_ART_ABP_SYS", 118.0), ("MDC_PRESS_BLD_ART_ABP_DIA", 64.0), ("MDC_PRESS_BLD_ART_ABP_MEAN", 82.0)),
)


Rate = dict[str, float]
"""What was taken in: how many, and how many a second of the clock and of this process's CPU."""


def bench_sources(messages: int, peers: int, minutes: int, broker: str = "") -> dict[str, Rate]:
    """Messages and samples taken in durably, on a SQLite database on this machine's disk."""
    rates = {
        "hl7v2_messages_acknowledged_after_commit": bench_hl7(messages, peers),
        "samples_of_monitors_in_summaries": bench_telemetry(minutes),
    }
    return rates | ({"samples_from_a_broker_in_summaries": bench_broker(broker, minutes)} if broker else {})


def bench_hl7(messages: int, peers: int) -> Rate:
    """ORU^R01 over MLLP, acknowledged after the commit: the whole way, sockets and disk included."""
    with _way("hl7v2") as way, _listening(way) as port, _elsewhere() as pool:
        send = pool.submit(_send_all, port, peers, max(1, messages // 20))  # so that pools and caches are filled
        send.result()
        cpu, clock = time.process_time(), time.perf_counter()
        accepted = pool.submit(_send_all, port, peers, messages, 1).result()
        took, worked = time.perf_counter() - clock, time.process_time() - cpu
    if accepted != messages:
        raise DependencyDown("not every message was acknowledged")
    return _rate(messages, took, worked)


def bench_telemetry(minutes: int) -> Rate:
    """Messages of monitors, as the client of the broker hands them over second by second, to summaries on the disk."""
    start = 1_772_323_200  # a whole minute
    with _way("mqtt") as way:
        telemetry = telemetry_of(way)
        cpu, clock = time.process_time(), time.perf_counter()
        number = 0
        for second in range(60 * minutes):
            now = datetime.fromtimestamp(start + second + 0.5, UTC)
            number += telemetry.take([Came(payload=packet(start + second, device)) for device in range(_MONITORS)], now)
            if second % 5 == 0:
                telemetry.close(now)
        summed = telemetry.close(datetime.fromtimestamp(start + 60 * minutes + 60, UTC))
        took, worked = time.perf_counter() - clock, time.process_time() - cpu
        left = telemetry.waiting(datetime.fromtimestamp(start + 60 * minutes + 60, UTC))
    if number != 60 * minutes * _MONITORS * len(_CHANNELS) or not summed or left:
        raise DependencyDown("not every sample is in a summary")
    return _rate(number, took, worked)


def bench_broker(broker: str, minutes: int) -> Rate:
    """The whole way: from the broker's socket, acknowledged, to summaries on the disk, as a worker goes it."""
    host, port = host_and_port(broker, "broker")
    start, messages = int(time.time()) // 60 * 60 - 60 * (minutes + 2), 60 * minutes * _MONITORS
    topic = f"{_TOPIC}/{start}"
    link = Link(host=host, port=port, client=f"bench-{start}", topic=topic, group="", in_flight=_IN_FLIGHT)
    with _way("mqtt") as way, _elsewhere() as pool:
        telemetry, subscriber = telemetry_of(way), Subscriber(link)
        subscriber.start()
        sent = pool.submit(_publish, host, port, topic, start, minutes)
        cpu, clock = time.process_time(), time.perf_counter()
        taken, number, stop = 0, 0, threading.Event()

        def take(group: Sequence[Received]) -> None:
            nonlocal taken, number
            number += telemetry.take([Came(payload=one.payload) for one in group], way.deps.clock.now())
            taken += len(group)

        def between() -> None:
            if taken >= messages or time.perf_counter() - clock > _PATIENCE_S:
                stop.set()

        take_turns(subscriber, take, between, stop)
        telemetry.close(way.deps.clock.now())
        took, worked = time.perf_counter() - clock, time.process_time() - cpu
        sent.result()
        subscriber.stop()
        left = telemetry.waiting(way.deps.clock.now())
    if taken < messages or left:
        raise DependencyDown("not every sample is in a summary")
    return _rate(number, took, worked)


def _rate(number: int, took_s: float, worked_s: float) -> Rate:
    return {"number": number, "per_s": round(number / took_s), "per_cpu_s": round(number / worked_s)}


def _publish(host: str, port: int, topic: str, start: int, minutes: int) -> None:
    publisher = Publisher(host, port)
    for second in range(60 * minutes):
        for device in range(_MONITORS):
            publisher.say(topic, packet(start + second, device))
    publisher.close()


def packet(at: int, device: int) -> bytes:
    """What one monitor says in one second."""
    samples = [[at, channel, value + (at + device) % 3] for channel, value in _CHANNELS]
    patient = {"system": _SYSTEM, "value": str(device)}
    told = {"device": f"mon-{device}", "patient": patient, "sent": at, "relayed": at, "samples": samples}
    return json.dumps(told).encode()


@contextmanager
def _way(source: str) -> Iterator[Entrance]:
    with tempfile.TemporaryDirectory(prefix="twinline-ingest-") as folder:
        deps: Deps = deps_of(Settings(data_dir=Path(folder), identifier_systems=(_SYSTEM,)))
        yield Entrance(deps=deps, intake=intake_of(deps, Source(name=source, tenant="local")))
        deps.close()


@contextmanager
def _listening(way: Entrance) -> Iterator[int]:
    desk = desk_of(way, {"HOSP": _SYSTEM}, "", "utf-8")
    ports: list[int] = []
    ready, stop = threading.Event(), threading.Event()

    def told(port: int) -> None:
        ports.append(port)
        ready.set()

    def answer(frames: Sequence[bytes]) -> Sequence[bytes]:
        return desk.answer(frames, way.deps.clock.now())

    server = MllpServer(answer, lambda reason, start: desk.refuse(reason, start, way.deps.clock.now()))
    thread = threading.Thread(target=server.run, args=("127.0.0.1", 0, stop, told))
    thread.start()
    ready.wait(_PATIENCE_S)
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join()


@contextmanager
def _elsewhere() -> Iterator[ProcessPoolExecutor]:
    """Another process, which shares no interpreter with what is measured."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(packet, 0, 0).result()  # so that its start is not measured
        yield pool


def _send_all(port: int, peers: int, messages: int, run: int = 0) -> int:
    """How many messages were accepted."""
    shares = [range(peer, messages, peers) for peer in range(peers)]
    with ThreadPoolExecutor(peers) as pool:
        return sum(pool.map(lambda share: _send(port, share, lambda number: hl7_message(run, number)), shares))


def _send(port: int, numbers: Sequence[int], made: Callable[[int], bytes]) -> int:
    """Send a window of messages ahead of their answers, as interface engines do."""
    accepted, held, pending = 0, b"", 0
    window = 32
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as connection:
        for number in numbers:
            connection.sendall(START + made(number) + END)
            pending += 1
            while pending >= window:
                held, heard, fine = _heard(connection, held)
                pending, accepted = pending - heard, accepted + fine
        while pending:
            held, heard, fine = _heard(connection, held)
            pending, accepted = pending - heard, accepted + fine
    return accepted


def _heard(connection: socket.socket, held: bytes) -> tuple[bytes, int, int]:
    piece = connection.recv(65536)
    if not piece:
        raise DependencyDown("the service hung up")
    *whole, rest = (held + piece).split(END)
    return rest, len(whole), sum(b"MSA|AA|" in one for one in whole)


def hl7_message(run: int, number: int) -> bytes:
    """One of many: eight results for one of 500 people."""
    rows = [
        f"OBX|{at}|NM|{code}^^LN||{value + (number % 7) / 10:.1f}|{unit}|||||F"
        for at, (code, unit, value) in enumerate(_RESULTS, start=1)
    ]
    minute = f"202603{1 + number // 1440 % 28:02}{number // 60 % 24:02}{number % 60:02}"
    segments = [
        f"MSH|^~\\&|LAB|HOSP|TWIN|HOSP|{minute}||ORU^R01^ORU_R01|{run}-{number}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{number % 500}^^^HOSP^MR||Test^Person",
        f"OBR|1|P{run}-{number}|F{run}-{number}|24323-8^CMP^LN|||{minute}",
        *rows,
    ]
    return ("\r".join(segments) + "\r").encode()
