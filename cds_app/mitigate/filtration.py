"""Filtration for a draft order, as its check means it, on the freshest plausible creatinine, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Sex
from cds_app.mitigate.conditions import View
from cds_app.mitigate.order_checks import KidneyCheck
from cds_app.score.clinical.kidney import ckd_epi_2021, cockcroft_gault, on_dialysis
from cds_app.score.result import Score
from cds_app.score.situation import Situation

_ADULT_YEARS = 18
_DAYS_FROM_H = 72.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """An estimate.

    Parameters
    ----------
    value : float
        In mL/min/1.73 m2, or mL/min for a clearance.
    said : str
        The estimate in words, with its unit, how it was made, and what limits it.
    evidence : tuple of Fact
    stands_in : str
        What is lacking for the estimate that the check means; "" where it is that one.
    """

    value: float
    said: str
    evidence: tuple[Fact, ...]
    stands_in: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfiltered:
    """No estimate: what is lacking, in a reader's words; or that dialysis is recorded, and by what."""

    lacking: str = ""
    dialysis: tuple[Fact, ...] = ()


def filtration_of(view: View, check: KidneyCheck) -> Filtered | Unfiltered:
    """Estimate what a check is about.

    Parameters
    ----------
    view : View
        With the score ``kdigo``.
    check : KidneyCheck

    Notes
    -----
    Clearance and filtration differ most in the old, the very light and the very heavy. Where a clearance is meant and
    no weight is known, filtration stands in for it and says so.
    """
    situation = view.situation
    if dialysis := on_dialysis(situation):
        return Unfiltered(dialysis=dialysis)
    limit_h = check.within_h if situation.inpatient else check.outpatient_within_h
    creatinine = situation.latest("creatinine", limit_h)
    age, sex = situation.age_years, situation.sex
    if creatinine is None or creatinine.bound != "=":
        return Unfiltered(lacking=_no_creatinine(situation, limit_h))
    if age is None or sex is None:
        return Unfiltered(lacking="no age" if age is None else "no sex (female or male)")
    if age < _ADULT_YEARS:
        return Unfiltered(lacking="the estimates of filtration are for adults")
    weight = situation.fresh("body_weight") if check.by == "clearance" else None
    if weight is not None and weight.bound == "=":
        return _clearance(view, creatinine, age, sex, weight)
    return _filtration(view, creatinine, age, sex, "no current weight" if check.by == "clearance" else "")


def _clearance(view: View, creatinine: Measurement, age: int, sex: Sex, weight: Measurement) -> Filtered:
    value = float(cockcroft_gault(creatinine.value, age, sex, weight.value))
    said = f"Creatinine clearance {value:.0f} mL/min (Cockcroft-Gault, {weight.value:.0f} kg){_limits(view)}"
    return Filtered(value=value, said=said, evidence=(creatinine, weight))


def _filtration(view: View, creatinine: Measurement, age: int, sex: Sex, stands_in: str) -> Filtered:
    value = ckd_epi_2021(creatinine.value, age, sex)
    instead = f", {stands_in} for creatinine clearance" if stands_in else ""
    said = f"eGFR {value:.0f} mL/min/1.73 m2 (CKD-EPI 2021){instead}{_limits(view)}"
    return Filtered(value=value, said=said, evidence=(creatinine,), stands_in=stands_in)


def _limits(view: View) -> str:
    acute = view.scores.get("kdigo")
    changing = isinstance(acute, Score) and acute.value >= 1
    return ", and creatinine is changing: it may be lower" if changing else ""


def _no_creatinine(situation: Situation, limit_h: float) -> str:
    last = situation.latest("creatinine")
    within = f"{limit_h:.0f} h" if limit_h < _DAYS_FROM_H else f"{limit_h / 24:.0f} days"
    if last is not None and situation.age_h(last) <= limit_h:
        return "creatinine known only as a bound"
    return f"no creatinine within {within}"
