"""``twinline ingest hl7v2``: ADT and ORU^R01 over MLLP, acknowledged when they are on the disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from cds_app.adapters.logs import configure_logs
from cds_app.adapters.mllp import Limits, MllpServer, tls_context
from cds_app.commands.ingest import Entrance, entrance, mind, with_source
from cds_app.errors import SettingsError
from cds_app.fabric.hl7.visits import Registry
from cds_app.services.sources.hl7 import Hl7Desk
from cds_app.settings import host_and_port, is_loopback

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--listen", default="127.0.0.1:2575", show_default=True, help="Host and port; port 0 for any.")
@click.option(
    "--identifier",
    "identifiers",
    multiple=True,
    required=True,
    help="AUTHORITY=SYSTEM or AUTHORITY/TYPE=SYSTEM: PID-3.4 and PID-3.5, and Patient.identifier.system. By weight.",
)
@click.option("--timezone", default="", help="Of times that name none; the service's by default.")
@click.option("--charset", default="utf-8", show_default=True, help="Python's name, for messages without MSH-18.")
@click.option("--most-bytes", type=click.IntRange(1024), default=1 << 20, show_default=True, help="Of one message.")
@click.option("--peers", type=click.IntRange(1, 5000), default=200, show_default=True, help="Connections at once.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain, PEM; with its key, peers talk TLS.")
@click.option("--tls-key", type=_FILE, help="Key, PEM.")
@click.option("--tls-clients", type=_FILE, help="Authorities, PEM: peers must show a certificate of one of them.")
@click.option("--cleartext", is_flag=True, help="Listen beyond this machine without TLS: the network protects it.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics to this machine.")
@with_source("hl7v2")
def hl7v2(identifiers: tuple[str, ...], metrics_port: int | None, **flags: Any) -> None:
    """Listen for HL7 v2 messages. Ends at SIGTERM, when all that was received is answered."""
    configure_logs()
    host, port = host_and_port(flags["listen"], "listen", 0)
    tls = _tls(flags, host)
    with entrance(flags) as way:
        systems = systems_of(identifiers)
        desk = desk_of(way, systems, flags["timezone"], flags["charset"])
        mind(systems.values(), way.deps)
        if metrics_port is not None:
            way.deps.meter.listen(metrics_port)
        server = MllpServer(
            lambda frames: desk.answer(frames, way.deps.clock.now()),
            lambda reason, start: desk.refuse(reason, start, way.deps.clock.now()),
            limits=Limits(frame=flags["most_bytes"], peers=flags["peers"]),
            tls=tls,
        )
        server.run(host, port, stopped(), lambda found: click.echo(f"listening on {host}:{found}"))


def desk_of(way: Entrance, systems: Mapping[str, str], timezone: str, charset: str) -> Hl7Desk:
    """What answers messages. Raises SettingsError on a zone or a character set that there is not."""
    try:
        "".encode(charset)
        zone = ZoneInfo(timezone or way.deps.settings.timezone)
    except (LookupError, ValueError, OSError):
        raise SettingsError("there is no such time zone or character set", field="timezone, charset") from None
    return Hl7Desk(intake=way.intake, registry=Registry(systems=systems), zone=zone, charset=charset)


def systems_of(identifiers: Sequence[str]) -> dict[str, str]:
    """The table of ``--identifier``. Raises SettingsError."""
    pairs = [one.partition("=") for one in identifiers]
    if not all(authority and system for authority, _, system in pairs):
        raise SettingsError("must be AUTHORITY=SYSTEM", field="identifier")
    return {authority: system for authority, _, system in pairs}


def stopped() -> threading.Event:
    """Set when the process is asked to end."""
    found = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: found.set())
    return found


def _tls(flags: Mapping[str, Any], host: str) -> Any:
    certificate, key, clients = flags["tls_cert"], flags["tls_key"], flags["tls_clients"]
    if bool(certificate) != bool(key) or (clients and not certificate):
        raise SettingsError("certificate and key come together", field="tls_cert")
    if not certificate:
        if not is_loopback(host) and not flags["cleartext"]:
            raise SettingsError("beyond loopback without TLS only with --cleartext", field="listen")
        return None
    try:
        return tls_context(str(certificate), str(key), str(clients or ""))
    except OSError:
        raise SettingsError("certificate, key or authorities cannot be used", field="tls_cert") from None
