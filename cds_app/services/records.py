"""What is known of a patient, kept in memory between calls.

The store holds the truth. A record is the fold of a patient's segments and log entries; it is brought up to date
from the store at every call, so several workers may serve one patient, and it may be forgotten at any time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from cds_app.domain.codec import News, encode
from cds_app.domain.corrections import placed
from cds_app.domain.decisions import Decision, Remembered, Suppression
from cds_app.domain.facts import Demographics, Fact, gather
from cds_app.domain.ontology import Ontology
from cds_app.domain.timeline import Change, Timeline
from cds_app.errors import ClockBehind, PatientErased, TwinlineError
from cds_app.fabric.reading import CLOCK_MARGIN
from cds_app.ports import Entry, Segment, TwinStore
from cds_app.twin.model import TwinModel
from cds_app.twin.state import TwinState, rebuild, update


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How far an identifier's segments are in.

    Parameters
    ----------
    number : int
        Of its newest segment.
    digest : str
        Hash over the facts of its segments in their order; summaries of devices, of which there is another one every
        minute, do not count.
    """

    number: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One patient, folded.

    Parameters
    ----------
    segments_known, entries_known : int
        Newest segment and log entry that are in.
    past : tuple of Decision, Feedback or Untaken
        What the alert policy remembers, oldest first: cards that were shown, or would have been but for shadow mode,
        and what became of them.
    digest : str
        Hash over all facts of the patient's own segments in their order.
    streams : mapping of str to Stream
        What is in of each identifier of the patient (`cds_app.services.sources.identities`).
    seen : frozenset of bytes
        Fingerprints of resources whose facts are in: they need not be read again. Not stored, only remembered.
    """

    segments_known: int
    entries_known: int
    timeline: Timeline
    state: TwinState
    past: tuple[Remembered, ...]
    digest: str = ""
    streams: Mapping[str, Stream] = field(default_factory=dict)
    seen: frozenset[bytes] = frozenset()

    @property
    def basis(self) -> str:
        """Hash over everything that is in, summaries of devices left out: what a decision is pinned to."""
        told = {alias: one.digest for alias, one in sorted(self.streams.items()) if one.digest}
        if not told:
            return self.digest
        return hashlib.sha256("\n".join((self.digest, *told, *told.values())).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Twinner:
    """Keeps timeline and twin in step."""

    model: TwinModel
    ontology: Ontology

    def empty(self) -> Record:
        """A patient of whom nothing is known."""
        timeline = Timeline()
        state = rebuild(self.model, self.ontology, timeline)
        return Record(segments_known=0, entries_known=0, timeline=timeline, state=state, past=())

    def extended(self, record: Record, facts: Iterable[Fact]) -> tuple[Record, News]:
        """The record with facts added, and the new ones: those of its next segment."""
        after, change = self._with(record, (placed(record.timeline, facts),))
        if not change.novel:
            return record, News()
        news = News(gather(change.novel))
        return replace(after, digest=_chained(record.digest, news.payload)), news

    def folded(self, record: Record, segments: Iterable[Segment]) -> Record:
        """The record with segments of its own added."""
        news = list(segments)
        if not news:
            return record
        digest = record.digest
        for segment in news:
            digest = _chained(digest, encode(segment.facts))
        after, _ = self._with(record, (segment.facts for segment in news))
        return replace(after, segments_known=news[-1].number, digest=digest)

    def joined(self, record: Record, streams: Mapping[str, Sequence[Segment]]) -> Record:
        """The record with segments of its identifiers added. Who the patient is, the patient's own record says."""
        held = dict(record.streams)
        for alias, segments in streams.items():
            held[alias] = _further(held.get(alias, Stream()), segments)
        told = (fact for segments in streams.values() for segment in segments for fact in segment.facts)
        after, _ = self._with(record, ([fact for fact in told if not isinstance(fact, Demographics)],))
        return replace(after, streams=held)

    def _with(self, record: Record, batches: Iterable[Iterable[Fact]]) -> tuple[Record, Change]:
        timeline, change = record.timeline.followed_by(batches)
        if not change.novel:
            return record, change
        state = update(self.model, self.ontology, record.state, timeline, change)
        return replace(record, timeline=timeline, state=state), change

    def as_of(self, record: Record, learned: datetime) -> Record:
        """The record as it was known at an instant."""
        timeline = record.timeline.as_of(learned)
        return replace(record, timeline=timeline, state=rebuild(self.model, self.ontology, timeline))


