"""Decisions of the sidebar: on what is so now, once, by somebody, and in the log only after the EHR has the draft."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_app.deps import Deps
from cds_app.domain.decisions import Decision, Feedback
from cds_app.errors import BadRequest, DataChanged, DataUnavailable, NotFound
from cds_app.services.replay import replay_decision
from tests.bedside import Bed, bed_of, drafted, offered, resources, token, wanted
from tests.conftest import FROZEN, FrozenClock
from tests.patients import hyperkalaemic, observation


def log(bed: Bed) -> list[Decision | Feedback]:
    patient = bed.opening.store.pseudonym(bed.visit.realm, bed.visit.patient)
    entries = bed.opening.store.entries(patient)
    return [found for one in entries if (found := one.decision or one.feedback) is not None]


def test_an_accepted_option_is_a_draft_in_the_ehr_and_a_decision_of_its_user_in_the_log(bed: Bed) -> None:
    option = drafted(bed)
    done = bed.deciding.accept(bed.visit, token, wanted(bed, option.id))
    kinds = [one["resourceType"] for one, _ in bed.chart.created]
    assert option.resource is not None
    assert kinds == [option.resource["resourceType"], "Task", "Provenance"]
    draft, task, provenance = (one for one, _ in bed.chart.created)
    assert (draft["status"], draft["intent"]) == ("draft", "proposal")
    assert task["focus"]["reference"] == provenance["target"][0]["reference"] == done.written[0]
    for one, _ in bed.chart.created:
        get_fhir_model_class(one["resourceType"]).model_validate(one)
    decision, answer = log(bed)
    assert isinstance(decision, Decision)
    assert isinstance(answer, Feedback)
    assert decision.id == answer.card == done.decision
    assert (answer.outcome, answer.by, answer.suggestions) == ("accepted", "Practitioner/7", (option.id,))


def test_a_decision_of_the_sidebar_is_replayed_byte_for_byte(bed: Bed, deps: Deps) -> None:
    done = bed.deciding.accept(bed.visit, token, wanted(bed, drafted(bed).id))
    assert replay_decision(deps.knowledge, deps.store, done.decision).same


def test_a_form_that_is_sent_twice_decides_once(bed: Bed) -> None:
    asked = wanted(bed, drafted(bed).id)
    first = bed.deciding.accept(bed.visit, token, asked)
    second = bed.deciding.accept(bed.visit, token, asked)
    assert first.decision == second.decision
    assert first.effect == second.effect
    assert (first.repeated, second.repeated) == (False, True)
    assert len(log(bed)) == 2
    assert len(bed.chart.created) == 3


def test_nothing_is_decided_on_a_record_that_has_changed(bed: Bed) -> None:
    asked = wanted(bed, drafted(bed).id)
    bed.chart.resources.append(observation("lactate", 1.1, FROZEN - timedelta(minutes=1)))
    with pytest.raises(DataChanged):
        bed.deciding.accept(bed.visit, token, asked)
    assert bed.chart.created == []
    assert log(bed) == []


def test_nothing_is_decided_while_the_ehr_cannot_be_asked(bed: Bed) -> None:
    asked = wanted(bed, drafted(bed).id)
    bed.chart.down = True
    with pytest.raises(DataUnavailable):
        bed.deciding.accept(bed.visit, token, asked)
    assert log(bed) == []


def test_a_draft_that_the_ehr_refuses_is_no_decision(bed: Bed) -> None:
    option = drafted(bed)
    assert option.resource is not None
    bed.chart.refused.add(option.resource["resourceType"])
    with pytest.raises(DataUnavailable):
        bed.deciding.accept(bed.visit, token, replace(wanted(bed, option.id)))
    assert log(bed) == []


def test_a_draft_without_its_task_is_told_as_such(bed: Bed) -> None:
    bed.chart.refused |= {"Task", "Provenance"}
    done = bed.deciding.accept(bed.visit, token, wanted(bed, drafted(bed).id))
    assert done.unwritten == ("Task", "Provenance")
    assert len(done.written) == 1


def test_an_option_without_a_verified_code_is_only_noted(bed: Bed, deps: Deps) -> None:
    bed = bed_of(deps, resources(hyperkalaemic(FROZEN)), FROZEN)
    option = next(one for one in offered(bed, "hyperkalaemia") if one.resource is None)
    asked = replace(wanted(bed, option.id), topic="hyperkalaemia")
    done = bed.deciding.accept(bed.visit, token, asked)
    assert done.written == ()
    assert bed.chart.created == []
    assert len(log(bed)) == 2


def test_an_option_that_is_not_offered_cannot_be_accepted(bed: Bed) -> None:
    with pytest.raises(NotFound) as refused:
        bed.deciding.accept(bed.visit, token, wanted(bed, "made-up"))
    assert refused.value.field == "option"
    with pytest.raises(NotFound):
        bed.deciding.accept(bed.visit, token, replace(wanted(bed, "made-up"), topic="hyperkalaemia"))


def test_an_override_keeps_its_reason_and_comment(bed: Bed) -> None:
    asked = wanted(bed, reason="need-more-info", comment="cultures first")
    done = bed.deciding.override(bed.visit, token, asked)
    _, answer = log(bed)
    assert isinstance(answer, Feedback)
    assert (answer.outcome, answer.reason_code, answer.comment) == ("overridden", "need-more-info", "cultures first")
    assert answer.reason_listed
    assert done.effect


@pytest.mark.parametrize(
    "change", [{"reason": ""}, {"reason": "made-up"}, {"reason": "need-more-info", "comment": "x" * 501}]
)
def test_an_override_needs_a_reason_that_is_offered(bed: Bed, change: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        bed.deciding.override(bed.visit, token, wanted(bed, **change))
    assert log(bed) == []


def test_an_answer_is_taken_back_by_a_new_event(bed: Bed, clock: FrozenClock) -> None:
    done = bed.deciding.override(bed.visit, token, wanted(bed, reason="need-more-info"))
    clock.forward(minutes=5)
    bed.deciding.undo(bed.visit, token, done.decision)
    assert [one.outcome for one in log(bed) if isinstance(one, Feedback)] == ["overridden", "undone"]
    with pytest.raises(NotFound):
        bed.deciding.undo(bed.visit, token, "00000000-0000-0000-0000-000000000000")


def test_what_was_decided_in_the_sidebar_keeps_the_topic_quiet_in_the_chart(bed: Bed, deps: Deps) -> None:
    bed.deciding.override(bed.visit, token, wanted(bed, reason="indication-order-exists"))
    patient = bed.opening.store.pseudonym(bed.visit.realm, bed.visit.patient)
    past = bed.opening.records.load(patient).past
    assert [type(one) for one in past] == [Decision, Feedback]
