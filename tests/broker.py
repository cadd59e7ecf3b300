"""A real MQTT 5 broker of one test, on loopback: sessions, shared subscriptions, redelivery."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from iotcore import Broker
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from cds_app.adapters.mqtt import Link, Subscriber, take_turns
from cds_app.errors import DependencyDown

_CONFIG = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 500
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 2000
dynamic_filters = true
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """Its port."""
    port = free_port()
    config = tmp_path / "broker.toml"
    config.write_text(_CONFIG.format(port=port))
    with Broker(config_path=str(config)):
        yield port


def publisher(port: int) -> Client:
    """Somebody who publishes."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


_PATIENCE_S = 60.0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < _PATIENCE_S, "in vain"
        time.sleep(0.05)


@contextmanager
def published(port: int) -> Iterator[Callable[..., None]]:
    client = publisher(port)

    def say(topic: str, payload: str, **more: Any) -> None:
        client.publish(topic, payload, qos=1, **more).wait_for_publish(_PATIENCE_S)

    yield say
    client.disconnect()
    client.loop_stop()


class Worker:
    """Takes messages in a thread; fails, or loses its connection, when it is told to."""

    def __init__(self, port: int, topic: str, client: str, group: str = "") -> None:
        self.taken: list[str] = []
        self.retained: list[str] = []
        self.down = False
        self.subscriber = Subscriber(Link(host="127.0.0.1", port=port, client=client, topic=topic, group=group))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.subscriber.start()
        take_turns(self.subscriber, self._take, lambda: None, self._stop, most=10, wait_s=0.05)
        self.subscriber.stop()

    def _take(self, group: Any) -> None:
        if self.down:
            raise DependencyDown("as told")
        self.taken += [one.payload.decode() for one in group]
        self.retained += [one.payload.decode() for one in group if one.retained]

    def cut(self) -> None:
        """The connection breaks without a farewell."""
        client: Client = self.subscriber._client
        with suppress(OSError, AttributeError):
            client._sock.close()  # type: ignore[union-attr]

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
