"""Windows of the Challenge 2012 for imputation: its parameters, 48 hourly bins, and who the patients are."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.errors import DataError
from cds_app.learn.files.challenge2012 import PARAMETERS, Samples, load_samples
from cds_app.score.features.stays import Stayers
from cds_app.twin.windows import HOURS, Scale, Singles, who

Part = Literal["fit", "select", "calibrate"]
VARIABLES: tuple[str, ...] = tuple(one.name for one in PARAMETERS)
_PARTS = {"fit": (0, 80), "select": (80, 90), "calibrate": (90, 100)}  # of `places`
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Patients' windows.

    Parameters
    ----------
    record : ndarray of int64, shape (patients,)
    values : ndarray of float32, shape (patients, HOURS, variables)
        Hourly means in the canonical unit, NaN where nothing was measured.
    """

    record: Ints
    values: Singles
    stayers: Stayers

    def of(self, chosen: Flags) -> Cohort:
        """Some of the patients."""
        who = self.stayers
        stayers = Stayers(
            age_years=who.age_years[chosen], male=who.male[chosen], height_cm=who.height_cm[chosen],
            unit=who.unit[chosen],
        )  # fmt: skip
        return Cohort(record=self.record[chosen], values=self.values[chosen], stayers=stayers)


def read(path: Path, part: str | None = None) -> Cohort:
    """Windows of a file.

    Raises
    ------
    DataError
        Naming the column, and the row counted from 1, when one is missing or cannot be read; when the first
        `HOURS` hours hold no measurement at all.
    """
    found = load_samples(path, part)
    values = _binned(found)
    if not np.isfinite(values).any():
        raise DataError("the data hold no measurement of the first 48 hours", field="Value")
    return Cohort(record=found.record, values=values, stayers=found.stayers)


def places(record: Ints) -> Ints:
    """A number from 0 to 99 for each patient, by a hash of the stay's number, so that files may be cut anyhow."""
    found = [int.from_bytes(sha256(f"impute {one}".encode()).digest()[:4]) % 100 for one in record.tolist()]
    return np.array(found, np.int64)


def in_part(record: Ints, part: Part) -> Flags:
    """Which patients belong to a part of set a."""
    place = places(record)
    low, high = _PARTS[part]
    return np.asarray((place >= low) & (place < high))


def scale_of(values: Singles) -> Scale:
    """Mean and spread of every variable."""
    mean, sd = moments(values)
    return Scale(mean=mean.astype(np.float32), sd=sd.astype(np.float32))


def moments(values: Singles) -> tuple[Floats, Floats]:
    """Mean and standard deviation over all but the last axis; 0 and 1 of what was never measured or never varies."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    count = np.maximum(np.isfinite(flat).sum(axis=0), 1)
    mean = np.nansum(flat, axis=0) / count
    sd = np.sqrt(np.nansum((flat - mean) ** 2, axis=0) / count)
    return mean, np.where(sd > _LEAST, sd, 1.0)


def statics(stayers: Stayers) -> Singles:
    """Who the patients are, for a network: (patients, statics)."""
    return who(stayers.age_years, stayers.male, stayers.height_cm, stayers.unit)


def _binned(found: Samples) -> Singles:
    hour = np.floor(found.hours).astype(np.int64)
    kept = (hour >= 0) & (hour < HOURS)
    cell = (found.stay * HOURS + hour) * len(VARIABLES) + found.parameter
    size = len(found.record) * HOURS * len(VARIABLES)
    count = np.bincount(cell[kept], minlength=size)
    total = np.bincount(cell[kept], weights=found.value[kept], minlength=size)
    mean = np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
    return np.asarray(mean.reshape(len(found.record), HOURS, len(VARIABLES)), np.float32)
