"""Who is calling? Every call proves it, with a token that is used once.

The order of checks is that of the CDS Hooks best practices: issuer, audience, times, tenant, signature, replay. What
costs little comes first, a key is looked for only on behalf of a client that is registered, and only what was signed
is written down as used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from cds_app.domain.clients import ALGS, Caller, Client, Refusal
from cds_app.ports import ClientRegister, Clock, SeenTokens
from cds_app.services.callers.keys import Key, Keys
from cds_app.services.callers.tokens import LEEWAY_S, Token, check_times, read_token, refuse
from cds_app.settings import is_loopback

REFRESH_S: Final = 2.0
"""How soon a record that was added or removed counts in every process."""


class _Registry(jws.JWSRegistry):
    """joserfc's rules, with room for the URL in a header and for header fields that it does not know."""

    max_header_length = 4096


_RULES: Final = _Registry(algorithms=sorted(ALGS), strict_check_header=False)


class Directory:
    """The trust records as they were a moment ago.

    Parameters
    ----------
    ticking : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, register: ClientRegister, ticking: Callable[[], float] = time.monotonic) -> None:
        self._register = register
        self._ticking = ticking
        self._held: tuple[float, Sequence[Client]] = (float("-inf"), ())

    def clients(self) -> Sequence[Client]:
        """All records. Raises as the register does: who cannot be looked up is not let in."""
        read, clients = self._held
        if self._ticking() - read >= REFRESH_S:
            read, clients = self._ticking(), tuple(self._register.clients())
            self._held = (read, clients)  # at once; who comes meanwhile asks too, rather than wait for a slow answer
        return clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Lets callers in.

    Parameters
    ----------
    base_url : str
        Under which callers know this service, without a trailing slash. From the settings, never from a request.
    max_age_s : float
        The longest life of a token, seconds.
    open_to_this_machine : bool
        As long as no client is registered, let in everybody who speaks to a loopback name.
    """

    directory: Directory
    keys: Keys
    seen: SeenTokens
    clock: Clock
    base_url: str
    max_age_s: float = 900.0
    open_to_this_machine: bool = field(default=False)

    def admit(self, authorization: str | None, path: str, host: str) -> Caller | None:
        """Who calls; None if nobody has to say so.

        Parameters
        ----------
        authorization : str or None
            The header.
        path : str
            Of the endpoint.
        host : str
            The name that the caller used for this service: believed only where no caller is authenticated anyway, so
            that a page in a browser cannot call under a name of its own that leads here.

        Raises
        ------
        Unauthorised
        DependencyDown, IntegrityError
            If it cannot be found out.
        """
        clients = self.directory.clients()
        if clients or not self.open_to_this_machine:
            return self._identify(read_token(authorization), clients, self.base_url + path)
        if not is_loopback(host.strip("[]")):
            refuse(Refusal.FOREIGN_HOST)
        return None

    def _identify(self, token: Token, clients: Sequence[Client], endpoint: str) -> Caller:
        client = next((one for one in clients if one.iss == token.issuer), None)
        if client is None:
            refuse(Refusal.ISSUER)
        if not token.audiences & (client.audiences | {endpoint}):
            refuse(Refusal.AUDIENCE)
        now = self.clock.now().timestamp()
        check_times(token, now, self.max_age_s)
        tenant = _tenant(token, client)
        check_signature(token, _fitting_key(token, client, self.keys))
        if not token.id:
            refuse(Refusal.NO_ID)
        if not self.seen.first(client.iss, token.id, until=token.expires + LEEWAY_S, now=now):
            refuse(Refusal.REPLAYED)
        return Caller(client=client.name, iss=client.iss, tenant=tenant)


def check_signature(token: Token, key: Key) -> None:
    """Whether the token was signed with the private half of this key. Raises Unauthorised."""
    try:
        jws.deserialize_compact(token.text, key, registry=_RULES)
    except (JoseError, ValueError, TypeError):
        refuse(Refusal.SIGNATURE)


def _tenant(token: Token, client: Client) -> str:
    """The organisation, which must be on the record; a record that names none wants none named."""
    stated = token.claims.get("tenant", "")
    if not isinstance(stated, str) or stated not in (client.tenants or {""}):
        refuse(Refusal.TENANT)
    return stated


def _fitting_key(token: Token, client: Client, keys: Keys) -> Key:
    """The client's key that the token names, if it is one for the algorithm that the token states."""
    if token.alg not in client.algs:
        refuse(Refusal.ALGORITHM)
    # Only compared: keys are asked for at the URL on the record.
    if "jku" in token.header and (not client.jku or token.header["jku"] != client.jku):
        refuse(Refusal.KEY_SOURCE)
    key = keys.find(client, token.kid) if token.kid else None
    if key is None:
        refuse(Refusal.KEY_UNKNOWN)
    if isinstance(key, ECKey) != (token.alg == "ES384"):
        refuse(Refusal.ALGORITHM)
    return key
