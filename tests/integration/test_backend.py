"""The server's own tokens, and ``twinline issuers check``: what is wrong, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.bootstrap import granting_of
from cds_app.commands.issuers import issuers
from cds_app.commands.keys import keys
from cds_app.deps import Ehrs
from cds_app.domain.issuers import Issuer
from cds_app.errors import GrantRefused
from cds_app.services.smart.backend import Backend, Finding, examine
from cds_app.services.smart.grants import Granting
from cds_app.services.smart.issuers import new_issuer
from cds_app.services.smart.signing import SigningKeys
from cds_app.settings import Settings
from tests.authorisation import CLIENT_ID, SECRET, FakeEhr
from tests.conftest import FROZEN


@pytest.fixture
def granting(ehr: FakeEhr, keyed: Any) -> Granting:
    ehr.published = lambda: SigningKeys(keyed).published(FROZEN)
    return granting_of(Ehrs(cabinet=keyed), Settings(open_to_this_machine=True))


@pytest.fixture
def fhir(ehr: FakeEhr) -> Iterator[RequestsFhirReader]:
    made = RequestsFhirReader([ehr.base], loopback_http=True)
    yield made
    made.close()


def issuer(ehr: FakeEhr, **change: Any) -> Issuer:
    usual = {"name": "north", "iss": ehr.base, "client_id": CLIENT_ID, "scopes": ["system/*.rs"]}
    return new_issuer(**{**usual, **change})


def test_a_token_is_used_until_shortly_before_its_end(ehr: FakeEhr, granting: Granting) -> None:
    ehr.answer = {"expires_in": 300}
    backend, one = Backend(granting), issuer(ehr)
    first = backend.token(one, FROZEN)
    assert backend.token(one, FROZEN + timedelta(seconds=269)) == first
    ehr.clock.forward(seconds=270)
    second = backend.token(one, ehr.clock.at)
    assert {first, second} == ehr.access
    assert first != second
    forms = [form for _, form, _ in ehr.posted]
    assert [form["grant_type"] for form in forms] == ["client_credentials"] * 2
    assert {form["scope"] for form in forms} == {"system/*.rs"}


def test_many_threads_ask_once(ehr: FakeEhr, granting: Granting) -> None:
    backend, one = Backend(granting), issuer(ehr)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: backend.token(one, FROZEN), range(16)))) == 1
    assert len(ehr.posted) == 1


def test_only_the_servers_scopes_are_asked_for(ehr: FakeEhr, granting: Granting) -> None:
    Backend(granting).token(issuer(ehr, scopes=["openid", "patient/*.rs", "system/Patient.rs"]), FROZEN)
    assert ehr.posted[0][1]["scope"] == "system/Patient.rs"


def test_a_refusal_is_not_kept(ehr: FakeEhr, granting: Granting) -> None:
    backend, one = Backend(granting), issuer(ehr)
    ehr.status = 400
    with pytest.raises(GrantRefused):
        backend.token(one, FROZEN)
    ehr.status = 200
    assert backend.token(one, FROZEN) in ehr.access


def wrong(found: list[Finding]) -> list[tuple[str, str]]:
    assert all(bool(one.mend) != one.fine for one in found)
    return [(one.what, one.mend) for one in found if not one.fine]


def looked(ehr: FakeEhr, granting: Granting, fhir: RequestsFhirReader, **change: Any) -> list[Finding]:
    return list(examine(issuer(ehr, **change), granting, fhir, FROZEN))


def test_an_ehr_that_is_set_up_is_found_to_be(ehr: FakeEhr, granting: Granting, fhir: RequestsFhirReader) -> None:
    found = looked(ehr, granting, fhir)
    assert wrong(found) == []
    assert [one.what for one in found][-2:] == ["a token for the server itself", "reading metadata"]
    paths = [path for path, headers in ehr.seen if headers.get("Authorization", "").startswith("Bearer ZQX")]
    assert paths == ["/fhir/metadata"]


def test_without_system_scopes_no_token_is_asked_for(
    ehr: FakeEhr, granting: Granting, fhir: RequestsFhirReader
) -> None:
    assert wrong(looked(ehr, granting, fhir, scopes=["openid"])) == []
    assert ehr.posted == []


@pytest.mark.parametrize(
    ("config", "answer", "status", "words"),
    [
        ({"token_endpoint": ...}, {}, 200, "token_endpoint"),
        ({"authorization_endpoint": ...}, {}, 200, "an authorisation endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, {}, 200, "PKCE"),
        ({"token_endpoint_auth_methods_supported": ["client_secret_basic"]}, {}, 200, "private_key_jwt"),
        ({}, {}, 400, "refused, invalid_grant"),
        ({}, {}, 503, "token_endpoint"),
        ({}, {"scope": "system/Patient.rs"}, 200, "a token for the server itself"),
        ({}, {"access_token": "unknown"}, 200, "reading metadata"),
    ],
)
def test_what_is_wrong_is_named_with_a_way_to_mend_it(
    ehr: FakeEhr,
    granting: Granting,
    fhir: RequestsFhirReader,
    *,
    config: dict[str, Any],
    answer: dict[str, Any],
    status: int,
    words: str,
) -> None:
    ehr.config, ehr.answer, ehr.status = config, answer, status
    ((what, mend),) = wrong(looked(ehr, granting, fhir))
    assert words in what
    assert mend
    assert "ZQX" not in what + mend


def test_keys_that_are_missing_are_named(ehr: FakeEhr, fhir: RequestsFhirReader) -> None:
    bare = granting_of(Ehrs(), Settings(open_to_this_machine=True))
    found = wrong(looked(ehr, bare, fhir, scopes=["openid"]))
    assert found == [("a key for ES384", "make one: twinline keys new")]


def test_who_the_user_is_must_be_checkable_if_it_is_asked_for(
    ehr: FakeEhr, granting: Granting, fhir: RequestsFhirReader
) -> None:
    ehr.config = {"issuer": ..., "jwks_uri": ...}
    ((what, _),) = wrong(looked(ehr, granting, fhir, scopes=["openid", "fhirUser"]))
    assert "who the user is" in what
    assert wrong(looked(ehr, granting, fhir, scopes=["patient/*.rs"])) == []


@pytest.mark.parametrize("fine", [True, False])
def test_the_command_says_it_and_its_status_does(
    ehr: FakeEhr, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, fine: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    home = ["--data-dir", "home"]
    method = ["--method", "client_secret_basic", "--scope", "system/*.rs"]
    words = ["add", "north", "--iss", ehr.base, "--client-id", CLIENT_ID, *method, *home]
    secret = {"TWINLINE_ISSUER_SECRET": SECRET}
    assert CliRunner().invoke(issuers, words, env=secret).exit_code == 0
    ehr.config = {} if fine else {"code_challenge_methods_supported": ["plain"]}
    result = CliRunner().invoke(issuers, ["check", "north", *home])
    assert result.exit_code == (0 if fine else 1), result.output
    assert ("WRONG" in result.output) == (not fine)
    assert ("to mend it: the EHR must list S256" in result.output) == (not fine)
    document = json.loads(CliRunner().invoke(issuers, ["check", "north", "--json", *home]).output)
    assert all(one["fine"] for one in document) == fine
    assert SECRET not in result.output + json.dumps(document)
    assert CliRunner().invoke(keys, ["list", *home]).output == ""
