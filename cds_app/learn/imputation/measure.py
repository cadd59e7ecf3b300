"""How well hidden cells are found again: every candidate, the blend, its intervals, and for whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cds_app.domain.arrays import Flags, Ints
from cds_app.errors import ContentError
from cds_app.learn.imputation.data import VARIABLES, Cohort, statics
from cds_app.learn.imputation.masks import Mask, masked
from cds_app.learn.imputation.tasks import task
from cds_app.learn.measure import AGE_BANDS
from cds_app.learn.resampling import Resamples, interval, ratio
from cds_app.score.features.stays import UNITS
from cds_app.twin.imputation import GAPS_H, Imputer, gap_class
from cds_app.twin.windows import PRODUCTS, Product, Singles, base, neighbours

COMPARED: Mapping[Product, str] = {"causal": "last", "retrospective": "linear"}
_PATIENTS_AT_ONCE = 256
FEWEST = 30  # hidden cells below which a figure is noise and is not given
_DELTAS_SD = (-0.5, -0.25, 0.25, 0.5)
_ODDS_PER_SD = 2.0  # how much oftener a value is missing for each standard deviation from the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Hidden cells, standardised: arrays (cells,).

    Parameters
    ----------
    patient, variable, gap : ndarray of int64
        Place in the cohort, in the variables, and in the classes of gaps.
    truth, compared, mean, low, high : ndarray of float32
        ``compared`` is what the product is held against.
    scale : ndarray of float32
        Of the error, as the networks expect it.
    means : mapping of str to ndarray of float32
        By candidate.
    """

    patient: Ints
    variable: Ints
    gap: Ints
    truth: Singles
    compared: Singles
    mean: Singles
    low: Singles
    high: Singles
    scale: Singles
    means: Mapping[str, Singles]


def hidden_cells(imputer: Imputer, cohort: Cohort, mask: Mask, product: Product, seed: int) -> Cells:
    """Hide cells of every patient and ask for them again; of marks there is nothing to find, for they all say 1."""
    judged = np.isfinite(cohort.values) & ~imputer.marks
    hidden = masked(judged, mask, np.random.default_rng(seed))
    who = statics(cohort.stayers)
    parts = [_some(imputer, cohort, who, (hidden, product, start)) for start in _starts(len(hidden))]
    return joined(parts)


def joined(parts: list[Cells]) -> Cells:
    """Several collections of cells as one."""
    names = [name for name in Cells.__slots__ if name != "means"]
    means = {name: np.concatenate([one.means[name] for one in parts]) for name in parts[0].means}
    return Cells(means=means, **{name: np.concatenate([getattr(one, name) for one in parts]) for name in names})


def _starts(patients: int) -> Iterator[int]:
    return iter(range(0, patients, _PATIENTS_AT_ONCE))


def _some(imputer: Imputer, cohort: Cohort, who: Singles, asked: tuple[Flags, Product, int]) -> Cells:
    hidden, product, start = asked
    some = slice(start, start + _PATIENTS_AT_ONCE)
    one = task(cohort.values[some], who[some], hidden[some], (imputer.scale, imputer.joint), product)
    near = neighbours(one.left)
    said = imputer.candidates(one.left, (one.guess, one.statics), product, one.hidden)
    low, mean, high = imputer.interval(said, near, product)
    patient, _, variable = np.nonzero(one.hidden)
    return Cells(
        patient=patient + start,
        variable=variable,
        gap=gap_class(near, product)[one.hidden],
        truth=one.truth[one.hidden],
        compared=base(near, product)[one.hidden],
        mean=mean[one.hidden],
        low=low[one.hidden],
        high=high[one.hidden],
        scale=said.scale[one.hidden],
        means={name: value[one.hidden] for name, value in said.means.items()},
    )


def figures(imputer: Imputer, cohort: Cohort, mask: Mask, seed: int) -> dict[str, Any]:
    """Both products on one mask.

    Raises
    ------
    ContentError
        When so little was measured that next to nothing could be hidden.
    """
    hidden = {product: hidden_cells(imputer, cohort, mask, product, seed) for product in PRODUCTS}
    if min(len(cells.truth) for cells in hidden.values()) < FEWEST:
        raise ContentError(f"fewer than {FEWEST} measured hours could be hidden: too few for a figure", field="Value")
    return {product: _product(cells, imputer, cohort, (product, seed)) for product, cells in hidden.items()}


