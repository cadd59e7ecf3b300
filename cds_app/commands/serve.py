"""``twinline serve``: the service, under gunicorn."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.util import import_app

from cds_app.commands.examples import examples
from cds_app.commands.further import WithSettings
from cds_app.commands.server.worker import Crowd, worker_of
from cds_app.content import content_root
from cds_app.errors import IntegrityError, TwinlineError
from cds_app.settings import Settings, configured

_COUNTED = "twinline-metrics-"
METRICS = "PROMETHEUS_MULTIPROC_DIR"
# Exit statuses of a worker after which gunicorn does not make another; ours, too.
_DOES_NOT_HOLD, _TAMPERED = Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR
_USUAL_CONNECTIONS, _LEAST_CONNECTIONS, _OTHER_DESCRIPTORS = 1000, 64, 128


@click.command(
    cls=WithSettings,
    epilog=examples(
        "twinline serve --open-to-this-machine",
        "twinline serve --host 0.0.0.0 --public-url https://twinline.hospital.example --sidebar-links",
    ),
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
@click.option("--units", help="In which units clinicians read: conventional (default), si; or si, pco2=mm[Hg].")
@click.option("--sidebar-links", is_flag=True, default=None, help="Cards link to the sidebar, by SMART App Launch.")
@click.option("--simulated-time", is_flag=True, default=None, help="Honour stated event times. Never on a ward.")
def serve(**flags: Any) -> None:
    """Answer CDS Hooks calls."""
    settings = configured(flags)
    os.environ.update(environment_of(settings))
    os.environ[METRICS] = metrics_folder()  # before the first import of what counts
    try:
        names = _checked_clients(settings)
        _read_ahead(settings.units)
    except TwinlineError:
        _forget_all(None)
        raise
    click.echo(f"twinline: {settings.base_url}/cds-services", err=True)
    click.echo(f"twinline: {_who_may_call(names)}", err=True)
    _Server(settings).run()


def _checked_clients(settings: Settings) -> list[str]:
    from cds_app.databases import register_of  # numpy comes with it: after OMP_NUM_THREADS is set
    from cds_app.services.callers.registration import check_callers

    with register_of(settings) as register:
        check_callers(settings, register)
        return [one.name for one in register.clients()]


def _read_ahead(units: str) -> None:
    """Once for all workers, and for those who will take a dead one's place; in memory that they share."""
    from cds_app.services.content.knowledge import read_ahead

    read_ahead(content_root(), units)
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
            "worker_class": worker_of(settings.max_waiting, settings.max_body_bytes),
            "workers": settings.workers,
            "threads": settings.threads,
            "worker_connections": _most_connections(),
            "preload_app": False,
            "timeout": 60,
            "graceful_timeout": 10,
            "keepalive": 75,
            "limit_request_fields": 50,
            "sendfile": False,  # what is sent has its time, which sendfile does not look at
            "accesslog": None,
            "loglevel": "warning",
            "pre_fork": _choose_core,
            "post_fork": _keep_to_core,
            "child_exit": _forget_worker,
            "on_exit": _forget_all,
        }
        for key, value in chosen.items():
            self.cfg.set(key, value)

    def load(self) -> Any:
        """Called in the worker: importing the module builds the app. What refuses the start is said in a line."""
        try:
            return import_app("cds_app.wsgi:app")
        except TwinlineError as error:
            click.echo(f"twinline: {error.said}", err=True)
            raise SystemExit(_TAMPERED if isinstance(error, IntegrityError) else _DOES_NOT_HOLD) from None

    def run(self) -> None:
        """Serve until told to end. Where workers do not start, gunicorn ends for the first and trips over the next."""
        try:
            super().run()
        except HaltServer as halt:
            _forget_all(None)
            raise SystemExit(halt.exit_status) from None


def _most_connections() -> int:
    """Of a worker; the system's limit holds for its databases and models, too."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(_LEAST_CONNECTIONS, min(_USUAL_CONNECTIONS, descriptors - _OTHER_DESCRIPTORS))


def _choose_core(server: Any, worker: Any) -> None:
    """Where there is a core for every worker, and none besides, each gets its own. Called in the master.

    The threads of a worker take turns with one interpreter: what the last one worked with is near for the next one on
    the same core. Where there are more cores, others may be using those that we would choose.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    taken = Counter(one.core for one in server.WORKERS.values())
    worker.core = min(sorted(cores), key=lambda core: taken[core]) if len(cores) == server.num_workers else None


def _keep_to_core(_: Any, worker: Any) -> None:
    """Called in the worker, before it has other threads: they inherit it."""
    if worker.core is not None:
        os.sched_setaffinity(0, {worker.core})


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
