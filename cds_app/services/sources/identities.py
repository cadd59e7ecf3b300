"""Who is meant: identifiers by which sources name people, tied to patients by explicit statements only.

What a source tells of an identifier is kept under that identifier, and is never moved. A **tie** says whose it is:
of a patient, because the EHR's Patient carries the identifier, or of another identifier, because the registration
merged the two. An untied identifier's facts wait. A merge, and its undoing, changes a tie and no fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from cds_app.errors import Conflict, IntegrityError
from cds_app.fabric.identifiers import Identifier
from cds_app.ports import Cabinet, Clock, Document

TIE: Final = "tie"
TIED: Final = "tied"
MINUTE: Final = "minute"
"""Of documents of samples that wait, ``SOURCE/ALIAS/...``."""
MOST_TIED: Final = 100
"""Identifiers that may be tied to one patient, or merged into one identifier: whoever claims more is no person."""
_TRIES: Final = 20

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
        Whether the records of two patients carry it: then it is neither's until somebody else decides, or the two turn
        out to be one.
    claims : tuple of str
        Whose records carry it while it is contested; nobody's if they are too many to be one person ever.
    after : datetime or None
        Of what records say: when a merge or an operator spoke of it before.
    """

    to: str
    by: By
    at: datetime
    contested: bool = False
    claims: tuple[str, ...] = ()
    after: datetime | None = None

    @property
    def ruled(self) -> datetime | None:
        """When a merge or an operator last spoke of it; None if neither did."""
        return self.after if self.by == "record" else self.at


_TIE: Final = msgspec.msgpack.Decoder(Tie)
_NAMES: Final = msgspec.msgpack.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Identities:
    """Ties between identifiers and patients.

    Parameters
    ----------
    pseudonym : callable
        `cds_app.ports.TwinStore.pseudonym`.
    systems : frozenset of str
        Systems of the identifiers by which sources name people; all others are left alone.
    """

    cabinet: Cabinet
    pseudonym: Callable[[str, str], str]
    clock: Clock
    systems: frozenset[str] = frozenset()

    def alias(self, tenant: str, identifier: Identifier) -> str:
        """Pseudonym of an identifier, within which its facts are kept. Never that of a patient's FHIR id."""
        system, value = identifier
        return self.pseudonym(f"identifier\n{system}\n{tenant}", value)

    def learn(self, tenant: str, patient: str, identifiers: Iterable[Identifier]) -> None:
        """Tie what the EHR's Patient carries to the patient's pseudonym. Raises DependencyDown, IntegrityError."""
        for identifier in identifiers:
            if identifier[0] in self.systems:
                self.tie(self.alias(tenant, identifier), Tie(to=patient, by="record", at=self.clock.now()))

    def same(self, tenant: str, one: Identifier, others: Iterable[Identifier]) -> None:
        """Say that a source calls one person by several identifiers: who is tied to none goes with who is tied.

        Raises
        ------
        DependencyDown, IntegrityError
        """
        names = [self.alias(tenant, each) for each in (one, *others)]
        known = next((name for name in names if self.owner(name)), "")
        for name in names if known else ():
            if not self.owner(name):
                self.tie(name, Tie(to=known, by="record", at=self.clock.now()))

    def tied(self, name: str) -> tuple[str, ...]:
        """All identifiers of a patient, those that were merged into them included, in a fixed order.

        Notes
        -----
        What is tied is told by the ties; the list of them only says where to look, and may lag behind.
        """
        found: dict[str, None] = {}
        todo = [name]
        while todo:
            parent = todo.pop()
            for one in self._children(parent):
                tie = self._tie(one)[1] if one not in found and one != name else None
                if tie is not None and tie.to == parent:
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

    def refusal(self, wishes: Iterable[tuple[str, Tie]]) -> Told | None:
        """Why not all of some statements can be followed, one after the other; None if they can. Writes nothing."""
        said: dict[str, Tie] = {}
        for alias, wish in wishes:
            made = self._judged(said.get(alias) or self._tie(alias)[1], wish)
            if not isinstance(made, Tie):
                continue
            refused = self._refused(alias, made.to, said)
            if refused is not None:
                return refused
            said[alias] = made
        return None

    def _once(self, alias: str, wish: Tie) -> Told:
        document, known = self._tie(alias)
        made = self._judged(known, wish)
        if not isinstance(made, Tie):
            self._hang(alias, known.to if known else "")  # a process may have ended between the two documents
            return made
        refused = self._refused(alias, made.to, {})
        if refused is not None:
            return refused
        self._write(TIE, alias, document, made)
        if known is not None and known.to != made.to:
            self._unhang(alias, known.to)
        self._hang(alias, made.to)
        return "contested" if made.contested else "tied"

    def _judged(self, known: Tie | None, wish: Tie) -> Tie | Told:
        """What a statement makes of what was said before: a new tie, or why there is none."""
        if known is None:
            return wish
        if wish.by == "record":
            made = self._claimed(known, wish)
            return replace(made, after=known.ruled) if isinstance(made, Tie) else made
        if known.ruled is not None and known.ruled >= wish.at:
            return "known" if known.to == wish.to else "older"
        return wish

    def _claimed(self, known: Tie, wish: Tie) -> Tie | Told:
        """What a patient's record makes of it: it fills a gap, contradicts another record, and overrules nobody."""
        if known.contested and not known.claims:
            return "contested"
        if known.to and (known.to == wish.to or known.by != "record"):
            return "known"
        before = known.claims if known.contested else (known.to,) if known.to else ()
        claims = tuple(dict.fromkeys((*before, wish.to)))
        if len({self.owner(one) or one for one in claims}) == 1:
            return "known" if known.to else wish
        if claims == known.claims:
            return "contested"
        return Tie(to="", by="record", at=wish.at, contested=True, claims=claims if len(claims) <= MOST_TIED else ())

    def _refused(self, alias: str, to: str, said: Mapping[str, Tie]) -> Told | None:
        """Why an identifier cannot be tied to another one or a patient, if other ties are as ``said``."""
        if to and (to == alias or alias in self._above(to, said)):
            return "circular"
        beside = {*self._children(to), *(one for one, tie in said.items() if tie.to == to)} if to else frozenset()
        return "too-many" if alias not in beside and len(beside) >= MOST_TIED else None

    def _above(self, name: str, said: Mapping[str, Tie]) -> set[str]:
        found: set[str] = set()
        while (tie := said.get(name) or self._tie(name)[1]) is not None and tie.to and tie.to not in found:
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


def _decoded(decoder: msgspec.msgpack.Decoder[_Kept], document: Document) -> _Kept:
    try:
        return decoder.decode(document.content)
    except msgspec.MsgspecError:
        raise IntegrityError("a tie is malformed") from None
