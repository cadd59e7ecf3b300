"""From margins to probabilities that mean what they say, with the uncertainty of that step; thresholds and tiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from sklearn.isotonic import IsotonicRegression

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.errors import DataError
from cds_app.learn.coverage import Told, widening, widest
from cds_app.learn.measure import logistic_line
from cds_app.score.risk.calibration import Calibration

Groups = Mapping[str, Mapping[str, Flags]]
Curve = Callable[[Floats, Floats, Floats, Floats], Floats]  # grid, bin margin, positives, rows -> log-odds on the grid

_BINS = 400
_GRID = 121
_BEYOND = 1.0  # the grid reaches this far beyond the margins seen
_KNOTS = 16
_FOLDS = 5
_RESAMPLES = 300
_RESAMPLES_OF_FOLD = 100
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Rows in bins of equal size by margin, so that a resample is two sums."""

    margin: Floats
    bin_of_row: Ints
    label: Ints
    patient: Ints

    @classmethod
    def of(cls, margin: Floats, label: Ints, patient: Ints) -> Binned:
        """Cut rows into bins."""
        order = np.argsort(margin, kind="stable")
        bins = np.empty(len(margin), np.int64)
        bins[order] = np.arange(len(margin)) * min(_BINS, len(margin)) // len(margin)
        mean = np.bincount(bins, margin) / np.bincount(bins)
        return cls(margin=mean, bin_of_row=bins, label=label, patient=np.unique(patient, return_inverse=True)[1])

    def counts(self, weight: Floats) -> tuple[Floats, Floats]:
        """Positives and rows per bin, patients weighted: (patients,) -> twice (bins,)."""
        each: Floats = weight[self.patient]
        size = len(self.margin)
        positive = np.bincount(self.bin_of_row, each * self.label, minlength=size)
        return positive.astype(np.float64), np.bincount(self.bin_of_row, each, minlength=size).astype(np.float64)

    def line(self, curve: Curve, grid: Floats, weight: Floats) -> Floats:
        """The curve of weighted patients; DataError where they all have one outcome."""
        positive, rows = self.counts(weight)
        if not 0.0 < positive.sum() < rows.sum():
            raise DataError("too few patients have the outcome, or are without it, to calibrate", field="data")
        return curve(grid, self.margin, positive, rows)


def platt(grid: Floats, margin: Floats, positive: Floats, rows: Floats) -> Floats:
    """A straight line in the log-odds (Platt 1999)."""
    intercept, slope = logistic_line(margin, positive, rows)
    return intercept + max(slope, 0.0) * grid


def smoothed_isotonic(grid: Floats, margin: Floats, positive: Floats, rows: Floats) -> Floats:
    """Isotonic regression, read at knots, straight lines in the log-odds between and Platt's line beyond them."""
    used = rows > 0
    rate = positive[used] / rows[used]
    fitted = IsotonicRegression(out_of_bounds="clip").fit(margin[used], rate, sample_weight=rows[used])
    # knots hold equal numbers of positives: that is where a calibration is known
    share = (np.cumsum(positive) - positive / 2) / positive.sum()
    knot = np.interp((np.arange(_KNOTS) + 0.5) / _KNOTS, share, margin)
    near = np.clip(np.concatenate([fitted.predict(knot + shift) for shift in (-0.1, 0.0, 0.1)]), _LEAST, 1 - _LEAST)
    log_odds = np.log(near / (1 - near)).reshape(3, -1).mean(axis=0)
    line = platt(grid, margin, positive, rows)
    ends = np.interp(knot[[0, -1]], grid, line)
    inside = np.interp(grid, knot, log_odds)
    below, above = grid < knot[0], grid > knot[-1]
    beyond = np.where(below, line - ends[0] + log_odds[0], line - ends[1] + log_odds[-1])
    return np.asarray(np.maximum.accumulate(np.where(below | above, beyond, inside)))


