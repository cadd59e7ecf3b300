"""How well the next level is foretold, before and after the levels so far are used; and visual predictive checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from cds_app.domain.arrays import Floats
from cds_app.learn.kinetics.subjects import Subject
from cds_app.simulate.kinetics.courses import Epoch
from cds_app.simulate.kinetics.models import Model, Residual
from cds_app.simulate.kinetics.patients import Patient, Placed, place
from cds_app.simulate.kinetics.posterior import sample_posterior
from cds_app.simulate.kinetics.simulation import plasma, simulate
from cds_app.simulate.plans import Dose

DRAWS: Final = 400
_BINS: Final = 9
_QUANTILES: Final = (0.1, 0.5, 0.9)
_BLUE, _GREY = "#1f5f8b", "#777777"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """Next levels of many people, all arrays (levels,).

    Parameters
    ----------
    observed : ndarray
    population, individual : ndarray
        Median forecast from covariates alone, and with all earlier levels.
    low, high, low50, high50 : ndarray
        The middle 90 and 50 % of the individual forecast, error of measurement included.
    effective : ndarray
        Draws that the individual forecast is worth.
    earlier : ndarray
        How many levels were used.
    """

    observed: Floats
    population: Floats
    individual: Floats
    low: Floats
    high: Floats
    low50: Floats
    high50: Floats
    effective: Floats
    earlier: Floats

    def figures(self) -> dict[str, float]:
        """Median relative error and mean absolute error of both, how many levels lie within the bands, least worth."""
        return {
            "levels": len(self.observed),
            "population_median_relative_error": float(np.median(np.abs(self.population / self.observed - 1.0))),
            "individual_median_relative_error": float(np.median(np.abs(self.individual / self.observed - 1.0))),
            "population_mae": float(np.abs(self.population - self.observed).mean()),
            "individual_mae": float(np.abs(self.individual - self.observed).mean()),
            "within_50": float(((self.observed >= self.low50) & (self.observed <= self.high50)).mean()),
            "within_90": float(((self.observed >= self.low) & (self.observed <= self.high)).mean()),
            "effective_draws_least": float(self.effective.min()),
        }


def foretell(model: Model, subjects: Sequence[Subject], *, seed: int, least_earlier: int = 1) -> Foretold:
    """Foretell every level from those before it.

    Parameters
    ----------
    least_earlier : int
        Levels known before the first one that is foretold.
    """
    rng = np.random.default_rng(seed)
    rows = [
        _next(model, subject, count, rng) for subject in subjects for count in range(least_earlier, len(subject.levels))
    ]
    columns = np.array(rows, np.float64).T
    return Foretold(**dict(zip(Foretold.__slots__, columns, strict=True)))


def _next(model: Model, subject: Subject, count: int, rng: np.random.Generator) -> tuple[float, ...]:
    """In the order of the fields of `Foretold`."""
    level = subject.levels[count]
    plain, _ = _forecast(model, subject, subject.known(0), level.at_h, rng)
    own, effective = _forecast(model, subject, subject.known(count), level.at_h, rng)
    bands = np.quantile(measured(own, model.file.residual, rng), (0.05, 0.95, 0.25, 0.75))
    middles = (float(np.median(plain)), float(np.median(own)))
    return (level.value, *middles, *map(float, bands), effective, float(count))


def _forecast(
    model: Model, subject: Subject, known: Patient, at_h: float, rng: np.random.Generator
) -> tuple[Floats, float]:
    """Draws of a level, and how many they are worth."""
    placed = _placed(model, subject, known)
    found = sample_posterior(placed, known, draws=DRAWS, rng=rng)
    if isinstance(found, tuple):
        raise ValueError(f"{subject.name}: {found[0].limit}")
    values = exact(model, placed.epochs(found.etas)[0], subject.doses, np.array([at_h]))
    return values[:, 0], found.effective


def exact(model: Model, epochs: Sequence[Epoch], doses: Sequence[Dose], times_h: Floats) -> Floats:
    """What is measured, without the error of measurement, (draws, times): a level, or the INR."""
    of = simulate if model.file.response == "hamberg-inr" else plasma
    return of(model, epochs, doses, times_h).values


def _placed(model: Model, subject: Subject, known: Patient) -> Placed:
    placed = place(model, known)
    if isinstance(placed, tuple):
        raise ValueError(f"{subject.name}: {placed[0].field} {placed[0].limit}")
    return placed


def measured(values: Floats, residual: Residual, rng: np.random.Generator) -> Floats:
    """Values with an error of measurement."""
    noise = rng.standard_normal(values.shape)
    if residual.kind == "log":
        return np.asarray(values * np.exp(residual.proportional * noise))
    return np.asarray(values + noise * np.sqrt(residual.additive**2 + (residual.proportional * values) ** 2))


def crossed(subjects: Sequence[Subject], folds: int, train: Callable[[list[Subject]], Model], *, seed: int) -> Foretold:
    """Foretell each fold with a model estimated on the others."""
    parts = []
    for fold in range(folds):
        model = train([one for n, one in enumerate(subjects) if n % folds != fold])
        parts.append(foretell(model, subjects[fold::folds], seed=seed + fold))
    names = Foretold.__slots__
    return Foretold(**{name: np.concatenate([getattr(one, name) for one in parts]) for name in names})


def predictive_check(model: Model, subjects: Sequence[Subject], *, seed: int, copies: int = 200) -> dict[str, Floats]:
    """Quantiles of the levels by time, observed and simulated.

    Returns
    -------
    mapping of str to ndarray
        ``time_h`` (bins,), ``observed`` (3, bins), ``low`` and ``high`` (3, bins): the middle 90 % of the same
        quantiles over simulated copies of the whole study.
    """
    rng = np.random.default_rng(seed)
    times, observed, drawn = [], [], []
    for subject in subjects:
        known = subject.known(0)
        placed = _placed(model, subject, known)
        found = sample_posterior(placed, known, draws=copies, rng=rng)
        assert not isinstance(found, tuple)  # noqa: S101 - without levels there is nothing to refuse
        at = np.array([one.at_h for one in subject.levels])
        unique, back = np.unique(at, return_inverse=True)
        levels = exact(model, placed.epochs(found.etas)[0], subject.doses, unique)[:, back]
        drawn.append(measured(levels, model.file.residual, rng))
        times.append(at)
        observed.append(np.array([one.value for one in subject.levels]))
    return _by_time(np.concatenate(times), np.concatenate(observed), np.concatenate(drawn, axis=1))


def _by_time(times: Floats, observed: Floats, drawn: Floats) -> dict[str, Floats]:
    edges = np.unique(np.quantile(times, np.linspace(0.0, 1.0, _BINS + 1)))
    place_of = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(edges) - 2)
    bins = [np.flatnonzero(place_of == n) for n in range(len(edges) - 1)]
    simulated = np.stack([np.quantile(drawn[:, one], _QUANTILES, axis=1) for one in bins], axis=2)  # (3, copies, bins)
    return {
        "time_h": np.array([np.median(times[one]) for one in bins]),
        "observed": np.stack([np.quantile(observed[one], _QUANTILES) for one in bins], axis=1),
        "low": np.quantile(simulated, 0.05, axis=1),
        "high": np.quantile(simulated, 0.95, axis=1),
    }


def draw_check(found: dict[str, Floats], title: str, unit: str, path: Path) -> None:
    """A visual predictive check as PNG: observed quantiles over the bands that the model expects of them."""
    figure = Figure(figsize=(5.0, 3.6), dpi=96, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    for row, style in zip(range(len(_QUANTILES)), ("--", "-", "--"), strict=True):
        axes.fill_between(found["time_h"], found["low"][row], found["high"][row], color=_BLUE, alpha=0.2, lw=0)
        axes.plot(found["time_h"], found["observed"][row], style, color=_GREY)
    axes.set(xlabel="hours", ylabel=unit, title=title)
    figure.savefig(path, format="png", metadata={"Software": None})
