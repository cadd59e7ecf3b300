"""MQTT 5: messages of a shared subscription, acknowledged one by one after they are durable.

What the broker has sent and we have not acknowledged is bounded by Receive Maximum; after a connection that broke, or a
process that was killed, the broker sends it again to whoever takes its place. An acknowledgement belongs to the
connection over which its message came, because message numbers are given out anew on the next one.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cds_app.errors import DependencyDown

_LOG = structlog.get_logger("twinline")
_NO_RETAINED: Final = 2  # retain handling: nothing that was kept is sent when we subscribe
_PATIENCE_S: Final = 30.0
_AHEAD: Final = 200
_SESSION_S: Final = 7 * 24 * 3600
_MOST_BYTES: Final = 1 << 18  # of a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a broker is reached, and what of it.

    Parameters
    ----------
    host, port : where it listens.
    client : str
        Client id: stands for the session that the broker keeps for us.
    topic : str
        Filter, without ``$share``.
    group : str
        Of the shared subscription: each message goes to one worker of a group; "" for a worker that gets them all.
    in_flight : int
        Receive Maximum.
    """

    host: str
    port: int
    client: str
    topic: str
    group: str = "twinline"
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    in_flight: int = 2000


@dataclass(frozen=True, slots=True)
class Received:
    """A message, and what it takes to acknowledge it."""

    payload: bytes
    retained: bool
    number: int
    connection: int


class Subscriber:
    """Receives groups of messages.

    Parameters
    ----------
    link : Link
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._queue: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._connection = 0
        self._lock = threading.Lock()
        self._subscribed = threading.Event()
        self._client = self._made()

    def start(self) -> None:
        """Connect, and connect again whenever that breaks; subscribed on return. Raises DependencyDown."""
        link, properties = self._link, Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_S
        properties.ReceiveMaximum = link.in_flight
        properties.MaximumPacketSize = _MOST_BYTES
        try:
            self._client.connect(link.host, link.port, keepalive=30, clean_start=False, properties=properties)
        except OSError:
            raise DependencyDown("the broker cannot be reached") from None
        self._client.loop_start()
        if not self._subscribed.wait(_PATIENCE_S):
            self.stop()
            raise DependencyDown("the broker takes no subscription")

    def stop(self) -> None:
        """Let go; what was not acknowledged goes to the others."""
        self._client.disconnect()
        self._client.loop_stop()

    def group(self, most: int, wait_s: float, more_s: float) -> Sequence[Received]:
        """What has come: up to so many messages. Waits so long for the first, and after it so long for more."""
        found: list[Received] = []
        until = time.monotonic() + wait_s
        while len(found) < most:
            try:
                found.append(self._queue.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
            if len(found) == 1:
                until = time.monotonic() + more_s
        return found

    def acknowledge(self, messages: Sequence[Received]) -> None:
        """Say that messages are durable; those of an earlier connection will come again."""
        for one in messages:
            with self._lock:
                if one.connection == self._connection:
                    self._client.ack(one.number, 1)

    def _made(self) -> Client:
        link = self._link
        client = Client(CallbackAPIVersion.VERSION2, client_id=link.client, protocol=MQTTv5, manual_ack=True)
        client.reconnect_delay_set(1, 30)
        if link.username:
            client.username_pw_set(link.username, link.password)
        if link.tls is not None:
            client.tls_set_context(link.tls)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_message, client.on_subscribe = self._came, self._taken
        return client

    def _connected(self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, __: Any) -> None:
        with self._lock:
            self._connection += 1
        if reason.is_failure:
            _LOG.warning("broker refused", reason=reason.getName())
            return
        if flags.session_present:  # subscribed already; what waits there may come before an answer
            self._subscribed.set()
        options = SubscribeOptions(qos=1, retainHandling=_NO_RETAINED)
        shared = f"$share/{self._link.group}/" if self._link.group else ""
        client.subscribe(shared + self._link.topic, options=options)

    def _taken(self, _: Client, __: Any, ___: int, reasons: Sequence[ReasonCode], ____: Properties | None) -> None:
        if any(one.is_failure for one in reasons):
            _LOG.warning("subscription refused", reason=reasons[0].getName())
            return
        self._subscribed.set()

    def _disconnected(self, _: Client, __: Any, ___: DisconnectFlags, reason: ReasonCode, ____: Any) -> None:
        with self._lock:
            self._connection += 1
        _LOG.warning("broker lost", reason=reason.getName())

    def _came(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self._queue.put(Received(bytes(message.payload), message.retain, message.mid, self._connection))


class Publisher:
    """Sends messages with QoS 1, a few hundred ahead of their acknowledgements."""

    def __init__(self, host: str, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.max_inflight_messages_set(_AHEAD)
        try:
            self._client.connect(host, port)
        except OSError:
            raise DependencyDown("the broker cannot be reached") from None
        self._client.loop_start()
        self._last: deque[MQTTMessageInfo] = deque()

    def say(self, topic: str, payload: bytes) -> None:
        """Send a message, when those before it were taken but for a few hundred."""
        self._last.append(self._client.publish(topic, payload, qos=1))
        if len(self._last) > _AHEAD:
            self._last.popleft().wait_for_publish(_PATIENCE_S)

    def close(self) -> None:
        """Wait until everything was taken."""
        for one in self._last:
            one.wait_for_publish(_PATIENCE_S)
        self._client.disconnect()
        self._client.loop_stop()


def take_turns(
    subscriber: Subscriber,
    take: Callable[[Sequence[Received]], None],
    between: Callable[[], None],
    stop: threading.Event,
    *,
    most: int = 500,
    wait_s: float = 1.0,
) -> None:
    """Take groups until ``stop`` is set; acknowledge each when it is durable, and try again while the store is down.

    Parameters
    ----------
    between : callable
        What else is to be done, after each group; may raise DependencyDown too.

    Notes
    -----
    A group is waited for as long as the one before took to be written: so at most half of the time is spent waiting
    where a broker sends no more before something is acknowledged, and few messages make few transactions.
    """
    pause_s, took_s = 0.2, 0.0
    while not stop.is_set():
        group = subscriber.group(most, wait_s, min(took_s, wait_s))
        begun = time.monotonic()
        while True:
            try:
                if group:
                    take(group)
                    subscriber.acknowledge(group)
                    group = ()
                between()
            except DependencyDown:
                _LOG.warning("nothing taken in", kind="dependency-down")
                if stop.wait(pause_s):
                    return
                pause_s = min(5.0, 2 * pause_s)
                continue
            pause_s, took_s = 0.2, time.monotonic() - begun
            break
