"""SMART scopes, both syntaxes: what is asked for, what is granted of it, and what a granted set opens.

SMART App Launch 2.2, "Scopes for requesting FHIR resources". Scopes that are narrowed by a search
(``patient/Observation.rs?category=laboratory``) are never granted here: to ignore the search would open too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

Level = Literal["patient", "user", "system"]

NAMED: Final = frozenset(
    {"launch", "launch/patient", "launch/encounter", "openid", "fhirUser", "online_access", "offline_access"}
)
_SCOPE: Final = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|(?=[cruds])c?r?u?d?s?)")
_OLD: Final = {"read": "rs", "write": "cud", "*": "cruds"}


class Reach(IntEnum):
    """How far a token goes for one kind of resource and interaction."""

    NOTHING = 0
    PATIENT = 1  # what belongs to the patient in context
    ALL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One scope for resources.

    Parameters
    ----------
    level : {"patient", "user", "system"}
    type : str
        Of the resources; ``*`` for all.
    letters : str
        Some of ``cruds``, in this order.
    text : str
        As it is written.
    """

    level: Level
    type: str
    letters: str
    text: str


def scope_of(text: str) -> Scope | None:
    """Read one scope for resources; None for everything else."""
    found = _SCOPE.fullmatch(text)
    if found is None:
        return None
    level: Level = "patient" if found[1] == "patient" else "user" if found[1] == "user" else "system"
    return Scope(level=level, type=found[2], letters=_OLD.get(found[3], found[3]), text=text)


def granted(asked: Iterable[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """What is both asked for and allowed, each scope once, in the order of the request.

    A scope that is allowed in part is granted in that part, in the syntax of version 2.
    """
    return tuple(dict.fromkeys(one for text in asked for one in _granted(text, allowed)))


def _granted(text: str, allowed: Sequence[str]) -> Iterable[str]:
    wanted = scope_of(text)
    if wanted is None:
        return (text,) if text in NAMED and text in allowed else ()
    limits = [one for one in map(scope_of, allowed) if one is not None and one.level == wanted.level]
    parts = [part for limit in limits if (part := _common(wanted, limit)) is not None]
    return [wanted.text] if any(_covers(one, wanted) for one in parts) else [one.text for one in parts]


def _common(wanted: Scope, limit: Scope) -> Scope | None:
    letters = "".join(one for one in wanted.letters if one in limit.letters)
    if not letters or (wanted.type != limit.type and "*" not in (wanted.type, limit.type)):
        return None
    kind = limit.type if wanted.type == "*" else wanted.type
    return Scope(level=wanted.level, type=kind, letters=letters, text=f"{wanted.level}/{kind}.{letters}")


def _covers(one: Scope, wanted: Scope) -> bool:
    return (one.type, one.letters) == (wanted.type, wanted.letters)


def reach(scopes: Iterable[str], kind: str, letter: str) -> Reach:
    """How far these scopes go for one type of resource and one interaction.

    Parameters
    ----------
    scopes : iterable of str
        As granted.
    kind : str
        Type of the resource.
    letter : str
        One of ``cruds``.
    """
    fitting = [
        one for one in map(scope_of, scopes) if one is not None and one.type in ("*", kind) and letter in one.letters
    ]
    if any(one.level != "patient" for one in fitting):
        return Reach.ALL
    return Reach.PATIENT if fitting else Reach.NOTHING


def wants_patient(scopes: Iterable[str]) -> bool:
    """Whether these scopes mean nothing without a patient in context."""
    return any(one == "launch/patient" or one.startswith("patient/") for one in scopes)
