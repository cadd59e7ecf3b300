"""The model card of the dose of warfarin: what it is, how well it does, what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cds_app.governance.figures import percent

_CARD: Final = """\
# Stable weekly dose of warfarin, version {version}

**What it is.** An estimate of the weekly dose of warfarin, in mg, at which the INR will be stable, with a 90 %
interval. The mean of two models of the square root of the dose: a linear one (Huber's loss, {terms} terms, interactions
of VKORC1 with body, race and drugs among them) and {rounds} boosted trees of depth {depth}. It lies near the middle of
what such people need, so that the few who need far more pull it up less than a mean would. No generated text.

**Status.** Research release. Not a cleared medical device in any jurisdiction, not reviewed by a clinician. Funding
from outside: none.

**Data and licence.** {credit}. SHA-256 of the file: `{sha256}`. {subjects} subjects, of whom {people} with a stable
dose were learned from. The licence of the data, {licence}, asks that what is derived from them is credited and shared
alike: these model files are under {licence} with this credit, the code is not. Seed {seed}; `twinline train
warfarin-dose` makes the same model from the same file.

**Population.** {inclusion}

**Input.** {input} VKORC1 is read from -1639 G>A, or from a linked position where that was not typed (1173 C>T; 2255 C>T
and 1542 G>C only where the race is known and not Black). A missing genotype is never read as the reference one. The INR
on the stable dose, and whether it was reached, are known only afterwards and are not looked at; nor are the subject's
number and the order of the file.

## How well it does

On {tested}. Mean of the repeats; in brackets the standard deviation between repeats. Settings were chosen by the same
kind of cross-validation on the same people, with other folds: the figures are a little too good for that.

| estimate | mean absolute error, mg/week | within 20 % of the dose needed | bias, mg/week | 90 % interval covers |
|---|---|---|---|---|
{comparison}

The published algorithms come from the same consortium; some of these people are among those they were fitted to.

## By group

| group | | people | mean absolute error | within 20 % | bias | 90 % covers | mean width |
|---|---|---|---|---|---|---|---|
{groups}

## Where a genotype is not known

Of everybody, with the genotype hidden from the model. Intervals of people whose genes are not typed are widened until
they held for those few who really were not typed, who are harder to estimate than people with a hidden genotype.

| typed | mean absolute error | within 20 % | 90 % covers | mean width |
|---|---|---|---|---|
{hidden}

## Intervals

Cross-conformal: the 5th and 95th of 100 errors of people in other folds, in units of an expected error that depends on
the estimate and the genotype; for each set of typed genes on its own. Coverage is measured on people of a fold with
errors of the other folds. It holds on average over people like these and is not promised for one person or a group.

## Use, and what it is not for

- Informs the choice of a maintenance dose by somebody who can examine the patient. It orders nothing and is no loading
  dose: the INR decides.
- Not for pregnancy and not for children: who is in the band 10 to 19 years is estimated, for it holds adults of 18 and
  19, but was hardly ever seen. For anybody younger than {youngest}, outside of {height} cm or of {weight} kg it
  abstains and says why. A file that cannot be read is refused with the column and the row.
- Not for another anticoagulant, and not after a drug that interacts was started or stopped until the INR has settled.

## Limits

- Diet (vitamin K), adherence, laboratory values, CYP4F2 and the clinic's own habits are not in the data.
- Whether something was recorded differs between sites, and the model sees that it was not. Part of its gain comes from
  that and may not carry over to another site. With every question answered alike (what is not recorded is a no; height
  and weight filled in; linked positions hidden) the same models reach {open_error:.2f} mg/week and {open_near}.
- Race is an input, as in the published algorithms: it stands in for alleles that were not typed (CYP2C9*5, *6, *8, *11,
  rs12777823) and for habits of sites. Errors are largest for Black people, whose doses are higher and who are few here.
- Free texts of medicines and conditions are read by words of this data set.
- External validation: {external}

## Maintenance

Before it is used, known answers for invented people are asked for and compared. A site measures with `twinline evaluate
warfarin-dose` on its own patients before use and every 6 months, by genotype and race, and stops using the estimate
where the mean absolute error is not below that of the published algorithm. A change is a new version with its own card.
"""
_TITLES: Final[Mapping[str, str]] = {
    "fixed_35": "35 mg for everybody",
    "iwpc_pharmacogenetic": "IWPC pharmacogenetic algorithm",
    "iwpc_clinical": "IWPC clinical algorithm (no genotype)",
}
_KINDS: Final[Mapping[str, str]] = {"vkorc1": "VKORC1 -1639", "cyp2c9": "CYP2C9", "race": "Race"}
_TYPED: Final[Mapping[str, str]] = {
    "cyp2c9_only": "CYP2C9 only",
    "vkorc1_only": "VKORC1 only",
    "neither": "neither",
}


def dose_card(manifest: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Parameters
    ----------
    manifest, report : mapping
        ``manifest.json`` and ``training.json`` of the artefact.
    """
    about, limits = manifest["about"], manifest["limits"]
    return _CARD.format(
        version=manifest["version"],
        terms=report["terms"],
        rounds=report["recipe"]["rounds"],
        depth=report["recipe"]["depth"],
        credit=manifest["credit"],
        licence=manifest["licence"],
        sha256=manifest["data_sha256"],
        seed=manifest["seed"],
        subjects=report["data"]["subjects"],
        people=report["data"]["people"],
        inclusion=about["inclusion"],
        input=about["input"],
        external=about["external"],
        tested=report["tested"],
        open_error=report["as_if_answered"]["mae_mg_per_week"],
        open_near=f"{percent(report['as_if_answered']['within_20_percent'])} within 20 %",
        youngest=f"{10 * limits['min_age_decade']} years",
        height=_between(limits["height_cm"]),
        weight=_between(limits["weight_kg"]),
        comparison="\n".join([_ours(report["figures"]), *_others(report["comparators"])]),
        groups="\n".join(_groups(report["groups"])),
        hidden="\n".join(_hidden(report["hidden"])),
    )


def _between(ends: list[float]) -> str:
    return f"{ends[0]:g} to {ends[1]:g}"


def _ours(figures: Mapping[str, Mapping[str, float]]) -> str:
    error, near, bias, covered = (
        figures[name] for name in ("mae_mg_per_week", "within_20_percent", "bias_mg_per_week", "covered_90")
    )
    return (
        f"| this model | {error['mean']:.2f} ({error['sd_of_repeats']:.2f}) "
        f"| {percent(near['mean'])} ({100.0 * near['sd_of_repeats']:.1f}) | {bias['mean']:.2f} "
        f"| {percent(covered['mean'])} |"
    )


def _others(comparators: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [
        f"| {_TITLES[name]} | {one['mae_mg_per_week']:.2f} | {percent(one['within_20_percent'])} "
        f"| {one['bias_mg_per_week']:.2f} | |"
        for name, one in comparators.items()
    ]


def _groups(groups: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    return [
        f"| {_KINDS[kind]} | {name} | {one['people']:.0f} | {one['mae_mg_per_week']:.2f} "
        f"| {percent(one['within_20_percent'])} | {one['bias_mg_per_week']:.2f} | {percent(one['covered_90'])} "
        f"| {one['width_mg_per_week']:.1f} |"
        for kind, members in groups.items()
        for name, one in members.items()
    ]


def _hidden(hidden: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [
        f"| {_TYPED[typed]} | {one['mae_mg_per_week']:.2f} | {percent(one['within_20_percent'])} "
        f"| {percent(one['covered_90'])} | {one['width_mg_per_week']:.1f} |"
        for typed, one in hidden.items()
    ]
