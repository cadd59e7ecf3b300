"""What a group of jobs would write: worked out in full before a database sees any of it.

The same draft serves every store: a job either adds all of its rows to the draft or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from cds_app.adapters.sealed.ledger import Head, LogRow, Note, is_genuine, link, sealed_head, stamp
from cds_app.adapters.sealed.sealing import (
    GOVERNANCE,
    NOBODY,
    SegmentRow,
    erasure_note,
    notes_of,
    seal_note,
    seal_segment,
    stored_name,
    switch_note,
)
from cds_app.adapters.sealed.vault import Vault
from cds_app.domain.arrivals import Arrival
from cds_app.domain.codec import News
from cds_app.domain.facts import Facts
from cds_app.domain.switches import Switch
from cds_app.errors import Conflict, IntegrityError, NotFound, PatientErased
from cds_app.ports import Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A commit with its payloads encoded: what is left to do needs the store.

    Parameters
    ----------
    facts : bytes
        Encoded facts; empty if the commit brings none.
    realm, resources : str, tuple of str
        Which resources the facts are of (``Type/id``), and within what they have their ids.
    rests_on_nothing : bool
        Whether it was computed from nothing that the store holds, and so fits on whatever is there.
    """

    patient: str
    segments_known: int
    entries_known: int
    learned: str
    facts: bytes
    notes: tuple[Note, ...]
    realm: str = ""
    resources: tuple[str, ...] = ()
    rests_on_nothing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the store holds of one patient.

    Parameters
    ----------
    wrapped_key : bytes
        Empty if the patient was erased.
    segments : int
        Number of the newest segment.
    entries : int
        Number of the newest log entry.
    """

    patient: str
    wrapped_key: bytes
    segments: int = 0
    entries: int = 0


class MentionRow(NamedTuple):
    """Which resources a segment is of, in the order of the table's columns.

    ``resources`` is as `Vault.mentions` makes it; None in a segment that was written before this was noted.
    """

    patient: str
    number: int
    resources: bytes | None


class PatientRow(NamedTuple):
    """A patient whom the store has not seen before: those columns of the patients table that are filled then."""

    pseudonym: str
    wrapped_key: bytes
    created: str


def prepare(commit: Commit) -> Job:
    """Encode a commit's payloads.

    Raises
    ------
    BadRequest
        If a payload cannot be encoded.
    ValueError
        If there are facts or decisions of nobody, or a time is not aware.
    """
    if not commit.patient and (commit.news.payload or commit.decisions or commit.untaken):
        raise ValueError("patient: facts, decisions and what became of them need one")
    return Job(
        patient=stored_name(commit.patient),
        segments_known=commit.segments_known,
        entries_known=commit.entries_known,
        learned=stamp(commit.learned),
        facts=commit.news.payload,
        notes=notes_of(commit),
        realm=commit.realm,
        resources=resources_of(commit.news.facts) if commit.realm else (),
    )


def prepare_arrival(arrival: Arrival) -> Job:
    """Encode the facts of an arrival.

    Raises
    ------
    BadRequest
        If they cannot be encoded.
    """
    return Job(
        patient=arrival.patient,
        segments_known=0,
        entries_known=0,
        learned=stamp(arrival.received),
        facts=News(arrival.facts).payload,
        notes=(),
        realm=arrival.realm,
        resources=resources_of(arrival.facts) if arrival.realm else (),
        rests_on_nothing=True,
    )


def of_nobody(note: Note) -> Job:
    """A job that writes one note which is about the service and belongs to no patient."""
    return Job(patient=GOVERNANCE, segments_known=0, entries_known=0, learned=note.at, facts=b"", notes=(note,))


def prepare_turn(switch: Switch, known: int) -> Job:
    """Encode a turn of a switch, by somebody who knows of so many turns.

    Raises
    ------
    BadRequest
        If a text cannot be encoded.
    """
    return of_nobody(switch_note(switch, known))


class Draft:
    """Rows to write in one transaction.

    Parameters
    ----------
    head : Head or None
        End of the log as the transaction finds it.
    standings : iterable of Standing
        Every patient of the jobs whom the store knows.
    known : iterable of str
        Those ids of the jobs' notes that are in the log already.

    Raises
    ------
    IntegrityError
        If the head is missing or was changed: nothing may be added to such a log.
    """

    def __init__(self, vault: Vault, head: Head | None, standings: Iterable[Standing], known: Iterable[str]) -> None:
        if head is None or not is_genuine(vault, head):
            raise IntegrityError("the head of the log is missing or was changed")
        self._vault = vault
        self._standings = {standing.patient: standing for standing in standings}
        self._known = set(known)
        self.head = head
        self.patients: list[PatientRow] = []
        self.segments: list[SegmentRow] = []
        self.mentions: list[MentionRow] = []
        self.log: list[LogRow] = []

    def commit(self, job: Job) -> int:
        """Add a job; returns the patient's number of segments.

        Raises
        ------
        Conflict, PatientErased, IntegrityError
            Nothing was added.
        """
        standing = self._standings.get(job.patient)
        _check_versions(job, standing)
        notes = self._new_notes(job)
        if not job.facts and not notes:
            return standing.segments if standing else 0
        return self._write(job, notes, standing or self._admit(job))

    def erase(self, patient: str, at: datetime) -> bool:
        """Add the log entry of an erasure; False if it is there already. Raises NotFound."""
        standing = self._standings.get(patient)
        if standing is None or patient in NOBODY:
            raise NotFound("no such patient", field="patient")
        if not standing.wrapped_key:
            return False
        self._append(patient, erasure_note(patient, at), b"")
        return True

    def _new_notes(self, job: Job) -> list[Note]:
        """Notes that are not in the log. To be told the same of a card is no news; to decide it again is a mistake."""
        fresh: dict[str, Note] = {}
        for note in job.notes:
            if note.id in self._known or note.id in fresh:
                if note.kind not in ("feedback", "untaken"):
                    raise Conflict(f"a {note.kind} with this id is in the log already", field=f"{note.kind}s")
                continue
            fresh[note.id] = note
        return list(fresh.values())

    def _admit(self, job: Job) -> Standing:
        wrapped = self._vault.new_key(job.patient)
        self.patients.append(PatientRow(job.patient, wrapped, job.learned))
        return Standing(patient=job.patient, wrapped_key=wrapped)

    def _write(self, job: Job, notes: list[Note], standing: Standing) -> int:
        cipher = self._vault.cipher(standing.wrapped_key, job.patient)
        segments = standing.segments + bool(job.facts)
        if job.facts:
            self.segments.append(seal_segment(cipher, job.patient, segments, job.learned, job.facts))
            mentioned = self._vault.mentions(job.realm, job.resources)
            self.mentions.append(MentionRow(job.patient, segments, mentioned))
        for note in notes:
            self._append(job.patient, note, seal_note(cipher, job.patient, self.head.number + 1, note))
        entries = self.head.number if notes else standing.entries
        self._standings[job.patient] = replace(standing, segments=segments, entries=entries)
        return segments

    def _append(self, patient: str, note: Note, payload: bytes) -> None:
        row = link(self._vault, self.head, patient, note, payload)
        self.log.append(row)
        self.head = sealed_head(self._vault, row)
        self._known.add(note.id)


def resources_of(facts: Facts) -> tuple[str, ...]:
    """Those that facts are of; a part of one (``Observation/1#c0``) goes with it."""
    return tuple(dict.fromkeys(fact.ref.partition("#")[0] for fact in facts))


def _check_versions(job: Job, standing: Standing | None) -> None:
    if standing is not None and not standing.wrapped_key:
        raise PatientErased("the patient was erased")
    if job.rests_on_nothing or job.patient in NOBODY:  # nothing is computed for nobody
        return
    found = (standing.segments, standing.entries) if standing else (0, 0)
    if found != (job.segments_known, job.entries_known):
        raise Conflict("the patient was written to by another call")
