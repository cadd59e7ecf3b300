"""``twinline ingest mqtt``: samples of bedside monitors over MQTT 5, as one-minute summaries."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from cds_app.adapters.logs import configure_logs
from cds_app.adapters.mqtt import Link, Subscriber, take_turns
from cds_app.commands.ingest import Entrance, entrance, with_source
from cds_app.commands.ingest_hl7v2 import stopped
from cds_app.content import latest
from cds_app.errors import SettingsError
from cds_app.fabric.devices.telemetry import NAME, Monitoring
from cds_app.services.sources.telemetry import Came, Telemetry
from cds_app.settings import MQTT_PASSWORD, host_and_port, is_loopback

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_CLOSE_EVERY_S: Final = 5.0


@click.command()
@click.option("--broker", default="127.0.0.1:1883", show_default=True, help="Host and port.")
@click.option("--topic", default="telemetry/#", show_default=True, help="Topic filter.")
@click.option("--group", default="twinline", show_default=True, help="Of workers that share; '' for one alone.")
@click.option("--client", default="", help="Client id, the worker's own: its name and host by default.")
@click.option("--username", default="", help=f"With the password in {MQTT_PASSWORD}.")
@click.option(
    "--tls-ca", type=_FILE, help="Authorities, PEM: talk TLS to a broker whose certificate is of one of them."
)
@click.option("--tls-cert", type=_FILE, help="Our certificate chain, PEM, for brokers that ask for one.")
@click.option("--tls-key", type=_FILE, help="Its key, PEM.")
@click.option("--cleartext", is_flag=True, help="Talk beyond this machine without TLS: the network protects it.")
@click.option("--in-flight", type=click.IntRange(1, 65535), default=2000, show_default=True, help="Receive Maximum.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics to this machine.")
@with_source("mqtt")
def mqtt(metrics_port: int | None, **flags: Any) -> None:
    """Take in samples of monitors. Ends at SIGTERM; what was not acknowledged goes to another worker."""
    configure_logs()
    host, port = host_and_port(flags["broker"], "broker")
    link = Link(
        host=host,
        port=port,
        client=flags["client"] or f"{flags['name']}-{socket.gethostname()}",
        topic=flags["topic"],
        group=flags["group"],
        username=flags["username"],
        password=os.environ.get(MQTT_PASSWORD, ""),
        tls=_tls(flags, host),
        in_flight=flags["in_flight"],
    )
    with entrance(flags) as way:
        if metrics_port is not None:
            way.deps.meter.listen(metrics_port)
        work(way, Subscriber(link))


def work(way: Entrance, subscriber: Subscriber) -> None:
    """Take in until the process is asked to end."""
    stop, telemetry, clock = stopped(), telemetry_of(way), way.deps.clock
    subscriber.start()
    click.echo("subscribed")
    take_turns(
        subscriber,
        lambda group: _take(telemetry, [Came(payload=one.payload, retained=one.retained) for one in group], way),
        every(_CLOSE_EVERY_S, lambda: telemetry.close(clock.now())),
        stop,
    )
    subscriber.stop()


def telemetry_of(way: Entrance) -> Telemetry:
    """What takes samples in."""
    monitoring = Monitoring.of(latest(NAME), way.deps.knowledge.ontology)
    return Telemetry(way.intake, way.deps.ehrs.cabinet, monitoring)


def every(seconds: float, act: Callable[[], object]) -> Callable[[], None]:
    """Something that acts when it was not done for so long."""
    last = [float("-inf")]

    def asked() -> None:
        if time.monotonic() - last[0] >= seconds:
            act()
            last[0] = time.monotonic()

    return asked


def _take(telemetry: Telemetry, messages: list[Came], way: Entrance) -> None:
    telemetry.take(messages, way.deps.clock.now())


def _tls(flags: dict[str, Any], host: str) -> ssl.SSLContext | None:
    authorities, certificate, key = flags["tls_ca"], flags["tls_cert"], flags["tls_key"]
    if bool(certificate) != bool(key) or (certificate and not authorities):
        raise SettingsError("authorities, certificate and key come together", field="tls_cert")
    if authorities is None:
        if not is_loopback(host) and not flags["cleartext"]:
            raise SettingsError("beyond loopback without TLS only with --cleartext", field="broker")
        return None
    try:
        context = ssl.create_default_context(cafile=str(authorities))
        if certificate:
            context.load_cert_chain(str(certificate), str(key))
    except OSError:
        raise SettingsError("certificate, key or authorities cannot be used", field="tls_ca") from None
    return context
