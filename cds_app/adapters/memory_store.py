"""The memory without a database: the same rules, seals and chain, gone when the process ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from threading import Lock

from cds_app.adapters.sealed.drafting import Draft, MentionRow, Standing, prepare, prepare_turn
from cds_app.adapters.sealed.ledger import EMPTY, LogRow, check_chain, stamp
from cds_app.adapters.sealed.mentioning import holding
from cds_app.adapters.sealed.sealing import SegmentRow, open_entry, open_segment, stored_name
from cds_app.adapters.sealed.turning import check_stand, count_of, turns_of
from cds_app.adapters.sealed.vault import Cipher, Vault
from cds_app.adapters.sql.arriving import ArrivalRow, Key, arrival_rows, draft_arrivals, tally_of
from cds_app.domain.arrivals import Arrival, Receipt, Tally
from cds_app.domain.decisions import Verdict
from cds_app.domain.switches import Switch
from cds_app.errors import DependencyDown, PatientErased
from cds_app.ports import Commit, Count, Entry, Segment


class MemoryStore:
    """`cds_app.ports.TwinStore` for tests and demonstrations, in one process.

    Parameters
    ----------
    vault : Vault
        The keys: payloads are sealed here as they are in a database.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._lock = Lock()
        self._closed = False
        self._head = EMPTY
        self._keys: dict[str, bytes] = {}  # empty once erased
        self._segments: dict[str, list[SegmentRow]] = defaultdict(list)
        self._mentions: list[MentionRow] = []
        self._log: list[LogRow] = []
        self._arrivals: dict[Key, ArrivalRow] = {}
        self._numbers: dict[str, int] = {}  # of entries, by id

    def pseudonym(self, tenant: str, patient: str) -> str:
        return self._vault.pseudonym(tenant, patient)

    def segments(self, patient: str, *, after: int = 0) -> Sequence[Segment]:
        with self._lock:
            cipher = self._living(stored_name(patient))
            rows = self._segments.get(stored_name(patient), [])[after:]
        return tuple(open_segment(cipher, row) for row in rows) if cipher else ()

    def entries(self, patient: str, *, after: int = 0) -> Sequence[Entry]:
        name = stored_name(patient)
        with self._lock:
            ciphers = {name: self._living(name)}
            rows = [row for row in self._log[after:] if row.patient == name]
        return tuple(open_entry(ciphers, row) for row in rows)

    def commit(self, commit: Commit) -> int:
        job = prepare(commit)
        with self._lock:
            draft = self._draft([job.patient], self._numbers.keys() & {note.id for note in job.notes})
            segments = draft.commit(job)
            self._apply(draft)
        return segments

    def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        rows = arrival_rows(self._vault, arrivals)
        with self._lock:
            draft = self._draft([one.patient for one in arrivals])
            receipts = draft_arrivals(draft, arrivals, rows, self._arrivals.keys())
            self._apply(draft)
            told = zip(rows, receipts, strict=True)
            self._arrivals |= {row.key: row for row, receipt in told if receipt in ("stored", "refused")}
        return receipts

    def arrived(self) -> Sequence[Tally]:
        with self._lock:
            rows = sorted(self._arrivals.values(), key=lambda row: (row.source, row.refused))
        found = []
        for (source, refused), group in groupby(rows, key=lambda row: (row.source, row.refused)):
            same = list(group)
            times = sorted(row.received for row in same)
            found.append(tally_of(source, refused, len(same), sum(row.facts for row in same), times[0], times[-1]))
        return tuple(found)

    def aliases(self) -> Sequence[tuple[str, str]]:
        with self._lock:
            return sorted({(row.source, row.patient) for row in self._arrivals.values() if row.alias and row.patient})

    def holders(self, realm: str, resources: Collection[str]) -> Mapping[str, bool]:
        with self._lock:
            rows = [(row.patient, row.resources) for row in self._mentions]
        return holding(self._vault.mentions(realm, resources), rows)

    def find(self, decision: str) -> Entry | None:
        with self._lock:
            number = self._numbers.get(decision)
            row = self._log[number - 1] if number else None
        return self._opened(row) if row and row.kind == "decision" else None

    def journal(self) -> Iterator[Entry]:
        with self._lock:
            rows = list(self._log)
        return map(self._opened, rows)

    def turn(self, switch: Switch) -> None:
        with self._lock:
            turns = self._turns()
            check_stand(switch, turns)
            job = prepare_turn(switch, len(turns))
            draft = self._draft([job.patient], self._numbers.keys() & {note.id for note in job.notes})
            draft.commit(job)
            self._apply(draft)

    def turns(self) -> Sequence[Switch]:
        with self._lock:
            return self._turns()

    def counts(self, since: datetime, until: datetime) -> Sequence[Count]:
        with self._lock:
            rows = [row for row in self._log if row.kind in ("decision", "feedback", "untaken")]
        among = (row for row in rows if stamp(since) <= row.at < stamp(until))
        found = Counter(
            (row.at[:13], row.service, row.topic, row.tier or 0, row.suppression, row.outcome) for row in among
        )
        return tuple(count_of(*same, number) for same, number in sorted(found.items()))

    def erase(self, patient: str, at: datetime) -> None:
        name = stored_name(patient)
        with self._lock:
            draft = self._draft([name])
            if draft.erase(name, at):
                self._keys[name] = b""
                self._segments.pop(name, None)
                self._mentions = [row for row in self._mentions if row.patient != name]
                self._apply(draft)

    def verify(self) -> Verdict:
        with self._lock:
            rows, head = tuple(self._log), self._head
        return check_chain(self._vault, rows, head)

    def ready(self) -> None:
        self._check_open()

    def close(self) -> None:
        self._closed = True

    def _turns(self) -> tuple[Switch, ...]:
        rows = [row for row in self._log if row.kind == "switch"]
        return turns_of(self._vault, ((self._keys[row.patient], *row) for row in rows))

    def _check_open(self) -> None:
        if self._closed:
            raise DependencyDown("the store is closed")

    def _living(self, patient: str) -> Cipher | None:
        """The patient's cipher; None if nobody knows the patient. Raises PatientErased."""
        wrapped = self._keys.get(patient)
        if wrapped == b"":
            raise PatientErased("the patient was erased")
        return None if wrapped is None else self._vault.cipher(wrapped, patient)

    def _opened(self, row: LogRow) -> Entry:
        wrapped = self._keys[row.patient]
        return open_entry({row.patient: self._vault.cipher(wrapped, row.patient) if wrapped else None}, row)

    def _draft(self, patients: Sequence[str], known: Collection[str] = ()) -> Draft:
        self._check_open()
        return Draft(self._vault, self._head, map(self._standing, self._keys.keys() & set(patients)), known)

    def _standing(self, patient: str) -> Standing:
        entries = (row.number for row in reversed(self._log) if row.patient == patient)
        return Standing(
            patient=patient,
            wrapped_key=self._keys[patient],
            segments=len(self._segments.get(patient, ())),
            entries=next(entries, 0),
        )

    def _apply(self, draft: Draft) -> None:
        self._keys |= {row.pseudonym: row.wrapped_key for row in draft.patients}
        for segment in draft.segments:
            self._segments[segment.patient].append(segment)
        self._mentions += draft.mentions
        self._log += draft.log
        self._numbers |= {row.id: row.number for row in draft.log}
        self._head = draft.head
