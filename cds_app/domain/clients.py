"""Who may call: trust records, and the identity that a checked token proves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_ALGS: Final = frozenset({"ES384", "RS384"})
ALGS: Final = DEFAULT_ALGS | {"RS256"}
"""What a token may be signed with: never ``none``, and nothing with a shared secret (CDS Hooks 2.0, {201,203,205})."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The trust record of one CDS client.

    Parameters
    ----------
    name : str
        What the hospital calls it.
    iss : str
        Its issuer, character by character; no other client has the same.
    jku : str
        Where it publishes its keys; "" if they were handed over.
    jwks : str
        The keys that were handed over, as a JSON Web Key Set; "" if they are published.
    audiences : frozenset of str
        What its tokens may name as audience beside the URL of the endpoint that is called.
    tenants : frozenset of str
        Organisations that it may speak for; empty if its tokens name none.
    algs : frozenset of str
        What it may sign with.
    """

    name: str
    iss: str
    jku: str = ""
    jwks: str = ""
    audiences: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    algs: frozenset[str] = DEFAULT_ALGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who called, proven by a signature.

    Parameters
    ----------
    client : str
        Name of the trust record.
    tenant : str
        Organisation that the token named; "" for none.
    """

    client: str
    iss: str
    tenant: str = ""

    def realm(self, fhir_server: str | None) -> str:
        """Within which a patient's id names one person: issuer, organisation, FHIR server.

        The server is part of it although the signature does not cover it: a client with two servers must not have two
        people taken for one. Never equal to the realm of a call that was not authenticated, which has no space.
        """
        return f"{self._organisation}{fhir_server or 'local'}"

    def owns(self, realm: str) -> bool:
        """Whether a realm, of whichever server, is this caller's."""
        return realm.startswith(self._organisation)

    @property
    def _organisation(self) -> str:
        return f"{self.iss}#{self.tenant} "


def may_speak_of(realm: str, caller: Caller | None) -> bool:
    """Whether a caller's feedback counts for what was told in a realm; without authentication, only what was so too."""
    return caller.owns(realm) if caller else " " not in realm


class Refusal(StrEnum):
    """Why a call is not let in: for the log, never for the caller."""

    ABSENT = "absent"
    FOREIGN_HOST = "foreign-host"
    MALFORMED = "malformed"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not-yet"
    TOO_LONG = "too-long"
    TIMES = "times"
    TENANT = "tenant"
    ALGORITHM = "algorithm"
    KEY_SOURCE = "key-source"
    KEY_UNKNOWN = "key-unknown"
    SIGNATURE = "signature"
    NO_ID = "no-id"
    REPLAYED = "replayed"
