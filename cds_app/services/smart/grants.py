"""Tokens: asked for with proof of who we are, and the answers read with care (SMART App Launch 2.2)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from cds_app.domain.issuers import Issuer, Method, TokenRequest
from cds_app.domain.scopes import read_scopes
from cds_app.errors import DataUnavailable
from cds_app.ports import TokenEndpoint
from cds_app.services.smart.discovery import Discovery
from cds_app.services.smart.signing import SigningKeys, assertion

JWKS_PATH: Final = "/.well-known/jwks.json"
UNSTATED_S: Final = 3600
"""Life of an access token that says nothing of it: SMART allows at most an hour."""
LONGEST_S: Final = 12 * 3600
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_MAX_TEXT: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an authorisation server granted.

    Parameters
    ----------
    access, refresh, id_token : str
        "" for those that it did not send.
    expires : datetime
        Of the access token.
    scopes : frozenset of str
    scopes_assumed : bool
        Whether it did not say, so that they are what was asked for.
    patient, encounter : str or None
        Bare FHIR ids.
    app_context : str
        "" if not said.
    """

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    expires: datetime
    scopes: frozenset[str]
    scopes_assumed: bool
    patient: str | None = None
    encounter: str | None = None
    app_context: str = ""


def read_grant(answer: Mapping[str, Any], asked: Collection[str], now: datetime) -> Grant:
    """The answer of a token endpoint.

    Raises
    ------
    DataUnavailable
        Naming the field that makes it unusable.
    """
    kind = answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise DataUnavailable("the token must be of the type Bearer", field="token_type")
    stated = answer.get("scope")
    said = isinstance(stated, str)
    return Grant(
        access=_token(answer, "access_token", required=True),
        refresh=_token(answer, "refresh_token"),
        id_token=_token(answer, "id_token"),
        expires=now + timedelta(seconds=_life_s(answer.get("expires_in"))),
        scopes=read_scopes(stated) if isinstance(stated, str) else frozenset(asked),
        scopes_assumed=not said,
        patient=_id(answer, "patient"),
        encounter=_id(answer, "encounter"),
        app_context=_text(answer, "appContext"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Granting:
    """Asks an EHR's authorisation server for tokens.

    Parameters
    ----------
    base_url : str
        Under which others know this service, without a trailing slash.
    """

    discovery: Discovery
    endpoint: TokenEndpoint
    keys: SigningKeys
    base_url: str

    def redeem(self, issuer: Issuer, form: Mapping[str, str], asked: Collection[str], now: datetime) -> Grant:
        """Tokens for the code of a launch. Raises GrantRefused, DataUnavailable, SettingsError."""
        return self._ask(issuer, {"grant_type": "authorization_code", **form}, asked, now)

    def refresh(self, issuer: Issuer, token: str, asked: Collection[str], now: datetime) -> Grant:
        """New tokens for a refresh token, which is used up by this. Raises as `redeem`.

        Notes
        -----
        No scope is sent: then what was granted at first is granted again, by every server (RFC 6749, 6).
        """
        return self._ask(issuer, {"grant_type": "refresh_token", "refresh_token": token}, asked, now)

    def own(self, issuer: Issuer, now: datetime) -> Grant:
        """A token for the server itself (SMART Backend Services). Raises as `redeem`."""
        scopes = issuer.system_scopes
        return self._ask(issuer, {"grant_type": "client_credentials", "scope": " ".join(scopes)}, scopes, now)

    def revoke(self, issuer: Issuer, token: str, hint: str, now: datetime) -> None:
        """Have the EHR forget a token, if it can. Raises DataUnavailable, SettingsError.

        Parameters
        ----------
        hint : str
            ``refresh_token`` or ``access_token``.
        """
        endpoints = self.discovery.find(issuer.iss)
        if endpoints.revocation:
            form = {"token": token, "token_type_hint": hint}
            self.endpoint.revoke(self._request(issuer, endpoints.revocation, form, now, audience=endpoints.token))

    def _ask(self, issuer: Issuer, form: Mapping[str, str], asked: Collection[str], now: datetime) -> Grant:
        url = self.discovery.find(issuer.iss).token
        return read_grant(self.endpoint.ask(self._request(issuer, url, form, now, audience=url)), asked, now)

    def _request(
        self, issuer: Issuer, url: str, form: Mapping[str, str], now: datetime, *, audience: str
    ) -> TokenRequest:
        """A request with proof of who we are, made for the token endpoint wherever it is sent (RFC 7523, 3)."""
        if issuer.method is not Method.PRIVATE_KEY_JWT:
            return TokenRequest(
                url=url, form=form, method=issuer.method, client_id=issuer.client_id, client_secret=issuer.secret
            )
        key = self.keys.signer(issuer.alg, now)
        proof = assertion(key, issuer.client_id, audience, self.base_url + JWKS_PATH, now)
        return TokenRequest(url=url, form=form, method=issuer.method, assertion=proof)


def _token(answer: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    stated = answer.get(name)
    if stated is None and not required:
        return ""
    if not isinstance(stated, str) or _TOKEN.fullmatch(stated) is None:
        raise DataUnavailable("is missing or malformed", field=name)
    return stated


def _life_s(stated: object) -> float:
    """Seconds; some servers write them as a text."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():
        stated = int(stated[:9])
    if stated is None:
        return UNSTATED_S
    if isinstance(stated, bool) or not isinstance(stated, int | float) or stated <= 0:
        raise DataUnavailable("must be a number of seconds", field="expires_in")
    return min(float(stated), LONGEST_S)


def _id(answer: Mapping[str, Any], name: str) -> str | None:
    stated = answer.get(name)
    if stated is None or stated == "":
        return None
    if not isinstance(stated, str) or _ID.fullmatch(stated) is None:
        raise DataUnavailable("must be a bare FHIR id", field=name)
    return stated


def _text(answer: Mapping[str, Any], name: str) -> str:
    stated = answer.get(name)
    return stated if isinstance(stated, str) and len(stated) <= _MAX_TEXT else ""
