"""Starting the sandbox for ``twinline demo``."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from typing import Final

from cds_app.sandbox.desk import Desk
from cds_app.sandbox.once import run_once
from cds_app.sandbox.people.patients import cohort
from cds_app.sandbox.server import HOST, bind, create_sandbox, new_store, under_one_name
from cds_app.sandbox.signing import Signer
from cds_app.sandbox.smart.clients import twinline
from cds_app.sandbox.smart.endpoints import SmartServer

START: Final = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def run_demo(service_url: str, port: int, seed: int, signer: Signer | None = None) -> int:
    """Serve the EHR's pages until interrupted or told to end (SIGINT, SIGTERM). From the main thread only.

    Parameters
    ----------
    service_url : str
        Base URL of the CDS service, on loopback.
    port : int
        Where the pages go; 0 takes a free port.
    seed : int
        Of the synthetic patients.
    signer : Signer, optional
        Signs every call to the service.
    """
    patients = cohort(seed, START)
    desk = Desk(service_url, new_store(patients), signer, SmartServer([twinline(service_url)]))
    app = create_sandbox(service_url, patients, desk=desk)
    under_one_name(app)
    server = bind(app, port)
    print(f"twinline: a small EHR with synthetic patients: http://{HOST}:{server.server_port}/", flush=True)
    # Both arrive as KeyboardInterrupt, so that the caller can stop the service that it started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        server.server_close()
    return 0


def run_once_demo(service_url: str, seed: int, signer: Signer | None = None, port: int = 0) -> int:
    """Walk all patients, print each card, and end; see `run_once` for the port and the status."""
    return run_once(service_url, cohort(seed, START), sys.stdout, signer, port=port)
