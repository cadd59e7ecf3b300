"""What waits in the EHR for somebody to sign or refuse: those of this patient, and how many more of the user.

A page belongs to one patient. So of the others it tells how many wait and since when, and never whose they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cds_app.cards.text import ago, plain
from cds_app.domain.scopes import allows
from cds_app.domain.time import parse_fhir_time
from cds_app.domain.visits import Visit
from cds_app.errors import BadRequest, DataUnavailable
from cds_app.ports import FhirReader

_BUDGET_S: Final = 2.0
_WAITS: Final = "status=requested&_count=50"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One draft that waits: what for, its state, since when."""

    text: str
    status: str
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What the user asked for at other patients and nobody has dealt with.

    Parameters
    ----------
    since : str
        How long the oldest waits; "" if none says so.
    """

    drafts: int
    patients: int
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """What waits; None where it may not or could not be read."""

    here: tuple[TaskLine, ...] | None
    elsewhere: Elsewhere | None


def inbox_of(fhir: FhirReader, visit: Visit, token: Callable[[], str], now: datetime) -> Inbox:
    """Ask the EHR, with the rights of the user.

    Parameters
    ----------
    token : callable
        The visit's access token.
    now : datetime
        The present of the visit, UTC.
    """
    here = elsewhere = None
    if allows(visit.scopes, "search", "Task"):
        here = _tasks(fhir, visit, token, f"Task?patient={visit.patient}&{_WAITS}")
    if visit.user and allows(visit.scopes, "search", "Task", levels=("user",)):
        elsewhere = _tasks(fhir, visit, token, f"Task?requester={visit.user}&{_WAITS}")
    return Inbox(
        here=None if here is None else tuple(_line(one) for one in here if _patient(one) == visit.patient),
        elsewhere=None if elsewhere is None else _elsewhere(elsewhere, visit, now),
    )


def _tasks(fhir: FhirReader, visit: Visit, token: Callable[[], str], path: str) -> list[Mapping[str, Any]] | None:
    try:
        found = fhir.read(visit.issuer, path, token=token(), budget_s=_BUDGET_S)
    except DataUnavailable:
        return None
    entries = found.get("entry")
    resources = [one.get("resource") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    tasks = [one for one in resources if isinstance(one, dict) and one.get("resourceType") == "Task"]
    return [one for one in tasks if one.get("status") == "requested"]


def _line(task: Mapping[str, Any]) -> TaskLine:
    text, status, time = (plain(task.get(name, ""), limit=160) for name in ("description", "status", "authoredOn"))
    return TaskLine(text=text, status=status, time=time.replace("T", " ")[:16])


def _elsewhere(tasks: list[Mapping[str, Any]], visit: Visit, now: datetime) -> Elsewhere:
    """Count the tasks that this user asked for: an EHR may ignore a parameter and answer with all it has."""
    own = [one for one in tasks if _referred(one, "requester").endswith(visit.user)]
    waiting = [one for one in own if _patient(one) not in ("", visit.patient)]
    since = min(_authored(waiting), default=None)
    return Elsewhere(
        drafts=len(waiting),
        patients=len(set(map(_patient, waiting))),
        since=ago(since, now) if since is not None and since <= now else "",
    )


def _patient(task: Mapping[str, Any]) -> str:
    return _referred(task, "for").rpartition("/")[2]


def _referred(task: Mapping[str, Any], name: str) -> str:
    found = task.get(name)
    said = found.get("reference") if isinstance(found, dict) else None
    return said if isinstance(said, str) else ""


def _authored(tasks: Iterable[Mapping[str, Any]]) -> Iterator[datetime]:
    for one in tasks:
        try:
            yield parse_fhir_time(one.get("authoredOn"), field="authoredOn").start
        except BadRequest:
            continue
