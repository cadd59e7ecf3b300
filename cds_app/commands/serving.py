"""``twinline serve`` and ``twinline demo``."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import requests
from gunicorn.app.base import BaseApplication
from gunicorn.util import import_app

from cds_app.commands.examples import examples
from cds_app.commands.worker import Crowd, worker_of
from cds_app.content import content_root
from cds_app.errors import DependencyDown, TwinlineError
from cds_app.settings import PREFIX, Settings, configured

_START_S = 60.0
_STOP_S = 15.0
_COUNTED = "twinline-metrics-"
METRICS = "PROMETHEUS_MULTIPROC_DIR"


@click.command(
    epilog=examples(
        "twinline serve --open-to-this-machine",
        "twinline serve --host 0.0.0.0 --public-url https://twinline.hospital.example --sidebar-links",
    )
)
@click.option("--host", help="Address to bind (default 127.0.0.1).")
@click.option("--port", type=int, help="Port to bind (default 8717).")
@click.option("--workers", type=int, help="Worker processes (default 2).")
@click.option("--threads", type=int, help="Threads in each worker (default 4).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Database and key (default twinline-data).")
@click.option("--database-url", help="SQLAlchemy URL; PostgreSQL or SQLite.")
@click.option("--public-url", help="Base URL under which callers know the service; https beyond loopback.")
@click.option(
    "--open-to-this-machine",
    is_flag=True,
    default=None,
    help="Without clients: answer every program on this machine. Never on a ward.",
)
@click.option("--site-mapping", type=click.Path(path_type=Path), help="Codes and units of this site, as a JSON file.")
@click.option("--sidebar-links", is_flag=True, default=None, help="Cards link to the sidebar, by SMART App Launch.")
@click.option("--simulated-time", is_flag=True, default=None, help="Honour stated event times. Never on a ward.")
def serve(**flags: Any) -> None:
    """Answer CDS Hooks calls."""
    settings = configured(flags)
    os.environ.update(environment_of(settings))
    os.environ[METRICS] = metrics_folder()  # before the first import of what counts
    try:
        names = _checked_clients(settings)
        _read_ahead()
    except TwinlineError:
        _forget_all(None)
        raise
    click.echo(f"twinline: {settings.base_url}/cds-services", err=True)
    click.echo(f"twinline: {_who_may_call(names)}", err=True)
    _Server(settings).run()


def _checked_clients(settings: Settings) -> list[str]:
    from cds_app.deps import register_of  # numpy comes with it: after OMP_NUM_THREADS is set
    from cds_app.services.registration import check_callers

    with register_of(settings) as register:
        check_callers(settings, register)
        return [one.name for one in register.clients()]


def _read_ahead() -> None:
    """Once for all workers, and for those who will take a dead one's place; in memory that they share."""
    from cds_app.services.knowledge import read_ahead

    read_ahead(content_root())
    gc.freeze()  # collections in the workers would write to what is shared


def _who_may_call(names: Sequence[str]) -> str:
    if names:
        return f"every call must carry the token of a client: {', '.join(names)}"
    return "open to this machine: callers are not authenticated, every program here can read and write"


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """Gunicorn with threads; the app is built in each worker, after the fork, from content that was read ahead."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Threads within processes, bounded headers, no access log (URLs may name patients)."""
        settings = self._settings
        chosen = {
            "bind": f"{settings.host}:{settings.port}",
            "worker_class": worker_of(settings.max_waiting),
            "workers": settings.workers,
            "threads": settings.threads,
            "preload_app": False,
            "timeout": 60,
            "graceful_timeout": 10,
            "keepalive": 75,
            "limit_request_fields": 50,
            "accesslog": None,
            "loglevel": "warning",
            "child_exit": _forget_worker,
            "on_exit": _forget_all,
        }
        for key, value in chosen.items():
            self.cfg.set(key, value)

    def load(self) -> Any:
        """Called in the worker: importing the module builds the app."""
        return import_app("cds_app.wsgi:app")


def _forget_worker(_: Any, worker: Any) -> None:
    """A worker has ended: what it counted stays, how things stood with it does not count any more."""
    from prometheus_client.multiprocess import mark_process_dead  # here: its import looks at the environment

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
    worker.nr_conns = Crowd.AWAY


