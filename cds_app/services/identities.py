"""Who is meant: identifiers by which sources name people, tied to patients by explicit statements only.

What a source tells of an identifier is kept under that identifier, and is never moved. A **tie** says whose it is:
of a patient, because the EHR's Patient carries the identifier, or of another identifier, because the registration
merged the two. An untied identifier's facts wait. A merge, and its undoing, changes a tie and no fact.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec

from cds_app.errors import Conflict, IntegrityError
from cds_app.fabric.identifiers import Identifier
from cds_app.ports import Cabinet, Clock, Document

TIE: Final = "tie"
TIED: Final = "tied"
MOST_TIED: Final = 100
"""Identifiers that one patient may have: whoever claims more is no person."""
_TRIES: Final = 20
_REMEMBERED: Final = 20_000

By = Literal["record", "merge", "operator"]
Told = Literal["tied", "known", "older", "contested", "circular", "too-many"]

_Kept = TypeVar("_Kept")


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """Whose an identifier is.

    Parameters
    ----------
    to : str
        Pseudonym of a patient or of another identifier; "" for nobody.
    by : {"record", "merge", "operator"}
        Who said so: a Patient of the EHR's record; a merge, or its undoing, of the registration; an operator. A record
        never overrules the other two.
    at : datetime
        When they said so.
    contested : bool
        Whether the records of two patients carry it: then it is neither's until somebody else decides.
    """

    to: str
    by: By
    at: datetime
    contested: bool = False


_TIE: Final = msgspec.msgpack.Decoder(Tie)
_NAMES: Final = msgspec.msgpack.Decoder(tuple[str, ...])


@dataclass(slots=True)
class _Lately:
    """Claims of records that were made already. Bounded; the oldest go first."""

    seen: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def known(self, claim: tuple[str, str]) -> bool:
        with self.lock:
            return claim in self.seen

    def note(self, claim: tuple[str, str]) -> None:
        with self.lock:
            self.seen[claim] = None
            while len(self.seen) > _REMEMBERED:
                self.seen.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Identities:
    """Ties between identifiers and patients.

    Parameters
    ----------
    cabinet : Cabinet
    pseudonym : callable
        `cds_app.ports.TwinStore.pseudonym`.
    clock : Clock
    systems : frozenset of str
        Systems of the identifiers by which sources name people; all others are left alone.
    """

    cabinet: Cabinet
    pseudonym: Callable[[str, str], str]
    clock: Clock
    systems: frozenset[str] = frozenset()
    _lately: _Lately = field(default_factory=_Lately)

    def alias(self, tenant: str, identifier: Identifier) -> str:
        """Pseudonym of an identifier, within which its facts are kept. Never that of a patient's FHIR id."""
        system, value = identifier
        return self.pseudonym(f"identifier\n{system}\n{tenant}", value)

    def learn(self, tenant: str, patient: str, identifiers: Iterable[Identifier]) -> None:
        """Tie what the EHR's Patient carries to the patient's pseudonym. Raises DependencyDown, IntegrityError."""
        for identifier in identifiers:
            if identifier[0] not in self.systems:
                continue
            alias = self.alias(tenant, identifier)
            if not self._lately.known((alias, patient)):
                self.tie(alias, Tie(to=patient, by="record", at=self.clock.now()))
                self._lately.note((alias, patient))

    def same(self, tenant: str, one: Identifier, others: Iterable[Identifier]) -> None:
        """Say that a source calls one person by several identifiers: who is tied to none goes with who is tied.

        Raises
        ------
        DependencyDown, IntegrityError
        """
        alias = self.alias(tenant, one)
        for other in others:
            claim = (alias, self.alias(tenant, other))
            if not self._lately.known(claim) and self.owner(claim[1]) and not self.owner(alias):
                self.tie(alias, Tie(to=claim[1], by="record", at=self.clock.now()))
                self._lately.note(claim)

    def tied(self, name: str) -> tuple[str, ...]:
        """All identifiers of a patient, those that were merged into them included, in a fixed order."""
        found: dict[str, None] = {}
        todo = [name]
        while todo and len(found) < MOST_TIED:
            for one in self._children(todo.pop()):
                if one not in found and one != name:
                    found[one] = None
                    todo.append(one)
        return tuple(sorted(found))

    def owner(self, alias: str) -> str:
        """The patient whose an identifier is, through all merges; "" if it waits."""
        seen, name = {alias}, alias
        while (tie := self._tie(name)[1]) is not None and tie.to and tie.to not in seen:
            name = tie.to
            seen.add(name)
        return name if name != alias and self._tie(name)[1] is None else ""

    def ties(self, name: str) -> tuple[tuple[str, Tie], ...]:
        """Everything that is tied to a patient, through all merges, with who said so and when."""
        found = ((one, self._tie(one)[1]) for one in self.tied(name))
        return tuple((one, tie) for one, tie in found if tie is not None)

    def waiting(self, aliases: Iterable[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Those (source, identifier) whose facts no patient has yet."""
        return tuple((source, alias) for source, alias in aliases if not self.owner(alias))

    def tie(self, alias: str, tie: Tie) -> Told:
        """Say whose an identifier is, unless something newer or weightier was said. Repeated, it changes nothing.

        Raises
        ------
        Conflict
            If others write to the same identifiers all the time.
        DependencyDown, IntegrityError
        """
        for _ in range(_TRIES):
            try:
                return self._once(alias, tie)
            except Conflict:
                continue
        return self._once(alias, tie)

    def _once(self, alias: str, wish: Tie) -> Told:
        document, known = self._tie(alias)
        made = _judged(known, wish)
        if not isinstance(made, Tie):
            self._hang(alias, known.to if known else "")  # a process may have ended between the two documents
            return made
        if made.to and (made.to == alias or alias in self._above(made.to)):
            return "circular"
        if made.to and alias not in self._children(made.to) and len(self._children(made.to)) >= MOST_TIED:
            return "too-many"
        self._write(TIE, alias, document, made)
        if known is not None and known.to != made.to:
            self._unhang(alias, known.to)
        self._hang(alias, made.to)
        return "contested" if made.contested else "tied"

    def _above(self, name: str) -> set[str]:
        found: set[str] = set()
        while (tie := self._tie(name)[1]) is not None and tie.to and tie.to not in found:
            name = tie.to
            found.add(name)
        return found

    def _hang(self, alias: str, to: str) -> None:
        if to and alias not in self._children(to):
            document = self.cabinet.read(TIED, to, self.clock.now())
            self._write(TIED, to, document, (*self._children(to), alias))

    def _unhang(self, alias: str, to: str) -> None:
        if to and alias in self._children(to):
            document = self.cabinet.read(TIED, to, self.clock.now())
            self._write(TIED, to, document, tuple(one for one in self._children(to) if one != alias))

    def _tie(self, alias: str) -> tuple[Document | None, Tie | None]:
        document = self.cabinet.read(TIE, alias, self.clock.now())
        return document, _decoded(_TIE, document) if document else None

    def _children(self, name: str) -> tuple[str, ...]:
        document = self.cabinet.read(TIED, name, self.clock.now())
        return _decoded(_NAMES, document) if document else ()

    def _write(self, kind: str, name: str, known: Document | None, content: Tie | tuple[str, ...]) -> None:
        version = known.version if known else 0
        encoded = msgspec.msgpack.encode(content)
        self.cabinet.write(Document(kind=kind, name=name, version=version, content=encoded), self.clock.now())


def _judged(known: Tie | None, wish: Tie) -> Tie | Told:
    """What a statement makes of what was said before: a new tie, or why there is none."""
    if known is None:
        return wish
    if wish.by == "record":
        return _claimed(known, wish)
    if known.by != "record" and known.at >= wish.at:
        return "known" if known.to == wish.to else "older"
    return wish


def _claimed(known: Tie, wish: Tie) -> Tie | Told:
    """What a patient's record makes of it: it fills a gap, contradicts another record, and overrules nobody."""
    if known.contested:
        return "contested"
    if not known.to:
        return wish
    if known.to == wish.to or known.by != "record":
        return "known"
    return Tie(to="", by="record", at=wish.at, contested=True)


def _decoded(decoder: msgspec.msgpack.Decoder[_Kept], document: Document) -> _Kept:
    try:
        return decoder.decode(document.content)
    except msgspec.MsgspecError:
        raise IntegrityError("a tie is malformed") from None
