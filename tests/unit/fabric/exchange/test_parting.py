from __future__ import annotations

from typing import Any

from cds_app.fabric.exchange.parting import by_patient
from cds_app.fabric.references import Item


def parted(*resources: Any, urls: tuple[str, ...] = ()) -> dict[str, Any]:
    items = [Item(one, f"[{i}]", urls[i] if i < len(urls) else "") for i, one in enumerate(resources)]
    found = by_patient(items)
    named = {who: [item.at for item in own] for who, own in found.patients.items()}
    return named | {"shared": [one.at for one in found.shared], "strays": [one.at for one in found.strays]}


def about(reference: object, kind: str = "Observation", field: str = "subject") -> dict[str, Any]:
    return {"resourceType": kind, field: {"reference": reference}}


def test_every_way_of_naming_a_patient_leads_to_them() -> None:
    found = parted(
        {"resourceType": "Patient", "id": "p"},
        about("Patient/p"),
        about("https://ehr.example/fhir/Patient/p/_history/2"),
        about("Patient/q", "AllergyIntolerance", "patient"),
        about("urn:uuid:one"),
        {"resourceType": "Patient", "id": "r"},
        urls=("", "", "", "", "", "urn:uuid:one"),
    )
    assert found == {"p": ["[0]", "[1]", "[2]"], "q": ["[3]"], "r": ["[4]", "[5]"], "shared": [], "strays": []}


def test_what_names_nobody_is_shared_and_what_names_no_patient_strays() -> None:
    found = parted({"resourceType": "Medication", "id": "m"}, 7, about("Group/g"), about("#x"), about(None), about(5))
    assert found == {"shared": ["[0]", "[1]"], "strays": ["[2]", "[3]", "[4]", "[5]"]}


def test_a_uuid_without_its_resource_is_the_patients_id() -> None:
    assert parted(about("urn:uuid:7c1a"))["7c1a"] == ["[0]"]
