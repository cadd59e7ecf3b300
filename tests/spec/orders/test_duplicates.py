"""What counts as ordered already: what goes on; less so a single dose; not a flush, nor what stays in the bowel."""

from __future__ import annotations

import dataclasses

import pytest
from msgspec.structs import replace

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Medication, gather
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.findings import Finding
from cds_app.mitigate.orders import check_orders
from tests.chart import ago
from tests.sentences import read
from tests.spec.orders.drafts import CHECKS, order, real, takes, view_of

ONCE, DAILY = Dosing(once=True), Dosing(interval_h=24.0)


def taking(*concepts: str, hours: float = 5.0, dosing: Dosing | None = None) -> Medication:
    return replace(takes(concepts[0], hours=hours), concepts=concepts, dosing=dosing)


def given(concept: str, hours: float = 5.0) -> Medication:
    return replace(
        takes(concept, hours=hours), ref="MedicationAdministration/1", source="administration", status="completed"
    )


def drafted(*concepts: str, dosing: Dosing | None = None) -> Medication:
    return replace(order(concepts[0]), concepts=concepts, dosing=dosing)


def found(draft: Medication, *chart: Medication, replaced: tuple[str, ...] = ()) -> Finding | None:
    """What is found of facts as they are read, with all that they belong to."""
    view = view_of()
    facts = gather([*view.situation.facts, *chart])
    proposed = Proposed(orders=(draft,), replaced={draft.ref: replaced} if replaced else {})
    placed = dataclasses.replace(view, situation=dataclasses.replace(view.situation, facts=facts))
    (checked,) = check_orders(CHECKS, placed, proposed, frozenset({"duplicate"}))
    return next(iter(checked.findings), None)


def whole(one: Medication) -> Medication:
    taken = real(one)
    assert isinstance(taken, Medication)
    return taken


@pytest.mark.parametrize(
    ("draft", "chart", "tier", "why"),
    [
        (drafted("furosemide", dosing=DAILY), taking("furosemide"), 2, "Furosemide is ordered already."),
        (drafted("furosemide", dosing=ONCE), taking("furosemide"), 1, "Furosemide is ordered already."),
        (
            drafted("cefepime", dosing=DAILY),
            taking("cefepime", dosing=ONCE),
            1,
            "Cefepime is ordered already, as a single dose.",
        ),
        (drafted("ketorolac"), given("ketorolac"), 1, "Ketorolac was given already."),
        (drafted("ibuprofen"), taking("ketorolac"), 2, "Another drug of the same class (NSAIDs) is ordered already."),
        (drafted("codeine", "paracetamol"), taking("paracetamol"), 2, "Paracetamol is ordered already."),
        (drafted("paracetamol"), taking("oxycodone", "paracetamol"), 2, "Paracetamol is ordered already."),
        (drafted("amoxicillin"), taking("amoxicillin_clavulanate"), 2, "Amoxicillin is ordered already."),
    ],
)
def test_what_goes_on_is_told_before_single_doses(draft: Medication, chart: Medication, tier: int, why: str) -> None:
    one = found(whole(draft), whole(chart))
    assert one is not None
    assert (one.tier, read(one.why)) == (tier, why)


def test_an_order_that_goes_on_is_told_before_a_newer_dose_of_it() -> None:
    standing, dose = whole(taking("ketorolac", hours=20)), whole(given("ketorolac", hours=1))
    for chart in ((standing, dose), (dose, standing)):
        one = found(whole(drafted("ketorolac")), *chart)
        assert one is not None
        assert (one.tier, read(one.why), one.beside) == (2, "Ketorolac is ordered already.", (standing, dose))


@pytest.mark.parametrize(
    ("draft", "chart"),
    [
        (drafted("sodium_chloride_flush"), taking("sodium_chloride_flush")),
        (drafted("heparin_flush"), taking("heparin_flush")),
        (drafted("heparin"), taking("heparin_flush")),
        (drafted("furosemide"), taking("furosemide", hours=13, dosing=ONCE)),
    ],
)
def test_what_is_no_second_course_is_not_told(draft: Medication, chart: Medication) -> None:
    assert found(whole(draft), whole(chart)) is None


BY_MOUTH = ("vancomycin", "glycopeptides", "antibacterials")  # without what holds only where it is taken up
ON_THE_SKIN = ("neomycin", "aminoglycosides", "antibacterials")


def test_what_is_not_taken_up_is_not_what_goes_into_a_vein() -> None:
    assert found(whole(drafted("vancomycin")), taking(*BY_MOUTH)) is None
    assert found(drafted(*BY_MOUTH), whole(taking("vancomycin"))) is None
    assert found(drafted(*BY_MOUTH), taking(*BY_MOUTH)) is not None
    assert found(whole(drafted("tobramycin")), taking(*ON_THE_SKIN)) is None


def test_a_draft_in_the_place_of_an_order_is_no_second_one() -> None:
    standing = whole(taking("metoprolol"))
    dose = whole(given("metoprolol"))
    assert found(whole(drafted("metoprolol")), standing, dose, replaced=(standing.ref,)) is None
    other = replace(standing, ref="MedicationRequest/other")
    assert found(whole(drafted("metoprolol")), standing, other, replaced=(standing.ref,)) is not None


def test_a_single_dose_that_nobody_closed_is_over_when_the_dose_is() -> None:
    due = Dosing(once=True, start=ago(-3))
    assert found(whole(drafted("furosemide")), whole(taking("furosemide", hours=30, dosing=due))) is not None


def test_what_is_drafted_twice_is_information() -> None:
    drafts = tuple(
        replace(whole(drafted(drug)), ref=f"MedicationRequest/{key}")
        for key, drug in (("a", "aspirin"), ("b", "aspirin"), ("c", "apixaban"), ("d", "enoxaparin"))
    )
    found = check_orders(CHECKS, view_of(), Proposed(orders=drafts), frozenset({"duplicate"}))
    assert [[(one.tier, read(one.why)) for one in each.findings] for each in found] == [
        [(1, "Aspirin is drafted beside it.")],
        [(1, "Aspirin is drafted beside it.")],
        [(1, "Another drug of the same class (Anticoagulants) is drafted beside it.")],
        [(1, "Another drug of the same class (Anticoagulants) is drafted beside it.")],
    ]