def _forget_all(_: Any) -> None:
    """The service has ended. Called in the master only."""
    shutil.rmtree(os.environ[METRICS], ignore_errors=True)


def metrics_folder() -> str:
    """A new folder for what the workers count.

    In memory where there is such a place: the files are mapped, and writing to a mapped file on a full disk kills the
    process. The disk that may be full is the database's.
    """
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of our own in it
    if not os.access(memory, os.W_OK):
        return tempfile.mkdtemp(prefix=_COUNTED)
    _sweep(memory)
    return tempfile.mkdtemp(prefix=f"{_COUNTED}{os.getpid()}-", dir=memory)


def _sweep(memory: Path) -> None:
    """Remove what services of ours that were killed left behind."""
    for folder in memory.glob(f"{_COUNTED}*-*"):
        pid = folder.name.removeprefix(_COUNTED).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays: only its owner may remove it


def environment_of(settings: Settings) -> dict[str, str]:
    """Settings as the environment of a worker; one thread each for numeric libraries."""
    stated = settings.model_dump()  # defaults too: a flag may have put one back that twinline.toml changes
    said = {key: value for key, value in stated.items() if value is not None}
    texts = {key: ",".join(value) if isinstance(value, tuple) else str(value) for key, value in said.items()}
    return {f"TWINLINE_{key.upper()}": text for key, text in texts.items()} | {"OMP_NUM_THREADS": "1"}


@contextmanager
def running_service(
    data_dir: Path,
    *flags: str,
    workers: int = 1,
    environ: Mapping[str, str] | None = None,
    port: int = 0,
    authenticated: bool = False,
) -> Iterator[str]:
    """A service of our own on a free loopback port, ready; stopped at the end.

    It runs in ``data_dir``, so that no ``twinline.toml`` of another place counts.

    Parameters
    ----------
    port : int
        Where it listens; 0 takes a free port.
    authenticated : bool
        Whether only clients may call, which are registered in ``data_dir``. Else it is open to this machine.

    Raises
    ------
    DependencyDown
        If it does not become ready.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "cds_app", "serve", "--port", str(port), "--workers", str(workers), *flags]
    command += [] if authenticated else ["--open-to-this-machine"]
    log = (data_dir / "service.log").open("wb")
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [*command, "--data-dir", str(data_dir)], stdout=log, stderr=log, env=environ, cwd=data_dir
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process, data_dir / "service.log")
        yield url
    finally:
        _stop(process)
        log.close()


def unconfigured() -> dict[str, str]:
    """The environment without settings: what a demo or a benchmark writes must not go to a real database."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if requests.get(f"{url}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise DependencyDown(f"the service did not become ready; its log is {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def equip_demo(home: Path, iss: str, jwks: str, ehr: str) -> None:
    """Register the sandbox in a folder: as a client that calls hooks, and as an EHR that launches; make our keys.

    Parameters
    ----------
    iss, jwks : str
        As the sandbox signs its calls.
    ehr : str
        Base URL of the sandbox.
    """
    from cds_app.deps import cabinet_of, register_of
    from cds_app.services.issuers import DEFAULT_SCOPES, Issuers, new_issuer
    from cds_app.services.registration import new_client
    from cds_app.services.signing import SigningKeys

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


@click.command(epilog=examples("twinline demo", "twinline demo --once"))
@click.option("--once", is_flag=True, help="No browser: walk all patients, print each card, and end.")
@click.option("--port", type=int, default=8718, show_default=True, help="Port of the EHR's pages.")
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the synthetic patients.")
def demo(once: bool, port: int, seed: int) -> None:
    """Start the service and a small EHR with synthetic patients."""
    from cds_app.sandbox.demo import run_demo, run_once_demo
    from cds_app.sandbox.signing import Signer

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the service is stopped in any case
    signer, port = Signer(), port or free_port()
    with tempfile.TemporaryDirectory(prefix="twinline-demo-") as folder:
        home = Path(folder)
        equip_demo(home, signer.issuer, signer.public_keys(), f"http://127.0.0.1:{port}")
        flags = ("--simulated-time", "--sidebar-links")
        with running_service(home, *flags, environ=unconfigured(), authenticated=True) as service:
            status = run_once_demo(service, seed, signer, port) if once else run_demo(service, port, seed, signer)
    raise SystemExit(status)
