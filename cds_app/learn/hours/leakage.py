"""Leaks that stop a training: a patient on both sides of a split, knowledge of later hours, of other columns or of ids.

That an input has none of the last three is shown on a sample: what it must not depend on is removed or replaced, and
the input has to stay the same to the last bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.domain.arrays import Flags
from cds_app.errors import ContentError
from cds_app.learn.files.challenge2019 import COLUMNS
from cds_app.learn.hours.rows import Rows

Design = Callable[[pd.DataFrame], NDArray[np.float32]]

# what tells rows apart and in order (an id no more than that), what is known of a person at admission, and what was
# measured
READABLE: frozenset[str] = frozenset(
    {"pid", "ICULOS", "Age", "Gender", "HospAdmTime", *(one.column for one in COLUMNS)}
)
_SAMPLE = 60


def check(parts: Mapping[str, pd.DataFrame], design: Design, rng: np.random.Generator) -> None:
    """All checks.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        The rows of fit, calibration and test patients, as `challenge2019.load` gives them.
    design : callable
        Frame -> model input of every row.
    rng : Generator
        For the sample.

    Raises
    ------
    ContentError
        Naming the leak.
    """
    apart({name: frame["pid"].unique() for name, frame in parts.items()})
    sample = _some(next(iter(parts.values())), rng)
    blind_to_the_future(design, sample, rng)
    blind_to_other_columns(design, sample, rng)
    blind_to_ids(design, sample)


def apart(patients: Mapping[str, Iterable[object]]) -> None:
    """No patient is in two parts."""
    seen: dict[object, str] = {}
    for name, mine in patients.items():
        for one in mine:
            if seen.setdefault(one, name) != name:
                raise ContentError(f"a patient is both in {seen[one]} and in {name}", field="split")


def blind_to_the_future(design: Design, frame: pd.DataFrame, rng: np.random.Generator) -> None:
    """Rows up to an hour stay as they are when all that comes after is removed, or is somebody else's."""
    start = Rows.of(frame).start
    length = np.diff(start)
    kept = rng.integers(1, length + 1)
    up_to = np.arange(len(frame)) - np.repeat(start[:-1], length) < np.repeat(kept, length)
    whole = design(frame)[up_to]
    _same(whole, design(frame[up_to].reset_index(drop=True)), "the hours that follow are removed")
    _same(whole, design(_with_other_future(frame, up_to, rng))[up_to], "the hours that follow are altered")


def blind_to_other_columns(design: Design, frame: pd.DataFrame, rng: np.random.Generator) -> None:
    """Rows stay as they are when columns that may not be read are shuffled or moved."""
    others = [name for name in frame.columns if name not in READABLE]
    if not others:
        return
    whole = design(frame)
    shuffled = frame.assign(**{name: frame[name].to_numpy()[rng.permutation(len(frame))] for name in others})
    _same(whole, design(shuffled), f"a column of {', '.join(others)} is altered")
    _same(whole, design(_flipped(frame, others)), f"a column of {', '.join(others)} is altered")


def blind_to_ids(design: Design, frame: pd.DataFrame) -> None:
    """Rows stay as they are when patients are called otherwise: an id may tell of the hospital, or when they came."""
    other = {pid: hashlib.sha256(str(pid).encode()).hexdigest() for pid in frame["pid"].unique()}
    renamed = frame.assign(pid=frame["pid"].map(other))
    _same(design(frame), design(renamed), "patients have other ids")


def _some(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """All rows of some patients."""
    pids = frame["pid"].unique()
    chosen = rng.choice(len(pids), min(_SAMPLE, len(pids)), replace=False)
    return frame[frame["pid"].isin(pids[chosen])].reset_index(drop=True)


def _with_other_future(frame: pd.DataFrame, up_to: Flags, rng: np.random.Generator) -> pd.DataFrame:
    """Later rows get the values of rows drawn from all; patient and hour stay."""
    drawn = frame.iloc[rng.integers(0, len(frame), len(frame))].reset_index(drop=True)
    other = frame.where(pd.Series(up_to, index=frame.index), drawn, axis=0)
    return other.assign(pid=frame["pid"], ICULOS=frame["ICULOS"]).astype(frame.dtypes.to_dict())


def _flipped(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Numbers moved by one, the rest spelled otherwise: a shuffle may leave a constant column as it was."""
    moved = {
        name: frame[name] + 1 if pd.api.types.is_numeric_dtype(frame[name]) else "not " + frame[name].astype(str)
        for name in names
    }
    return frame.assign(**moved)


def _same(whole: NDArray[np.float32], again: NDArray[np.float32], when: str) -> None:
    if not np.array_equal(whole, again, equal_nan=True):
        raise ContentError(f"the model input of an hour changes when {when}", field="features")
