"""What a shipped head says of a file of hourly rows, how good that is, and which alerts are worth it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cds_app.content import Artefact
from cds_app.domain.arrays import Flags, Floats, Matrix
from cds_app.errors import DataError
from cds_app.learn import outputs
from cds_app.learn.coverage import Told, coverage
from cds_app.learn.files.challenge2019 import COLUMNS, Loaded, Part, in_part, load, load_whole
from cds_app.learn.files.challenge2019 import NEEDED as KEYS
from cds_app.learn.head import CUTS, Head
from cds_app.learn.hours import tuning
from cds_app.learn.hours.abstention import abstained, silenced, where_given
from cds_app.learn.hours.appraisal import appraised, headline, logistic
from cds_app.learn.hours.cohort import Cohort, truth_of
from cds_app.learn.hours.onset import absent
from cds_app.learn.hours.rows import design, shipped_twin
from cds_app.learn.hours.tradeoff import drawn
from cds_app.learn.hours.tuning import Stays
from cds_app.learn.measure import groups, served
from cds_app.learn.roll import UNSEEN, of_hours
from cds_app.learn.shipped import Shipped
from cds_app.score.risk.calibration import Calibration
from cds_app.score.risk.model import AlertPolicy
from cds_app.score.risk.population import Reference

NEEDED = (*KEYS, *(one.column for one in COLUMNS))  # what nobody measured is an empty column
_ON_UNSEEN = "patients of the file that did not grow the trees"
_ON_TEST = "test patients: all grew the trees that are shipped; these are asked of trees that have not seen them"


def evaluate(
    head: Head, data: Path, predictions: Path, report: Path, artefact: Artefact | None = None
) -> dict[str, Any]:
    """Score every row of a file and, where it says what followed, measure how good the scores are.

    Patients who grew the trees are known again (`learn.roll`) and not measured. Where nobody else is in the file, test
    patients are, by trees that have not seen them.

    Parameters
    ----------
    head : Head
        What is predicted.
    data : Path
        Parquet or CSV file with the challenge's columns; ``SepsisLabel`` and ``site`` may be absent.
    predictions : Path
        Parquet file to write: ``pid``, ``ICULOS``, ``risk``, ``alert``, ``abstained``, sorted by patient and hour.
        Where no number is given, ``risk`` is null, ``alert`` false and ``abstained`` the reason; else it is null.
        Nobody is alerted of who is in the predicted state already.
    report : Path
        JSON file to write.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.

    Raises
    ------
    DataError
        Naming the column or row, if the file is not what it should be. Nothing is written then.
    """
    shipped, whole = Shipped.of(head.name, artefact), load_whole(data, needed=NEEDED)
    frame, said = whole.frame, _Said.of(head, shipped, whole)
    part = shipped.roll.part(of_hours(frame))
    seen = part != UNSEEN
    measured = _measured(head, shipped, frame, said, part)
    found: dict[str, Any] = {
        **shipped.about(data),
        "seed": shipped.artefact.manifest["seed"],
        "rows": len(frame),
        "values_left_out": whole.left_out,
        "patients_in_another_unit": {
            name: int(frame.loc[doubted, "pid"].nunique()) for name, doubted in whole.in_another_unit.items()
        },
        "patients": int(frame["pid"].nunique()),
        "threshold": shipped.model.threshold,
        "abstained": pd.Series(said.reason).value_counts().sort_index().to_dict(),
        "labels": bool(measured),
        "measured": _ON_TEST if seen.all() else _ON_UNSEEN,
        "seen_in_training": int(frame.loc[seen, "pid"].nunique()),
        **measured,
    }
    outputs.write({predictions: outputs.table(said.answers(frame)), report: outputs.document(found)})
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a shipped risk says of every row: arrays (rows, ...)."""

    design: Matrix
    reason: NDArray[np.object_]
    margin: Floats
    risk: Floats
    alert: Flags

    @classmethod
    def of(cls, head: Head, shipped: Shipped, whole: Loaded) -> _Said:
        """Ask it of a file."""
        model, rows = shipped.model, design(shipped_twin(), whole.frame)
        reason = abstained(
            head.limits,
            rows,
            model.population,
            in_another_unit=whole.doubted(),
            contradicted=whole.contradicted(),
            implausible=whole.implausible,
        )
        margin = shipped.margins(rows)
        risk = where_given(reason, model.calibration.probability(margin))
        alert = risk >= model.threshold
        if model.limits.endpoint is not None:
            alert &= absent(model.limits.endpoint, whole.frame)
        return cls(design=rows, reason=reason, margin=margin, risk=risk, alert=alert)

    def answers(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What is written of every row."""
        why = pd.Series(self.reason, dtype="string")
        whose = {"pid": frame["pid"], "ICULOS": frame["ICULOS"]}
        return pd.DataFrame({**whose, "risk": self.risk, "alert": self.alert, "abstained": why})


def _measured(head: Head, shipped: Shipped, frame: pd.DataFrame, said: _Said, part: NDArray[np.str_]) -> dict[str, Any]:
    """How good the answers are for those who did not grow the trees; where nobody is left, for test patients.

    Parameters
    ----------
    part : ndarray of str, shape (rows,)
        In which part of the training the patient of a row was.
    """
    truth = head.outcome(frame)
    if truth is None:
        return {}
    known = (part != UNSEEN).all()
    some = truth.asked & ((part == "test") if known else (part == UNSEEN))
    cohort = Cohort(frame=frame[some], truth=truth.of(some), design=said.design[some])
    risk, margin = said.risk[some], said.margin[some]
    if known:
        margin = shipped.of_fit().margins(cohort.design)
        risk = where_given(said.reason[some], shipped.model.calibration.probability(margin))
    patients = {"patients_measured": len(np.unique(cohort.truth.patient))}
    return patients | (_judged(head, cohort, shipped, risk, margin) if some.any() else {})


def _judged(head: Head, cohort: Cohort, shipped: Shipped, risk: Floats, margin: Floats) -> dict[str, Any]:
    """How good the scores are where the head can be asked, those of the baseline, and whether intervals hold."""
    baseline = shipped.artefact.read_json("baseline.json")
    rival = logistic(baseline, cohort)
    return {
        **appraised(head, cohort, risk, shipped.model.threshold, baseline),
        "baseline": headline(head, cohort, rival.score, rival.threshold),
        "interval": covered(shipped.model.calibration, margin, cohort),
    }


def tune(
    head: Head,
    data: Path,
    report: Path,
    budget: float,
    *,
    drawing: Path | None = None,
    artefact: Artefact | None = None,
) -> dict[str, Any]:
    """Sweep the alert policy: chosen on the calibration patients of a file, measured on its test patients.

    Where patients grew the trees, all are asked of trees that have seen neither.

    Parameters
    ----------
    data : Path
        Parquet or CSV file with the challenge's columns and what the head needs to know what followed.
    report : Path
        JSON file to write.
    budget : float
        Alerts per 100 patient-days.
    drawing : Path, optional
        SVG file to write: alerts against what they find.
    artefact : Artefact, optional
        The model; by default the latest that is shipped.

    Raises
    ------
    DataError
        If no calibration or no test patient had the outcome, or the budget is infinite.
    """
    if not np.isfinite(budget):
        raise DataError("is not finite", field="budget")
    shipped = Shipped.of(head.name, artefact)
    model, frame, twin = shipped.model, load(data, needed=NEEDED), shipped_twin()
    seen = shipped.roll.part(of_hours(frame))
    trees = shipped.of_fit() if (seen != UNSEEN).any() else shipped
    stays = []
    for part in get_args(Part)[1:]:
        mine = np.where(seen == UNSEEN, in_part(frame["pid"], part, CUTS), seen == part)
        theirs = frame[mine].reset_index(drop=True)
        if theirs.empty or not truth_of(head, theirs).label.any():
            raise DataError(f"no {part} patient of the file had the outcome", field="data")
        cohort = Cohort.of(head, twin, theirs)
        risk = model.calibration.probability(trees.margins(cohort.design))
        stays.append(stays_of(head, cohort, risk, model.population))
    found = {
        **shipped.about(data),
        "patients": {"calibrate": stays[0].patients, "test": stays[1].patients},
        **tuned_of(head, (stays[0], stays[1]), model.policy, budget),
    }
    files = {report: outputs.document(found)}
    if drawing is not None:
        files[drawing] = outputs.text(drawn(found, head.words.title))
    outputs.write(files)
    return found


def covered(calibration: Calibration, margin: Floats, cohort: Cohort) -> dict[str, Any]:
    """How often the interval of the risk holds what was seen, overall and by sex, age band and hospital."""
    told = Told.by(calibration, margin, cohort.truth.label, cohort.truth.patient)
    return coverage(told, groups(cohort.frame))


def stays_of(head: Head, cohort: Cohort, risk: Floats, reference: Reference | None) -> Stays:
    """Stays with the risk where the service gives one."""
    given = served(head.limits, cohort.design)
    said = silenced(head.limits, cohort.design, risk, reference)
    return Stays(at_risk=cohort.at_risk(head.horizon_h), risk=np.where(given, said, np.nan))


def tuned_of(head: Head, stays: tuple[Stays, Stays], live: AlertPolicy | None, budget: float) -> dict[str, Any]:
    """Sweep of the alert policy within the shipped service's: chosen on the first stays, measured on the second."""
    now = None if live is None else tuning.Setting.of(live)
    return tuning.tuned(*stays, tuning.shipped_policy(), head.name, now, budget)
