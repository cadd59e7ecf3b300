"""How the sandbox proves to the service who it is: a key of its own, and a fresh token for every call."""

from __future__ import annotations

import json
import time
import uuid
from typing import Final

from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER: Final = "https://demo-ehr.example"
_ALG: Final = "ES384"
_LIFE_S: Final = 300


class Signer:
    """Signs calls as one CDS client (CDS Hooks 2.0, "Trusting CDS Clients").

    Parameters
    ----------
    issuer : str
        ``iss`` of the tokens.
    """

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self._key = ECKey.generate_key("P-384", parameters={"kid": str(uuid.uuid4()), "use": "sig", "alg": _ALG})

    def public_keys(self) -> str:
        """What the service must know: a JSON Web Key Set without anything private."""
        return json.dumps({"keys": [self._key.as_dict(private=False)]})

    def token(self, endpoint: str) -> str:
        """A token for one call to this URL."""
        now = int(time.time())
        header = {"alg": _ALG, "kid": self._key.kid, "typ": "JWT"}
        claims = {"iss": self.issuer, "aud": endpoint, "iat": now, "exp": now + _LIFE_S, "jti": str(uuid.uuid4())}
        return jwt.encode(header, claims, self._key, algorithms=[_ALG])
