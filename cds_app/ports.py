"""What Twinline needs from the outside, as protocols. Adapters implement them; only bootstrap knows which."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cds_app.domain.arrivals import Arrival, Receipt, Tally
from cds_app.domain.clients import Client
from cds_app.domain.codec import News
from cds_app.domain.decisions import Decision, Feedback, Untaken, Verdict
from cds_app.domain.facts import Facts
from cds_app.domain.issuers import TokenRequest
from cds_app.domain.switches import Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Facts of one patient that were learned together: the unit of writing.

    ``number`` counts from 1 without gaps per patient.
    """

    number: int
    learned: datetime
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the decision log. ``number`` counts over all patients without gaps; the chain runs over it."""

    number: int
    patient: str
    decision: Decision | None = None
    feedback: Feedback | None = None
    untaken: Untaken | None = None
    switch: Switch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many log entries of one hour have the same clear columns.

    ``hour`` is the entries' time, UTC, cut to the hour. ``suppression`` is "" for a card that was shown; ``outcome`` is
    "" for a decision, "untaken" for a card that was not taken.
    """

    hour: datetime
    service: str
    topic: str
    tier: int
    suppression: str
    outcome: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one request writes, all or nothing.

    Parameters
    ----------
    patient : str
        Pseudonym from `TwinStore.pseudonym`; "" for feedback on unknown cards.
    segments_known : int
        Number of the patient's segments the computation rests on.
    entries_known : int
        Number of the patient's newest log entry the computation rests on; 0 if none.
    news : News
        New facts; without any no segment is written.
    realm : str
        Within which the facts' resources have their ids, so that `TwinStore.holders` finds them; "" if nobody will ask.
    """

    patient: str
    segments_known: int
    entries_known: int
    learned: datetime
    news: News = field(default_factory=News)
    realm: str = ""
    decisions: tuple[Decision, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    untaken: tuple[Untaken, ...] = ()


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...


class TwinStore(Protocol):
    """The truth: facts in segments and the decision log, sealed per patient, durable before `commit` returns.

    One contract, three implementations (memory, SQLite, PostgreSQL), one test suite.
    """

    def pseudonym(self, tenant: str, patient: str) -> str:
        """Keyed pseudonym of a patient: the only form in which identity leaves the payload."""
        ...

    def segments(self, patient: str, *, after: int = 0) -> Sequence[Segment]:
        """Segments with a greater number, in order. Raises PatientErased, IntegrityError, DependencyDown."""
        ...

    def entries(self, patient: str, *, after: int = 0) -> Sequence[Entry]:
        """The patient's log entries with a greater number, in order. Raises as `segments`."""
        ...

    def commit(self, commit: Commit) -> int:
        """Write durably; returns the patient's number of segments afterwards.

        Feedback that is already there (same card, outcome and time) is swallowed, and that a card was not taken, too.

        Raises
        ------
        Conflict
            If the patient has other segments, or entries, than the commit rests on: nothing was written.
        PatientErased, DependencyDown
            Nothing was written.
        """
        ...

    def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt]:
        """Write what came from sources durably, all in one transaction; a receipt for each, in order.

        It rests on nothing that was known, so it never conflicts. What was refused is written down without content.

        Raises
        ------
        DependencyDown, IntegrityError
            Nothing was written.
        """
        ...

    def arrived(self) -> Sequence[Tally]:
        """Arrivals of `ARRIVALS_KEPT`, counted by source and by why they were refused."""
        ...

    def aliases(self) -> Sequence[tuple[str, str]]:
        """Source and pseudonym of every identifier under which something arrived in that time."""
        ...

    def holders(self, realm: str, resources: Collection[str]) -> Mapping[str, bool]:
        """Of whom any of some resources (``Type/id``) of a realm is kept; False: may be, from before that was noted."""
        ...

    def find(self, decision: str) -> Entry | None:
        """The log entry of a decision by its uuid."""
        ...

    def journal(self) -> Iterator[Entry]:
        """All log entries of all patients in order; payloads of erased patients come without decision or feedback."""
        ...

    def turn(self, switch: Switch) -> None:
        """Add a turn of a switch to the log, durably.

        A turn from where the switch does not stand any more raises Conflict: nothing was written.
        """
        ...

    def turns(self) -> Sequence[Switch]:
        """All turns of all switches, oldest first. Raises IntegrityError if one was changed; DependencyDown."""
        ...

    def counts(self, since: datetime, until: datetime) -> Sequence[Count]:
        """Decisions, and what became of them, from ``since``, before ``until``, counted by the log's clear columns."""
        ...

    def erase(self, patient: str, at: datetime) -> None:
        """Destroy the patient's key and say so in the log. Raises NotFound if there is no such patient."""
        ...

    def verify(self) -> Verdict:
        """Check every entry, seal and link of the decision log, its head, and the facts that its decisions rest on."""
        ...

    def ready(self) -> None:
        """Raise DependencyDown unless the store can be read and written now."""
        ...

    def close(self) -> None:
        """Finish what is queued and let go."""
        ...


