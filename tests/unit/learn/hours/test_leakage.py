"""Every kind of leak, planted, is found; the input that is trained on has none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cds_app.errors import ContentError
from cds_app.learn.files.challenge2019 import COLUMNS
from cds_app.learn.hours import leakage
from cds_app.learn.hours.rows import design, shipped_twin


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    blocks = []
    for pid in range(20):
        hours = int(rng.integers(2, 30))
        block = pd.DataFrame({"pid": f"p{pid:02d}", "ICULOS": np.arange(1, hours + 1)})
        for one in COLUMNS:
            middle = (one.low * one.high) ** 0.5 if one.low > 0 else 1.0
            block[one.column] = np.where(rng.random(hours) < 0.4, middle * rng.uniform(0.9, 1.1, hours), np.nan)
        late = (np.arange(hours) > 20).astype(np.int64)
        blocks.append(block.assign(Age=60.0 + pid, Gender=pid % 2, HospAdmTime=-2.0, SepsisLabel=late, site="A"))
    return pd.concat(blocks, ignore_index=True)


def _honest(frame: pd.DataFrame) -> np.ndarray:
    so_far = frame.groupby("pid")["HR"].ffill()
    return np.stack([so_far, frame["Age"], frame["ICULOS"]], axis=1).astype(np.float32)


def _and(leak: Callable[[pd.DataFrame], pd.Series]) -> leakage.Design:
    return lambda frame: np.column_stack([_honest(frame), leak(frame)]).astype(np.float32)


LEAKS: dict[str, leakage.Design] = {
    "the length of the stay": _and(lambda frame: frame.groupby("pid")["ICULOS"].transform("max")),
    "the next value": _and(lambda frame: frame.groupby("pid")["HR"].shift(-1)),
    "the mean of the stay": _and(lambda frame: frame.groupby("pid")["MAP"].transform("mean")),
    "whether it is ever positive": _and(lambda frame: frame.groupby("pid")["SepsisLabel"].transform("max")),
}


def test_the_shipped_input_knows_neither_the_future_nor_the_label(frame: pd.DataFrame) -> None:
    twin = shipped_twin()
    parts = {name: frame[frame["pid"].isin(mine)] for name, mine in (("fit", ["p01", "p02", "p03"]), ("test", ["p04"]))}
    leakage.check(parts, lambda some: design(twin, some), np.random.default_rng(1))


@pytest.mark.parametrize("name", LEAKS)
def test_an_input_that_knows_the_future_is_found(name: str, frame: pd.DataFrame) -> None:
    leakage.blind_to_the_future(_honest, frame, np.random.default_rng(2))
    with pytest.raises(ContentError, match="changes when the hours that follow are"):
        leakage.blind_to_the_future(LEAKS[name], frame, np.random.default_rng(2))


@pytest.mark.parametrize("column", ["SepsisLabel", "site"])
def test_an_input_that_reads_another_column_is_found(column: str, frame: pd.DataFrame) -> None:
    reading = _and(lambda frame: (frame[column] == frame[column].iloc[-1]).groupby(frame["pid"]).cumsum())
    leakage.blind_to_other_columns(_honest, frame, np.random.default_rng(3))
    with pytest.raises(ContentError, match=f"a column of .*{column}"):
        leakage.blind_to_other_columns(reading, frame.assign(site=frame["pid"]), np.random.default_rng(3))


@pytest.mark.parametrize(("column", "value"), [("SepsisLabel", 1), ("site", "A")])
def test_a_column_that_never_varies_is_found_too(column: str, value: str | int, frame: pd.DataFrame) -> None:
    constant = frame.assign(**{column: value})
    with pytest.raises(ContentError, match=column):
        leakage.blind_to_other_columns(_and(lambda one: one[column] == value), constant, np.random.default_rng(4))
    leakage.blind_to_other_columns(
        _and(lambda one: one["HR"]), frame[["pid", "ICULOS", "HR", "Age"]], np.random.default_rng(5)
    )


def test_an_input_that_reads_the_id_is_found(frame: pd.DataFrame) -> None:
    leakage.blind_to_ids(_honest, frame)
    with pytest.raises(ContentError, match="changes when patients have other ids"):
        leakage.check({"fit": frame}, _and(lambda one: one["pid"].str.contains("1")), np.random.default_rng(7))


def test_a_patient_on_both_sides_is_found(frame: pd.DataFrame) -> None:
    leakage.apart({"fit": ["a", "b"], "calibrate": ["c"], "test": []})
    with pytest.raises(ContentError, match="both in fit and in test"):
        leakage.check({"fit": frame, "test": frame.iloc[:3]}, _honest, np.random.default_rng(6))
