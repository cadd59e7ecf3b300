"""Where a resource stood and what its references mean.

They are relative, absolute, ``urn:uuid:``, ``#contained``, conditional (``Patient?identifier=system|value``, R4,
"transaction") or logical (an identifier only).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from string import ascii_letters, digits
from typing import Final

import msgspec

from cds_app.fabric.shapes import MAX_ITEMS, Object, as_object, objects

_OF_IDS: Final = f"{ascii_letters}{digits}-._"
_LONGEST_ID: Final = 256
_TYPED: Final = re.compile(r"(?:[^?]*/)?([A-Z][A-Za-z]{1,39}/[A-Za-z0-9\-._]{1,256})(?:/_history/[^/?]*)?")
_CONDITION: Final = re.compile(r"([A-Z][A-Za-z]{1,39})\?identifier=([^&]+)")
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_URN: Final = ("urn:uuid:", "urn:oid:")
_LONGEST: Final = 1024
OUT_OF_USE: Final = ("old", "temp")
"""Uses of an identifier by which nobody is found."""

_Sought = tuple[str, str | None, str]  # type, system (None for any), value


class Item(msgspec.Struct, frozen=True):
    """A resource, or what stood in its place, as it came in.

    Parameters
    ----------
    resource : object
        Any JSON value.
    at : str
        Its place (``prefetch.vitals.entry[4]``).
    full_url : str
        ``Bundle.entry.fullUrl``, "" if there was none.
    """

    resource: object
    at: str
    full_url: str = ""


@dataclass(frozen=True)
class References:
    """Resources of one reading by everything that a reference may call them."""

    items: Sequence[Item]

    @cached_property
    def by_name(self) -> Mapping[str, Object]:
        """Resources by fullUrl and by ``Type/id``; most readings never ask."""
        by_name: dict[str, Object] = {}
        for item in self.items:
            resource = as_object(item.resource)
            if resource is None:
                continue
            if item.full_url:
                by_name.setdefault(item.full_url, resource)
            kind, key = resource.get("resourceType"), resource.get("id")
            if isinstance(kind, str) and isinstance(key, str):
                by_name.setdefault(f"{kind}/{key}", resource)
        return by_name

    @cached_property
    def types(self) -> frozenset[str]:
        """Types of all resources."""
        return frozenset(str(one.get("resourceType")) for item in self.items if (one := as_object(item.resource)))

    def target(self, reference: object, inside: Object) -> Object | None:
        """The resource a Reference points to: contained in ``inside``, or anywhere in this reading."""
        text = reference_text(reference)
        if text.startswith("#"):
            return _contained(inside, text[1:])
        found = self.by_name.get(text)
        return found if found is not None else self.by_name.get(typed(text)) or self._sought(reference, text)

    def name(self, reference: object) -> str:
        """The Reference as ``Type/id``: versions and servers off, all other forms resolved; "" if it cannot be."""
        text = reference_text(reference)
        if name := typed(text):
            return name
        target = self.by_name.get(text) if text.startswith(_URN) else self._sought(reference, text)
        return "" if target is None else (local_reference(target) or hashed_reference(target))

    def _sought(self, reference: object, text: str) -> Object | None:
        """The one resource of this reading that a conditional or logical reference asks for; several are none."""
        sought = _conditional(text) if text else _logical(reference)
        found = self._identified.get(sought, []) if sought else []
        return found[0] if len(found) == 1 else None

    @cached_property
    def _identified(self) -> Mapping[_Sought, list[Object]]:
        """Different resources by type and identifier, with its system and as one of whatever system."""
        found: dict[_Sought, dict[str, Object]] = {}
        for item in self.items:
            resource = as_object(item.resource) or {}
            kind, key = str(resource.get("resourceType")), local_reference(resource) or item.full_url or item.at
            for system, value in _identifiers(resource):
                for sought in {(kind, system, value), (kind, None, value)}:
                    found.setdefault(sought, {}).setdefault(key, resource)
        return {sought: list(every.values()) for sought, every in found.items()}


def reference_text(reference: object) -> str:
    """The literal reference in a Reference; "" for logical ones and for anything else."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    return text if isinstance(text, str) and len(text) <= _LONGEST else ""


def _conditional(text: str) -> _Sought | None:
    """What ``Type?identifier=system|value`` asks for: by its identifier and nothing else."""
    asked = _CONDITION.fullmatch(text)
    if asked is None:
        return None
    system, bar, value = _PERCENT.sub(_decoded, asked[2]).rpartition("|")
    return (asked[1], system if bar else None, value) if value else None


def _decoded(octets: re.Match[str]) -> str:
    return bytes.fromhex(octets[0].replace("%", "")).decode(errors="replace")


def _logical(reference: object) -> _Sought | None:
    """The patient whom an identifier without a literal reference names, if it says of which system it is."""
    named = as_object(reference.get("identifier")) if isinstance(reference, dict) else None
    kind = reference.get("type", "Patient") if isinstance(reference, dict) else None
    found = _identifiers({"identifier": named})
    return (kind, *found[0]) if found and found[0][0] and kind == "Patient" else None


def _identifiers(resource: Object) -> list[tuple[str, str]]:
    """System ("" for none) and value of each identifier in use."""
    said = (one for one in objects(resource.get("identifier")) if one.get("use") not in OUT_OF_USE)
    found = ((one.get("system", ""), one.get("value")) for one in said)
    return [(system, value) for system, value in found if isinstance(system, str) and isinstance(value, str) and value]


def typed(text: str) -> str:
    """``Type/id`` at the end of a literal reference, its version left off; "" if there is none."""
    found = _TYPED.fullmatch(text)
    return found[1] if found else ""


def local_reference(resource: Object) -> str:
    """``Type/id`` of a resource; "" if it has no usable id."""
    key = resource.get("id")
    return f"{resource.get('resourceType')}/{key}" if isinstance(key, str) and is_id(key) else ""


def is_id(key: str) -> bool:
    """Whether it may stand in a reference; FHIR's 64 characters are not held to in the field."""
    return 0 < len(key) <= _LONGEST_ID and not key.strip(_OF_IDS)


def hashed_reference(resource: Object) -> str:
    """``Type/~hash`` of what a resource without an id says, so that its repetitions are one; "" if it is no JSON."""
    try:
        text = json.dumps(resource, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""
    return f"{resource.get('resourceType')}/~{sha256(text.encode('ascii')).hexdigest()[:16]}"


def _contained(inside: Object, key: str) -> Object | None:
    contained = inside.get("contained")
    if not isinstance(contained, list):
        return None
    known = (one for one in contained[:MAX_ITEMS] if isinstance(one, dict))
    return next((one for one in known if one.get("id") in (key, "#" + key)), None)
