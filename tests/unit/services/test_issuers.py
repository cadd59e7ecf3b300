"""Who may launch: records are checked before they count, and found character by character."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.adapters.sql.cabinet import MemoryCabinet
from cds_app.domain.clients import Caller, Client
from cds_app.domain.issuers import Issuer, Method
from cds_app.errors import IntegrityError, NotFound, SettingsError
from cds_app.ports import Document
from cds_app.services.smart.issuers import DEFAULT_SCOPES, KIND, Issuers, client_of, new_issuer
from tests.conftest import FROZEN

BASE = "https://ehr.example/fhir/r4"


def issuer(**change: Any) -> Issuer:
    return new_issuer(**{"name": "north", "iss": BASE, "client_id": "twinline-at-north", **change})


@pytest.fixture
def issuers() -> Issuers:
    return Issuers(MemoryCabinet())


def test_a_record_comes_back_as_it_was_written(issuers: Issuers) -> None:
    written = issuer(
        method="client_secret_basic", secret="correct horse", client="epic", frames=["https://ehr.example"]
    )
    issuers.add(written, FROZEN)
    assert issuers.named("north", FROZEN) == written
    assert issuers.all(FROZEN) == (written,)
    assert written.scopes == DEFAULT_SCOPES


@pytest.mark.parametrize("iss", [BASE, BASE + "/"])
def test_it_is_found_by_its_base(issuers: Issuers, iss: str) -> None:
    issuers.add(issuer(iss=BASE + "/"), FROZEN)
    found = issuers.at(iss, FROZEN)
    assert found is not None
    assert found.iss == BASE


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "https://evil.example/fhir/r4",
        BASE + "4",
        BASE + ".evil.example",
        BASE + "//",
        BASE + "?x",
        BASE + "#",
        BASE[:-1],
        BASE.upper(),
        "http" + BASE[5:],
        "https://ehr.example@evil.example/fhir/r4",
        "https://ehr.example/fhir/x/../r4",
        "https://ehr.example/fhir%2Fr4",
        " " + BASE,
    ],
)
def test_nothing_that_looks_like_it_is_found(issuers: Issuers, iss: str) -> None:
    issuers.add(issuer(), FROZEN)
    assert issuers.at(iss, FROZEN) is None


def test_names_and_bases_are_taken_once(issuers: Issuers) -> None:
    issuers.add(issuer(), FROZEN)
    with pytest.raises(SettingsError, match="FHIR base"):
        issuers.add(issuer(name="south"), FROZEN)
    with pytest.raises(SettingsError, match="name"):
        issuers.add(issuer(iss="https://other.example"), FROZEN)


def test_who_was_removed_launches_no_more(issuers: Issuers) -> None:
    issuers.add(issuer(), FROZEN)
    issuers.remove("north", FROZEN)
    assert issuers.at(BASE, FROZEN) is None
    for ask in (issuers.remove, issuers.named):
        with pytest.raises(NotFound):
            ask("north", FROZEN)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "North"}, "name"),
        ({"name": "../x"}, "name"),
        ({"iss": "http://ehr.example/fhir"}, "iss"),
        ({"iss": "https://ehr.example/fhir?x=1"}, "iss"),
        ({"iss": "https://user@ehr.example/fhir"}, "iss"),
        ({"iss": "https://ehr.example/fhir/../x"}, "iss"),
        ({"iss": "https://ehr.example:x/fhir"}, "iss"),
        ({"iss": "javascript:alert(1)"}, "iss"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"method": "none"}, "method"),
        ({"method": "client_secret_basic"}, "secret"),
        ({"method": "client_secret_post", "secret": "short"}, "secret"),
        ({"secret": "correct horse"}, "secret"),
        ({"alg": "RS256"}, "alg"),
        ({"scopes": ["patient/*.rs openid"]}, "scope"),
        ({"tenant": "t"}, "tenant"),
        ({"frames": ["*"]}, "frame"),
        ({"frames": ["https://ehr.example/"]}, "frame"),
        ({"frames": ["https://ehr.example; script-src *"]}, "frame"),
        ({"frames": ["http://ehr.example"]}, "frame"),
    ],
)
def test_a_doubtful_record_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(SettingsError) as caught:
        issuer(**change)
    assert caught.value.field == field


def test_http_is_for_this_machine() -> None:
    assert (
        issuer(iss="http://127.0.0.1:8080/fhir", frames=["http://localhost:8080"]).iss == "http://127.0.0.1:8080/fhir"
    )


def test_the_secret_is_nowhere_to_be_seen() -> None:
    kept = issuer(method="client_secret_basic", secret="correct horse")
    assert "horse" not in repr(kept)
    with pytest.raises(SettingsError) as caught:
        issuer(method="client_secret_post", secret="zqx")
    assert "zqx" not in caught.value.message


def test_a_record_that_cannot_be_read_is_no_record() -> None:
    cabinet = MemoryCabinet()
    cabinet.write(Document(kind=KIND, name="north", version=0, content=b'{"secret":"zqx"}'), FROZEN)
    with pytest.raises(IntegrityError) as caught:
        Issuers(cabinet).all(FROZEN)
    assert caught.value.__cause__ is None


def test_a_launch_asks_for_what_belongs_to_it() -> None:
    mixed = issuer(scopes=["launch", "openid", "patient/Observation.rs", "system/*.rs", "launch/patient"])
    assert mixed.launch_scopes(from_ehr=True) == ("launch", "openid", "patient/Observation.rs")
    assert mixed.launch_scopes(from_ehr=False) == ("launch/patient", "openid", "patient/Observation.rs")
    assert mixed.system_scopes == ("system/*.rs",)
    assert mixed.method is Method.PRIVATE_KEY_JWT


def test_patients_are_those_of_the_client_whose_calls_they_came_with() -> None:
    epic = Client(name="epic", iss="https://ehr.example/r4", tenants=frozenset({"t"}))
    one = issuer(client="epic", tenant="t")
    assert client_of(one, [epic]) == epic
    assert one.realm(epic) == Caller(client="epic", iss=epic.iss, tenant="t").realm(BASE)
    assert issuer().realm(None) == BASE
    assert client_of(issuer(), [epic]) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [({"client": "x"}, "client"), ({"client": "epic", "tenant": "u"}, "tenant"), ({"client": "epic"}, "tenant")],
)
def test_a_client_that_may_not_speak_for_them_is_none(change: dict[str, Any], field: str) -> None:
    epic = Client(name="epic", iss="https://ehr.example/r4", tenants=frozenset({"t"}))
    with pytest.raises(SettingsError) as caught:
        client_of(issuer(**change), [epic])
    assert caught.value.field == field
