"""Drafts as tables: what is in the chart, what is drafted, what the shipped checks find and what they could not check.

The shipped content (``models/order_checks``) is meant to be read beside this file. A row lists every finding with its
tier, and every lack that a card must say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import Allergy, Condition, Fact, Measurement
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.orders import check_recorded
from tests.chart import measured, person, procedure, stay
from tests.sentences import read
from tests.spec.orders.drafts import ALL, CHECKS, has, judged, known, order, real, takes, view_of


@dataclass(frozen=True, kw_only=True)
class Patient:
    story: str
    chart: Sequence[Fact]
    drafts: Sequence[str]
    finds: Mapping[str, int] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)


WELL = [measured("creatinine", 0.9), measured("potassium", 4.2), stay()]
POOR = [measured("creatinine", 3.4), measured("potassium", 4.2), stay()]  # a man of 70: eGFR 19
LIGHT = [measured("creatinine", 1.6), measured("body_weight", 48), stay()]

PATIENTS = [
    Patient(story="is well and is to have lisinopril", chart=WELL, drafts=["lisinopril"]),
    Patient(
        story="has potassium 5.9 on lisinopril and is to have spironolactone",
        chart=[measured("creatinine", 0.9), measured("potassium", 5.9), takes("lisinopril"), stay()],
        drafts=["spironolactone"],
        finds={"potassium_high": 2, "potassium_spironolactone": 2},
    ),
    Patient(
        story="has potassium 6.3: what raises it is dangerous",
        chart=[measured("potassium", 6.3)],
        drafts=["potassium_chloride"],
        finds={"potassium_high": 3},
    ),
    Patient(
        story="has no potassium measured: it is said, not passed over",
        chart=[stay()],
        drafts=["potassium_chloride"],
        lacks={"potassium_high": "no current potassium"},
    ),
    Patient(
        story="is allergic to penicillins",
        chart=[*WELL, known("penicillins")],
        drafts=["piperacillin_tazobactam"],
        finds={"order_allergy": 2},
    ),
    Patient(
        story="is allergic to amoxicillin: another penicillin cross-reacts, a cephalosporin seldom",
        chart=[*WELL, known("amoxicillin")],
        drafts=["flucloxacillin", "ceftriaxone"],
        finds={"draft-flucloxacillin order_allergy": 2, "draft-ceftriaxone order_allergy": 1},
    ),
    Patient(
        story="has an allergy that was refuted, and one that is over",
        chart=[
            *WELL,
            replace(known("penicillins"), verification="refuted"),
            replace(known("amoxicillin"), clinical="resolved"),
        ],
        drafts=["amoxicillin"],
    ),
    Patient(
        story="is allergic to a macrolide and is to have something else",
        chart=[*WELL, known("erythromycin")],
        drafts=["doxycycline"],
    ),
    Patient(
        story="takes apixaban and is to have enoxaparin as well",
        chart=[*WELL, takes("apixaban")],
        drafts=["enoxaparin"],
        finds={"order_duplicate": 2},
    ),
    Patient(
        story="is to have what is ordered already, by brand or not",
        chart=[*WELL, takes("metoprolol")],
        drafts=["metoprolol"],
        finds={"order_duplicate": 2},
    ),
    Patient(
        story="is to have more fluid: that is no duplicate",
        chart=[*WELL, takes("sodium_chloride_0_9")],
        drafts=["sodium_chloride_0_9"],
    ),
    Patient(
        story="has eGFR 19 and is to have metformin", chart=POOR, drafts=["metformin"], finds={"kidney_metformin": 3}
    ),
    Patient(story="has eGFR 19 and is to have enoxaparin", chart=POOR, drafts=["enoxaparin"], finds={"kidney_lmwh": 2}),
    Patient(
        story="has eGFR 19 and is to have gabapentin", chart=POOR, drafts=["gabapentin"], finds={"kidney_gabapentin": 2}
    ),
    Patient(story="has eGFR 19 and is to have ibuprofen", chart=POOR, drafts=["ibuprofen"], finds={"kidney_nsaids": 2}),
    Patient(story="has eGFR 19 and is to have paracetamol", chart=POOR, drafts=["paracetamol"]),
    Patient(
        story="has eGFR 46, is light, and is to have dabigatran: the label means creatinine clearance, which is 29",
        chart=LIGHT,
        drafts=["dabigatran"],
        finds={"kidney_dabigatran": 2},
    ),
    Patient(
        story="has eGFR 46, is light, and is to have metformin, which goes by eGFR", chart=LIGHT, drafts=["metformin"]
    ),
    Patient(
        story="has eGFR 46, is heavy, and is to have gabapentin: creatinine clearance is 73",
        chart=[measured("creatinine", 1.6), measured("body_weight", 120), stay()],
        drafts=["gabapentin"],
    ),
    Patient(
        story="has no creatinine and is to have gentamicin",
        chart=[measured("potassium", 4.2), stay()],
        drafts=["gentamicin"],
        lacks={"kidney_aminoglycosides": "no creatinine within 48 h"},
    ),
    Patient(
        story="has a creatinine of three days ago in hospital: too old",
        chart=[measured("creatinine", 0.9, 72), stay(hours=100)],
        drafts=["metformin"],
        lacks={"kidney_metformin": "no creatinine within 48 h"},
    ),
    Patient(
        story="has a creatinine of three weeks ago at home: it counts",
        chart=[measured("creatinine", 3.4, 500)],
        drafts=["metformin"],
        finds={"kidney_metformin": 3},
    ),
    Patient(
        story="is of no known age",
        chart=[*WELL, person(None)],
        drafts=["metformin"],
        lacks={"kidney_metformin": "no age"},
    ),
    Patient(
        story="is on dialysis",
        chart=[*POOR, has("dialysis_dependence")],
        drafts=["metformin"],
        finds={"kidney_metformin": 3},
    ),
    Patient(
        story="has kidney injury and is to have a nephrotoxin",
        chart=[measured("creatinine", 0.8, 30), measured("creatinine", 1.3), measured("body_weight", 80), stay()],
        drafts=["ibuprofen"],
        finds={"aki_nephrotoxin": 2},
    ),
    Patient(
        story="takes warfarin and is to have fluconazole, ibuprofen",
        chart=[*WELL, takes("warfarin")],
        drafts=["fluconazole", "ibuprofen"],
        finds={"draft-fluconazole warfarin_bleeding": 2, "draft-ibuprofen anticoagulant_nsaid": 2},
    ),
    Patient(
        story="is to have morphine and lorazepam at once: drafts count for each other",
        chart=[*WELL, measured("resp_rate", 14)],
        drafts=["morphine", "lorazepam"],
        finds={"draft-morphine opioid_benzodiazepine": 2, "draft-lorazepam opioid_benzodiazepine": 2},
    ),
    Patient(
        story="has QTc 520",
        chart=[*WELL, measured("qtc", 520)],
        drafts=["haloperidol"],
        finds={"qtc_long": 3},
    ),
    Patient(
        story="takes amiodarone and is to have ondansetron",
        chart=[*WELL, takes("amiodarone")],
        drafts=["ondansetron"],
        finds={"qt_pair": 2},
    ),
    Patient(
        story="has a heart rate of 44, then of 36",
        chart=[*WELL, measured("heart_rate", 44)],
        drafts=["bisoprolol"],
        finds={"rate_low": 2},
    ),
    Patient(
        story="has a heart rate of 36",
        chart=[*WELL, measured("heart_rate", 36)],
        drafts=["diltiazem"],
        finds={"rate_low": 3},
    ),
    Patient(
        story="has a mean pressure of 58",
        chart=[*WELL, measured("map", 58)],
        drafts=["amlodipine"],
        finds={"pressure_low": 2},
    ),
    Patient(
        story="has glucose 3.3 mmol/L",
        chart=[*WELL, measured("glucose_sp", 60)],
        drafts=["insulin_glargine"],
        finds={"glucose_low": 2},
    ),
    Patient(
        story="has platelets of 20 and is to have heparin",
        chart=[*WELL, measured("platelets", 20)],
        drafts=["heparin"],
        finds={"platelets_low": 3},
    ),
    Patient(
        story="has INR 9",
        chart=[*WELL, measured("inr", 9.0)],
        drafts=["warfarin"],
        finds={"inr_high_order": 3},
    ),
    Patient(
        story="has potassium 3.2 and is to have digoxin",
        chart=[measured("creatinine", 0.9), measured("potassium", 3.2), stay()],
        drafts=["digoxin"],
        finds={"digoxin_potassium_low": 2},
    ),
    Patient(
        story="had heparin-induced thrombocytopenia",
        chart=[*WELL, has("heparin_induced_thrombocytopenia")],
        drafts=["enoxaparin"],
        finds={"hit_heparin": 3},
    ),
    Patient(
        story="takes azathioprine and is to have allopurinol",
        chart=[*WELL, takes("azathioprine")],
        drafts=["allopurinol"],
        finds={"thiopurine_allopurinol": 3},
    ),
    Patient(story="has died", chart=[*POOR, person(died_hours=1.0)], drafts=["metformin"]),
]


@pytest.mark.parametrize("row", PATIENTS, ids=lambda row: row.story)
def test_the_shipped_checks_find(row: Patient) -> None:
    found = judged(row.chart, *(order(name) for name in row.drafts))
    several = any(" " in name for name in row.finds)
    finds = {
        (f"{one.order.ref.partition('/')[2]} " if several else "") + finding.check.id: finding.tier
        for one in found
        for finding in one.findings
    }
    assert finds == dict(row.finds)
    assert {one.check.id: read(one.lacking) for each in found for one in each.unchecked if one.said} == dict(row.lacks)


def test_each_check_finds_something_in_a_row_or_is_listed_as_not_shown_here() -> None:
    shown = {name.rpartition(" ")[2] for row in PATIENTS for name in row.finds}
    kinds = {one.kind for one in CHECKS.checks if one.id in shown}
    assert kinds == ALL
    assert {one.id for one in CHECKS.checks} > shown


def test_only_selected_drafts_are_judged_and_all_count_beside_them() -> None:
    drafts = [order("morphine"), order("lorazepam")]
    (only,) = judged(WELL, *drafts, selected=("MedicationRequest/draft-morphine",))
    assert (only.drug, [one.check.id for one in only.findings]) == ("morphine", ["opioid_benzodiazepine"])


def test_an_order_that_is_signed_again_is_no_duplicate_of_itself() -> None:
    standing = takes("metoprolol")
    (one,) = judged([*WELL, standing], replace(standing, status="draft"))
    assert one.findings == ()


def test_what_may_react_severely_is_dangerous() -> None:
    severe = replace(known("penicillins"), criticality="high")
    (one,) = judged([*WELL, severe], order("amoxicillin"))
    assert [finding.tier for finding in one.findings] == [3]


def test_a_creatinine_that_changes_is_said_beside_the_estimate() -> None:
    chart = [measured("creatinine", 1.4, 30), measured("creatinine", 2.6), measured("body_weight", 80), stay()]
    (one,) = judged(chart, order("metformin"))
    why = next(read(finding.why) for finding in one.findings if finding.check.id == "kidney_metformin")
    assert why.endswith("creatinine is changing: it may be lower.")


def test_filtration_stands_in_for_a_clearance_without_a_weight_and_says_so() -> None:
    (low,) = judged(POOR, order("dabigatran"))
    why = next(read(finding.why) for finding in low.findings if finding.check.id == "kidney_dabigatran")
    assert why.endswith("eGFR 19 mL/min/1.73 m2 (CKD-EPI 2021), no current weight for creatinine clearance.")
    (fair,) = judged([measured("creatinine", 1.6), stay()], order("dabigatran"))
    assert fair.findings == ()
    assert "no current weight for creatinine clearance" in [read(one.lacking) for one in fair.unchecked if not one.said]


def test_a_clearance_names_the_weight_it_rests_on() -> None:
    (one,) = judged(LIGHT, order("dabigatran"))
    (found,) = (finding for finding in one.findings if finding.check.id == "kidney_dabigatran")
    assert read(found.why).endswith("Creatinine clearance 29 mL/min (Cockcroft-Gault, 48 kg).")
    assert [fact.variable for fact in found.evidence if isinstance(fact, Measurement)] == ["creatinine", "body_weight"]


def test_a_bound_is_no_creatinine_and_a_child_is_no_adult() -> None:
    (bound,) = judged([measured("creatinine", 0.3, bound="<"), stay()], order("metformin"))
    assert [read(one.lacking) for one in bound.unchecked if one.said] == ["creatinine known only as a bound"]
    (child,) = judged([*WELL, person(9)], order("metformin"))
    assert [read(one.lacking) for one in child.unchecked if one.said] == ["the estimates of filtration are for adults"]


def test_dialysis_of_yesterday_counts() -> None:
    done = procedure("renal_replacement_therapy", hours=20)
    (one,) = judged([*WELL, done], order("gabapentin"))
    assert [finding.check.id for finding in one.findings] == ["kidney_gabapentin"]


def recorded(proposed: Proposed, *chart: Fact) -> dict[str, list[str]]:
    found = check_recorded(CHECKS, view_of(*chart), proposed, frozenset({"allergy", "problem"}))
    return {one.drug: [finding.check.id for finding in one.findings] for one in found}


def test_a_new_allergy_is_held_against_what_is_taken_and_nothing_else() -> None:
    new = real(known("penicillins"))
    assert isinstance(new, Allergy)
    taken = [takes("amoxicillin"), takes("metoprolol"), takes("ceftriaxone"), has("asthma")]
    assert recorded(Proposed(allergies=(new,)), *WELL, *taken) == {
        "amoxicillin": ["order_allergy"],
        "ceftriaxone": ["order_allergy"],
    }


def test_a_new_problem_is_held_against_what_is_taken() -> None:
    new = real(has("asthma", hours=0.0))
    assert isinstance(new, Condition)
    assert recorded(Proposed(conditions=(new,)), *WELL, takes("propranolol"), takes("bisoprolol")) == {
        "propranolol": ["asthma_beta_blocker"]
    }
    assert recorded(Proposed(conditions=(new,)), *WELL, person(died_hours=1.0), takes("propranolol")) == {}


def test_what_is_from_memory_needs_review_and_the_checks_are_counted() -> None:
    tags = [one.evidence for one in CHECKS.checks]
    assert (len(tags), tags.count("V")) == (183, 18)
    assert all(one.needs_review for one in CHECKS.checks if one.evidence == "M")
