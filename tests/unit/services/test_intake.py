"""What sources deliver reaches the twin under the same rules as FHIR, once, and only the person whose it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cds_app.bootstrap import answering_of, identities_of, intake_of
from cds_app.deps import Deps
from cds_app.domain.facts import Provenance
from cds_app.errors import DependencyDown, NotFound, PatientErased, SettingsError
from cds_app.services.calls.answer import Answering
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.replay import replay_decision
from cds_app.services.sources.erasing import erase_all
from cds_app.services.sources.identities import Tie
from cds_app.services.sources.intake import PERSON, Delivery, Intake, Source
from tests.conftest import FROZEN, MRN
from tests.patients import QUIET, call, course, observation, patient, stay
from tests.service import opening
from tests.tracks import bits


@pytest.fixture
def intake(deps: Deps) -> Intake:
    return intake_of(deps, Source(name="lab", tenant="local"))


def taken(name: str, value: float, minutes: float, *, key: str = "") -> dict[str, Any]:
    return observation(name, value, FROZEN - timedelta(minutes=minutes), PERSON, key=key)


def told(mrn: str, message: str, *resources: dict[str, Any], **more: Any) -> Delivery:
    return Delivery(message=message, received=FROZEN, identifier=(MRN, mrn), resources=resources, **more)


def opened(deps: Deps, *identifiers: str, at: datetime = FROZEN) -> tuple[Answering, HookCall]:
    """The hook for a patient whose record carries these identifiers."""
    who = patient(identifier=[{"system": MRN, "value": value} for value in identifiers])
    body = call(who, stay(FROZEN - timedelta(hours=11)), *course(FROZEN, QUIET, QUIET))
    context = body["context"]
    return answering_of(deps), HookCall(event=opening(at), prefetch=body["prefetch"], context=context)


def potassium(deps: Deps, answering: Answering) -> list[float]:
    record = answering.records.load(deps.store.pseudonym("local", "p1"))
    return [one.value for one in record.timeline.measured.get("potassium", ())]


def test_a_result_of_another_source_makes_the_card_and_the_card_replays(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711")
    assert list(intake.accept([told("4711", "m1", taken("potassium", 6.9, 20))])) == ["stored"]
    (shown,) = (one for one in answering.decide(event) if one.topic == "hyperkalaemia")
    assert b"6.9" in shown.card
    replayed = replay_decision(deps.knowledge, deps.store, shown.id)
    assert replayed.same
    intake.accept([told("4711", "m2", taken("potassium", 4.1, 1))])
    assert replay_decision(deps.knowledge, deps.store, shown.id).same


def test_a_fact_says_who_brought_it(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711")
    monitor = Provenance(source="lab", device="mon-3", method="device", samples=60)
    one, two = taken("potassium", 4.4, 20, key="k1"), taken("potassium", 4.5, 10, key="k2")
    intake.accept([told("4711", "m1", one, two, particular={"Observation/k2": monitor})])
    answering.answer(event)
    record = answering.records.load(deps.store.pseudonym("local", "p1"))
    found = {fact.value: fact.provenance for fact in record.timeline.measured["potassium"]}
    assert found == {4.4: Provenance(source="lab"), 4.5: monitor}
    assert record.timeline.measured["heart_rate"][0].provenance is None


def test_what_is_told_of_an_identifier_that_no_record_carries_waits(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps)
    intake.accept([told("4711", "m1", taken("potassium", 6.9, 20))])
    answering.answer(event)
    assert potassium(deps, answering) == []
    assert len(intake.identities.waiting(deps.store.aliases())) == 1
    answering, event = opened(deps, "4711", at=FROZEN + timedelta(minutes=1))
    answering.answer(event)
    assert potassium(deps, answering) == [6.9]
    assert intake.identities.waiting(deps.store.aliases()) == ()


def test_the_same_message_twice_is_one_result(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711")
    same = told("4711", "m1", taken("potassium", 5.0, 20))
    assert list(intake.accept([same, same])) == ["stored", "known"]
    assert list(intake.accept([same])) == ["known"]
    answering.answer(event)
    assert potassium(deps, answering) == [5.0]


def test_an_unmerged_number_takes_its_results_along(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "new")
    intake.accept([told("old", "m1", taken("potassium", 5.9, 20)), told("new", "m2", taken("potassium", 4.0, 10))])
    answering.answer(event)
    old, new = (intake.identities.alias("local", (MRN, value)) for value in ("old", "new"))
    intake.identities.tie(old, Tie(to=new, by="merge", at=FROZEN))
    assert potassium(deps, answering) == [5.9, 4.0]
    intake.identities.tie(old, Tie(to="", by="merge", at=FROZEN + timedelta(minutes=1)))
    assert potassium(deps, answering) == [4.0]


def test_a_delivery_may_merge_numbers_and_may_not_merge_them_in_a_circle(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "new")
    intake.accept([told("old", "m1", taken("potassium", 5.9, 20))])
    answering.answer(event)
    old, new = (MRN, "old"), (MRN, "new")
    assert list(intake.accept([told("new", "m2", ties=[(old, new, FROZEN)])])) == ["stored"]
    assert potassium(deps, answering) == [5.9]
    circle = told("new", "m3", ties=[(new, old, FROZEN)])
    assert list(intake.accept([circle])) == ["refused"]
    assert [(one.refused, one.number) for one in deps.store.arrived() if one.refused] == [("impossible-merge", 1)]


def test_of_a_delivery_that_cannot_be_followed_nothing_is_followed(deps: Deps, intake: Intake) -> None:
    old, new = (MRN, "old"), (MRN, "new")
    circle = told("new", "m1", ties=[(old, new, FROZEN), (new, old, FROZEN)])
    assert list(intake.accept([circle])) == ["refused"]
    assert intake.identities.tied(intake.identities.alias("local", new)) == ()


def test_who_is_called_by_two_identifiers_is_found_by_either(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "national")
    answering.answer(event)
    intake.accept([told("ward", "m1", taken("potassium", 5.9, 20), also=[(MRN, "national")])])
    assert potassium(deps, answering) == [5.9]


def test_an_erased_patient_is_erased_under_every_identifier(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711")
    intake.accept([told("4711", "m1", taken("potassium", 5.0, 20))])
    answering.answer(event)
    name = deps.store.pseudonym("local", "p1")
    erase_all(deps.store, identities_of(deps), name, FROZEN)
    with pytest.raises(PatientErased):
        answering.records.load(name)
    assert list(intake.accept([told("4711", "m2", taken("potassium", 5.1, 10))])) == ["erased"]


def test_nothing_is_taken_in_of_an_erased_patient_under_a_number_of_which_nothing_was_told(
    deps: Deps, intake: Intake
) -> None:
    answering, event = opened(deps, "4711", "4712")
    intake.accept([told("4712", "m1", taken("potassium", 5.0, 20))])
    answering.answer(event)
    erase_all(deps.store, identities_of(deps), deps.store.pseudonym("local", "p1"), FROZEN)
    assert list(intake.accept([told("4711", "m2", taken("potassium", 5.1, 10))])) == ["erased"]
    assert deps.store.verify().problem == ""
    with pytest.raises(NotFound):
        erase_all(deps.store, identities_of(deps), deps.store.pseudonym("local", "p2"), FROZEN)


def test_a_patient_whom_only_a_source_knew_is_erased_for_the_ehr_too(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711")
    intake.accept([told("4711", "m1", taken("potassium", 5.0, 20))])
    name = deps.store.pseudonym("local", "p1")
    intake.identities.tie(intake.identities.alias("local", (MRN, "4711")), Tie(to=name, by="operator", at=FROZEN))
    erase_all(deps.store, identities_of(deps), name, FROZEN)
    with pytest.raises(PatientErased):
        answering.answer(event)


def test_what_changes_every_minute_does_not_change_what_a_page_was_made_from(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711")
    answering.answer(event)
    name = deps.store.pseudonym("local", "p1")
    before = answering.records.load(name)
    summary = Provenance(source="lab", method="device", samples=60)
    intake.accept([told("4711", "m1", taken("heart_rate", 80.0, 1), provenance=summary)])
    minute = answering.records.load(name)
    assert len(minute.timeline) == len(before.timeline) + 1
    assert minute.basis == before.basis
    intake.accept([told("4711", "m2", taken("potassium", 5.0, 20))])
    assert answering.records.load(name).basis != before.basis


def test_a_record_is_the_same_however_it_was_brought_up_to_date(deps: Deps, intake: Intake) -> None:
    answering, event = opened(deps, "4711", "4712")
    answering.answer(event)
    for number, mrn in enumerate(("4711", "4712", "4711")):
        intake.accept([told(mrn, f"m{number}", taken("potassium", 4.0 + number, 30 - number))])
        potassium(deps, answering)
    name = deps.store.pseudonym("local", "p1")
    step_by_step, at_once = answering.records.load(name), answering_of(deps).records.load(name)
    assert step_by_step.timeline == at_once.timeline
    assert bits(step_by_step.state) == bits(at_once.state)
    assert (step_by_step.basis, step_by_step.streams) == (at_once.basis, at_once.streams)


def test_nothing_is_taken_in_that_names_nobody(deps: Deps, intake: Intake) -> None:
    with pytest.raises(ValueError, match="names its person"):
        intake.accept([Delivery(message="m1", received=FROZEN)])
    with pytest.raises(ValueError, match="closed list"):
        intake.accept([Delivery(message="m1", received=FROZEN, refused="some words of the message")])
    assert list(intake.accept([Delivery(message="m1", received=FROZEN, refused="garbled")])) == ["refused"]


def test_arrivals_are_counted_by_source_and_end(deps: Deps, intake: Intake) -> None:
    wrong = taken("potassium", 5.0, 20) | {"valueQuantity": {"value": 5.0, "code": "furlong"}}
    intake.accept([told("4711", "m1", wrong), Delivery(message="m2", received=FROZEN, refused="oversize")])
    page = deps.meter.page().decode()
    assert 'twinline_arrivals_total{end="stored",source="lab"} 1.0' in page
    assert 'twinline_arrivals_total{end="oversize",source="lab"} 1.0' in page
    assert 'twinline_lost_resources_total{code="unknown-unit",service="lab"} 1.0' in page


def test_nothing_is_acknowledged_while_the_store_is_down(deps: Deps, intake: Intake) -> None:
    deps.store.close()
    with pytest.raises(DependencyDown):
        intake.accept([told("4711", "m1", taken("potassium", 5.0, 20))])


def test_a_source_has_a_name_that_may_stand_in_metrics() -> None:
    with pytest.raises(SettingsError, match="lower-case"):
        Source(name="Lab 1", tenant="local")
