from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cds_app.domain.dosing import Dosing
from cds_app.domain.facts import Medication
from cds_app.domain.issues import IssueCode
from cds_app.fabric.names import names_of
from tests.unit.fabric.conftest import ONTOLOGY, RXNORM, coded, reading, resource

_LISINOPRIL = {"resourceType": "Medication", "id": "m1", "code": coded(RXNORM, "29046", "Lisinopril 10 mg")}


def _order(**elements: Any) -> dict[str, Any]:
    given = {"status": "active", "intent": "order", "authoredOn": "2024-03-01T08:00:00Z"}
    return resource("MedicationRequest", **given | elements)


def _only(*resources: dict[str, Any]) -> Medication:
    (found,) = reading(*resources).facts.medications
    return found


def test_an_order_is_read_with_its_dose_and_end() -> None:
    found = _only(
        _order(
            medicationCodeableConcept=coded(RXNORM, "29046", "Lisinopril 10 MG Oral Tablet"),
            dosageInstruction=[
                {
                    "timing": {"repeat": {"boundsPeriod": {"end": "2024-04-01T00:00:00Z"}}},
                    "doseAndRate": [{"doseQuantity": {"value": 10, "unit": "mg"}}],
                }
            ],
            dispenseRequest={"validityPeriod": {"end": "2024-03-20T00:00:00Z"}},
        )
    )
    assert found.concepts == ("lisinopril", "raas_inhibitor")
    assert (found.source, found.status, found.intent) == ("request", "active", "order")
    assert (found.dose_value, found.dose_unit) == (10.0, "mg")
    assert found.end == datetime(2024, 4, 1, tzinfo=UTC)
    assert found.dosing == Dosing(end=found.end)


def test_how_it_is_given_is_kept() -> None:
    found = _only(
        _order(
            medicationCodeableConcept=coded(RXNORM, "29046"),
            dosageInstruction=[
                {
                    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                    "route": {"text": "PO"},
                    "doseAndRate": [{"doseQuantity": {"value": 10, "unit": "mg"}}],
                }
            ],
        )
    )
    assert found.dosing == Dosing(route="oral", interval_h=12.0)


def test_epics_stu3_shape_is_read() -> None:
    order = _order(
        category={"coding": [{"code": "inpatient"}]},
        medicationReference={"reference": "https://ehr.example/r4/Medication/m1", "display": "lisinopril"},
        dosageInstruction=[{"doseQuantity": {"value": 5, "code": "mg"}}],
    )
    found = _only(order, _LISINOPRIL)
    assert found.concepts == ("lisinopril", "raas_inhibitor")
    assert (found.dose_value, found.dose_unit, found.text) == (5.0, "mg", "Lisinopril 10 mg")


def test_a_contained_medication_is_found_by_its_ingredients() -> None:
    contained = {
        "resourceType": "Medication",
        "id": "x",
        "ingredient": [{"itemCodeableConcept": coded(RXNORM, "29046")}],
    }
    assert _only(_order(medicationReference={"reference": "#x"}, contained=[3, contained])).concepts[0] == "lisinopril"


@pytest.mark.parametrize(
    "concept",
    [
        {"text": "Zestril", "coding": [{"system": "urn:site", "code": "7", "display": "lisinopril 10 MG Oral Tablet"}]},
        {"coding": [{"system": "urn:site", "code": "7", "display": "TAB 10"}, {"code": "8", "display": "Lisinopril"}]},
    ],
)
def test_a_drug_is_known_by_any_of_its_names(concept: dict[str, Any]) -> None:
    assert _only(_order(medicationCodeableConcept=concept)).concepts == ("lisinopril", "raas_inhibitor")
    contained = {"resourceType": "Medication", "id": "x", "code": concept}
    order = _order(medicationReference={"reference": "#x"}, contained=[contained])
    assert _only(order).concepts == ("lisinopril", "raas_inhibitor")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([{"itemCodeableConcept": {"text": "Vancomycin"}}, {"itemCodeableConcept": {"text": "Heparin"}}], True),
        ([{"itemCodeableConcept": coded(RXNORM, "29046")}, {"itemReference": {"reference": "#s"}}], True),
        ([{"itemReference": {"reference": "Medication/m1"}}], False),
        ([{"itemReference": {"reference": "Substance/gone", "display": "Vancomycin"}}], True),
    ],
)
def test_a_mixture_is_known_by_what_is_in_it(parts: list[dict[str, Any]], text: bool) -> None:
    substance = {"resourceType": "Substance", "id": "s", "code": {"text": "Vancomycin"}}
    mixture = {"resourceType": "Medication", "id": "x", "ingredient": parts}
    order = _order(medicationReference={"reference": "#x"}, contained=[mixture, substance])
    found = _only(order, _LISINOPRIL)
    assert found.concepts[0] in {"vancomycin", "lisinopril"}
    assert ("vancomycin" in found.concepts) is ("Vancomycin" in found.text) is text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, IssueCode.MODIFIER_EXTENSION),
        ({"implicitRules": "urn:x"}, IssueCode.MODIFIER_EXTENSION),
        ({"status": "entered-in-error"}, IssueCode.ENTERED_IN_ERROR),
    ],
)
def test_a_medication_that_must_not_be_used_names_no_drug(change: dict[str, Any], code: IssueCode) -> None:
    order = _order(medicationReference={"reference": "Medication/m1", "display": "a drug"})
    found = reading(order, _LISINOPRIL | change)
    assert [(one.concepts, one.codes, one.text) for one in found.facts.medications] == [((), (), "a drug")]
    assert (code, "MedicationRequest/r1", "medicationReference") in {
        (one.code, one.ref, one.field) for one in found.issues
    }


