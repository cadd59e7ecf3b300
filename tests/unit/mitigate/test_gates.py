"""What each safety gate refuses, cautions and lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.content import artefact
from cds_app.domain.facts import Fact
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.sentences import sentence
from cds_app.mitigate.conditions import View
from cds_app.mitigate.gates import Caution, Refusal, named, pass_gates
from cds_app.score.clinical.scores import clinical_scores
from tests.chart import allergy, drug, measured, person, problem, procedure, report, situation
from tests.sentences import read
from tests.unit.mitigate.content import entry


def gated(gates: dict[str, Any], *facts: Fact, scored: bool = True) -> tuple[tuple[Refusal, ...], tuple[Caution, ...]]:
    chart = situation(*facts)
    scores = clinical_scores(chart) if scored else {}
    return pass_gates(entry(gates=gates), View(situation=chart, scores=scores))


def refused(gates: dict[str, Any], *facts: Fact) -> list[tuple[str, str]]:
    return [(one.gate, read(one.reason)) for one in gated(gates, *facts)[0]]


def cautioned(gates: dict[str, Any], *facts: Fact) -> list[str]:
    refusals, cautions = gated(gates, *facts)
    assert refusals == ()
    return [read(one.said) for one in cautions]


PIPERACILLIN = {"allergy": {"drugs": ["piperacillin_tazobactam"], "cross": ["penicillins"]}}


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ("piperacillin_tazobactam", "Allergy recorded: Piperacillin tazobactam."),
        ("penicillins", "Allergy recorded: Piperacillin tazobactam is one of Penicillins."),
        ("beta_lactams", "Allergy recorded: Piperacillin tazobactam is one of Beta lactams."),
        ("amoxicillin", "Possible cross-reactivity: Piperacillin tazobactam is one of Penicillins."),
    ],
)
def test_an_allergy_refuses_the_drug_its_class_and_cross_reactive_ones(recorded: str, reason: str) -> None:
    fact = allergy(recorded)
    refusals, _ = gated(PIPERACILLIN, fact)
    assert [(one.gate, read(one.reason), one.evidence) for one in refusals] == [("allergy", reason, (fact,))]


def test_a_shared_class_that_is_not_named_as_cross_reactive_lets_pass() -> None:
    assert refused(PIPERACILLIN, allergy("ceftriaxone")) == []
    assert refused({"allergy": {"drugs": ["lisinopril"]}}, allergy("losartan")) == []
    assert refused(PIPERACILLIN, allergy("furosemide")) == []


def test_an_option_of_a_whole_class_is_refused_for_an_allergy_to_a_member() -> None:
    found = refused({"allergy": {"drugs": ["nsaids"]}}, allergy("ibuprofen"))
    assert found == [("allergy", "Allergy recorded: Nsaids.")]


def test_pregnancy_refuses_cautions_or_is_said_to_be_unknown() -> None:
    woman, pregnant = person(30, "female"), problem("pregnancy")
    assert refused({"pregnancy": "refuse"}, woman, pregnant) == [("pregnancy", "Pregnancy is recorded.")]
    assert cautioned({"pregnancy": "caution"}, woman, pregnant) == ["Pregnancy is recorded: weigh benefit and risk."]
    assert cautioned({"pregnancy": "refuse"}, woman) == ["Pregnancy status is not known."]
    assert cautioned({"pregnancy": "refuse"}) == []
    assert cautioned({}, woman, pregnant) == []


LEAST_30 = {"renal": {"egfr_at_least": 30}}


def test_low_filtration_refuses() -> None:
    creatinine = measured("creatinine", 4.0)
    refusals, _ = gated(LEAST_30, creatinine)
    assert [(one.gate, read(one.reason)) for one in refusals] == [("renal", "eGFR 15 is below 30 mL/min/1.73 m2.")]
    assert refusals[0].evidence == (creatinine,)
    assert cautioned(LEAST_30, measured("creatinine", 1.0)) == []
    assert cautioned({"renal": {}}, measured("creatinine", 4.0)) == []


def test_unknown_filtration_is_said_or_refuses() -> None:
    text = "Renal function is not known (creatinine 60 h old)."
    assert cautioned(LEAST_30, measured("creatinine", 1.0, 60)) == [text]
    refusing = {"renal": {"egfr_at_least": 30, "unknown": "refuse"}}
    assert refused(refusing) == [("renal", "Renal function is not known (no usable creatinine).")]
    assert gated(LEAST_30, scored=False)[1] == (Caution(said=sentence("renal_unknown", lacks=())),)
    assert read(sentence("renal_unknown", lacks=())) == "Renal function is not known."


def test_changing_creatinine_is_a_caution() -> None:
    rising = (measured("creatinine", 0.8, 20), measured("creatinine", 1.3))
    assert cautioned(LEAST_30, *rising) == ["Creatinine is changing: eGFR does not show filtration."]


@pytest.mark.parametrize("fact", [problem("end_stage_renal_disease"), procedure("renal_replacement_therapy", hours=30)])
def test_dialysis_refuses_or_cautions(fact: Fact) -> None:
    found = refused({"renal": {"dialysis": "refuse"}}, fact)
    assert found == [("renal", "Renal replacement therapy is recorded.")]
    text = "Renal replacement therapy is recorded: dose and timing differ."
    assert cautioned({"renal": {"egfr_at_least": 30}}, fact) == [text]


LOW_GLUCOSE = {"quantity": "glucose", "op": "<", "value": 70, "unit": "mg/dL"}


def test_a_contraindication_refuses_and_says_when_it_could_not_be_checked() -> None:
    gates = {"contraindicated": [{"when": LOW_GLUCOSE, "why": "Glucose is low."}]}
    fact = measured("glucose", 60)
    refusals, _ = gated(gates, fact)
    assert refusals == (Refusal(option="ecg", gate="contraindicated", reason="Glucose is low.", evidence=(fact,)),)
    assert cautioned(gates) == ["Not if glucose is low (glucose not known)."]
    assert cautioned(gates, measured("glucose", 90)) == []


def test_an_interaction_is_a_contraindication_by_what_is_taken() -> None:
    gates = {"contraindicated": [{"when": {"medication": "raas_inhibitors"}, "why": "An ACE inhibitor is taken."}]}
    assert refused(gates, drug("lisinopril", source="request")) == [("contraindicated", "An ACE inhibitor is taken.")]


def test_a_caution_is_shown_only_when_it_holds() -> None:
    gates = {"cautions": [{"when": LOW_GLUCOSE, "why": "Glucose is low."}]}
    assert cautioned(gates, measured("glucose", 60)) == ["Glucose is low."]
    assert cautioned(gates, measured("glucose", 90)) == []
    assert cautioned(gates) == []


ALREADY = {
    "already": {"within_h": 3, "done": ["ecg"], "ordered": ["ecg"], "given": ["digoxin"], "measured": ["lactate"]}
}


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        (procedure("ecg"), "Done in the last 3 hours: Ecg."),
        (report("ecg"), "Done in the last 3 hours: Ecg."),
        (procedure("ecg", source="request"), "Ordered in the last 3 hours: Ecg."),
        (drug("digoxin"), "Given in the last 3 hours: Digoxin."),
        (measured("lactate", 1.0), "Measured in the last 3 hours: Lactate."),
    ],
)
def test_what_was_done_already_is_not_offered(fact: Fact, reason: str) -> None:
    refusals, _ = gated(ALREADY, fact)
    (found,) = refusals
    assert found == Refusal(option="ecg", gate="already", reason=found.reason, evidence=(fact,))
    assert read(found.reason) == reason


def test_a_value_to_confirm_is_no_reason_not_to_measure_again() -> None:
    chart = situation(measured("lactate", 9.0))
    doubted = View(situation=chart, scores={}, doubted=lambda quantity, ref: quantity == "lactate" and bool(ref))
    assert pass_gates(entry(gates=ALREADY), doubted) == ((), ())


def test_one_hour_is_not_said_as_several() -> None:
    gates = {"already": {"within_h": 1, "measured": ["lactate"]}}
    assert refused(gates, measured("lactate", 1.0, 0.5)) == [("already", "Measured in the last hour: Lactate.")]


def test_an_order_of_a_drug_is_found_too_and_what_is_older_is_not() -> None:
    gates = {"already": {"within_h": 3, "ordered": ["digoxin"]}}
    assert refused(gates, drug("digoxin", source="request")) == [("already", "Ordered in the last 3 hours: Digoxin.")]
    assert refused(gates, drug("digoxin", source="request", hours=4)) == []
    assert refused(ALREADY, procedure("ecg", hours=4), measured("lactate", 1.0, 4)) == []


def test_a_dose_by_weight_needs_a_current_weight() -> None:
    (found,) = refused({"weight": True})
    assert found[0] == "weight"
    assert refused({"weight": True}, measured("body_weight", 80, 24)) == []
    assert refused({"weight": True}, measured("body_weight", 80, 24 * 40)) != []


def test_what_is_taken_of_a_class_is_named_once_by_its_own_name() -> None:
    taken = [drug("lisinopril", source="request"), drug("lisinopril"), drug("losartan", source="statement", hours=90)]
    gates = {"taken": ["raas_inhibitors", "trimethoprim"]}
    assert cautioned(gates, *taken, drug("digoxin")) == ["Taken: Lisinopril, Losartan."]
    assert cautioned(gates, drug("lisinopril", "furosemide", source="request")) == ["Taken: Lisinopril."]
    assert cautioned(gates, drug("raas_inhibitors", source="request")) == ["Taken: Raas inhibitors."]
    assert cautioned(gates, drug("digoxin")) == []


def test_every_gate_that_holds_an_option_back_is_named() -> None:
    gates = {**PIPERACILLIN, "weight": True}
    assert [gate for gate, _ in refused(gates, allergy("penicillins"))] == ["allergy", "weight"]


def test_inputs_are_named_as_in_the_middle_of_a_sentence() -> None:
    ontology = load_ontology(artefact("ontology", "1.0.0"))
    names = ("gcs_total", "body_weight", "inr", "troponin_t", "lactate", "on_dialysis")
    assert named(names, ontology) == "Glasgow Coma Scale, weight, INR, troponin T, lactate, on dialysis"


def test_filtration_that_runs_all_the_time_is_no_session_of_dialysis() -> None:
    gate = {"renal": {"dialysis": "sessions"}}
    running, over = (procedure("crrt", hours=30, **more) for more in ({"status": "in-progress"}, {"end_hours": 20}))
    text = "Filtration runs all the time, and takes it away: its solution may bring it."
    assert cautioned(gate, running) == [text]
    assert cautioned(gate, problem("end_stage_renal_disease"), running) == [text]
    for between in (over, problem("end_stage_renal_disease")):
        assert refused(gate, between) == [("renal", "Renal replacement therapy is recorded.")]
