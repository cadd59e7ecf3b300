from __future__ import annotations

import re
from datetime import timedelta

from cds_app.sandbox.trends import HEIGHT, WIDTH, trend
from tests.unit.sandbox.stub_service import START

DAY = timedelta(hours=24)
END = START + DAY


def hours(*pairs: tuple[float, float]) -> list[tuple]:  # type: ignore[type-arg]
    return [(START + timedelta(hours=hour), value) for hour, value in pairs]


def test_fewer_than_two_values_make_no_trend() -> None:
    assert trend(hours((1, 80)), START, END) is None
    assert trend(hours((-2, 80), (-1, 81), (3, 82)), START, END) is None


def test_a_rise_goes_up_and_stays_inside_the_box() -> None:
    made = trend(hours((0, 80), (12, 100), (24, 130)), START, END)
    assert made is not None
    places = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", made.path)]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert made.last == places[-1]


def test_a_gap_stays_a_gap() -> None:
    made = trend(hours((0, 80), (1, 80), (20, 80), (21, 80)), START, END, gap=timedelta(hours=3))
    assert made is not None
    assert [letter for letter in made.path if letter in "ML"] == ["M", "L", "M", "L"]


def test_the_usual_range_is_cut_to_the_box_or_left_out() -> None:
    inside = trend(hours((0, 50), (24, 130)), START, END, usual=(60, 100))
    outside = trend(hours((0, 150), (24, 170)), START, END, usual=(60, 100))
    assert inside is not None
    assert inside.band is not None
    assert inside.band.top >= 0
    assert inside.band.top + inside.band.height <= HEIGHT
    assert outside is not None
    assert outside.band is None


def test_equal_values_make_a_level_line() -> None:
    made = trend(hours((0, 0), (24, 0)), START, END)
    assert made is not None
    assert made.path.count(" ") == 2
