"""Hourly rows of many patients as the filter and the forecasts want them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.twin.lockstep import Beliefs, Samples, carried, filtered
from cds_app.twin.model import RESIDUAL_FADES_H, Dynamics


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Rows sorted by patient and hour.

    Parameters
    ----------
    patient : array (rows,)
        Number of the patient.
    hours : array (rows,)
        Hours since admission to the unit.
    values : mapping of str to array (rows,)
        By quantity, canonical unit, NaN where not measured.
    """

    patient: Ints
    hours: Floats
    values: Mapping[str, Floats]

    @classmethod
    def of(cls, frame: pd.DataFrame, columns: Mapping[str, str]) -> Panel:
        """From a frame of `challenge2019.load`; a column that is not there counts as never measured."""
        patient = pd.factorize(frame["pid"])[0].astype(np.int64)
        nowhere = np.full(len(frame), np.nan)
        values = {
            quantity: frame[column].to_numpy(dtype=np.float64) if column in frame.columns else nowhere
            for column, quantity in columns.items()
        }
        return cls(patient=patient, hours=frame["ICULOS"].to_numpy(dtype=np.float64), values=values)

    def rows(self, chosen: Flags) -> Panel:
        """Only some rows."""
        values = {name: one[chosen] for name, one in self.values.items()}
        return Panel(patient=self.patient[chosen], hours=self.hours[chosen], values=values)

    def samples(self, dynamics: Dynamics) -> Samples:
        """Everything measured of a quantity, on its transformed scale."""
        value = self.values[dynamics.quantity]
        seen = np.isfinite(value)
        return Samples.of(self.patient[seen], self.hours[seen], to_scale(dynamics, value[seen]))

    def last_seen(self, quantity: str) -> Ints:
        """Per row, the number of the latest sample of the patient up to then among all samples; -1 for none."""
        seen = np.isfinite(self.values[quantity])
        so_far = np.cumsum(seen)
        starts = np.flatnonzero(np.r_[True, np.diff(self.patient) != 0])
        before = np.repeat(so_far[starts] - seen[starts], np.diff(np.r_[starts, len(seen)]))
        return np.where(so_far > before, so_far - 1, -1).astype(np.int64)

    def ahead(self, quantity: str, horizon_h: int) -> Floats:
        """Per row, the value ``horizon_h`` hours later; NaN where it was not measured."""
        rows = pd.DataFrame({"patient": self.patient, "at": self.hours, "value": self.values[quantity]})
        later = rows.assign(at=rows["at"] - horizon_h)
        found = rows[["patient", "at"]].merge(later, on=["patient", "at"], how="left", validate="many_to_one")
        return found["value"].to_numpy(dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One quantity at every row of a panel, from the data up to that row.

    Parameters
    ----------
    belief : array (5, rows)
        Baseline, deviation and covariances at the row's hour.
    residual : array (rows,)
        The last residual, weighted and faded (`cds_app.twin.outlook.signals_of`).
    last : array (rows,)
        Last value, canonical unit; NaN before the first.
    age_h : array (rows,)
        Its age; infinite before the first.
    """

    belief: Floats
    residual: Floats
    last: Floats
    age_h: Floats


def history(dynamics: Dynamics, panel: Panel) -> History:
    """Filter one quantity and read it at every row."""
    samples = panel.samples(dynamics)
    rows = panel.last_seen(dynamics.quantity)
    value = panel.values[dynamics.quantity]
    if not len(samples.hours):
        samples = Samples.of(np.zeros(1, np.int64), np.zeros(1), np.zeros(1))
        value = np.zeros(1)
    beliefs = filtered(dynamics, samples)
    seen, at = rows >= 0, np.maximum(rows, 0)
    age_h = np.where(seen, panel.hours - samples.hours[at], np.inf)
    return History(
        belief=carried(dynamics, beliefs, rows, panel.hours),
        residual=np.where(seen, _residual(samples, beliefs)[at] * np.exp(-age_h / RESIDUAL_FADES_H), 0.0),
        last=np.where(seen, value[np.isfinite(value)][at], np.nan),
        age_h=age_h,
    )


def _residual(samples: Samples, beliefs: Beliefs) -> Floats:
    return beliefs.weight * (samples.values - beliefs.baseline - beliefs.deviation)


def signals(dynamics: Dynamics, past: History) -> Floats:
    """What `cds_app.twin.outlook.signals_of` gives, for every row: array (rows, 3)."""
    baseline = past.belief[0] - dynamics.baseline_mean
    seen = np.isfinite(past.age_h)
    return np.stack([np.where(seen, baseline, 0.0), np.where(seen, past.belief[1], 0.0), past.residual], axis=1)


def closed_form(dynamics: Dynamics, past: History, horizon_h: float) -> tuple[Floats, Floats]:
    """Uncorrected forecast and its standard deviation, transformed scale."""
    kept_b = np.exp(-horizon_h / dynamics.baseline_relaxation_h)
    kept_d = np.exp(-horizon_h / dynamics.relaxation_h)
    baseline, deviation, p_bb, p_bd, p_dd = past.belief
    var_b, var_d = dynamics.baseline_sd**2, dynamics.deviation_sd**2
    mean = dynamics.baseline_mean + kept_b * (baseline - dynamics.baseline_mean) + kept_d * deviation
    variance = var_b + kept_b**2 * (p_bb - var_b) + 2.0 * kept_b * kept_d * p_bd
    variance += var_d + kept_d**2 * (p_dd - var_d) + dynamics.noise_sd**2
    return mean, np.sqrt(variance)


def to_scale(dynamics: Dynamics, value: Floats) -> Floats:
    """`Dynamics.to_scale` of an array; NaN stays NaN."""
    if dynamics.transform == "identity":
        return value
    lowest = dynamics.to_scale(0.0)
    return np.maximum(np.log(np.where(value <= 0.0, np.exp(lowest), value)), lowest)


def to_unit(dynamics: Dynamics, scaled: Floats) -> Floats:
    """`Dynamics.to_unit` of an array."""
    value = scaled if dynamics.transform == "identity" else np.exp(np.minimum(scaled, 50.0))
    return np.clip(value, dynamics.low, dynamics.high)
