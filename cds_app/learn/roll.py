"""Whom trees have seen, so that they are known again in a part of the training file or in a larger one.

Of every stay four bytes of a digest are kept: no value can be read from them, and of a million stays that trees have
not seen eight are taken for one of 32,000 that they have. The digest is of what was measured first, and of hourly rows
of who the patient is, not of an id, which may be another in another file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.domain.arrays import Floats
from cds_app.learn.files.challenge2019 import VITAL_COLUMNS
from cds_app.score.features.stays import FEATURES, QUANTITIES

FILE = "roll.npz"
UNSEEN = ""
_WHO = ("Age", "Gender", "HospAdmTime")
_HOURS = 3  # the first with a heart rate, which is the first of the vital signs
_DECIMALS = 100.0
_UNKNOWN = np.iinfo(np.int64).min

Digests = NDArray[np.uint32]
OF_STAY = [i for i, one in enumerate(FEATURES) if one.name.endswith("_first") and one.quantity in QUANTITIES]


@dataclass(frozen=True, slots=True, eq=False)
class Roll:
    """Digests of stays by the part that they had in training, ascending."""

    parts: Mapping[str, Digests]

    @classmethod
    def of(cls, parts: Mapping[str, Digests]) -> Roll:
        """From digests in any order."""
        return cls({name: np.unique(mine) for name, mine in parts.items()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Roll:
        """What `to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return cls({name: found[name] for name in found.files})

    def to_bytes(self) -> bytes:
        """As an ``.npz`` file."""
        out = io.BytesIO()
        arrays: dict[str, Any] = dict(sorted(self.parts.items()))
        np.savez(out, **arrays)
        return out.getvalue()

    def part(self, digests: Digests) -> NDArray[np.str_]:
        """Which part each stay had; `UNSEEN` where trees have not seen it."""
        found = np.full(len(digests), UNSEEN, dtype="<U16")
        for name, mine in self.parts.items():
            found[np.isin(digests, mine)] = name
        return found


def of_hours(frame: pd.DataFrame) -> Digests:
    """Digest of the patient of every row of `challenge2019.load`: (rows,)."""
    patient = pd.factorize(frame["pid"])[0]
    begin = np.flatnonzero(np.diff(patient, prepend=-1))
    vitals = frame[list(VITAL_COLUMNS)].to_numpy(np.float64)
    known = np.flatnonzero(np.isfinite(vitals[:, 0]))
    place = np.arange(len(known)) - np.searchsorted(known, begin)[patient[known]]
    early = known[place < _HOURS]
    first = np.full((len(begin), _HOURS, len(VITAL_COLUMNS)), np.nan)
    first[patient[early], place[place < _HOURS]] = vitals[early]
    who = frame.iloc[begin][list(_WHO)].to_numpy(np.float64)
    return _digests(np.concatenate((who, first.reshape(len(begin), -1)), axis=1))[patient]


def of_stays(rows: NDArray[np.float32]) -> Digests:
    """Digest of every row of `stay_features`: (stays,)."""
    return _digests(rows[:, OF_STAY].astype(np.float64))


def _digests(values: Floats) -> Digests:
    """Of rows of numbers, two decimals of each."""
    known = np.isfinite(values)
    whole = np.where(known, np.rint(np.where(known, values, 0.0) * _DECIMALS), _UNKNOWN).astype("<i8")
    return np.array([int.from_bytes(hashlib.sha256(row.tobytes()).digest()[:4], "big") for row in whole], np.uint32)
