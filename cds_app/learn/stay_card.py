"""The model card of a risk that is asked of whole stays, written from the training report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """\
# Death in hospital, version {version}

## Intended use

Estimates, once, how likely an adult is to die before discharge, from the first 48 hours in intensive care. The answer
is a baseline: it is the same whenever it is asked for later, and it says nothing of what happened since. It is context
beside other advice (comparing patients and units, talking about the expected course). **It never raises a card or an
alarm**, it is no reason to limit care, and it must not decide who is treated.

## Population

{population} Served only to patients of {min_age:.0f} years or more who have been in the unit for {min_hours:.0f} to
{max_hours:.0f} hours, with at least {least} different measurements in the first 48. Otherwise the answer is "not
estimated" with the reason, never a number.

## Outcome

{outcome} In growing the trees, a death soon after discharge counts in part ({later}):
those patients were as ill. Calibration, threshold and all figures count deaths in hospital only.

## Data

{credit}. Licence of the model: ODC-BY 1.0, with this credit. {asked} stays of {stays} could be asked about, {died}
ended in death in hospital. SHA-256 of the data `{data_sha256}`, of the outcomes `{outcomes_sha256}`. Seed {seed}.

**No disjoint calibration set.** Stays are few, so that the trees that are shipped were grown on all of them.
Calibration and threshold come from {folds}-fold cross-validation, {repeats} times: from what trees said of stays that
they had not seen. Every figure below comes from the same folds, each fold calibrated, and its threshold chosen, on the
others: fit, calibration and test stays are disjoint within it. Set c of the challenge was not looked at.

## How it works

{features} features of {quantities} measurements: first, last, extremes, means and spread of the stay, of each day and
of the last hours, and signs computed from several. What is missing stays missing; nothing is imputed. When and how
often one measured is not looked at: it is habit, and in cross-validation it added nothing. Gradient-boosted trees
({rounds} of depth {depth}); the margin is calibrated to a probability ({method}). The interval shown is the 90 %
bootstrap interval of that calibration.

## Figures of cross-validation

{main}

The threshold {threshold:.4f} makes as many alerts as there are deaths, so that sensitivity and precision are equal. It
is reported for comparison with the challenge and is not served as an alarm.

For comparison: the severity signs (parts of SAPS II) alone reach an AUROC of {signs:.4f}.

## Limits

- One hospital, 2001 to 2008; mortality has fallen since, so that a local recalibration comes before any use.
- Deaths follow decisions to limit care, which are not in the data: the estimate predicts those decisions too.
- Whether something was measured at all is still seen; habits differ between hospitals.
- No diagnoses, drugs or wishes of the patient are looked at. Pregnancy was not recorded.
- The chart must hold the first 48 hours; what the record system did not send counts as not measured.
- Calibration differs a little by sex and age: the table says how much. Estimates of women run high, of men low.
- Sex and age are used as inputs; see the groups above.
"""


def stay_card(version: str, manifest: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    limits, data = manifest["eligibility"], report["data"]
    return _CARD.format(
        version=version,
        population=manifest["population"],
        min_age=limits["min_age_years"],
        min_hours=limits["min_hours_in_unit"],
        max_hours=limits["max_hours_in_unit"],
        least=limits["min_fresh_vitals"],
        outcome=manifest["outcome"],
        later=", ".join(f"{part:g} up to {days:.0f} days" for days, part in report["later_deaths"]),
        credit=manifest["credit"],
        **{name: data[name] for name in ("asked", "stays", "died", "outcomes_sha256")},
        data_sha256=data["sha256"],
        seed=report["seed"],
        folds=report["split"]["folds"],
        repeats=report["split"]["repeats"],
        features=len(manifest["features"]),
        quantities=len(manifest["quantities"]),
        rounds=report["recipe"]["rounds"] * report["recipe"]["trees_per_round"],
        depth=report["recipe"]["depth"],
        method=report["calibration"]["method"].replace("_", " "),
        main=_table(report["test"], report["split"]["repeats"]),
        threshold=report["threshold"],
        signs=report["test_of_severity_signs"]["auroc"],
    )


_HEADS = ("group", "stays", "died", "AUROC", "AUPRC", "sensitivity", "precision", "slope", "intercept", "ECE")


def _table(test: Mapping[str, Any], repeats: int) -> str:
    found = [("all", test["overall"])]
    found += [pair for kind in ("by_sex", "by_age") for pair in test.get(kind, {}).items()]
    rows = [(name, *(str(one[key] // repeats) for key in ("stays", "died")), *_figures(one)) for name, one in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in (_HEADS, ["---"] * len(_HEADS), *rows))


def _figures(one: Mapping[str, Any]) -> tuple[str, ...]:
    if "auroc" not in one:
        return ("too few", *[""] * 6)
    fit = one["calibration"]
    plain = (one[key] for key in ("auroc", "auprc", "sensitivity", "precision"))
    line = (fit[key] for key in ("slope", "intercept", "ece"))
    return (*(f"{value:.4f}" for value in plain), *(f"{value:.3f}" for value in line))
