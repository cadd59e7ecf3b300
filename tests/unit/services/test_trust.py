"""The door: who is let in, and why everybody else is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cds_app.adapters.sql.client_register import MemoryClients
from cds_app.adapters.sql.token_ledger import MemoryTokens
from cds_app.domain.clients import Caller, Client, Refusal, may_speak_of
from cds_app.errors import DataUnavailable, DependencyDown, Unauthorised
from cds_app.ports import SeenTokens
from cds_app.services.callers.keys import Keys
from cds_app.services.callers.trust import REFRESH_S, Directory, Door
from tests.conftest import FrozenClock
from tests.refused_tokens import EHR, REFUSED, TENANTED, Refused
from tests.trust import BASE, DISCOVERY, ENDPOINT, EPIC, NOW, Ehr, PublishedKeys, Ticking, ec_key, key_set, rsa_key

PATH = "/cds-services/twinline-patient-view"
JKU = "https://ehr.example/keys"

Make = Callable[..., Door]


def door_for(
    *clients: Client, clock: FrozenClock, seen: SeenTokens | None = None, reader: PublishedKeys | None = None
) -> Door:
    register = MemoryClients()
    for one in clients:
        register.add(one)
    return Door(
        directory=Directory(register),
        keys=Keys(reader or PublishedKeys(DataUnavailable("must not be asked"))),
        seen=seen or MemoryTokens(),
        clock=clock,
        base_url=BASE,
    )


@pytest.fixture
def door(clock: FrozenClock) -> Door:
    return door_for(EHR.client(), TENANTED.client(name="other", tenants=("north", "south")), clock=clock)


def admit(door: Door, token: str, path: str = PATH) -> Caller | None:
    return door.admit(f"Bearer {token}", path, "cds.example")


def why_not(door: Door, authorization: str | None) -> str:
    with pytest.raises(Unauthorised) as caught:
        door.admit(authorization, PATH, "127.0.0.1")
    assert str(caught.value) == "not authorised"
    return caught.value.reason


def test_a_client_is_let_in_and_known_by_its_issuer(door: Door) -> None:
    caller = admit(door, EHR.token())
    assert caller == Caller(client="ehr", iss=EHR.iss)
    assert admit(door, TENANTED.token(tenant="south")) == Caller(client="other", iss=TENANTED.iss, tenant="south")


@pytest.mark.parametrize("one", REFUSED, ids=str)
def test_everything_else_is_refused_and_the_log_is_told_why(door: Door, one: Refused) -> None:
    assert why_not(door, one.make("http://127.0.0.1:9/keys")) == one.reason


def test_a_refused_token_is_not_used_up(door: Door) -> None:
    token = EHR.token(aud=[DISCOVERY, "https://elsewhere.example"])
    assert why_not(door, f"Bearer {token}") == Refusal.AUDIENCE
    assert admit(door, token, "/cds-services") is not None


def test_a_token_opens_once_wherever_it_is_shown(door: Door) -> None:
    """Abuse case 7, in one process."""
    token = EHR.token(aud=[ENDPOINT, DISCOVERY])
    assert admit(door, token) is not None
    assert why_not(door, f"Bearer {token}") == Refusal.REPLAYED
    with pytest.raises(Unauthorised):
        admit(door, token, "/cds-services")
    assert admit(door, TENANTED.token(tenant="north", jti="1")) is not None
    assert admit(door, EHR.token(jti="1")) is not None
    assert why_not(door, "Bearer " + EHR.token(jti="1", sub="x")) == Refusal.REPLAYED


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [ENDPOINT, "https://elsewhere.example"]},
        {"iat": NOW + 59},
        {"iat": NOW - 100, "exp": NOW - 59},
        {"exp": NOW + 959.5},
        {"nbf": NOW + 59},
        {"iat": int(NOW), "nbf": int(NOW) - 300, "exp": int(NOW) + 900},
        {"jti": "x" * 512},
        {"sub": "client-id", "extra": {"nested": [1]}},
    ],
)
def test_clocks_may_differ_a_little_and_audiences_be_several(door: Door, claims: dict[str, Any]) -> None:
    assert admit(door, EHR.token(**claims)) is not None


@pytest.mark.parametrize("header", [{"typ": ...}, {"typ": "jwt"}, {"x5t": "abc"}, {"epic": "unknown"}])
def test_headers_of_real_ehrs_are_read(door: Door, header: dict[str, object]) -> None:
    assert admit(door, EHR.token(header)) is not None


def test_a_token_as_epic_makes_it_is_let_in(clock: FrozenClock) -> None:
    """RS384, a kid with + and =, nbf five minutes back, exp in fifteen, aud the endpoint that the site typed in."""
    reader = PublishedKeys(key_set(EPIC.key))
    typed = "https://cds.hospital.example/twinline"
    door = door_for(EPIC.client(jwks="", jku=JKU, audiences=(typed,)), clock=clock, reader=reader)
    times: dict[str, Any] = {"iat": NOW, "nbf": NOW - 300, "exp": NOW + 900}
    assert admit(door, EPIC.token({"jku": JKU}, aud=typed, sub="client-id", **times)) is not None
    assert admit(door, EPIC.token(**times)) is not None
    assert reader.asked == [JKU]


def test_rs256_opens_only_for_whom_it_was_agreed_on(clock: FrozenClock) -> None:
    old = Ehr(key=rsa_key(), alg="RS256")
    assert admit(door_for(old.client(algs=("RS256",)), clock=clock), old.token()) is not None
    assert why_not(door_for(old.client(), clock=clock), "Bearer " + old.token()) == Refusal.ALGORITHM
    new = Ehr(key=rsa_key(), alg="RS384")
    only_old = door_for(old.client(algs=("RS256",)), clock=clock)
    assert why_not(only_old, "Bearer " + new.token()) == Refusal.ALGORITHM


def test_a_jku_that_is_nearly_the_one_on_record_is_refused_without_asking(clock: FrozenClock) -> None:
    """Abuse case 2."""
    reader = PublishedKeys(key_set(EHR.key))
    door = door_for(EHR.client(jwks="", jku=JKU), clock=clock, reader=reader)
    for jku in (JKU + "/", JKU.upper(), "https://ehr.example@evil.example/keys", JKU + "?x", "http://ehr.example/keys"):
        assert why_not(door, "Bearer " + EHR.token({"jku": jku})) == Refusal.KEY_SOURCE
    assert reader.asked == []


def test_nothing_is_asked_for_on_behalf_of_a_token_that_fails_otherwise(clock: FrozenClock) -> None:
    reader = PublishedKeys(key_set(EHR.key))
    door = door_for(EHR.client(jwks="", jku=JKU), clock=clock, reader=reader)
    for token in (EHR.token(aud="x"), EHR.token(exp=NOW - 100), EHR.token(tenant="x"), EHR.token({"kid": ""})):
        why_not(door, f"Bearer {token}")
    assert reader.asked == []


def test_the_longest_life_can_be_set(door: Door) -> None:
    assert admit(replace(door, max_age_s=3600), EHR.token(exp=NOW + 3600)) is not None
    assert why_not(replace(door, max_age_s=300), "Bearer " + EHR.token(exp=NOW + 361)) == Refusal.TOO_LONG


def test_used_tokens_are_remembered_as_long_as_they_could_be_used(clock: FrozenClock) -> None:
    kept: list[tuple[float, float]] = []

    class Ledger:
        def first(self, issuer: str, token: str, *, until: float, now: float) -> bool:
            kept.append((until, now))
            return True

    admit(door_for(EHR.client(), clock=clock, seen=Ledger()), EHR.token(exp=NOW + 100))
    assert kept == [(NOW + 160, NOW)]


def test_a_ledger_that_cannot_write_lets_nobody_in(clock: FrozenClock) -> None:
    class Ledger:
        def first(self, issuer: str, token: str, *, until: float, now: float) -> bool:
            raise DependencyDown("full")

    with pytest.raises(DependencyDown):
        admit(door_for(EHR.client(), clock=clock, seen=Ledger()), EHR.token())


# --- open to this machine


def test_without_clients_nobody_is_let_in(clock: FrozenClock) -> None:
    assert why_not(door_for(clock=clock), None) == Refusal.ABSENT
    assert why_not(door_for(clock=clock), "Bearer " + EHR.token()) == Refusal.ISSUER


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_service_that_is_open_to_this_machine_asks_nobody(clock: FrozenClock, host: str) -> None:
    opened = replace(door_for(clock=clock), open_to_this_machine=True)
    assert opened.admit(None, PATH, host) is None


@pytest.mark.parametrize("host", ["rebound.example", "10.0.0.1", "", "127.0.0.1.evil.example"])
def test_a_name_that_leads_here_from_elsewhere_does_not_open(clock: FrozenClock, host: str) -> None:
    opened = replace(door_for(clock=clock), open_to_this_machine=True)
    with pytest.raises(Unauthorised):
        opened.admit(None, PATH, host)


def test_the_first_client_closes_a_service_that_was_open(clock: FrozenClock) -> None:
    opened = replace(door_for(EHR.client(), clock=clock), open_to_this_machine=True)
    assert why_not(opened, None) == Refusal.ABSENT


# --- what is known of clients


def test_a_change_of_the_register_counts_within_seconds() -> None:
    register, ticking = MemoryClients(), Ticking()
    directory = Directory(register, ticking)
    assert names(directory.clients()) == []
    register.add(EHR.client())
    assert names(directory.clients()) == []
    ticking.at += REFRESH_S
    assert names(directory.clients()) == ["ehr"]
    register.remove("ehr")
    ticking.at += REFRESH_S
    assert names(directory.clients()) == []


def names(clients: Sequence[Client]) -> list[str]:
    return [one.name for one in clients]


def test_who_cannot_be_looked_up_is_not_let_in() -> None:
    class Register(MemoryClients):
        def clients(self) -> Sequence[Client]:
            raise DependencyDown("down")

    with pytest.raises(DependencyDown):
        Directory(Register()).clients()


def test_realms_of_clients_tenants_and_servers_never_meet() -> None:
    callers = [
        Caller(client="a", iss="https://a"),
        Caller(client="a", iss="https://a", tenant="t"),
        Caller(client="b", iss="https://b", tenant="t"),
    ]
    servers = [None, "https://a", "https://fhir.example/r4"]
    realms = {one.realm(server) for one in callers for server in servers}
    assert len(realms) == 9
    assert realms & {"local", "https://a", "https://fhir.example/r4", "https://a#t"} == set()


def test_feedback_counts_within_ones_own_realms() -> None:
    caller = Caller(client="a", iss="https://a", tenant="t")
    longer = Caller(client="b", iss="https://a", tenant="t2")
    assert may_speak_of(caller.realm("https://fhir.example"), caller)
    assert may_speak_of(caller.realm(None), caller)
    assert not may_speak_of(longer.realm(None), caller)
    assert not may_speak_of("https://a", caller)
    assert may_speak_of("local", None)
    assert may_speak_of("https://a", None)
    assert not may_speak_of(caller.realm(None), None)


def test_other_curves_do_not_pass_for_the_right_one(clock: FrozenClock) -> None:
    wrong = Ehr(key=ec_key("wrong", "P-256"), alg="ES256")
    reader = PublishedKeys(key_set(wrong.key))
    door = door_for(wrong.client(jwks="", jku=JKU), clock=clock, reader=reader)
    assert why_not(door, "Bearer " + wrong.token()) == Refusal.ALGORITHM
