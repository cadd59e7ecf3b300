"""Where a resource stood and what its references mean: relative, absolute, ``urn:uuid:`` and ``#contained``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

import msgspec

from cds_app.fabric.shapes import MAX_ITEMS, Object, as_object

_ID: Final = re.compile(r"[A-Za-z0-9\-._]{1,256}")
_TYPED: Final = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{1,39}/[A-Za-z0-9\-._]{1,256})(?:/_history/[^/]*)?", re.DOTALL)
_URN: Final = ("urn:uuid:", "urn:oid:")
_LONGEST: Final = 1024


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

    def target(self, reference: object, inside: Object) -> Object | None:
        """The resource a Reference points to: contained in ``inside``, or anywhere in this reading."""
        text = reference_text(reference)
        if text.startswith("#"):
            return _contained(inside, text[1:])
        found = self.by_name.get(text)
        return found if found is not None else self.by_name.get(typed(text))

    def name(self, reference: object) -> str:
        """The Reference as ``Type/id``: versions and servers off, ``urn:uuid:`` resolved; "" if it cannot be."""
        text = reference_text(reference)
        if text.startswith(_URN):
            target = self.by_name.get(text)
            return "" if target is None else (local_reference(target) or hashed_reference(target))
        return typed(text)


def reference_text(reference: object) -> str:
    """The literal reference in a Reference; "" for logical ones and for anything else."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    return text if isinstance(text, str) and len(text) <= _LONGEST else ""


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
    return _ID.fullmatch(key) is not None


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
