"""Rules of the catalogue: true, false, or not known, and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import TypeAdapter, ValidationError

from cds_app.domain.facts import Fact
from cds_app.mitigate.conditions import Verdict, View, evaluate
from cds_app.mitigate.rules import Rule, leaves, needs
from cds_app.score.result import Abstained, Lack, Part, Score
from tests.chart import allergy, drug, finding, measured, person, problem, procedure, situation, stay

RULES: TypeAdapter[Rule] = TypeAdapter(Rule)
K55 = {"quantity": "potassium", "op": ">=", "value": 5.5, "unit": "mmol/L"}
MISSING = {"quantity": "sodium", "op": "<", "value": 130, "unit": "mmol/L"}


@dataclass(frozen=True)
class Tier:
    name: str


@dataclass(frozen=True)
class Risk:
    tier: str | None
    tiers: tuple[Tier, ...] = (Tier("watch"), Tier("raised"), Tier("high"))
    due: bool = False


def asked(
    rule: object,
    *facts: Fact,
    scores: Mapping[str, Score | Abstained] | None = None,
    risks: Mapping[str, Risk | Abstained] | None = None,
) -> Verdict:
    view = View(situation=situation(*facts), scores=scores or {}, risks=risks or {})
    read = RULES.validate_python(rule)
    verdict = evaluate(read, view)
    assert not (verdict.holds and any(names.isdisjoint(view.situation.told) for names in needs(read)))
    return verdict


def score(value: float, *, at_least: bool = False, parts: tuple[Part, ...] = ()) -> dict[str, Score]:
    lacks = (Lack(name="body_temp", why="missing"),) if at_least else ()
    bound: Any = ">=" if at_least else "="
    found = Score(name="news2", value=value, bound=bound, parts=parts, band="", source="", lacks=lacks)
    return {"news2": found}


@pytest.mark.parametrize(("value", "holds"), [(5.49, False), (5.5, True), (6.0, True)])
def test_a_quantity_compares_with_its_newest_current_value(value: float, holds: bool) -> None:
    newest = measured("potassium", value)
    assert asked(K55, measured("potassium", 9.0, 5), newest) == Verdict(holds=holds, evidence=(newest,))


def test_a_comment_counts_while_its_value_is_the_newest_and_current() -> None:
    rule = {"commented": "potassium", "words": ["haemoly", "hemoly"]}
    noted = replace(measured("potassium", 6.8, 2), comment="Haemolysed")
    assert asked(rule, noted) == Verdict(holds=True, evidence=(noted,))
    assert asked(rule, noted, measured("potassium", 6.8)).holds is False
    assert asked(rule, replace(measured("potassium", 6.8, 25), comment="Haemolysed")).holds is False
    assert asked(rule).holds is False


def test_that_something_was_measured_is_known_either_way() -> None:
    rule = {"measured": "potassium", "within_h": 6}
    newest = measured("potassium", 4.1)
    assert asked(rule, newest) == Verdict(holds=True, evidence=(newest,))
    assert asked(rule, measured("potassium", 4.1, 7)).holds is False
    assert asked({"not": rule}).holds is True


def test_a_missing_or_stale_quantity_is_unknown_by_name() -> None:
    assert asked(K55) == Verdict(holds=None, unknown=("potassium",))
    assert asked(K55, measured("potassium", 6.0, 25)) == Verdict(holds=None, unknown=("potassium",))
    assert asked({**K55, "within_h": 30}, measured("potassium", 6.0, 25)).holds is True
    assert asked({**K55, "within_h": 2}, measured("potassium", 6.0, 3)).holds is None


BOUNDS = [
    *[(">", 5, ">", 5, True), (">", 5, ">=", 5, True), (">=", 5, ">=", 5, True), (">=", 5, ">", 5, None)],
    *[(">", 5, "<", 5, False), (">", 5, "<=", 5, False), (">=", 5, "<", 5, False), (">=", 5, "<=", 5, None)],
    *[("<", 5, "<", 5, True), ("<", 5, "<=", 5, True), ("<=", 5, "<=", 5, True), ("<=", 5, "<", 5, None)],
    *[("<", 5, ">", 5, False), ("<", 5, ">=", 5, False), ("<=", 5, ">", 5, False), ("<=", 5, ">=", 5, None)],
    *[(">", 6, ">=", 5, True), (">", 4, ">=", 5, None), ("<", 4, ">=", 5, False), ("<", 6, ">=", 5, None)],
    *[(">", 6, "<", 5, False), ("<", 4, "<", 5, True), (">", 4, "<", 5, None), ("<", 6, "<=", 5, None)],
]


@pytest.mark.parametrize(("bound", "limit", "op", "value", "holds"), BOUNDS)
def test_a_bound_decides_only_what_it_can(bound: Any, limit: float, op: str, value: float, holds: bool | None) -> None:
    verdict = asked({**K55, "op": op, "value": value}, measured("potassium", limit, bound=bound))
    assert verdict.holds is holds
    assert verdict.unknown == (("potassium",) if holds is None else ())


def test_several_values_of_a_window_can_be_asked_for() -> None:
    twice = {"quantity": "glucose", "op": ">=", "value": 180, "unit": "mg/dL", "times": 2}
    assert asked(twice, measured("glucose", 190, 3), measured("glucose", 120, 2), measured("glucose", 200)).holds
    assert asked(twice, measured("glucose", 190, 13), measured("glucose", 200)).holds is False
    assert asked({**twice, "within_h": 24}, measured("glucose", 190, 13), measured("glucose", 200)).holds


FALL = {"change": "hemoglobin", "direction": "fall", "amount": 2, "unit": "g/dL", "within_h": 48}


@pytest.mark.parametrize(
    ("values", "rule", "holds"),
    [
        ([(11.0, 20), (9.0, 1)], FALL, True),
        ([(11.0, 20), (9.1, 1)], FALL, False),
        ([(9.0, 20), (11.0, 1)], FALL, False),
        ([(9.0, 20), (11.0, 1)], {**FALL, "direction": "rise"}, True),
        ([(9.0, 20), (11.0, 1)], {**FALL, "direction": "either"}, True),
        ([(11.0, 20), (9.0, 1)], {**FALL, "direction": "either"}, True),
        ([(0.9, 20), (1.2, 1)], {**FALL, "direction": "rise", "amount": 0.3}, True),
        ([(10.0, 20), (12.0, 1)], {**FALL, "direction": "rise", "amount": None, "ratio": 1.2}, True),
        ([(10.0, 20), (11.9, 1)], {**FALL, "direction": "rise", "amount": None, "ratio": 1.2}, False),
        ([(0.0, 20), (0.0, 1)], {**FALL, "direction": "rise", "amount": None, "ratio": 1.2}, False),
        ([(11.0, 49), (9.0, 1)], FALL, True),  # two days lie between them, whenever the chart is opened
        ([(11.0, 49.1), (9.0, 1)], FALL, None),
        ([(11.0, 60), (9.0, 49)], FALL, None),
        ([(9.0, 1)], FALL, None),
        ([], FALL, None),
    ],
)
def test_a_change_is_measured_over_its_window(
    values: list[tuple[float, float]], rule: dict[str, Any], holds: bool | None
) -> None:
    verdict = asked(rule, *(measured("hemoglobin", value, hours) for value, hours in values))
    assert verdict.holds is holds
    if holds is not None:
        assert [one.when for one in verdict.evidence] == sorted(one.when for one in verdict.evidence)


def test_a_change_says_that_the_earlier_value_is_missing() -> None:
    assert asked(FALL, measured("hemoglobin", 9)).unknown == ("earlier hemoglobin",)
    bounded = asked(FALL, measured("hemoglobin", 12, 9), measured("hemoglobin", 9, bound="<"))
    assert bounded.unknown == ("earlier hemoglobin",)


@pytest.mark.parametrize(
    ("value", "at_least", "op", "holds"),
    [
        *[(5, False, ">=", True), (4, False, ">=", False), (4, False, "<", True)],
        *[(5, True, ">=", True), (4, True, ">=", None), (5, True, "<", False), (4, True, "<", None)],
    ],
)
def test_a_score_that_is_a_least_decides_only_upwards(
    value: float, at_least: bool, op: str, holds: bool | None
) -> None:
    verdict = asked({"score": "news2", "op": op, "value": 5}, scores=score(value, at_least=at_least))
    assert verdict.holds is holds


def test_a_score_that_abstained_is_unknown_for_its_reasons() -> None:
    none = Abstained(name="news2", reasons=(Lack(name="spo2", why="stale"),))
    for rule in ({"score": "news2", "op": ">=", "value": 5}, {"score_part": "news2", "at_least": 3}):
        assert asked(rule, scores={"news2": none}) == Verdict(holds=None, unknown=("spo2",))
        assert asked(rule) == Verdict(holds=None, unknown=("news2",))


def test_a_single_part_can_be_asked_for() -> None:
    rule, sbp, pulse = {"score_part": "news2", "at_least": 3}, measured("sbp", 80), measured("heart_rate", 70)
    parts = (Part(label="", points=3, evidence=(sbp,)), Part(label="", points=0, evidence=(pulse,)))
    assert asked(rule, scores=score(3, parts=parts)) == Verdict(holds=True, evidence=(sbp,))
    assert asked(rule, scores=score(0, parts=parts[1:])) == Verdict(holds=False, evidence=(pulse,))
    assert asked(rule, scores=score(0, parts=parts[1:], at_least=True)).holds is None


@pytest.mark.parametrize(
    ("risk", "holds"),
    [
        *[(Risk(None), False), (Risk("watch"), False), (Risk("raised"), True), (Risk("high"), True)],
        *[(None, None), (Abstained(name="sepsis", reasons=(Lack(name="age", why="missing"),)), None)],
    ],
)
def test_a_risk_is_asked_for_its_tier(risk: Risk | Abstained | None, holds: bool | None) -> None:
    verdict = asked({"risk": "sepsis", "tier_at_least": 2}, risks={} if risk is None else {"sepsis": risk})
    assert verdict.holds is holds
    assert verdict.unknown == (("sepsis risk",) if holds is None else ())


@pytest.mark.parametrize("due", [True, False])
def test_a_risk_is_asked_whether_its_alert_policy_makes_a_card_of_it(due: bool) -> None:
    verdict = asked({"risk": "aki", "tier_at_least": "due"}, risks={"aki": Risk("high", due=due)})
    assert verdict.holds is due


@pytest.mark.parametrize(
    ("rule", "fact"),
    [
        ({"condition": "heart_failure"}, problem("acute_heart_failure")),
        ({"medication": "nsaids"}, drug("ibuprofen", source="request")),
        ({"given": "vasopressors", "within_h": 6}, drug("norepinephrine")),
        ({"procedure": "ecg", "within_h": 6}, procedure("ecg")),
        ({"finding": "st_elevation", "within_h": 6}, finding("ecg", "st_elevation")),
        ({"allergy": "penicillins"}, allergy("amoxicillin")),
    ],
)
def test_what_is_not_listed_is_not_there(rule: object, fact: Fact) -> None:
    assert asked(rule) == Verdict(holds=False)
    assert asked(rule, fact) == Verdict(holds=True, evidence=(fact,))


def test_a_cross_reactive_allergy_is_no_allergy_to_the_class() -> None:
    assert asked({"allergy": "cephalosporins"}, allergy("amoxicillin")).holds is False


def test_who_and_where() -> None:
    assert asked({"age": ">=", "years": 70}).holds is True
    assert asked({"age": ">=", "years": 70}, person(None)) == Verdict(holds=None, unknown=("age",))
    assert asked({"inpatient": True}, stay()).holds is True
    assert asked({"inpatient": False}, stay()).holds is False
    assert asked({"pregnant": False}).holds is True
    assert asked({"pregnant": True}, person(30, "female")) == Verdict(holds=None, unknown=("pregnancy",))


YES, NO, OPEN = {"age": ">=", "years": 18}, {"age": "<", "years": 18}, MISSING


@pytest.mark.parametrize(
    ("rule", "holds", "unknown"),
    [
        ({"all": [YES, YES]}, True, ()),
        ({"all": [YES, NO]}, False, ()),
        ({"all": [OPEN, NO]}, False, ()),
        ({"all": [YES, OPEN]}, None, ("sodium",)),
        ({"any": [NO, NO]}, False, ()),
        ({"any": [YES, NO]}, True, ()),
        ({"any": [OPEN, YES]}, True, ("sodium",)),
        ({"any": [OPEN, NO]}, None, ("sodium",)),
        ({"not": YES}, False, ()),
        ({"not": NO}, True, ()),
        ({"not": OPEN}, None, ("sodium",)),
        ({"all": [{"any": [NO, YES]}, {"not": {"all": [NO, OPEN]}}]}, True, ()),
    ],
)
def test_three_valued_logic(rule: object, holds: bool | None, unknown: tuple[str, ...]) -> None:
    verdict = asked(rule)
    assert (verdict.holds, verdict.unknown) == (holds, unknown)


def test_evidence_comes_from_the_parts_that_decided() -> None:
    high, low = measured("potassium", 6.0), measured("sodium", 120)
    assert asked({"any": [K55, {"condition": "copd"}, MISSING]}, high, low).evidence == (high, low)
    assert asked({"all": [K55, {"condition": "copd"}]}, high).evidence == ()
    assert asked({"all": [K55, MISSING, K55]}, high, low).evidence == (high, low)


@pytest.mark.parametrize(
    "rule",
    [
        *[{}, {"all": []}, {"nothing": 1}, {**K55, "op": "=="}, {**K55, "colour": "red"}, {**K55, "times": 0}],
        *[{"quantity": "potassium", "op": ">", "value": 5}, {**K55, "value": float("nan")}, 7],
        {"change": "sbp", "direction": "rise", "unit": "mm[Hg]", "within_h": 6},
        {"risk": "sepsis", "tier_at_least": 0},
        {"risk": "sepsis", "tier_at_least": "high"},
    ],
)
def test_a_malformed_rule_is_refused(rule: object) -> None:
    with pytest.raises(ValidationError):
        RULES.validate_python(rule)


def test_leaves_are_all_statements() -> None:
    rule = RULES.validate_python({"all": [{"any": [K55, YES]}, {"not": MISSING}]})
    assert [type(leaf).__name__ for leaf in leaves(rule)] == ["Quantity", "Age", "Quantity"]


def test_a_rule_survives_being_validated_again() -> None:
    rule = RULES.validate_python({"all": [K55, {"not": MISSING}]})
    assert RULES.validate_python(rule) == rule


def test_something_else_than_a_rule_is_no_condition() -> None:
    anything: Any = "potassium is high"
    with pytest.raises(KeyError):
        evaluate(anything, View(situation=situation(), scores={}))


def test_a_problem_of_long_ago_is_not_of_now_although_it_is_still_listed() -> None:
    old = problem("sepsis", hours=200)
    assert asked({"condition": "sepsis"}, old).holds is True
    assert asked({"condition": "sepsis", "within_h": 168}, old).holds is False
    assert asked({"condition": "sepsis", "within_h": 168}, problem("sepsis", hours=100)).holds is True


def test_intensive_care_is_where_an_encounter_is_named_so() -> None:
    unit = stay(hours=5, text="Intensive care unit")
    assert asked({"intensive_care": True}, unit).holds is True
    assert asked({"intensive_care": False}, stay(hours=5, text="Ward")).holds is True


def test_a_high_score_rests_on_what_gave_points_the_most_first() -> None:
    few, many, normal = measured("sbp", 105), measured("resp_rate", 28), measured("heart_rate", 70)
    parts = (
        Part(label="a", points=1, evidence=(few,)),
        Part(label="b", points=0, evidence=(normal,)),
        Part(label="c", points=3, evidence=(many,)),
    )
    rule: Rule = TypeAdapter(Rule).validate_python({"score": "news2", "op": ">=", "value": 4})
    found = evaluate(rule, View(situation=situation(), scores=score(4, parts=parts)))
    assert found.evidence == (many, few)


LITHIUM = {"medication": "lithium"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (K55, [{"potassium"}]),
        ({"all": [K55, LITHIUM]}, [{"potassium"}, {"lithium"}]),
        ({"any": [K55, LITHIUM]}, [{"potassium", "lithium"}]),
        ({"any": [{"all": [K55, LITHIUM]}, MISSING]}, [{"potassium", "sodium"}, {"lithium", "sodium"}]),
        ({"all": [{"any": [K55, LITHIUM]}, K55]}, [{"potassium"}]),
        ({"all": [K55, {"any": [LITHIUM, MISSING]}]}, [{"potassium"}, {"lithium", "sodium"}]),
        ({"any": [K55, {"risk": "sepsis", "tier_at_least": 1}]}, []),
        ({"not": K55}, []),
        ({"score": "news2", "op": ">=", "value": 5}, []),
    ],
)
def test_a_rule_needs_what_its_statements_are_about(rule: object, expected: list[set[str]]) -> None:
    assert list(needs(RULES.validate_python(rule))) == expected


@pytest.mark.parametrize(
    "rule",
    [
        {"quantity": "potassium", "op": ">", "value": 5, "unit": "mmol/L", "apart_from": "glucose"},
        {"quantity": "sodium", "op": "<", "value": 130, "unit": "mmol/L", "times": 2, "apart_from": "glucose"},
        {
            "change": "potassium",
            "direction": "rise",
            "amount": 1,
            "unit": "mmol/L",
            "within_h": 6,
            "apart_from": "glucose",
        },
        {"quantity": "sodium", "op": "<", "value": 130, "unit": "mmol/L", "apart_from": "protein"},
    ],
)
def test_apart_from_glucose_there_is_one_sodium_at_a_time(rule: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RULES.validate_python(rule)


@pytest.mark.parametrize("more", [{}, {"within_h": 6, "times": 2}])
def test_beside_another_quantity_there_is_one_value_within_some_hours(more: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RULES.validate_python(
            {"quantity": "potassium", "op": ">", "value": 5, "unit": "mmol/L", "beside": ["sodium"], **more}
        )
