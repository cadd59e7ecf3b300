"""Hourly rows of invented patients, with the columns of the Challenge of 2019."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cds_app.learn.files.challenge2019 import COLUMNS

_USUAL = {
    **{"HR": 85, "O2Sat": 97, "Temp": 37, "SBP": 120, "MAP": 80, "DBP": 62, "Resp": 18, "EtCO2": 35, "FiO2": 0.4},
    **{"PaCO2": 40, "SaO2": 96, "BUN": 20, "Calcium": 8.5, "Creatinine": 1.1, "Bilirubin_direct": 0.4, "Glucose": 130},
    **{"Lactate": 1.8, "Magnesium": 2, "Phosphate": 3.4, "Bilirubin_total": 0.9, "TroponinI": 0.2, "Hct": 31},
    **{"Hgb": 10.5, "WBC": 10, "Fibrinogen": 250, "Platelets": 190},
}


def ward(patients: int = 40, hours: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = patients * hours
    frame = pd.DataFrame({"pid": np.repeat([f"p{one:03d}" for one in range(patients)], hours)})
    frame["ICULOS"] = np.tile(np.arange(1, hours + 1), patients)
    for one in COLUMNS:
        usual = _USUAL.get(one.column)
        spread = rng.uniform(0.98, 1.02, rows)
        frame[one.column] = np.full(rows, np.nan) if usual is None else usual * spread
    return frame.assign(Age=60.0, Gender=1, HospAdmTime=-2.0, SepsisLabel=0)


def written(frame: pd.DataFrame, tmp_path: Path) -> Path:
    frame.to_parquet(tmp_path / "ward.parquet", index=False)
    return tmp_path / "ward.parquet"
