"""Whatever is done to valid resources, reading them never raises, loses nothing silently and repeats no values."""

from __future__ import annotations

import copy
import json
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_app.domain.strict_json import loads
from cds_app.domain.timeline import Timeline
from cds_app.errors import TwinlineError
from cds_app.fabric.context import Context, version_of
from cds_app.fabric.lexicon import lexicon_of
from cds_app.fabric.plain import read_plain
from cds_app.fabric.prefetch import resolve
from cds_app.fabric.reading import read_item, unpack
from cds_app.fabric.references import Item, References
from tests.unit.fabric.conftest import (
    LOINC,
    NOW,
    ONTOLOGY,
    RXNORM,
    FewUnits,
    coded,
    observation,
    pressure,
    reading,
    resource,
)

_SECRET = "ZQXcanary"
_REFERENCE = {"reference": "Patient/1", "display": "x"}
_VALID: tuple[dict[str, Any], ...] = (
    {
        "resourceType": "Patient", "id": "1", "birthDate": "1980-05", "gender": "male",
        "name": [{"family": "x", "given": ["y"]}], "deceasedDateTime": "2024-01-01",
    },
    observation(meta={"versionId": "1", "lastUpdated": "2024-03-10T10:00:00Z"}, encounter={"reference": "Encounter/1"}),
    observation("2823-3", valueQuantity={"value": 3, "comparator": "<", "code": "mmol/L"}, focus=[_REFERENCE]),
    observation(valueQuantity=None, valueRange={"low": {"value": 1, "code": "/min"}, "high": {"value": 2}}),
    observation("9318-7", valueQuantity=None, valueRatio={"numerator": {"value": 1, "code": "mg"},
                "denominator": {"value": 2, "code": "g"}}),
    observation("67775-7", valueQuantity=None, valueCodeableConcept=coded(LOINC, "LA9340-6")),
    observation(effectiveDateTime=None, effectiveTiming={"repeat": {"boundsPeriod": {"start": "2024-01-01"}}}),
    pressure(effectiveDateTime=None, effectivePeriod={"start": "2024-03-01", "end": "2024-03-02"}),
    resource("Encounter", status="finished", period={"start": "2024-03-01T00:00:00Z"}, type=[{"text": "x"}]),
    resource("Condition", code=coded("http://hl7.org/fhir/sid/icd-10-cm", "I48.91"), onsetDateTime="2020",
             clinicalStatus=coded("x", "active"), abatementPeriod={"end": "2021-01-01"}),
    resource("MedicationRequest", medicationReference={"reference": "#m"}, authoredOn="2024-03-01",
             contained=[{"resourceType": "Medication", "id": "m", "code": coded(RXNORM, "29046")}],
             dosageInstruction=[{"timing": {"repeat": {"boundsPeriod": {"end": "2024-04-01"}}},
                                 "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "mg"}}]}]),
    resource("MedicationAdministration", medicationCodeableConcept={"text": "heparin"},
             effectivePeriod={"start": "2024-03-01T00:00:00Z"}, dosage={"dose": {"value": 1}}),
    resource("AllergyIntolerance", code={"text": "penicillin"}, reaction=[{"substance": coded("x", "y")}]),
    resource("DiagnosticReport", status="final", code={"text": "x"}, issued="2024-03-01T00:00:00Z",
             result=[{"reference": "Observation/r1"}, {"reference": "urn:uuid:1"}]),
    resource("ServiceRequest", status="draft", code={"text": "x"}, occurrenceTiming={"event": ["2024-03-01"]}),
    resource("Procedure", status="entered-in-error", code={"text": "x"}, performedDateTime="2024-03-01"),
    {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": "https://x"}],
     "entry": [{"fullUrl": "urn:uuid:1", "resource": observation(), "search": {"mode": "match"}}]},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]},
)  # fmt: skip


def _nested(depth: int) -> object:
    value: object = 1
    for i in range(depth):
        value = [value] if i % 2 else {"coding": value}
    return value


_JUNK = st.one_of(
    st.sampled_from([
        None, True, False, 0, -1, 1e308, -1e308, math.nan, math.inf, 10**400, "", "1", "\ud800", "\x00", _SECRET, [],
        {}, [[]], [None], [{}], {"coding": "x"}, {"coding": [None, {"code": 1}]}, {"reference": {}}, "Bundle",
        "2024-13-45", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0000", "2024-02-30T25:00:00Z",
        _nested(70),
    ]),
    st.text(max_size=5),
    st.integers(),
    st.floats(),
)  # fmt: skip


def _places(value: object) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, Any]] = []
    for key, inner in pairs:
        found.append((value, key))
        found.extend(_places(inner))
    return found


