"""Prefetch first, the FHIR server for the rest: every state of a key, one budget, what is needed and what is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_app.cards.definition import ServiceDefinition
from cds_app.domain.issues import IssueCode
from cds_app.errors import BadRequest, DataUnavailable, TooLarge
from cds_app.fabric.reading import Reading
from cds_app.services.calls.gather import Gatherer
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.content.knowledge import Knowledge
from tests.conftest import FROZEN
from tests.patients import bundle, observation, patient
from tests.service import opening

BASE = "https://ehr.example/r4"
PULSE = observation("heart_rate", 80.0, FROZEN)
POTASSIUM = observation("potassium", 4.1, FROZEN)
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}

Answer = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclass(slots=True)
class FakeFhir:
    """A FHIR server in memory: answers by the beginning of the path, and remembers what it was asked."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    bases: tuple[str, ...] = (BASE,)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    budgets: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        with self.lock:
            self.asked.append((base, path, token))
            self.budgets.append(budget_s)
        for beginning, answer in self.answers.items():
            if path.startswith(beginning):
                return answer() if callable(answer) else answer
        raise DataUnavailable("the FHIR server refused", field=path.partition("?")[0])

    def allowed(self, base: str) -> bool:
        return base in self.bases

    def breakers(self) -> tuple[str, ...]:
        return ("closed",) * len(self.bases)


@pytest.fixture
def service(knowledge: Knowledge) -> ServiceDefinition:
    return knowledge.service("twinline-patient-view")


def call(prefetch: Mapping[str, object], *, server: str | None = BASE, received: Any = FROZEN) -> HookCall:
    event = opening(received, server or "local")
    context = {"patientId": "p1", "userId": "Practitioner/1"}
    return HookCall(event=event, prefetch=prefetch, context=context, fhir_server=server, token="t0k")


def gather(
    knowledge: Knowledge, fhir: FakeFhir, made: HookCall, *, budget_s: float = 5.0, max_entries: int = 1000
) -> Reading:
    gatherer = Gatherer(knowledge=knowledge, fhir=fhir, budget_s=budget_s, max_entries=max_entries)
    return gatherer.gather(made, knowledge.service(made.event.service))


def complete(service: ServiceDefinition, **change: object) -> dict[str, object]:
    """Prefetch with every key; those given as ... are left out."""
    whole: dict[str, object] = {key: bundle() for key in service.prefetch}
    whole |= {"patient": patient(), "vitals": bundle(PULSE), **change}
    return {key: value for key, value in whole.items() if value is not ...}


def issues(reading: Reading) -> list[tuple[IssueCode, str]]:
    return [(one.code, one.ref) for one in reading.issues]


def variables(reading: Reading) -> set[str]:
    return {one.variable for one in reading.facts.measurements}


def test_complete_prefetch_asks_nobody(knowledge: Knowledge, service: ServiceDefinition) -> None:
    fhir = FakeFhir()
    reading = gather(knowledge, fhir, call(complete(service)))
    assert fhir.asked == []
    assert (variables(reading), issues(reading)) == ({"heart_rate"}, [])


def test_null_means_that_there_is_nothing_and_is_not_fetched(knowledge: Knowledge, service: ServiceDefinition) -> None:
    fhir = FakeFhir()
    reading = gather(knowledge, fhir, call(complete(service, vitals=None, patient=None)))
    assert (fhir.asked, len(reading.facts)) == ([], 0)


def test_an_absent_key_is_fetched_with_the_token_of_the_call(knowledge: Knowledge, service: ServiceDefinition) -> None:
    fhir = FakeFhir({"Observation?patient=p1&category=laboratory": bundle(POTASSIUM)})
    reading = gather(knowledge, fhir, call(complete(service, labs=...)))
    assert fhir.asked == [(BASE, "Observation?patient=p1&category=laboratory&_sort=-date&_count=200", "t0k")]
    assert variables(reading) == {"heart_rate", "potassium"}


@pytest.mark.parametrize("given", [OUTCOME, bundle(OUTCOME) | {"type": "collection"}, "text", [], {"id": "x"}])
def test_a_key_that_holds_a_failure_or_no_fhir_is_fetched(
    knowledge: Knowledge, service: ServiceDefinition, given: object
) -> None:
    fhir = FakeFhir({"Observation?patient=p1&category=laboratory": bundle(POTASSIUM)})
    assert "potassium" in variables(gather(knowledge, fhir, call(complete(service, labs=given))))


def test_an_empty_search_with_a_warning_is_an_answer(knowledge: Knowledge, service: ServiceDefinition) -> None:
    warning = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-found"}]}
    fhir = FakeFhir()
    reading = gather(knowledge, fhir, call(complete(service, labs=bundle(warning))))
    assert fhir.asked == []
    assert [code for code, _ in issues(reading)] == [IssueCode.SERVER_OUTCOME]


