"""The model card of a learned risk, written from the training report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cds_app.learn.head import Head

_CARD = """\
# {title}, version {version}

## Intended use

{intended_use}
It supports the judgement of a clinician who can examine the patient; it does not diagnose, and it does not order
anything. Not for children, pregnancy, outpatients, or wards on which it was not checked locally.

## Population

{population} Served only to patients of {min_age:.0f} years or more who have been in the unit between
{min_hours:.0f} and {max_hours:.0f} hours, with a vital sign in the last {silence:.0f} hours and at least {vitals}
different vital signs in the last {fresh:.0f} hours. Otherwise the answer is "not estimated" with the reason, never a
number.

## Outcome

{outcome} {label}

## Data and splits

{credit}. Licence of the model: CC BY 4.0, with this credit. Patients were split by a hash of their id into
disjoint sets: {fit:.0f} of 100 fit, {calibrate:.0f} calibrate, {test:.0f} test. The twin (version {twin}), whose view
of the patient is part of the input, was fitted without labels and without these test patients.

{splits}

Trees were grown on fit patients; calibration and threshold come from calibration patients; every figure below from
test patients. SHA-256 of the data: `{data_sha256}`. Seed {seed}.

## How it works

{features} features of {quantities} measurements, {twin_features} of them from the twin (expected level, personal
baseline, deviation from it, surprise of the last value). Gradient-boosted trees ({rounds} of depth {depth}) learn
{learned}. Their margin is calibrated to the probability of the outcome ({method}). The interval shown is
the 90 % bootstrap interval of that calibration, by patient; it does not cover what is not known about the single
patient.

## Figures on test patients

{main}

Calibration: slope {slope:.3f}, intercept {intercept:.3f}, expected calibration error {ece:.4f}.
{merit}The service gives a number in {served:.1f} % of these hours{served_merit}.

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
- Many alerts are false: see the tiers. Figures count hours, and hours of one patient depend on each other.
{limits}
"""


def model_card(head: Head, version: str, manifest: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    limits, test = manifest["eligibility"], report["test"]["overall"]
    return _CARD.format(
        title=head.words.title,
        version=version,
        intended_use=head.words.intended_use,
        label=head.words.label,
        limits="\n".join(f"- {one}" for one in head.words.limits),
        population=manifest["population"],
        min_age=limits["min_age_years"],
        min_hours=limits["min_hours_in_unit"],
        max_hours=limits["max_hours_in_unit"],
        silence=limits["max_silence_h"],
        vitals=limits["min_fresh_vitals"],
        fresh=limits["fresh_vital_h"],
        outcome=manifest["outcome"],
        credit=manifest["credit"],
        fit=100 * head.cuts[0],
        calibrate=100 * (head.cuts[1] - head.cuts[0]),
        test=100 * (1 - head.cuts[1]),
        splits=_splits(report["data"]),
        data_sha256=manifest["data_sha256"],
        seed=manifest["seed"],
        features=len(manifest["features"]),
        quantities=len(manifest["quantities"]),
        twin_features=sum(one["aspect"] == "twin" for one in manifest["features"]),
        twin=manifest["twin"]["version"],
        rounds=report["recipe"]["rounds"] * report["recipe"]["trees_per_round"],
        depth=report["recipe"]["depth"],
        method=report["calibration"]["method"].replace("_", " "),
        main=_table(("", *_heads(test)), [("test patients", *_figures(test))]),
        slope=test["calibration"]["slope"],
        intercept=test["calibration"]["intercept"],
        ece=test["calibration"]["ece"],
        learned=head.words.learned,
        merit=f"{head.words.merit} " if head.words.merit else "",
        served=100 * report["test"]["as_served"]["rows"],
        served_merit=_served_merit(report["test"]["as_served"]),
        tiers=_tiers(manifest["tiers"]),
        groups=_groups(report["test"]),
        compared=_compared(report),
    )


_MERITS = {"auroc": "AUROC", "auprc": "AUPRC", "utility": "utility"}  # the last one where a head has it


def _heads(found: Mapping[str, Any]) -> tuple[str, ...]:
    return ("patients", "with outcome", *(text for key, text in _MERITS.items() if key in found), "slope", "ECE")


def _figures(found: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (str(found["patients"]), str(found["patients_with_outcome"]))
    if "auroc" not in found:
        return (*counts, "too few")
    fit = found["calibration"]
    plain = (f"{found[key]:.4f}" for key in _MERITS if key in found)
    return (*counts, *plain, f"{fit['slope']:.2f}", f"{fit['ece']:.4f}")


def _served_merit(served: Mapping[str, Any]) -> str:
    return f"; silent in the others, its utility is {served['utility']:.4f}" if "utility" in served else ""


def _groups(test: Mapping[str, Any]) -> str:
    rows = [
        (name, *_figures(found))
        for kind in ("by_sex", "by_age", "by_site")
        for name, found in test.get(kind, {}).items()
    ]
    return _table(("group", *_heads(test["overall"])), rows)


def _splits(data: Mapping[str, Any]) -> str:
    parts = [(name, data[name]) for name in ("fit", "calibrate", "test")]
    rows = [(name, str(one["patients"]), str(one["patients_with_outcome"]), str(one["rows"])) for name, one in parts]
    return _table(("part", "patients", "with outcome", "hours"), rows)


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
    heads = (
        "tier",
        "from",
        "hours that were right",
        "hours found",
        "of 100 patients alerted, had the outcome in the stay",
    )
    return _table(heads, rows)


def _compared(report: Mapping[str, Any]) -> str:
    lines = (
        ("this model", report["test"]["overall"]),
        ("without count and age features", report["test_without_count_and_age_features"]),
        ("logistic regression on last values", report["test_baseline"]),
    )
    known = {key: text for key, text in _MERITS.items() if key in report["test"]["overall"]}
    rows = [(name, *(f"{one[key]:.4f}" for key in known)) for name, one in lines]
    return _table(("model", *known.values()), rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows may be shorter than the heads."""
    filled = [(*row, *[""] * (len(heads) - len(row))) for row in rows]
    lines = [heads, ["---"] * len(heads), *filled]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
