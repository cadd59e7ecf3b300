"""Valid FHIR resources, and what can be done to them: things removed, repeated, wrapped, and replaced by junk."""

from __future__ import annotations

import copy
import math
from typing import Any

from hypothesis import strategies as st

from tests.unit.fabric.conftest import LOINC, RXNORM, coded, observation, pressure, resource

SECRET = "ZQXcanary"
_REFERENCE = {"reference": "Patient/1", "display": "x"}
VALID: tuple[dict[str, Any], ...] = (
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
    resource("Encounter", status="finished", period={"start": "2024-03-01T00:00:00Z"}, type=[{"text": "x"}],
             location=[{"location": {"display": "x"}, "status": "active", "period": {"start": "2024-03-01T00:00:00Z"}}],
             **{"class": {"code": "IMP"}}),
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


def nested(depth: int) -> object:
    value: object = 1
    for i in range(depth):
        value = [value] if i % 2 else {"coding": value}
    return value


JUNK = st.one_of(
    st.sampled_from([
        None, True, False, 0, -1, 1e308, -1e308, math.nan, math.inf, 10**400, "", "1", "\ud800", "\x00", SECRET, [],
        {}, [[]], [None], [{}], {"coding": "x"}, {"coding": [None, {"code": 1}]}, {"reference": {}}, "Bundle",
        "2024-13-45", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0000", "2024-02-30T25:00:00Z",
        nested(70),
    ]),
    st.text(max_size=5),
    st.integers(),
    st.floats(),
)  # fmt: skip


def paths(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to everything in a JSON value, () to itself."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, inner in pairs for deeper in paths(inner, (*path, key)))]


def replaced(whole: object, path: tuple[Any, ...], value: object) -> Any:
    """A copy with something else in one place."""
    if not path:
        return value
    made: Any = copy.deepcopy(whole)
    inside = made
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return made


def _places(value: object) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, Any]] = []
    for key, inner in pairs:
        found.append((value, key))
        found.extend(_places(inner))
    return found


@st.composite
def mutated(draw: st.DrawFn, *valid: dict[str, Any]) -> object:
    """One of the resources, one to four times spoiled."""
    made = copy.deepcopy(draw(st.sampled_from(valid or VALID)))
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
            container[key] = copy.deepcopy(draw(JUNK))  # the samples must not be changed
    return made
