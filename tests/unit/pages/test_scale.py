"""Places on axes: straight, round, and at full hours of the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_app.pages.scale import Axis, area, limits, line, time_ticks, value_ticks


def test_an_axis_is_a_straight_line_and_keeps_to_its_ends_when_told_so() -> None:
    axis = Axis(low=0.0, high=10.0, start=200.0, end=0.0)
    assert [axis.at(value) for value in (0.0, 5.0, 10.0)] == [200.0, 100.0, 0.0]
    assert (axis.inside(-3.0), axis.inside(30.0)) == (200.0, 0.0)


@given(st.floats(-1e4, 1e4), st.floats(1e-2, 1e4), st.integers(3, 8))
def test_ticks_are_inside_apart_and_not_too_many(low: float, span: float, most: int) -> None:
    axis = Axis(low=low, high=low + span, start=0.0, end=1000.0)
    ticks = value_ticks(axis, most)
    assert 1 <= len(ticks) <= most + 1
    assert all(-0.1 <= one.at <= 1000.1 for one in ticks)
    assert len({one.text for one in ticks}) == len(ticks)


def test_limits_leave_a_margin_and_a_least_span() -> None:
    assert limits([5.0], least=2.0, margin=0.0) == (4.0, 6.0)
    low, high = limits([0.0, 100.0], least=1.0, margin=0.1)
    assert (low, high) == (-10.0, 110.0)


@pytest.mark.parametrize("window", [6.0, 12.0, 24.0, 48.0, 72.0, 168.0])
def test_time_ticks_are_full_hours_of_the_wards_clock(window: float) -> None:
    axis = Axis(low=-window, high=window / 4, start=0.0, end=300.0)
    now = datetime(2026, 3, 1, 9, 47, tzinfo=UTC)
    ticks = time_ticks(axis, now, ZoneInfo("Asia/Kolkata"), 6)
    assert 2 <= len(ticks) <= 9
    assert all(one.text.endswith(":00") or " " in one.text for one in ticks)


def test_paths_begin_with_a_move_and_areas_close() -> None:
    assert line([(0.0, 1.0), (2.5, 3.0)]) == "M0 1 L2.5 3"
    assert line([]) == ""
    assert area([(0.0, 1.0), (1.0, 1.0)], [(0.0, 2.0), (1.0, 2.0)]) == "M0 1 L1 1 L1 2 L0 2 Z"
    assert area([], []) == ""
