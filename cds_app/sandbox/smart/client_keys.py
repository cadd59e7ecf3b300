"""The public keys of apps: handed over at registration, or fetched from where an app publishes them."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

import requests
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from cds_app.sandbox.smart.clients import SmartClient

ALGS: Final = ("ES384", "RS384")
_KEPT_S: Final = 60.0
_TRIED_AGAIN_S: Final = 1.0  # whoever asks with made-up key ids does not make us fetch for each
_TIMEOUT_S: Final = (2.0, 5.0)
_MAX_BYTES: Final = 64 * 1024
_MIN_RSA_BITS: Final = 2048

Keys = Mapping[str, Mapping[str, Any]]


class KeyUnavailable(Exception):
    """There is no key of this name, or none that fits; the text says which and holds no value."""


class ClientKeys:
    """Finds keys by name, and fetches a published set anew when it is old or lacks the name.

    Parameters
    ----------
    ticking : callable
        Seconds of a clock that never goes back.
    """

    def __init__(self, ticking: Callable[[], float] = time.monotonic) -> None:
        self._ticking = ticking
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Keys]] = {}

    def find(self, client: SmartClient, kid: str, alg: str) -> ECKey | RSAKey:
        """The client's key of this name, fit for this algorithm.

        Raises
        ------
        KeyUnavailable
        """
        keys = _by_name(client.jwks) if client.jwks is not None else self._published(client.jwks_url, kid)
        stated = keys.get(kid)
        if stated is None:
            raise KeyUnavailable("the client has no key of this kid")
        return _imported(stated, alg)

    def _published(self, url: str, kid: str) -> Keys:
        with self._lock:
            at, keys = self._held.get(url, (float("-inf"), {}))
            age_s = self._ticking() - at
            if age_s < _TRIED_AGAIN_S or (age_s < _KEPT_S and kid in keys):
                return keys
            keys = _fetched(url)
            self._held[url] = (self._ticking(), keys)
            return keys


def _fetched(url: str) -> Keys:
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(url, timeout=_TIMEOUT_S, allow_redirects=False, stream=True)
            body = response.raw.read(_MAX_BYTES + 1, decode_content=True)
        if response.status_code != requests.codes.ok or len(body) > _MAX_BYTES:
            raise KeyUnavailable("the client's published keys cannot be had")
        return _by_name(json.loads(body))
    except (requests.RequestException, OSError, ValueError, RecursionError) as error:
        raise KeyUnavailable("the client's published keys cannot be had") from error


def _by_name(jwks: object) -> Keys:
    stated = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(stated, list):
        raise KeyUnavailable("the client's keys are no JSON Web Key Set")
    named = [one for one in stated if isinstance(one, dict) and isinstance(one.get("kid"), str)]
    return {one["kid"]: one for one in named if one.get("use", "sig") == "sig"}


def _imported(stated: Mapping[str, Any], alg: str) -> ECKey | RSAKey:
    if "d" in stated or stated.get("alg", alg) != alg:
        raise KeyUnavailable("the key is private or meant for another algorithm")
    try:
        if alg == "ES384" and (stated.get("kty"), stated.get("crv")) == ("EC", "P-384"):
            return ECKey.import_key(dict(stated))
        if alg == "RS384" and stated.get("kty") == "RSA" and _bits(stated) >= _MIN_RSA_BITS:
            return RSAKey.import_key(dict(stated))
    except (JoseError, ValueError, TypeError) as error:
        raise KeyUnavailable("the key cannot be read") from error
    raise KeyUnavailable("the key does not fit the algorithm")


def _bits(stated: Mapping[str, Any]) -> int:
    """Of an RSA key's modulus."""
    modulus = stated.get("n")
    if not isinstance(modulus, str) or not modulus.isascii():
        raise ValueError("n is no text")
    return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
