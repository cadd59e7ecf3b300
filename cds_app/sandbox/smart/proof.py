"""How a client proves to the token endpoint that it is who it says it is.

RFC 6749 section 2.3, RFC 7523, SMART App Launch 2.2 "Client Authentication: Asymmetric". Every client has one way, and
the other one is refused even if it would succeed.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import unquote_plus

from joserfc import jws
from joserfc.errors import JoseError

from cds_app.sandbox.smart.client_keys import ALGS, ClientKeys, KeyUnavailable
from cds_app.sandbox.smart.clients import SmartClient, SmartClients
from cds_app.sandbox.smart.oauth import OAuthRefusal

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_S: Final = 300
SKEW_S: Final = 10
_MAX_ASSERTION: Final = 8192
_MAX_JTI: Final = 512
_LATEST: Final = 1e11  # seconds since 1970: in the year 5138. NaN is no smaller, and so refused too


class _Registry(jws.JWSRegistry):
    """joserfc's rules, with room for a long ``jku`` and for header fields that it does not know."""

    max_header_length = 4096


_RULES: Final = _Registry(algorithms=list(ALGS), strict_check_header=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assertion:
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    text: str


class Prover:
    """Lets clients prove who they are.

    Parameters
    ----------
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, clients: SmartClients, clock: Callable[[], float] = time.time) -> None:
        self._clients = clients
        self._clock = clock
        self._keys = ClientKeys()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], float] = {}

    def identify(self, form: Mapping[str, str], authorization: str | None, audiences: Set[str]) -> SmartClient:
        """Who calls.

        Parameters
        ----------
        form : mapping
            Parameters of the request.
        authorization : str or None
            The header.
        audiences : set of str
            URLs that an assertion may be meant for.

        Raises
        ------
        OAuthRefusal
            ``invalid_client``, or ``invalid_request`` for two proofs at once.
        """
        asserted = "client_assertion" in form or "client_assertion_type" in form
        if "client_secret" in form:
            raise OAuthRefusal("invalid_client", "a secret belongs into the Authorization header")
        if asserted and authorization is not None:
            raise OAuthRefusal("invalid_request", "two ways to authenticate at once")
        client = self._by_assertion(form, audiences) if asserted else self._by_secret(authorization)
        if form.get("client_id", client.id) != client.id:
            _refuse("client_id is another client's")
        return client

    # --- with a secret

    def _by_secret(self, authorization: str | None) -> SmartClient:
        name, secret = _basic(authorization)
        client = self._clients.get(name)
        if client is None or client.method != "client_secret_basic" or not client.knows_secret(secret):
            _refuse("unknown client, wrong secret, or not the way in which this client authenticates")
        return client

    # --- with a signed assertion

    def _by_assertion(self, form: Mapping[str, str], audiences: Set[str]) -> SmartClient:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            _refuse("client_assertion_type is not jwt-bearer")
        stated = _parsed(form.get("client_assertion", ""))
        client = self._clients.get(_text(stated.claims, "iss"))
        if client is None or client.method != "private_key_jwt" or stated.claims.get("sub") != client.id:
            _refuse("iss and sub must both be the id of a client that authenticates with assertions")
        self._check_signature(stated, client)
        self._check_claims(stated.claims, audiences)
        self._use_up(client, stated.claims)
        return client

    def _check_signature(self, stated: _Assertion, client: SmartClient) -> None:
        if client.jwks_url and stated.header.get("jku", client.jwks_url) != client.jwks_url:
            _refuse("jku is not the registered one")
        try:
            key = self._keys.find(client, _text(stated.header, "kid"), _text(stated.header, "alg"))
            jws.deserialize_compact(stated.text, key, registry=_RULES)
        except KeyUnavailable as error:
            raise OAuthRefusal("invalid_client", str(error)) from error
        except (JoseError, ValueError, TypeError) as error:
            raise OAuthRefusal("invalid_client", "the signature does not fit") from error

    def _check_claims(self, claims: Mapping[str, Any], audiences: Set[str]) -> None:
        stated = claims.get("aud")
        many = stated if isinstance(stated, list) else [stated]
        if not any(one in audiences for one in many if isinstance(one, str)):
            _refuse("aud is not the URL of this endpoint")
        now, ends = self._clock(), _seconds(claims, "exp")
        if ends <= now:
            _refuse("exp has passed")
        if ends > now + LONGEST_S + SKEW_S:
            _refuse(f"exp is more than {LONGEST_S} s ahead")
        if any(name in claims and _seconds(claims, name) > now + SKEW_S for name in ("iat", "nbf")):
            _refuse("iat or nbf is ahead")

    def _use_up(self, client: SmartClient, claims: Mapping[str, Any]) -> None:
        """Each ``jti`` counts once, for as long as its assertion would."""
        name, now = _text(claims, "jti"), self._clock()
        if len(name) > _MAX_JTI:
            _refuse(f"jti is longer than {_MAX_JTI} characters")
        with self._lock:
            self._seen = {key: ends for key, ends in self._seen.items() if ends > now}
            if (client.id, name) in self._seen:
                _refuse("this assertion was used already")
            self._seen[client.id, name] = _seconds(claims, "exp")


def _refuse(why: str) -> NoReturn:
    raise OAuthRefusal("invalid_client", why)


def _basic(authorization: str | None) -> tuple[str, str]:
    """Id and secret of a Basic header, each form-encoded within it (RFC 6749, section 2.3.1)."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        _refuse("the client did not authenticate")
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise OAuthRefusal("invalid_client", "the Basic header is malformed") from error
    if not colon:
        _refuse("the Basic header is malformed")
    return unquote_plus(name), unquote_plus(secret)


def _parsed(text: str) -> _Assertion:
    """Header and claims as stated: nothing in them is proven."""
    parts = text.split(".")
    if len(text) > _MAX_ASSERTION or len(parts) != 3:
        _refuse("client_assertion is not a signed JWT")
    header, claims = (_object(part) for part in parts[:2])
    if header.get("alg") not in ALGS:
        _refuse("alg must be ES384 or RS384")
    if header.get("typ", "JWT") != "JWT":
        _refuse("typ must be JWT")
    return _Assertion(header=header, claims=claims, text=text)


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError) as error:
        raise OAuthRefusal("invalid_client", "client_assertion is not a signed JWT") from error
    if not isinstance(value, dict):
        _refuse("client_assertion is not a signed JWT")
    return value


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        _refuse(f"{name} is required")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        _refuse(f"{name} must be a number of seconds since 1970")
    return float(value)
