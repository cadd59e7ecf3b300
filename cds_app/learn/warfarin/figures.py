"""How good an estimated dose of warfarin is, for everybody and by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from cds_app.domain.arrays import Flags, Floats, Matrix
from cds_app.score.warfarin.dose import alleles
from cds_app.score.warfarin.features import FEATURES

FIXED_MG_PER_WEEK: Final = 35.0
_NEAR: Final = 0.2


def figures(needed: Floats, said: Floats, low: Floats | None = None, high: Floats | None = None) -> dict[str, Any]:
    """Error of doses, and how often the interval held.

    Parameters
    ----------
    needed, said : ndarray of float64, shape (people,)
        mg a week.
    low, high : ndarray of float64, shape (people,), optional
        Ends of the 90 % interval.

    Returns
    -------
    dict
        ``people``, ``mae_mg_per_week``, ``within_20_percent`` (share of people whose estimate lies within 20 % of the
        dose that they needed), ``bias_mg_per_week``, and with intervals ``covered_90`` and ``width_mg_per_week``.
    """
    found: dict[str, Any] = {"people": len(needed)}
    if not len(needed):
        return found
    off = said - needed
    found |= {
        "mae_mg_per_week": float(np.abs(off).mean()),
        "within_20_percent": float((np.abs(off) <= _NEAR * needed).mean()),
        "bias_mg_per_week": float(off.mean()),
    }
    if low is not None and high is not None:
        found |= {
            "covered_90": float(((low <= needed) & (needed <= high)).mean()),
            "width_mg_per_week": float((high - low).mean()),
        }
    return found


def by_group(rows: Matrix, needed: Floats, said: Floats, low: Floats, high: Floats) -> dict[str, Any]:
    """The same within each genotype and race that somebody has."""
    return {
        kind: {name: figures(needed[one], said[one], low[one], high[one]) for name, one in groups.items() if one.any()}
        for kind, groups in groups_of(rows).items()
    }


def groups_of(rows: Matrix) -> dict[str, Mapping[str, Flags]]:
    """Who belongs where: by VKORC1, CYP2C9 and race."""
    column = {name: rows[:, FEATURES.index(name)] for name in ("vkorc1", "cyp2c9_2", "asian", "black", "race_unknown")}
    typed, variant = np.isfinite(column["cyp2c9_2"]), alleles(rows)[1]
    known = {one: column[one] == 1.0 for one in ("asian", "black", "race_unknown")}
    return {
        "vkorc1": {
            **{name: column["vkorc1"] == copies for copies, name in enumerate(("G/G", "A/G", "A/A"))},
            "unknown": np.isnan(column["vkorc1"]),
        },
        "cyp2c9": {
            "*1/*1": typed & (variant == 0.0),
            "one variant": typed & (variant == 1.0),
            "two variants": typed & (variant == 2.0),
            "unknown": ~typed,
        },
        "race": {
            "asian": known["asian"],
            "black": known["black"],
            "white": ~np.logical_or.reduce(list(known.values())),
            "unknown": known["race_unknown"],
        },
    }
