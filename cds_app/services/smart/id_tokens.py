"""Who is the user? What an EHR's id_token says, once its signature, issuer, audience, times and nonce are right.

OpenID Connect Core 3.1.3.7 and SMART App Launch 2.2, with what EHRs do: ``fhirUser`` absolute or relative, ``profile``
instead of it, keys without a name.
"""

from __future__ import annotations

import hmac
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, DataUnavailable, TooLarge
from cds_app.ports import PublishedReader
from cds_app.services.callers.keys import Key, UnusableKey, public_key, stated_keys
from cds_app.services.smart.discovery import Endpoints

ALGS: Final = ("RS256", "RS384", "ES256", "ES384")
LEEWAY_S: Final = 60.0
FRESH_S: Final = 600.0
PAUSE_S: Final = 60.0
"""At most one request for an issuer's keys in this time, whatever its tokens name."""

_CURVES: Final = {"ES256": "P-256", "ES384": "P-384"}
_MAX_LENGTH: Final = 16_384
_MAX_NAME: Final = 512
_USER: Final = re.compile(r"(Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/[A-Za-z0-9\-.]{1,64}")


class IdTokenRefused(Exception):
    """An id_token proves nothing; the text says why and holds nothing of the token."""


class _Registry(jws.JWSRegistry):
    """joserfc's rules, with room for long headers and for header fields that it does not know."""

    max_header_length = 4096
    max_payload_length = _MAX_LENGTH


_RULES: Final = _Registry(algorithms=list(ALGS), strict_check_header=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an id_token must say.

    Parameters
    ----------
    endpoints : Endpoints
        Of the EHR that sent it.
    base : str
        FHIR base, below which the user must be.
    nonce : str or None
        None for a refreshed one, which need not repeat it.
    subject : str
        "" for the first one; then whom the first one named.
    """

    endpoints: Endpoints
    client_id: str
    base: str
    nonce: str | None
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the user is: the issuer's name for them, and the FHIR resource (``Practitioner/123``; "" if not said)."""

    subject: str
    user: str


@dataclass(frozen=True, slots=True)
class _Named:
    """A key with what the set says of it."""

    kid: str
    alg: str
    key: Key


class IdTokens:
    """Checks id_tokens with the keys that their issuers publish."""

    def __init__(self, reader: PublishedReader) -> None:
        self._reader = reader
        self._held: dict[str, tuple[float, Sequence[_Named]]] = {}
        self._turn = threading.Lock()

    def check(self, text: str, expected: Expected, now_s: float) -> Identity:
        """Whom a token names, now in seconds since 1970.

        Raises
        ------
        IdTokenRefused
        DataUnavailable
            If the keys cannot be had.
        """
        header, claims = _read(text)
        if not expected.endpoints.jwks:
            _refuse("the EHR names no keys for it")
        self._check_signature(text, header, expected.endpoints.jwks)
        _check_claims(claims, expected)
        _check_times(claims, now_s)
        return Identity(subject=_name(claims, "sub"), user=user_of(claims, expected.base))

    def _check_signature(self, text: str, header: Mapping[str, Any], url: str) -> None:
        alg, kid = header.get("alg"), header.get("kid")
        if alg not in ALGS:
            _refuse("its algorithm is not accepted")
        key = _fitting(self._keys(url, FRESH_S), alg, kid) or _fitting(self._keys(url, PAUSE_S), alg, kid)
        if key is None:
            _refuse("the key is unknown")
        try:
            jws.deserialize_compact(text, key, registry=_RULES)
        except (JoseError, ValueError, TypeError):
            _refuse("the signature is wrong")

    def _keys(self, url: str, fresh_s: float) -> Sequence[_Named]:
        """The keys at a URL, asked for again if they are older than ``fresh_s``."""
        with self._turn:
            read, keys = self._held.get(url, (float("-inf"), ()))
        if time.monotonic() - read > fresh_s:
            keys = _key_set(self._reader.read(url))
            with self._turn:
                self._held[url] = (time.monotonic(), keys)
        return keys


def user_of(claims: Mapping[str, Any], base: str) -> str:
    """The user as ``Type/id``; "" if the EHR does not say.

    Raises
    ------
    IdTokenRefused
        If ``fhirUser`` is no user of this FHIR server.
    """
    stated = claims.get("fhirUser")
    if stated is None:  # `profile` is older, and may as well be the address of somebody's page
        profile = claims.get("profile")
        below = profile.removeprefix(base + "/") if isinstance(profile, str) else ""
        return below if _USER.fullmatch(below) else ""
    below = stated.removeprefix(base + "/") if isinstance(stated, str) else ""
    if _USER.fullmatch(below) is None:
        _refuse("fhirUser is no user of this FHIR server")
    return below


def _refuse(why: str) -> NoReturn:
    raise IdTokenRefused(why)


def _read(text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, of which nothing is proven yet."""
    if len(text) > _MAX_LENGTH or not text.isascii():
        _refuse("is too long, or no token")
    try:
        found = jws.extract_compact(text.encode(), registry=_RULES)
        claims = loads(found.payload, max_depth=8, max_bytes=_MAX_LENGTH)
        header = found.headers()
    except (JoseError, BadRequest, TooLarge, ValueError, TypeError):
        _refuse("cannot be read")
    if not isinstance(claims, dict):
        _refuse("cannot be read")
    return header, claims


def _key_set(document: bytes) -> Sequence[_Named]:
    try:
        stated = stated_keys(document)
    except (BadRequest, TooLarge):
        raise DataUnavailable("the issuer's key set cannot be read", field="jwks_uri") from None
    return tuple(one for one in map(_named, stated) if one)


def _named(stated: object) -> _Named | None:
    if not isinstance(stated, dict):
        return None
    try:
        key = public_key(stated, tuple(_CURVES.values()))
    except UnusableKey:
        return None
    kid, alg = stated.get("kid"), stated.get("alg")
    return _Named(kid if isinstance(kid, str) else "", alg if isinstance(alg, str) else "", key)


def _fitting(keys: Sequence[_Named], alg: str, kid: object) -> Key | None:
    """The only key for this algorithm, and of this name if one is named."""
    fitting = [
        one.key for one in keys if one.alg in ("", alg) and _signs(one.key, alg) and (kid is None or one.kid == kid)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _signs(key: Key, alg: str) -> bool:
    return key.curve_name == _CURVES.get(alg) if isinstance(key, ECKey) else alg.startswith("RS")


def _check_claims(claims: Mapping[str, Any], expected: Expected) -> None:
    if _name(claims, "iss") != expected.endpoints.issuer:
        _refuse("is another issuer's")
    stated = claims.get("aud")
    audiences = stated if isinstance(stated, list) else [stated]
    if expected.client_id not in audiences:
        _refuse("is for somebody else")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != expected.client_id:
        _refuse("is for somebody else too")
    subject = _name(claims, "sub")
    if not subject or (expected.subject and subject != expected.subject):
        _refuse("is of another user, or of none")
    nonce = claims.get("nonce")
    if expected.nonce is not None and not (
        isinstance(nonce, str) and hmac.compare_digest(nonce.encode(), expected.nonce.encode())
    ):
        _refuse("does not belong to this launch")


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if now_s > expires + LEEWAY_S:
        _refuse("is over")
    if issued > now_s + LEEWAY_S or ("nbf" in claims and _instant(claims, "nbf") > now_s + LEEWAY_S):
        _refuse("is not valid yet")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e11:
        _refuse("does not say when it is valid")
    return float(value)


def _name(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= _MAX_NAME else ""
