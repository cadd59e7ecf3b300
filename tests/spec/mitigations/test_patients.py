"""Patients as tables: what is in the chart, which topics concern them, what is offered and what is held back.

The shipped catalogue is meant to be read beside this file. A row lists every topic with its tier; of options only
those that the row is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_app.domain.facts import (
    Fact,
)
from cds_app.mitigate.catalogue import Catalogue, OptionEntry
from cds_app.mitigate.concerns import Concern, assess
from cds_app.mitigate.conditions import View
from cds_app.mitigate.options import draft_resource, options_for
from cds_app.score.clinical.scores import clinical_scores
from tests.chart import allergy, drug, finding, measured, person, problem, procedure, report, stay
from tests.spec.mitigations.concerns import CATALOGUE, charted, vital_signs


@dataclass(frozen=True, kw_only=True)
class Patient:
    story: str
    chart: Sequence[Fact]
    topics: Mapping[str, int]
    offered: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    silent: Sequence[str] = ()


ON_WARFARIN = (drug("warfarin", source="request", hours=144),)
PATIENTS = [
    Patient(story="is well", chart=[*vital_signs(), measured("potassium", 4.2), measured("glucose", 100)], topics={}),
    Patient(
        story="has severe hyperkalaemia on lisinopril, sugar a little low",
        chart=[
            *[measured("potassium", 6.6), measured("glucose", 110), measured("heart_rate", 80)],
            drug("lisinopril", source="request"),
        ],
        topics={"hyperkalaemia": 3},
        offered=[
            *["hyperkalaemia_ecg", "hyperkalaemia_calcium", "hyperkalaemia_insulin", "hyperkalaemia_salbutamol"],
            "hyperkalaemia_hold",
        ],
    ),
    Patient(
        story="has mild hyperkalaemia: no emergency treatment",
        chart=[measured("potassium", 5.6)],
        topics={"hyperkalaemia": 1},
        offered=["hyperkalaemia_repeat"],
        silent=[
            *["hyperkalaemia_ecg", "hyperkalaemia_calcium", "hyperkalaemia_insulin", "hyperkalaemia_hold"],
        ],
    ),
    Patient(
        story="has moderate hyperkalaemia with ECG changes, ECG done, calcium given, hypoglycaemic",
        chart=[
            *[measured("potassium", 6.1), measured("glucose", 60), finding("ecg", "ecg_hyperkalaemia_changes")],
            *[report("ecg", hours=1), drug("calcium_gluconate", hours=0.5), problem("acute_coronary_syndrome")],
        ],
        topics={"hyperkalaemia": 3, "hypoglycaemia": 2},
        offered=["hypoglycaemia_oral"],
        refused={
            "hyperkalaemia_ecg": "already",
            "hyperkalaemia_calcium": "already",
            "hyperkalaemia_insulin": "contraindicated",
            "hyperkalaemia_salbutamol": "contraindicated",
        },
    ),
    Patient(
        story="has septic shock and a penicillin allergy, weight unknown",
        chart=[
            *vital_signs(resp_rate=26, spo2=95, sbp=82, map=58, heart_rate=125, body_temp=39.2),
            *[measured("lactate", 4.1), problem("infection"), allergy("penicillins")],
        ],
        topics={"sepsis": 3, "news2_escalation": 3, "hypotension": 3, "high_lactate": 2},
        offered=["sepsis_cultures", "sepsis_antimicrobials_alternative", "sepsis_norepinephrine", "news2_emergency"],
        refused={
            "sepsis_lactate": "already",
            "sepsis_antimicrobials": "allergy",
            "sepsis_fluid": "weight",
            "hypotension_norepinephrine": "duplicate",
        },
        silent=["sepsis_vasopressin"],
    ),
    Patient(
        story="may have sepsis; cultures and antimicrobials are under way",
        chart=[
            *vital_signs(resp_rate=23, heart_rate=112, body_temp=38.6),
            *[problem("infection"), procedure("blood_culture"), drug("meropenem"), measured("body_weight", 80)],
        ],
        topics={"sepsis": 2, "news2_escalation": 2},
        offered=["sepsis_lactate", "news2_urgent"],
        refused={"sepsis_cultures": "already", "sepsis_antimicrobials": "already"},
    ),
    Patient(
        story="had amoxicillin anaphylaxis: cross-reactive drugs are held back",
        chart=[*vital_signs(resp_rate=25), problem("sepsis"), allergy("amoxicillin")],
        topics={"sepsis": 2, "news2_escalation": 1},
        offered=["sepsis_antimicrobials_alternative", "news2_single"],
        refused={"sepsis_antimicrobials": "allergy"},
    ),
    Patient(
        story="has AKI stage 2 on ibuprofen",
        chart=[measured("creatinine", 0.9, 30), measured("creatinine", 1.9, 8), drug("ibuprofen", source="request")],
        topics={"aki": 2},
        offered=["aki_nephrotoxins", "aki_creatinine", "aki_nephrology"],
        silent=["aki_diuretics"],
    ),
    Patient(
        story="retains carbon dioxide",
        chart=[measured("ph", 7.29), measured("pco2", 62), measured("bicarbonate", 29)],
        topics={"acidaemia": 2},
        offered=["acidaemia_niv"],
        refused={"acidaemia_airway": "requires"},
        silent=["acidaemia_lactate", "acidaemia_bicarbonate"],
    ),
    Patient(
        story="retains carbon dioxide, is not awake any more and is on no ventilator",
        chart=[measured("ph", 7.01), measured("pco2", 88), measured("gcs_total", 9)],
        topics={"acidaemia": 3, "news2_escalation": 1},
        offered=["acidaemia_airway"],
        refused={"acidaemia_niv": "contraindicated"},
    ),
    Patient(
        story="retains carbon dioxide on the ventilator",
        chart=[
            *[measured("ph", 7.22), measured("pco2", 70)],
            procedure("mechanical_ventilation", hours=8, status="in-progress"),
        ],
        topics={"acidaemia": 2},
        refused={"acidaemia_niv": "contraindicated", "acidaemia_airway": "contraindicated"},
    ),
    Patient(
        story="has metabolic acidosis and kidney injury",
        chart=[
            *[measured("ph", 7.15), measured("pco2", 25), measured("bicarbonate", 9)],
            *[measured("creatinine", 0.9, 30), measured("creatinine", 2.1)],
        ],
        topics={"acidaemia": 3, "aki": 2},
        offered=["acidaemia_lactate", "acidaemia_bicarbonate"],
        silent=["acidaemia_niv"],
    ),
    Patient(
        story="is a little acidotic, and breathes well",
        chart=[measured("ph", 7.31), measured("pco2", 38), measured("bicarbonate", 19)],
        topics={},
    ),
    Patient(
        story="has low potassium in AKI: no potassium is offered without a look",
        chart=[measured("potassium", 2.8), measured("creatinine", 0.9, 30), measured("creatinine", 2.1)],
        topics={"hypokalaemia": 2, "aki": 2},
        offered=["hypokalaemia_magnesium"],
        refused={"hypokalaemia_iv": "contraindicated", "hypokalaemia_oral": "contraindicated"},
    ),
    Patient(
        story="is hypoglycaemic and drowsy on insulin",
        chart=[measured("glucose", 48), measured("gcs_total", 11), drug("insulin_glargine", source="request")],
        topics={"hypoglycaemia": 3, "news2_escalation": 1},
        offered=["hypoglycaemia_iv", "hypoglycaemia_insulin"],
        refused={"hypoglycaemia_oral": "contraindicated"},
        silent=["hypoglycaemia_sulfonylurea"],
    ),
    Patient(
        story="has ketoacidosis with low potassium: insulin waits",
        chart=[
            *[measured("glucose", 420), measured("glucose", 400, 3), measured("ketones_bhb", 5.0)],
            *[measured("potassium", 3.2), measured("body_weight", 70), stay()],
        ],
        topics={"hyperglycaemia": 3, "hypokalaemia": 1},
        offered=["hyperglycaemia_dka_fluid"],
        refused=dict.fromkeys(["hyperglycaemia_dka", "hyperglycaemia_insulin"], "contraindicated")
        | {"hyperglycaemia_ketones": "already"},
    ),
    Patient(
        story="is dialysed for kidney injury: no alarm that the kidneys are injured",
        chart=[
            *[measured("creatinine", 1.0, 60), measured("creatinine", 4.4)],
            procedure("renal_replacement_therapy", hours=20),
        ],
        topics={"aki": 1},
        offered=["aki_doses"],
        refused={"aki_nephrology": "already"},
    ),
    Patient(
        story="is ventilated with much oxygen: no high flow by the nose",
        chart=[measured("spo2", 86), measured("fio2", 80), procedure("mechanical_ventilation", hours=5), stay()],
        topics={"hypoxia": 3, "news2_escalation": 2},
        offered=["hypoxia_gas"],
        refused={"hypoxia_high_flow": "contraindicated"},
    ),
    Patient(
        story="takes warfarin, INR 6, no bleeding",
        chart=[measured("inr", 6.0), drug("warfarin", source="request")],
        topics={"inr_high": 2},
        offered=["inr_high_hold", "inr_high_recheck"],
        silent=["inr_high_vitamin_k", "inr_high_bleed"],
    ),
    Patient(story="has INR 6 without warfarin", chart=[measured("inr", 6.0)], topics={"coagulopathy": 2}),
    Patient(
        story="has copd and a saturation of 90 %: in the target",
        chart=[measured("spo2", 90), problem("copd")],
        topics={"news2_escalation": 1},
    ),
    Patient(
        story="has acute heart failure, low pressure, low oxygen",
        chart=[problem("acute_heart_failure"), measured("spo2", 86), measured("sbp", 85), measured("resp_rate", 28)],
        topics={"acute_hf": 3, "hypoxia": 3, "news2_escalation": 3, "hypotension": 2},
        offered=["acute_hf_oxygen", "acute_hf_shock", "hypotension_cause"],
        refused={"acute_hf_furosemide": "contraindicated"},
    ),
    Patient(
        story="bleeds: haemoglobin fell by 3 within a day, on warfarin",
        chart=[
            *[measured("hemoglobin", 11.0, 20), measured("hemoglobin", 8.0, 3), problem("gi_bleed")],
            drug("warfarin", source="request"),
        ],
        topics={"anaemia_bleed": 3},
        offered=["anaemia_source", "anaemia_anticoagulants", "anaemia_recheck"],
    ),
    Patient(
        story="has a long QTc on a risk drug",
        chart=[measured("qtc", 480), drug("qt_prolonging", source="request")],
        topics={"qt_prolonged": 2},
        offered=["qt_drugs", "qt_ecg"],
        silent=["qt_magnesium"],
    ),
    Patient(
        story="has a vancomycin trough of 24 with piperacillin-tazobactam",
        chart=[measured("vancomycin_trough", 24), drug("vancomycin"), drug("piperacillin_tazobactam")],
        topics={"vancomycin_over": 2},
        offered=["vancomycin_auc", "vancomycin_combination"],
        refused={"vancomycin_level": "already"},
    ),
    Patient(
        story="has a digoxin level of 2.4 and potassium 5.4",
        chart=[measured("digoxin", 2.4, 8), measured("potassium", 5.4), drug("digoxin", source="request")],
        topics={"digoxin_toxicity": 3},
        offered=["digoxin_hold", "digoxin_fab", "digoxin_level"],
    ),
    Patient(
        story="has sodium rising too fast",
        chart=[measured("sodium", 112, 20), measured("sodium", 124, 3)],
        topics={"sodium_correction": 3, "dysnatraemia": 1},
        offered=["sodium_relower", "sodium_stop"],
    ),
    Patient(
        story="has rising troponin and bleeds",
        chart=[
            measured("troponin_t_hs", 60, 4),
            measured("troponin_t_hs", 90),
            problem("active_bleeding", "chest_pain"),
        ],
        topics={"acs": 3},
        offered=["acs_ecg"],
        refused={"acs_aspirin": "contraindicated", "acs_anticoagulation": "contraindicated"},
    ),
    Patient(
        story="has a gentamicin trough of 2",
        chart=[measured("gentamicin_trough", 2), drug("gentamicin")],
        topics={"aminoglycoside": 2},
        offered=["aminoglycoside_interval", "aminoglycoside_level"],
    ),
    Patient(
        story="has a tacrolimus level of 27",
        chart=[measured("tacrolimus", 27), drug("tacrolimus", source="request")],
        topics={"tacrolimus_high": 3},
        offered=["tacrolimus_high_hold", "tacrolimus_high_level"],
        silent=["tacrolimus_high_reduce"],
    ),
    Patient(
        story="has a tacrolimus level of 3",
        chart=[measured("tacrolimus", 3), drug("tacrolimus", source="request")],
        topics={"tacrolimus_low": 1},
        offered=["tacrolimus_low_level"],
    ),
    Patient(
        story="is under-anticoagulated",
        chart=[measured("inr", 2.4, 240), measured("inr", 2.1, 96), measured("inr", 1.6), *ON_WARFARIN],
        topics={"inr_low": 1},
    ),
    Patient(story="has just begun warfarin", chart=[measured("inr", 1.2), drug("warfarin")], topics={}),
    Patient(
        story="had sepsis in an earlier stay",
        chart=[problem("sepsis", hours=2000), measured("lactate", 2.4)],
        topics={},
    ),
    Patient(
        story="had an acute heart failure a year ago and breathes fast",
        chart=[problem("acute_heart_failure", hours=8760), measured("resp_rate", 24)],
        topics={},
    ),
    Patient(
        story="has one low pressure on norepinephrine",
        chart=[measured("map", 62, 0.2), measured("map", 70, 1), drug("norepinephrine", hours=0.5)],
        topics={"hypotension": 2},
    ),
    Patient(
        story="has a lasting low pressure on norepinephrine",
        chart=[measured("map", 62, 0.2), measured("map", 60, 1), drug("norepinephrine", hours=0.5)],
        topics={"hypotension": 3},
    ),
    Patient(
        story="lost 3.5 g/dL of haemoglobin from a high value",
        chart=[measured("hemoglobin", 15.5, 20), measured("hemoglobin", 12.0, 1)],
        topics={"anaemia_bleed": 2},
    ),
    Patient(
        story="lost 2.2 g/dL of haemoglobin and has 12 left",
        chart=[measured("hemoglobin", 14.2, 20), measured("hemoglobin", 12.0, 1)],
        topics={"anaemia_bleed": 1},
    ),
    Patient(
        story="has died",
        chart=[measured("potassium", 7.0, 3), person(80, died_hours=1)],
        topics={},
    ),
]


def offers(concerns: Sequence[Concern], view: View) -> tuple[list[str], dict[str, str]]:
    shown: list[Any] = []
    refused: dict[str, str] = {}
    for concern in concerns:
        options, refusals = options_for(concern, CATALOGUE, view, patient="p", offered=shown)
        shown.extend(options)
        refused.update({one.option: one.gate for one in refusals})
    return [one.id for one in shown], refused


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda one: one.story.replace(" ", "-"))
def test_patient(patient: Patient) -> None:
    chart = charted(patient.chart)
    view = View(situation=chart, scores=clinical_scores(chart))
    concerns = assess(CATALOGUE, chart, view.scores, view.risks)
    assert {one.topic: one.tier for one in concerns} == dict(patient.topics)
    shown, refused = offers(concerns, view)
    assert set(patient.offered) <= set(shown)
    assert {option: refused.get(option) for option in patient.refused} == dict(patient.refused)
    assert not set(patient.silent) & {*shown, *refused}


def drafted(catalogue: Catalogue) -> list[OptionEntry]:
    return [one for topic in catalogue.topics.values() for one in topic.options if one.draft is not None]


@pytest.mark.parametrize("entry", drafted(CATALOGUE), ids=lambda one: one.id)
def test_every_draft_is_valid_fhir_and_a_proposal(entry: OptionEntry) -> None:
    chart = charted([measured("potassium", 6.0), stay()])
    (concern, *_) = assess(CATALOGUE, chart, clinical_scores(chart), {})
    assert entry.draft is not None
    resource = draft_resource(entry.draft, concern, chart, "p")
    model = MedicationRequest if entry.draft.type == "MedicationRequest" else ServiceRequest
    read = model.model_validate(resource)
    assert (read.status, read.intent) == ("draft", "proposal")
