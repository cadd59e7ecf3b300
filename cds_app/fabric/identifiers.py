"""Identifiers that a Patient carries: what ties the records of other systems to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cds_app.fabric.references import OUT_OF_USE, Item
from cds_app.fabric.shapes import MAX_TEXT, as_object, objects

_MOST: Final = 50

Identifier = tuple[str, str]  # (system, value)


def identifiers_of(items: Sequence[Item], patient: str) -> tuple[Identifier, ...]:
    """What the Patient of this id among the items is called by whom; without what is old, temporary or half said."""
    for item in items:
        resource = as_object(item.resource)
        if resource and resource.get("resourceType") == "Patient" and resource.get("id") == patient:
            found = (_identifier(one) for one in objects(resource.get("identifier"))[:_MOST])
            return tuple(dict.fromkeys(one for one in found if one is not None))
    return ()


def _identifier(one: dict[str, object]) -> Identifier | None:
    system, value = one.get("system"), one.get("value")
    if one.get("use") in OUT_OF_USE or not isinstance(system, str) or not isinstance(value, str):
        return None
    fine = 0 < len(system) <= MAX_TEXT and 0 < len(value) <= MAX_TEXT and "\0" not in system + value
    return (system, value) if fine else None
