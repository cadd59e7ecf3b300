"""Visits: kept on the server, opened by the browser that launched, over after a while, their tokens kept fresh.

A visit is over 15 minutes after it was last looked at and 12 hours after its launch. When its token is about to
expire, exactly one of all threads and processes refreshes it, because a refresh token may be used once; the others go
on with the token that there is, or wait for the new one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from cds_app.domain.issuers import Issuer
from cds_app.domain.visits import Visit
from cds_app.errors import (
    Conflict,
    DataUnavailable,
    DependencyDown,
    GrantRefused,
    OtherPatient,
    SessionExpired,
    SettingsError,
)
from cds_app.ports import Cabinet, Clock
from cds_app.services.smart.drawers import Drawer, Index, Kept, content, is_secret
from cds_app.services.smart.grants import Grant, Granting
from cds_app.services.smart.id_tokens import Expected, IdTokenRefused, IdTokens
from cds_app.services.smart.issuers import Issuers
from cds_app.services.smart.turnstile import Turnstile

KIND: Final = "visit"
IDLE: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=12)
STEP: Final = timedelta(seconds=15)
"""That somebody looked at a visit is written down this often; nobody's visit is over sooner for it."""
EARLY: Final = timedelta(seconds=30)
"""A token is refreshed this long before its end."""
CLAIM: Final = timedelta(seconds=20)
"""So long others leave a refresh to who began it: longer than an authorisation server is waited for."""
_PAUSE_S: Final = 0.05
_TRIES: Final = 8
_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A visit with what nobody but its browser's requests may use.

    Parameters
    ----------
    subject : str
        The issuer's name for the user; "" if it sent no id_token.
    seen : datetime
        When somebody last looked at it, about.
    claim : str
        Who is refreshing the token; "" for nobody.
    """

    visit: Visit
    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    expires: datetime
    subject: str = ""
    seen: datetime
    claim: str = ""
    claimed: datetime | None = None

    @property
    def until(self) -> datetime:
        """When it is over."""
        return min(self.seen + IDLE + STEP, self.visit.began + LONGEST)


def is_fresh(held: Held, now: datetime) -> bool:
    """Whether the access token will do for a while; or for as long as it can, if it cannot be refreshed."""
    return now < held.expires - (EARLY if held.refresh else timedelta())


class Visits:
    """All visits of all browsers.

    Parameters
    ----------
    turnstile : Turnstile
        For what waits for an EHR.
    """

    def __init__(
        self,
        cabinet: Cabinet,
        granting: Granting,
        id_tokens: IdTokens,
        clock: Clock,
        turnstile: Turnstile,
    ) -> None:
        self._cabinet = cabinet
        self._issuers = Issuers(cabinet)
        self._granting = granting
        self._id_tokens = id_tokens
        self._clock = clock
        self._turnstile = turnstile
        self._ticking = time.monotonic
        self._pause = time.sleep

    def open(self, browser: str, visit_id: str, now: datetime, *, used: bool = True) -> Visit:
        """The visit, if it is for the patient of this browser's newest launch.

        Parameters
        ----------
        used : bool
            Whether somebody does something: a page that asks by itself keeps no visit alive.

        Raises
        ------
        SessionExpired
            If it is unknown, over, idle for too long or another browser's: which of them is not said.
        OtherPatient
        """
        drawer = self._drawer(browser)
        kept, held = self._held(drawer, visit_id, now)
        index = drawer.index(now)
        if (index.realm, index.patient) != (held.visit.realm, held.visit.patient):
            raise OtherPatient(held.visit.frames)
        if used:
            self._touch(drawer, kept, held, now)
        return held.visit

    def resume(self, browser: str, visit_id: str, now: datetime) -> Visit:
        """The visit, which its user confirmed to be the one that is meant. Raises SessionExpired."""
        drawer = self._drawer(browser)
        kept, held = self._held(drawer, visit_id, now)
        drawer.change(lambda index: _for(index, held.visit), now)
        self._touch(drawer, kept, held, now)
        return held.visit

    def token(self, browser: str, visit: Visit, now: datetime) -> str:
        """Access token of a visit, refreshed when it is about to expire.

        Raises
        ------
        SessionExpired
            If the EHR gives no other.
        DataUnavailable, DependencyDown
            If its authorisation server cannot be asked now, and the token is over.
        """
        drawer, began = self._drawer(browser), self._ticking()
        while True:
            at = now + timedelta(seconds=self._ticking() - began)
            kept, held = self._held(drawer, visit.id, at)
            if is_fresh(held, at):
                return held.access
            if not held.refresh:
                raise SessionExpired
            if not _is_claimed(held, at) and (mine := self._claimed(drawer, kept, held, at)):
                return self._refreshed(drawer, mine, at)
            if at < held.expires:
                return held.access
            if at - now > CLAIM:
                raise DataUnavailable("the token is over, and no other came in time", field="token_endpoint")
            self._pause(_PAUSE_S)

    def close(self, browser: str, visit_id: str) -> None:
        """Log out: forget the visit and its tokens, and have the EHR forget them if it can. There may be none."""
        now = self._clock.now()
        kept = Drawer(self._cabinet, browser).take(KIND, visit_id, now) if is_secret(browser) else None
        if kept is not None:
            self._revoke(content(kept, Held), now)

    def begin(self, drawer: Drawer, held: Held, now: datetime) -> None:
        """Put a new visit into a drawer; from now on it is the one that is meant."""
        drawer.put(KIND, held.visit.id, _kept(held, 0), now, until=held.visit.began + LONGEST)
        drawer.change(lambda index: _for(index, held.visit), now)

    def _drawer(self, browser: str) -> Drawer:
        if not is_secret(browser):
            raise SessionExpired
        return Drawer(self._cabinet, browser)

    def _held(self, drawer: Drawer, visit_id: str, now: datetime) -> tuple[Kept, Held]:
        kept = drawer.read(KIND, visit_id, now)
        if kept is None:
            raise SessionExpired
        return kept, content(kept, Held)

    def _touch(self, drawer: Drawer, kept: Kept, held: Held, now: datetime) -> None:
        if now - held.seen >= STEP:
            with suppress(Conflict):  # somebody else looks at it too
                drawer.write(KIND, held.visit.id, _kept(replace(held, seen=now), kept.version), now)

    def _claimed(self, drawer: Drawer, kept: Kept, held: Held, now: datetime) -> Held | None:
        """The visit with our claim on it; None if somebody was faster."""
        mine = replace(held, claim=secrets.token_urlsafe(16), claimed=now)
        try:
            drawer.write(KIND, held.visit.id, _kept(mine, kept.version), now)
        except Conflict:
            return None
        return mine

    def _refreshed(self, drawer: Drawer, held: Held, now: datetime) -> str:
        """Refresh the token, as the only one who does."""
        try:
            with self._turnstile:
                issuer = self._issuer(held, now)
                grant = self._granting.refresh(issuer, held.refresh, held.visit.scopes, now)
                self._check_same(issuer, held, grant, now)
        except (GrantRefused, SettingsError, IdTokenRefused) as error:
            _LOG.warning("refresh-refused", reason=getattr(error, "reason", type(error).__name__))
            drawer.take(KIND, held.visit.id, now)
            raise SessionExpired from None
        except (DataUnavailable, DependencyDown) as error:
            _LOG.warning("refresh-failed", code=error.code, field=error.field or "")
            self._keep(drawer, held, now, lambda there: replace(there, claim="", claimed=None))
            if now < held.expires:
                return held.access
            raise
        self._keep(drawer, held, now, lambda there: _with(there, grant))
        return grant.access

    def _revoke(self, held: Held, now: datetime) -> None:
        """The user is logged out, whatever the EHR says to it."""
        token, hint = (held.refresh, "refresh_token") if held.refresh else (held.access, "access_token")
        try:
            with self._turnstile:
                self._granting.revoke(self._issuer(held, now), token, hint, now)
        except (DataUnavailable, DependencyDown, SettingsError) as error:
            _LOG.warning("not-revoked", code=error.code, field=error.field or "")

    def _issuer(self, held: Held, now: datetime) -> Issuer:
        issuer = self._issuers.at(held.visit.issuer, now)
        if issuer is None:
            raise SettingsError("the issuer is not registered any more", field="issuer")
        return issuer

    def _check_same(self, issuer: Issuer, held: Held, grant: Grant, now: datetime) -> None:
        """Whether the new token is for the same patient and user."""
        if grant.patient not in (None, held.visit.patient):
            raise IdTokenRefused("the token is for another patient")
        if grant.id_token and held.subject:
            try:
                endpoints = self._granting.discovery.find(issuer.iss)
                expected = Expected(
                    endpoints=endpoints, client_id=issuer.client_id, base=issuer.iss, nonce=None, subject=held.subject
                )
                self._id_tokens.check(grant.id_token, expected, now.timestamp())
            except DataUnavailable as error:
                # The refresh token is used up, and the answer came from the token endpoint itself: go on with it.
                _LOG.warning("id-token-unchecked", code=error.code, field=error.field or "")

    def _keep(self, drawer: Drawer, held: Held, now: datetime, change: Callable[[Held], Held]) -> None:
        """Write down what became of our claim; others may have looked at the visit meanwhile."""
        for _ in range(_TRIES):
            kept, there = self._held(drawer, held.visit.id, now)
            if there.claim != held.claim:
                return  # ours took too long, and somebody else began anew
            with suppress(Conflict):
                drawer.write(KIND, held.visit.id, _kept(change(there), kept.version), now)
                return
        raise SessionExpired


def _kept(held: Held, version: int) -> Kept:
    return Kept(version=version, plain=msgspec.json.encode(held), until=held.until)


def _for(index: Index, visit: Visit) -> Index:
    return replace(index, realm=visit.realm, patient=visit.patient)


def _is_claimed(held: Held, now: datetime) -> bool:
    return held.claimed is not None and now - held.claimed < CLAIM


def _with(held: Held, grant: Grant) -> Held:
    """The visit with new tokens. A server that sends no new refresh token goes on with the old one."""
    scopes: Collection[str] = held.visit.scopes if grant.scopes_assumed else grant.scopes
    return replace(
        held,
        visit=replace(held.visit, scopes=frozenset(scopes)),
        access=grant.access,
        refresh=grant.refresh or held.refresh,
        expires=grant.expires,
        claim="",
        claimed=None,
    )
