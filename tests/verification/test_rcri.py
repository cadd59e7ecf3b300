"""The Revised Cardiac Risk Index against its published table: one point each, four classes, abstention by name."""

from __future__ import annotations

from itertools import combinations

import pytest
from msgspec.structs import replace

from cds_app.content import latest
from cds_app.domain.facts import Condition, Fact
from cds_app.domain.ontology_files import load_ontology
from cds_app.score.clinical.rcri import rcri
from cds_app.score.result import Score
from cds_app.score.situation import Situation
from tests.chart import NOW, abstained, drug, measured, person, problem, scored, situation

ONTOLOGY = load_ontology(latest("ontology"))
STROKE: Condition = replace(problem("copd"), ref="Condition/stroke", concepts=("stroke",))
PRESENT: dict[str, Fact | None] = {
    "high-risk surgery": None,
    "ischaemic heart disease": problem("ischaemic_heart_disease"),
    "heart failure": problem("heart_failure"),
    "stroke or transient ischaemic attack": STROKE,
    "treatment with insulin": drug("insulin_glargine", source="statement"),
    "creatinine over 2.0 mg/dL": measured("creatinine", 2.4),
}
WELL = (problem("copd"), drug("aspirin", source="statement"))


def record(*facts: Fact, age: int = 70) -> Situation:
    return Situation(ontology=ONTOLOGY, facts=situation(*facts, person(age, "male")).facts, now=NOW)


def index(names: tuple[str, ...]) -> Score:
    facts = [fact for name in names if (fact := PRESENT[name]) is not None]
    if "creatinine over 2.0 mg/dL" not in names:
        facts.append(measured("creatinine", 1.0))
    return scored(rcri(record(*WELL, *facts), high_risk_surgery="high-risk surgery" in names))


@pytest.mark.parametrize("names", [names for n in range(7) for names in combinations(PRESENT, n)])
def test_every_combination_has_a_point_for_each_and_its_class(names: tuple[str, ...]) -> None:
    found = index(names)
    assert (found.value, found.bound, found.lacks) == (len(names), "=", ())
    assert found.band == f"class {('I', 'II', 'III', 'IV', 'IV', 'IV', 'IV')[len(names)]}"
    assert {part.label for part in found.parts if part.points} == set(names)


@pytest.mark.parametrize(("count", "percent"), [(0, "3.9"), (1, "6"), (2, "10.1"), (3, "15"), (6, "15")])
def test_the_pooled_risk_is_told_as_not_reviewed(count: int, percent: str) -> None:
    notes = index(tuple(PRESENT)[:count]).notes
    assert any(note.startswith(f"{percent} % had") and "not reviewed" in note for note in notes)


@pytest.mark.parametrize(("value", "points"), [(0.4, 0), (2.0, 0), (2.004, 0), (2.01, 1), (9.0, 1)])
def test_creatinine_counts_above_two(value: float, points: int) -> None:
    found = scored(rcri(record(*WELL, measured("creatinine", value)), high_risk_surgery=False))
    assert found.value == points


def test_a_bound_of_creatinine_counts_only_where_it_decides() -> None:
    above = rcri(record(*WELL, measured("creatinine", 3.0, bound=">")), high_risk_surgery=False)
    assert scored(above).value == 1
    open_ended = rcri(record(*WELL, measured("creatinine", 1.0, bound=">")), high_risk_surgery=False)
    assert abstained(open_ended) == {"creatinine": "bound-only"}


def test_an_acute_coronary_syndrome_is_ischaemic_heart_disease() -> None:
    syndrome = replace(problem("copd"), concepts=tuple(ONTOLOGY.with_parents("acute_coronary_syndrome")))
    found = scored(rcri(record(*WELL, syndrome, measured("creatinine", 1.0)), high_risk_surgery=False))
    assert found.value == 1


def test_a_refuted_or_resolved_problem_does_not_count() -> None:
    gone = (problem("heart_failure", verification="refuted"), problem("heart_failure", clinical="resolved"))
    found = scored(rcri(record(*WELL, *gone, measured("creatinine", 1.0)), high_risk_surgery=False))
    assert found.value == 0


def test_what_is_missing_is_named_and_nothing_is_said_of_it() -> None:
    asked = ("high_risk_surgery", "ischaemic_heart_disease", "heart_failure", "stroke", "insulins", "creatinine")
    assert abstained(rcri(record())) == dict.fromkeys(asked, "missing")


def test_an_old_creatinine_is_stale() -> None:
    old = measured("creatinine", 3.0, 31 * 24.0)
    assert abstained(rcri(record(*WELL, old), high_risk_surgery=False)) == {"creatinine": "stale"}
    assert scored(rcri(record(*WELL, measured("creatinine", 3.0, 29 * 24.0)), high_risk_surgery=False)).value == 1


def test_a_known_point_makes_it_at_least_so_much() -> None:
    found = scored(rcri(record(*WELL, problem("heart_failure"), measured("creatinine", 1.0))))
    assert (found.value, found.bound, found.band) == (1, ">=", "class II or higher")
    assert [one.name for one in found.lacks] == ["high_risk_surgery"]
    assert not any("%" in note for note in found.notes)
    worst = rcri(record(problem("heart_failure"), STROKE, problem("ischaemic_heart_disease")))
    assert (scored(worst).value, scored(worst).band) == (3, "class IV")


def test_the_young_are_told_of_and_children_are_not_scored() -> None:
    facts = (*WELL, measured("creatinine", 1.0))
    young = scored(rcri(record(*facts, age=40), high_risk_surgery=False))
    assert "Derived in people of 50 years and older" in young.notes
    assert abstained(rcri(record(*facts, age=12), high_risk_surgery=False)) == {"age": "out-of-population"}
    known = record(*facts)
    nameless = Situation(ontology=ONTOLOGY, facts=replace(known.facts, demographics=()), now=NOW)
    assert abstained(rcri(nameless, high_risk_surgery=False)) == {"age": "missing"}
