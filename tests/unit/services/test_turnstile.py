"""So many are inside at once, and everybody gets out; so many pass a second."""

from __future__ import annotations

import pytest

from cds_app.errors import DependencyDown
from cds_app.services.smart.turnstile import Pace, Turnstile
from tests.trust import Ticking


def test_who_finds_it_full_is_told_so() -> None:
    turnstile = Turnstile(2)
    with turnstile, turnstile, pytest.raises(DependencyDown):
        turnstile.__enter__()
    with turnstile, turnstile:
        pass


def test_an_error_inside_frees_the_place() -> None:
    turnstile = Turnstile(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="inside"), turnstile:
            raise ValueError("inside")


def passed(pace: Pace, tries: int = 100) -> int:
    """How many of so many pass at once."""
    for number in range(tries):
        try:
            pace.step()
        except DependencyDown:
            return number
    return tries


def test_a_pace_is_kept_and_what_was_not_used_is_saved_up_to_a_bound() -> None:
    ticking = Ticking()
    pace = Pace(2.0, 5, ticking)
    assert passed(pace) == 5
    ticking.at += 0.4
    assert passed(pace) == 0
    ticking.at += 0.1
    assert passed(pace) == 1
    ticking.at += 2
    assert passed(pace) == 4
    ticking.at += 3600
    assert passed(pace) == 5
