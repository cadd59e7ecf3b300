"""Pairs and triples of drugs: what is new is told at its tier, what is taken together already as information."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_app.domain.facts import Fact
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.findings import Finding
from cds_app.mitigate.orders import check_orders
from tests.chart import measured, person
from tests.sentences import read
from tests.spec.orders.drafts import CHECKS, has, judged, order, real, takes, view_of


def told(*chart: str, drafts: tuple[str, ...]) -> dict[str, int]:
    found = judged([takes(one) for one in chart], *map(order, drafts))
    return {one.check.id: one.tier for one in found[0].findings}


@pytest.mark.parametrize(
    ("chart", "draft", "finds"),
    [
        (("lorazepam",), "morphine", {"opioid_benzodiazepine": 2}),
        (("alprazolam",), "oxycodone", {"opioid_benzodiazepine": 2}),
        (("pregabalin",), "oxycodone", {"opioid_sedative": 2}),
        (("nitroglycerin",), "sildenafil", {"nitrate_pde5": 3}),
        (("tadalafil",), "isosorbide", {"nitrate_pde5": 3}),
        (("selegiline",), "sertraline", {"maoi_serotonin": 3}),
        (("sertraline",), "methylene_blue", {"linezolid_serotonin": 2}),
        (("sertraline",), "tramadol", {"tramadol_serotonin": 1}),
        (("gemfibrozil",), "simvastatin", {"statin_gemfibrozil": 3}),
        (("amlodipine",), "simvastatin", {"statin_limit": 1}),
        (("colchicine",), "clarithromycin", {"colchicine_level": 3}),
        (("ciprofloxacin",), "tizanidine", {"tizanidine_cyp1a2": 3}),
        (("rifampicin",), "apixaban", {"anticoagulant_inducer": 2}),
        (("phenytoin",), "fluconazole", {"phenytoin_level": 2}),
        (("theophylline",), "ciprofloxacin", {"theophylline_level": 2}),
        (("fentanyl",), "itraconazole", {"fentanyl_cyp3a4": 2}),
    ],
)
def test_a_pair_is_told(chart: tuple[str, ...], draft: str, finds: dict[str, int]) -> None:
    assert told(*chart, drafts=(draft,)) == finds


@pytest.mark.parametrize("draft", ["ibuprofen", "lisinopril", "furosemide"])
def test_three_that_injure_the_kidney_are_told_whichever_is_the_draft(draft: str) -> None:
    others = tuple({"ibuprofen", "lisinopril", "furosemide"} - {draft})
    assert told(*others, drafts=(draft,))["triple_whammy"] == 2
    assert "triple_whammy" not in told(others[0], drafts=(draft,))
    assert told(others[0], drafts=(draft, others[1]))["triple_whammy"] == 2


def together(*chart: Fact, draft: str = "morphine", check: str = "opioid_benzodiazepine") -> Finding:
    (found,) = judged(chart, order(draft))
    return next(one for one in found.findings if one.check.id == check)


def test_what_is_taken_together_already_is_information() -> None:
    given = replace(takes("morphine", hours=3), source="administration", status="completed", ref="M/1")
    known = together(given, takes("lorazepam"))
    assert (known.tier, read(known.why)) == (
        1,
        "Together they depress breathing. They are taken together already.",
    )
    assert together(replace(given, concepts=("fentanyl",)), takes("lorazepam")).tier == 2
    assert together(replace(takes("morphine", hours=30), source="administration"), takes("lorazepam")).tier == 2


def test_what_must_not_be_taken_together_is_told_again() -> None:
    chart = takes("simvastatin"), takes("clarithromycin")
    assert together(*chart, draft="simvastatin", check="statin_cyp3a4").tier == 3


def test_a_new_draft_beside_is_a_new_pair() -> None:
    (found, _) = judged([takes("morphine")], order("morphine"), order("lorazepam"))
    assert [one.tier for one in found.findings if one.check.id == "opioid_benzodiazepine"] == [2]


@pytest.mark.parametrize(
    ("chart", "says"),
    [
        ((person(40.0, "male"),), ""),
        ((person(40.0, "male"), measured("potassium", 4.2), measured("qtc", 420)), ""),
        ((person(40.0, "female"),), "female sex"),
        ((person(70.0, "male"),), "age of 68 or more"),
        ((person(40.0, "male"), measured("potassium", 3.4)), "potassium of 3.5 mmol/L or less"),
        ((person(40.0, "male"), measured("potassium", 3.4, 100.0)), ""),  # no longer current
        ((person(40.0, "male"), measured("qtc", 470)), "QTc of 450 ms or more"),
        ((person(40.0, "male"), has("heart_failure", hours=9000)), "heart failure"),
        ((person(40.0, "male"), has("sepsis")), "sepsis"),
        ((person(40.0, "male"), has("sepsis", hours=9000)), ""),
        ((person(40.0, "male"), takes("furosemide")), "a loop diuretic"),
        ((person(70.0, "female"), takes("furosemide")), "age of 68 or more, female sex, a loop diuretic"),
    ],
)
def test_two_drugs_that_prolong_qt_are_to_act_on_where_something_makes_it_worse(
    chart: tuple[Fact, ...], says: str
) -> None:
    """Two such drugs alone are of low risk by Tisdale; with any other of its factors of moderate risk."""
    draft, beside = real(order("ondansetron")), real(takes("quetiapine"))
    checked = check_orders(CHECKS, view_of(*chart, beside), Proposed(orders=(draft,)), frozenset({"interaction"}))  # type: ignore[arg-type]
    (found,) = (one for one in checked[0].findings if one.check.id == "qt_pair")
    assert found.tier == (2 if says else 1)
    assert read(found.why) == (f"Both may prolong QT. Worse with {says}." if says else "Both may prolong QT.")
