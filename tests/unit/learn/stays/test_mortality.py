"""What `twinline evaluate mortality` answers of stays that are not what they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cds_app.errors import DataError
from cds_app.learn.stays import mortality

USUAL = {
    **{"HR": 88.0, "SysABP": 118.0, "DiasABP": 60.0, "MAP": 79.0, "RespRate": 18.0, "Temp": 37.1, "GCS": 14.0},
    **{"Urine": 70.0, "Na": 139.0, "K": 4.1, "BUN": 20.0, "Creatinine": 1.0, "Glucose": 127.0, "WBC": 11.0},
}
Change = Callable[[pd.DataFrame], pd.DataFrame]


def stays(count: int = 3) -> pd.DataFrame:
    """Invented stays, alike but for the age."""
    rows = []
    for record in range(1, count + 1):
        rows += [(record, "00:00", name, value) for name, value in (("Age", 50.0 + record), ("Gender", 1.0))]
        rows += [(record, f"{hour:02d}:00", name, value) for hour in (1, 13, 25, 47) for name, value in USUAL.items()]
    return pd.DataFrame(rows, columns=["RecordID", "Time", "Parameter", "Value"])


def answers(tmp_path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """By stay."""
    frame.to_parquet(tmp_path / "stays.parquet", index=False)
    mortality.evaluate(tmp_path / "stays.parquet", None, tmp_path / "out.parquet", tmp_path / "out.json")
    return pd.read_parquet(tmp_path / "out.parquet").set_index("RecordID")


def _of_the_second(**values: float | None) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["RecordID"] == 2
        return frame.assign(
            Value=[
                values.get(name, value) if here else value
                for here, name, value in zip(mine, frame["Parameter"], frame["Value"], strict=True)
            ]
        )

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda frame: frame[(frame["RecordID"] != 2) | (frame["Parameter"] == "RecordID")], None),
        (
            lambda frame: frame[(frame["RecordID"] != 2) | frame["Parameter"].isin(["Age", "Gender"])],
            "nothing-measured",
        ),
        (lambda frame: frame[(frame["RecordID"] != 2) | frame["Parameter"].isin(["Age", "HR"])], "few-measurements"),
        (_of_the_second(**dict.fromkeys(USUAL)), "nothing-measured"),
        (_of_the_second(Age=0.0), "too-young"),
        (_of_the_second(Age=130.0), "age-unknown"),
        (_of_the_second(HR=150.0, RespRate=50.0, MAP=40.0, SysABP=60.0, DiasABP=30.0), "outside-population"),
        (_of_the_second(HR=37.1, Temp=45.0), "outside-population"),
        (_of_the_second(Temp=98.6), "in-another-unit"),
        (_of_the_second(SysABP=15.7, MAP=10.5, DiasABP=8.0), "in-another-unit"),
        (_of_the_second(Creatinine=88.0), "in-another-unit"),
    ],
)
def test_one_stay_without_a_basis_gets_a_reason_and_the_others_their_number(
    tmp_path: Path, change: Change, why: str | None
) -> None:
    found = answers(tmp_path, change(stays()))
    assert found.index.tolist() == ([1, 2, 3] if why else [1, 3])
    if why:
        assert found.loc[2, "abstained"] == why
        assert found.loc[2, ["risk", "alert"]].isna().all()
    others = found.loc[[1, 3]]
    assert others["abstained"].isna().all()
    assert others["risk"].between(0.0, 1.0, inclusive="neither").all()


def test_where_no_stay_has_a_risk_there_is_nothing_to_grade(tmp_path: Path) -> None:
    frame = stays()
    frame[frame["Parameter"] != "Age"].to_parquet(tmp_path / "stays.parquet", index=False)
    pd.DataFrame({"RecordID": [1, 2, 3], "In-hospital_death": [0, 1, 0]}).to_parquet(tmp_path / "died.parquet")
    data, died, out, report = (tmp_path / name for name in ("stays.parquet", "died.parquet", "out.parquet", "out.json"))
    found = mortality.evaluate(data, died, out, report)
    assert found["labels"]
    assert found["abstained"] == 3
    assert "overall" not in found


@pytest.mark.parametrize(
    "outcomes", [{"RecordID": [1, 2], "In-hospital_death": [0, 1]}, {"RecordID": [1, 2, 3], "Died": [0, 1, 0]}]
)
def test_outcomes_that_do_not_fit_leave_no_predictions(tmp_path: Path, outcomes: dict[str, list[int]]) -> None:
    data, died, out, report = (tmp_path / name for name in ("stays.parquet", "died.parquet", "out.parquet", "out.json"))
    stays().to_parquet(data, index=False)
    pd.DataFrame(outcomes).to_parquet(died)
    with pytest.raises(DataError, match="lack"):
        mortality.evaluate(data, died, out, report)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["died.parquet", "stays.parquet"]


def test_nothing_that_is_measured_after_the_first_two_days_changes_an_answer(tmp_path: Path) -> None:
    frame = stays()
    later = [
        (2, f"{hour}:00", name, USUAL[name] * 1.8 + 32.0) for hour in range(49, 60) for name in ("Temp", "DiasABP")
    ]
    more = pd.concat([frame, pd.DataFrame(later, columns=frame.columns)])
    pd.testing.assert_frame_equal(answers(tmp_path, frame), answers(tmp_path, more))


def test_neither_order_nor_repetition_of_rows_nor_other_stays_matter(tmp_path: Path) -> None:
    frame = stays()
    once = answers(tmp_path, frame)
    again = answers(tmp_path, pd.concat([frame, frame.iloc[::2]]).sample(frac=1.0, random_state=1))
    alone = answers(tmp_path, frame[frame["RecordID"] == 2])
    pd.testing.assert_frame_equal(once, again)
    assert alone["risk"].tolist() == [once["risk"].loc[2]]
