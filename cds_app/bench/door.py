"""How long it takes to find out who calls: the signature, and the row that makes a token count once."""

from __future__ import annotations

import json
import statistics
import uuid
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from cds_app.domain.clients import Client
from cds_app.services.callers.registration import new_client
from cds_app.services.callers.trust import Door

_PATH: Final = "/cds-services"
_ISSUER: Final = "https://bench.example"
_TOKENS: Final = 500


def bench_door(door_for: Callable[[Client], Door]) -> dict[str, float]:
    """Median milliseconds of a check, per algorithm.

    Parameters
    ----------
    door_for : callable
        A door that lets one client in.
    """
    keys: dict[str, ECKey | RSAKey] = {
        "ES384": ECKey.generate_key("P-384", parameters={"kid": "bench"}),
        "RS384": RSAKey.generate_key(2048, parameters={"kid": "bench"}),
    }
    return {f"{alg.lower()}_ms": round(1000 * _median_s(alg, key, door_for), 3) for alg, key in keys.items()}


def _median_s(alg: str, key: ECKey | RSAKey, door_for: Callable[[Client], Door]) -> float:
    jwks = json.dumps({"keys": [key.as_dict(private=False)]})
    door = door_for(new_client(name="bench", iss=_ISSUER, jwks=jwks))
    seconds = []
    for header in _headers(alg, key, door):
        begun = perf_counter()
        door.admit(header, _PATH, "")
        seconds.append(perf_counter() - begun)
    return statistics.median(seconds)


def _headers(alg: str, key: ECKey | RSAKey, door: Door) -> Sequence[str]:
    now = int(door.clock.now().timestamp())
    claims = {"iss": _ISSUER, "aud": door.base_url + _PATH, "iat": now, "exp": now + 300}
    header = {"alg": alg, "kid": "bench", "typ": "JWT"}
    made = ({**claims, "jti": str(uuid.uuid4())} for _ in range(_TOKENS))
    return [f"Bearer {jwt.encode(header, one, key, algorithms=[alg])}" for one in made]
