"""The model card of the sepsis model, written from the training report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_CARD = """\
# Sepsis risk, version {version}

## Intended use

Estimates, hour by hour, how likely an adult in intensive care is to meet Sepsis-3 criteria within {horizon:.0f} hours.
It supports the judgement of a clinician who can examine the patient; it does not diagnose, and it does not order
anything. Not for children, pregnancy, outpatients, or wards on which it was not checked locally.

## Population

{population} Served only to patients of {min_age:.0f} years or more who have been in the unit between
{min_hours:.0f} and {max_hours:.0f} hours, with a vital sign in the last {silence:.0f} hours and at least {vitals}
different vital signs in the last {fresh:.0f} hours. Otherwise the answer is "not estimated" with the reason, never a
number.

## Outcome

{outcome} The label is that of the challenge (Sepsis-3: suspected infection and a rise of SOFA by two points), moved
forward by 6 hours. Hours more than 3 hours after onset are not in the data.

## Data and splits

{credit}. Licence of the model: CC BY 4.0, with this credit. Patients were split by a hash of their id into
disjoint sets: 85 of 100 fit, 7.5 calibrate, 7.5 test. The twin (version {twin}), whose view of the patient is part of
the input, was fitted without labels and without these test patients.

{splits}

Trees were grown on fit patients; calibration and threshold come from calibration patients; every figure below from
test patients. SHA-256 of the data: `{data_sha256}`. Seed {seed}.

## How it works

{features} features of {quantities} measurements, {twin_features} of them from the twin (expected level, personal
baseline, deviation from it, surprise of the last value). Gradient-boosted trees ({rounds} of depth {depth}) learn the
decision (would an alert in this hour gain utility, weighted by how much; hours more than 12 before onset count
{early:g} times that). Their margin is calibrated to the probability of the outcome ({method}). The interval shown is
the 90 % bootstrap interval of that calibration, by patient; it does not cover what is not known about the single
patient.

## Figures on test patients

{main}

Calibration: slope {slope:.3f}, intercept {intercept:.3f}, expected calibration error {ece:.4f}.
Utility is the normalised utility of the challenge: 0 is never alerting, 1 the best possible alerts. The service gives a
number in {served:.1f} % of these hours; silent in the others, its utility is {served_utility:.4f}.

Tiers, at or above the limit:

{tiers}

## By group

{groups}

## Compared with

{compared}

The second line leaves out everything that says whether, when or how often something was measured. The difference is
what the model owes to the habits of the staff rather than to physiology: those habits differ between hospitals.

## Limits

- Two hospital systems; performance differs between them, and will elsewhere. Check locally before use.
- Part of the signal is that clinicians already measure more when they are worried.
- One value per measurement and hour in training; where monitors send more, extremes of a window are more extreme.
- No drugs, cultures, notes or comorbidities are looked at. Sedation, pacing and beta blockers are not known.
- Most alerts are false: see the tiers. Figures count hours, and hours of one patient depend on each other.
- Labels stem from orders for antibiotics and cultures, and so from the care that was given.
"""


def model_card(version: str, manifest: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    limits, test = manifest["eligibility"], report["test"]["overall"]
    return _CARD.format(
        version=version,
        horizon=manifest["horizon_h"],
        population=manifest["population"],
        min_age=limits["min_age_years"],
        min_hours=limits["min_hours_in_unit"],
        max_hours=limits["max_hours_in_unit"],
        silence=limits["max_silence_h"],
        vitals=limits["min_fresh_vitals"],
        fresh=limits["fresh_vital_h"],
        outcome=manifest["outcome"],
        credit=manifest["credit"],
        splits=_splits(report["data"]),
        data_sha256=manifest["data_sha256"],
        seed=manifest["seed"],
        features=len(manifest["features"]),
        quantities=len(manifest["quantities"]),
        twin_features=sum(one["aspect"] == "twin" for one in manifest["features"]),
        twin=manifest["twin"]["version"],
        rounds=report["recipe"]["rounds"] * report["recipe"]["trees_per_round"],
        depth=report["recipe"]["depth"],
        early=report["recipe"]["early"],
        method=report["calibration"]["method"].replace("_", " "),
        main=_table(("", *_HEADS), [("test patients", *_figures(test))]),
        slope=test["calibration"]["slope"],
        intercept=test["calibration"]["intercept"],
        ece=test["calibration"]["ece"],
        served=100 * report["test"]["as_served"]["rows"],
        served_utility=report["test"]["as_served"]["utility"],
        tiers=_tiers(manifest["tiers"]),
        groups=_groups(report["test"]),
        compared=_compared(report),
    )


_HEADS = ("patients", "septic", "AUROC", "AUPRC", "utility", "slope", "ECE")


def _figures(found: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (str(found["patients"]), str(found["septic_patients"]))
    if "auroc" not in found:
        return (*counts, "too few", "", "", "", "")
    fit = found["calibration"]
    plain = (found["auroc"], found["auprc"], found["utility"])
    return (*counts, *(f"{value:.4f}" for value in plain), f"{fit['slope']:.2f}", f"{fit['ece']:.4f}")


def _groups(test: Mapping[str, Any]) -> str:
    rows = [
        (name, *_figures(found))
        for kind in ("by_sex", "by_age", "by_site")
        for name, found in test.get(kind, {}).items()
    ]
    return _table(("group", *_HEADS), rows)


def _splits(data: Mapping[str, Any]) -> str:
    parts = [(name, data[name]) for name in ("fit", "calibrate", "test")]
    rows = [(name, str(one["patients"]), str(one["septic_patients"]), str(one["rows"])) for name, one in parts]
    return _table(("part", "patients", "septic", "hours"), rows)


def _tiers(tiers: list[Mapping[str, Any]]) -> str:
    rows = [
        (
            one["name"],
            f"{100 * one['lowest']:.1f} %",
            f"{100 * one['ppv']:.1f} %",
            f"{100 * one['sensitivity']:.1f} %",
            str(one["of_100"]),
        )
        for one in tiers
    ]
    heads = ("tier", "from", "hours that were right", "hours found", "of 100 patients alerted, had sepsis in the stay")
    return _table(heads, rows)


def _compared(report: Mapping[str, Any]) -> str:
    lines = (
        ("this model", report["test"]["overall"]),
        ("without count and age features", report["test_without_count_and_age_features"]),
        ("logistic regression on last values", report["test_baseline"]),
    )
    rows = [(name, *(f"{one[key]:.4f}" for key in ("auroc", "auprc", "utility"))) for name, one in lines]
    return _table(("model", "AUROC", "AUPRC", "utility"), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
