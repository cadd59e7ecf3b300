"""ADT messages: who is meant, which stay it is about, and whose numbers were merged or parted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cds_app.fabric.hl7.messages import Message, Segment, Unusable, time_of
from cds_app.fabric.hl7.results import Dialect, identity, sent_at
from cds_app.fabric.identifiers import Identifier

_STATUS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("A01", "A02", "A04", "A08", "A12", "A13"), "in-progress"),
    "A03": "finished",
    "A11": "entered-in-error",
}
"""What an event says of the stay; A31 speaks of the person only."""
_CLASS: Final[Mapping[str, str]] = {"I": "IMP", "E": "EMER", "O": "AMB", "P": "PRENC", "R": "AMB", "B": "IMP"}
"""PV1-2, HL7 table 0004, as FHIR's ActCode."""
_BEGINS: Final = frozenset({"A01", "A04"})
EVENTS: Final = frozenset({*_STATUS, "A31", "A37", "A40"})
PAIRED: Final = frozenset({"A37", "A40"})
"""Events that speak of several people."""
_ENDED: Final = frozenset({"A02", "A08"})
"""Events that say nothing of the end, and may come after it: the end that they carry counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """One number was merged into another, or parted from it again (``into`` None)."""

    prior: Identifier
    into: Identifier | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Who gives out the numbers by which people are named here.

    Parameters
    ----------
    systems : mapping of str to str
        Assigning authority (PID-3.4: namespace or universal id), or ``authority/type`` with PID-3.5, to the system of
        the identifier in the EHR's FHIR record. The first one that a message holds names the person.
    """

    systems: Mapping[str, str]

    def named(self, segment: Segment, number: int) -> tuple[Identifier, ...]:
        """Identifiers in a field of type CX that are known here, in the order of the table."""
        found = [one for row in segment.repeats(number) for one in self._read(segment, row)]
        return tuple(dict.fromkeys(one for _, one in sorted(found, key=lambda pair: pair[0])))

    def _read(self, segment: Segment, row: str) -> Iterator[tuple[int, Identifier]]:
        value, kind = segment.part(row, 1), segment.part(row, 5)
        authorities = filter(None, (segment.part(row, 4, at) for at in (1, 2)))
        for authority in authorities:
            for at, (name, system) in enumerate(self.systems.items()):
                if value and name in (authority, f"{authority}/{kind}"):
                    yield at, (system, value)


def person_of(message: Message, registry: Registry) -> tuple[Identifier, ...]:
    """What the person of a message is called, by weight.

    Raises
    ------
    Unusable
        If it has no number, or none that is known here: nobody is guessed by name or bed.
    """
    pid = message.first("PID")
    if pid is None or not pid.repeats(3):
        raise Unusable("no-identifier", "PID-3")
    found = registry.named(pid, 3)
    if not found:
        raise Unusable("unknown-identifier", "PID-3")
    return found


def stay_of(message: Message, dialect: Dialect) -> dict[str, Any] | None:
    """The stay that the message is about, as an Encounter; None if it names none or says nothing of it."""
    status, reference = _STATUS.get(message.event, ""), encounter_of(message, dialect)
    pv1 = message.first("PV1")
    if pv1 is None or not status or not reference:
        return None
    if message.event in _ENDED and time_of(pv1.text(45), dialect.zone):
        status = "finished"
    told = sent_at(message, dialect)
    start = time_of(pv1.text(44), dialect.zone)
    if not start and message.event in _BEGINS:
        start = _happened(message, dialect)
    if not start and status != "entered-in-error":
        return None  # a stay without its beginning would hide the one that has it
    end = (time_of(pv1.text(45), dialect.zone) or _happened(message, dialect)) if status == "finished" else ""
    return {
        "resourceType": "Encounter",
        "id": reference.partition("/")[2],
        "status": status,
        "class": {"code": _CLASS.get(pv1.text(2), pv1.text(2))},
        "subject": {"reference": dialect.subject},
        "period": {**({"start": start} if start else {}), **({"end": end} if end else {})},
        "type": [{"text": " ".join(filter(None, (pv1.text(10), pv1.text(3))))}],
        **({"meta": {"lastUpdated": told}} if told else {}),
    }


def encounter_of(message: Message, dialect: Dialect) -> str:
    """Reference of the stay, by its visit number (PV1-19); "" if it has none."""
    pv1 = message.first("PV1")
    number = pv1.raw(19) if pv1 is not None else ""
    return f"Encounter/{identity(dialect.source, 'visit', number)}" if number else ""


def merges_of(message: Message, registry: Registry) -> Sequence[Merge]:
    """What A40 merges: numbers of each MRG into that of the PID before it; what A37 parts: the second from the first.

    Raises
    ------
    Unusable
        If a number that is to be merged is not there or not known here.
    """
    if message.event == "A37":
        parted = list(message.all("PID"))[1:2]
        if not parted:
            raise Unusable("no-identifier", "PID-3")
        return [Merge(prior=_numbers(pid, 3, registry)[0], into=None) for pid in parted]
    if message.event != "A40":
        return ()
    found: list[Merge] = []
    into: Identifier | None = None
    for segment in message.segments:
        if segment.name == "PID":
            into = _numbers(segment, 3, registry)[0]
        elif segment.name == "MRG" and into is not None:
            found += [Merge(prior=one, into=into) for one in _numbers(segment, 1, registry) if one != into]
    if not found:
        raise Unusable("no-identifier", "MRG-1")
    return found


def _numbers(segment: Segment, field: int, registry: Registry) -> tuple[Identifier, ...]:
    found = registry.named(segment, field)
    if not found:
        raise Unusable("unknown-identifier" if segment.repeats(field) else "no-identifier", f"{segment.name}-{field}")
    return found


def _happened(message: Message, dialect: Dialect) -> str:
    evn = message.first("EVN")
    if evn is None:
        return ""
    return time_of(evn.text(6), dialect.zone) or time_of(evn.text(2), dialect.zone)