@pytest.mark.parametrize("inside", [False, True])
def test_a_dosage_that_something_unknown_changes_is_not_used(inside: bool) -> None:
    modified = {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    timing = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
    dosage = {"timing": timing | modified} if inside else {"timing": timing, **modified}
    instruction = {**dosage, "doseAndRate": [{"doseQuantity": {"value": 10, "unit": "mg"}}]}
    found = reading(_order(medicationCodeableConcept=coded(RXNORM, "29046"), dosageInstruction=[instruction]))
    (order,) = found.facts.medications
    assert (order.concepts[0], order.dose_value, order.dosing) == ("lisinopril", None, None)
    assert [(one.code, one.field, one.dropped) for one in found.issues] == [
        (IssueCode.MODIFIER_EXTENSION, "dosage", False)
    ]


def test_a_reference_to_nowhere_leaves_the_display() -> None:
    found = reading(_order(medicationReference={"reference": "Medication/gone", "display": "LISINOPRIL (Zestril)"}))
    assert found.facts.medications[0].concepts == ("lisinopril", "raas_inhibitor")
    assert [(issue.code, issue.dropped) for issue in found.issues] == [(IssueCode.UNRESOLVED_REFERENCE, False)]


def test_a_drug_without_code_and_name_is_dropped() -> None:
    nothings: tuple[dict[str, Any], ...] = ({}, {"medicationReference": {}}, {"medicationCodeableConcept": "x"})
    for nothing in nothings:
        found = reading(_order(**nothing))
        assert (found.tally["MedicationRequest"].dropped, found.issues[-1].code) == (1, IssueCode.NO_CODE)


@pytest.mark.parametrize(
    ("drug", "route", "concepts"),
    [
        ("Vancomycin Oral Liquid", "PO/NG", ("vancomycin",)),
        ("Vancomycin ointment", "TP", ("vancomycin",)),
        ("Vancomycin", "Ophthalmic route", ("vancomycin",)),
        ("Vancomycin", "IV", ("vancomycin", "nephrotoxin")),
        ("Vancomycin", None, ("vancomycin", "nephrotoxin")),
        ("Oral contrast", "PO", ("contrast", "nephrotoxin")),
        ("Vancomycin and contrast", "PO", ("contrast", "nephrotoxin", "vancomycin")),
    ],
)
def test_what_stays_in_the_bowel_does_not_harm_the_kidney(
    drug: str, route: str | None, concepts: tuple[str, ...]
) -> None:
    instruction = [{"route": {"text": route}}] if route else []
    found = _only(_order(medicationCodeableConcept={"text": drug}, dosageInstruction=instruction))
    assert set(found.concepts) == set(concepts)


def test_an_unknown_drug_is_kept_and_counted_as_unknown() -> None:
    found = reading(_order(medicationCodeableConcept={"text": "Flush"}))
    assert found.facts.medications[0].concepts == ()
    assert found.tally["MedicationRequest"].unknown == 1


def test_an_administration_starts_with_its_period() -> None:
    given = resource(
        "MedicationAdministration",
        status="completed",
        medicationCodeableConcept={"text": "Heparin Sodium"},
        effectivePeriod={"start": "2024-03-01T08:00:00Z", "end": "2024-03-01T09:00:00Z"},
        dosage={"dose": {"value": 500, "unit": "units"}},
    )
    found = _only(given)
    assert (found.when.hour, found.end.hour if found.end else None) == (8, 9)
    assert (found.source, found.concepts, found.dose_value) == ("administration", ("heparin",), 500.0)
    assert reading(given | {"effectivePeriod": None}).issues[0].code is IssueCode.NO_TIME


def test_a_statement_is_read() -> None:
    found = _only(resource("MedicationStatement", status="active", medicationCodeableConcept={"text": "lisinopril"}))
    assert found.source == "statement"


@pytest.mark.parametrize("kind", ["MedicationRequest", "ServiceRequest"])
def test_a_prohibition_is_no_order(kind: str) -> None:
    found = reading(resource(kind, doNotPerform=True, code={"text": "x"}, authoredOn="2024-03-01T08:00:00Z"))
    assert len(found.facts) == 0
    assert found.issues[0].field == "doNotPerform"


def test_a_medication_is_used_by_reference_only() -> None:
    found = reading(_LISINOPRIL, {"resourceType": "Medication", "id": "empty"})
    assert len(found.facts) == 0
    assert (found.tally["Medication"].used, found.tally["Medication"].dropped) == (1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lisinopril-HCTZ", ("lisinopril",)),
        ("lisinoprilat", ()),
        ("", ()),
        ("low molecular weight heparin", ("lmwh",)),
        ("HEPARIN SODIUM, penicillin", ("heparin", "penicillin")),
        ("atrial fibrillation", ()),
    ],
)
def test_names_are_whole_words_and_the_longest_wins(text: str, expected: tuple[str, ...]) -> None:
    assert names_of(ONTOLOGY).found_in(text) == expected
