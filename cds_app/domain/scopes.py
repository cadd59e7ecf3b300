"""Scopes of SMART App Launch, versions 1 and 2: what a set of granted ones allows.

Only a whole scope allows anything. One that is narrowed by a query (``patient/Observation.rs?category=vital-signs``)
allows less than the interaction on the type, so it is not counted: whoever is told "yes" may read all of the type.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Interaction = Literal["create", "read", "update", "delete", "search"]

_LETTER: Final[Mapping[str, str]] = {"create": "c", "read": "r", "update": "u", "delete": "d", "search": "s"}
_FIRST_VERSION: Final[Mapping[str, str]] = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE: Final = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>[A-Z][A-Za-z]{1,39}|\*)\."
    r"(?P<may>read|write|\*|(?=[cruds])c?r?u?d?s?)(?P<query>\?.*)?",
    re.DOTALL,
)
_ONE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,400}")  # RFC 6749, 3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceScope:
    """A scope on FHIR resources.

    Parameters
    ----------
    level : str
        ``patient``, ``user`` or ``system``.
    type : str
        A resource type, or ``*``.
    may : frozenset of str
        Of the letters c, r, u, d and s.
    query : str
        What makes it smaller; "" for nothing.
    """

    level: str
    type: str
    may: frozenset[str]
    query: str = ""


def read_scopes(text: str) -> frozenset[str]:
    """The scopes of a space-separated list; what cannot be a scope is left out."""
    return frozenset(one for one in text.split(" ") if _ONE.fullmatch(one))


def resource_scope(scope: str) -> ResourceScope | None:
    """What a scope says of resources, in either version's words; None if it says nothing of them."""
    found = _SCOPE.fullmatch(scope)
    if found is None:
        return None
    may = _FIRST_VERSION.get(found["may"], found["may"])
    return ResourceScope(level=found["level"], type=found["type"], may=frozenset(may), query=found["query"] or "")


def allows(
    granted: Collection[str],
    interaction: Interaction,
    resource_type: str,
    levels: Collection[str] = ("patient", "user"),
) -> bool:
    """Whether a set of granted scopes allows an interaction on every resource of a type.

    Parameters
    ----------
    granted : collection of str
        As the EHR wrote them.
    interaction : str
    resource_type : str
        ``Observation``; never ``*``, which nobody reads.
    levels : collection of str
        Which compartments do. ``user`` reaches at least what ``patient`` does, for one patient; ``system`` is for
        calls without a user and never counts for one with.
    """
    letter = _LETTER[interaction]
    return any(
        one.level in levels and one.type in (resource_type, "*") and letter in one.may and not one.query
        for one in filter(None, map(resource_scope, granted))
    )


def missing(asked: Collection[str], granted: Collection[str]) -> tuple[str, ...]:
    """Which of the scopes that were asked for the granted ones do not cover, in order; whatever the words for it are.

    ``launch``, ``openid`` and their like are told by what comes with them (a patient, an id_token) and are not counted.
    """
    held = [one for one in map(resource_scope, granted) if one]
    wanted = ((scope, resource_scope(scope)) for scope in asked)
    return tuple(sorted(scope for scope, one in wanted if one and not _covered(one, held)))


def _covered(asked: ResourceScope, held: Collection[ResourceScope]) -> bool:
    fitting = (one for one in held if one.level == asked.level and one.type in (asked.type, "*"))
    return asked.may <= frozenset[str]().union(*(one.may for one in fitting if one.query in ("", asked.query)))