class Meter(Protocol):
    """Counts what the service does. Names come from closed lists: services, topics, codes; never from a request."""

    def call(self, service: str, kind: str, status: int, seconds: float) -> None:
        """A request was answered. ``service`` is "" when it named none that there is."""
        ...

    def decided(self, decisions: Sequence[Decision], abstained: Iterable[tuple[str, str]], at_s: float) -> None:
        """A call was decided, at an instant in seconds since 1970; pairs of a risk and why it was not estimated."""
        ...

    def read(self, service: str, unknown: int, lost: Mapping[str, int]) -> None:
        """Resources with codes that nobody knows here, and those that were lost, by issue code."""
        ...

    def heard(self, feedback: Sequence[Feedback]) -> None:
        """Feedback was stored."""
        ...

    def untaken(self, lost: Sequence[Untaken]) -> None:
        """It was written down that these cards were not taken."""
        ...

    def took_in(self, source: str, ends: Mapping[str, int]) -> None:
        """Messages of a source, by receipt, or by why they were refused."""
        ...

    def stands(self, gauge: str, values: Mapping[str, float]) -> None:
        """How things stand now: one of the gauges ``breakers``, ``canary``, ``modes``, ``alarms``, by name."""
        ...


class FhirReader(Protocol):
    """Reads from the EHR's FHIR server on behalf of one call."""

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        """One resource or search set, pages followed, as parsed JSON.

        Raises
        ------
        DataUnavailable
            If the server refuses, fails, is too slow or answers with something else.
        """
        ...

    def allowed(self, base: str) -> bool:
        """Whether this FHIR base may be called at all."""
        ...

    def breakers(self) -> Sequence[str]:
        """Whether calls to each registered server go through: ``closed``, ``open`` or ``half-open``."""
        ...


class FhirWriter(Protocol):
    """Writes into the EHR: drafts, on behalf of a clinician who approved them, and our own subscriptions."""

    def create(self, base: str, resource: Mapping[str, Any], *, token: str, only_if_none: str, budget_s: float) -> str:
        """Create a resource once; returns its reference (``ServiceRequest/12``).

        Parameters
        ----------
        only_if_none : str
            Search that finds the resource if an earlier try has created it already (``If-None-Exist``).

        Raises
        ------
        DataUnavailable
            If the server refuses, fails or is too slow. Whether it has created the resource is then not known: trying
            again creates no second one.
        """
        ...

    def set_status(self, base: str, reference: str, status: str, *, token: str, budget_s: float) -> None:
        """Change the status of a resource, and nothing else of it. Raises as `create`."""
        ...


class ClientRegister(Protocol):
    """The trust records, shared by all processes. One contract, three implementations (memory, SQLite, PostgreSQL)."""

    def clients(self) -> Sequence[Client]:
        """All records by name. Raises DependencyDown, and IntegrityError if one was not written with our key."""
        ...

    def add(self, client: Client) -> None:
        """Write durably. Raises SettingsError if the name or the issuer is taken; nothing was written then."""
        ...

    def remove(self, name: str) -> None:
        """Delete durably. Raises NotFound."""
        ...


class SeenTokens(Protocol):
    """Which tokens were used, over threads, processes and restarts."""

    def first(self, issuer: str, token: str, *, until: float, now: float) -> bool:
        """Whether nobody used this token before: of many who ask about one token, exactly one hears yes.

        Parameters
        ----------
        token : str
            The issuer's name for it (``jti``); only a hash is kept.
        until : float
            When it need not be remembered any longer, seconds since 1970.

        Raises
        ------
        DependencyDown
            If it could not be written down; the token may then not be taken for new.
        """
        ...


class PublishedReader(Protocol):
    """Reads a document that is published to everybody: a key set, or what a server says of itself."""

    def read(self, url: str) -> bytes:
        """The document at exactly this URL. Raises DataUnavailable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A small thing that is kept under a name: an issuer, a key, a launch, a visit.

    Parameters
    ----------
    kind, name : str
    version : int
        Counts its writings from 1.
    content : bytes
    until : datetime or None
        When it is over; None for never.
    """

    kind: str
    name: str
    version: int
    content: bytes = field(repr=False)
    until: datetime | None = None


class Cabinet(Protocol):
    """Small documents, sealed, shared by all processes.

    One contract, three implementations (memory, SQLite, PostgreSQL). What is over is not there, for every method, and
    is swept some time after. All of them raise DependencyDown, and those that read IntegrityError if a document was
    not written with our key under this kind and name.
    """

    def read(self, kind: str, name: str, now: datetime) -> Document | None:
        """The document; None if there is none."""
        ...

    def all(self, kind: str, now: datetime) -> Sequence[Document]:
        """All documents of a kind, by name."""
        ...

    def write(self, document: Document, now: datetime) -> Document:
        """Write durably: a new one if its version is 0, else over the one of exactly this version.

        Returns
        -------
        Document
            As it is now, with the next version.

        Raises
        ------
        Conflict
            If there is one already, or another, or none: nothing was written.
        """
        ...

    def merge(self, documents: Sequence[Document], join: Callable[[bytes, bytes], bytes], now: datetime) -> None:
        """Write contents joined to what is there (b"" if nothing), all durably or none, whoever else does the same."""
        ...

    def take(self, kind: str, name: str, now: datetime) -> Document | None:
        """Remove a document and give it to exactly one of those who ask; None to everybody else."""
        ...


class TokenEndpoint(Protocol):
    """Asks authorisation servers for tokens."""

    def ask(self, request: TokenRequest) -> Mapping[str, Any]:
        """The answer, as parsed JSON.

        Raises
        ------
        GrantRefused
            If the server says no.
        DataUnavailable
            If it cannot be reached, is too slow, redirects, or answers with something else.
        """
        ...

    def revoke(self, request: TokenRequest) -> None:
        """Have a token count no more (RFC 7009); the form holds ``token`` and its ``token_type_hint``.

        Raises DataUnavailable if the server does not say that it did.
        """
        ...
