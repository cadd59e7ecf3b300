"""A twin is kept warm by who may do it; nothing that was told of, or that should have been, is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from cds_app.bootstrap import answering_of, app_of
from cds_app.commands.ingest_subscriptions import catching_up_of
from cds_app.deps import Deps, memory_deps
from cds_app.errors import DataUnavailable, Gone, GrantRefused, NotFound, SettingsError
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.sources.catching_up import CatchingUp
from cds_app.services.sources.subscriptions import (
    EVERYTHING,
    Heard,
    Subscription,
    Subscriptions,
)
from cds_app.settings import Settings
from tests.conftest import FROZEN, FrozenClock
from tests.exports import LISINOPRIL, ORDER
from tests.notifications import BASE, SECRET, bundle, status, subscription
from tests.patients import observation, patient

URL = "/fhir-notifications/results"
FATAL = {"severity": "fatal", "code": "exception"}


@dataclass
class MemoryFhir:
    """`cds_app.ports.FhirReader`: answers by path, and what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        assert (base, token) == (BASE, "t")
        self.asked.append(path)
        found = self.answers.get(path.partition("?")[0])
        if isinstance(found, Exception):
            raise found
        if not isinstance(found, dict):
            raise DataUnavailable("the FHIR server refused", field="x")
        return found

    def allowed(self, base: str) -> bool:
        return True

    def breakers(self) -> tuple[str, ...]:
        return ()


@pytest.fixture
def fhir() -> MemoryFhir:
    return MemoryFhir()


@pytest.fixture
def deps(knowledge: Knowledge, fhir: MemoryFhir) -> Deps:
    made = memory_deps(knowledge, Settings(open_to_this_machine=True))
    return replace(made, clock=FrozenClock(at=FROZEN), fhir=fhir)


@pytest.fixture
def register(deps: Deps) -> Subscriptions:
    made = Subscriptions(deps.ehrs.cabinet, deps.clock)
    made.add("results", subscription())
    return made


@pytest.fixture
def client(deps: Deps, register: Subscriptions) -> Iterator[FlaskClient]:
    with app_of(deps).test_client() as made:
        yield made


def send(client: FlaskClient, body: object, *, secret: str = SECRET, url: str = URL, **more: Any) -> int:
    headers = {"Authorization": f"Bearer {secret}"}
    given: dict[str, Any] = {"content_type": "application/fhir+json", "headers": headers, **more}
    return client.post(url, json=body, **given).status_code


def result(value: float, key: str) -> dict[str, Any]:
    return observation("potassium", value, FROZEN - timedelta(hours=1), key=key)


def potassium(deps: Deps) -> list[float]:
    record = answering_of(deps).records.load(deps.store.pseudonym(BASE, "p1"))
    return sorted(one.value for one in record.timeline.measured.get("potassium", ()))


def looking(deps: Deps) -> CatchingUp:
    return replace(catching_up_of(deps), token=lambda issuer: "t")


# --- the endpoint


def test_a_handshake_a_heartbeat_and_an_event_keep_a_twin_warm(
    deps: Deps, client: FlaskClient, register: Subscriptions
) -> None:
    assert send(client, bundle(status("handshake", "0"))) == 200
    assert send(client, bundle(status("event-notification", "1", 1), result(4.4, "a"))) == 200
    assert send(client, bundle(status("heartbeat", "1"))) == 200
    assert potassium(deps) == [4.4]
    heard = register.heard("results")
    assert (heard.number, heard.gaps, heard.shaken, heard.status, heard.whole) == (1, (), True, "active", FROZEN)
    assert send(client, bundle(status("event-notification", "1", 1), result(4.4, "a"))) == 200
    assert potassium(deps) == [4.4]


