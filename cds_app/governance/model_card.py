"""The model card of a learned risk: what is said of it, and how well it does, from its manifest and training report.

Sections follow the 31 source attributes of a predictive decision support intervention (ONC HTI-1, 45 CFR
170.315(b)(11)(iv)(B)) and add the fields of the CHAI Applied Model Card that these leave out. Their words are content,
``templates/reports/model_card.json``; numbers come from training only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from cds_app.governance.figures import Table, tables

_PLOTS: Mapping[str, str] = {
    "roc.png": "Receiver operating characteristic on test patients",
    "precision_recall.png": "Precision and recall on test patients",
    "calibration.png": "Observed against predicted risk on test patients",
    "decision_curve.png": "Net benefit over thresholds against alerting for all and for nobody",
    "beeswarm.png": "SHAP values of the features that move the estimate most",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One attribute: where it is asked for, its name, and what is said."""

    code: str
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Attributes under one heading."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture beside the manifest, and what it shows."""

    file: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A whole card.

    Parameters
    ----------
    sections : tuple of Section
    tables : tuple of Table
    plots : tuple of Plot
        Only those that the artefact holds.
    """

    name: str
    version: str
    title: str
    sections: tuple[Section, ...]
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]


def model_card(
    words: Mapping[str, Any], manifest: Mapping[str, Any], report: Mapping[str, Any], templates: Environment
) -> ModelCard:
    """Put words and figures together.

    Parameters
    ----------
    words : mapping
        ``templates/reports/model_card.json``; texts are Jinja templates.
    manifest, report : mapping
        ``manifest.json`` and ``training.json`` of the artefact.
    templates : Environment
        Which refuses names that it does not know.
    """
    facts = _facts(manifest, report)
    sections = tuple(
        Section(
            title=section["title"],
            entries=tuple(_entry(one, facts, templates) for one in section["entries"]),
        )
        for section in words["sections"]
    )
    return ModelCard(
        name=manifest["name"],
        version=manifest["version"],
        title=manifest["about"]["title"],
        sections=sections,
        tables=tables(manifest, report),
        plots=tuple(Plot(file=name, alt=alt) for name, alt in _PLOTS.items() if name in manifest["files"]),
    )


def _entry(one: Mapping[str, str], facts: Mapping[str, Any], templates: Environment) -> Entry:
    return Entry(code=one["code"], label=one["label"], text=templates.from_string(one["text"]).render(facts))


def _facts(manifest: Mapping[str, Any], report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": manifest["name"],
        "version": manifest["version"],
        "about": manifest["about"],
        "licence": manifest["licence"],
        "credit": manifest["credit"],
        "seed": manifest["seed"],
        "data_sha256": manifest["data_sha256"],
        "features": len(manifest["features"]),
        "quantities": len(manifest["quantities"]),
        "recipe": report["recipe"],
        "trees": report.get("trees", report["recipe"]["rounds"] * report["recipe"]["trees_per_round"]),
        "method": report["calibration"]["method"].replace("_", " "),
        "served_to": _served_to(manifest["eligibility"], manifest.get("features_of", "hour")),
        "tested": report["tested"],
    }


def _served_to(limits: Mapping[str, Any], features_of: str) -> str:
    counted = "vital signs" if features_of == "hour" else "measurements"
    stay = f"{limits['min_hours_in_unit']:g} to {limits['max_hours_in_unit']:g}"
    fresh = f"{limits['min_fresh_vitals']} {counted} not older than {limits['fresh_vital_h']:g} hours"
    return (
        f" Served to patients of {limits['min_age_years']:g} years or more, {stay} hours after they entered the unit, "
        f"with {fresh}; to all others the answer is that it cannot estimate, with the reason."
    )
