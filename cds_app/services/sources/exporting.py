"""A hospital's twins overnight: a FHIR server's bulk export, taken in file by file, from wherever it was broken off.

What was durable when a process ended is where the next one goes on: the export (`Job`) and how far it is in (`Place`)
are documents of the cabinet, and a batch that is taken in twice is written once. The time of an export is kept only
when all of it is in, so the next one asks for everything since then, and for too much rather than too little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from cds_app.domain.time import parse_fhir_time
from cds_app.errors import DataUnavailable, DependencyDown, Gone, GrantRefused, IntegrityError, TokenRefused, TryLater
from cds_app.fabric.exchange.exports import ExportFile, Manifest, deletions_of, problems_of, read_manifest
from cds_app.fabric.exchange.ndjson import Line, read_lines
from cds_app.ports import Cabinet, Clock, Document

JOB: Final = "export"
PLACE: Final = "export-place"
DONE: Final = "export-done"
TRIES: Final = 8
LONGEST_PAUSE_S: Final = 300.0
MOST_SAID_S: Final = 3600.0
"""Longer than this nobody is left alone who says so (``Retry-After``)."""
BATCH: Final = 4_000
"""Lines that are taken in together: one transaction, one step of the place."""
MOST_BAD: Final = 1_000
"""Lines of one file that cannot be read; with more it is not what it says."""
_FIRST_PAUSE_S: Final = 1.0
_FIRST_LOOK_S: Final = 2.0
_LONGEST_LOOK_S: Final = 60.0

_T = TypeVar("_T")
_D = TypeVar("_D", bound=msgspec.Struct)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An export that was begun.

    Parameters
    ----------
    path, since : str
        What was asked for; "" for everything.
    manifest : Manifest or None
        None until the server has made it.
    """

    path: str
    since: str
    status_url: str
    manifest: Manifest | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far an export is in: files, and lines and bytes of the next one.

    Parameters
    ----------
    status_url : str
        Of the export: a place in another one is none.
    broken : tuple of str
        What was wrong with files that were given up.
    counts : mapping of str to int
        What became of resources, by name.
    """

    status_url: str = ""
    file: int = 0
    number: int = 0
    end: int = 0
    broken: tuple[str, ...] = ()
    counts: Mapping[str, int] = {}


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The newest export that is in as a whole."""

    path: str
    since: str


