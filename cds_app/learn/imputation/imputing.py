"""``twinline evaluate imputation`` and ``twinline impute``: files in, figures and completed files out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cds_app.content import canonical_json, latest
from cds_app.learn.data_set import file_sha256
from cds_app.learn.imputation.data import VARIABLES, Cohort, read, statics
from cds_app.learn.imputation.masks import BLOCK_CHANNELS, BLOCK_H, POINT_SHARE, Mask
from cds_app.learn.imputation.measure import figures
from cds_app.twin.imputation import Imputer
from cds_app.twin.windows import HOURS, Product, Singles

_AT_ONCE = 64  # patients in memory as rows
_HOW: dict[Mask, str] = {
    "point": f"{POINT_SHARE:.0%} of the measured hours, by chance",
    "block": f"{BLOCK_H} hours of every stay, of {BLOCK_CHANNELS:.0%} of the variables, by chance",
}


def evaluate(data: Path, report: Path, mask: Mask, seed: int, *, part: str | None = None) -> dict[str, Any]:
    """Hide measured hours, ask for them again, and say how well they were found.

    Parameters
    ----------
    data : Path
        Parquet or CSV file with the challenge's columns.
    report : Path
        JSON to write: what is returned.
    mask : {"point", "block"}
    seed : int
        Of what is hidden.
    part : str, optional
        Only stays of this ``set``; all by default.

    Returns
    -------
    dict
        For both products: error in standard deviations, its ratio to the last value (causal) or the straight line
        (retrospective), coverage of the 90 % interval; every candidate; by variable, gap, sex, age and kind of unit.
    """
    artefact = latest("imputation")
    cohort = read(data, part)
    found = {
        "model": {"name": artefact.name, "version": artefact.version, "sha256": artefact.sha256},
        "mask": mask,
        "hidden": _HOW[mask],
        "seed": seed,
        "set": part or "all",
        "data_sha256": file_sha256(data),
        "patients": len(cohort.record),
        "products": figures(Imputer.from_artefact(artefact), cohort, mask, seed),
    }
    report.write_bytes(canonical_json(found))
    return found


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What a terminal shows of a report."""
    told = ("compared_with", "mae", "compared_mae", "ratio", "ratio_interval", "coverage", "width_sd", "candidates")
    products = {name: {key: one[key] for key in told} for name, one in found["products"].items()}
    return {**{key: found[key] for key in ("mask", "seed", "patients")}, "products": products}


def complete(data: Path, out: Path, product: Product) -> int:
    """Complete every hour of every variable of a file; the number of patients.

    Parameters
    ----------
    data : Path
        Parquet or CSV file with the challenge's columns.
    out : Path
        Parquet to write: RecordID, hour (0 to 47), variable (as in the file), mean, lo90, hi90 in canonical units.
        An hour that was measured has the measurement as all three. Appears whole or not at all.
    product : {"causal", "retrospective"}
    """
    cohort, imputer = read(data), Imputer.from_artefact(latest("imputation"))
    who, half = statics(cohort.stayers), out.with_name(out.name + ".part")
    with pq.ParquetWriter(half, _SCHEMA) as writer:
        for start in range(0, len(cohort.record), _AT_ONCE):
            places = range(start, min(start + _AT_ONCE, len(cohort.record)))
            writer.write_table(pa.concat_tables([_rows(imputer, cohort, who[i], (i, product)) for i in places]))
    half.replace(out)
    return len(cohort.record)


_SCHEMA = pa.schema([
    ("RecordID", pa.int64()), ("hour", pa.int8()), ("variable", pa.string()), ("mean", pa.float32()),
    ("lo90", pa.float32()), ("hi90", pa.float32()),
])  # fmt: skip


def _rows(imputer: Imputer, cohort: Cohort, who: Singles, asked: tuple[int, Product]) -> pa.Table:
    place, product = asked
    found = imputer.complete(cohort.values[place], who, product)
    columns = {
        "RecordID": np.full(HOURS * len(VARIABLES), cohort.record[place]),
        "hour": np.repeat(np.arange(HOURS, dtype=np.int8), len(VARIABLES)),
        "variable": np.tile(VARIABLES, HOURS),
        **{name: one.ravel() for name, one in (("mean", found.mean), ("lo90", found.low), ("hi90", found.high))},
    }
    return pa.Table.from_pandas(pd.DataFrame(columns), schema=_SCHEMA, preserve_index=False)
