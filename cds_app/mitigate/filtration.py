"""Filtration for a draft order: CKD-EPI 2021 on the freshest plausible creatinine, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from cds_app.domain.facts import Fact, Measurement
from cds_app.mitigate.conditions import View
from cds_app.mitigate.gates import on_dialysis
from cds_app.score.kidney import ckd_epi_2021
from cds_app.score.result import Score
from cds_app.score.situation import Situation

_ADULT_YEARS = 18
_DAYS_FROM_H = 72.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """An estimate: mL/min/1.73 m2, what it rests on, and what limits it."""

    value: float
    evidence: tuple[Fact, ...]
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfiltered:
    """No estimate: what is lacking, in a reader's words; or that dialysis is recorded, and by what."""

    lacking: str = ""
    dialysis: tuple[Fact, ...] = ()


def filtration_of(view: View, within_h: float, outpatient_within_h: float) -> Filtered | Unfiltered:
    """Estimate filtration.

    Parameters
    ----------
    view : View
        With the score ``kdigo``.
    within_h, outpatient_within_h : float
        How long a creatinine counts, hours: in the hospital, and outside.

    Notes
    -----
    Not creatinine clearance: labels that give limits in mL/min by Cockcroft and Gault mean another number, which
    differs most in the old, the very light and the very heavy.
    """
    situation = view.situation
    if dialysis := on_dialysis(situation):
        return Unfiltered(dialysis=dialysis)
    limit_h = within_h if situation.inpatient else outpatient_within_h
    creatinine = situation.latest("creatinine", limit_h)
    age, sex = situation.age_years, situation.sex
    if creatinine is None or creatinine.bound != "=":
        return Unfiltered(lacking=_no_creatinine(situation, limit_h))
    if age is None or sex is None:
        return Unfiltered(lacking="no age" if age is None else "no sex (female or male)")
    if age < _ADULT_YEARS:
        return Unfiltered(lacking="CKD-EPI 2021 is for adults")
    return _estimated(view, creatinine, ckd_epi_2021(creatinine.value, age, sex))


def _estimated(view: View, creatinine: Measurement, value: float) -> Filtered:
    acute = view.scores.get("kdigo")
    changing = isinstance(acute, Score) and acute.value >= 1
    remark = ", and creatinine is changing: filtration may be lower" if changing else ""
    return Filtered(value=value, evidence=(creatinine,), remark=remark)


def _no_creatinine(situation: Situation, limit_h: float) -> str:
    last = situation.latest("creatinine")
    within = f"{limit_h:.0f} h" if limit_h < _DAYS_FROM_H else f"{limit_h / 24:.0f} days"
    if last is not None and situation.age_h(last) <= limit_h:
        return "creatinine known only as a bound"
    return f"no creatinine within {within}"
