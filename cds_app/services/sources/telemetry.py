"""Telemetry: samples in, durable before they are acknowledged; minutes out, once no more is to be expected of them.

Workers share no memory. Samples wait in the cabinet, one sealed document for each device, person and minute, into which
any worker joins what it got; any worker summarises what is due. A sample that comes twice is one, and a minute that is
summarised twice is one message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from cds_app.errors import Conflict, IntegrityError
from cds_app.fabric.devices.telemetry import (
    MINUTE_S,
    Minute,
    Monitoring,
    decode_minute,
    encode_minute,
    joined,
    observations_of,
)
from cds_app.ports import Cabinet, Document
from cds_app.services.sources.identities import MINUTE
from cds_app.services.sources.intake import PERSON, Delivery, Intake

GRACE: Final = timedelta(seconds=20)
"""After a minute is over, how long its last samples may take."""
_KEPT: Final = timedelta(days=7)
_CLOSED_KEPT: Final = timedelta(minutes=15)
_WORST_CLOCK: Final = timedelta(hours=12)
_AHEAD_S: Final = 5.0
_MILLISECONDS: Final = 1000
_GROUP: Final = 200

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class _Person(msgspec.Struct, frozen=True):
    system: _Text
    value: _Text


class Packet(msgspec.Struct, frozen=True):
    """One message of a device.

    Parameters
    ----------
    device : str
    sent : float
        When, by the device's clock, seconds since 1970.
    samples : list of (float, str, float)
        When by that clock, which channel, what.
    patient : object or None
        Identifier of the person.
    relayed : float or None
        When it was sent, by the clock of a gateway that can be trusted.
    """

    device: _Text
    sent: float
    samples: Annotated[list[tuple[float, _Text, float]], msgspec.Meta(max_length=5000)]
    patient: _Person | None = None
    relayed: float | None = None


_PACKET: Final = msgspec.json.Decoder(Packet)


class _Refused(Exception):
    """Why a message is not taken."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A message as the broker brought it."""

    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Takes samples in and summarises them."""

    intake: Intake
    cabinet: Cabinet
    monitoring: Monitoring

    def take(self, messages: Sequence[Came], received: datetime) -> int:
        """How many samples were taken; they, and what was refused, are durable on return.

        Raises
        ------
        DependencyDown, IntegrityError
            Nothing may be acknowledged.
        """
        minutes: dict[tuple[str, str, str, int], Minute] = {}
        refused: list[Delivery] = []
        number = 0
        for one in messages:
            try:
                for minute in self._minutes(one, received):
                    key = (minute.system, minute.value, minute.device, minute.minute)
                    minutes[key] = joined(minutes.get(key) or msgspec.structs.replace(minute, samples={}), minute)
                    number += minute.number
            except _Refused as error:
                name = sha256(one.payload).hexdigest()
                refused.append(Delivery(message=name, received=received, refused=error.reason))
        if minutes:
            documents = [self._document(one, received + _KEPT) for one in minutes.values()]
            self.cabinet.merge(documents, _joined_bytes, received)
        if refused:
            self.intake.accept(refused)
        return number

    def close(self, now: datetime) -> int:
        """Summarise minutes that are over; how many. Raises as `take`: then it is done next time."""
        due = [one for one in self._open(now) if _is_over(one[1], now)]
        for start in range(0, len(due), _GROUP):
            group = due[start : start + _GROUP]
            self.intake.accept([self._delivery(minute, now) for _, minute in group])
            for document, minute in group:
                summed = msgspec.structs.replace(minute, summed=minute.number)
                with suppress(Conflict):  # more samples came meanwhile: the minute is due once more
                    closed = replace(document, content=encode_minute(summed), until=now + _CLOSED_KEPT)
                    self.cabinet.write(closed, now)
        return len(due)

    def waiting(self, now: datetime) -> int:
        """How many minutes hold samples of which no summary knows."""
        return len(self._open(now))

    def _open(self, now: datetime) -> list[tuple[Document, Minute]]:
        own = f"{self.intake.source.name}/"
        found = ((one, _read(one.content)) for one in self.cabinet.all(MINUTE, now) if one.name.startswith(own))
        return [(document, minute) for document, minute in found if minute.number > minute.summed]

    def _document(self, minute: Minute, until: datetime) -> Document:
        named = (minute.device, str(minute.minute))
        alias = self.intake.identities.alias(self.intake.source.tenant, (minute.system, minute.value))
        name = f"{self.intake.source.name}/{alias}/{sha256(chr(10).join(named).encode()).hexdigest()[:24]}"
        return Document(kind=MINUTE, name=name, version=0, content=encode_minute(minute), until=until)

    def _minutes(self, came: Came, received: datetime) -> Iterator[Minute]:
        """A message's samples, by minute. Nothing is given out before all of it was checked."""
        if came.retained:
            raise _Refused("retained")
        try:
            packet = _PACKET.decode(came.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _Refused("malformed") from None  # the cause may quote the value
        if packet.patient is None:
            raise _Refused("no-identifier")
        if packet.patient.system not in self.intake.identities.systems:
            raise _Refused("unknown-identifier")
        behind = _behind(packet, received)
        found: dict[int, dict[str, dict[int, float]]] = {}
        for at, channel, value in packet.samples:
            _check_time(at + (behind or 0.0), received)
            minute, within = divmod(round(at * _MILLISECONDS), MINUTE_S * _MILLISECONDS)
            found.setdefault(minute, {}).setdefault(channel, {})[within] = value
        for minute, samples in found.items():
            yield Minute(
                system=packet.patient.system,
                value=packet.patient.value,
                device=packet.device,
                minute=minute,
                samples=samples,
                behind_s=behind,
            )

    def _delivery(self, minute: Minute, now: datetime) -> Delivery:
        source = self.intake.source.name
        observations, provenance = observations_of(minute, self.monitoring, source, f"Patient/{PERSON}")
        name = (minute.system, minute.value, minute.device, str(minute.minute), str(minute.number))
        return Delivery(
            message="\n".join(name),
            received=now,
            identifier=(minute.system, minute.value),
            resources=observations,
            particular=provenance,
        )


def _behind(packet: Packet, received: datetime) -> float | None:
    """How far the device's clock is behind, seconds; None where it cannot be told from a message long underway.

    A gateway's clock tells it both ways. Without one only a clock that is ahead can be told: nothing arrives before it
    was sent.

    Raises
    ------
    _Refused
        If the clock is half a day off or more: then which day is meant is a guess.
    """
    if packet.relayed is not None:
        behind: float | None = packet.relayed - packet.sent
    else:
        ahead = packet.sent - received.timestamp()
        behind = -ahead if ahead > _AHEAD_S else None
    if behind is not None and not abs(behind) < _WORST_CLOCK.total_seconds():
        raise _Refused("clock")
    return behind


def _check_time(at: float, received: datetime) -> None:
    """Raise _Refused for a sample of the future, or of days ago."""
    age = received.timestamp() - at
    if not -_WORST_CLOCK.total_seconds() < age < _KEPT.total_seconds():
        raise _Refused("clock")


def _is_over(minute: Minute, now: datetime) -> bool:
    ended = datetime.fromtimestamp(MINUTE_S * (minute.minute + 1), UTC) + timedelta(seconds=minute.behind_s or 0.0)
    return ended + GRACE <= now


def _joined_bytes(there: bytes, new: bytes) -> bytes:
    return encode_minute(joined(_read(there), _read(new))) if there else new


def _read(content: bytes) -> Minute:
    try:
        return decode_minute(content)
    except msgspec.MsgspecError:
        raise IntegrityError("a minute of samples is malformed") from None
