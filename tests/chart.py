"""A small chart to write patients with: an ontology of what clinical tests need, and facts by name and hours ago."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal

from cds_app.domain.facts import (
    Allergy,
    Bound,
    CodedFinding,
    Condition,
    Demographics,
    Fact,
    Measurement,
    Medication,
    Place,
    Procedure,
    Report,
    Stay,
)
from cds_app.domain.ontology import Concept, ConceptKind, Ontology, Process, Range, Transform, Variable
from cds_app.domain.timeline import Timeline
from cds_app.score.result import Abstained, Score
from cds_app.score.situation import Situation

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
_NUMBERS = count(1)

_UNITS = """
heart_rate /min 12|spo2 % 12|body_temp Cel 12|sbp mm[Hg] 12|map mm[Hg] 12|dbp mm[Hg] 12|resp_rate /min 12|fio2 % 12
o2_flow L/min 12|ph [pH] 24|pco2 mm[Hg] 24|po2 mm[Hg] 24|lactate mmol/L 12|creatinine mg/dL 48|urea_nitrogen mg/dL 48
potassium mmol/L 24|sodium mmol/L 24|glucose mg/dL 12|hemoglobin g/dL 48|platelets 10*3/uL 48|wbc 10*3/uL 48
bilirubin_total mg/dL 72|inr {INR} 48|urine_output mL 12|gcs_total {score} 12|body_weight kg 720|qtc ms 168
magnesium mg/dL 48|bicarbonate mmol/L 24|ketones_bhb mmol/L 24|ntprobnp pg/mL 168|troponin_t_hs ng/L 24
osmolality mosm/kg 48|digoxin ng/mL 168|tacrolimus ng/mL 168|vancomycin_trough ug/mL 72|vancomycin_random ug/mL 72
gentamicin_trough ug/mL 72|tobramycin_trough ug/mL 72|amikacin_trough ug/mL 72|consciousness_acvpu - 12|alt U/L 48
neutrophils_abs 10*3/uL 24|body_height cm 9000
calcium mg/dL 24|calcium_ionized mmol/L 12|calcium_adjusted mg/dL 24|albumin g/dL 72|phosphate mg/dL 24
lithium mmol/L 72|paracetamol_level ug/mL 24|phenytoin_total ug/mL 72|phenytoin_free ug/mL 72|uric_acid mg/dL 168
carboxyhaemoglobin % 12|methaemoglobin % 12|ck_total U/L 48|tsh m[IU]/L 336|troponin_i_hs ng/L 24|mcv fL 48
tidal_volume_set mL 6|peep cm[H2O] 6
"""
_CONCEPTS: dict[ConceptKind, str] = {
    "condition": (
        "pregnancy pregnancy_end hypercapnic_respiratory_failure copd heart_failure acute_heart_failure>heart_failure "
        "pulmonary_oedema infection sepsis>infection end_stage_renal_disease dialysis_dependence "
        "atrial_fibrillation ventricular_tachycardia heart_block bradycardia heparin_induced_thrombocytopenia "
        "acute_coronary_syndrome ischaemic_heart_disease aortic_stenosis active_bleeding gi_bleed>active_bleeding "
        "intracranial_bleeding>active_bleeding chest_pain diabetic_ketoacidosis mechanical_heart_valve "
        "diabetes type_1_diabetes>diabetes do_not_resuscitate palliative_care "
        "torsades_de_pointes venous_thromboembolism malignancy neutropenia liver_disease cirrhosis>liver_disease "
        "kidney_transplant kidney_graft_failure>kidney_transplant obesity_hypoventilation myocardial_infarction "
        "haematological_malignancy>malignancy "
        "adrenal_insufficiency pre_eclampsia>pregnancy asthma comfort_care>palliative_care blood_refused "
        "postpartum_haemorrhage>active_bleeding sickle_cell_disease g6pd_deficiency anaphylaxis"
    ),
    "drug-class": (
        "beta_lactams>antibacterials penicillins>beta_lactams cephalosporins>beta_lactams carbapenems>beta_lactams "
        "antimicrobials antibacterials>antimicrobials "
        "raas_inhibitors ace_inhibitors>raas_inhibitors arbs>raas_inhibitors mras nephrotoxins "
        "systemic_vancomycin systemic_aminoglycosides>nephrotoxins "
        "nsaids>nephrotoxins aminoglycosides>antibacterials "
        "antifungals>antimicrobials antivirals>antimicrobials azole_antifungals>antifungals thrombolytics "
        "anticoagulants heparins>anticoagulants "
        "antiplatelets beta_blockers calcium_channel_blockers calcium_salts corticosteroids crystalloids insulins "
        "loop_diuretics opioids potassium_binders potassium_supplements qt_prolonging sglt2_inhibitors sulfonylureas "
        "vasopressors"
    ),
    "drug": (
        "amoxicillin>penicillins piperacillin_tazobactam>penicillins ceftriaxone>cephalosporins "
        "meropenem>carbapenems gentamicin>aminoglycosides,systemic_aminoglycosides "
        "amikacin>aminoglycosides,systemic_aminoglycosides "
        "vancomycin>antibacterials,nephrotoxins,systemic_vancomycin "
        "caspofungin>antifungals aciclovir>antivirals tenofovir>antivirals "
        "trimethoprim>antibacterials lisinopril>ace_inhibitors losartan>arbs ibuprofen>nsaids "
        "aspirin>antiplatelets sodium_bicarbonate oxygen calcium_gluconate>calcium_salts digoxin "
        "dopamine>vasopressors "
        "dobutamine norepinephrine>vasopressors epinephrine>vasopressors vasopressin>vasopressors "
        "furosemide>loop_diuretics glucagon glucose heparin>heparins insulin_glargine>insulins "
        "insulin_regular>insulins magnesium_sulfate phytonadione potassium_chloride>potassium_supplements "
        "red_cells_transfusion "
        "salbutamol tacrolimus>nephrotoxins valproate warfarin>anticoagulants rivaroxaban>anticoagulants metformin "
        "morphine>opioids bisoprolol>beta_blockers empagliflozin>sglt2_inhibitors "
        "prednisolone>corticosteroids methylprednisolone>corticosteroids labetalol zoledronic_acid "
        "indapamide lithium gliclazide>sulfonylureas methylene_blue naloxone propofol renal_replacement_solution "
        "terlipressin clarithromycin>antibacterials alteplase>thrombolytics"
    ),
    "procedure": (
        "blood_culture ecg icu_admission noninvasive_ventilation mechanical_ventilation oxygen_therapy "
        "renal_replacement_therapy crrt>renal_replacement_therapy pregnancy_ended extubation cabg"
    ),
    "finding": (
        "alert not_alert new_confusion>not_alert responds_to_voice>not_alert responds_to_pain>not_alert "
        "unresponsive>not_alert room_air supplemental_oxygen not_pregnant ecg_hyperkalaemia_changes "
        "st_elevation"
    ),
}


def _variable(row: str) -> Variable:
    key, unit, fresh_h = row.split()
    reference = {"potassium": Range(low=3.5, high=5.0)}.get(key)
    return Variable(
        key=key,
        quantity=key,
        label=key.replace("_", " ").capitalize(),
        unit="" if unit == "-" else unit,
        unit_text=unit,
        codes=(("http://loinc.org", f"test-{key}"),),
        plausible=Range(low=None, high=None),
        reference={} if reference is None else {"any": reference},
        fresh_h=float(fresh_h),
        decimals=1,
        numeric=unit != "-",
        process=_PROCESSES.get(key),
    )


def _process(transform: Transform, noise_sd: float) -> Process:
    return Process(
        transform=transform, baseline_mean=1.0, baseline_sd=1.0, deviation_sd=1.0, relaxation_h=24.0, noise_sd=noise_sd
    )


_PROCESSES = {"potassium": _process("identity", 0.2), "sodium": _process("identity", 0.8)}


def _concept(kind: ConceptKind, row: str) -> Concept:
    key, _, parents = row.partition(">")
    return Concept(
        key=key,
        kind=kind,
        label=key.replace("_", " ").capitalize(),
        parents=tuple(parents.split(",")) if parents else (),
    )


def _ontology() -> Ontology:
    variables = [_variable(row) for row in _UNITS.replace("\n", "|").split("|") if row]
    concepts = [_concept(kind, row) for kind, rows in _CONCEPTS.items() for row in rows.split()]
    return Ontology(
        version="test",
        sha256="0" * 64,
        variables={one.key: one for one in variables},
        concepts={one.key: one for one in concepts},
        unit_synonyms={},
    )


ONTOLOGY = _ontology()


def ago(hours: float) -> datetime:
    """An instant so many hours before `NOW`."""
    return NOW - timedelta(hours=hours)


def _recorded(kind: str, hours: float, ref: str | None = None) -> dict[str, Any]:
    """What every fact has."""
    return {"ref": ref or f"{kind}/{next(_NUMBERS)}", "version": "1", "when": ago(hours), "learned": ago(hours)}


def _with_parents(keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(up for key in keys for up in ONTOLOGY.with_parents(key)))


def measured(
    variable: str,
    value: float,
    hours: float = 1.0,
    *,
    bound: Bound = "=",
    implausible: bool = False,
    ref: str | None = None,
) -> Measurement:
    """A number, so many hours ago, in the canonical unit."""
    return Measurement(
        **_recorded("Observation", hours, ref),
        variable=variable,
        value=value,
        bound=bound,
        implausible=implausible,
    )


def finding(variable: str, *concepts: str, hours: float = 1.0) -> CodedFinding:
    """A coded observation."""
    return CodedFinding(
        **_recorded("Observation", hours),
        variable=variable,
        codes=(),
        concepts=_with_parents(concepts),
    )


def problem(
    *concepts: str,
    hours: float = 24.0,
    clinical: str = "active",
    verification: str = "confirmed",
    abated_hours: float | None = None,
) -> Condition:
    """A problem, recorded so many hours ago."""
    return Condition(
        **_recorded("Condition", hours),
        concepts=_with_parents(concepts),
        codes=(),
        text="",
        clinical=clinical,
        verification=verification,
        abated=None if abated_hours is None else ago(abated_hours),
    )


def drug(
    *concepts: str,
    source: Literal["request", "administration", "statement"] = "administration",
    status: str | None = None,
    hours: float = 2.0,
    end_hours: float | None = None,
    intent: str = "order",
) -> Medication:
    """A drug: given by default, else ordered or reported as taken."""
    return Medication(
        **_recorded("Medication", hours),
        source=source,
        status=status or ("completed" if source == "administration" else "active"),
        intent=intent,
        concepts=_with_parents(concepts),
        codes=(),
        text="",
        end=None if end_hours is None else ago(end_hours),
    )


def procedure(
    *concepts: str,
    source: Literal["procedure", "request"] = "procedure",
    status: str | None = None,
    hours: float = 2.0,
    end_hours: float | None = None,
) -> Procedure:
    """A procedure: done by default, else ordered."""
    return Procedure(
        **_recorded("Procedure", hours),
        source=source,
        status=status or ("completed" if source == "procedure" else "active"),
        concepts=_with_parents(concepts),
        codes=(),
        text="",
        end=None if end_hours is None else ago(end_hours),
    )


def report(*concepts: str, hours: float = 2.0, status: str = "final") -> Report:
    """A diagnostic report."""
    return Report(
        **_recorded("DiagnosticReport", hours),
        status=status,
        concepts=_with_parents(concepts),
        codes=(),
        text="",
    )


def allergy(*concepts: str, clinical: str = "active", verification: str = "confirmed") -> Allergy:
    """An allergy, recorded a year ago."""
    return Allergy(
        **_recorded("AllergyIntolerance", 8760.0),
        concepts=_with_parents(concepts),
        codes=(),
        text="",
        clinical=clinical,
        verification=verification,
    )


def person(
    years: float | None = 70.0,
    sex: Literal["female", "male", "other", "unknown"] = "male",
    *,
    spread_days: float = 0.0,
    died_hours: float | None = None,
) -> Demographics:
    """A patient of an age, with a birth date known to within some days."""
    born = None if years is None else NOW - timedelta(days=365.25 * years + 1)
    return Demographics(
        **_recorded("Patient", 1.0, "Patient/p"),
        birth_start=born,
        birth_end=None if born is None else born + timedelta(days=spread_days),
        sex=sex,
        deceased=None if died_hours is None else ago(died_hours),
    )


def stay(
    *,
    hours: float = 48.0,
    status: str = "in-progress",
    class_code: str = "IMP",
    text: str = "",
    end_hours: float | None = None,
    places: tuple[Place, ...] = (),
) -> Stay:
    """An encounter."""
    return Stay(
        **_recorded("Encounter", hours),
        status=status,
        class_code=class_code,
        end=None if end_hours is None else ago(end_hours),
        text=text,
        places=places,
    )


def place(text: str, *, hours: float | None = None, end_hours: float | None = None) -> Place:
    """Where the patient lay from and until so many hours ago."""
    start, end = (None if one is None else ago(one) for one in (hours, end_hours))
    return Place(text=text, start=start, end=end)


def situation(*facts: Fact, who: Demographics | None = None) -> Situation:
    """The situation at `NOW`; a man of 70 unless another person is given."""
    people = () if any(isinstance(one, Demographics) for one in facts) else (who or person(),)
    return Situation(ontology=ONTOLOGY, facts=Timeline.of((*people, *facts)).facts, now=NOW)


def hourly_urine(ml: float, hours: int) -> list[Fact]:
    """Urine charted every hour up to now."""
    return [measured("urine_output", ml, hour) for hour in range(hours + 1)]


def scored(result: Score | Abstained) -> Score:
    """The result, which is to be a score."""
    assert isinstance(result, Score), result
    return result


def abstained(result: Score | Abstained) -> dict[str, str]:
    """Why nothing was said, by input."""
    assert isinstance(result, Abstained), result
    return {lack.name: lack.why for lack in result.reasons}
