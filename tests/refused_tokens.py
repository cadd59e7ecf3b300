"""Authorization headers that must not open the door: each with its abuse case, and the reason that the log is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cds_app.domain.clients import Refusal
from tests.trust import (
    BASE,
    DISCOVERY,
    ENDPOINT,
    FEEDBACK,
    NOW,
    Ehr,
    ec_key,
    encoded,
    key_set,
    rsa_key,
    signed_with_the_public_key,
    unsigned,
)

EHR = Ehr()
TENANTED = Ehr(iss="https://other.example/r4", key=rsa_key("other"), alg="RS384")
ATTACKER = Ehr(key=ec_key("attacker"))
"""Registered are EHR, without a tenant, and TENANTED for tenants north and south, with a key of its own."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """One header that is refused.

    Parameters
    ----------
    case : int
        Number in the threat model; 0 for what has none.
    make : callable
        Gives the header; takes the URL of a listener that must never be asked for a key.
    """

    case: int
    name: str
    reason: Refusal
    make: Callable[[str], str | None]

    def __str__(self) -> str:
        return f"abuse case {self.case}: {self.name}" if self.case else self.name


def refused(case: int, name: str, reason: Refusal, make: Callable[[str], str | None]) -> Refused:
    return Refused(case=case, name=name, reason=reason, make=make)


def signed(case: int, name: str, reason: Refusal, ehr: Ehr = EHR, **stated: Any) -> Refused:
    """A token of an EHR, with these claims and, under ``header``, these header fields."""
    return refused(case, name, reason, lambda _: "Bearer " + ehr.token(stated.get("header"), **_claims(stated)))


def _claims(stated: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stated.items() if key != "header"}


def _bearer(text: str) -> Callable[[str], str]:
    return lambda _: f"Bearer {text}"


def _shapes() -> Iterator[Refused]:
    yield refused(0, "no header", Refusal.ABSENT, lambda _: None)
    yield refused(0, "an empty header", Refusal.ABSENT, lambda _: "")
    token = EHR.token()
    head, body, signature = token.split(".")
    raw = {
        "a header that is no JSON": (encoded(b"{"), body),
        "a header that is no object": (encoded([]), body),
        "claims that are no object": (head, encoded("x")),
        "claims that repeat a name": (head, encoded(b'{"iss": "a", "iss": "b"}')),
        "half a surrogate pair": (head, encoded(b'{"iss": "\\ud800"}')),
        "deep nesting": (head, encoded(b"[" * 500 + b"]" * 500)),
    }
    texts = {name: f"Bearer {first}.{second}.{signature}" for name, (first, second) in raw.items()} | {
        "another scheme": f"Basic {token}",
        "a bare token": token,
        "two tokens": f"Bearer {token}, Bearer {token}",
        "two parts": f"Bearer {head}.{body}",
        "four parts": f"Bearer {token}.{signature}",
        "five parts (encrypted)": f"Bearer {token}.{head}.{body}",
        "not base64": f"Bearer {head}.{body[:-1]}*.{signature}",
        "a token that is too long": "Bearer " + EHR.token(padding="x" * 8192),
        "a signature that is too long": f"Bearer {token}{'A' * 8192}",
        "something else than a JWT": "Bearer " + EHR.token({"typ": "at+jwt"}),
        "a typ that is a number": "Bearer " + unsigned(EHR.header(typ=7), EHR.claims(), b"x"),
    }
    for name, text in texts.items():
        yield refused(0, name, Refusal.MALFORMED, lambda _, text=text: text)  # type: ignore[misc]


def _algorithms() -> Iterator[Refused]:
    for alg in ("none", "None", "nOnE"):
        yield refused(1, f"alg {alg}", Refusal.ALGORITHM, _bearer(unsigned(EHR.header(alg=alg), EHR.claims(), b"x")))
    yield refused(1, "no signature", Refusal.MALFORMED, _bearer(unsigned(EHR.header(alg="none"), EHR.claims())))
    yield refused(1, "no alg", Refusal.ALGORITHM, _bearer(unsigned(EHR.header(alg=...), EHR.claims(), b"x")))
    yield refused(1, "alg a list", Refusal.ALGORITHM, _bearer(unsigned(EHR.header(alg=["ES384"]), EHR.claims(), b"x")))
    for ehr, hash_name in ((EHR, "sha256"), (EHR, "sha384")):
        token = signed_with_the_public_key(ehr, hash_name)
        yield refused(1, f"HMAC ({hash_name}) under the public key", Refusal.ALGORITHM, _bearer(token))
    for alg, ehr in {
        "RS256": Ehr(key=rsa_key("other"), alg="RS256", iss=TENANTED.iss),
        "RS512": Ehr(key=rsa_key("other"), alg="RS512", iss=TENANTED.iss),
        "PS384": Ehr(key=rsa_key("other"), alg="PS384", iss=TENANTED.iss),
        "ES256": Ehr(key=ec_key("p256", "P-256"), alg="ES256"),
    }.items():
        tenant = {"tenant": "north"} if ehr.iss == TENANTED.iss else {}
        yield signed(1, f"{alg}, which was not agreed on", Refusal.ALGORITHM, ehr, **tenant)
    yield refused(1, "an EC key named with RS384", Refusal.ALGORITHM,
                  _bearer(unsigned(EHR.header(alg="RS384"), EHR.claims(), b"x" * 256)))  # fmt: skip
    yield refused(1, "an empty ES384 signature", Refusal.SIGNATURE,
                  _bearer(unsigned(EHR.header(), EHR.claims(), bytes(96))))  # fmt: skip


def _key_sources() -> Iterator[Refused]:
    def with_header(**header: Any) -> Callable[[str], str]:
        made = {name: value for name, value in header.items() if not callable(value)}
        late = {name: value for name, value in header.items() if callable(value)}
        return lambda url: "Bearer " + ATTACKER.token({**made, **{name: value(url) for name, value in late.items()}})

    own = ATTACKER.key.as_dict(private=False)
    yield refused(2, "jku of somebody else", Refusal.KEY_SOURCE, with_header(jku=lambda url: url))
    yield refused(2, "x5u of somebody else", Refusal.KEY_SOURCE, with_header(x5u=lambda url: url))
    yield refused(2, "a key in the header", Refusal.KEY_SOURCE, with_header(jwk=own))
    yield refused(2, "all three", Refusal.KEY_SOURCE, with_header(jwk=own, jku=lambda url: url, x5u=lambda url: url))
    yield refused(2, "jku a list", Refusal.KEY_SOURCE, with_header(jku=["https://ehr.example/keys"]))
    yield signed(2, "an empty jku", Refusal.KEY_SOURCE, header={"jku": ""})
    yield refused(2, "a certificate in the header", Refusal.KEY_UNKNOWN, with_header(x5c=["MIIB"]))
    yield refused(2, "a critical extension", Refusal.KEY_SOURCE,
                  _bearer(unsigned(EHR.header(crit=["b64"], b64=False), EHR.claims(), b"x")))  # fmt: skip
    for kid in ("../../dev/null", "/dev/null", "' OR 1=1 --", "ec-1\0", "", "x" * 513, 7, None, ["ec-1"], ...):
        yield signed(3, f"kid {str(kid)[:20]!r}", Refusal.KEY_UNKNOWN, header={"kid": kid})
    yield signed(3, "another's key under this one's name", Refusal.SIGNATURE, ATTACKER, header={"kid": "ec-1"})


def _audiences() -> Iterator[Refused]:
    for name, stated in {
        "of discovery": DISCOVERY,
        "of another service": f"{DISCOVERY}/twinline-encounter-start",
        "of feedback": FEEDBACK,
        "of the whole service": BASE,
        "with a slash": f"{ENDPOINT}/",
        "with a query": f"{ENDPOINT}?x=1",
        "in capitals": ENDPOINT.upper(),
        "of another host": ENDPOINT.replace("127.0.0.1", "cds.example"),
        "of another scheme": ENDPOINT.replace("http:", "https:"),
        "that only begins so": f"{ENDPOINT}.evil.example",
        "missing": ...,
        "null": None,
        "an empty list": [],
        "an object": {"url": ENDPOINT},
        "a list in a list": [[ENDPOINT]],
        "a number": 7,
    }.items():
        yield signed(4, f"aud {name}", Refusal.AUDIENCE, aud=stated)


def _times() -> Iterator[Refused]:
    yield signed(5, "expired", Refusal.EXPIRED, iat=NOW - 400, exp=NOW - 61)
    yield signed(5, "made in the future", Refusal.NOT_YET, iat=NOW + 61, exp=NOW + 300)
    yield signed(5, "made in the future, valid before", Refusal.NOT_YET, iat=NOW + 61, nbf=NOW - 300, exp=NOW + 300)
    yield signed(5, "valid in the future", Refusal.NOT_YET, nbf=NOW + 61)
    yield signed(5, "valid for too long", Refusal.TOO_LONG, exp=NOW + 961)
    yield signed(5, "valid for ever", Refusal.TOO_LONG, exp=9e10)
    yield signed(5, "expired before it was made", Refusal.TOO_LONG, iat=NOW + 50, exp=NOW + 50)
    wrong: list[tuple[str, Any]] = [("exp", ...), ("iat", ...)]
    for name in ("exp", "iat", "nbf"):
        wrong += [(name, value) for value in NO_INSTANTS]
    for claim, stated in wrong:
        change: dict[str, Any] = {claim: stated}
        yield signed(5, f"{claim} {stated!r}", Refusal.TIMES, **change)


def _identities() -> Iterator[Refused]:
    stranger = Ehr(iss="https://stranger.example")
    yield signed(6, "an unknown issuer", Refusal.ISSUER, stranger)
    for iss in (EHR.iss + "/", EHR.iss.upper(), " " + EHR.iss, "", None, [EHR.iss], "x" * 600, ...):
        yield signed(6, f"iss {str(iss)[:30]!r}", Refusal.ISSUER, iss=iss)
    one_with_the_others_key = Ehr(iss=EHR.iss, key=TENANTED.key, alg="RS384")
    yield signed(6, "one client's iss with another's key", Refusal.KEY_UNKNOWN, one_with_the_others_key)
    yield signed(6, "the same under the first one's kid", Refusal.ALGORITHM, one_with_the_others_key,
                 header={"kid": "ec-1"})  # fmt: skip
    yield signed(6, "a tenant of nobody", Refusal.TENANT, TENANTED, tenant="west")
    yield signed(6, "no tenant where one is needed", Refusal.TENANT, TENANTED)
    yield signed(6, "a tenant where there is none", Refusal.TENANT, tenant="north")
    yield signed(6, "two tenants", Refusal.TENANT, TENANTED, tenant=["north", "south"])


def _changed() -> Iterator[Refused]:
    def with_other_claims(_: str) -> str:
        head, _, signature = EHR.token().split(".")
        return f"Bearer {head}.{encoded(EHR.claims(sub='somebody else'))}.{signature}"

    def with_a_flipped_bit(_: str) -> str:
        token = EHR.token()
        at = token.rindex(".") + 9
        return f"Bearer {token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}"

    yield refused(0, "claims that were not signed", Refusal.SIGNATURE, with_other_claims)
    yield refused(0, "a signature with a flipped bit", Refusal.SIGNATURE, with_a_flipped_bit)
    for value in (..., None, "", 7, ["x"], "x" * 513):
        yield signed(0, f"jti {str(value)[:20]!r}", Refusal.NO_ID, jti=value)


NO_INSTANTS: tuple[Any, ...] = (str(int(NOW) + 300), None, True, [NOW], {}, -1, 1e300, 10**30)

REFUSED = tuple(
    one for many in (_shapes, _algorithms, _key_sources, _audiences, _times, _identities, _changed) for one in many()
)

PUBLISHED_ELSEWHERE = key_set(ATTACKER.key)
"""What the attacker's listener would answer."""
