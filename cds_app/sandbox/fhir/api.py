"""The sandbox's FHIR R4 endpoint: capabilities, read, search with pages, create, bulk export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, json, request, url_for
from flask.typing import ResponseReturnValue

from cds_app.errors import BadRequest, NotFound, TwinlineError, UnsupportedMedia
from cds_app.sandbox.addresses import base_url
from cds_app.sandbox.fhir import bulk
from cds_app.sandbox.fhir.access import Guard, Visible, check_query, check_visible, visible
from cds_app.sandbox.fhir.transactions import read_transaction, transaction_response
from cds_app.sandbox.people.resources import Resource, instant
from cds_app.sandbox.people.vocabulary import TERMINOLOGY
from cds_app.sandbox.records.search import search
from cds_app.sandbox.records.store import CREATABLE, TYPES, New, Store, known_type

MEDIA_TYPE = "application/fhir+json"
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_JSON = frozenset({MEDIA_TYPE, "application/json"})


def blueprint(store: Store, guard: Guard) -> Blueprint:
    """The endpoint over one store, at ``/fhir``, behind a guard."""
    routes = Blueprint("fhir", __name__, url_prefix="/fhir")

    @routes.before_request
    def admit() -> None:
        if request.endpoint != "fhir.metadata":
            guard.admit()

    @routes.get("/metadata")
    def metadata() -> ResponseReturnValue:
        return answer(_capabilities(store))

    @routes.get("/<kind>")
    def find(kind: str) -> ResponseReturnValue:
        query = parse_qsl(request.query_string.decode("ascii", "replace"), keep_blank_values=True)
        test = visible(known_type(kind), "s")
        check_query(kind, query)
        return answer(searchset(store, base_url(), kind, query, test))

    @routes.get("/<kind>/<name>")
    def read(kind: str, name: str) -> ResponseReturnValue:
        test = visible(known_type(kind), "r")
        found = store.read(kind, name)
        check_visible(kind, store.patient_of(found), test)
        return _versioned(found, 200)

    bulk.route(routes, store, base_url)
    _route_writing(routes, store)
    return routes


def _route_writing(routes: Blueprint, store: Store) -> None:
    @routes.post("/<kind>")
    def create(kind: str) -> ResponseReturnValue:
        (made,) = _create(store, [New(kind=kind, body=_body())])
        response = _versioned(made, 201)
        response.headers["Location"] = f"{base_url()}/{kind}/{made['id']}/_history/1"
        return response

    @routes.post("/", strict_slashes=False)
    def transaction() -> ResponseReturnValue:
        made = _create(store, read_transaction(_body()))
        return answer(transaction_response(base_url(), made))


def _create(store: Store, wanted: Sequence[New]) -> tuple[Resource, ...]:
    """Create what the caller may create."""
    tests = {one.kind: visible(known_type(one.kind), "c") for one in wanted}
    try:
        return store.create_all(wanted, lambda kind, patient: check_visible(kind, patient, tests[kind]))
    except RecursionError as error:
        raise BadRequest("nested too deeply", field="body") from error


def searchset(
    store: Store, base: str, kind: str, query: Sequence[tuple[str, str]], test: Visible | None = None
) -> Resource:
    """The Bundle that answers a search.

    Parameters
    ----------
    test : callable, optional
        What may be seen; by default everything.

    Raises
    ------
    NotFound
        For a type that is not held.
    BadRequest
        For a parameter that is unknown or malformed.
    """
    page = search(
        [one for one in store.all(known_type(kind)) if test is None or test(store.patient_of(one))], kind, query
    )
    links = [{"relation": "self", "url": f"{base}/{kind}?{urlencode(query)}"}]
    if page.next_offset is not None:
        following = [*((name, value) for name, value in query if name != "_offset"), ("_offset", str(page.next_offset))]
        links.append({"relation": "next", "url": f"{base}/{kind}?{urlencode(following)}"})
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": page.total, "link": links}
    entries = [
        {"fullUrl": f"{base}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in page.resources
    ]
    return bundle | ({"entry": entries} if entries else {})


def resolve(store: Store, base: str, path: str) -> Resource | None:
    """Answer a filled prefetch template from the store: a read, or a search.

    Returns
    -------
    Resource or None
        None when a read finds nothing.
    """
    kind, slash, name = path.partition("/")
    if slash:
        try:
            return store.read(kind, name)
        except NotFound:
            return None
    kind, _, query = path.partition("?")
    return searchset(store, base, kind, parse_qsl(query, keep_blank_values=True))


def outcome(error: TwinlineError) -> Response:
    """A failure as FHIR says it."""
    issue: dict[str, Any] = {
        "severity": "error",
        "code": error.issue_type,
        "details": {"text": error.message},
    }
    if error.field:
        issue["expression"] = [error.field]
    return answer({"resourceType": "OperationOutcome", "issue": [issue]}, error.status)


def answer(resource: Mapping[str, Any], status: int = 200) -> Response:
    """A resource as a response that nobody may keep."""
    response = Response(json.dumps(resource), status=status, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _versioned(resource: Resource, status: int) -> Response:
    response = answer(resource, status)
    response.headers["ETag"] = f'W/"{resource["meta"]["versionId"]}"'
    return response


def _body() -> object:
    if request.mimetype not in _JSON:
        raise UnsupportedMedia(f"send {MEDIA_TYPE}", field="Content-Type")
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON", field="body") from error


def _capabilities(store: Store) -> Resource:
    """What this server can do, as of its simulated time."""
    kinds = [
        {
            "type": kind,
            "versioning": "versioned",
            "interaction": [
                {"code": code} for code in ("read", "search-type", *(("create",) if kind in CREATABLE else ()))
            ],
        }
        for kind in TYPES
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(store.now),
        "kind": "instance",
        "software": {"name": "Twinline sandbox EHR"},
        "implementation": {"description": "Synthetic patients under a simulated clock", "url": base_url()},
        "fhirVersion": "4.0.1",
        "format": [MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                "security": _security(),
                "resource": kinds,
                "interaction": [{"code": "transaction"}],
            }
        ],
    }


def _security() -> dict[str, Any]:
    """Where tokens come from, for apps that still read it here (SMART App Launch 2.2, conformance)."""
    places = (("authorize", "smart.authorise"), ("token", "smart.token"), ("introspect", "smart.introspect"))
    said = [{"url": name, "valueUri": url_for(view, _external=True)} for name, view in places]
    code = {"system": f"{TERMINOLOGY}/restful-security-service", "code": "SMART-on-FHIR"}
    return {"extension": [{"url": _OAUTH_URIS, "extension": said}], "service": [{"coding": [code]}]}
