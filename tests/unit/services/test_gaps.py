"""Numbers of notifications that did not come are gaps, until they come."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.fabric.exchange.notifications import read_notification
from cds_app.services.sources.subscriptions import EVERYTHING, MOST_GAPS, MOST_WANTED, Heard, filled, told
from tests.conftest import FROZEN
from tests.notifications import bundle, status
from tests.patients import patient


def test_numbers_that_are_left_out_are_gaps_until_they_come() -> None:
    def after(heard: Heard, *what: Any) -> Heard:
        return told(heard, read_notification(bundle(status(*what), patient())), FROZEN)

    heard = after(Heard(), "event-notification", 3, 3)
    assert (heard.number, heard.gaps, heard.whole) == (3, ((1, 2),), None)
    heard = after(heard, "heartbeat", 6)
    assert heard.gaps == ((1, 2), (4, 6))
    heard = after(heard, "event-notification", 6, 2, 5)
    assert heard.gaps == ((1, 1), (4, 4), (6, 6))
    heard = after(heard, "event-notification", 6, 1, 4, 6)
    assert (heard.gaps, heard.whole) == ((), FROZEN)
    assert after(heard, "event-notification", 2, 2) == heard, "late, and known"
    assert after(heard, "heartbeat", 1).gaps == (EVERYTHING,), "it counts from the beginning again"


def test_what_is_kept_of_gaps_and_references_is_bounded() -> None:
    events = range(2, 10 * MOST_GAPS, 2)
    heard = told(
        Heard(), read_notification(bundle(status("event-notification", 10 * MOST_GAPS, *events), patient())), FROZEN
    )
    assert heard.gaps == ((1, 10 * MOST_GAPS),)
    focus = [{"eventNumber": i, "focus": {"reference": f"Observation/{i}"}} for i in range(1, MOST_WANTED + 9)]
    heard = told(Heard(), read_notification(bundle(status("event-notification", len(focus), *focus))), FROZEN)
    assert (len(heard.wanted), heard.gaps) == (MOST_WANTED, (EVERYTHING,))


@settings(max_examples=40)
@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_gaps_are_what_did_not_come(first: set[int], then: set[int]) -> None:
    left = filled(filled([(1, 30)], first), then)
    assert {n for a, b in left for n in range(a, b + 1)} == set(range(1, 31)) - first - then
    assert all(a <= b for a, b in left)