class ExportServer(Protocol):
    """A FHIR server that exports in bulk (Bulk Data Access 2.0), and the files of an export.

    All methods raise TryLater if it may be better in a while, TokenRefused if the token is not accepted, Gone if what
    is asked for is not there any more, and DataUnavailable for everything else.
    """

    def start(self, path: str, *, token: str) -> str:
        """Begin an export (``Group/12/$export?_since=...``); returns where to look how far it is."""
        ...

    def look(self, url: str, *, token: str) -> float | Mapping[str, Any]:
        """The manifest; or, while the server is at it, how long it wants to be left alone, seconds (0: not said)."""
        ...

    def stream(self, url: str, *, token: str | None) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of a file, uncompressed, as they come. Reading on may raise as well."""
        ...

    def forget(self, url: str, *, token: str) -> None:
        """Have the server delete the export: it was taken in, or is of no use."""
        ...


class Taker(Protocol):
    """What happens with what an export holds."""

    def begin(self) -> None:
        """A process begins to take an export in, or goes on with it."""
        ...

    def shared(self, lines: Iterable[Line]) -> None:
        """Remember what many patients share."""
        ...

    def take(self, lines: list[Line], at: str) -> Mapping[str, int]:
        """Take resources in, durably, and say what became of them."""
        ...

    def withdraw(self, gone: Mapping[str, datetime]) -> Mapping[str, int]:
        """Take back, durably, what the server has no more (``Type/id``), as of when it said so, UTC."""
        ...


class _Broken(DataUnavailable):
    """A file that is not what it should be, however often it is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """Takes in the export of one FHIR server.

    Parameters
    ----------
    name : str
        Of the source.
    token : callable
        An access token; a new one if it is called with True.
    pause : callable
        Waits for so many seconds.
    """

    name: str
    server: ExportServer
    taker: Taker
    cabinet: Cabinet
    token: Callable[[bool], str]
    clock: Clock
    pause: Callable[[float], None]

    def run(self, path: str, *, full: bool = False) -> Place:
        """Take in what is new since the last time, going on with what was begun; if ``full``, everything, anew.

        Raises
        ------
        DataUnavailable
            If the server does not give it, or a part of it is not what it should be. What was taken in stays, and
            the next run asks for the rest.
        DependencyDown, GrantRefused
        """
        job = self._begun(path, full=full)
        try:
            place = self._all(job)
        except Gone:  # kept for a while only: a new one, from the same time on
            self._drop(job)
            job = self._start(job.path, job.since)
            place = self._all(job)
        self._finish(job, place)
        return place

    def _begun(self, path: str, *, full: bool) -> Job:
        job = self._read(JOB, Job)
        if job is not None and job.path == path and not full:
            return job
        if job is not None:
            self._drop(job)
        done = self._read(DONE, Done)
        since = done.since if done is not None and done.path == path and not full else ""
        return self._start(path, since)

    def _start(self, path: str, since: str) -> Job:
        mark = "&" if "?" in path else "?"
        asked = f"{path}{mark}_since={quote(since, safe=':')}" if since else path
        url = self._patiently(lambda token: self.server.start(asked, token=token))
        job = Job(path=path, since=since, status_url=url)
        self._write(PLACE, Place(status_url=url))
        self._write(JOB, job)
        return job

    def _all(self, job: Job) -> Place:
        manifest = job.manifest
        if manifest is None:
            manifest = self._manifest(job)
            self._write(JOB, replace(job, manifest=manifest))
        self.taker.begin()
        place = self._read(PLACE, Place)
        if place is None or place.status_url != job.status_url:
            place = Place(status_url=job.status_url)
        for i, one in enumerate(manifest.files):
            if one.kind == "output" and one.type == "Medication" and i < place.file:
                self._file(manifest, i, Place(status_url=job.status_url, file=i), remember=True)
        for i in range(place.file, len(manifest.files)):
            place = self._file(manifest, i, place)
        return place

    def _manifest(self, job: Job) -> Manifest:
        """What the server made of it. An export that failed there is none to go on with."""
        try:
            return self._awaited(job)
        except Gone:
            raise
        except DataUnavailable:
            self._drop(job)
            raise

    def _awaited(self, job: Job) -> Manifest:
        wait_s = _FIRST_LOOK_S
        while True:
            found = self._patiently(lambda token: self.server.look(job.status_url, token=token))
            if isinstance(found, Mapping):
                return read_manifest(found)
            self.pause(min(found, MOST_SAID_S) if found else wait_s)
            wait_s = min(2 * wait_s, _LONGEST_LOOK_S)

    def _file(self, manifest: Manifest, i: int, place: Place, *, remember: bool = False) -> Place:
        """Take one file in, however often the connection or the store breaks; each time from where it is in."""
        at, tries, renewed = place, 0, False
        broken = ""
        while not broken:
            try:
                for step in self._steps(manifest, manifest.files[i], at, remember=remember):
                    at, tries, renewed = step, 0, False
                    if not remember:
                        self._write(PLACE, at)
                break
            except _Broken as error:
                broken = error.message
            except (TryLater, TokenRefused, DependencyDown) as error:
                tries += 1
                if tries < TRIES:
                    renewed = self._wait(error, tries, renewed=renewed)
                elif isinstance(error, _Cut):
                    broken = error.message
                else:
                    raise
        told = (f"file {i + 1}: {broken}",) if broken else ()
        done = Place(status_url=at.status_url, file=i + 1, broken=(*at.broken, *told), counts=at.counts)
        if not remember:
            self._write(PLACE, done)
        return done

    def _steps(self, manifest: Manifest, file: ExportFile, place: Place, *, remember: bool) -> Iterator[Place]:
        token = self.token(False) if manifest.requires_token else None
        with self.server.stream(file.url, token=token) as pieces:
            lines = read_lines(_from(pieces, place.end), number=place.number, start=place.end)
            bad = 0
            while batch := list(islice(lines, BATCH)):
                cut = batch[-1].problem == "truncated"
                whole = batch[:-1] if cut else batch
                bad += sum(bool(line.problem) for line in whole)
                if bad > MOST_BAD:
                    raise _Broken("it holds something else than NDJSON of FHIR resources")
                if whole:
                    place = self._step(manifest, file, place, whole, remember=remember)
                    yield place
                if cut:
                    raise _Cut("it ends in the middle of a line")

    def _step(self, manifest: Manifest, file: ExportFile, place: Place, lines: list[Line], *, remember: bool) -> Place:
        counts = Counter(place.counts)
        if file.kind == "error":
            counts.update(problem for line in lines for problem in problems_of(line.value))
        elif file.kind == "deleted":
            at = parse_fhir_time(manifest.transaction_time, field="transactionTime").end
            gone = {one: at for line in lines for one in deletions_of(line.value)}
            counts.update(self.taker.withdraw(gone) if gone else {})
        else:
            if file.type in ("Medication", ""):
                self.taker.shared(lines)
            counts.update({} if remember else self.taker.take(lines, file.url))
        return replace(place, number=lines[-1].number, end=lines[-1].end, counts=dict(counts))

    def _finish(self, job: Job, place: Place) -> None:
        held = self._read(JOB, Job)
        if held is None or held.status_url != job.status_url or place.status_url != job.status_url:
            raise DataUnavailable("another run took its place: nothing is kept of this one's time", field="export")
        if not place.broken and held.manifest is not None and not any(map(_is_grave, place.counts)):
            self._write(DONE, Done(path=job.path, since=held.manifest.transaction_time))
        self._drop(job)
        if place.broken:
            raise DataUnavailable("; ".join(place.broken[:5]), field="export")

    def _drop(self, job: Job) -> None:
        """Forget an export, here and there. A server that does not delete it lets it expire."""
        with suppress(DataUnavailable, GrantRefused):
            self.server.forget(job.status_url, token=self.token(False))
        now = self.clock.now()
        self.cabinet.take(JOB, self.name, now)
        self.cabinet.take(PLACE, self.name, now)

    def _patiently(self, act: Callable[[str], _T]) -> _T:
        renewed = False
        for tried in range(1, TRIES):
            try:
                return act(self.token(False))
            except (TryLater, TokenRefused) as error:
                renewed = self._wait(error, tried, renewed=renewed)
        return act(self.token(False))

    def _wait(self, error: DataUnavailable | DependencyDown, tried: int, *, renewed: bool) -> bool:
        """Wait as long as the server said, or twice as long each time; for a new token, not at all, and only once.

        Returns whether the token is a new one that was not yet accepted.
        """
        if isinstance(error, TokenRefused):
            if renewed:
                raise error
            self.token(True)
            return True
        said = error.after_s if isinstance(error, TryLater) else 0.0
        backed_off = min(_FIRST_PAUSE_S * 2.0 ** (tried - 1), LONGEST_PAUSE_S)
        self.pause(max(min(said, MOST_SAID_S), backed_off))
        return False

    def _read(self, kind: str, form: type[_D]) -> _D | None:
        document = self.cabinet.read(kind, self.name, self.clock.now())
        if document is None:
            return None
        try:
            return msgspec.json.decode(document.content, type=form)
        except msgspec.MsgspecError:
            raise IntegrityError("the record of an export is malformed") from None

    def _write(self, kind: str, content: msgspec.Struct) -> None:
        now = self.clock.now()
        known = self.cabinet.read(kind, self.name, now)
        version = known.version if known is not None else 0
        encoded = msgspec.json.encode(content)
        self.cabinet.write(Document(kind=kind, name=self.name, version=version, content=encoded), now)


class _Cut(TryLater):
    """A file that ended in the middle of a line: perhaps not the next time."""


def _is_grave(name: str) -> bool:
    """Whether a count is of problems (`problems_of`) with which something was left out of the export."""
    return name.startswith(("error ", "fatal "))


def _from(pieces: Iterable[bytes], start: int) -> Iterator[bytes]:
    """What comes after so many bytes."""
    for piece in pieces:
        if start >= len(piece):
            start -= len(piece)
            continue
        yield piece[start:] if start else piece
        start = 0
