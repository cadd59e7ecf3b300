"""Whatever stands where drafts should: the answer is cards or a refusal that names the field, never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conformance.rules import violations
from tests.mutations import paths, replaced
from tests.orders import drafts, medication, potassium, signing, spironolactone
from tests.patients import call, patient

_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=8)
_KEYS = st.sampled_from(
    """resourceType entry resource fullUrl id status subject reference medicationCodeableConcept medicationReference
    coding code system text contained dosageInstruction doseQuantity value category modifierExtension""".split()  # noqa: SIM905
)
_JSON = st.recursive(
    _SCALARS | st.sampled_from(["Bundle", "MedicationRequest", "Patient/p1", "#m", "spironolactone", "draft"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
_HOOKS = (
    ("order-sign", "draftOrders"),
    ("order-select", "draftOrders"),
    ("medication-refill", "medications"),
    ("problem-list-item-create", "conditions"),
    ("allergyintolerance-create", "allergyIntolerance"),
)


def answered(client: FlaskClient, hook: str, field: str, value: object, **context: object) -> None:
    body = call(patient(), *potassium(5.9), hook=hook)
    body["context"] |= {field: value, **context}
    response = client.post(f"/cds-services/twinline-{hook}", data=json.dumps(body), content_type="application/json")
    assert response.status_code in {200, 400, 413}, (response.status_code, response.text)
    if response.status_code == 200:
        assert violations(response.get_json()) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_JSON, selections=st.none() | _JSON, at=st.integers(0, len(_HOOKS) - 1))
def test_any_json_in_the_place_of_drafts_is_met(
    client: FlaskClient, value: object, selections: object, at: int
) -> None:
    hook, field = _HOOKS[at]
    answered(client, hook, field, value)
    answered(client, hook, field, drafts() | {"entry": [{"resource": value}]}, selections=selections)


_VALID = drafts(
    spironolactone(dosageInstruction=[{"doseAndRate": [{"doseQuantity": {"value": 25, "unit": "mg"}}]}]),
    medication("d2", "", status="draft", medicationReference={"reference": "#m"}, contained=[{"id": "m"}]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(place=("entry", 0, "resource", "status"), value=[])
@given(place=st.sampled_from(paths(_VALID)), value=_JSON)
def test_any_element_of_a_draft_may_be_anything(client: FlaskClient, place: tuple[Any, ...], value: object) -> None:
    answered(client, "order-sign", "draftOrders", replaced(_VALID, place, value))


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\u202e", "x" * 3000])
def test_any_text_may_name_a_drug(client: FlaskClient, text: str) -> None:
    body = json.dumps(signing(spironolactone(), chart=potassium(5.9))).replace("spironolactone 25 mg", text)
    response = client.post("/cds-services/twinline-order-sign", data=body, content_type="application/json")
    assert response.status_code in {200, 400}