@pytest.mark.parametrize(
    "more",
    [
        {"secret": "guessed"},
        {"secret": ""},
        {"headers": {}},
        {"headers": {"Authorization": SECRET}},
        {"headers": {"Authorization": f"Basic {SECRET}"}},
        {"url": "/fhir-notifications/unknown"},
        {"url": "/fhir-notifications/unknown", "secret": ""},
        {"named": {"reference": f"{BASE}/Subscription/13"}},
        {"named": {"reference": "https://other.example/fhir/Subscription/12"}},
        {"named": None},
    ],
)
def test_who_is_not_the_subscription_is_refused_and_nothing_is_kept(
    deps: Deps, client: FlaskClient, register: Subscriptions, more: dict[str, Any]
) -> None:
    changed = {"subscription": more["named"]} if "named" in more else {}
    shown = {name: one for name, one in more.items() if name != "named"}
    assert send(client, bundle(status("event-notification", "1", 1, **changed), result(4.4, "a")), **shown) == 401
    assert potassium(deps) == []
    assert register.heard("results") == Heard()


def test_what_is_no_notification_is_refused(client: FlaskClient) -> None:
    assert send(client, {"resourceType": "Observation"}) == 400
    assert send(client, [1]) == 400
    assert send(client, bundle(status()), content_type="text/plain") == 415
    assert client.get(URL).status_code == 405


def test_until_the_ehr_has_named_it_any_subscription_of_that_ehr_may_shake_hands(
    deps: Deps, client: FlaskClient, register: Subscriptions
) -> None:
    register.add("fresh", subscription(reference=""))
    assert send(client, bundle(status("handshake", 0)), url="/fhir-notifications/fresh") == 200
    foreign = status("handshake", 0, subscription={"reference": "https://other.example/fhir/Subscription/12"})
    assert send(client, bundle(foreign), url="/fhir-notifications/fresh") == 401
    register.called("fresh", "Subscription/77")
    assert send(client, bundle(status("heartbeat", 0)), url="/fhir-notifications/fresh") == 401


# --- catching up


def test_missed_events_are_asked_for_by_number(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("event-notification", 3, 3), result(4.3, "c")))
    events = bundle(status("query-event", 3, 1, 2), result(4.1, "a"), result(4.2, "b"))
    fhir.answers["Subscription/12/$events"] = events
    assert looking(deps).look() == {"events": 2}
    assert potassium(deps) == [4.1, 4.2, 4.3]
    assert fhir.asked == ["Subscription/12/$events?eventsSinceNumber=1&eventsUntilNumber=2&content=full-resource"]
    assert not register.heard("results").behind
    assert looking(deps).look() == {}


def test_what_cannot_be_had_by_number_is_read_anew_from_when_nothing_was_missing(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("handshake", 0)))
    send(client, bundle(status("heartbeat", 2)))
    assert looking(deps).look() == {"unavailable": 1}
    assert register.heard("results").gaps == ((1, 2),)
    fhir.answers["Observation"] = bundle(result(4.1, "a"), result(4.2, "b"))
    assert looking(deps).look() == {"read-anew": 1}
    assert fhir.asked[-1] == f"Observation?_lastUpdated=ge{FROZEN - timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}&_count=500"
    assert potassium(deps) == [4.1, 4.2]
    assert not register.heard("results").behind


def test_more_than_can_be_read_stays_missing(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("heartbeat", 2)))
    fhir.answers["Observation"] = {**bundle(result(4.1, "a")), "link": [{"relation": "next", "url": "x"}]}
    assert looking(deps).look() == {"unavailable": 1}
    assert register.heard("results").gaps == ((1, 2),)


@pytest.mark.parametrize(
    "answer",
    [
        {"resourceType": "Parameters"},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "OperationOutcome", "issue": [FATAL]}}]},
        {"resourceType": "Bundle", "entry": [{"fullUrl": f"{BASE}/Observation/a"}]},
        {"resourceType": "Bundle", "type": "searchset", "total": 1},
    ],
)
def test_what_an_ehr_could_not_tell_stays_missing(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir, answer: Mapping[str, Any]
) -> None:
    send(client, bundle(status("heartbeat", 2)))
    fhir.answers["Observation"] = answer
    assert looking(deps).look() == {"unavailable": 1}
    assert register.heard("results").gaps == ((1, 2),)


def test_what_stands_in_the_place_of_links_harms_nobody(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("heartbeat", 2)))
    fhir.answers["Observation"] = bundle(result(4.1, "a")) | {"link": 5}
    assert looking(deps).look() == {"read-anew": 1}
    assert (potassium(deps), register.heard("results").behind) == ([4.1], False)