def test_a_paged_prefetch_is_followed_below_the_base(knowledge: Knowledge, service: ServiceDefinition) -> None:
    first = bundle(PULSE) | {"link": [{"relation": "next", "url": f"{BASE}/Observation?page=2"}]}
    fhir = FakeFhir({"Observation?page=2": bundle(POTASSIUM)})
    reading = gather(knowledge, fhir, call(complete(service, labs=first)))
    assert fhir.asked == [(BASE, "Observation?page=2", "t0k")]
    assert variables(reading) == {"heart_rate", "potassium"}


@pytest.mark.parametrize("link", ["https://evil.example/r4/Observation?page=2", f"{BASE}.evil.example/x", "//evil"])
def test_a_page_elsewhere_is_not_followed_but_asked_for_anew(
    knowledge: Knowledge, service: ServiceDefinition, link: str
) -> None:
    first = bundle(PULSE) | {"link": [{"relation": "next", "url": link}]}
    fhir = FakeFhir({"Observation?patient=p1&category=laboratory": bundle(POTASSIUM)})
    gather(knowledge, fhir, call(complete(service, labs=first)))
    assert [path for _, path, _ in fhir.asked] == ["Observation?patient=p1&category=laboratory&_sort=-date&_count=200"]


def test_a_first_page_without_a_way_to_the_rest_is_used_and_said_to_be_cut_short(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    first = bundle(PULSE) | {"link": [{"relation": "next", "url": f"{BASE}/Observation?page=2"}]}
    reading = gather(knowledge, FakeFhir(), call(complete(service, vitals=first), server=None))
    assert (variables(reading), issues(reading)) == ({"heart_rate"}, [(IssueCode.TRUNCATED, "prefetch.vitals")])


@pytest.mark.parametrize("server", [None, "https://elsewhere.example/r4", f"{BASE}/x"])
def test_a_server_that_is_not_registered_is_never_called(
    knowledge: Knowledge, service: ServiceDefinition, server: str | None
) -> None:
    fhir = FakeFhir({"": bundle()})
    with pytest.raises(DataUnavailable) as caught:
        gather(knowledge, fhir, call(complete(service, vitals=...), server=server))
    assert (fhir.asked, caught.value.field, caught.value.status) == ([], "prefetch.vitals", 412)


@pytest.mark.parametrize("server", [None, BASE])
def test_an_optional_key_that_cannot_be_had_is_an_issue(
    knowledge: Knowledge, service: ServiceDefinition, server: str | None
) -> None:
    reading = gather(knowledge, FakeFhir(), call(complete(service, allergies=...), server=server))
    assert (IssueCode.FETCH_FAILED, "prefetch.allergies") in issues(reading)
    assert variables(reading) == {"heart_rate"}


@pytest.mark.parametrize("key", ["patient", "vitals"])
def test_a_needed_key_that_cannot_be_had_is_412(knowledge: Knowledge, service: ServiceDefinition, key: str) -> None:
    with pytest.raises(DataUnavailable) as caught:
        gather(knowledge, FakeFhir(), call(complete(service, **{key: OUTCOME})))
    assert (caught.value.field, caught.value.status) == (f"prefetch.{key}", 412)


def test_resources_of_another_known_key_do_not_stand_in_for_a_needed_one(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    with pytest.raises(DataUnavailable):
        gather(knowledge, FakeFhir(), call(complete(service, vitals=OUTCOME, labs=bundle(POTASSIUM))))


def test_times_without_an_offset_are_those_of_the_site(knowledge: Knowledge, service: ServiceDefinition) -> None:
    at_home = replace(knowledge, zone=ZoneInfo("Australia/Sydney"))
    local = FROZEN.astimezone(at_home.zone).strftime("%Y-%m-%dT%H:%M:%S")
    sent = complete(service, vitals=bundle(PULSE | {"effectiveDateTime": local}))
    (pulse,) = gather(at_home, FakeFhir(), call(sent, server=None)).facts.measurements
    assert pulse.when == FROZEN


def test_a_needed_key_under_a_name_of_the_site_counts(knowledge: Knowledge, service: ServiceDefinition) -> None:
    renamed = {f"site-{key}": value for key, value in complete(service).items()}
    reading = gather(knowledge, FakeFhir(), call(renamed, server=None))
    assert variables(reading) == {"heart_rate"}


def test_a_first_page_stands_for_a_needed_key_whose_rest_failed(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    first = bundle(PULSE) | {"link": [{"relation": "next", "url": f"{BASE}/Observation?page=2"}]}
    reading = gather(knowledge, FakeFhir(), call(complete(service, vitals=first)))
    assert variables(reading) == {"heart_rate"}
    assert (IssueCode.FETCH_FAILED, "prefetch.vitals") in issues(reading)


def test_what_is_absent_is_fetched_side_by_side_within_the_budget(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    together = threading.Barrier(6, timeout=5)

    def answer() -> Mapping[str, Any]:
        together.wait()  # breaks unless six are under way at once
        return bundle()

    absent = ("labs", "conditions", "medications", "allergies", "procedures", "orders")
    fhir = FakeFhir({"": answer})
    gather(knowledge, fhir, call(complete(service, **dict.fromkeys(absent, ...))), budget_s=4.0)
    assert len(fhir.asked) == 6
    assert all(0 < budget <= 4.0 for budget in fhir.budgets)


def test_a_reader_that_does_not_come_back_is_not_waited_for(knowledge: Knowledge, service: ServiceDefinition) -> None:
    back = threading.Event()

    def hang() -> Mapping[str, Any]:
        back.wait(20)
        return bundle()

    fhir = FakeFhir({"AllergyIntolerance": hang})
    begun = time.monotonic()
    reading = gather(knowledge, fhir, call(complete(service, allergies=...)), budget_s=0.2)
    assert time.monotonic() - begun < 5
    assert issues(reading) == [(IssueCode.FETCH_FAILED, "prefetch.allergies")]
    back.set()


def test_what_comes_after_the_budget_is_not_asked_for(knowledge: Knowledge, service: ServiceDefinition) -> None:
    together = threading.Barrier(6, timeout=20)
    back = threading.Event()

    def hang() -> Mapping[str, Any]:
        together.wait()
        back.wait(20)
        return bundle()

    fhir = FakeFhir({"": hang})
    absent = [key for key in service.prefetch if key not in service.needs]
    assert len(absent) > 6
    begun = time.monotonic()
    reading = gather(knowledge, fhir, call(complete(service, **dict.fromkeys(absent, ...))), budget_s=2.0)
    assert time.monotonic() - begun < 10
    assert len(fhir.asked) == 6
    assert issues(reading) == [(IssueCode.FETCH_FAILED, f"prefetch.{key}") for key in absent]
    back.set()


def test_more_pages_than_are_read_are_said_to_be_cut_short(knowledge: Knowledge, service: ServiceDefinition) -> None:
    first = bundle(POTASSIUM) | {"link": [{"relation": "next", "url": f"{BASE}/Observation?page=9"}]}
    reading = gather(knowledge, FakeFhir({"Observation": first}), call(complete(service, labs=...)))
    assert (IssueCode.TRUNCATED, "prefetch.labs") in issues(reading)
    assert "potassium" in variables(reading)


def test_a_search_that_says_that_it_failed_is_no_answer_to_a_need(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    fhir = FakeFhir({"Observation": bundle(OUTCOME)})
    with pytest.raises(DataUnavailable):
        gather(knowledge, fhir, call(complete(service, vitals=...)))


def test_nothing_is_fetched_for_a_patient_id_that_would_climb(knowledge: Knowledge, service: ServiceDefinition) -> None:
    made = call(complete(service, labs=...))
    evil = HookCall(event=made.event, prefetch=made.prefetch, context={"patientId": ".."}, fhir_server=BASE)
    fhir = FakeFhir()
    with pytest.raises(BadRequest):
        gather(knowledge, fhir, evil)
    assert fhir.asked == []


@pytest.mark.parametrize("change", [{"labs": bundle(*[POTASSIUM] * 9)}, {"labs": ...}])
def test_more_resources_than_allowed_are_refused_from_either_side(
    knowledge: Knowledge, service: ServiceDefinition, change: dict[str, object]
) -> None:
    fhir = FakeFhir({"Observation": bundle(*[POTASSIUM] * 9)})
    with pytest.raises(TooLarge):
        gather(knowledge, fhir, call(complete(service, **change)), max_entries=10)
    assert len(gather(knowledge, fhir, call(complete(service, **change)), max_entries=11).facts) == 11


@pytest.mark.parametrize("entry", [5, {}, [], [[]], {"resource": OUTCOME}, {"resource": bundle(*[POTASSIUM] * 3)}])
@pytest.mark.parametrize("among", [lambda many: bundle() | {"entry": many}, lambda many: many, lambda many: [[many]]])
def test_entries_that_hold_nothing_count_with_the_others(
    knowledge: Knowledge, service: ServiceDefinition, entry: object, among: Callable[[list[object]], object]
) -> None:
    many = among([entry] * 300_000)
    for change in ({"labs": many}, {f"site-{n}": many for n in range(50)}):
        begun = time.monotonic()
        with pytest.raises(TooLarge):
            gather(knowledge, FakeFhir(), call(complete(service, **change), server=None), max_entries=200)
        assert time.monotonic() - begun < 1.0


def test_a_search_that_found_more_than_it_holds_is_said_to_be_cut_short(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    found = bundle(POTASSIUM) | {"total": 2}
    reading = gather(knowledge, FakeFhir({"Observation": found}), call(complete(service, labs=...)))
    assert (IssueCode.TRUNCATED, "prefetch.labs") in issues(reading)


def test_the_last_page_counts_with_those_before_it(knowledge: Knowledge, service: ServiceDefinition) -> None:
    link = f"{BASE}/Observation?page=2"
    first = bundle(PULSE) | {"total": 2, "link": [{"relation": "next", "url": link}]}
    fhir = FakeFhir({"Observation?page=2": bundle(POTASSIUM) | {"total": 2}})
    reading = gather(knowledge, fhir, call(complete(service, labs=first)))
    assert variables(reading) == {"heart_rate", "potassium"}
    assert issues(reading) == []


def test_a_search_that_found_something_and_holds_nothing_is_no_answer(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    empty = bundle() | {"total": 40}
    for fhir, server in ((FakeFhir({"Observation": empty}), BASE), (FakeFhir(), BASE), (FakeFhir(), None)):
        with pytest.raises(DataUnavailable) as caught:
            gather(knowledge, fhir, call(complete(service, vitals=empty), server=server))
        assert caught.value.field == "prefetch.vitals"
        reading = gather(knowledge, fhir, call(complete(service, orders=empty), server=server))
        assert [code for code, ref in issues(reading) if ref == "prefetch.orders"] == [IssueCode.FETCH_FAILED]


def test_what_came_beside_a_failure_is_used_and_the_rest_is_said_not_to_have_come(
    knowledge: Knowledge, service: ServiceDefinition
) -> None:
    reading = gather(
        knowledge, FakeFhir({"Observation": bundle(POTASSIUM, OUTCOME)}), call(complete(service, labs=...))
    )
    assert "potassium" in variables(reading)
    assert (IssueCode.FETCH_FAILED, "prefetch.labs") in issues(reading)


@pytest.mark.parametrize("fetched", [False, True])
def test_what_is_cut_short_is_lost_unless_it_is_older_than_what_came(
    knowledge: Knowledge, service: ServiceDefinition, fetched: bool
) -> None:
    results = [observation("potassium", 4.0, FROZEN - timedelta(days=days)) for days in range(4)]
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p1"}}
    for key, resources, code in (
        ("labs", results, IssueCode.TRUNCATED),
        ("labs", results[::-1], IssueCode.FETCH_FAILED),
        ("allergies", [allergy], IssueCode.FETCH_FAILED),
    ):
        cut = bundle(*resources) | {"total": 9}
        fhir = FakeFhir({service.prefetch[key].partition("?")[0]: cut})
        made = call(complete(service, **{key: ... if fetched else cut}), server=BASE if fetched else None)
        assert (code, f"prefetch.{key}") in issues(gather(knowledge, fhir, made))


def test_a_search_that_is_asked_for_anew_is_counted_anew(knowledge: Knowledge, service: ServiceDefinition) -> None:
    first = bundle(PULSE) | {"total": 2, "link": [{"relation": "next", "url": "https://elsewhere.example/r4?page=2"}]}
    fhir = FakeFhir({"Observation": bundle(PULSE) | {"total": 2}})
    reading = gather(knowledge, fhir, call(complete(service, labs=first)))
    assert (IssueCode.TRUNCATED, "prefetch.labs") in issues(reading)


def test_entries_without_their_resources_are_no_answer(knowledge: Knowledge, service: ServiceDefinition) -> None:
    named = bundle() | {"entry": [{"fullUrl": f"{BASE}/Observation/1"}, {"link": []}]}
    for fhir, server in ((FakeFhir({"Observation": named}), BASE), (FakeFhir(), None)):
        with pytest.raises(DataUnavailable):
            gather(knowledge, fhir, call(complete(service, vitals=named), server=server))
        reading = gather(knowledge, fhir, call(complete(service, orders=named), server=server))
        assert (IssueCode.FETCH_FAILED, "prefetch.orders") in issues(reading)


@pytest.mark.parametrize(("drafts", "taken"), [(200, True), (201, False)])
def test_more_drafts_than_are_looked_at_in_one_call_are_refused_by_name(
    knowledge: Knowledge, drafts: int, taken: bool
) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
    }
    orders = [order | {"id": f"d{n}", "medicationCodeableConcept": {"text": "Aspirin"}} for n in range(drafts)]
    base = call({"patient": patient()}, server=None)
    context = {**base.context, "draftOrders": bundle(*orders)}
    made = replace(base, event=replace(base.event, service="twinline-order-sign", hook="order-sign"), context=context)
    if taken:
        assert len(gather(knowledge, FakeFhir(), made).proposed.orders) == drafts
    else:
        with pytest.raises(TooLarge, match="more than 200 drafts") as refused:
            gather(knowledge, FakeFhir(), made)
        assert refused.value.field == "context.draftOrders"
