"""When to stay silent, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cds_app.cards.definition import Policy
from cds_app.cards.policy import ABSTENTION, Candidate, judge
from cds_app.domain.decisions import Decision, Feedback, Suppression

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
POLICY = Policy(
    max_cards=2,
    lockout_h=8,
    rise_points=10,
    min_tier=1,
    indicators=("info", "info", "warning", "critical"),
    deviation_percentile=99,
    abstention_lockout_h=24,
    reasons_shown=3,
    options_shown=3,
    change_h=6,
)


def snooze_h(code: str) -> float:
    return {"later": 1.0, "never": 48.0}.get(code, 8.0)


def shown(hours_ago: float, *, topic: str = "sepsis", tier: int = 2, points: float | None = 20.0) -> Decision:
    return Decision(
        id=f"card-{topic}-{hours_ago}",
        service="s",
        topic=topic,
        tier=tier,
        points=points,
        at=NOW - timedelta(hours=hours_ago),
        suppression=Suppression.NONE,
        trigger="",
    )


def answered(card: Decision, outcome: str, hours_ago: float, code: str = "") -> Feedback:
    at = NOW - timedelta(hours=hours_ago)
    return Feedback(
        card=card.id,
        service="s",
        topic=card.topic,
        outcome="accepted" if outcome == "accepted" else "overridden",
        at=at,
        received=at,
        reason_code=code,
    )


def verdict(
    past: list[Decision | Feedback], *, tier: int = 2, points: float | None = 20.0, topic: str = "sepsis"
) -> Suppression:
    return judge([Candidate(topic=topic, tier=tier, points=points)], past, POLICY, snooze_h=snooze_h, now=NOW)[0]


def test_a_first_card_is_shown() -> None:
    assert verdict([]) is Suppression.NONE


def test_the_same_again_within_the_lockout_is_not() -> None:
    assert verdict([shown(7.99)]) is Suppression.LOCKOUT


def test_the_lockout_ends_on_time() -> None:
    assert verdict([shown(8)]) is Suppression.NONE


@pytest.mark.parametrize(("points", "expected"), [(29.9, Suppression.LOCKOUT), (30.0, Suppression.NONE)])
def test_ten_points_more_break_the_lockout(points: float, expected: Suppression) -> None:
    assert verdict([shown(1)], points=points) is expected


def test_a_higher_tier_breaks_the_lockout() -> None:
    assert verdict([shown(1, tier=1)], tier=2) is Suppression.NONE


def test_a_suppressed_card_does_not_start_a_lockout() -> None:
    assert verdict([replace(shown(1), suppression=Suppression.RESPONSE)]) is Suppression.NONE


def test_another_topic_does_not_count() -> None:
    assert verdict([shown(1, topic="aki")]) is Suppression.NONE


def test_an_override_snoozes_for_as_long_as_its_reason_says() -> None:
    card = shown(2)
    assert verdict([card, answered(card, "overridden", 0.9, "later")]) is Suppression.SNOOZED
    assert verdict([card, answered(card, "overridden", 1.1, "later")]) is Suppression.NONE
    old = shown(40)
    assert verdict([old, answered(old, "overridden", 39, "never")]) is Suppression.SNOOZED


def test_a_snooze_never_hides_a_rise_of_tier_or_risk() -> None:
    card = shown(2)
    past: list[Decision | Feedback] = [card, answered(card, "overridden", 1, "never")]
    assert verdict(past, tier=3) is Suppression.NONE
    assert verdict(past, points=31) is Suppression.NONE


def test_an_accepted_card_stays_quiet_from_the_acceptance_on() -> None:
    card = shown(9)
    assert verdict([card, answered(card, "accepted", 7)]) is Suppression.ACCEPTED
    assert verdict([card, answered(card, "accepted", 8)]) is Suppression.NONE


def test_the_latest_answer_counts() -> None:
    card = shown(3)
    past: list[Decision | Feedback] = [
        card,
        answered(card, "overridden", 2.5, "never"),
        answered(card, "overridden", 1.5, "later"),
    ]
    assert verdict(past) is Suppression.NONE


def test_a_tier_not_worth_an_interruption_is_recorded_only() -> None:
    assert verdict([], tier=0) is Suppression.BELOW
    assert verdict([], tier=0, topic=ABSTENTION) is Suppression.NONE


def test_not_estimated_has_a_lockout_of_its_own() -> None:
    past: list[Decision | Feedback] = [shown(20, topic=ABSTENTION, tier=0, points=None)]
    assert verdict(past, tier=0, topic=ABSTENTION, points=None) is Suppression.LOCKOUT


def test_a_response_holds_two_cards_and_one_of_a_topic() -> None:
    wanted = [Candidate(topic=topic, tier=2, points=None) for topic in ("a", "a", "b", "c")]
    assert judge(wanted, [], POLICY, snooze_h=snooze_h, now=NOW) == (
        Suppression.NONE,
        Suppression.TOPIC,
        Suppression.NONE,
        Suppression.RESPONSE,
    )


def test_a_card_from_the_future_of_a_replay_does_not_count() -> None:
    assert verdict([shown(-1)]) is Suppression.NONE


def test_each_unanswered_repetition_doubles_the_quiet_after_it() -> None:
    second = [shown(17), shown(9)]
    assert verdict(list(second)) is Suppression.LOCKOUT
    assert verdict([shown(25), shown(16)]) is Suppression.NONE
    many: list[Decision | Feedback] = [shown(hours) for hours in (160, 150, 140, 130)]
    assert verdict([*many, shown(63)]) is Suppression.LOCKOUT
    assert verdict([*many, shown(64)]) is Suppression.NONE


def test_a_repetition_that_got_worse_starts_anew() -> None:
    assert verdict([shown(17, tier=1), shown(9, tier=2)]) is Suppression.NONE
