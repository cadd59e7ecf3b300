"""What the context of each published hook must hold, checked before anything is computed.

Hook library of CDS Hooks (HL7/cds-hooks-library 2.0.0). ``userId`` is never required of all: order-dispatch has none,
and medication-refill may go without. Of what a hook requires, only what could not be answered without is insisted on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_app.errors import BadRequest

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,256}\Z")
_USER: Final = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,256}\Z")
_MAX_NAMES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hook:
    """Which fields a hook's context must have: ids, objects, and of each group of names at least one."""

    user: bool = True
    encounter: bool = False
    objects: tuple[str, ...] = ()
    names: tuple[tuple[str, ...], ...] = ()


_HOOKS: Final[Mapping[str, _Hook]] = {
    "encounter-start": _Hook(encounter=True),
    "encounter-discharge": _Hook(encounter=True),
    "order-select": _Hook(objects=("draftOrders",)),
    "order-sign": _Hook(objects=("draftOrders",)),
    # 1.1: dispatchedOrders; 1.0, still sent: order, task
    "order-dispatch": _Hook(user=False, names=(("dispatchedOrders", "order"), ("performer",))),
    "appointment-book": _Hook(objects=("appointments",)),
    "problem-list-item-create": _Hook(objects=("conditions",)),
    "allergyintolerance-create": _Hook(objects=("allergyIntolerance",)),
    "medication-refill": _Hook(user=False, objects=("medications",)),
}
_USUAL: Final = _Hook()
_LISTS: Final = ("selections", "dispatchedOrders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whom and where a call is about: ``user`` is "" where the hook has none."""

    patient: str
    user: str
    encounter: str | None


def read_context(context: Mapping[str, Any], hook: str) -> Who:
    """Check a context against its hook.

    Raises
    ------
    BadRequest
        Naming the first field that is missing or wrong.
    """
    wanted = _HOOKS.get(hook, _USUAL)
    who = Who(
        patient=_matching(_ID, context, "patientId"),
        user=_matching(_USER, context, "userId") if wanted.user or context.get("userId") is not None else "",
        encounter=_encounter(context, required=wanted.encounter),
    )
    for name in wanted.objects:
        if not isinstance(context.get(name), dict):
            raise BadRequest("required, an object", field=f"context.{name}")
    for group in wanted.names:
        _check_named(context, group)
    for name in _LISTS:
        _check_list(context, name)
    return who


def _encounter(context: Mapping[str, Any], *, required: bool) -> str | None:
    if context.get("encounterId") is None and not required:
        return None
    return _matching(_ID, context, "encounterId")


def _check_named(context: Mapping[str, Any], group: tuple[str, ...]) -> None:
    if not any(context.get(name) for name in group):
        raise BadRequest("required", field=f"context.{group[0]}")
    for name in group:
        value = context.get(name)
        if value is not None and name not in _LISTS and not isinstance(value, str):
            raise BadRequest("must be a string", field=f"context.{name}")


def _check_list(context: Mapping[str, Any], name: str) -> None:
    value = context.get(name)
    if value is None:
        return
    if not isinstance(value, list) or len(value) > _MAX_NAMES or not all(isinstance(one, str) for one in value):
        raise BadRequest(f"must be an array of at most {_MAX_NAMES} strings", field=f"context.{name}")


def _matching(pattern: re.Pattern[str], context: Mapping[str, Any], name: str) -> str:
    value = context.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest("required, a non-empty string", field=f"context.{name}")
    if pattern.match(value) is None:
        raise BadRequest("has the wrong form", field=f"context.{name}")
    return value
