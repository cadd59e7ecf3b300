"""Identifiers that a Patient carries: what ties the records of other systems to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cds_app.fabric.references import OUT_OF_USE
from cds_app.fabric.shapes import MAX_TEXT, objects

_MOST: Final = 50

Identifier = tuple[str, str]  # (system, value)


def identifiers_of(people: Iterable[Mapping[str, Any]], patient: str) -> tuple[Identifier, ...]:
    """What the first Patient of this id is called by whom; without what is old, temporary or half said."""
    named: Mapping[str, Any] = next((one for one in people if one.get("id") == patient), {})
    found = (_identifier(one) for one in objects(named.get("identifier"))[:_MOST])
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _identifier(one: dict[str, object]) -> Identifier | None:
    system, value = one.get("system"), one.get("value")
    if one.get("use") in OUT_OF_USE or not isinstance(system, str) or not isinstance(value, str):
        return None
    fine = 0 < len(system) <= MAX_TEXT and 0 < len(value) <= MAX_TEXT and "\0" not in system + value
    return (system, value) if fine else None
