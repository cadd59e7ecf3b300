"""How long a record of a pregnancy counts, and what ends it."""

from __future__ import annotations

from msgspec.structs import replace

from cds_app.domain.facts import Condition, Procedure
from cds_app.fabric.times import UNDATED
from cds_app.score.pregnancy import pregnancy_said
from tests.chart import NOW, ago, finding, problem, procedure

_DAY = 24.0


def recorded(days: float) -> Condition:
    return problem("pregnancy", hours=_DAY * days)


def birth(days: float) -> Procedure:
    return procedure("pregnancy_ended", hours=_DAY * days)


def test_a_birth_ends_the_pregnancy_and_what_is_recorded_of_it_afterwards() -> None:
    assert pregnancy_said([recorded(200)], [], [], [birth(20)], now=NOW) == (None, ())
    assert pregnancy_said([recorded(200)], [], [problem("pregnancy_end", hours=_DAY * 20)], [], now=NOW) == (None, ())
    assert pregnancy_said([recorded(15)], [], [], [birth(20)], now=NOW) == (None, ())


def test_the_next_pregnancy_counts() -> None:
    new = recorded(20)
    assert pregnancy_said([recorded(290), new], [], [], [birth(100)], now=NOW) == (True, (new,))


def test_a_birth_without_a_date_ends_none_and_43_weeks_do() -> None:
    undated = replace(birth(1), when=UNDATED)
    assert pregnancy_said([recorded(200)], [], [], [undated], now=NOW)[0] is True
    assert pregnancy_said([recorded(302)], [], [], [undated], now=NOW)[0] is None


def test_a_pregnancy_without_a_date_counts_from_when_it_was_learned() -> None:
    undated = replace(recorded(1), when=UNDATED)
    assert pregnancy_said([replace(undated, learned=ago(_DAY * 10))], [], [], [], now=NOW)[0] is True
    assert pregnancy_said([replace(undated, learned=ago(_DAY * 302))], [], [], [], now=NOW)[0] is None
    assert pregnancy_said([replace(undated, learned=ago(_DAY * 10))], [], [], [birth(5)], now=NOW)[0] is None


def test_what_is_said_of_being_pregnant_before_a_birth_is_over_with_it() -> None:
    said = finding("pregnancy_status", "pregnancy", hours=_DAY * 30)
    assert pregnancy_said([], [said], [], [], now=NOW) == (True, (said,))
    assert pregnancy_said([], [said], [], [birth(20)], now=NOW) == (None, ())
