"""The server's own reads, without a user: tokens of SMART Backend Services, and whether an EHR is set up for us."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cds_app.domain.issuers import Issuer, Method
from cds_app.domain.scopes import missing
from cds_app.errors import DataUnavailable, GrantRefused, SettingsError
from cds_app.ports import FhirReader
from cds_app.services.smart.discovery import Endpoints
from cds_app.services.smart.grants import Grant, Granting

EARLY: Final = timedelta(seconds=30)
_BUDGET_S: Final = 5.0
_MENDING: Final = {
    "invalid_client": (
        "enter our key set's URL (/.well-known/jwks.json) and the client id at the EHR as they are here, or the secret"
    ),
    "invalid_scope": "register the system scopes at the EHR, or other ones here (--scope)",
    "unauthorized_client": "allow the grant client_credentials at the EHR",
    "unsupported_grant_type": "this EHR has no backend services: register it here without system scopes",
}


class Backend:
    """Tokens for the server itself, each used until shortly before its end."""

    def __init__(self, granting: Granting) -> None:
        self._granting = granting
        self._held: dict[Issuer, Grant] = {}
        self._turn = threading.Lock()

    def token(self, issuer: Issuer, now: datetime) -> str:
        """Access token for the issuer's FHIR server. Raises GrantRefused, DataUnavailable, SettingsError."""
        return self.grant(issuer, now).access

    def grant(self, issuer: Issuer, now: datetime) -> Grant:
        """The same with all that is known of it. Threads that come together get one and the same."""
        with self._turn:
            held = self._held.get(issuer)
            if held is None or now >= held.expires - EARLY:
                held = self._granting.own(issuer, now)
                self._held[issuer] = held
            return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    mend : str
        What to do about it; "" if nothing is to be done.
    """

    what: str
    fine: bool
    mend: str = ""


def examine(issuer: Issuer, granting: Granting, fhir: FhirReader, now: datetime) -> Iterator[Finding]:
    """Look at everything that a launch from this EHR, and the server's own reads there, will need.

    Each finding comes as soon as it is known. Nothing is looked at that needs what was not found.
    """
    yield _signing(issuer, granting, now)
    try:
        endpoints = granting.discovery.find(issuer.iss)
    except DataUnavailable as error:
        mend = "check the URL, that this machine may connect to it, and that its certificate is accepted here"
        yield Finding(what=f"discovery: {error.field}: {error.message}", fine=False, mend=mend)
        return
    yield Finding(what="discovery", fine=True)
    yield from _launching(issuer, endpoints)
    if issuer.system_scopes:
        yield from _backend(issuer, granting, fhir, now)


def _signing(issuer: Issuer, granting: Granting, now: datetime) -> Finding:
    if issuer.method is not Method.PRIVATE_KEY_JWT:
        return Finding(what=f"client secret ({issuer.method.value})", fine=True)
    try:
        key = granting.keys.signer(issuer.alg, now)
    except SettingsError:
        return Finding(what=f"a key for {issuer.alg}", fine=False, mend="make one: twinline keys new")
    return Finding(what=f"a key for {issuer.alg}: {key.kid}", fine=True)


def _launching(issuer: Issuer, endpoints: Endpoints) -> Iterator[Finding]:
    """What the EHR says that it can do."""
    yield Finding(
        what="an authorisation endpoint",
        fine=bool(endpoints.authorize),
        mend="" if endpoints.authorize else "nobody can launch from this EHR: ask its makers",
    )
    yield Finding(
        what="PKCE with S256",
        fine=endpoints.pkce,
        mend="" if endpoints.pkce else "the EHR must list S256 in code_challenge_methods_supported: ask its makers",
    )
    known = bool(endpoints.jwks) or "openid" not in issuer.scopes
    yield Finding(
        what="keys to check who the user is",
        fine=known,
        mend=""
        if known
        else "the EHR names no issuer and jwks_uri: register it without the scopes openid and fhirUser",
    )
    accepted = not endpoints.methods or issuer.method.value in endpoints.methods
    yield Finding(
        what=f"client authentication by {issuer.method.value}",
        fine=accepted,
        mend="" if accepted else f"the EHR accepts {', '.join(sorted(endpoints.methods))}: register it with --method",
    )


def _backend(issuer: Issuer, granting: Granting, fhir: FhirReader, now: datetime) -> Iterator[Finding]:
    """A token for the server itself, and one read with it."""
    try:
        grant = Backend(granting).grant(issuer, now)
    except GrantRefused as error:
        mend = _MENDING.get(error.reason, "look into the EHR's own log: it does not say more")
        yield Finding(what=f"a token for the server itself: refused, {error.reason}", fine=False, mend=mend)
        return
    except (DataUnavailable, SettingsError) as error:
        what = f"a token for the server itself: {error.field}: {error.message}"
        yield Finding(what=what, fine=False, mend="check the EHR's token endpoint")
        return
    lacking = missing(issuer.system_scopes, grant.scopes)
    mend = f"register at the EHR, too: {' '.join(lacking)}" if lacking else ""
    yield Finding(what="a token for the server itself", fine=not lacking, mend=mend)
    try:
        fhir.read(issuer.iss, "metadata", token=grant.access, budget_s=_BUDGET_S)
    except DataUnavailable as error:
        yield Finding(
            what=f"reading metadata: {error.message}", fine=False, mend="check the FHIR server and the scopes"
        )
        return
    yield Finding(what="reading metadata", fine=True)
