"""When to stay silent, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.cards.definition import Policy
from cds_app.cards.policy import ABSTENTION, Answer, Candidate, answer_to, judge, quiet_until
from cds_app.domain.decisions import Decision, Feedback, Outcome, Suppression
from tests.alerts import NOW, POLICY, answered, shown, snooze_h, verdict


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


def test_of_answers_that_came_in_one_batch_the_last_counts() -> None:
    card = shown(3)
    early, late = answered(card, "overridden", 2.5, "never"), answered(card, "overridden", 2.4, "later")
    told = [replace(one, received=late.received) for one in (early, late)]
    for past in (told, told[::-1]):
        assert verdict([card, *past]) is Suppression.NONE
    undone = replace(told[0], outcome="undone")
    assert answer_to(card, [told[0], undone], POLICY, NOW) is Answer.OPEN


def critical(hours_ago: float, **extents: float) -> Decision:
    return replace(shown(hours_ago, topic="hyperkalaemia", tier=3, points=None), extents=extents)


@pytest.mark.parametrize(
    ("tier", "extents", "expected"),
    [
        (3, {"potassium": 13.99}, Suppression.LOCKOUT),
        (3, {"potassium": 14.0}, Suppression.NONE),
        (3, {"potassium": 9.0}, Suppression.LOCKOUT),
        (3, {"potassium": 12.0, "sodium": 99.0}, Suppression.LOCKOUT),
        (3, {}, Suppression.LOCKOUT),
        (2, {"potassium": 14.0}, Suppression.LOCKOUT),
    ],
)
def test_a_measurement_that_is_much_worse_breaks_the_quiet_of_the_highest_tier(
    tier: int, extents: dict[str, float], expected: Suppression
) -> None:
    policy = POLICY.model_copy(update={"worse_changes": 2.0})
    now = Candidate(topic="hyperkalaemia", tier=tier, points=None, extents=extents)
    assert judged([critical(2, potassium=12.0)], now, policy=policy) == [expected]


def test_much_worse_is_worse_than_all_that_was_told_in_a_day_and_breaks_a_snooze_too() -> None:
    last = critical(2, potassium=12.0)
    snoozed = answered(last, "overridden", 1, "never")
    now = Candidate(topic="hyperkalaemia", tier=3, points=None, extents={"potassium": 14.0})
    assert judged([last, snoozed], now) == [Suppression.NONE]
    assert judged([critical(5, potassium=13.0), last, snoozed], now) == [Suppression.SNOOZED]
    assert judged([critical(25, potassium=13.0), last, snoozed], now) == [Suppression.NONE]


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ([(2.9, 9.9), (0.5, 12.0)], Suppression.NONE),
        ([(2.9, 9.9), (1.5, 9.0), (0.5, 12.0)], Suppression.NONE),
        ([(2.9, 10.1), (0.5, 12.0)], Suppression.LOCKOUT),  # hardly got better
        ([(2.9, 9.0), (0.5, 10.9)], Suppression.LOCKOUT),  # hardly got worse again
        ([(2.4, 9.0), (0.5, 12.0)], Suppression.LOCKOUT),  # better for less than two hours
        ([(2.9, 9.0), (1.5, 12.0), (1.0, 9.0), (0.5, 12.0)], Suppression.LOCKOUT),
        ([(4.0, 9.0), (3.5, 12.0), (0.5, 12.0)], Suppression.LOCKOUT),  # before the card
        ([], Suppression.LOCKOUT),
    ],
)
def test_what_got_better_and_then_worse_again_breaks_the_quiet_of_the_highest_tier(
    course: list[tuple[float, float]], expected: Suppression
) -> None:
    policy = POLICY.model_copy(update={"worse_changes": 2.0})
    courses = {"potassium": tuple((NOW - timedelta(hours=ago), extent) for ago, extent in course)}
    now = {"potassium": course[-1][1] if course else 12.0}
    again = Candidate(topic="hyperkalaemia", tier=3, points=None, extents=now, courses=lambda: courses)
    assert judged([critical(3, potassium=12.0)], again, policy=policy) == [expected]
    assert judged([critical(3, potassium=12.0)], replace(again, tier=2), policy=policy) == [Suppression.LOCKOUT]


def test_what_an_antidote_mended_for_minutes_counts_as_having_been_better() -> None:
    policy = POLICY.model_copy(update={"worse_changes": 2.0, "recoveries_h": {"hyperkalaemia": 0.25}})
    course = tuple((NOW - timedelta(hours=ago), extent) for ago, extent in ((2.9, 12.0), (1.0, 9.0), (0.7, 12.0)))
    again = Candidate(
        topic="hyperkalaemia",
        tier=3,
        points=None,
        extents={"potassium": 12.0},
        courses=lambda: {"potassium": course},
    )
    past: list[Decision | Feedback] = [critical(3, potassium=12.0)]
    assert judged(past, again, policy=policy) == [Suppression.NONE]
    assert judged(past, again, policy=policy.model_copy(update={"recoveries_h": {}})) == [Suppression.LOCKOUT]


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


def test_a_state_that_had_gone_in_between_is_no_repetition() -> None:
    kept = [shown(49), shown(40), shown(23)]  # each as soon as its quiet was over: four times the lockout now
    assert verdict(list(kept)) is Suppression.LOCKOUT
    gone = [shown(90), shown(60), shown(8)]  # days after the quiet was over
    assert verdict(list(gone)) is Suppression.NONE


def test_a_risk_has_to_rise_above_all_that_was_told_in_the_last_day() -> None:
    falling: list[Decision | Feedback] = [shown(20, points=40), shown(4, points=25)]
    assert verdict(falling, points=36) is Suppression.LOCKOUT
    assert verdict(falling, points=50) is Suppression.NONE
    assert verdict([shown(30, points=40), shown(4, points=25)], points=36) is Suppression.NONE


def test_what_got_better_is_no_news_for_a_day() -> None:
    assert verdict([shown(23.9, tier=3)], tier=2) is Suppression.LOCKOUT
    assert verdict([shown(24, tier=3)], tier=2) is Suppression.NONE
    assert verdict([shown(8, tier=3)], tier=3) is Suppression.NONE


def ready(topic: str, tier: int, *measured: str, grounds: tuple[str, ...] = ()) -> Candidate:
    return Candidate(topic=topic, tier=tier, points=None, measured=frozenset(measured), grounds=grounds)


def judged(past: list[Decision | Feedback], *candidates: Candidate, policy: Policy = POLICY) -> list[Suppression]:
    return list(judge(candidates, past, policy, snooze_h=snooze_h, now=NOW))


@pytest.mark.parametrize(
    ("tier", "grounds", "expected"),
    [
        (2, ("Condition/1",), Suppression.UNCHANGED),
        (2, ("Condition/1", "Observation/9"), Suppression.NONE),  # measured anew
        (3, ("Condition/1",), Suppression.NONE),  # reminded of
        (2, (), Suppression.NONE),  # rests on no facts: an estimate
    ],
)
def test_the_same_facts_are_not_told_again(tier: int, grounds: tuple[str, ...], expected: Suppression) -> None:
    past: list[Decision | Feedback] = [replace(shown(9, tier=tier), trigger="Condition/1 Observation/2")]
    assert judged(past, ready("sepsis", tier, grounds=grounds)) == [expected]


def test_the_same_facts_are_told_again_after_a_week() -> None:
    past: list[Decision | Feedback] = [replace(shown(168), trigger="Condition/1")]
    assert judged(past, ready("sepsis", 2, grounds=("Condition/1",))) == [Suppression.NONE]


def test_a_topic_may_have_a_lockout_of_its_own_short_of_the_highest_tier() -> None:
    policy = POLICY.model_copy(update={"lockouts_h": {"aki": 24.0}})
    assert judged([shown(23, topic="aki")], ready("aki", 2), policy=policy) == [Suppression.LOCKOUT]
    assert judged([shown(24, topic="aki")], ready("aki", 2), policy=policy) == [Suppression.NONE]
    assert judged([shown(8, topic="aki", tier=3)], ready("aki", 3), policy=policy) == [Suppression.NONE]


def test_a_topic_may_have_a_rise_of_its_own() -> None:
    policy = POLICY.model_copy(update={"rises_points": {"aki": 20.0}})
    told: list[Decision | Feedback] = [replace(shown(1, topic="aki"), points=30.0)]
    for points, expected in ((49.9, Suppression.LOCKOUT), (50.0, Suppression.NONE)):
        assert judged(told, replace(ready("aki", 2), points=points), policy=policy) == [expected]


YIELDING = POLICY.model_copy(update={"gives_way": {"news2": ("hypoxia", "sepsis")}})
NEWS2 = ready("news2", 3, "spo2", "resp_rate")
HYPOXIA = ready("hypoxia", 3, "spo2")


def test_a_sum_gives_way_to_the_specific_that_rests_on_the_same() -> None:
    assert judged([], HYPOXIA, NEWS2, policy=YIELDING) == [Suppression.NONE, Suppression.RESTATES]


def test_it_gives_way_within_the_lockout_and_the_snooze_too() -> None:
    card = shown(2, topic="hypoxia", tier=3)
    assert judged([card], HYPOXIA, NEWS2, policy=YIELDING) == [Suppression.LOCKOUT, Suppression.RESTATES]
    past: list[Decision | Feedback] = [card, answered(card, "overridden", 1, "never")]
    assert judged(past, HYPOXIA, NEWS2, policy=YIELDING) == [Suppression.SNOOZED, Suppression.RESTATES]


def test_it_does_not_give_way_to_what_is_over_milder_about_else_or_was_not_told() -> None:
    assert judged([shown(2, topic="hypoxia", tier=3)], NEWS2, policy=YIELDING) == [Suppression.NONE]
    milder, other = ready("hypoxia", 2, "spo2"), ready("hypoxia", 3, "body_temp")
    assert judged([], NEWS2, milder, policy=YIELDING) == [Suppression.NONE, Suppression.NONE]
    assert judged([], other, NEWS2, policy=YIELDING) == [Suppression.NONE, Suppression.NONE]
    assert judged([], HYPOXIA, NEWS2) == [Suppression.NONE, Suppression.NONE]
    full = judged([], ready("a", 3), ready("b", 3), HYPOXIA, NEWS2, policy=YIELDING)
    assert full[2:] == [Suppression.RESPONSE, Suppression.RESPONSE]


def test_a_sum_stands_after_what_it_gives_way_to() -> None:
    usual = POLICY.model_dump()
    Policy.model_validate({**usual, "precedence": ["hypoxia", "news2"], "gives_way": {"news2": ["hypoxia"]}})
    with pytest.raises(ValueError, match="news2 does not come after hypoxia"):
        Policy.model_validate({**usual, "precedence": ["news2", "hypoxia"], "gives_way": {"news2": ["hypoxia"]}})


def test_the_highest_tier_is_quiet_for_a_day_at_most() -> None:
    kept = [shown(hours, tier=3) for hours in (80, 72, 56, 24)]
    assert verdict(list(kept), tier=3) is Suppression.NONE
    assert verdict([*kept[:-1], shown(23.9, tier=3)], tier=3) is Suppression.LOCKOUT


def test_an_answer_that_was_taken_back_is_none() -> None:
    card = shown(9)
    past: list[Decision | Feedback] = [card, answered(card, "overridden", 3, "never")]
    assert verdict(past) is Suppression.SNOOZED
    past.append(answered(card, "undone", 2))
    assert verdict(past) is Suppression.NONE
    assert answer_to(card, past, POLICY, NOW) is Answer.IGNORED
    past.append(answered(card, "overridden", 1, "never"))
    assert verdict(past) is Suppression.SNOOZED


@pytest.mark.parametrize(
    ("hours_ago", "outcome", "expected"),
    [
        (1, None, Answer.OPEN),
        (7.99, None, Answer.OPEN),
        (8, None, Answer.IGNORED),
        (30, "accepted", Answer.ACCEPTED),
        (1, "overridden", Answer.OVERRIDDEN),
        (1, "undone", Answer.OPEN),
    ],
)
def test_a_card_that_nobody_answers_in_time_was_ignored(
    hours_ago: float, outcome: Outcome | None, expected: Answer
) -> None:
    card = shown(hours_ago)
    past = [answered(card, outcome, 0.5)] if outcome else []
    assert answer_to(card, past, POLICY, NOW) is expected


ANSWERS: tuple[tuple[Outcome, str], ...] = (("overridden", "later"), ("overridden", "never"), ("accepted", ""))


@pytest.mark.parametrize(("outcome", "code"), ANSWERS)
def test_the_quiet_that_is_told_is_the_quiet_that_is_kept(outcome: Outcome, code: str) -> None:
    card = shown(4)
    answer = answered(card, outcome, 0, code)
    until = quiet_until(card, answer, POLICY, snooze_h)
    assert until is not None
    again = [Candidate(topic="sepsis", tier=2, points=20.0)]
    for now, quiet in ((until - timedelta(seconds=1), True), (until, False)):
        said = judge(again, [card, answer], POLICY, snooze_h=snooze_h, now=now)
        assert (said[0] in (Suppression.SNOOZED, Suppression.ACCEPTED)) is quiet


def test_what_was_taken_back_keeps_nothing_quiet() -> None:
    card = shown(4)
    assert quiet_until(card, answered(card, "undone", 0), POLICY, snooze_h) is None
