"""A card that nobody took counts as never shown; one that was answered was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cds_app.cards.policy import Answer, answer_to
from cds_app.domain.decisions import Remembered, Suppression
from tests.alerts import NOW, POLICY, answered, shown, verdict
from tests.stores import untaken


def test_it_starts_no_lockout() -> None:
    card = shown(1)
    assert verdict([card]) is Suppression.LOCKOUT
    assert verdict([card, untaken(card)]) is Suppression.NONE


def test_it_does_not_break_the_lockout_of_one_that_was_taken_nor_make_it_longer() -> None:
    taken, again = shown(9), shown(5)
    assert verdict([taken, again]) is Suppression.LOCKOUT  # twice as long after a repetition
    assert verdict([taken, again, untaken(again)]) is Suppression.NONE
    assert verdict([replace(taken, at=NOW - timedelta(hours=1)), again, untaken(again)]) is Suppression.LOCKOUT


def test_the_same_facts_are_news_to_who_did_not_hear_them() -> None:
    card = replace(shown(9), trigger="Condition/1")
    assert verdict([card, untaken(card)]) is Suppression.NONE


def test_who_answers_it_has_seen_it_all_the_same() -> None:
    """A caller that ends its side of the connection may still listen."""
    card = shown(1)
    past: list[Remembered] = [card, untaken(card), answered(card, "overridden", 0.5, "never")]
    assert verdict(past) is Suppression.SNOOZED
    assert answer_to(card, past, POLICY, NOW) is Answer.OVERRIDDEN
    assert verdict([*past, answered(card, "undone", 0.4)]) is Suppression.LOCKOUT


def test_it_is_neither_open_nor_ignored() -> None:
    for hours in (1, 400):
        card = shown(hours)
        assert answer_to(card, [card, untaken(card)], POLICY, NOW) is Answer.UNTAKEN
