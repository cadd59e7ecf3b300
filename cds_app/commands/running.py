"""A service of our own in a process of its own: for the demo, the benchmarks and the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from cds_app.errors import DependencyDown
from cds_app.settings import PREFIX

_START_S = 60.0
_STOP_S = 15.0
_LAST_LINES = 12
_PAUSE_S = 0.05


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


def end_as_interrupted() -> None:
    """End at SIGTERM, or when the terminal closes, as at Ctrl-C: what this process has started ends with it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


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
        with suppress(requests.RequestException):
            if requests.get(f"{url}/readyz", timeout=2).ok:
                return
        time.sleep(_PAUSE_S)
    raise DependencyDown(f"the service did not become ready; its log ends:\n{_ending(log)}")


def _ending(log: Path) -> str:
    """The last lines of a log: the folder that it is in may be gone before anybody looks."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
