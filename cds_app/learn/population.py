"""The population that a learned risk knows: fitted on fit patients, limits from calibration patients, tried on others.

No label is looked at but to report how many of those with the outcome are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints, Matrix
from cds_app.learn import shifts
from cds_app.learn.measure import groups
from cds_app.learn.twin import joint
from cds_app.learn.twin.panel import to_scale
from cds_app.score.features.hours import FEATURES, VITALS, Feature
from cds_app.score.features.stays import FEATURES as STAY_FEATURES
from cds_app.score.risk.population import PARTS, Reference
from cds_app.twin.model import Dynamics, TwinModel

# Half of all stays or nearly so have them. Settings (fio2) say nothing of the patient, hematocrit nothing beside
# hemoglobin.
LABS = (
    "urea_nitrogen", "creatinine", "glucose", "potassium", "chloride", "bicarbonate", "calcium", "magnesium",
    "phosphate", "hemoglobin", "wbc", "platelets", "ph", "pco2",
)  # fmt: skip
REFUSED_OF_OWN = 0.002
"""Share of calibration rows beyond each of the two limits. Few, as refusing must not cost those whom the model is for;
not fewer, as the last in a thousand are mostly values that contradict each other, and limits as far out as theirs let
newborns pass."""
_TAIL = 0.001  # what is called a standard deviation, so that a normal tail has as much beyond as this population has
_TAIL_SD = 3.0902  # standard normal quantile of 1 - _TAIL
_INDEPENDENCE = 0.5  # else pressures that contradict each other a little outweigh the vital signs of somebody else
_DECIMALS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What of a model's input is compared.

    Parameters
    ----------
    features : sequence of Feature
        What a row holds.
    shown : str
        Which feature of a quantity: the part of its name behind that of the quantity.
    vital_signs, labs : tuple of str
        Quantities.
    """

    features: Sequence[Feature]
    shown: str
    vital_signs: tuple[str, ...]
    labs: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [one.name for one in self.features]