def test_half_an_answer_leaves_the_other_half(deps: Deps, client: FlaskClient, fhir: MemoryFhir) -> None:
    send(client, bundle(status("heartbeat", 2)))
    fhir.answers["Subscription/12/$events"] = bundle(status("query-event", 2, 1), result(4.1, "a"))
    fhir.answers["Observation"] = bundle(result(4.2, "b"))
    assert looking(deps).look() == {"read-anew": 1}
    assert potassium(deps) == [4.1, 4.2]
    foreign = status("query-event", 4, 3, 4, subscription={"reference": "Subscription/13"})
    fhir.answers["Subscription/12/$events"] = bundle(foreign, result(9.9, "z"))
    send(client, bundle(status("heartbeat", 4)))
    looking(deps).look()
    assert 9.9 not in potassium(deps)


def test_references_are_read_and_deletions_taken_back(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("event-notification", 1, 1), patient(), result(4.1, "a")))
    event = {"eventNumber": 2, "focus": {"reference": f"{BASE}/Observation/b"}}
    send(client, bundle(status("event-notification", 2, event)))
    assert looking(deps).look() == {"unavailable": 1}
    fhir.answers["Observation/b"] = result(4.2, "b")
    assert looking(deps).look() == {"resources": 1}
    assert potassium(deps) == [4.1, 4.2]
    send(client, bundle(status("event-notification", 3, 3), deleted=("Observation/a",)))
    assert looking(deps).look() == {"withdrawn": 1}
    assert potassium(deps) == [4.2]
    assert not register.heard("results").behind


def test_an_ehr_that_fell_silent_is_asked(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("event-notification", 1, 1), result(4.1, "a")))
    late = replace(deps, clock=FrozenClock(at=FROZEN + timedelta(minutes=3)))
    assert looking(late).look() == {"unavailable": 1}
    fhir.answers["Subscription/12/$status"] = bundle(status("query-status", 2))
    fhir.answers["Subscription/12/$events"] = bundle(status("query-event", 2, 2), result(4.2, "b"))
    assert looking(late).look() == {"asked": 1, "events": 1}
    assert potassium(deps) == [4.1, 4.2]
    assert register.heard("results").status == "active"


def test_an_ehr_that_gave_up_on_us_is_asked_to_begin_again_and_read_anew_meanwhile(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("event-notification", 1, 1), result(4.1, "a")))
    fhir.answers["Subscription/12/$status"] = bundle(status("query-status", 1, status="error"))
    fhir.answers["Observation"] = bundle(result(4.2, "b"))
    late = replace(deps, clock=FrozenClock(at=FROZEN + timedelta(minutes=3)))
    woken: list[str] = []
    willing = replace(looking(late), wake=lambda one, access: woken.append(f"{one.reference} {access}"))
    assert willing.look() == {"asked": 1, "woken": 1, "read-anew": 1}
    assert (woken, potassium(deps)) == (["Subscription/12 t"], [4.1, 4.2])

    def refuse(one: Subscription, access: str) -> None:
        raise DataUnavailable("the FHIR server refused", field="Subscription")

    assert replace(willing, wake=refuse).look() == {"asked": 1, "asleep": 1, "read-anew": 1}, "as long as it sleeps"
    send(client, bundle(status("handshake", 1)))
    assert looking(deps).look() == {}


def test_where_no_heartbeat_was_promised_we_ask_after_a_while(deps: Deps, register: Subscriptions) -> None:
    register.add("quiet", subscription(heartbeat_s=0, reference="Subscription/13"))
    register.change("quiet", lambda heard: msgspec.structs.replace(heard, at=FROZEN))
    register.change("results", lambda heard: msgspec.structs.replace(heard, at=FROZEN + timedelta(hours=1)))

    def later(**step: float) -> Mapping[str, int]:
        return looking(replace(deps, clock=FrozenClock(at=FROZEN + timedelta(**step)))).look()

    assert (later(minutes=14), later(minutes=16)) == ({}, {"unavailable": 1})


def test_an_event_of_which_nothing_is_said_stays_a_gap(client: FlaskClient, register: Subscriptions) -> None:
    send(client, bundle(status("event-notification", 1, 1)))
    assert register.heard("results").gaps == ((1, 1),)


