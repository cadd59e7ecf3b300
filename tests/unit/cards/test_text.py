"""Foreign text is inert, our own stands as written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, FileSystemLoader, UndefinedError

from cds_app.cards.detail import say
from cds_app.cards.text import (
    Trusted,
    ago,
    apart,
    clock_time,
    environment,
    hours_ahead,
    hundred,
    inert,
    plain,
    points,
    simulated,
)
from cds_app.content import content_root
from cds_app.domain.time import parse_fhir_time

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "https://evil.example/a",
    "www.evil.example",
    "someone@evil.example",
    "# heading",
    "**bold** _it_ `code`",
    "&lt;script&gt;",
    "\u202egnp.exe",
    "a\u200bb\x00c",
    "line\r\nnext\u2028third",
    "{{ 7*7 }}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_active_survives(text: str) -> None:
    made = inert(text)
    assert not re.search(r"[<>\[\]()*_`#!@:/{}|~\\]", re.sub(r"&#\d+;", "", made))
    assert not re.search(r"evil\.example", made)
    assert not {"\n", "\u202e", "\x00", "\u200b"} & set(made)


@given(st.text(max_size=400))
def test_inert_text_holds_no_character_that_marks_anything_up(text: str) -> None:
    rest = re.sub(r"&#\d+;", "", inert(text))
    assert not set(rest) & set("!\"#$&'()*+-/:<=>?@[\\]^_`{|}~")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see evil.com now", "see evil. com now"),
        ("www\uff0eevil.рф", "www\uff0eevil. рф"),
        ("☺.com", "☺. com"),
        ("Inj.Amoxicillin 1.5 g b.i.d.", "Inj. Amoxicillin 1.5 g b.i.d."),
    ],
)
def test_a_name_of_a_host_is_taken_apart_and_nothing_is_lost(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_number_with_a_dot_begins_no_list() -> None:
    assert (inert("1. x"), inert("12."), inert("1.5 mg")) == ("1&#46; x", "12&#46;", "1.5 mg")


def test_superscripts_keep_their_meaning() -> None:
    assert plain("10² µg") == "10² µg"


def test_length_is_bounded() -> None:
    assert len(plain("x" * 10_000, limit=50)) == 50


def test_templates_make_foreign_text_inert_and_leave_ours() -> None:
    made = environment(DictLoader({"t": "**Why** {{ ours }} {{ theirs }} {{ 3 }}"})).get_template("t")
    assert made.render(ours=Trusted("a*b"), theirs="a*b") == "**Why** a*b a&#42;b 3"


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment(DictLoader({"t": "{{ missing }}"})).get_template("t").render()


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.004, "<1"), (0.01, "1"), (0.434, "43"), (0.999, ">99"), (0.0, "<1")]
)
def test_a_probability_is_a_whole_number_in_100(probability: float, expected: str) -> None:
    assert hundred(probability) == expected


@pytest.mark.parametrize(("horizon_h", "words"), [(6.0, "in next 6 h"), (None, "in this stay")])
def test_a_risk_says_how_far_it_looks_ahead(horizon_h: float | None, words: str) -> None:
    made = environment(FileSystemLoader(content_root() / "templates" / "cards")).get_template("risk.summary.j2")
    values = {"risk": hundred(0.2), "low": hundred(0.15), "high": hundred(0.26)}
    said = made.render(word="High", change=None, horizon=hours_ahead(horizon_h), **values)
    assert f": risk 20 in 100 {words} (15–26)" in said


def test_an_interval_is_left_out_whose_ends_read_alike() -> None:
    made = environment(FileSystemLoader(content_root() / "templates" / "cards"))
    values = {"risk": hundred(0.004), "low": hundred(0.002), "high": hundred(0.009), "base": hundred(0.02)}
    said = made.get_template("risk.summary.j2").render(word="Risk", change=None, horizon=hours_ahead(4), **values)
    assert said == "Risk: risk <1 in 100 in next 4 h"
    beside = {**values, "change": None, "horizon": hours_ahead(4)}
    (line,) = say(made, "estimated", [beside])
    assert line == "Model estimate <1 in 100 in next 4 h (average 2)"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(11.2, "+11"), (-3.0, "−3"), (0.62, "+0.6"), (-0.25, "−0.2"), (-0.04, "0"), (-0.97, "−1"), (0.97, "+1")],
)
def test_points_carry_a_sign(value: float, expected: str) -> None:
    assert points(value) == expected


def test_times_carry_the_date_when_a_day_away() -> None:
    now = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    zone = ZoneInfo("Australia/Adelaide")
    assert clock_time(now - timedelta(hours=1), now, zone) == "10:30"
    assert clock_time(now - timedelta(hours=30), now, zone) == "01 Mar 2026 05:30"


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ("2026-03-01", "2026-03-02T05:00:00-06:00", "1 d"),
        ("2026-03-02", "2026-03-02T05:00:00-06:00", "under 1 d"),
        ("2026-03-01T23:00:00-06:00", "2026-03-04", "3 d"),
        ("2026-03-01T23:59:00-06:00", "2026-03-02T05:00:00-06:00", "5 h"),
    ],
)
def test_of_a_date_no_time_of_day_is_said(earlier: str, later: str, expected: str) -> None:
    zone = ZoneInfo("America/Chicago")
    before, after = (parse_fhir_time(one, field="at", local=zone).end for one in (earlier, later))
    assert apart(before, after, zone) == expected
    shown = clock_time(before, after, zone)
    assert (shown == f"{before.astimezone(zone):%d %b %Y}") is (len(earlier) == len("2026-03-01"))


@pytest.mark.parametrize(("hours", "expected"), [(0.5, "30 min"), (6.0, "6 h"), (50.0, "2 d")])
def test_ages_read_as_clinicians_say_them(hours: float, expected: str) -> None:
    now = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    assert ago(now - timedelta(hours=hours), now) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.000581, "<0.01"),
        (0.0505, "0.05"),
        (0.788, "0.79"),
        (0.999, "1.00"),
        (1.26, "1.3"),
        (9.94, "9.9"),
        (9.96, "10"),
        (81.6, "82"),
        (99.6, "100"),
        (1540.2, "1540"),
    ],
)
def test_a_simulated_amount_is_no_finer_than_it_can_be(value: float, text: str) -> None:
    assert simulated(value) == text
