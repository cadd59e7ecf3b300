"""Facts, decisions and what became of them as bytes, and back, exactly.

A payload is one version byte and then MessagePack: maps by field name, floats as IEEE 754 doubles, instants as
MessagePack timestamps in UTC. A field that is added later needs a default; then old payloads stay readable as they
are. A change that breaks this gets a new version byte and a reader of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from cds_app.domain.decisions import Decision, Feedback, Untaken
from cds_app.domain.facts import KINDS, Facts
from cds_app.domain.switches import Switch
from cds_app.errors import BadRequest, IntegrityError

VERSION: Final = 1

_Payload = TypeVar("_Payload", Facts, Decision, Feedback, Untaken, Switch)

_ENCODER = msgspec.msgpack.Encoder()
_FACTS = msgspec.msgpack.Decoder(Facts)
_DECISION = msgspec.msgpack.Decoder(Decision)
_FEEDBACK = msgspec.msgpack.Decoder(Feedback)
_UNTAKEN = msgspec.msgpack.Decoder(Untaken)
_SWITCH = msgspec.msgpack.Decoder(Switch)


def encode(payload: Facts | Decision | Feedback | Untaken | Switch) -> bytes:
    """Bytes from which the matching ``decode_*`` makes an equal value.

    Raises
    ------
    BadRequest
        If a text holds half of a surrogate pair, as JSON can escape it, which has no UTF-8 form.
    """
    try:
        return bytes((VERSION,)) + (_facts(payload) if isinstance(payload, Facts) else _ENCODER.encode(payload))
    except UnicodeEncodeError:
        raise BadRequest("a text is not valid Unicode") from None  # the cause holds the text


@dataclass(frozen=True, slots=True)
class News:
    """Facts that are new, and their bytes: written once, then hashed and stored as they are.

    Parameters
    ----------
    facts : Facts
    payload : bytes
        What `encode` makes of them; empty where there are none.

    Raises
    ------
    BadRequest
        As `encode` does.
    """

    facts: Facts = field(default_factory=Facts)
    payload: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "payload", encode(self.facts) if len(self.facts) else b"")


def _facts(facts: Facts) -> bytes:
    """Facts by kind, those that there are.

    The encoder gives a struct of 16 fields the head of a long map, however few of them it writes. Decisions are pinned
    to the bytes of what they rest on, so a measurement that says no more than before has to be written as before: as a
    plain map.
    """
    kinds: dict[str, object] = {kind: rows for kind in KINDS if (rows := getattr(facts, kind))}
    if facts.measurements:
        kinds["measurements"] = msgspec.to_builtins(facts.measurements, builtin_types=(datetime,))
    return _ENCODER.encode(kinds)


def decode_facts(payload: bytes) -> Facts:
    """Inverse of `encode`; raises IntegrityError on anything that it did not make."""
    return _decode(_FACTS, payload)


def decode_decision(payload: bytes) -> Decision:
    """Inverse of `encode`; raises IntegrityError on anything that it did not make."""
    return _decode(_DECISION, payload)


def decode_feedback(payload: bytes) -> Feedback:
    """Inverse of `encode`; raises IntegrityError on anything that it did not make."""
    return _decode(_FEEDBACK, payload)


def decode_untaken(payload: bytes) -> Untaken:
    """Inverse of `encode`; raises IntegrityError on anything that it did not make."""
    return _decode(_UNTAKEN, payload)


def decode_switch(payload: bytes) -> Switch:
    """Inverse of `encode`; raises IntegrityError on anything that it did not make."""
    return _decode(_SWITCH, payload)


def _decode(decoder: msgspec.msgpack.Decoder[_Payload], payload: bytes) -> _Payload:
    if not payload or payload[0] != VERSION:
        raise IntegrityError("a stored payload has an unknown version")
    try:
        return decoder.decode(memoryview(payload)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise IntegrityError("a stored payload is malformed") from None  # the cause may quote the value
