"""A catalogue small enough to read in a test, as an artefact on disk or as a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cds_app.content import Artefact, write_manifest
from cds_app.mitigate.catalogue import Catalogue, CatalogueFile, OptionEntry

HIGH_POTASSIUM = {"quantity": "potassium", "op": ">=", "value": 5.5, "unit": "mmol/L"}
ECG = {
    "type": "ServiceRequest",
    "system": "http://loinc.org",
    "code": "11524-6",
    "display": "EKG study",
    "priority": "stat",
}
CALCIUM = {
    "type": "MedicationRequest",
    "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "code": "1668247",
    "display": "calcium gluconate Injection",
    "priority": "stat",
}


def option(**other: Any) -> dict[str, Any]:
    """An option as it stands in the file."""
    usual = {"id": "ecg", "text": "Consider an ECG.", "strength": "1B", "rank": 1, "evidence": "V"}
    return {**usual, "needs_review": False, **other}


def topic(*options: Mapping[str, Any], **other: Any) -> dict[str, Any]:
    """A topic as it stands in the file."""
    usual: dict[str, Any] = {
        "id": "hyperkalaemia",
        "title": "High potassium",
        "guideline": {"org": "UK Kidney Association", "year": 2023, "section": ""},
        "tiers": [{"tier": 1, "word": "mild", "when": HIGH_POTASSIUM}],
    }
    return {**usual, "options": list(options), **other}


def entry(**other: Any) -> OptionEntry:
    """An option, read."""
    return OptionEntry.model_validate(option(**other))


def catalogue(*topics: Mapping[str, Any]) -> Catalogue:
    """A catalogue, read but not resolved."""
    file = CatalogueFile.model_validate({"topics": list(topics)})
    return Catalogue(topics={one.id: one for one in file.topics}, version="1.0.0", sha256="0" * 64)


def artefact_of(root: Path, topics: Sequence[Mapping[str, Any]], **more: Any) -> Artefact:
    """A catalogue as an artefact on disk."""
    folder = root / "models" / "mitigations" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "catalogue.json").write_text(json.dumps({"topics": list(topics), **more}), encoding="utf-8")
    return write_manifest(folder, {"title": "test"})
