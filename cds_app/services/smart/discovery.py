"""What an EHR says of itself: ``{FHIR base}/.well-known/smart-configuration``, and its OpenID document."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from cds_app.domain.strict_json import read_object
from cds_app.errors import DataUnavailable
from cds_app.ports import PublishedReader
from cds_app.services.callers.registration import is_url

FRESH_S: Final = 600.0
MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 12
_SMART: Final = "/.well-known/smart-configuration"
_OPENID: Final = "/.well-known/openid-configuration"
_MAX_URL: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where an EHR is asked for what.

    Parameters
    ----------
    authorize : str
        "" if it has none: then nobody can launch, and only the server itself can read.
    issuer, jwks : str
        Of the id_tokens; "" if the EHR names none.
    names_itself : bool
        Whether each answer to a launch names the issuer (RFC 9207).
    methods : frozenset of str
        How clients may prove at the token endpoint who they are, as stated.
    pkce : bool
        Whether it says that it supports S256.
    revocation : str
        "" for none.
    """

    authorize: str
    token: str
    issuer: str = ""
    jwks: str = ""
    names_itself: bool = False
    methods: frozenset[str] = frozenset()
    pkce: bool = True
    revocation: str = ""


class Discovery:
    """Reads what EHRs say of themselves, and keeps it for a while.

    Parameters
    ----------
    ticking : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, reader: PublishedReader, ticking: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._ticking = ticking
        self._held: dict[str, tuple[float, Endpoints]] = {}
        self._turn = threading.Lock()

    def find(self, base: str) -> Endpoints:
        """The endpoints of the EHR with this FHIR base, which is registered.

        Raises
        ------
        DataUnavailable
            If they cannot be had, or cannot be used; its field names what is wrong.
        """
        with self._turn:
            read, found = self._held.get(base, (float("-inf"), None))
        if found is None or self._ticking() - read > FRESH_S:
            found = self._ask(base)
            with self._turn:
                self._held[base] = (self._ticking(), found)
        return found

    def _ask(self, base: str) -> Endpoints:
        smart = self._document(base + _SMART, "smart-configuration")
        openid: Mapping[str, Any] = smart
        if not (smart.get("issuer") and smart.get("jwks_uri")):
            openid = self._openid(base, smart)
        return read_endpoints(base, smart, openid)

    def _openid(self, base: str, smart: Mapping[str, Any]) -> Mapping[str, Any]:
        """The OpenID document; an empty one where there is none, or where it is another issuer's."""
        stated = smart.get("issuer")
        place = stated.removesuffix("/") if isinstance(stated, str) and is_url(stated, secure=True) else base
        try:
            found = self._document(place + _OPENID, "openid-configuration")
        except DataUnavailable:
            return {}
        return {} if stated and found.get("issuer") != stated else found

    def _document(self, url: str, field: str) -> Mapping[str, Any]:
        try:
            content = self._reader.read(url)
        except DataUnavailable as error:
            raise DataUnavailable(error.message, field=field) from None
        value = read_object(content, max_depth=_MAX_DEPTH, max_bytes=MAX_BYTES)
        if value is None:
            raise DataUnavailable("is no JSON object", field=field)
        return value


def read_endpoints(base: str, smart: Mapping[str, Any], openid: Mapping[str, Any]) -> Endpoints:
    """What the two documents say.

    Raises
    ------
    DataUnavailable
        If an endpoint is missing, or neither https nor on this machine.
    """
    issuer, jwks = openid.get("issuer"), openid.get("jwks_uri")
    known = isinstance(issuer, str) and isinstance(jwks, str)
    challenges = _texts(smart, "code_challenge_methods_supported")
    return Endpoints(
        authorize=_endpoint(base, smart, "authorization_endpoint"),
        token=_endpoint(base, smart, "token_endpoint", required=True),
        issuer=str(issuer) if known else "",
        jwks=_endpoint(base, openid, "jwks_uri") if known else "",
        names_itself=smart.get("authorization_response_iss_parameter_supported") is True
        or openid.get("authorization_response_iss_parameter_supported") is True,
        methods=_texts(smart, "token_endpoint_auth_methods_supported"),
        pkce="S256" in challenges,
        revocation=_endpoint(base, smart, "revocation_endpoint"),
    )


def _endpoint(base: str, document: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """A URL; a relative one, as older servers have it, is one below the FHIR base."""
    stated = document.get(name)
    if stated is None and not required:
        return ""
    if not isinstance(stated, str) or not 0 < len(stated) <= _MAX_URL:
        raise DataUnavailable("the EHR does not say where it is", field=name)
    try:
        whole = urljoin(base + "/", stated)
    except ValueError:
        whole = ""
    if not is_url(whole, secure=True):
        raise DataUnavailable("must be an https URL; http on loopback only", field=name)
    return whole


def _texts(document: Mapping[str, Any], name: str) -> frozenset[str]:
    stated = document.get(name)
    return frozenset(one for one in stated if isinstance(one, str)) if isinstance(stated, list) else frozenset()
