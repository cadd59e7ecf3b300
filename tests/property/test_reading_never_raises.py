"""Whatever is done to valid resources, reading them never raises, loses nothing silently and repeats no values."""

from __future__ import annotations

import json
import math
from datetime import UTC, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_app.domain.strict_json import loads
from cds_app.domain.timeline import Timeline
from cds_app.errors import TwinlineError
from cds_app.fabric.bundles import unpack
from cds_app.fabric.context import Context, version_of
from cds_app.fabric.lexicon import lexicon_of
from cds_app.fabric.plain import read_plain
from cds_app.fabric.prefetch import resolve
from cds_app.fabric.references import Item, References
from cds_app.fabric.resources import read_item
from tests.mutations import JUNK, SECRET, VALID, mutated, nested, paths, replaced
from tests.unit.fabric.conftest import (
    NOW,
    ONTOLOGY,
    FewUnits,
    coded,
    observation,
    reading,
)


def _check(documents: list[object]) -> None:
    found = reading(*documents)
    expected = sum(len(unpack(one, at="")[0]) for one in documents)
    assert sum(one.used + one.unknown + one.dropped for one in found.tally.values()) == expected
    losses = sum(issue.dropped for issue in found.issues)
    assert losses >= sum(one.dropped for one in found.tally.values())
    assert all(math.isfinite(fact.value) for fact in found.facts.measurements)
    assert SECRET not in repr([(issue.code, issue.field) for issue in found.issues]) + repr(list(found.tally))
    again = Timeline.of([*found.facts, *reading(*documents).facts])
    assert len(again) == len(Timeline.of(found.facts))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(mutated(), min_size=1, max_size=3))
def test_mutated_resources_are_read_without_an_exception_and_all_accounted_for(documents: list[object]) -> None:
    _check(documents)


def _context() -> Context:
    lexicon = lexicon_of(ONTOLOGY, FewUnits())
    earliest, latest = NOW - timedelta(days=400), NOW
    return Context(
        patient="1", subject="Patient/1", former=frozenset(), lexicon=lexicon, learned=NOW, earliest=earliest,
        latest=latest, zone=UTC, references=References(()), issues=[],
    )  # fmt: skip


ODD: tuple[object, ...] = ([], {}, [{}], {"value": "x"}, 7, 1e300, True, None, "2024-03-10T10:00:00Z")


@pytest.mark.parametrize("document", VALID)
def test_no_one_thing_in_a_place_of_another_makes_reading_raise(document: dict[str, Any]) -> None:
    for place in paths(document):
        for odd in ODD:
            _check([replaced(document, place, odd)])


@settings(max_examples=600, deadline=None)
@given(mutated(observation(meta={"versionId": "7"}, encounter={"reference": "urn:uuid:9"}), observation("2160-0")))
def test_the_short_way_of_a_plain_observation_ends_where_the_long_one_does(document: object) -> None:
    short, long = _context(), _context()
    measurement = read_plain(document, version_of(document), short)
    assert not short.issues
    if measurement is not None:
        _, found = read_item(Item(document, ""), version_of(document), long)
        assert (found, long.issues) == ([measurement], [])


def test_an_observation_as_nearly_all_come_is_plain() -> None:
    sent = observation("2160-0", 88.42, "umol/L", category=[coded("x", "laboratory")], issued="2024-03-10T10:00:00Z")
    assert read_plain(sent, version_of(sent), _context()) is not None


@settings(max_examples=300, deadline=None)
@given(st.recursive(JUNK, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_any_json_at_all_is_accounted_for(document: object) -> None:
    _check([document])


@settings(max_examples=300, deadline=None)
@given(st.one_of(JUNK, st.dictionaries(st.sampled_from(["a", "b", "c"]), mutated() | JUNK)))
def test_prefetch_of_any_shape_is_sorted_without_an_exception(prefetch: object) -> None:
    found = resolve(prefetch, {"a": "Patient/1", "b": "Observation?patient=1"})
    assert set(found.states) == {"a", "b"}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=50) | st.text().map(str.encode) | mutated().map(lambda v: json.dumps(v).encode()))
def test_strict_json_reads_or_refuses_and_does_nothing_else(data: bytes) -> None:
    try:
        value = loads(data)
    except TwinlineError:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def test_nesting_beyond_the_interpreters_stack_is_read_without_an_exception() -> None:
    _check([observation(id=None, note=nested(5000), code=nested(5000)), nested(5000)])


@pytest.mark.parametrize("document", VALID)
def test_the_unmutated_resources_are_valid(document: dict[str, Any]) -> None:
    found = reading(document)
    assert sum(one.dropped for one in found.tally.values()) == 0
