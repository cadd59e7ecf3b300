"""The model card of imputation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_app.governance.figures import percent

_CARD = """\
# Imputation

**What it is.** What a variable most likely was in an hour when nobody measured it, in windows of 48 hours. Two products
that are never mixed: *causal* looks at the past only (what a bedside can use), *retrospective* at all of the window
(records and training). Candidates are the last value, the straight line, the twin's own filter and smoother, a Gaussian
of simultaneous surprises fitted by expectation-maximisation, a joint smoother of all variables, and three corrections
of the joint smoother: boosted trees, one small ensemble for each variable, and two networks, a variational autoencoder
and a generative adversarial network, that start at zero. Per variable a non-negative blend was chosen on masked
patients; where it errs no less than the last value or the line on patients who did not choose it, it steps aside for
them. 90 % intervals are conformal, by variable and by hours to the nearest measurement, calibrated on single cells
and on blocks of 6 hours alike.

**Data.** {credit}. SHA-256 of the file `{data_sha256}`. Stays of set a: {fit} to fit, {select} to choose the
blend, {calibrate} to calibrate, disjoint by a hash of the stay's number; {tested} stays of set b to test. Seed {seed}.

**Population.** {population}

**What it is for.** Continuity of the twin, drawn and labelled as imputed: its picture, where a simulation starts, what
a model of a drug asks of the patient; and what a next test would tell. An imputed value is never stored as a fact and
never read by a risk: those handle missing values themselves.

## Stays of set b

Mean absolute error in standard deviations; its ratio to the last value (causal) and to the straight line
(retrospective) with a 95 % interval by patient; how many of the hidden values the 90 % interval covers.

{overall}

## Candidates

Ratio of each candidate alone, and the mean weight that it has in the blend.

{candidates}

## By variable

Ratio and coverage; points, then blocks.

{variables}

## For whom

{groups}

## Missing not at random

Cells were hidden by chance. What nobody measured in real care may differ: a value is often not measured because it is
expected to be usual. Below, hidden cells count by odds that double (or halve) with each standard deviation from the
mean, and the truth is moved by a part of a standard deviation.

{sensitivity}

## Limits

- One hospital, adults in intensive care, 2001 to 2008, the first 48 hours. Elsewhere the habits of measuring differ.
- MechVent is in the data only where it is 1, so nothing was learned of it and no figure counts it. In a completed file
  it is taken to last 10 hours after each mark (retrospective: before it too) and to be 0 elsewhere, with an interval
  from 0 to 1. Nothing else uses it.
- Where the truth lies half a standard deviation off what would have been measured, the intervals do not hold (above).
- Coverage holds on average over patients and hours like these; not for one patient.
- Treatment is not seen: an imputed value is what such patients had, under the care that they got.
"""


def card(facts: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    masks = report["masks"]
    return _CARD.format(
        **{name: facts[name] for name in ("credit", "data_sha256", "seed", "population")},
        **facts["split"]["patients"],
        tested=report["patients"],
        overall=_overall(masks),
        candidates=_candidates(masks),
        variables=_variables(masks),
        groups=_groups(masks),
        sensitivity=_sensitivity(masks),
    )


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(one) for one in line) + " |" for line in lines)


def _overall(masks: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for product in ("causal", "retrospective"):
        for mask, both in masks.items():
            one = both[product]
            low, high = one["ratio_interval"]
            cells = (product, mask, one["cells"], one["mae"], one["compared_mae"], f"{one['ratio']} ({low} to {high})")
            rows.append((*cells, percent(one["coverage"]), one["width_sd"]))
    return _table(("product", "mask", "cells", "MAE", "compared", "ratio", "90 % covers", "width, SD"), rows)


def _candidates(masks: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for product in ("causal", "retrospective"):
        first = next(iter(masks.values()))[product]
        for name in first["candidates"]:
            ratios = [both[product]["candidates"][name]["ratio"] for both in masks.values()]
            weights = [one["weights"].get(name, 0.0) for one in first["variables"].values()]
            rows.append((product, name, *ratios, round(sum(weights) / len(weights), 3)))
    return _table(("product", "candidate", *masks, "mean weight"), rows)


def _variables(masks: Mapping[str, Any]) -> str:
    products = ("causal", "retrospective")
    names = sorted({name for both in masks.values() for name in both["causal"]["variables"]})
    rows: list[tuple[object, ...]] = []
    for name in names:
        found = [both[product]["variables"].get(name) for product in products for both in masks.values()]
        rows.append((name, *(f"{one['ratio']}, {percent(one['coverage'])}" if one else "few cells" for one in found)))
    return _table(("variable", *(f"{product}, {mask}" for product in products for mask in masks)), rows)


def _groups(masks: Mapping[str, Any]) -> str:
    products = ("causal", "retrospective")
    first = next(iter(masks.values()))["causal"]["groups"]
    rows: list[tuple[object, ...]] = []
    for kind, groups in first.items():
        for name in groups:
            found = [both[product]["groups"][kind].get(name) for product in products for both in masks.values()]
            said = (f"{one['ratio']}, {percent(one['coverage'])}" if one else "few cells" for one in found)
            rows.append((f"{kind}: {name}", *said))
    return _table(("group", *(f"{product}, {mask}" for product in products for mask in masks)), rows)


def _sensitivity(masks: Mapping[str, Any]) -> str:
    products = ("causal", "retrospective")
    rows: list[tuple[object, ...]] = []
    for name in next(iter(masks.values()))["causal"]["not_at_random"]:
        found = [both[product]["not_at_random"][name] for product in products for both in masks.values()]
        said = (
            f"{one['ratio']}, {percent(one['coverage'])}" if "ratio" in one else percent(one["coverage"])
            for one in found
        )
        rows.append((name, *said))
    return _table(("if", *(f"{product}, {mask}" for product in products for mask in masks)), rows)
