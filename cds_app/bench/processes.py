"""What processes take, as Linux tells it under ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit


def workers_of(url: str, folder: Path) -> list[int]:
    """Process ids of a service's workers: the children of the process whose command line names folder and port."""
    port, everybody = str(urlsplit(url).port), [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    ours = {pid for pid in everybody if str(folder) in (line := _command_line(pid)) and port in line}
    parents = {pid: _parent(pid) for pid in everybody}
    roots = {pid for pid in ours if parents[pid] not in ours}
    return [pid for pid, parent in parents.items() if parent in roots]


def cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    ticks = _stat(pid)
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int, *, peak: bool = False) -> float:
    """What a process holds in memory, or the most that it has held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM" if peak else "VmRSS")).split()[1]) / 1024


def open_files(pid: int) -> int:
    """How many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""  # it has ended meanwhile


def _parent(pid: int) -> int:
    try:
        return int(_stat(pid)[1])
    except OSError:
        return 0


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
