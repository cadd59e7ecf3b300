"""What is predicted, of whom, and how: all that training, evaluation and the model card need to know of one head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.files.challenge2019 import Cuts
from cds_app.learn.growing import Recipe, Task
from cds_app.learn.resampling import Resamples
from cds_app.score.risk.eligibility import Limits

CUTS: Cuts = (0.80, 0.90)
FOLDS = 5  # of all patients; the last is whom fit patients do not hold

# What is treated in intensive care by the hour: a clinical judgement from memory, to be confirmed.
MODIFIABLE: tuple[str, ...] = (
    *("map", "sbp", "dbp", "heart_rate", "resp_rate", "spo2", "body_temp"),
    *("ph", "pco2", "bicarbonate", "lactate", "glucose", "potassium", "magnesium", "phosphate", "hemoglobin"),
)

INTENSIVE_CARE = Limits(
    min_age_years=18.0,
    min_hours_in_unit=1.0,
    max_hours_in_unit=336.0,
    max_silence_h=4.0,
    fresh_vital_h=6.0,
    min_fresh_vitals=3,
)
"""Whom the hourly data hold, and when enough of them is known: limits of every hourly head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The truth of every row of a data set; rows of a patient adjacent and in order of time.

    Parameters
    ----------
    patient : ndarray of int64, shape (rows,)
        Number of the patient.
    label : ndarray of int64, shape (rows,)
        1 where the outcome followed within the horizon.
    asked : ndarray of bool, shape (rows,)
        Where the question can be put: the patient is not in the state already, and what followed is known. Only
        these rows are trained on and measured.
    """

    patient: Ints
    label: Ints
    asked: Flags

    def of(self, rows: Flags | Ints) -> Outcome:
        """Some of the rows."""
        return Outcome(patient=self.patient[rows], label=self.label[rows], asked=self.asked[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the manifest and the model card say of a head.

    Parameters
    ----------
    outcome : str
        What is predicted, in a sentence.
    label : str
        How the outcome was made from the data.
    limits : tuple of str
        Sentences on what the model does not know or does badly.
    modifiable : tuple of str
        Quantities that treatment can move within hours.
    learned : str
        What the trees are trained towards.
    merit : str
        What the head's own figure of merit means, where it has one.
    """

    title: str
    outcome: str
    population: str
    label: str
    intended_use: str
    limits: tuple[str, ...]
    learned: str
    merit: str = ""
    modifiable: tuple[str, ...] = MODIFIABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """The quantity that an event is defined by: its last value is what a learned risk of it has to beat."""

    quantity: str
    low_is_worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One learned risk.

    Parameters
    ----------
    name : str
        Of the artefact ``models/<name>``.
    horizon_h : float
        How far ahead the outcome is looked for.
    limits : Limits
        For whom and when the service may ask.
    recipe : Recipe
        How the trees are grown.
    tiers : tuple of (str, float)
        Bands of risk above ``watch``, which begins at the threshold.
    outcome : callable
        Frame of `challenge2019.load` -> Outcome; None where the frame does not say what followed.
    task : callable
        What of the outcome is trained on: (outcome, recipe, generator) -> Task.
    threshold : callable
        Chosen on calibration patients: (outcome, risk of every row) -> least risk that is worth an alert.
    merit : callable
        Figures of its own beside the common ones: (at_risk, alert, resamples) -> by name, the figure in every resample,
        as measured first. Alert is False where there was no basis for a number.
    own : Own, optional
        The quantity that defines the outcome, where it is one.
    """

    name: str
    horizon_h: float
    limits: Limits
    recipe: Recipe
    tiers: tuple[tuple[str, float], ...]
    words: Words
    outcome: Callable[[pd.DataFrame], Outcome | None]
    task: Callable[[Outcome, Recipe, np.random.Generator], Task]
    threshold: Callable[[Outcome, Floats], float]
    merit: Callable[[HoursAtRisk, Flags, Resamples], Mapping[str, Floats]]
    own: Own | None = None
