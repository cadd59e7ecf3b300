"""Codes, access tokens and refresh tokens: in memory, each kept under its hash, until they end.

RFC 6749 sections 4.1.3, 4.4 and 6, RFC 7636, and what RFC 9700 asks for: a code or refresh token that comes twice has
leaked, and everything that was ever made from it ends at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cds_app.sandbox.smart.authorisation import AskedFor
from cds_app.sandbox.smart.clients import SmartClient
from cds_app.sandbox.smart.launches import Context
from cds_app.sandbox.smart.oauth import OAuthRefusal, digest, new_secret
from cds_app.sandbox.smart.scopes import granted

CODE_LIFE_S: Final = 60
ACCESS_LIFE_S: Final = 600
BACKEND_LIFE_S: Final = 300
ONLINE_LIFE_S: Final = 8 * 3600
OFFLINE_LIFE_S: Final = 30 * 24 * 3600
_REPLAY_WATCHED_S: Final = OFFLINE_LIFE_S
_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


@dataclass(slots=True, kw_only=True, eq=False)
class Grant:
    """What one person once allowed one app: everything that follows from it ends together."""

    client_id: str
    scopes: tuple[str, ...]
    context: Context
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an access token opens, and until when, seconds since 1970."""

    grant: Grant
    scopes: tuple[str, ...]
    began: float
    ends: float

    @property
    def context(self) -> Context:
        """In which it was granted."""
        return self.grant.context


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An answer of the token endpoint.

    Parameters
    ----------
    token, refresh : str
        Access token, and the refresh token or "".
    nonce : str
        For the id token.
    signed_in : bool
        Whether this follows a person's signing in, and so comes with an id token where one was asked for.
    """

    token: str
    access: Access
    refresh: str = ""
    nonce: str = ""
    signed_in: bool = False


@dataclass(slots=True, kw_only=True)
class _Code:
    asked: AskedFor
    grant: Grant
    ends: float
    used: bool = False


@dataclass(slots=True, kw_only=True)
class _Refresh:
    grant: Grant
    ends: float
    used: bool = False


@dataclass(slots=True, kw_only=True)
class _Kept:
    codes: dict[str, _Code] = field(default_factory=dict)
    access: dict[str, Access] = field(default_factory=dict)
    refresh: dict[str, _Refresh] = field(default_factory=dict)


class Tokens:
    """Makes, changes, finds and ends them.

    Parameters
    ----------
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._kept = _Kept()

    def code(self, asked: AskedFor, context: Context) -> str:
        """A code for what was asked for and allowed, in this context."""
        made = new_secret()
        grant = Grant(client_id=asked.to.client.id, scopes=asked.scopes, context=context)
        with self._lock:
            self._sweep()
            self._kept.codes[digest(made)] = _Code(asked=asked, grant=grant, ends=self._clock() + CODE_LIFE_S)
        return made

    def redeem(self, client: SmartClient, form: Mapping[str, str]) -> Issued:
        """Tokens for a code.

        Raises
        ------
        OAuthRefusal
            ``invalid_grant``. A code is used up by the first try of its client, whatever comes of it.
        """
        with self._lock:
            kept = self._kept.codes.get(digest(form.get("code", "")))
            if kept is None or kept.grant.client_id != client.id:
                raise OAuthRefusal("invalid_grant", "the code is unknown")
            if kept.used:
                kept.grant.ended = True
                raise OAuthRefusal("invalid_grant", "the code was used already: what was made from it has ended")
            kept.used = True
            if kept.ends <= self._clock():
                raise OAuthRefusal("invalid_grant", "the code is too old")
            _check_binding(kept.asked, form)
            refresh = self._refresh_for(kept.grant)
            return self._issue(kept.grant, refresh=refresh, nonce=kept.asked.nonce, signed_in=True)

    def refresh(self, client: SmartClient, form: Mapping[str, str]) -> Issued:
        """New tokens for a refresh token, which is used up.

        Raises
        ------
        OAuthRefusal
            ``invalid_grant``; ``invalid_scope`` for more than was granted.
        """
        with self._lock:
            kept = self._kept.refresh.get(digest(form.get("refresh_token", "")))
            if kept is None or kept.grant.client_id != client.id or kept.grant.ended or kept.ends <= self._clock():
                raise OAuthRefusal("invalid_grant", "the refresh token is unknown or has ended")
            if kept.used:
                kept.grant.ended = True
                raise OAuthRefusal("invalid_grant", "the refresh token was used already: the grant has ended")
            scopes = _narrowed(form.get("scope", ""), kept.grant)
            kept.used = True
            return self._issue(kept.grant, scopes=scopes, refresh=self._refresh_for(kept.grant, kept.ends))

    def backend(self, client: SmartClient, form: Mapping[str, str]) -> Issued:
        """A short token for a server without a person (SMART Backend Services).

        Raises
        ------
        OAuthRefusal
            ``unauthorized_client`` without assertion, ``invalid_scope`` if nothing may be granted.
        """
        if client.method != "private_key_jwt":
            raise OAuthRefusal("unauthorized_client", "servers authenticate with a signed assertion")
        asked = [one for one in form.get("scope", "").split() if one.startswith("system/")]
        scopes = granted(asked, client.scopes)
        if not scopes:
            raise OAuthRefusal("invalid_scope", "no system scope that this client may have")
        return self.mint(client.id, scopes, Context())

    def mint(self, client_id: str, scopes: tuple[str, ...], context: Context) -> Issued:
        """A short access token that the EHR itself hands out, as with a hook call."""
        with self._lock:
            self._sweep()
            grant = Grant(client_id=client_id, scopes=scopes, context=context)
            return self._issue(grant, life_s=BACKEND_LIFE_S)

    def find(self, token: str) -> Access | None:
        """What a token opens now; None if it is unknown or has ended."""
        with self._lock:
            found = self._kept.access.get(digest(token))
        return found if found is not None and not found.grant.ended and found.ends > self._clock() else None

    def end(self, client: SmartClient, token: str) -> None:
        """Revoke one of the client's own tokens: with a refresh token the whole grant (RFC 7009)."""
        with self._lock:
            kept = self._kept.refresh.get(digest(token))
            if kept is not None and kept.grant.client_id == client.id:
                kept.grant.ended = True
            found = self._kept.access.get(digest(token))
            if found is not None and found.grant.client_id == client.id:
                del self._kept.access[digest(token)]

    def _issue(
        self,
        grant: Grant,
        *,
        scopes: tuple[str, ...] | None = None,
        refresh: str = "",
        nonce: str = "",
        signed_in: bool = False,
        life_s: float = ACCESS_LIFE_S,
    ) -> Issued:
        token, now = new_secret(), self._clock()
        access = Access(grant=grant, scopes=scopes or grant.scopes, began=now, ends=now + life_s)
        self._kept.access[digest(token)] = access
        return Issued(token=token, access=access, refresh=refresh, nonce=nonce, signed_in=signed_in)

    def _refresh_for(self, grant: Grant, ends: float | None = None) -> str:
        """A refresh token, if that was granted; it never outlives the first of its line."""
        life_s = OFFLINE_LIFE_S if "offline_access" in grant.scopes else ONLINE_LIFE_S
        if not {"online_access", "offline_access"} & set(grant.scopes):
            return ""
        made = new_secret()
        self._kept.refresh[digest(made)] = _Refresh(grant=grant, ends=ends or self._clock() + life_s)
        return made

    def _sweep(self) -> None:
        """Forget what has ended; used codes are remembered as long as their coming back must be noticed."""
        now, kept = self._clock(), self._kept
        kept.codes = {key: one for key, one in kept.codes.items() if one.ends + _REPLAY_WATCHED_S > now}
        kept.access = {key: one for key, one in kept.access.items() if one.ends > now and not one.grant.ended}
        kept.refresh = {key: one for key, one in kept.refresh.items() if one.ends > now and not one.grant.ended}


def _check_binding(asked: AskedFor, form: Mapping[str, str]) -> None:
    """Whether the code comes back from where it was sent, and from who asked for it (RFC 7636, section 4.6)."""
    if form.get("redirect_uri") != asked.to.redirect_uri:
        raise OAuthRefusal("invalid_grant", "redirect_uri is not the one of the request")
    verifier = form.get("code_verifier", "")
    if _VERIFIER.fullmatch(verifier) is None:
        raise OAuthRefusal("invalid_grant", "code_verifier is missing or malformed")
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if not hmac.compare_digest(hashed, asked.challenge):
        raise OAuthRefusal("invalid_grant", "code_verifier does not fit code_challenge")


def _narrowed(asked: str, grant: Grant) -> tuple[str, ...]:
    """The scopes of a refresh: all, or those named, if each was granted."""
    named = tuple(dict.fromkeys(asked.split()))
    if not set(named) <= set(grant.scopes):
        raise OAuthRefusal("invalid_scope", "more than was granted")
    return named or grant.scopes
