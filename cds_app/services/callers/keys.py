"""Public keys of clients: read from key sets with care, kept between calls, asked for again seldom."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import structlog
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey

from cds_app.domain.clients import Client
from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, DataUnavailable, TooLarge
from cds_app.ports import PublishedReader

MAX_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
PAUSE_S: Final = 60.0
"""At most one request for a client's keys in this time, whatever its tokens name."""
FRESH_S: Final = 600.0
"""After this time keys are asked for again, so that a withdrawn one does not live for ever."""
STALE_S: Final = 86_400.0
"""So long keys are used that cannot be asked for again."""

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_BITS: Final = (2048, 8192)
_LOG = structlog.get_logger("twinline")

Key = ECKey | RSAKey


class UnusableKey(Exception):
    """A key of a set that no token may be checked with; the text says why and holds nothing of the key."""


def read_key(stated: object) -> tuple[str, Key]:
    """One public key with its ``kid``.

    Raises
    ------
    UnusableKey
        If it is private or shared, not for signatures, or neither EC P-384 nor RSA of 2048 to 8192 bits.
    """
    if not isinstance(stated, dict) or not isinstance(stated.get("kid"), str) or not stated["kid"]:
        raise UnusableKey("has no kid")
    return stated["kid"], public_key(stated)


def public_key(stated: Mapping[str, Any], curves: Collection[str] = ("P-384",)) -> Key:
    """One public key, whatever it is called.

    Raises
    ------
    UnusableKey
        If it is private or shared, not for signatures, or neither on one of the curves nor RSA of 2048 to 8192 bits.
    """
    said = {name: value for name, value in stated.items() if value is not None}  # some write null for what is not there
    if _PRIVATE & said.keys() or said.get("kty") == "oct":
        raise UnusableKey("holds private or shared key material: give public keys only")
    allowed = said.get("key_ops", ["verify"])
    if said.get("use", "sig") != "sig" or not isinstance(allowed, list) or "verify" not in allowed:
        raise UnusableKey("is not for signatures")
    return _read_public(said, curves)


def _read_public(stated: Mapping[str, Any], curves: Collection[str]) -> Key:
    if stated.get("kty") not in ("EC", "RSA"):
        raise UnusableKey("is neither EC nor RSA")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of short keys, which are refused below
            key: Key = (ECKey if stated["kty"] == "EC" else RSAKey).import_key(dict(stated))
        size = key.public_key.key_size
    except (JoseError, ValueError, TypeError, KeyError):
        raise UnusableKey("cannot be read") from None
    if isinstance(key, ECKey) and key.curve_name not in curves:
        raise UnusableKey(f"is not on the curve {' or '.join(curves)}")
    if isinstance(key, RSAKey) and not _RSA_BITS[0] <= size <= _RSA_BITS[1]:
        raise UnusableKey("is not of 2048 to 8192 bits")
    return key


def stated_keys(document: bytes) -> list[object]:
    """The keys of a JSON Web Key Set as they stand there.

    Raises
    ------
    BadRequest, TooLarge
    """
    body = loads(document, max_bytes=MAX_BYTES, max_depth=4, field="jwks")
    keys = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise BadRequest("must be an object with a list of keys", field="jwks")
    return keys


@lru_cache(maxsize=256)
def usable_keys(document: bytes) -> Mapping[str, Key]:
    """The keys of a set that may be used, by ``kid``; of a ``kid`` that stands there twice, none."""
    found: dict[str, Key] = {}
    doubled: set[str] = set()
    for stated in stated_keys(document):
        try:
            kid, key = read_key(stated)
        except UnusableKey:
            continue
        doubled |= {kid} & found.keys()
        found[kid] = key
    return {kid: key for kid, key in found.items() if kid not in doubled}


@dataclass(slots=True)
class _Held:
    """What is known of the keys that one client publishes."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    keys: Mapping[str, Key] = field(default_factory=dict)
    read: float = float("-inf")
    asked: float = float("-inf")


class Keys:
    """Finds the key that a token names.

    Parameters
    ----------
    ticking : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, reader: PublishedReader, ticking: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._ticking = ticking
        self._held: dict[tuple[str, str], _Held] = {}
        self._turn = threading.Lock()

    def find(self, client: Client, kid: str) -> Key | None:
        """The client's key of this name; None if it has none, or if its keys cannot be had."""
        if not client.jku:
            return usable_keys(client.jwks.encode()).get(kid)
        with self._turn:
            held = self._held.setdefault((client.iss, client.jku), _Held())
        self._keep_fresh(client, held, kid)
        return held.keys.get(kid) if self._ticking() - held.read <= STALE_S else None

    def _keep_fresh(self, client: Client, held: _Held, kid: str) -> None:
        known = kid in held.keys
        if known and self._ticking() - held.read <= FRESH_S:
            return
        # Who needs a key that is not there waits for who asks for it already; who has one goes on with it.
        if held.turn.acquire(blocking=not known):
            try:
                self._ask(client, held, kid)
            finally:
                held.turn.release()

    def _ask(self, client: Client, held: _Held, kid: str) -> None:
        now = self._ticking()
        if now - held.asked < PAUSE_S or (kid in held.keys and now - held.read <= FRESH_S):
            return
        held.asked = now
        try:
            held.keys = usable_keys(self._reader.read(client.jku))
            held.read = now
        except (DataUnavailable, BadRequest, TooLarge) as error:
            _LOG.warning("keys-unavailable", code=error.code, field=error.field or "")
