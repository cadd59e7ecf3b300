"""What alerts cost and what they bring: hours, patients, alerts per patient-day, and how early they come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cds_app.domain.arrays import Flags, Floats, Ints
from cds_app.learn.resampling import Resamples, ratio, weighted_median

_DAY_H = 24.0
_SPAN_H = 1e6  # between the clocks of two patients


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursAtRisk:
    """Hours at which an alert may come; those of a patient adjacent and in order of time.

    Parameters
    ----------
    patient : ndarray of int64, shape (rows,)
        Number of the patient among the resamples' patients.
    hour : ndarray of float64, shape (rows,)
        In the unit.
    label : ndarray of int64, shape (rows,)
        1 where the outcome followed within ``horizon_h``.
    """

    patient: Ints
    hour: Floats
    label: Ints
    horizon_h: float

    def of(self, rows: Flags) -> HoursAtRisk:
        """Some of the rows."""
        return HoursAtRisk(
            patient=self.patient[rows], hour=self.hour[rows], label=self.label[rows], horizon_h=self.horizon_h
        )

    def onset_h(self, patients: int) -> Floats:
        """Hour of the first onset of each patient, NaN where there was none: (patients,).

        The first positive hour is ``horizon_h`` before it, or less where the stay began or the question was first put
        later; then the onset is after the last of these hours.
        """
        patient, onset = self.onsets()
        first = np.diff(patient, prepend=-1) != 0
        found = np.full(patients, np.nan)
        found[patient[first]] = onset[first]
        return found

    def onsets(self) -> tuple[Ints, Floats]:
        """Patient and hour of every onset: of each unbroken run of positive hours; see `onset_h`."""
        first, last = _runs(self)
        return self.patient[first], np.minimum(self.hour[first] + self.horizon_h, self.hour[last] + 1.0)


def begins(patient: Ints, alert: Flags) -> Flags:
    """Hours that are alerted while the hour before was not: where a display that stays on would call."""
    same = np.diff(patient, prepend=patient[:1] - 1) == 0
    before = np.concatenate(([False], alert[:-1]))
    return np.asarray(alert & ~(same & before))


def burden(at_risk: HoursAtRisk, alert: Flags, given: Flags, drawn: Resamples) -> dict[str, Floats]:
    """Figures of alerts in every resample.

    Parameters
    ----------
    alert : ndarray of bool, shape (rows,)
        Hours that are alerted.
    given : ndarray of bool, shape (rows,)
        Those among them at which somebody is interrupted (`begins`, or what a policy lets through).

    Returns
    -------
    dict of str to ndarray, shape (1 + draws,)
        Shares, alerts per 100 patient-days, and the median lead in hours from a patient's first alert to onset among
        patients alerted before it. ``onsets_warned`` is the share of all onsets, those after a patient's first too,
        before which an alert was given within the horizon.
    """
    patients = len(drawn.times)
    sums = _Sums(at_risk, alert, drawn)
    lead, early = _lead_h(at_risk, given, patients)
    shares = {
        "hours_alerted": ratio(sums.hours(alert), sums.hours(None)),
        "ppv_hours": ratio(sums.hours(alert & (at_risk.label > 0)), sums.hours(alert)),
        "sensitivity_hours": ratio(sums.hours(alert & (at_risk.label > 0)), sums.hours(at_risk.label > 0)),
        "patients_alerted": ratio(sums.patients(alert), sums.patients(None)),
        "ppv_patients": ratio(sums.both, sums.patients(alert)),
        "sensitivity_patients": ratio(sums.both, sums.patients(at_risk.label > 0)),
        "onsets_warned": _warned(at_risk, given, drawn),
        "sensitivity_before_onset": ratio(early.astype(np.float64) @ drawn.times, sums.patients(at_risk.label > 0)),
    }
    return {
        **shares,
        "alerts_per_100_patient_days": alerts_per_100_days(at_risk, given, drawn),
        "lead_time_h": weighted_median(lead[early], drawn.times[early]),
    }


def alerts_per_100_days(at_risk: HoursAtRisk, given: Flags, drawn: Resamples) -> Floats:
    """How often somebody is interrupted on 100 days that patients spend in the unit, in every resample."""
    sums = _Sums(at_risk, given, drawn)
    return 100.0 * ratio(sums.hours(given), sums.hours(None) / _DAY_H)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Hours and patients, in every resample."""

    at_risk: HoursAtRisk
    alert: Flags
    drawn: Resamples

    def hours(self, rows: Flags | None) -> Floats:
        mine = self.at_risk.patient if rows is None else self.at_risk.patient[rows]
        return self.drawn.sums(mine, np.ones(len(mine)))

    def patients(self, rows: Flags | None) -> Floats:
        return np.asarray(self._who(rows).astype(np.float64) @ self.drawn.times)

    @property
    def both(self) -> Floats:
        """Patients with an alert and with the outcome."""
        return np.asarray(
            (self._who(self.alert) & self._who(self.at_risk.label > 0)).astype(np.float64) @ self.drawn.times
        )

    def _who(self, rows: Flags | None) -> Flags:
        mine = self.at_risk.patient if rows is None else self.at_risk.patient[rows]
        return np.bincount(mine, minlength=len(self.drawn.times)) > 0


def _lead_h(at_risk: HoursAtRisk, given: Flags, patients: int) -> tuple[Floats, Flags]:
    """Hours from the first alert to onset, and who was alerted before it."""
    first = np.full(patients, np.inf)
    np.minimum.at(first, at_risk.patient[given], at_risk.hour[given])
    lead = at_risk.onset_h(patients) - first
    return lead, lead > 0.0  # NaN without an onset


def _warned(at_risk: HoursAtRisk, given: Flags, drawn: Resamples) -> Floats:
    """Part of the onsets before which an alert was given, no longer ago than the horizon."""
    patient, onset = at_risk.onsets()
    alerts = np.sort(_on_one_clock(at_risk.patient[given], at_risk.hour[given]))
    before = np.searchsorted(alerts, _on_one_clock(patient, onset), side="left")
    too_early = np.searchsorted(alerts, _on_one_clock(patient, onset - at_risk.horizon_h), side="left")
    return ratio(drawn.sums(patient, (before > too_early).astype(np.float64)), drawn.sums(patient, np.ones(len(onset))))


def _on_one_clock(patient: Ints, hour: Floats) -> Floats:
    """Hours of all patients in one number that ascends through them."""
    return patient * _SPAN_H + hour


def _runs(at_risk: HoursAtRisk) -> tuple[Ints, Ints]:
    """First and last row of each unbroken run of positive hours of a patient."""
    rows = np.flatnonzero(at_risk.label > 0)
    patient, hour = at_risk.patient[rows], at_risk.hour[rows]
    new = np.diff(patient, prepend=patient[:1] - 1) != 0
    broken = new | (np.diff(hour, prepend=hour[:1]) > 1.0)
    ends = np.concatenate((broken[1:], [True])) if len(rows) else broken
    return rows[broken], rows[ends]