class Records:
    """The most recently used records, bounded by what they hold together: facts, log entries, and one for itself.

    Parameters
    ----------
    tied : callable
        Pseudonyms of a patient's identifiers, under which sources tell of them.
    simulated : bool
        Whether callers say what time it is: one that lies before what is on record is no fault of a clock then.
    """

    def __init__(
        self,
        store: TwinStore,
        twinner: Twinner,
        *,
        capacity: int,
        tied: Callable[[str], Sequence[str]] = lambda _: (),
        simulated: bool = False,
    ) -> None:
        self._tied = tied
        self._simulated = simulated
        self._store = store
        self._twinner = twinner
        self._capacity = capacity
        self._held: OrderedDict[str, Record] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def check_clock(self, record: Record, now: datetime) -> None:
        """Raises ClockBehind where what is known was learned later than now: whatever is newer would pass unseen."""
        if not self._simulated and record.timeline.ahead_of(now + CLOCK_MARGIN):
            raise ClockBehind("this machine's clock is behind what is on record of the patient")

    def load(self, patient: str) -> Record:
        """The record as the store has it now.

        Raises
        ------
        PatientErased, IntegrityError, DependencyDown
            From the store; an erased patient is forgotten here too.
        """
        with self._lock:
            held = self._held.get(patient)
        record = held or self._twinner.empty()
        try:
            fresh = self._caught_up(patient, record)
        except TwinlineError:
            self.forget(patient)
            raise
        self.keep(patient, fresh)
        return fresh

    def seen(self, patient: str) -> frozenset[bytes]:
        """What the record in memory has read already; nothing if there is none."""
        with self._lock:
            held = self._held.get(patient)
        return held.seen if held is not None else frozenset()

    def extend(self, record: Record, facts: Iterable[Fact]) -> tuple[Record, News]:
        """A record with facts added; neither is remembered by that."""
        return self._twinner.extended(record, facts)

    def keep(self, patient: str, record: Record) -> None:
        """Remember a record unless a newer one is held; let the least used go when they are too large together."""
        with self._lock:
            held = self._held.pop(patient, None)
            if held is not None:
                self._size -= _size(held)
                record = max(record, held, key=_age)  # of two that hold the same, the one that was read last
            self._held[patient] = record
            self._size += _size(record)
            while self._size > self._capacity:
                _, gone = self._held.popitem(last=False)
                self._size -= _size(gone)

    def forget(self, patient: str) -> None:
        """Let one record go."""
        with self._lock:
            held = self._held.pop(patient, None)
            self._size -= _size(held) if held else 0

    def _caught_up(self, patient: str, record: Record) -> Record:
        streams = self._told(patient, record)
        if not streams.keys() >= record.streams.keys():  # something is not the patient's any more
            self.forget(patient)
            record = self._twinner.empty()
            streams = self._told(patient, record)
        record = self._twinner.folded(record, self._store.segments(patient, after=record.segments_known))
        if any(streams.values()):
            record = self._twinner.joined(record, streams)
        entries = self._store.entries(patient, after=record.entries_known)
        return with_entries(record, entries) if entries else record

    def _told(self, patient: str, record: Record) -> dict[str, Sequence[Segment]]:
        """What sources have told of the patient since, by identifier; one that was erased is the patient's no more."""
        found = {}
        for alias in self._tied(patient):
            with suppress(PatientErased):
                found[alias] = self._store.segments(alias, after=record.streams.get(alias, Stream()).number)
        return found


def with_entries(record: Record, entries: Sequence[Entry]) -> Record:
    """The record with log entries added."""
    found = (one.decision or one.feedback or one.untaken for one in entries)
    past = tuple(one for one in found if one is not None and _is_remembered(one))
    return replace(record, entries_known=entries[-1].number, past=record.past + past)


def _further(stream: Stream, segments: Sequence[Segment]) -> Stream:
    for segment in segments:
        said = [one for one in segment.facts if one.provenance is None or not one.provenance.samples]
        digest = _chained(stream.digest, encode(gather(said))) if said else stream.digest
        stream = Stream(number=segment.number, digest=digest)
    return stream


def _chained(digest: str, payload: bytes) -> str:
    return hashlib.sha256(digest.encode() + payload).hexdigest()


def _is_remembered(one: Remembered) -> bool:
    return not isinstance(one, Decision) or one.suppression in (Suppression.NONE, Suppression.SHADOW)


def _size(record: Record) -> int:
    return len(record.timeline) + len(record.past) + len(record.seen) + 1


def _age(record: Record) -> tuple[int, int, int]:
    return record.segments_known, record.entries_known, sum(one.number for one in record.streams.values())
