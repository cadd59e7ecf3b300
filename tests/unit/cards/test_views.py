"""Numbers and times as a clinician reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import msgspec
import pytest

from cds_app.cards.detail import say
from cds_app.cards.text import Trusted
from cds_app.cards.views import Setting, reason, seen
from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Range
from cds_app.explain.reasons import Reason
from cds_app.services.content.knowledge import Knowledge
from cds_app.twin.state import TwinState
from tests.chart import NOW, ago, measured


@pytest.fixture
def setting(knowledge: Knowledge) -> Setting:
    return Setting(
        ontology=knowledge.ontology,
        zone=knowledge.zone,
        now=NOW,
        sex="female",
        groups={"age": "Age", "sirs": "Signs"},
        state=TwinState(model_sha256="", tracks={}),
    )


def potassium(value: float, hours: float, *, bound: Literal["=", "<", ">"] = "=") -> Measurement:
    made = measured("potassium", value, hours)
    assert isinstance(made, Measurement)
    return msgspec.structs.replace(made, bound=bound)


def with_range(setting: Setting, low: float | None, high: float | None) -> Setting:
    variables = dict(setting.ontology.variables)
    variables["potassium"] = replace(variables["potassium"], reference={"any": Range(low=low, high=high)})
    return replace(setting, ontology=replace(setting.ontology, variables=variables))


def test_a_first_measurement_stands_alone(setting: Setting) -> None:
    view = seen(potassium(6.84, 1), None, setting)
    assert (view.value, view.unit, view.time) == ("6.8", " mmol/L", "08:30")
    assert (view.earlier, view.before, view.change) == (None, None, None)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (4.6, 6.8, "up from 4.6 at 00:30"),
        (7.1, 6.8, "down from 7.1 at 00:30"),
        (6.81, 6.78, "the same at 00:30"),
        (6.76, 6.84, "the same at 00:30"),
        (6.84, 6.86, "up from 6.8 at 00:30"),
    ],
)
def test_a_change_is_said_with_what_it_was_and_when(setting: Setting, before: float, now: float, expected: str) -> None:
    view = seen(potassium(now, 1), potassium(before, 9), setting)
    assert (view.change, view.before) == (expected, "8 h")


def test_a_bound_is_shown_as_one(setting: Setting) -> None:
    assert seen(potassium(6.8, 1, bound=">"), None, setting).value == ">6.8"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (3.5, 5.0, "3.5–5.0"),
        (None, 5.0, "up to 5.0"),
        (3.5, None, "from 3.5"),
        (None, None, None),
        (None, 0.0, None),
        (1.0, 1.0, "1.0"),
    ],
)
def test_the_usual_range_is_said_as_far_as_it_is_known(
    setting: Setting, low: float | None, high: float | None, expected: str | None
) -> None:
    assert seen(potassium(4.0, 1), None, with_range(setting, low, high)).range == expected


def test_a_variable_without_a_range_has_none(setting: Setting) -> None:
    variables = dict(setting.ontology.variables)
    variables["potassium"] = replace(variables["potassium"], reference={}, unit_text="%")
    bare = replace(setting, ontology=replace(setting.ontology, variables=variables))
    view = seen(potassium(4.0, 1), None, bare)
    assert (view.range, view.unit) == (None, "%")


def test_a_reason_carries_its_value_and_the_one_before(setting: Setting) -> None:
    told = reason(Reason(quantity="potassium", points=11.2, now=potassium(6.8, 1)), potassium(4.6, 9), setting)
    assert (told.label, told.points, told.value, told.earlier) == ("Potassium", "+11", "6.8", "4.6")
    assert not told.missing


@pytest.mark.parametrize(("hours", "last"), [(23, None), (30, "13 Mar 2026 03:30")])
def test_a_reason_says_when_its_value_was_measured_where_that_is_long_ago(
    knowledge: Knowledge, setting: Setting, hours: float, last: str | None
) -> None:
    told = reason(Reason(quantity="potassium", points=11.2, now=potassium(6.8, hours)), None, setting)
    assert told.last == last
    (line,) = say(knowledge.templates, "reason", [told])
    assert line == f"Potassium 6.8 mmol/L{f', last {last}' if last else ''}, +11 in 100"


def test_a_reason_that_may_be_an_artefact_is_to_be_confirmed(knowledge: Knowledge, setting: Setting) -> None:
    told = reason(Reason(quantity="potassium", points=11.2, now=potassium(6.8, 1)), None, setting)
    (line,) = say(knowledge.templates, "reason", [msgspec.structs.replace(told, aside=True)])
    assert line == "Potassium 6.8 mmol/L: unlike the values before, confirm it, +11 in 100"


@pytest.mark.parametrize(("quantity", "missing"), [("potassium", True), ("age", False)])
def test_a_reason_without_a_value_was_not_measured_unless_it_is_a_circumstance(
    setting: Setting, quantity: str, missing: bool
) -> None:
    told = reason(Reason(quantity=quantity, points=-3.0, now=None), None, setting)
    assert (told.value, told.points, told.missing) == (None, "−3", missing)


def test_a_time_a_day_away_carries_its_date(setting: Setting) -> None:
    assert setting.clock(ago(30)) == "13 Mar 2026 03:30"


def test_a_circumstance_is_said_with_what_is_known_of_it(setting: Setting) -> None:
    known = replace(setting, circumstances={"age": Trusted("71 years")})
    labels = [reason(Reason(quantity=one, points=3.0, now=None), None, known).label for one in ("age", "sirs")]
    assert labels == ["Age 71 years", "Signs"]
