"""The published IWPC algorithms, which the learned dose is compared with.

Source: International Warfarin Pharmacogenetics Consortium, N Engl J Med 2009;360:753-764. The coefficients are content,
``models/warfarin_iwpc``, each with its verification tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cds_app.content import Artefact
from cds_app.domain.arrays import Floats, Matrix
from cds_app.errors import ContentError
from cds_app.score.warfarin.features import FEATURES, Filling
from cds_app.score.warfarin.subject import INDUCERS

NAME: Final = "warfarin_iwpc"
_PAIRS: Final[Mapping[str, tuple[int, int]]] = {
    "cyp2c9_12": (1, 0),
    "cyp2c9_13": (0, 1),
    "cyp2c9_22": (2, 0),
    "cyp2c9_23": (1, 1),
    "cyp2c9_33": (0, 2),
}
"""Copies of *2 and of *3."""
_TERMS: Final = frozenset(
    {
        *("intercept", "age_decade", "height_cm", "weight_kg", "vkorc1_ag", "vkorc1_aa", "vkorc1_unknown", *_PAIRS),
        *("cyp2c9_unknown", "asian", "black", "race_unknown", "inducer", "amiodarone"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedDose:
    """One algorithm: the square root of mg a week is a sum.

    Parameters
    ----------
    coefficients : mapping of str to float
        By term; ``intercept`` among them.
    """

    title: str
    coefficients: Mapping[str, float]

    def doses(self, rows: Matrix, filling: Filling) -> Floats:
        """Doses of rows, mg a week.

        Parameters
        ----------
        rows : ndarray of float32, shape (people, features)
        filling : Filling
            Stands in for unknown age, height and weight: the publication has no rule for these.
        """
        values = _terms(rows, filling)
        root = sum(weight * values[name] for name, weight in self.coefficients.items())
        return np.asarray(root, np.float64) ** 2


def published(artefact: Artefact) -> dict[str, PublishedDose]:
    """The algorithms of an artefact, by name.

    Raises
    ------
    ContentError
        If one has a term that is not known here.
    """
    found = artefact.read_json("algorithms.json")["algorithms"]
    return {name: _algorithm(content) for name, content in found.items()}


def _algorithm(content: Mapping[str, Any]) -> PublishedDose:
    weights = {name: float(one["value"]) for name, one in content["coefficients"].items()}
    if strange := sorted(set(weights) - _TERMS):
        raise ContentError("a published algorithm has a term that is not known", field=strange[0])
    return PublishedDose(title=str(content["title"]), coefficients=weights)


def _terms(rows: Matrix, filling: Filling) -> dict[str, Floats]:
    column = {name: rows[:, i].astype(np.float64) for i, name in enumerate(FEATURES)}
    vkorc1 = column["vkorc1"]
    return {
        "intercept": np.ones(len(rows)),
        **filling.body(rows),
        "vkorc1_ag": (vkorc1 == 1.0) * 1.0,
        "vkorc1_aa": (vkorc1 == 2.0) * 1.0,
        "vkorc1_unknown": np.isnan(vkorc1) * 1.0,
        **_pairs(column),
        **{name: column[name] for name in ("asian", "black", "race_unknown")},
        "inducer": np.maximum.reduce([np.nan_to_num(column[name]) for name in INDUCERS]),
        "amiodarone": np.nan_to_num(column["amiodarone"]),
    }


def _pairs(column: Mapping[str, Floats]) -> dict[str, Floats]:
    """Which of the pairs of CYP2C9 alleles; one with another allele than *1, *2 and *3 counts as unknown."""
    two, three, rare = (column[f"cyp2c9_{one}"] for one in ("2", "3", "rare"))
    plain = rare == 0.0
    of_pair = {name: (plain & (two == twos) & (three == threes)) * 1.0 for name, (twos, threes) in _PAIRS.items()}
    return {**of_pair, "cyp2c9_unknown": ~plain * 1.0}
