"""Token endpoints over HTTP, with Authlib: exactly the URL, no redirects, one deadline, one byte cap, strict JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import requests
from authlib.common.urls import add_params_to_qs
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from cds_app.adapters.http.outbound import CAREFUL, FAILURES, Unread, body, careful
from cds_app.adapters.http.watch import Watch
from cds_app.domain.issuers import Method, TokenRequest
from cds_app.domain.strict_json import read_object
from cds_app.errors import DataUnavailable, GrantRefused

MAX_BYTES: Final = 256 * 1024
DEADLINE_S: Final = 5.0
CONNECT_S: Final = 2.0
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_FIELD: Final = "token_endpoint"
_REVOCATION: Final = "revocation_endpoint"
_MAX_DEPTH: Final = 16
_REASONS: Final = frozenset(
    [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ]
)
_HEADERS: Final = {**CAREFUL, "Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
_Prepared = tuple[str, dict[str, str], str]


class AuthlibTokenEndpoint:
    """`cds_app.ports.TokenEndpoint` on Authlib's session over requests.

    Parameters
    ----------
    deadline_s : float
        For the whole exchange: a user waits for it.
    max_bytes : int
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S, max_bytes: int = MAX_BYTES) -> None:
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes

    def ask(self, request: TokenRequest) -> Mapping[str, Any]:
        # No causes: the texts of these errors may hold what the server wrote, or what was sent.
        with Watch(self._deadline_s), _session(request) as session:
            for when in ("access_token_response", "refresh_token_response"):
                session.register_compliance_hook(when, self._understand)
            try:
                return dict(self._fetch(session, request))
            except OAuthError as error:
                raise GrantRefused(error.error if error.error in _REASONS else "other") from None
            except FAILURES:
                raise DataUnavailable("the authorisation server cannot be asked", field=_FIELD) from None

    def revoke(self, request: TokenRequest) -> None:
        with Watch(self._deadline_s), _session(request) as session:
            try:
                with session.revoke_token(request.url, **request.form, **self._how()) as response:
                    status = response.status_code
            except FAILURES:
                raise DataUnavailable("the token could not be revoked", field=_REVOCATION) from None
        if status != requests.codes.ok:
            raise DataUnavailable("the token was not revoked", field=_REVOCATION)

    def _how(self) -> dict[str, Any]:
        return {
            "allow_redirects": False,
            "stream": True,
            "timeout": (min(CONNECT_S, self._deadline_s), self._deadline_s),
            "headers": dict(_HEADERS),
        }

    def _fetch(self, session: OAuth2Session, request: TokenRequest) -> Mapping[str, Any]:
        form, how = dict(request.form), self._how()
        grant = form.pop("grant_type")
        if grant == "refresh_token":
            refreshed: Mapping[str, Any] = session.refresh_token(request.url, **form, **how)
            return refreshed
        fetched: Mapping[str, Any] = session.fetch_token(request.url, grant_type=grant, **form, **how)
        return fetched

    def _understand(self, response: requests.Response) -> _Answer:
        """What Authlib shall read instead of the response: checked, and read to its end or not at all."""
        with response:
            status = response.status_code
            if status not in (200, 400, 401, 403):
                raise DataUnavailable("the authorisation server failed or redirects", field=_FIELD)
            try:
                value = read_object(body(response, self._max_bytes), max_depth=_MAX_DEPTH, max_bytes=self._max_bytes)
            except Unread as error:
                raise DataUnavailable(f"the authorisation server's answer {error}", field=_FIELD) from None
        if value is None:
            raise DataUnavailable("the authorisation server answered with something else than JSON", field=_FIELD)
        if status != requests.codes.ok and not isinstance(value.get("error"), str):
            raise DataUnavailable("the authorisation server refused without saying why", field=_FIELD)
        return _Answer(value)


class _Answer:
    """As much of a response as Authlib looks at."""

    status_code = 200

    def __init__(self, value: dict[str, Any]) -> None:
        self._value = value

    def json(self) -> dict[str, Any]:
        return self._value

    def raise_for_status(self) -> None:
        """Nothing is left to raise for."""


def _session(request: TokenRequest) -> OAuth2Session:
    session = OAuth2Session(
        client_id=request.client_id,
        client_secret=request.client_secret,
        token_endpoint_auth_method=request.method.value,
        revocation_endpoint_auth_method=request.method.value,
    )
    session.register_client_auth_method((Method.PRIVATE_KEY_JWT.value, _asserting(request.assertion)))
    return careful(session)


def _asserting(assertion: str) -> Callable[..., _Prepared]:
    """Authlib's way to add to a request what proves who sends it."""

    def prepare(_: object, method: str, uri: str, headers: dict[str, str], body: str | None) -> _Prepared:
        proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
        whole: str = add_params_to_qs(body or "", proof)
        headers["Content-Length"] = str(len(whole))
        return uri, headers, whole

    return prepare