CURVES: dict[str, Curve] = {"platt": platt, "smoothed_isotonic": smoothed_isotonic}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The calibration, which method won, and the log loss of each in cross-validation by patient.

    ``widened`` is how many times as wide as its bootstrap the interval is.
    """

    calibration: Calibration
    method: str
    log_loss: dict[str, float]
    widened: float


def calibrate(
    margin: Floats,
    label: Ints,
    patient: Ints,
    rng: np.random.Generator,
    *,
    among: Groups | None = None,
    resamples: int = _RESAMPLES,
) -> Fitted:
    """Choose and fit the calibration on patients that the booster has not seen.

    Parameters
    ----------
    margin, label, patient : ndarray, shape (rows,)
    rng : Generator
        For folds and the bootstrap.
    among : mapping, optional
        Groups of rows (`measure.groups`). With them, the interval is made wide enough that in cross-validation by
        patient it holds (`learn.coverage`), within groups too; else it is that of the bootstrap.
    resamples : int
        Of the bootstrap: few where only the middle curve is wanted.

    Raises
    ------
    DataError
        If so few patients have the outcome, or are without it, that the rest of a fold or a resample holds none.
    """
    binned = Binned.of(margin, label, patient)
    grid = np.linspace(margin.min() - _BEYOND, margin.max() + _BEYOND, _GRID)
    losses = {name: _cross_validated(curve, grid, binned, np.random.default_rng(7)) for name, curve in CURVES.items()}
    method = min(losses, key=lambda name: losses[name])
    everybody = np.ones(int(binned.patient.max()) + 1, bool)
    found = _banded(CURVES[method], grid, binned, everybody, rng, resamples)
    factor = 1.0
    if among is not None:
        factor = widest(_needed(CURVES[method], grid, binned, margin, among, rng))
    return Fitted(calibration=_widened(found, factor), method=method, log_loss=losses, widened=factor)


def _banded(
    curve: Curve, grid: Floats, binned: Binned, some: Flags, rng: np.random.Generator, resamples: int
) -> Calibration:
    """The curve of some patients, and its bootstrap by patient."""
    middle = binned.line(curve, grid, some.astype(np.float64))
    members = np.flatnonzero(some)
    drawn = (np.bincount(rng.choice(members, len(members)), minlength=len(some)) for _ in range(resamples))
    again = [binned.line(curve, grid, times.astype(np.float64)) for times in drawn]
    low, high = np.quantile(np.stack(again), (0.05, 0.95), axis=0)
    return Calibration(
        margin=grid,
        log_odds=middle,
        low=np.minimum(np.maximum.accumulate(low), middle),
        high=np.maximum(np.maximum.accumulate(high), middle),
    )


def _needed(
    curve: Curve, grid: Floats, binned: Binned, margin: Floats, among: Groups, rng: np.random.Generator
) -> list[float]:
    """Of every cell of patients left out of a calibration, how much too narrow its interval was."""
    fold = rng.integers(0, _FOLDS, int(binned.patient.max()) + 1)
    found: list[float] = []
    for k in range(_FOLDS):
        band = _banded(curve, grid, binned, fold != k, rng, _RESAMPLES_OF_FOLD)
        mine = fold[binned.patient] == k
        told = Told.by(band, margin[mine], binned.label[mine], binned.patient[mine])
        found += widening(told, {kind: {name: rows[mine] for name, rows in of.items()} for kind, of in among.items()})
    return found


def _widened(found: Calibration, factor: float) -> Calibration:
    """Both ends moved away from the middle in the log-odds; where one would then fall, the wider value is kept."""
    low = found.log_odds - factor * (found.log_odds - found.low)
    high = found.log_odds + factor * (found.high - found.log_odds)
    return replace(found, low=np.minimum.accumulate(low[::-1])[::-1], high=np.maximum.accumulate(high))


def _cross_validated(curve: Curve, grid: Floats, binned: Binned, rng: np.random.Generator) -> float:
    fold = rng.integers(0, _FOLDS, int(binned.patient.max()) + 1)
    loss = rows = 0.0
    for k in range(_FOLDS):
        line = binned.line(curve, grid, (fold != k).astype(np.float64))
        log_odds = np.interp(binned.margin, grid, line)
        positive, n = binned.counts((fold == k).astype(np.float64))
        loss += float((n * np.logaddexp(0.0, log_odds) - positive * log_odds).sum())
        rows += float(n.sum())
    return loss / rows