def _product(cells: Cells, imputer: Imputer, cohort: Cohort, asked: tuple[Product, int]) -> dict[str, Any]:
    product, seed = asked
    drawn = Resamples.drawn(len(cohort.record), np.random.default_rng(seed))
    everybody = np.ones(len(cells.truth), np.bool_)
    names = list(imputer.blends[product].weights)
    return {
        "compared_with": COMPARED[product],
        **_figures(cells, everybody),
        "ratio_interval": _ratio_interval(cells, drawn),
        "candidates": {name: _error(cells, value) for name, value in sorted(cells.means.items())},
        "variables": {
            name: found | {"weights": {one: _weight(imputer, product, one, i) for one in names}}
            for i, name in enumerate(VARIABLES)
            if (found := _variable(cells, cells.variable == i))
        },
        "gaps": _by(cells, {_gap_name(i): cells.gap == i for i in range(len(GAPS_H) + 2)}),
        "groups": {name: _by(cells, rows) for name, rows in _groups(cells, cohort).items()},
        "not_at_random": sensitivity(cells),
    }


def _weight(imputer: Imputer, product: Product, name: str, place: int) -> float:
    return round(float(imputer.blends[product].weights[name][place]), 3)


def _figures(cells: Cells, rows: Flags) -> dict[str, Any]:
    truth, inside = cells.truth[rows], (cells.truth >= cells.low)[rows] & (cells.truth <= cells.high)[rows]
    mae, other = (float(np.abs(one[rows] - truth).mean(dtype=np.float64)) for one in (cells.mean, cells.compared))
    return {
        "mae": round(mae, 4),
        "compared_mae": round(other, 4),
        "ratio": _over(mae, other),
        "coverage": round(float(inside.mean()), 4),
        "width_sd": round(float((cells.high - cells.low)[rows].mean(dtype=np.float64)), 4),
        "cells": int(rows.sum()),
    }


def _variable(cells: Cells, rows: Flags) -> dict[str, Any]:
    """Figures of one variable with every candidate; nothing where too few of its cells were hidden."""
    if rows.sum() < FEWEST:
        return {}
    truth = cells.truth[rows]
    each = {name: round(float(np.abs(value[rows] - truth).mean()), 4) for name, value in sorted(cells.means.items())}
    return {**_figures(cells, rows), "candidates": each}


def _by(cells: Cells, groups: Mapping[str, Flags]) -> dict[str, Any]:
    return {name: _figures(cells, rows) for name, rows in groups.items() if rows.sum() >= FEWEST}


def _error(cells: Cells, value: Singles) -> dict[str, float | None]:
    mae, other = (float(np.abs(one - cells.truth).mean(dtype=np.float64)) for one in (value, cells.compared))
    return {"mae": round(mae, 4), "ratio": _over(mae, other)}


def _over(error: float, other: float) -> float | None:
    """One error over another; None over none at all."""
    return round(error / other, 4) if other > 0.0 else None


def _ratio_interval(cells: Cells, drawn: Resamples) -> list[float]:
    """95 % interval of the ratio, by patient; nothing where most resamples have none."""
    mine, other = (
        drawn.sums(cells.patient, np.abs(one - cells.truth).astype(np.float64)) for one in (cells.mean, cells.compared)
    )
    return [round(one, 4) for one in interval(ratio(mine, other)) or []]


def _groups(cells: Cells, cohort: Cohort) -> dict[str, dict[str, Flags]]:
    who = cohort.stayers
    age, male, unit = who.age_years[cells.patient], who.male[cells.patient], who.unit[cells.patient]
    return {
        "sex": {"female": male == 0, "male": male == 1},
        "age": {name: (age >= low) & (age < high) for name, low, high in AGE_BANDS},
        "unit": {name: unit[:, i] == 1 for i, name in enumerate(UNITS)},
    }


def _gap_name(place: int) -> str:
    if place == len(GAPS_H) + 1:
        return "never measured"
    return f"over {GAPS_H[-1]} h" if place == len(GAPS_H) else f"to {GAPS_H[place]} h"


def sensitivity(cells: Cells) -> dict[str, Any]:
    """What if values are missing for what they are: the hidden cells reweighted, and the truth moved.

    Cells were hidden whatever their values. If values are left unmeasured because they are usual (or unusual), cells
    count by odds that change with the distance from the mean; if what nobody measured lies elsewhere than what would
    have been measured, the truth is moved by a part of a standard deviation.
    """
    far = np.minimum(np.abs(cells.truth), 4.0).astype(np.float64)
    odds = {"usual values are missing": _ODDS_PER_SD**-far, "unusual values are missing": _ODDS_PER_SD**far}
    inside = (cells.truth >= cells.low) & (cells.truth <= cells.high)
    mine, other = np.abs(cells.mean - cells.truth), np.abs(cells.compared - cells.truth)
    weighted = {
        name: {
            "ratio": _over(float(np.average(mine, weights=one)), float(np.average(other, weights=one))),
            "coverage": round(float(np.average(inside, weights=one)), 4),
        }
        for name, one in odds.items()
    }
    moved = {f"truth {delta:+.2f} sd": {"coverage": _covered(cells, delta)} for delta in _DELTAS_SD}
    return {**weighted, **moved}


def _covered(cells: Cells, delta: float) -> float:
    truth = cells.truth + np.float32(delta)
    return round(float(((truth >= cells.low) & (truth <= cells.high)).mean()), 4)
