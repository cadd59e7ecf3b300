"""The sandbox's bulk export (Bulk Data Access 2.0): all patients' resources as NDJSON, for the scopes of a server."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.fhir.access import ScopeLacking, check_everyone
from cds_app.sandbox.people.resources import Resource, instant
from cds_app.sandbox.records.store import TYPES, Store, known_type

NDJSON: Final = "application/fhir+ndjson"
_KEPT: Final = 8
_WAIT_S: Final = "1"


@dataclass(slots=True, kw_only=True)
class _Export:
    """What was there when the export was asked for."""

    at: str
    url: str
    files: Mapping[str, Sequence[Resource]]
    looks: int = 0


class Exports:
    """The exports that were asked for lately; the oldest expire."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[str, _Export] = OrderedDict()

    def add(self, made: _Export) -> str:
        """Keep an export; its name."""
        name = uuid.uuid4().hex
        with self._lock:
            self._held[name] = made
            while len(self._held) > _KEPT:
                self._held.popitem(last=False)
        return name

    def find(self, name: str) -> _Export:
        """Raises NotFound for one that has expired."""
        with self._lock:
            found = self._held.get(name)
        if found is None:
            raise NotFound("no such export", field="export")
        return found

    def end(self, name: str) -> None:
        """Let one go. Raises NotFound."""
        with self._lock:
            if self._held.pop(name, None) is None:
                raise NotFound("no such export", field="export")


def route(routes: Blueprint, store: Store, base: Callable[[], str]) -> None:
    """Add the export to the FHIR endpoint."""
    exports = Exports()

    @routes.get("/Patient/$export")
    def start() -> ResponseReturnValue:
        if "respond-async" not in request.headers.get("Prefer", ""):
            raise BadRequest("an export is answered later: send Prefer: respond-async", field="Prefer")
        since = _since(request.args.get("_since"))
        files = {kind: [one for one in store.all(kind) if _is_newer(one, since)] for kind in _kinds()}
        made = _Export(
            at=instant(store.now), url=request.url, files={kind: rows for kind, rows in files.items() if rows}
        )
        response = Response(status=202)
        response.headers["Content-Location"] = f"{base()}/$export/{exports.add(made)}"
        return response

    @routes.get("/$export/<name>")
    def look(name: str) -> ResponseReturnValue:
        found = exports.find(name)
        found.looks += 1
        if found.looks == 1:
            return Response(status=202, headers={"Retry-After": _WAIT_S, "X-Progress": "collecting"})
        output = [
            {"type": kind, "url": f"{base()}/$export/{name}/{kind}", "count": len(rows)}
            for kind, rows in found.files.items()
        ]
        manifest = {
            "transactionTime": found.at,
            "request": found.url,
            "requiresAccessToken": True,
            "output": output,
            "deleted": [],
            "error": [],
        }
        return Response(json.dumps(manifest), mimetype="application/json")

    @routes.get("/$export/<name>/<kind>")
    def file(name: str, kind: str) -> ResponseReturnValue:
        check_everyone(known_type(kind), "r")
        rows = exports.find(name).files.get(kind, ())
        return Response((f"{json.dumps(one)}\n" for one in rows), mimetype=NDJSON)

    @routes.delete("/$export/<name>")
    def forget(name: str) -> ResponseReturnValue:
        exports.end(name)
        return Response(status=202)


def _kinds() -> Sequence[str]:
    """The types that are asked for, or all that the token opens."""
    asked = request.args.get("_type", "")
    if asked:
        for kind in asked.split(","):
            check_everyone(known_type(kind), "r")
        return tuple(dict.fromkeys(asked.split(",")))
    return tuple(kind for kind in TYPES if _opens(kind))


def _opens(kind: str) -> bool:
    try:
        check_everyone(kind, "r")
    except ScopeLacking:
        return False
    return True


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadRequest("must be an instant", field="_since")
    return found


def _is_newer(one: Resource, since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(one["meta"]["lastUpdated"]) > since