HOUR = Compared(features=FEATURES, shown="last", vital_signs=VITALS, labs=LABS)
STAY = Compared(
    features=STAY_FEATURES,
    shown="mean_stay",
    vital_signs=("heart_rate", "resp_rate", "body_temp", "sbp", "dbp", "map"),
    labs=(
        *("urea_nitrogen", "creatinine", "glucose", "sodium", "potassium", "bicarbonate", "magnesium"),
        *("hematocrit", "wbc", "platelets", "ph", "pco2", "gcs_total"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Rows of patients that neither a reference nor its limits come from: (rows, features), a frame, twice (rows,)."""

    rows: Matrix
    who: pd.DataFrame
    patient: Ints
    label: Ints


def fitted(twin: TwinModel, fit: Matrix, calibrate: Matrix, compared: Compared = HOUR) -> dict[str, Any]:
    """What ``population.json`` holds.

    Parameters
    ----------
    twin : TwinModel
        Says which quantities are logarithmic.
    fit, calibrate : ndarray of float32, shape (rows, len(FEATURES))
        Of different patients: scales and correlation come from the first, limits from the second.
    compared : Compared
        What of a row is compared.
    """
    measured = (*compared.vital_signs, *compared.labs)
    found = (
        *(_feature(twin, compared, one, fit) for one in measured),
        _entry("age_years", None, _column(compared, "age_years", fit)),
    )
    features = [one for one in found if one is not None]
    apart = np.eye(len(features))
    alone = {"features": features, "correlation": apart.tolist(), "limits": dict.fromkeys(PARTS, ())}
    correlation, _ = joint.correlation(Reference.from_json(alone, compared.features).standardised(fit))
    shrunk = (1.0 - _INDEPENDENCE) * correlation + _INDEPENDENCE * apart
    content = {**alone, "correlation": np.round(shrunk, _DECIMALS).tolist()}
    reference = Reference.from_json(content, compared.features)
    distances, known = reference.distances(calibrate), reference.known(calibrate)
    members = (reference.vital_signs, len(features))
    found_limits = {part: limits(distances[:, i], known[:, i], members[i]) for i, part in enumerate(PARTS)}
    return {**content, "limits": found_limits, "refused_of_own": REFUSED_OF_OWN}


def limits(distance: Floats, known: Ints, most: int) -> list[tuple[int, float]]:
    """Per number of known values: the distance that all but `REFUSED_OF_OWN` of the rows keep to.

    What is rare among as many values is alike for all numbers of values once a distance is put on a normal scale, so
    that all rows together make the limits: of each number there are too few, from too few patients.

    Parameters
    ----------
    distance, known : ndarray, shape (rows,)
        Distance of each row, and of how many values.
    most : int
        How many values a row may know.
    """
    some = known > 0
    if not some.any():
        return []
    middle, spread = _usual(known[some])
    normal = np.quantile((np.cbrt(distance[some]) - middle) / spread, 1.0 - REFUSED_OF_OWN, method="higher")
    numbers = np.arange(1, most + 1)
    middle, spread = _usual(numbers)
    return list(zip(numbers.tolist(), np.round((middle + normal * spread) ** 3, _DECIMALS).tolist(), strict=True))


def _usual(known: Ints) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the cube root of a distance of so many values: nearly normal.

    A distance is chi-squared over its degrees of freedom (Wilson EB, Hilferty MM, Proc Natl Acad Sci 1931;17:684).
    """
    variance = 2.0 / (9.0 * known.astype(np.float64))
    return 1.0 - variance, np.sqrt(variance)


def reported(reference: Reference, test: Tried, rng: np.random.Generator) -> dict[str, Any]:
    """Share of test patients' rows refused, by group, and of rows that were made to be none of theirs.

    Parameters
    ----------
    rng : Generator
        Draws the rows that are shifted.
    """
    refused = reference.outsiders(test.rows)
    everybody = np.ones(len(refused), bool)
    by_group = groups(test.who)
    return {
        "refused_of_own": REFUSED_OF_OWN,
        "quantities": list(reference.quantities),
        "overall": _share(refused, everybody),
        "patients_ever": _share(np.bincount(test.patient, refused) > 0, _there(test.patient)),
        "with_outcome": _share(refused, test.label > 0),
        **{f"by_{kind}": {name: _share(refused, mine) for name, mine in by_group[kind].items()} for kind in by_group},
        "shifted": {
            name: _share(reference.outsiders(rows), np.ones(len(rows), bool))
            for name, rows in shifts.shifted(reference, test.rows, rng)
        },
    }


def _there(patient: Ints) -> Flags:
    return np.bincount(patient) > 0


def _share(refused: Flags, mine: Flags) -> dict[str, Any]:
    """How many of some there are, and the share of them that is refused; None of nobody."""
    return {"of": int(mine.sum()), "refused": float(refused[mine].mean()) if mine.any() else None}


def _column(compared: Compared, feature: str, rows: Matrix) -> Floats:
    return rows[:, compared.names.index(feature)].astype(np.float64)


def _feature(twin: TwinModel, compared: Compared, quantity: str, rows: Matrix) -> dict[str, Any] | None:
    name, dynamics = f"{quantity}_{compared.shown}", twin.dynamics.get(quantity)
    logarithmic = dynamics if dynamics is not None and dynamics.transform == "log" else None
    return _entry(name, logarithmic, _column(compared, name, rows))


def _entry(feature: str, logarithmic: Dynamics | None, value: Floats) -> dict[str, Any] | None:
    """Scale of one feature; None where it never varies, or was never measured."""
    scaled = value[np.isfinite(value)]
    if logarithmic is not None:
        scaled = to_scale(logarithmic, scaled)
    if not len(scaled) or scaled.std() == 0.0:
        return None
    mean, sd = scaled.mean(), scaled.std()
    low, high = np.abs(np.quantile(scaled, (_TAIL, 1.0 - _TAIL)) - mean) / _TAIL_SD
    numbers = {"mean": mean, "below": max(sd, low), "above": max(sd, high)}
    least = None if logarithmic is None else float(np.exp(logarithmic.to_scale(0.0)))
    return {"feature": feature, "least": least, **{key: round(float(one), _DECIMALS) for key, one in numbers.items()}}