@st.composite
def _mutated(draw: st.DrawFn, *valid: dict[str, Any]) -> object:
    made = copy.deepcopy(draw(st.sampled_from(valid or _VALID)))
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(_places(made) or [({"x": 1}, "x")]))
        action = draw(st.sampled_from(["replace", "replace", "remove", "wrap", "repeat"]))
        if action == "remove" and isinstance(container, dict):
            container.pop(key, None)
        elif action == "wrap":
            container[key] = [container[key]]
        elif action == "repeat":
            container[key] = [container[key], copy.deepcopy(container[key])]
        else:
            container[key] = copy.deepcopy(draw(_JUNK))  # the samples must not be changed
    return made


def _check(documents: list[object]) -> None:
    found = reading(*documents)
    expected = sum(len(unpack(one, at="")[0]) for one in documents)
    assert sum(one.used + one.unknown + one.dropped for one in found.tally.values()) == expected
    losses = sum(issue.dropped for issue in found.issues)
    assert losses >= sum(one.dropped for one in found.tally.values())
    assert all(math.isfinite(fact.value) for fact in found.facts.measurements)
    assert _SECRET not in repr([(issue.code, issue.field) for issue in found.issues]) + repr(list(found.tally))
    again = Timeline.of([*found.facts, *reading(*documents).facts])
    assert len(again) == len(Timeline.of(found.facts))


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_mutated(), min_size=1, max_size=3))
def test_mutated_resources_are_read_without_an_exception_and_all_accounted_for(documents: list[object]) -> None:
    _check(documents)


def _context() -> Context:
    lexicon = lexicon_of(ONTOLOGY, FewUnits())
    earliest, latest = NOW - timedelta(days=400), NOW
    return Context(
        patient="1", subject="Patient/1", lexicon=lexicon, learned=NOW, earliest=earliest, latest=latest,
        references=References(()), issues=[],
    )  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(_mutated(observation(meta={"versionId": "7"}, encounter={"reference": "urn:uuid:9"}), observation("2160-0")))
def test_the_short_way_of_a_plain_observation_ends_where_the_long_one_does(document: object) -> None:
    short, long = _context(), _context()
    measurement = read_plain(document, short)
    assert not short.issues
    if measurement is not None:
        _, found = read_item(Item(document, ""), version_of(document), long)
        assert (found, long.issues) == ([measurement], [])


def test_an_observation_as_nearly_all_come_is_plain() -> None:
    sent = observation("2160-0", 88.42, "umol/L", category=[coded("x", "laboratory")], issued="2024-03-10T10:00:00Z")
    assert read_plain(sent, _context()) is not None


@settings(max_examples=300, deadline=None)
@given(st.recursive(_JUNK, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
def test_any_json_at_all_is_accounted_for(document: object) -> None:
    _check([document])


@settings(max_examples=300, deadline=None)
@given(st.one_of(_JUNK, st.dictionaries(st.sampled_from(["a", "b", "c"]), _mutated() | _JUNK)))
def test_prefetch_of_any_shape_is_sorted_without_an_exception(prefetch: object) -> None:
    found = resolve(prefetch, {"a": "Patient/1", "b": "Observation?patient=1"})
    assert set(found.states) == {"a", "b"}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=50) | st.text().map(str.encode) | _mutated().map(lambda v: json.dumps(v).encode()))
def test_strict_json_reads_or_refuses_and_does_nothing_else(data: bytes) -> None:
    try:
        value = loads(data)
    except TwinlineError:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def test_nesting_beyond_the_interpreters_stack_is_read_without_an_exception() -> None:
    _check([observation(id=None, note=_nested(5000), code=_nested(5000)), _nested(5000)])


@pytest.mark.parametrize("document", _VALID)
def test_the_unmutated_resources_are_valid(document: dict[str, Any]) -> None:
    found = reading(document)
    assert sum(one.dropped for one in found.tally.values()) == 0
