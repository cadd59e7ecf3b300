"""The head ``sepsis``: the label and the official utility of PhysioNet/CinC Challenge 2019."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats
from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.growing import Recipe, Task
from cds_app.learn.head import INTENSIVE_CARE, Head, Outcome, Words
from cds_app.learn.hours.rows import Rows
from cds_app.learn.hours.utility import best_threshold, normalised_utility, stakes
from cds_app.learn.resampling import Resamples

_RECIPE = Recipe(rounds=450, eta=0.0267, kept=0.25, threads=1, sure=("hours_in_unit",))

_WORDS = Words(
    title="Sepsis risk",
    outcome="Sepsis-3 onset within the next 6 hours, or not more than 3 hours ago.",
    population="Adults in intensive care, from the first hour in the unit on; two hospital systems in the United "
    "States.",
    label="The label is that of the challenge (Sepsis-3: suspected infection and a rise of SOFA by two points), moved "
    "forward by 6 hours. Hours more than 3 hours after onset are not in the data.",
    intended_use="Estimates, hour by hour, how likely an adult in intensive care is to meet Sepsis-3 criteria within "
    "6 hours.",
    limits=("Labels stem from orders for antibiotics and cultures, and so from the care that was given.",),
    learned="the decision (would an alert in this hour gain utility, weighted by how much)",
    merit="Utility is the normalised utility of the challenge: 0 is never alerting, 1 the best possible alerts.",
)


def outcome(frame: pd.DataFrame) -> Outcome | None:
    """``SepsisLabel`` of every row, where the file has it."""
    if "SepsisLabel" not in frame.columns:
        return None
    label = frame["SepsisLabel"].to_numpy(np.int64)
    return Outcome(patient=Rows.of(frame).patient(), label=label, asked=np.ones(len(label), bool))


def decision_task(truth: Outcome, recipe: Recipe, rng: np.random.Generator) -> Task:
    """Would an alert in this hour gain utility; the weight is how much is at stake."""
    gain = stakes(truth.patient, truth.label).gain
    septic = np.isin(truth.patient, np.unique(truth.patient[truth.label > 0]))
    rows = np.flatnonzero((gain != 0) & (septic | (rng.random(len(gain)) < recipe.kept)))
    weight = np.abs(gain[rows]) * np.where(septic[rows], 1.0, 1.0 / recipe.kept)
    return Task(rows=rows, target=(gain[rows] > 0).astype(np.float64), weight=weight / weight.mean())


def _threshold(truth: Outcome, risk: Floats) -> float:
    return best_threshold(stakes(truth.patient, truth.label).gain, risk)[0]


def _merit(at_risk: HoursAtRisk, alert: Flags, drawn: Resamples) -> Mapping[str, Floats]:
    return {"utility": normalised_utility(at_risk.patient, at_risk.label, alert, drawn)}


SEPSIS = Head(
    name="sepsis",
    horizon_h=6.0,
    limits=INTENSIVE_CARE,
    recipe=_RECIPE,
    tiers=(("raised", 0.06), ("high", 0.12)),
    words=_WORDS,
    outcome=outcome,
    task=decision_task,
    threshold=_threshold,
    merit=_merit,
)
