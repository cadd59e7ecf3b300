"""Which topics concern a patient, in what order, and what they show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds_app.domain.facts import Fact
from cds_app.mitigate.concerns import Concern, assess
from tests.chart import ago, drug, measured, person, problem, situation
from tests.unit.mitigate.content import HIGH_POTASSIUM, catalogue, topic

TIERS = [
    {"tier": 3, "word": "severe", "when": {**HIGH_POTASSIUM, "value": 6.5}},
    {"tier": 2, "word": "with trouble", "when": {"all": [HIGH_POTASSIUM, {"score": "kdigo", "op": ">=", "value": 1}]}},
    {"tier": 1, "word": "mild", "when": HIGH_POTASSIUM},
]
LOW_SODIUM = {"quantity": "sodium", "op": "<", "value": 130, "unit": "mmol/L"}
CATALOGUE = catalogue(
    topic(tiers=TIERS, shows=["creatinine", "glucose", "potassium"]),
    topic(id="sodium", title="Low sodium", tiers=[{"tier": 2, "word": "low", "when": LOW_SODIUM}]),
    topic(id="warfarin", tiers=[{"tier": 1, "word": "taken", "when": {"medication": "warfarin"}}]),
    topic(id="later", active=False, inactive_reason="not built", tiers=[]),
)


def concerns(*facts: Fact) -> tuple[Concern, ...]:
    return assess(CATALOGUE, situation(*facts), {}, {})


def test_the_highest_tier_that_holds_counts() -> None:
    assert [(one.topic, one.tier, one.tier_word) for one in concerns(measured("potassium", 6.5))] == [
        ("hyperkalaemia", 3, "severe")
    ]
    (mild,) = concerns(measured("potassium", 5.6))
    assert (mild.tier, mild.title) == (1, "High potassium")


def test_a_topic_needs_what_all_of_its_tiers_need() -> None:
    assert situation(measured("potassium", 4.0), problem("chest_pain")).told == {"potassium", "chest_pain"}
    topics = CATALOGUE.topics
    assert [list(topics[name].needs) for name in ("hyperkalaemia", "warfarin")] == [[{"potassium"}], [{"warfarin"}]]
    either = topic(tiers=[*TIERS, {"tier": 1, "word": "taken", "when": {"medication": "warfarin"}}])
    del either["tiers"][2]
    assert list(catalogue(either).topics["hyperkalaemia"].needs) == [{"potassium", "warfarin"}]


def test_a_higher_tier_that_is_not_known_is_said() -> None:
    (mild,) = concerns(measured("potassium", 5.6))
    assert mild.unknown == ("kdigo",)


def test_the_most_urgent_comes_first_then_the_order_of_the_catalogue() -> None:
    found = concerns(measured("potassium", 5.6), measured("sodium", 120), drug("warfarin"))
    assert [one.topic for one in found] == ["sodium", "hyperkalaemia", "warfarin"]


def test_a_concern_shows_newest_values() -> None:
    before, now, old = measured("potassium", 5.0, 9), measured("potassium", 6.6), measured("creatinine", 2.0, 60)
    (found,) = concerns(before, now, old)
    assert found.facts == (now,)
    potassium, creatinine = found.readings
    assert (potassium.latest, potassium.stale) == (now, False)
    assert (creatinine.latest, creatinine.stale) == (old, True)


def test_how_far_beyond_a_measurement_is_grows_the_worse_it_is() -> None:
    (high,), (higher,) = concerns(measured("potassium", 6.5)), concerns(measured("potassium", 7.5))
    assert higher.extents["potassium"] - high.extents["potassium"] == pytest.approx(1 / (1.96 * 2**0.5 * 0.2))
    (low,), (lower,) = concerns(measured("sodium", 125)), concerns(measured("sodium", 115))
    assert lower.extents["sodium"] > low.extents["sodium"]
    (kidneys,) = concerns(drug("warfarin"))
    assert kidneys.extents == {}


def test_how_far_beyond_it_was_in_the_last_day_is_told_of_the_highest_tier() -> None:
    (high,) = concerns(measured("potassium", 6.7, 25), measured("potassium", 5.6, 5), measured("potassium", 6.6))
    assert [when for when, _ in high.courses()["potassium"]] == [ago(5), ago(1)]
    assert high.courses()["potassium"][-1][1] == high.extents["potassium"]
    (low,) = concerns(measured("sodium", 120, 4), measured("sodium", 125))
    assert low.courses()["sodium"][0][1] > low.courses()["sodium"][1][1]  # the sign turned: lower is worse
    (mild,) = concerns(measured("potassium", 5.6))
    assert mild.courses() == {}


def test_while_one_topic_stands_alone_no_other_is_told() -> None:
    alone = replace(CATALOGUE, alone="warfarin")
    severe = (measured("potassium", 7.0), measured("sodium", 120))
    assert [one.topic for one in assess(alone, situation(*severe, drug("warfarin")), {}, {})] == ["warfarin"]
    assert len(assess(alone, situation(*severe), {}, {})) == 2


def test_nothing_concerns_a_patient_who_has_died() -> None:
    dead = situation(measured("potassium", 7.0, 2), who=person(70, died_hours=1))
    assert assess(CATALOGUE, dead, {}, {}) == ()
