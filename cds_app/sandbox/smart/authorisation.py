"""What an app asks of a person: requests to the authorisation endpoint, read and checked before anything is granted.

RFC 6749 section 4.1.1, RFC 7636, SMART App Launch 2.2 "Obtain authorization code". Until client and redirect URI are
known to belong together, nothing is sent anywhere: an authorisation server must not be an open redirector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from werkzeug.datastructures import MultiDict

from cds_app.errors import BadRequest
from cds_app.sandbox.smart.clients import SmartClient, SmartClients
from cds_app.sandbox.smart.launches import Context, Launches
from cds_app.sandbox.smart.oauth import OAuthRefusal, given_once
from cds_app.sandbox.smart.scopes import granted, wants_patient

PENDING_S: Final = 600
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_\-]{43}")  # SHA-256 in base64url
_STATE_LIMIT: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """A client and one of its redirect URIs: where answers, and refusals, may go."""

    client: SmartClient
    redirect_uri: str

    def url(self, **fields: str) -> str:
        """The redirect URI with these fields added to its query."""
        parts = urlsplit(self.redirect_uri)
        query = "&".join(filter(None, (parts.query, urlencode(fields))))
        return urlunsplit(parts._replace(query=query))


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFor:
    """A request that may be granted.

    Parameters
    ----------
    scopes : tuple of str
        Of those asked for, the ones that this client may have.
    state, challenge, nonce : str
        As sent; ``nonce`` may be "".
    context : Context or None
        Of an EHR launch; None where a person has yet to choose.
    """

    to: Addressee
    scopes: tuple[str, ...]
    state: str
    challenge: str
    nonce: str
    context: Context | None

    @property
    def wants_patient(self) -> bool:
        """Whether a patient must be chosen."""
        return wants_patient(self.scopes)


def addressee(parameters: MultiDict[str, str], clients: SmartClients) -> Addressee:
    """Who asks, and where the answer goes.

    Raises
    ------
    BadRequest
        For an unknown client, or a redirect URI that is not one of its own, character by character. Nobody is told
        but the person who sits there.
    """
    ids, uris = parameters.getlist("client_id"), parameters.getlist("redirect_uri")
    client = clients.get(ids[0]) if len(ids) == 1 else None
    if client is None:
        raise BadRequest("no such app is registered here", field="client_id")
    if len(uris) != 1 or uris[0] not in client.redirect_uris:
        raise BadRequest("not a registered address of this app", field="redirect_uri")
    return Addressee(client=client, redirect_uri=uris[0])


def read_request(to: Addressee, parameters: MultiDict[str, str], base: str, launches: Launches) -> AskedFor:
    """Check a request and use up its launch token.

    Parameters
    ----------
    parameters : MultiDict
    base : str
        FHIR base of this EHR, which ``aud`` must name.

    Raises
    ------
    OAuthRefusal
        To be sent to the addressee.
    """
    fields = given_once(parameters)
    if fields.get("response_type") != "code":
        raise OAuthRefusal("unsupported_response_type", "response_type must be code")
    if not 0 < len(fields.get("state", "")) <= _STATE_LIMIT:
        raise OAuthRefusal("invalid_request", f"state is required, at most {_STATE_LIMIT} characters")
    if fields.get("aud", "").rstrip("/") != base:
        raise OAuthRefusal("invalid_request", "aud must be the FHIR base of this server")
    scopes = _scopes(fields, to.client)
    return AskedFor(
        to=to,
        scopes=scopes,
        state=fields["state"],
        challenge=_challenge(fields),
        nonce=fields.get("nonce", ""),
        context=_launched(fields, scopes, to.client, launches),
    )


def _scopes(fields: Mapping[str, str], client: SmartClient) -> tuple[str, ...]:
    found = granted(fields.get("scope", "").split(), client.scopes)
    if not any("/" in one or one == "openid" for one in found):
        raise OAuthRefusal("invalid_scope", "nothing of what is asked for may be granted to this client")
    if any(one.startswith("system/") for one in found):
        raise OAuthRefusal("invalid_scope", "system scopes are granted without a person, at the token endpoint")
    return found


def _challenge(fields: Mapping[str, str]) -> str:
    if fields.get("code_challenge_method") != "S256":
        raise OAuthRefusal("invalid_request", "code_challenge_method must be S256")
    challenge = fields.get("code_challenge", "")
    if _CHALLENGE.fullmatch(challenge) is None:
        raise OAuthRefusal("invalid_request", "code_challenge must be a SHA-256 in base64url")
    return challenge


def _launched(
    fields: Mapping[str, str], scopes: tuple[str, ...], client: SmartClient, launches: Launches
) -> Context | None:
    asked = "launch" in scopes
    if asked != ("launch" in fields):
        raise OAuthRefusal("invalid_request", "the launch scope and the launch parameter go together")
    return launches.use(fields["launch"], client.id) if asked else None
