"""Stays that trees have seen are known again, whatever else is in the file, and nobody else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cds_app.learn.roll import UNSEEN, Roll, of_hours, of_stays
from cds_app.score.features.stays import FEATURES


def ward(patients: int = 40, hours: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = patients * hours
    frame = pd.DataFrame({"pid": np.repeat([f"p{one:02d}" for one in range(patients)], hours)})
    for name in ("HR", "O2Sat", "Temp", "SBP", "MAP", "DBP", "Resp"):
        frame[name] = np.where(rng.random(rows) < 0.4, np.nan, rng.integers(60, 120, rows)).astype(np.float32)
    return frame.assign(Age=60.0, Gender=1, HospAdmTime=np.repeat(rng.integers(-90, 0, patients), hours) / 7.0)


def test_a_patient_has_one_digest_of_his_own() -> None:
    frame = ward()
    digests = pd.Series(of_hours(frame))
    assert (digests.groupby(frame["pid"]).nunique() == 1).all()
    assert digests.nunique() == frame["pid"].nunique()


def test_a_part_under_other_ids_in_another_order_and_precision_is_known_again() -> None:
    frame = ward()
    roll = Roll.of({"fit": of_hours(frame[frame["pid"] < "p30"]), "test": of_hours(frame[frame["pid"] >= "p30"])})
    some = frame[frame["pid"].isin(["p05", "p31"])].iloc[::-1].reset_index(drop=True)
    some = some.iloc[np.lexsort((-np.arange(len(some)), some["pid"]))].astype({"HR": np.float64})
    renamed = some.assign(pid=some["pid"].map({"p05": "x", "p31": "y"})).reset_index(drop=True)
    assert roll.part(of_hours(renamed)).tolist() == ["fit"] * 6 + ["test"] * 6


@pytest.mark.parametrize("name", ["Age", "Gender", "HospAdmTime", "HR"])
def test_somebody_else_is_not_taken_for_them(name: str) -> None:
    frame = ward()
    roll = Roll.of({"fit": of_hours(frame)})
    assert (roll.part(of_hours(frame.assign(**{name: frame[name] + 1}))) == UNSEEN).all()


def test_a_patient_of_whom_little_is_known_is_known_again() -> None:
    frame = ward(3, 2).assign(HR=np.nan, Age=np.nan)
    found = Roll.from_bytes(Roll.of({"fit": of_hours(frame)}).to_bytes())
    assert found.part(of_hours(frame)).tolist() == ["fit"] * 6


def test_a_whole_stay_is_told_by_who_it_is_and_what_came_first() -> None:
    rows = np.random.default_rng(2).normal(50.0, 9.0, (30, len(FEATURES))).astype(np.float32)
    roll = Roll.of({"fit": of_stays(rows[:20])})
    assert roll.part(of_stays(rows)).tolist() == ["fit"] * 20 + [UNSEEN] * 10
    first = next(i for i, one in enumerate(FEATURES) if one.name == "heart_rate_first")
    last = next(i for i, one in enumerate(FEATURES) if one.name == "heart_rate_last")
    for column, part in ((last, "fit"), (first, UNSEEN)):
        moved = rows.copy()
        moved[:, column] += 1.0
        assert (roll.part(of_stays(moved[:20])) == part).all()


def test_the_same_stays_are_written_the_same_way() -> None:
    digests = np.random.default_rng(3).integers(0, 2**32, 100, dtype=np.uint32)
    once, again = (Roll.of({"fit": one, "test": digests[:3]}).to_bytes() for one in (digests, digests[::-1]))
    assert once == again
