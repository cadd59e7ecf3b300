"""``twinline demo``: the service and a small EHR with synthetic patients."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from cds_app.commands.examples import examples
from cds_app.commands.running import end_as_interrupted, free_port, running_service, unconfigured
from cds_app.settings import Settings


def equip_demo(home: Path, iss: str, jwks: str, ehr: str) -> None:
    """Register the sandbox in a folder: as a client that calls hooks, and as an EHR that launches; make our keys.

    Parameters
    ----------
    iss, jwks : str
        As the sandbox signs its calls.
    ehr : str
        Base URL of the sandbox.
    """
    from cds_app.databases import cabinet_of, register_of
    from cds_app.services.callers.registration import new_client
    from cds_app.services.smart.issuers import DEFAULT_SCOPES, Issuers, new_issuer
    from cds_app.services.smart.signing import SigningKeys

    settings, now, name = Settings(data_dir=home), datetime.now(UTC), "demo-ehr"
    with register_of(settings) as register:
        register.add(new_client(name=name, iss=iss, jwks=jwks))
    issuer = new_issuer(
        name=name,
        iss=f"{ehr}/fhir",
        client_id="twinline",
        client=name,
        scopes=DEFAULT_SCOPES,
        frames=[ehr],
    )
    with cabinet_of(settings) as cabinet:
        Issuers(cabinet).add(issuer, now)
        SigningKeys(cabinet).make(now)


@click.command(epilog=examples("twinline demo", "twinline demo --once --units si"))
@click.option("--once", is_flag=True, help="No browser: walk all patients, print each card, and end.")
@click.option("--port", type=click.IntRange(0, 65535), default=8718, show_default=True, help="Port of the EHR's pages.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Seed of the synthetic patients."
)
@click.option("--units", default="conventional", show_default=True, help="In which units cards are read: si, too.")
def demo(once: bool, port: int, seed: int, units: str) -> None:
    """Start the service and a small EHR with synthetic patients."""
    from cds_app.sandbox.demo import run_demo, run_once_demo
    from cds_app.sandbox.signing import Signer

    end_as_interrupted()
    signer, port = Signer(), port or free_port()
    with tempfile.TemporaryDirectory(prefix="twinline-demo-") as folder:
        home = Path(folder)
        equip_demo(home, signer.issuer, signer.public_keys(), f"http://127.0.0.1:{port}")
        flags = ("--simulated-time", "--sidebar-links", "--units", units)
        with running_service(home, *flags, environ=unconfigured(), authenticated=True) as service:
            status = run_once_demo(service, seed, signer, port) if once else run_demo(service, port, seed, signer)
    raise SystemExit(status)
