"""Twinline's own keys: made here, sealed, published as a JSON Web Key Set, and what is signed with them.

A rotation publishes new keys at once and signs with them as soon as nobody's copy of the set can be older
(`LEAD`); the old ones stay published for `OVERLAP`, so that what they signed can still be checked.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from cds_app.domain.issuers import SIGNING_ALGS, SigningAlg
from cds_app.errors import IntegrityError, SettingsError
from cds_app.ports import Cabinet, Document

KIND: Final = "signing-key"
MAX_AGE_S: Final = 300
"""How long others may keep a copy of the key set."""
LEAD: Final = timedelta(seconds=MAX_AGE_S)
OVERLAP: Final = timedelta(hours=24)
ASSERTION_S: Final = 240
"""Life of an assertion: at most five minutes are allowed, and clocks differ."""
_RSA_BITS: Final = 3072


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key pair.

    Parameters
    ----------
    kid : str
        Its thumbprint (RFC 7638).
    alg : {"ES384", "RS384"}
    private : str
        As a JSON Web Key.
    until : datetime or None
        When it is published no longer; None as long as it is in use.
    """

    kid: str
    alg: SigningAlg
    private: str = field(repr=False)
    made: datetime
    until: datetime | None = None

    def public(self) -> dict[str, object]:
        """The public half, as it is published."""
        return {
            **_key(self).as_dict(private=False),
            "kid": self.kid,
            "alg": self.alg,
            "use": "sig",
            "key_ops": ["verify"],
        }


class SigningKeys:
    """The keys of this installation."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet

    def all(self, now: datetime) -> Sequence[SigningKey]:
        """Everything that is published, oldest first."""
        found = (_read(one) for one in self._cabinet.all(KIND, now))
        return tuple(sorted(found, key=lambda one: (one.made, one.alg)))

    def make(self, now: datetime) -> Sequence[SigningKey]:
        """The first pair of keys. Raises SettingsError if there are keys."""
        if self.all(now):
            raise SettingsError("there are keys already: to replace them, `twinline keys rotate`", field="keys")
        return self._add(now)

    def rotate(self, now: datetime) -> Sequence[SigningKey]:
        """New keys; those that there were stay published for a day. Raises SettingsError if there are none."""
        old = [one for one in self._cabinet.all(KIND, now) if one.until is None]
        if not old:
            raise SettingsError("there are no keys yet: make them with `twinline keys new`", field="keys")
        made = self._add(now)
        for one in old:
            self._cabinet.write(replace(one, until=now + OVERLAP), now)
        return made

    def signer(self, alg: SigningAlg, now: datetime) -> SigningKey:
        """The newest key of this algorithm that everybody can know of; the oldest if all of them are new.

        Raises
        ------
        SettingsError
            If there is none.
        """
        fitting = [one for one in self.all(now) if one.alg == alg]
        if not fitting:
            raise SettingsError("there is no key to sign with: make one with `twinline keys new`", field="keys")
        known = [one for one in fitting if one.made <= now - LEAD]
        return known[-1] if known else fitting[0]

    def published(self, now: datetime) -> bytes:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        return json.dumps({"keys": [one.public() for one in self.all(now)]}, sort_keys=True).encode()

    def _add(self, now: datetime) -> Sequence[SigningKey]:
        made = tuple(_new(alg, now) for alg in SIGNING_ALGS)
        for one in made:
            content = msgspec.json.encode(one)
            self._cabinet.write(Document(kind=KIND, name=one.kid, version=0, content=content), now)
        return made


def assertion(key: SigningKey, client_id: str, audience: str, jku: str, now: datetime) -> str:
    """What proves to an authorisation server who asks (RFC 7523; SMART App Launch 2.2, asymmetric authentication).

    Parameters
    ----------
    audience : str
        URL of the token endpoint.
    jku : str
        URL of our key set.
    """
    at = int(now.timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "iat": at,
        "exp": at + ASSERTION_S,
        "jti": secrets.token_urlsafe(24),
    }
    header = {"alg": key.alg, "kid": key.kid, "typ": "JWT", "jku": jku}
    return jwt.encode(header, claims, _key(key), algorithms=[key.alg])


def _new(alg: SigningAlg, now: datetime) -> SigningKey:
    made = ECKey.generate_key("P-384") if alg == "ES384" else RSAKey.generate_key(_RSA_BITS)
    return SigningKey(kid=made.thumbprint(), alg=alg, private=json.dumps(made.as_dict(private=True)), made=now)


def _read(document: Document) -> SigningKey:
    try:
        found = msgspec.json.decode(document.content, type=SigningKey)
    except msgspec.MsgspecError:
        raise IntegrityError("a signing key is malformed") from None  # the cause may quote the key
    return replace(found, until=document.until)


def _key(key: SigningKey) -> ECKey | RSAKey:
    private = json.loads(key.private)
    return (ECKey if key.alg == "ES384" else RSAKey).import_key(private)
