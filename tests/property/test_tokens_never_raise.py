"""Whatever stands in an Authorization header, it is refused or read; nothing else comes out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cds_app.errors import Unauthorised
from cds_app.services.callers.tokens import check_times, read_token
from cds_app.services.callers.trust import check_signature
from tests.trust import NOW, Ehr, encoded

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "jku", "jwk", "x5u", "x5c", "x5t", "crit", "b64", "cty", "zip", "other"]),
    JSON,
)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti", "tenant", "sub"]), JSON)
EHR = Ehr()


@given(st.text() | st.binary().map(lambda raw: "Bearer " + raw.decode("latin-1")))
def test_any_header_is_refused_or_read(header: str) -> None:
    with suppress(Unauthorised):
        read_token(header)


@given(HEADERS, CLAIMS, st.binary(max_size=120))
def test_any_token_is_refused(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> None:
    text = f"Bearer {encoded({'alg': 'ES384', **header})}.{encoded(claims)}.{encoded(signature)}"
    with suppress(Unauthorised):
        token = read_token(text)
        assert isinstance(token.issuer + token.id + token.kid + token.alg, str)
        assert all(isinstance(one, str) for one in token.audiences)
        with suppress(Unauthorised):
            check_times(token, NOW, 900)
        check_signature(token, EHR.key)
        raise AssertionError("nobody signed this")


@given(CLAIMS)
def test_times_of_any_claims_are_refused_or_within_the_rules(claims: dict[str, Any]) -> None:
    stated = {"exp": NOW + 300, "iat": NOW, **{key: value for key, value in claims.items() if key != "iss"}}
    with suppress(Unauthorised):
        token = read_token(f"Bearer {encoded(EHR.header())}.{encoded(json.loads(json.dumps(stated)))}.AAAA")
        check_times(token, NOW, 900)
        assert NOW - 60 <= token.expires <= NOW + 1020
