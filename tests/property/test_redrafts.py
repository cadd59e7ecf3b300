"""Whatever stands in a draft, the one that is to replace it is a valid FHIR R4 MedicationRequest, or there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from fhir.resources.R4B.medicationrequest import MedicationRequest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cds_app.cards.redrafts import redrafted, regular
from cds_app.domain.proposed import Proposed, proposed_of, proposed_text
from cds_app.fabric.drafts.redrafting import written_of
from cds_app.fabric.references import Item, References
from cds_app.mitigate.doses import Dosed
from cds_app.simulate.plans import Regimen
from tests.conformance.rules import violations
from tests.doses import drafted
from tests.mutations import paths, replaced

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_FULL = drafted(
    500,
    12,
    category=[{"coding": [{"system": "urn:x", "code": "inpatient", "display": "Inpatient"}]}],
    priority="urgent",
    reasonCode=[{"text": "sepsis"}],
    reasonReference=[{"reference": "Condition/1"}],
    encounter={"reference": "Encounter/1"},
    requester={"reference": "Practitioner/1", "display": "Dr"},
    medicationReference={"reference": "Medication/m"},
    contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "vancomycin"}}],
)
_FULL["dosageInstruction"][0]["timing"]["repeat"] |= {"boundsDuration": {"value": 7, "unit": "d"}}
_FULL["dosageInstruction"].append(
    {"timing": {"repeat": {"boundsPeriod": {"start": "2026-03-01", "end": "2026-03-08"}}}}
)
_SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=8)
_JSON = st.recursive(
    _SCALARS
    | st.sampled_from(["#m", "urn:uuid:7", "Patient/1", "2026-02-30", "2026-03-01T00:00:00Z", "d", " ", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["coding", "code", "system", "text", "reference", "repeat", "start", "value", "boundsPeriod"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(paths(_FULL)[1:]), value=_JSON, says_length=st.booleans())
@example(place=("medicationCodeableConcept", "text"), value=" ", says_length=False)
def test_any_element_of_a_draft_may_be_anything(place: tuple[Any, ...], value: object, says_length: bool) -> None:
    draft = replaced(_FULL, place, value)
    written = written_of(draft, References([Item(draft, "")]), UTC)
    if not written.resource:
        return
    again = proposed_of(proposed_text(Proposed(written={"MedicationRequest/1": written}))).written[
        "MedicationRequest/1"
    ]
    assert again == written
    dosed = cast(Dosed, SimpleNamespace(says_length=says_length))
    dosage = regular(dosed, Regimen(name="x", amount_mg=1250.0, interval_h=8.0, over_h=1.25))
    made = redrafted(again, dosage, "p1", _NOW)
    MedicationRequest.model_validate(made)
    assert not [one for one in violations({"cards": [made]}) if one.endswith("null or empty")]
    assert made["dosageInstruction"][0]["timing"]["repeat"]["period"] == 8.0
