"""A breaker opens after failures in a row, lets one call through after a rest, and second tries cost something."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from cds_app.adapters.http.breaker import FAILURES, REST_S, Breaker, BreakerState


@dataclass(slots=True)
class Ticks:
    at: float = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def broken(ticks: Ticks) -> Breaker:
    breaker = Breaker(clock=ticks)
    for _ in range(FAILURES):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_the_limits_are_those_that_were_promised() -> None:
    assert FAILURES <= 5
    assert REST_S <= 30


def test_it_opens_after_failures_in_a_row(broken: Breaker) -> None:
    assert broken.state is BreakerState.OPEN
    assert not broken.admits()


def test_a_success_in_between_counts_from_the_beginning() -> None:
    breaker = Breaker()
    for _ in range(3):
        for _ in range(FAILURES - 1):
            breaker.failed()
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_after_the_rest_one_call_may_try_and_its_success_closes(broken: Breaker, ticks: Ticks) -> None:
    ticks.at += REST_S
    assert broken.state.value == "half-open"
    assert [broken.admits(), broken.admits()] == [True, False]
    broken.succeeded()
    assert broken.state.value == "closed"
    assert broken.admits()


def test_a_try_that_fails_opens_it_for_another_rest(broken: Breaker, ticks: Ticks) -> None:
    ticks.at += REST_S
    assert broken.admits()
    broken.failed()
    assert broken.state is BreakerState.OPEN
    ticks.at += REST_S
    assert broken.admits()


def test_a_try_that_taught_nothing_leaves_the_next_one_to_try(broken: Breaker, ticks: Ticks) -> None:
    ticks.at += REST_S
    assert broken.admits()
    broken.unknown()
    assert broken.admits()


def test_second_tries_are_paid_for_by_successes() -> None:
    breaker = Breaker()
    assert sum(breaker.pays_for_another_try() for _ in range(50)) == 10
    for _ in range(11):
        breaker.succeeded()
    assert [breaker.pays_for_another_try(), breaker.pays_for_another_try()] == [True, False]
