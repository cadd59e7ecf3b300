"""Which alert policy finds most patients within a budget of alerts: chosen on some patients, measured on others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

import numpy as np

from cds_app.cards.definition import Policy, parse_service
from cds_app.cards.drafts import ACT_TODAY
from cds_app.content import content_root
from cds_app.domain.arrays import Flags, Floats
from cds_app.errors import DataError
from cds_app.learn.burden import HoursAtRisk, alerts_per_100_days, burden
from cds_app.learn.hours.alert_policy import NO_CANDIDATE, Candidates, shown
from cds_app.learn.resampling import Resamples, interval
from cds_app.score.risk.model import AlertPolicy

BUDGET = 20.0  # alerts per 100 patient-days
_SERVICE = "twinline-patient-view"
_ALERTED = np.geomspace(0.003, 0.3, 30)  # shares of hours at or above the thresholds that are tried
_LOCKOUTS_H = (4.0, 8.0, 12.0, 24.0)
_SHIFT_H = 12.0
_RISES = (5.0, 10.0, 20.0, 100.0)  # points of 100; the last never
_SEED = 2019
_SURELY = "alerts_at_most"
_FIGURES = {
    "alerts_per_100_patient_days": "alerts_per_100_patient_days",
    "sensitivity": "sensitivity_before_onset",
    "onsets_warned": "onsets_warned",
    "ppv": "ppv_patients",
    "ppv_alerts": "ppv_hours",
    "lead_time_h": "lead_time_h",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is swept: least risk that makes a card, quiet after a card, rise that breaks the quiet."""

    threshold: float
    lockout_h: float
    rise_points: float

    @classmethod
    def of(cls, policy: AlertPolicy) -> Setting:
        """What is in force."""
        return cls(**{one.name: getattr(policy, one.name) for one in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """Whole stays with the risk as it is served: (rows,), NaN where the service gives none."""

    at_risk: HoursAtRisk
    risk: Floats

    @property
    def patients(self) -> int:
        """How many."""
        return int(self.at_risk.patient.max()) + 1

    def interruptions(self, setting: Setting, policy: Policy, topic: str) -> Flags:
        """Rows in which a card is shown; a learned risk alone can ask to act today, no more."""
        due = self.risk >= setting.threshold
        candidates = Candidates(
            patient=self.at_risk.patient,
            hour=self.at_risk.hour.astype(np.int64),
            tier=np.where(due, ACT_TODAY, NO_CANDIDATE),
            points=100.0 * np.where(due, self.risk, 0.0),
        )
        return shown(candidates, _policy_of(setting, policy), topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A setting with its figures, None where one is undefined.

    ``sensitivity`` is the share of patients with the outcome who were alerted before its onset, ``onsets_warned`` that
    of all onsets before which an alert was given within the horizon, ``ppv`` that of alerted patients who had the
    outcome, ``ppv_alerts`` that of alerts which it followed within the horizon, ``lead_time_h`` the median.
    ``alerts_at_most`` is the upper end of the 95 % interval of the alerts per 100 patient-days.
    """

    setting: Setting
    figures: Mapping[str, float | None]

    def figure(self, name: str) -> float:
        """A figure for comparison: an undefined one counts as nothing."""
        return self.figures[name] or 0.0

    def as_json(self) -> dict[str, Any]:
        """Setting and figures side by side."""
        return {**asdict(self.setting), **self.figures}


def shipped_policy() -> Policy:
    """The policy that patients' charts are opened with."""
    file = content_root() / "hooks" / _SERVICE / "service.json"
    return parse_service(json.loads(file.read_text("utf-8")), folder=_SERVICE).policy


def tuned(
    calibrate: Stays, test: Stays, policy: Policy, topic: str, now: Setting | None, budget: float
) -> dict[str, Any]:
    """Sweep on calibration patients, choose within the budget, measure on test patients.

    Parameters
    ----------
    calibrate, test : Stays
        Of disjoint patients.
    policy : Policy
        Of the service; what is not swept stays as it is.
    now : Setting or None
        What is in force, where something is: measured beside the choice.
    budget : float
        Alerts per 100 patient-days.

    Returns
    -------
    dict
        ``chosen`` (setting, ``within_budget``, figures on test patients with 95 % intervals, figures on calibration
        patients), ``live`` (where something is in force) on test patients, ``frontier`` and all ``settings`` on
        calibration patients.

    Raises
    ------
    DataError
        If no calibration patient is given a risk.
    """
    settings = grid(calibrate)
    if not settings:
        raise DataError("no calibration patient has a risk to choose by", field="data")
    points = sweep(calibrate, policy, topic, settings)
    best = chosen(points, budget)
    return {
        "budget": budget,
        "chosen": {
            **_measured(test, best.setting, policy, topic),
            "within_budget": best.figure(_SURELY) <= budget,
            "on_calibration_patients": dict(best.figures),
        },
        **({} if now is None else {"live": _measured(test, now, policy, topic)}),
        "frontier": [one.as_json() for one in frontier(points)],
        "settings": [one.as_json() for one in points],
    }


def grid(stays: Stays) -> list[Setting]:
    """Every combination that is tried; a warning is not kept quiet for longer than it looks ahead, or a shift.

    The longer the quiet, the lower the threshold that the budget allows: more patients are found, and fewer of the
    onsets after a patient's first are warned of.
    """
    known = stays.risk[np.isfinite(stays.risk)]
    longest = max(_SHIFT_H, stays.at_risk.horizon_h)
    lockouts = [one for one in _LOCKOUTS_H if one <= longest]
    thresholds = np.unique(np.quantile(known, 1.0 - _ALERTED)) if len(known) else np.empty(0)
    return [
        Setting(threshold=float(threshold), lockout_h=lockout_h, rise_points=rise)
        for threshold, lockout_h, rise in product(thresholds, lockouts, _RISES)
    ]


def sweep(stays: Stays, policy: Policy, topic: str, settings: Iterable[Setting]) -> list[Point]:
    """Figures of every setting."""
    once = Resamples(np.ones((stays.patients, 1)))
    drawn = Resamples.drawn(stays.patients, np.random.default_rng(_SEED))
    return [_point(stays, one, policy, topic, once, drawn) for one in settings]


def chosen(points: Sequence[Point], budget: float) -> Point:
    """Most patients found before onset, surely within the budget, then the most precise; else the fewest alerts."""
    within = [one for one in points if one.figure(_SURELY) <= budget]
    if not within:
        return min(points, key=lambda one: one.figure("alerts_per_100_patient_days"))
    return max(within, key=lambda one: (one.figure("sensitivity"), one.figure("ppv")))


def frontier(points: Iterable[Point]) -> list[Point]:
    """Settings that find more than every one with fewer alerts, by number of alerts."""
    best: list[Point] = []
    for one in sorted(points, key=lambda one: (one.figure("alerts_per_100_patient_days"), -one.figure("sensitivity"))):
        if not best or one.figure("sensitivity") > best[-1].figure("sensitivity"):
            best.append(one)
    return best


def quoted(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest keeps of the chosen setting, for cards to quote.

    Raises
    ------
    DataError
        If test patients do not tell what it is worth: cards would have nothing to quote.
    """
    point = report["chosen"]
    names = ("threshold", "lockout_h", "rise_points", "ppv", "sensitivity", "onsets_warned")
    found = {name: point[name] for name in (*names, "alerts_per_100_patient_days")}
    if None in found.values():
        raise DataError(
            "of the test patients nobody was alerted, or had the outcome: its worth is unknown", field="data"
        )
    return {**found, "budget": report["budget"]}


def _point(stays: Stays, setting: Setting, policy: Policy, topic: str, once: Resamples, drawn: Resamples) -> Point:
    cards = stays.interruptions(setting, policy, topic)
    found = {name: _number(row) for name, row in _named(burden(stays.at_risk, cards, cards, once)).items()}
    between = interval(alerts_per_100_days(stays.at_risk, cards, drawn))
    return Point(setting=setting, figures={**found, _SURELY: None if between is None else between[1]})


def _measured(stays: Stays, setting: Setting, policy: Policy, topic: str) -> dict[str, Any]:
    drawn = Resamples.drawn(stays.patients, np.random.default_rng(_SEED))
    found = _figures(stays, setting, policy, topic, drawn)
    return {
        **asdict(setting),
        **{name: _number(row) for name, row in found.items()},
        "intervals": {name: interval(row) for name, row in found.items()},
    }


def _figures(stays: Stays, setting: Setting, policy: Policy, topic: str, drawn: Resamples) -> dict[str, Floats]:
    cards = stays.interruptions(setting, policy, topic)
    return _named(burden(stays.at_risk, cards, cards, drawn))


def _named(found: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: found[source] for name, source in _FIGURES.items()}


def _policy_of(setting: Setting, policy: Policy) -> Policy:
    return policy.model_copy(
        update={
            "lockout_h": setting.lockout_h,
            "rise_points": setting.rise_points,
            "lockouts_h": {},
            "rises_points": {},
        }
    )


def _number(row: Floats) -> float | None:
    return float(row[0]) if np.isfinite(row[0]) else None
