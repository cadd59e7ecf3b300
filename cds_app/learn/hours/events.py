"""The heads ``hypotension``, ``hypoxaemia`` and ``aki``: states that begin within hours, learned from courses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.growing import Recipe, Task
from cds_app.learn.head import INTENSIVE_CARE, Head, Outcome, Own, Words
from cds_app.learn.hours.onset import onset
from cds_app.learn.resampling import Resamples
from cds_app.score.clinical.kidney import BASELINE_H, RISE_MG_DL, RISE_WINDOW_H
from cds_app.score.risk.endpoint import Endpoint, Fall, Rise

_POPULATION = (
    "Adults in intensive care, from the first hour in the unit on, who are known not to be in that state now; two "
    "hospital systems in the United States."
)
_RECIPE = Recipe(depth=4, trees_per_round=1, least_child_weight=100.0, kept=0.25, threads=1, sure=("age_years", "male"))
_LEARNED = "whether the state is reached within the horizon"
_LIMITS = (
    "Hours after which the quantity was not measured within the horizon are left out: nothing is known of them.",
    "Treatment that prevented the state counts as if the patient had never been at risk of it.",
)


def onset_task(truth: Outcome, recipe: Recipe, rng: np.random.Generator) -> Task:
    """The outcome itself, on some of the hours: those of one patient say nearly the same."""
    rows = np.flatnonzero(truth.asked & (rng.random(len(truth.label)) < recipe.kept))
    return Task(rows=rows, target=truth.label[rows].astype(np.float64), weight=np.ones(len(rows)))


def least_risk_at(ppv: float, truth: Outcome, risk: Floats) -> float:
    """The least risk from which on at least this part of the hours is right; the greatest if none is so good.

    Parameters
    ----------
    ppv : float
        Wanted part of the alerted hours after which the state is reached within the horizon.
    truth : Outcome
        Of calibration patients.
    risk : ndarray of float64, shape (rows,)
    """
    order = np.argsort(-risk, kind="stable")
    ends = np.append(np.diff(risk[order]) != 0, True)  # equal risks are alerted together
    right = np.cumsum(truth.label[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(ends & (right >= ppv))
    return float(risk[order[good[-1] if len(good) else 0]])


def _merit(at_risk: HoursAtRisk, alert: Flags, drawn: Resamples) -> Mapping[str, Floats]:
    return {}


def _head(name: str, endpoint: Endpoint, horizon_h: float, words: Words, *, ppv: float, high: float) -> Head:
    return Head(
        name=name,
        horizon_h=horizon_h,
        limits=replace(INTENSIVE_CARE, endpoint=endpoint),
        recipe=_RECIPE,
        tiers=(("high", high),),
        words=words,
        outcome=partial(onset, endpoint, horizon_h),
        task=onset_task,
        threshold=partial(least_risk_at, ppv),
        merit=_merit,
        own=Own(quantity=endpoint.quantity, low_is_worse=isinstance(endpoint, Fall)),
    )


HYPOTENSION = _head(
    "hypotension",
    Fall(quantity="map", below=65.0, fresh_h=2.0),
    4.0,
    Words(
        title="Risk of low blood pressure",
        outcome="Mean arterial pressure below 65 mmHg within the next 4 hours.",
        population=_POPULATION,
        label="Asked where the last mean pressure is at most 2 hours old and 65 mmHg or more. The label is 1 if any of "
        "the next 4 hours has a value below 65 mmHg, and 0 if there are values and none is. One value is enough: the "
        "values of the data stand for an hour, not for a moment.",
        intended_use="Estimates, hour by hour, how likely the mean arterial pressure of an adult in intensive care is "
        "to fall below 65 mmHg within 4 hours.",
        limits=(*_LIMITS, "Vasopressors are not in the data: a pressure that is held by them looks like any other."),
        learned=_LEARNED,
    ),
    ppv=0.6,
    high=0.75,
)
HYPOXAEMIA = _head(
    "hypoxaemia",
    Fall(quantity="spo2", below=90.0, fresh_h=2.0),
    4.0,
    Words(
        title="Risk of low oxygen saturation",
        outcome="Oxygen saturation (SpO2) below 90 % within the next 4 hours.",
        population=_POPULATION,
        label="Asked where the last saturation is at most 2 hours old and 90 % or more. The label is 1 if any of the "
        "next 4 hours has a value below 90 %, and 0 if there are values and none is.",
        intended_use="Estimates, hour by hour, how likely the oxygen saturation of an adult in intensive care is to "
        "fall below 90 % within 4 hours.",
        limits=(*_LIMITS, "A probe that slips reads like a low saturation, in the label too."),
        learned=_LEARNED,
    ),
    ppv=0.3,
    high=0.4,
)
AKI = _head(
    "aki",
    Rise(
        quantity="creatinine",
        by=RISE_MG_DL,
        by_within_h=RISE_WINDOW_H,
        times=1.5,
        times_within_h=BASELINE_H,
        fresh_h=24.0,
    ),
    24.0,
    Words(
        title="Risk of acute kidney injury",
        outcome="Acute kidney injury by creatinine (KDIGO 2012, stage 1 or more) within the next 24 hours.",
        population=_POPULATION,
        label="A creatinine meets the criterion if it is at least 0.3 mg/dL above the lowest of the 48 hours before it "
        "or at least 1.5 times the lowest of the 7 days before it; values before the stay are not known, and a first "
        "creatinine meets neither. Asked where the last creatinine is at most 24 hours old and does not meet it. The "
        "label is 1 if any of the next 24 hours has one that does, and 0 if there are values and none does. Urine "
        "output is not in the data.",
        intended_use="Estimates, hour by hour, how likely an adult in intensive care is to reach KDIGO stage 1 by "
        "creatinine within 24 hours.",
        limits=(
            *_LIMITS,
            "Injury that was there on admission is not seen in a first creatinine.",
            "Low estimates run a little high under 45 years.",
        ),
        learned=_LEARNED,
    ),
    ppv=0.5,
    high=0.65,
)
