"""The folder of a risk that is asked of whole stays: what it has beyond other learned risks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from cds_app.content import Artefact
from cds_app.domain.arrays import Matrix
from cds_app.learn import artefact
from cds_app.learn.files.challenge2012 import DATA_SET
from cds_app.learn.head import Words
from cds_app.learn.stays.cohort import LIMITS
from cds_app.score.features.stays import FEATURES, QUANTITIES, UNITS, WINDOW_H, Series, Stayers, stay_features
from cds_app.score.risk.model import GOLDEN

_GOLDEN = 2
_WORDS = Words(
    title="Risk of death in hospital",
    outcome="Death before discharge from hospital.",
    population="Adults after 48 hours in intensive care (coronary, cardiac surgery, medical and surgical units of one "
    "hospital in the United States, 2001 to 2008).",
    label="A death soon after discharge counts in part when the trees are grown, for those patients were as ill; "
    "calibration, threshold and all figures count deaths in hospital only. Stays are few, so that the trees that are "
    "shipped were grown on all of them; calibration and threshold come from what trees said in cross-validation of "
    "stays that they had not seen. So does what a last round of trees adds for women and for men, of whom the others "
    "leave out a little, and how much further apart estimates lie in the young than in the old, of whom the same "
    'findings tell less: the reason "age" holds it.',
    intended_use="Estimates, once, how likely an adult is to die before discharge, from the first 48 hours in "
    "intensive care: a baseline for comparing patients and units and for talking about the expected course. It looks "
    "at nothing that was so later, and changes only when an early result arrives late or is corrected. It never raises "
    "a card or an alarm, and it is no reason to limit care.",
    limits=(
        "Deaths follow decisions to limit care, which are not in the data: the estimate predicts those decisions too.",
        "Whether something was measured at all is still seen; habits differ between hospitals.",
        "How much more findings tell of the young than of the old is known roughly: few of the young died.",
        "What the record system did not send of the first 48 hours counts as not measured.",
    ),
    learned="death in hospital, and in part death soon after",
)


def write(out: Path, made: artefact.Finished) -> Artefact:
    """Write the folder ``models/<name>/<version>`` of a risk that is asked of whole stays."""
    manifest = {
        "horizon_h": None,  # the rest of the stay
        "eligibility": LIMITS.to_json(),
        "features_of": "stay",
        "features": [asdict(FEATURES[i]) for i in made.columns],
        "quantities": list(QUANTITIES),
        "tiers": [],  # context beside a card: nothing may be raised by it
    }
    contents = {GOLDEN: artefact.golden_of(made.booster, _invented()[:, made.columns])}
    return artefact.write(out, made, (_WORDS, DATA_SET), manifest, contents)


_CENTRES = (
    *(("heart_rate", 90.0, 15.0), ("sbp", 118.0, 18.0), ("dbp", 62.0, 9.0), ("map", 80.0, 12.0)),
    *(("resp_rate", 20.0, 4.0), ("body_temp", 37.2, 0.7), ("gcs_total", 11.0, 2.0), ("urine_output", 90.0, 30.0)),
    *(("urea_nitrogen", 28.0, 8.0), ("creatinine", 1.4, 0.3), ("lactate", 2.5, 0.8), ("platelets", 180.0, 40.0)),
)


def _invented() -> Matrix:
    """Nobody, of whom nothing is known, and invented patients."""
    rng = np.random.default_rng(2012)
    hours = np.tile(np.arange(0.5, WINDOW_H, 4.0), len(_CENTRES))
    each = len(hours) // len(_CENTRES)
    quantity = np.repeat([QUANTITIES.index(name) for name, _, _ in _CENTRES], each)
    value = np.concatenate([rng.normal(mean, sd, (_GOLDEN, each)) for _, mean, sd in _CENTRES], axis=1)
    series = Series(
        stay=np.repeat(np.arange(1, _GOLDEN + 1), len(hours)),
        quantity=np.tile(quantity, _GOLDEN),
        hours=np.tile(hours, _GOLDEN),
        value=np.asarray(np.round(value, 1), np.float64).ravel(),
    )
    age = np.array([np.nan, *rng.integers(20, 90, _GOLDEN)])
    nothing = np.full(_GOLDEN + 1, np.nan)
    unit = np.full((_GOLDEN + 1, len(UNITS)), np.nan)
    return stay_features(series, Stayers(age_years=age, male=nothing, height_cm=nothing, unit=unit))
