"""Progress for who waits: on standard error, and only where a person looks at a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Thing = TypeVar("Thing")


def track(things: Collection[Thing], doing: str) -> Iterator[Thing]:
    """Things one after the other, with a bar, how many are done, and how long it will take."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _shown(*columns) as progress:
        yield from progress.track(things, description=doing)


@contextmanager
def working(doing: str) -> Iterator[None]:
    """Something of which nobody knows how long it will take: what it is, and since when."""
    with _shown(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        progress.add_task(doing, total=None)
        yield


def _shown(*columns: TextColumn | BarColumn | MofNCompleteColumn | TimeElapsedColumn | TimeRemainingColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
