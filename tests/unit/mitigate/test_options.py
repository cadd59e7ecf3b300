"""Which options a concern offers and refuses, in which order, and what they would draft."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_app.domain.facts import Fact
from cds_app.mitigate.catalogue import Catalogue
from cds_app.mitigate.concerns import assess
from cds_app.mitigate.conditions import View
from cds_app.mitigate.gates import Refusal
from cds_app.mitigate.options import Option, options_for
from tests.chart import allergy, measured, situation, stay
from tests.sentences import read
from tests.unit.mitigate.content import CALCIUM, ECG, HIGH_POTASSIUM, catalogue, option, topic

SEVERE = {**HIGH_POTASSIUM, "value": 6.5}
ALLERGY = {"allergy": {"drugs": ["calcium_gluconate"]}}
PAIR = catalogue(
    topic(
        option(id="hold", rank=4),
        option(id="ecg", draft=ECG, code_tag="V"),
        option(id="calcium", draft=CALCIUM, code_tag="V", gates=ALLERGY, when=SEVERE, rank=1),
        option(id="unverified", draft={**ECG, "code": "1-1"}, code_tag="M", rank=2),
    )
)


def offered(
    content: Catalogue, *facts: Fact, before: tuple[Option, ...] = ()
) -> tuple[tuple[Option, ...], tuple[Refusal, ...]]:
    chart = situation(*facts)
    (concern,) = assess(content, chart, {}, {})
    return options_for(concern, content, View(situation=chart, scores={}), patient="p", offered=before)


def test_options_come_by_rank_then_in_the_order_of_the_catalogue() -> None:
    shown, refused = offered(PAIR, measured("potassium", 6.6))
    assert [one.id for one in shown] == ["ecg", "calcium", "unverified", "hold"]
    assert refused == ()
    assert {one.topic for one in shown} == {"hyperkalaemia"}


def test_an_option_that_does_not_apply_is_neither_offered_nor_refused() -> None:
    shown, refused = offered(PAIR, measured("potassium", 5.6))
    assert "calcium" not in {one.id for one in shown}
    assert refused == ()


def test_an_option_of_which_it_is_not_known_whether_it_applies_is_refused() -> None:
    low = {"quantity": "glucose", "op": "<", "value": 70, "unit": "mg/dL"}
    _, refused = offered(catalogue(topic(option(when=low))), measured("potassium", 5.6))
    reason = "Not known whether it applies, for lack of glucose."
    assert refused == (Refusal(option="ecg", gate="requires", reason=refused[0].reason),)
    assert read(refused[0].reason) == reason


def test_a_gate_refuses_with_its_reason() -> None:
    shown, refused = offered(PAIR, measured("potassium", 6.6), allergy("calcium_gluconate"))
    assert "calcium" not in {one.id for one in shown}
    assert [(one.option, one.gate) for one in refused] == [("calcium", "allergy")]


def test_the_same_code_is_not_drafted_twice() -> None:
    before, _ = offered(PAIR, measured("potassium", 5.6))
    _, refused = offered(PAIR, measured("potassium", 5.6), before=before)
    reason = "EKG study is already among the options."
    assert refused == (Refusal(option="ecg", gate="duplicate", reason=refused[0].reason),)
    assert read(refused[0].reason) == reason
    twice = catalogue(topic(option(draft=ECG, code_tag="V"), option(id="again", draft=ECG, code_tag="V")))
    shown, refused = offered(twice, measured("potassium", 5.6))
    assert ([one.id for one in shown], [one.option for one in refused]) == (["ecg"], ["again"])


def test_a_draft_names_patient_encounter_and_evidence_but_no_dose() -> None:
    where = stay()
    shown, _ = offered(PAIR, measured("potassium", 6.6, ref="Observation/k#2823-3"), where)
    ecg, calcium = (one.resource for one in shown[:2])
    assert ecg == {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "priority": "stat",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "11524-6", "display": "EKG study"}],
            "text": "EKG study",
        },
        "subject": {"reference": "Patient/p"},
        "authoredOn": "2026-03-14T09:30:00+00:00",
        "encounter": {"reference": where.ref},
        "supportingInfo": [{"reference": "Observation/k"}],
    }
    assert calcium is not None
    assert calcium["supportingInformation"] == [{"reference": "Observation/k"}]
    assert "dosageInstruction" not in calcium


def test_what_has_no_id_is_not_referred_to() -> None:
    shown, _ = offered(PAIR, measured("potassium", 5.6, ref="Observation/~abc"))
    resource = shown[0].resource
    assert resource is not None
    assert "supportingInfo" not in resource
    assert "encounter" not in resource


def test_a_code_from_memory_is_not_drafted() -> None:
    shown, _ = offered(PAIR, measured("potassium", 5.6))
    assert [one.resource is None for one in shown if one.id in {"unverified", "hold"}] == [True, True]


def test_an_option_carries_its_guideline_strength_and_need_of_review() -> None:
    own = {"org": "BMJ", "year": 2018, "section": ""}
    content = catalogue(
        topic(option(guideline=own), option(id="other", evidence="M", needs_review=True, strength="Expert"))
    )
    (mine, other), _ = offered(content, measured("potassium", 5.6))
    assert (mine.guideline.org, mine.needs_review) == ("BMJ", False)
    assert (other.guideline.org, other.needs_review, other.strength) == ("UK Kidney Association", True, "Expert")


@pytest.mark.parametrize("draft", [ECG, CALCIUM])
def test_drafts_are_valid_fhir(draft: dict[str, Any]) -> None:
    content = catalogue(topic(option(draft=draft, code_tag="V", gates=ALLERGY)))
    (found,), _ = offered(content, measured("potassium", 5.6), stay())
    model = MedicationRequest if draft is CALCIUM else ServiceRequest
    assert model.model_validate(found.resource).status == "draft"
