"""Fit the twin's dynamics on PhysioNet 2019 and evaluate its forecasts against the last value carried forward."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cds_app.content import CARD, Artefact, canonical_json, latest, write_manifest
from cds_app.domain.arrays import Flags, Floats
from cds_app.learn import outputs
from cds_app.learn.data_set import file_sha256
from cds_app.learn.files import challenge2019 as source
from cds_app.learn.twin.card import twin_card
from cds_app.learn.twin.dynamics import (
    SIGNALS,
    corrected,
    design_matrix,
    entry,
    fit_dynamics,
    histories,
    with_corrections,
    with_intervals,
)
from cds_app.learn.twin.joint import joint_entry, scaled
from cds_app.learn.twin.panel import History, Panel, history, to_unit
from cds_app.twin.model import Dynamics, dynamics_of

EVALUATED = ("HR", "MAP", "SBP", "Resp", "O2Sat", "Temp")
EVALUATED_H = (1, 4, 8)
NEVER_MEASURED = "never-measured"
_POPULATION = "Adults in intensive care at two hospitals of the USA; hourly rows of the first two weeks"


def fit(data: Path, out: Path, seed: int) -> Artefact:
    """Fit every quantity with enough data and write the artefact.

    Parameters
    ----------
    data : Path
        Parquet or CSV file of the Challenge 2019.
    out : Path
        Version folder to write, ``models/twin/1.0.0``.
    seed : int
        For the choice of rows and patients that are looked at.
    """
    frame = source.load(data)
    sets = {part: _panel(frame[source.in_part(frame["pid"], part)]) for part in ("fit", "calibrate")}
    rng = np.random.default_rng(seed)
    model = _fitted(sets["fit"], sets["calibrate"], rng)
    out.mkdir(parents=True, exist_ok=True)
    quantities = {name: entry(one) for name, one in sorted(model.items())}
    (out / "dynamics.json").write_bytes(canonical_json({"quantities": quantities}))
    (out / "correlation.json").write_bytes(canonical_json(joint_entry(model, sets["fit"], sets["calibrate"], rng)))
    figures = _figures(frame[source.in_part(frame["pid"], "test")], model)[1]
    facts = _facts(data, frame, seed)
    artefact = write_manifest(out, {**facts, "figures": figures})
    (out / CARD).write_text(twin_card(facts, figures, sorted(model)), encoding="utf-8")
    return artefact


def evaluate(
    data: Path, predictions: Path, report: Path, *, part: source.Part | None = None, root: Path | None = None
) -> dict[str, Any]:
    """Forecast six vital signs 1, 4 and 8 h ahead of every row, from the data up to and including that row.

    Parameters
    ----------
    data : Path
        Parquet or CSV file with the challenge's columns.
    predictions : Path
        Parquet to write: pid, ICULOS, variable, horizon_h, mean, lo90, hi90, abstained. As in serving nothing is
        forecast of a variable that was not measured in the patient up to the row: the three are null and ``abstained``
        says so.
    report : Path
        JSON to write: what is returned.
    part : {"fit", "calibrate", "test"}, optional
        Only the patients of one part of the split; all by default.
    root : Path, optional
        Where ``models/`` is.

    Returns
    -------
    dict
        Per variable and horizon: absolute error, that of the last value carried forward, their ratio, coverage and
        mean width of the 90 % interval, over targets of a forecast, number of targets, and of those without a forecast;
        None for what no target says.
    """
    artefact = latest("twin", root=root)
    model = _read(artefact)
    frame = source.load(data, extra=("pid", "ICULOS"))
    if part is not None:
        frame = frame[source.in_part(frame["pid"], part)].reset_index(drop=True)
    rows, figures = _figures(frame, model)
    found = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "seed": artefact.manifest["seed"],
        "data_sha256": file_sha256(data),
        "part": part or "all",
        "patients": int(frame["pid"].nunique()),
        "rows": len(frame),
        "comparison": "last value carried forward, over targets that have a last value",
        **figures,
    }
    outputs.write({predictions: outputs.table(rows), report: outputs.document(found)})
    return found


def _panel(frame: pd.DataFrame) -> Panel:
    return Panel.of(frame, source.QUANTITY_OF)


def _read(artefact: Artefact) -> dict[str, Dynamics]:
    return {name: dynamics_of(name, one) for name, one in artefact.read_json("dynamics.json")["quantities"].items()}


def _fitted(fit_set: Panel, calibrate: Panel, rng: np.random.Generator) -> dict[str, Dynamics]:
    found = {one.quantity: fit_dynamics(fit_set, one, rng) for one in source.COLUMNS}
    model = {name: one for name, one in found.items() if one is not None}
    model |= _corrections(model, fit_set, rng)
    pasts = histories(model, calibrate)
    design = design_matrix(model, pasts)
    calibrated = {
        name: with_intervals(one, calibrate, pasts.get(name) or history(one, calibrate), design)
        for name, one in model.items()
    }
    return {name: scaled(one, fit_set) for name, one in calibrated.items()}


def _corrections(model: Mapping[str, Dynamics], panel: Panel, rng: np.random.Generator) -> dict[str, Dynamics]:
    pasts = histories(model, panel)
    design = design_matrix(model, pasts)
    return {name: with_corrections(model[name], panel, pasts[name], design, rng) for name in SIGNALS}


def _facts(data: Path, frame: pd.DataFrame, seed: int) -> dict[str, Any]:
    patients = frame["pid"].drop_duplicates()
    sizes = {part: int(source.in_part(patients, part).sum()) for part in ("fit", "calibrate", "test")}
    return {
        "kind": "twin",
        "credit": source.DATA_SET.credit_short,
        "data": {"file": data.name, "sha256": file_sha256(data)},
        "seed": seed,
        "split": {"how": "SHA-256 of the patient id, 70/15/15", "patients": sizes},
        "population": _POPULATION,
    }


def _figures(frame: pd.DataFrame, model: Mapping[str, Dynamics]) -> tuple[pd.DataFrame, dict[str, Any]]:
    panel = _panel(frame)
    pasts = histories(model, panel)
    design = design_matrix(model, pasts)
    keys = frame[["pid", "ICULOS"]].reset_index(drop=True)
    blocks, table = [], []
    for column in EVALUATED:
        dynamics = model[source.QUANTITY_OF[column]]
        past = pasts[dynamics.quantity]
        for horizon_h in EVALUATED_H:
            three = _forecast(dynamics, past, design, horizon_h)
            target = panel.ahead(dynamics.quantity, horizon_h)
            table.append({"variable": column, "horizon_h": horizon_h, **_row(three, target, past.last)})
            blocks.append(_block(keys, column, horizon_h, three))
    return pd.concat(blocks, ignore_index=True), {"table": table, "mean_ratio": _mean_ratio(table)}


def _forecast(dynamics: Dynamics, past: History, design: Floats, horizon_h: int) -> Floats:
    """Median, low and high in the canonical unit, NaN where nothing was measured up to the row: array (3, rows)."""
    horizon = next(one for one in dynamics.horizons if one.horizon_h == horizon_h)
    mean, sd = corrected(dynamics, past, design, horizon)
    scaled = (mean, mean - horizon.low_factor * sd, mean + horizon.high_factor * sd)
    found = np.stack([to_unit(dynamics, one) for one in scaled])
    return np.where(np.isfinite(past.last), found, np.nan)


def _block(keys: pd.DataFrame, column: str, horizon_h: int, three: Floats) -> pd.DataFrame:
    mean, low, high = three.astype(np.float32)
    why = pd.Series(NEVER_MEASURED, index=keys.index, dtype="string").where(np.isnan(mean))
    return keys.assign(variable=column, horizon_h=np.int8(horizon_h), mean=mean, lo90=low, hi90=high, abstained=why)


def _row(three: Floats, target: Floats, last: Floats) -> dict[str, float | None]:
    known = np.isfinite(target)
    paired = known & np.isfinite(last)
    mean, low, high = three
    mae, locf = (_mean(np.abs(target - one)[paired]) for one in (mean, last))
    inside = (target >= low) & (target <= high)
    return {
        "mae": _rounded(mae),
        "locf_mae": _rounded(locf),
        "ratio": _rounded(mae / locf if mae is not None and locf else None),
        "coverage": _rounded(_mean(inside[paired])),
        "mean_width": _rounded(_mean((high - low)[paired])),
        "targets": int(known.sum()),
        "targets_without_last_value": int((known & ~paired).sum()),
    }


def _mean_ratio(table: list[dict[str, Any]]) -> dict[str, float | None]:
    """Of all variables; None where one has no ratio, as the others would say something else."""
    found: dict[str, float | None] = {}
    for horizon_h in EVALUATED_H:
        ratios = [one["ratio"] for one in table if one["horizon_h"] == horizon_h]
        found[f"{horizon_h}h"] = None if None in ratios else _rounded(float(np.mean(ratios)))
    return found


def _mean(values: Floats | Flags) -> float | None:
    """None of nothing."""
    return float(values.mean()) if len(values) else None


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 4)
