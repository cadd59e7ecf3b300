"""FHIR transactions that create: all of their resources, or none, referring to each other before they have ids.

FHIR R4 "Transaction Processing Rules". Only ``POST`` entries, and no conditions: others are refused, not passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cds_app.errors import BadRequest
from cds_app.sandbox.people.resources import Resource
from cds_app.sandbox.records.store import New

ENTRIES_LIMIT: Final = 100
_CONDITIONS: Final = ("ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince")


def read_transaction(body: object) -> tuple[New, ...]:
    """What a transaction asks to create, in its order.

    Raises
    ------
    BadRequest
        Naming the place that is not as a transaction has it.
    """
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle" or body.get("type") != "transaction":
        raise BadRequest("must be a Bundle of type transaction", field="Bundle.type")
    entries = body.get("entry")
    if not isinstance(entries, list) or not 0 < len(entries) <= ENTRIES_LIMIT:
        raise BadRequest(f"from 1 to {ENTRIES_LIMIT} entries", field="Bundle.entry")
    made = tuple(_new(one, f"Bundle.entry[{at}]") for at, one in enumerate(entries))
    names = [one.full_url for one in made if one.full_url]
    if len(set(names)) < len(names):
        raise BadRequest("the same fullUrl twice", field="Bundle.entry.fullUrl")
    return made


def _new(entry: object, where: str) -> New:
    if not isinstance(entry, dict):
        raise BadRequest("must be an object", field=where)
    request = entry.get("request")
    if not isinstance(request, dict) or request.get("method") != "POST":
        raise BadRequest("only POST is done here", field=f"{where}.request.method")
    if any(name in request for name in _CONDITIONS):
        raise BadRequest("conditions are not supported", field=f"{where}.request")
    full_url, kind = entry.get("fullUrl", ""), request.get("url")
    if not isinstance(full_url, str) or not isinstance(kind, str):
        raise BadRequest("must be a string", field=f"{where}.fullUrl")
    return New(kind=kind, body=entry.get("resource"), full_url=full_url)


def transaction_response(base: str, made: Sequence[Resource]) -> dict[str, Any]:
    """The answer: where each resource is now, in the order of the entries."""
    entries = [{"fullUrl": _place(base, one), "response": _response(base, one)} for one in made]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def _response(base: str, one: Mapping[str, Any]) -> dict[str, str]:
    version = one["meta"]["versionId"]
    return {
        "status": "201 Created",
        "location": f"{_place(base, one)}/_history/{version}",
        "etag": f'W/"{version}"',
        "lastModified": one["meta"]["lastUpdated"],
    }


def _place(base: str, one: Mapping[str, Any]) -> str:
    return f"{base}/{one['resourceType']}/{one['id']}"
