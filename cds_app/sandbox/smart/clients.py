"""Which apps may ask the sandbox for tokens: registered one by one, with how they prove who they are."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

Method = Literal["private_key_jwt", "client_secret_basic"]

METHODS: Final[tuple[Method, ...]] = ("private_key_jwt", "client_secret_basic")
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartClient:
    """One registered app.

    Parameters
    ----------
    id, name : str
        ``client_id``, and what people read.
    redirect_uris : tuple of str
        Where codes may be sent, compared character by character.
    launch_uri : str
        Where the EHR opens it; "" if it cannot be launched from a chart.
    scopes : tuple of str
        The most that it can be granted.
    method : {"private_key_jwt", "client_secret_basic"}
        The one way in which it proves who it is.
    jwks : mapping or None
        Its public keys, where they are handed over once.
    jwks_url : str
        Where it publishes them, on loopback; "" where they are handed over.
    secret_sha256 : str
        Of its secret.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str = ""
    scopes: tuple[str, ...] = ()
    method: Method = "private_key_jwt"
    jwks: Mapping[str, Any] | None = None
    jwks_url: str = ""
    secret_sha256: str = ""

    def __post_init__(self) -> None:
        """Refuse a client that could never prove who it is, or whose places are not on this machine."""
        keys = (self.jwks is not None, bool(self.jwks_url))
        if self.method == "private_key_jwt" and keys.count(True) != 1:
            raise ValueError("jwks: either the keys or where they are published")
        if self.method == "client_secret_basic" and not self.secret_sha256:
            raise ValueError("secret_sha256: needed by client_secret_basic")
        for url in filter(None, (self.jwks_url, self.launch_uri, *self.redirect_uris)):
            if urlsplit(url).hostname not in LOOPBACK or urlsplit(url).fragment:
                raise ValueError("a URL of a client must be on this machine and without a fragment")

    def knows_secret(self, secret: str) -> bool:
        """Whether this is its secret; takes the same time either way."""
        return hmac.compare_digest(secret_hash(secret), self.secret_sha256)


def secret_hash(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


_TWINLINE_READS: Final = (
    *("Patient", "Encounter", "Condition", "Observation", "AllergyIntolerance", "Procedure", "DiagnosticReport"),
    *("MedicationRequest", "MedicationStatement", "MedicationAdministration", "ServiceRequest", "Practitioner"),
    *("Task", "Provenance"),
)
_TWINLINE_WRITES: Final = ("MedicationRequest", "ServiceRequest", "Task", "Provenance")


def twinline(service_url: str) -> SmartClient:
    """Twinline's own app, as the demo registers it: its places follow from where the service is."""
    base = service_url.rstrip("/")
    return SmartClient(
        id="twinline",
        name="Twinline",
        redirect_uris=(f"{base}/smart/callback",),
        launch_uri=f"{base}/smart/launch",
        scopes=(
            *("launch", "launch/patient", "launch/encounter", "openid", "fhirUser", "online_access", "offline_access"),
            *(f"{level}/{one}.rs" for level in ("patient", "user", "system") for one in _TWINLINE_READS),
            *(f"patient/{one}.c" for one in _TWINLINE_WRITES),
        ),
        jwks_url=f"{base}/.well-known/jwks.json",
    )


class SmartClients:
    """The register: in memory, for as long as the sandbox runs."""

    def __init__(self, clients: Iterable[SmartClient] = ()) -> None:
        self._lock = threading.Lock()
        self._clients = {one.id: one for one in clients}

    def add(self, client: SmartClient) -> None:
        """Register an app, instead of an earlier one of the same id."""
        with self._lock:
            self._clients[client.id] = client

    def get(self, client_id: str) -> SmartClient | None:
        """The app of this id."""
        with self._lock:
            return self._clients.get(client_id)

    def launchable(self) -> tuple[SmartClient, ...]:
        """Apps that a chart can open."""
        with self._lock:
            return tuple(one for one in self._clients.values() if one.launch_uri)
