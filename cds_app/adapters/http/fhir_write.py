"""Writing to the EHR's FHIR server: registered servers only, no redirects, one deadline, at most once each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import requests

from cds_app.adapters.http.fhir import registered_base
from cds_app.adapters.http.outbound import CAREFUL, FAILURES, bearing, careful
from cds_app.adapters.http.watch import Watch
from cds_app.cards.wire import wire_json
from cds_app.domain.strict_json import read_object
from cds_app.errors import DataUnavailable

_MAX_BYTES: Final = 1024 * 1024
_CONNECT_S: Final = 1.0
_REFERENCE: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,39})/([A-Za-z0-9\-.]{1,256})(?:/_history/[^/]+)?/?\Z")
_T = TypeVar("_T")


class RequestsFhirWriter:
    """`cds_app.ports.FhirWriter` on requests.

    Parameters
    ----------
    bases : iterable of str
        Registered FHIR base URLs, as `cds_app.adapters.http.fhir.RequestsFhirReader` takes them.
    loopback_http : bool
        Whether plain http is accepted, for loopback hosts only.
    registered : callable
        Whether a base that is not among ``bases`` has been registered elsewhere, character by character.
    """

    def __init__(
        self,
        bases: Iterable[str],
        *,
        loopback_http: bool = False,
        registered: Callable[[str], bool] = lambda base: False,
    ) -> None:
        self._bases = frozenset(registered_base(base, loopback_http) for base in bases)
        self._registered = registered
        self._session = careful(requests.Session(), connections=8)

    def create(self, base: str, resource: Mapping[str, Any], *, token: str, only_if_none: str, budget_s: float) -> str:
        kind = str(resource["resourceType"])
        root = self._root(base, kind)
        headers = {**_headers(token, kind), "Content-Type": "application/fhir+json", "Prefer": "return=representation"}
        if only_if_none:
            headers["If-None-Exist"] = quote(only_if_none, safe="=|:&")
        body = wire_json(resource)
        return self._sent("POST", f"{root}/{kind}", body, headers, budget_s, lambda response: _created(response, kind))

    def set_status(self, base: str, reference: str, status: str, *, token: str, budget_s: float) -> None:
        """By JSON Patch: whoever writes the whole resource back writes what the server does not show, too."""
        kind = reference.partition("/")[0]
        root = self._root(base, kind)
        headers = {**_headers(token, kind), "Content-Type": "application/json-patch+json", "Prefer": "return=minimal"}
        body = wire_json([{"op": "replace", "path": "/status", "value": status}])
        self._sent("PATCH", f"{root}/{reference}", body, headers, budget_s, lambda response: _changed(response, kind))

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _root(self, base: str, kind: str) -> str:
        root = base.removesuffix("/")
        if root not in self._bases and not self._registered(root):
            raise DataUnavailable("not a registered FHIR server", field=kind)
        return root

    def _sent(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        budget_s: float,
        heard: Callable[[requests.Response], _T],
    ) -> _T:
        try:
            with (
                Watch(budget_s),
                self._session.request(
                    method,
                    url,
                    data=body,
                    headers=dict(headers),
                    timeout=(min(budget_s, _CONNECT_S), budget_s),
                    stream=True,
                    allow_redirects=False,
                ) as response,
            ):
                return heard(response)
        except FAILURES:
            raise DataUnavailable("the FHIR server did not take it", field="resource") from None


def _headers(token: str, kind: str) -> dict[str, str]:
    bearer = bearing(token)
    if bearer is None:
        raise DataUnavailable("the access token is malformed", field=kind)
    return {**CAREFUL, **bearer, "Accept": "application/fhir+json"}


def _changed(response: requests.Response, kind: str) -> None:
    if response.status_code not in (requests.codes.ok, requests.codes.accepted, requests.codes.no_content):
        raise DataUnavailable("the FHIR server refused", field=kind)


def _created(response: requests.Response, kind: str) -> str:
    """The reference of what was created, or had been before: from ``Location``, else from the resource itself."""
    if response.status_code not in (requests.codes.created, requests.codes.ok):
        raise DataUnavailable("the FHIR server refused", field=kind)
    found = _REFERENCE.search(response.headers.get("Location", ""))
    if found is not None and found[1] == kind:
        return f"{kind}/{found[2]}"
    made = read_object(response.raw.read(_MAX_BYTES + 1), max_bytes=_MAX_BYTES)
    if made and made.get("resourceType") == kind and isinstance(made.get("id"), str):
        return f"{kind}/{made['id']}"
    raise DataUnavailable("the FHIR server did not say what it created", field=kind)