def test_one_ehr_that_fails_keeps_nobody_else_waiting(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    register.add("another", subscription(issuer="broken"))
    for name in ("another", "results"):
        send(client, bundle(status("heartbeat", 1)), url=f"/fhir-notifications/{name}")
    fhir.answers["Subscription/12/$events"] = bundle(status("query-event", 1, 1), result(4.1, "a"))

    def token(issuer: str) -> str:
        if issuer == "broken":
            raise GrantRefused("invalid_client")
        return "t"

    assert replace(looking(deps), token=token).look() == {"failed-grant-refused": 1, "events": 1}
    assert potassium(deps) == [4.1]


def test_what_is_made_again_after_its_deletion_stays(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    told_at = {"lastUpdated": "2026-02-28T20:00:00Z"}
    send(client, bundle(status("event-notification", 1, 1), patient(), {**result(4.1, "a"), "meta": told_at}))
    send(client, bundle(status("event-notification", 2, 2), deleted=("Observation/a",)))
    assert register.heard("results").deleted == {"Observation/a": FROZEN}
    restored = {**result(4.3, "a"), "meta": {"lastUpdated": (FROZEN + timedelta(seconds=5)).isoformat()}}
    send(client, bundle(status("event-notification", 3, 3), restored))
    late = replace(deps, clock=FrozenClock(at=FROZEN + timedelta(seconds=30)))
    assert looking(late).look() == {}
    assert potassium(deps) == [4.3]


def test_a_deletion_counts_from_when_it_was_told(deps: Deps, client: FlaskClient, fhir: MemoryFhir) -> None:
    send(client, bundle(status("event-notification", 1, 1), deleted=("Observation/a",)))
    told: list[Mapping[str, datetime]] = []
    late = replace(deps, clock=FrozenClock(at=FROZEN + timedelta(seconds=30)))
    catching = replace(looking(late), withdraw=lambda name, one, gone: told.append(gone))
    assert catching.look() == {"withdrawn": 1}
    assert told == [{"Observation/a": FROZEN}]


def test_what_the_ehr_has_no_more_is_wanted_no_more(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("event-notification", 1, {"eventNumber": 1, "focus": {"reference": "Observation/b"}})))
    fhir.answers["Observation/b"] = Gone("no more", field="Observation")
    assert looking(deps).look() == {"gone": 1}
    assert looking(deps).look() == {"withdrawn": 1}
    assert not register.heard("results").behind


def test_an_order_that_came_without_its_drug_is_asked_for_with_it(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    send(client, bundle(status("event-notification", 1, 1), ORDER))
    fhir.answers |= {
        "MedicationRequest/o": ORDER,
        "Medication/m": {"resourceType": "Medication", "id": "m", "code": LISINOPRIL},
    }
    assert looking(deps).look() == {"resources": 1}
    record = answering_of(deps).records.load(deps.store.pseudonym(BASE, "p1"))
    assert "lisinopril" in record.timeline.facts.medications[0].concepts
    assert not register.heard("results").behind


def test_a_gap_that_opens_while_others_are_read_anew_stays(
    deps: Deps, client: FlaskClient, register: Subscriptions, fhir: MemoryFhir
) -> None:
    register.change("results", lambda heard: msgspec.structs.replace(heard, number=9, gaps=(EVERYTHING,), at=FROZEN))
    fhir.answers["Observation"] = bundle(result(4.1, "a"))

    def take(*given: Any) -> dict[str, int]:
        send(client, bundle(status("heartbeat", 2)))  # it counts from the beginning again, once more
        return {}

    assert replace(looking(deps), take=take).look() == {"read-anew": 1}
    assert register.heard("results").gaps == (EVERYTHING,)


# --- the register


def test_names_are_taken_once_and_gone_when_removed(register: Subscriptions) -> None:
    with pytest.raises(SettingsError):
        register.add("results", subscription())
    register.remove("results")
    assert register.all() == ()
    for act in (register.remove, lambda name: register.called(name, "Subscription/1")):
        with pytest.raises(NotFound):
            act("results")
