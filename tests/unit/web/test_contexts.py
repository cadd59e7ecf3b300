"""The context of each hook is checked for what could not be answered without."""

from __future__ import annotations

from typing import Any

import pytest

from cds_app.errors import BadRequest
from cds_app.web.contexts import read_context

WHO = {"userId": "Practitioner/1", "patientId": "1"}
BUNDLE = {"resourceType": "Bundle"}


@pytest.mark.parametrize(
    ("hook", "context"),
    [
        ("patient-view", WHO),
        ("order-sign", {**WHO, "draftOrders": BUNDLE}),
        ("order-select", {**WHO, "draftOrders": BUNDLE, "selections": ["MedicationRequest/1"]}),
        ("order-dispatch", {"patientId": "1", "dispatchedOrders": ["ServiceRequest/1"], "performer": "Organization/1"}),
        ("order-dispatch", {"patientId": "1", "order": "ServiceRequest/1", "performer": "Organization/1"}),
        ("appointment-book", {**WHO, "appointments": BUNDLE}),
        ("encounter-discharge", {**WHO, "encounterId": "7"}),
        ("medication-refill", {"patientId": "1", "medications": BUNDLE}),
        ("allergyintolerance-create", {**WHO, "allergyIntolerance": {"resource": {}}}),
        ("problem-list-item-create", {**WHO, "conditions": BUNDLE}),
    ],
)
def test_a_context_as_published_is_read(hook: str, context: dict[str, Any]) -> None:
    who = read_context(context, hook)
    assert (who.patient, who.user) == ("1", context.get("userId", ""))


@pytest.mark.parametrize(
    ("hook", "context", "field"),
    [
        ("order-sign", WHO, "draftOrders"),
        ("order-sign", {**WHO, "draftOrders": []}, "draftOrders"),
        ("order-sign", {"patientId": "1", "draftOrders": BUNDLE}, "userId"),
        ("order-select", {**WHO, "draftOrders": BUNDLE, "selections": "x"}, "selections"),
        ("order-select", {**WHO, "draftOrders": BUNDLE, "selections": [7]}, "selections"),
        ("order-dispatch", {"patientId": "1", "performer": "Organization/1"}, "dispatchedOrders"),
        ("order-dispatch", {"patientId": "1", "order": "x"}, "performer"),
        ("order-dispatch", {"patientId": "1", "order": 7, "performer": "x"}, "order"),
        ("encounter-discharge", WHO, "encounterId"),
        ("medication-refill", {"patientId": "1", "userId": "Robot/1", "medications": BUNDLE}, "userId"),
        ("medication-refill", {"medications": BUNDLE}, "patientId"),
        ("allergyintolerance-create", WHO, "allergyIntolerance"),
    ],
)
def test_what_is_missing_or_wrong_is_named(hook: str, context: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_context(context, hook)
    assert caught.value.field == f"context.{field}"
