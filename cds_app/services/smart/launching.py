"""A launch: from the EHR's link to a visit (SMART App Launch 2.2, confidential client; RFC 6749, 7636, 9207).

What happens in between is kept here and belongs to one browser: a state that comes back in another one is unknown.
Every refusal has one of the reasons of a closed list and a sentence of ours; nothing that came in is repeated.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NoReturn
from urllib.parse import quote, urlencode

import msgspec
import structlog
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from cds_app.domain.issuers import Issuer
from cds_app.domain.scopes import missing
from cds_app.domain.visits import Visit
from cds_app.errors import DataUnavailable, GrantRefused, LaunchRefused, SettingsError
from cds_app.ports import Cabinet, ClientRegister
from cds_app.services.smart.discovery import Endpoints
from cds_app.services.smart.drawers import Drawer, Kept, content, is_secret, new_secret
from cds_app.services.smart.grants import Grant, Granting
from cds_app.services.smart.id_tokens import Expected, Identity, IdTokenRefused, IdTokens
from cds_app.services.smart.issuers import Issuers, client_of
from cds_app.services.smart.turnstile import Pace, Turnstile
from cds_app.services.smart.visits import Held, Visits

KIND: Final = "launch"
PATIENCE: Final = timedelta(minutes=10)
CALLBACK_PATH: Final = "/smart/callback"
_MAX_PARAMETER: Final = 4096
_LOG = structlog.get_logger("twinline")

_REFUSALS: Final[Mapping[str, int]] = {
    "request": 400, "issuer": 403, "setup": 503, "ehr-down": 502, "pkce": 502, "state": 400, "mix-up": 400,
    "denied": 403, "ehr-error": 502, "code": 403, "patient": 502, "id-token": 403,
}  # fmt: skip
"""HTTP status by reason; ``templates/sidebar/launch_failed.html`` says each to the user."""


def refuse(reason: str) -> NoReturn:
    """Refuse a launch, for one of the reasons of the closed list."""
    raise LaunchRefused(reason, _REFUSALS[reason])


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A launch that was begun: the browser's secret, which may be new, and where it has to go."""

    browser: str = field(repr=False)
    location: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A launch that was completed: the browser's new secret, and its visit."""

    browser: str = field(repr=False)
    visit: Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What is remembered until the EHR sends the browser back.

    Parameters
    ----------
    issuer : str
        FHIR base.
    answers_as : str
        What the answer must name as its issuer, if it names one; "" if the EHR has not said.
    """

    issuer: str
    answers_as: str
    must_answer_as: bool
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launching:
    """Begins and completes launches.

    Parameters
    ----------
    clients : ClientRegister
        Whose patients an EHR's are.
    turnstile : Turnstile
        For what waits for an EHR. Who does not get in has used up nothing, and can simply try again.
    pace : Pace
        Of launches that are begun: everybody may, and each is written down.
    base_url : str
        Under which browsers know this service, without a trailing slash. From the settings, never from a request.
    """

    cabinet: Cabinet
    clients: ClientRegister
    granting: Granting
    id_tokens: IdTokens
    visits: Visits
    turnstile: Turnstile
    pace: Pace
    base_url: str

    def frames(self, now: datetime) -> Sequence[str]:
        """Origins of all registered EHRs that may embed pages."""
        return sorted({origin for issuer in Issuers(self.cabinet).all(now) for origin in issuer.frames})

    def begin(self, browser: str, parameters: Mapping[str, Sequence[str]], now: datetime) -> Begun:
        """Send a browser to the EHR's authorisation server.

        Parameters
        ----------
        browser : str
            Secret of its cookie; "" if it has none.
        parameters : mapping
            ``iss``, and ``launch`` if the EHR launches; all values of each.

        Raises
        ------
        LaunchRefused
        DependencyDown
        """
        iss, launch = _only(parameters, "iss", required=True), _only(parameters, "launch")
        self.pace.step()
        issuer = self._issuer(iss, now)
        with self.turnstile:
            endpoints = self._endpoints(issuer)
        scopes = issuer.launch_scopes(from_ehr=bool(launch))
        pending = Pending(
            issuer=issuer.iss,
            answers_as=endpoints.issuer,
            must_answer_as=endpoints.names_itself,
            verifier=secrets.token_urlsafe(48),
            nonce=secrets.token_urlsafe(24),
            scopes=scopes,
        )
        secret, state = browser if is_secret(browser) else new_secret(), secrets.token_urlsafe(32)
        kept = Kept(plain=msgspec.json.encode(pending), until=now + PATIENCE)
        Drawer(self.cabinet, secret).put(KIND, state, kept, now, until=kept.until)
        return Begun(browser=secret, location=self._location(issuer, endpoints, pending, state, launch))

    def complete(self, browser: str, parameters: Mapping[str, Sequence[str]], now: datetime) -> Completed:
        """Make a visit of the EHR's answer. The browser's secret is renewed.

        Parameters
        ----------
        parameters : mapping
            ``state``, and ``code`` or ``error``, and perhaps ``iss``; all values of each.

        Raises
        ------
        LaunchRefused
        DependencyDown
        """
        with self.turnstile:
            return self._complete(browser, parameters, now)

    def _complete(self, browser: str, parameters: Mapping[str, Sequence[str]], now: datetime) -> Completed:
        state = _only(parameters, "state", required=True)
        pending = self._pending(browser, state, now)
        _check_issuer(pending, _only(parameters, "iss"))
        if error := _only(parameters, "error"):
            refuse("denied" if error == "access_denied" else "ehr-error")
        code = _only(parameters, "code", required=True)
        issuer = self._issuer(pending.issuer, now)
        grant = self._grant(issuer, pending, code, now)
        held = self._held(issuer, pending, grant, now)
        renewed = new_secret()
        self.visits.begin(Drawer(self.cabinet, browser).move(renewed, now), held, now)
        _tell(held, pending)
        return Completed(browser=renewed, visit=held.visit)

    @property
    def redirect_uri(self) -> str:
        """Where EHRs send browsers back to."""
        return self.base_url + CALLBACK_PATH

    def _issuer(self, iss: str, now: datetime) -> Issuer:
        found = Issuers(self.cabinet).at(iss, now)
        if found is None:
            refuse("issuer")
        return found

    def _endpoints(self, issuer: Issuer) -> Endpoints:
        try:
            found = self.granting.discovery.find(issuer.iss)
        except DataUnavailable as error:
            _LOG.warning("discovery-failed", code=error.code, field=error.field or "")
            refuse("ehr-down")
        if not found.authorize:
            refuse("ehr-down")
        if not found.pkce:
            refuse("pkce")
        return found

    def _location(self, issuer: Issuer, endpoints: Endpoints, pending: Pending, state: str, launch: str) -> str:
        asked = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": self.redirect_uri,
            **({"launch": launch} if launch else {}),
            "scope": " ".join(pending.scopes),
            "state": state,
            "aud": issuer.iss,
            "code_challenge": create_s256_code_challenge(pending.verifier),
            "code_challenge_method": "S256",
            "nonce": pending.nonce,
        }
        return f"{endpoints.authorize}{'&' if '?' in endpoints.authorize else '?'}{urlencode(asked, quote_via=quote)}"

    def _pending(self, browser: str, state: str, now: datetime) -> Pending:
        """The launch that this browser began, once."""
        kept = Drawer(self.cabinet, browser).take(KIND, state, now) if is_secret(browser) else None
        if kept is None:
            refuse("state")
        return content(kept, Pending)

    def _grant(self, issuer: Issuer, pending: Pending, code: str, now: datetime) -> Grant:
        form = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": pending.verifier}
        try:
            return self.granting.redeem(issuer, form, pending.scopes, now)
        except GrantRefused as error:
            _LOG.warning("code-refused", reason=error.reason)
            refuse("code")
        except DataUnavailable as error:
            _LOG.warning("code-failed", code=error.code, field=error.field or "")
            refuse("ehr-down")
        except SettingsError as error:
            _LOG.error("setup-incomplete", field=error.field or "")
            refuse("setup")

    def _held(self, issuer: Issuer, pending: Pending, grant: Grant, now: datetime) -> Held:
        """The visit that a grant makes."""
        identity = self._identity(issuer, pending, grant, now)
        if grant.patient is None:
            refuse("patient")
        visit = Visit(
            id=secrets.token_urlsafe(16),
            issuer=issuer.iss,
            realm=self._realm(issuer),
            patient=grant.patient,
            encounter=grant.encounter,
            user=identity.user,
            scopes=grant.scopes,
            app_context=grant.app_context,
            frames=issuer.frames,
            began=now,
        )
        return Held(
            visit=visit,
            access=grant.access,
            refresh=grant.refresh,
            expires=grant.expires,
            subject=identity.subject,
            seen=now,
        )

    def _realm(self, issuer: Issuer) -> str:
        try:
            return issuer.realm(client_of(issuer, self.clients.clients()))
        except SettingsError as error:
            _LOG.error("setup-incomplete", field=error.field or "")
            refuse("setup")

    def _identity(self, issuer: Issuer, pending: Pending, grant: Grant, now: datetime) -> Identity:
        """Who the user is; nobody that we know if the EHR sent no id_token."""
        if not grant.id_token:
            return Identity(subject="", user="")
        try:
            endpoints = self.granting.discovery.find(issuer.iss)
            expected = Expected(endpoints=endpoints, client_id=issuer.client_id, base=issuer.iss, nonce=pending.nonce)
            return self.id_tokens.check(grant.id_token, expected, now.timestamp())
        except IdTokenRefused as error:
            _LOG.warning("id-token-refused", reason=str(error))
            refuse("id-token")
        except DataUnavailable as error:
            _LOG.warning("id-token-unchecked", code=error.code, field=error.field or "")
            refuse("ehr-down")


def _only(parameters: Mapping[str, Sequence[str]], name: str, *, required: bool = False) -> str:
    """The one value of a parameter; "" for none. One that stands there twice could be read in two ways."""
    values = parameters.get(name, ())
    if len(values) > 1 or any(len(one) > _MAX_PARAMETER for one in values) or (required and not any(values)):
        refuse("request")
    return values[0] if values else ""


def _check_issuer(pending: Pending, named: str) -> None:
    """Whether the answer is from who was asked (RFC 9207)."""
    if named and pending.answers_as and named != pending.answers_as:
        refuse("mix-up")
    if named and not pending.answers_as and named.removesuffix("/") != pending.issuer:
        refuse("mix-up")
    if not named and pending.must_answer_as:
        refuse("mix-up")


def _tell(held: Held, pending: Pending) -> None:
    """A line in the log: that it worked, and how much less was granted than asked for."""
    _LOG.info("visit-began", count=len(missing(pending.scopes, held.visit.scopes)))
