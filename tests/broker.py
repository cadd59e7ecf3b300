"""A real MQTT 5 broker of one test, on loopback: sessions, shared subscriptions, redelivery."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from iotcore import Broker
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

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
