"""Reading a JSON Web Token before it is believed: shape, header, claims, times."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from cds_app.domain.clients import Refusal
from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, TooLarge, Unauthorised

LEEWAY_S: Final = 60.0
_BEARER: Final = re.compile(r"(?i:bearer) +([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
_MAX_LENGTH: Final = 8192
_LATEST: Final = 1e11  # seconds since 1970: in the year 5138
_NAME: Final = 512
# Keys that a token brings itself prove nothing; extensions that must be understood are not.
_NEVER: Final = frozenset({"jwk", "x5u", "crit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it was sent: nothing in it is proven.

    Parameters
    ----------
    text : str
        The whole token.
    header, claims : mapping
    """

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def issuer(self) -> str:
        """``iss``; "" if there is none."""
        return _name(self.claims.get("iss"))

    @property
    def audiences(self) -> frozenset[str]:
        """``aud``, one or several."""
        stated = self.claims.get("aud")
        many = stated if isinstance(stated, list) else [stated]
        return frozenset(one for one in many if isinstance(one, str))

    @property
    def id(self) -> str:
        """``jti``; "" if there is none."""
        return _name(self.claims.get("jti"))

    @property
    def kid(self) -> str:
        """Name of the key; "" if there is none."""
        return _name(self.header.get("kid"))

    @property
    def alg(self) -> str:
        """What it says that it is signed with."""
        return _name(self.header.get("alg"))

    @property
    def expires(self) -> float:
        """``exp``, seconds since 1970. Refused if it is no number."""
        return _instant(self.claims.get("exp"))


def refuse(reason: Refusal) -> NoReturn:
    """Not let in."""
    raise Unauthorised(reason.value)


def read_token(authorization: str | None) -> Token:
    """The token of an ``Authorization`` header.

    Raises
    ------
    Unauthorised
        If there is none, or none that can be read without a doubt.
    """
    if not authorization:
        refuse(Refusal.ABSENT)
    found = _BEARER.fullmatch(authorization) if len(authorization) <= _MAX_LENGTH else None
    if found is None:
        refuse(Refusal.MALFORMED)
    header, claims = _object(found[1]), _object(found[2])
    if _NEVER & header.keys():
        refuse(Refusal.KEY_SOURCE)
    if str(header.get("typ", "JWT")).upper() != "JWT":
        refuse(Refusal.MALFORMED)
    return Token(text=f"{found[1]}.{found[2]}.{found[3]}", header=header, claims=claims)


def check_times(token: Token, now: float, max_age_s: float) -> None:
    """Whether a token is valid now, and was not made to be valid for long.

    Parameters
    ----------
    now : float
        Seconds since 1970.
    max_age_s : float
        The longest time between ``iat`` and ``exp``.

    Raises
    ------
    Unauthorised
    """
    expires, issued = token.expires, _instant(token.claims.get("iat"))
    begins = _instant(token.claims.get("nbf", issued))
    if now > expires + LEEWAY_S:
        refuse(Refusal.EXPIRED)
    if max(issued, begins) > now + LEEWAY_S:
        refuse(Refusal.NOT_YET)
    if not 0 < expires - issued <= max_age_s + LEEWAY_S:
        refuse(Refusal.TOO_LONG)


def _object(segment: str) -> Mapping[str, Any]:
    try:
        value = loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), max_depth=4, max_bytes=_MAX_LENGTH)
    except (BadRequest, TooLarge, ValueError):
        refuse(Refusal.MALFORMED)
    if not isinstance(value, dict):
        refuse(Refusal.MALFORMED)
    return value


def _name(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _NAME else ""


def _instant(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        refuse(Refusal.TIMES)
    if not 0 <= value <= _LATEST:
        refuse(Refusal.TIMES)
    return float(value)
