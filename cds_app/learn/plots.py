"""The pictures of a model card, drawn once at training on test patients.

The beeswarm is drawn by the shap library from its own explainer, so that it is also an independent look at the trees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xgboost as xgb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from cds_app.domain.arrays import Floats, Ints

_INCHES = (4.4, 3.6)
_DPI = 96
_POINTS = 400  # of a curve; more cannot be told apart
_EXPLAINED = 600  # dots a feature in the beeswarm
_SHOWN = 15
_BINS = 10
_BLUE, _GREY = "#1f5f8b", "#777777"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Test rows as the plots need them: all arrays (rows,) but ``design`` (rows, features)."""

    label: Ints
    risk: Floats
    threshold: float
    design: NDArray[np.float32]
    names: Sequence[str]


def draw(folder: Path, booster: xgb.Booster, seen: Seen, seed: int) -> None:
    """Write the plots of a head as PNG files.

    Parameters
    ----------
    folder : Path
        Where ``roc.png``, ``precision_recall.png``, ``calibration.png``, ``decision_curve.png``, ``beeswarm.png`` go.
    booster : Booster
        Over the columns of ``seen.design``.
    seed : int
        Draws the rows that are explained.
    """
    painters: tuple[tuple[str, Callable[[Axes, Seen], None]], ...] = (
        ("roc", _roc),
        ("precision_recall", _precision_recall),
        ("calibration", _calibration),
        ("decision_curve", _decision_curve),
    )
    for name, paint in painters:
        figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        paint(axes, seen)
        _save(figure, folder / f"{name}.png")
    _beeswarm(folder / "beeswarm.png", booster, seen, seed)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", bbox_inches="tight", metadata={"Software": None})


def _thin(*curves: Floats) -> tuple[Floats, ...]:
    places = np.unique(np.linspace(0, len(curves[0]) - 1, _POINTS).astype(np.int64))
    return tuple(curve[places] for curve in curves)


def _roc(axes: Axes, seen: Seen) -> None:
    false, true, _ = roc_curve(seen.label, seen.risk)
    axes.plot(*_thin(false, true), color=_BLUE)
    axes.plot((0, 1), (0, 1), color=_GREY, linestyle=":")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(0, 1), ylim=(0, 1))


def _precision_recall(axes: Axes, seen: Seen) -> None:
    precision, recall, _ = precision_recall_curve(seen.label, seen.risk)
    axes.plot(*_thin(recall, precision), color=_BLUE)
    axes.axhline(seen.label.mean(), color=_GREY, linestyle=":")
    axes.set(xlabel="sensitivity", ylabel="positive predictive value", xlim=(0, 1), ylim=(0, None))


def _calibration(axes: Axes, seen: Seen) -> None:
    parts = np.array_split(np.argsort(seen.risk, kind="stable"), _BINS)
    points = np.array([(seen.risk[rows].mean(), seen.label[rows].mean()) for rows in parts])
    most = float(points.max()) * 1.1
    axes.plot((0, most), (0, most), color=_GREY, linestyle=":")
    axes.plot(*points.T, marker="o", color=_BLUE)
    axes.set(xlabel="predicted risk", ylabel="observed frequency", xlim=(0, most), ylim=(0, most))


def _decision_curve(axes: Axes, seen: Seen) -> None:
    """Net benefit (Vickers and Elkin, Med Decis Making 2006): true minus false alerts at the odds of the threshold."""
    rate = float(seen.label.mean())
    limits = np.linspace(rate / 10, min(0.9, 8 * rate), 120)
    odds = limits / (1 - limits)
    alert = seen.risk[:, None] >= limits
    hits = (alert & (seen.label[:, None] > 0)).mean(axis=0)
    axes.plot(limits, hits - (alert.mean(axis=0) - hits) * odds, color=_BLUE, label="model")
    axes.plot(limits, rate - (1 - rate) * odds, color=_GREY, linestyle="--", label="alert for all")
    axes.axhline(0.0, color="black", linewidth=0.8, label="alert for nobody")
    axes.axvline(seen.threshold, color=_GREY, linestyle=":")
    axes.set(xlabel="threshold", ylabel="net benefit", ylim=(-rate / 4, rate * 1.1))
    axes.legend(frameon=False)


def _beeswarm(path: Path, booster: xgb.Booster, seen: Seen, seed: int) -> None:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - picks a backend, which only this plot needs
    import shap  # noqa: PLC0415 - takes seconds to load, which evaluation need not wait for

    rows = np.sort(
        np.random.default_rng(seed).choice(len(seen.design), min(_EXPLAINED, len(seen.design)), replace=False)
    )
    values = shap.TreeExplainer(booster)(seen.design[rows])
    values.feature_names = [name.replace("_", " ") for name in seen.names]
    np.random.seed(seed)  # noqa: NPY002 - shap jitters its dots with the global generator
    shap.plots.beeswarm(values, max_display=_SHOWN, show=False, plot_size=(7.0, 5.0))
    figure = plt.gcf()
    figure.set_dpi(_DPI)
    _save(figure, path)
    plt.close(figure)
