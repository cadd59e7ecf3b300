"""Who signed in, said so that an app can check it: OpenID Connect id tokens, RS256, with a key of this sandbox."""

from __future__ import annotations

import threading
import uuid
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import RSAKey

from cds_app.sandbox.smart.tokens import Issued

_ALG: Final = "RS256"
_BITS: Final = 2048


class IdTokens:
    """Signs them. The key is made when it is first needed, and lives as long as the sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: RSAKey | None = None

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set."""
        return {"keys": [self._key().as_dict(private=False)]}

    def sign(self, issued: Issued, base: str) -> str:
        """An id token about whom an access token acts for.

        Parameters
        ----------
        base : str
            FHIR base of this EHR, its issuer.
        """
        access = issued.access
        claims: dict[str, Any] = {
            "iss": base,
            "sub": access.context.user.rpartition("/")[2],
            "aud": access.grant.client_id,
            "iat": int(access.began),
            "exp": int(access.ends),
        }
        if issued.nonce:
            claims["nonce"] = issued.nonce
        if "fhirUser" in access.scopes:
            claims["fhirUser"] = f"{base}/{access.context.user}"
        key = self._key()
        return jwt.encode({"alg": _ALG, "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=[_ALG])

    def _key(self) -> RSAKey:
        with self._lock:
            if self._made is None:
                self._made = RSAKey.generate_key(
                    _BITS, parameters={"kid": str(uuid.uuid4()), "use": "sig", "alg": _ALG}
                )
            return self._made
