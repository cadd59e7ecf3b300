"""Filtration for a draft order, as its check means it, on the freshest plausible creatinine, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology import Sex
from cds_app.domain.sentences import Sentence, sentence
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
    said : Sentence
        The estimate with its unit, how it was made, and what limits it.
    evidence : tuple of Fact
    stands_in : bool
        Whether it is a filtration where the check means a clearance, for which no weight is known.
    """

    value: float
    said: Sentence
    evidence: tuple[Fact, ...]
    stands_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfiltered:
    """No estimate, and what is lacking."""

    lacking: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialysed:
    """No estimate: dialysis is recorded, and by what."""

    evidence: tuple[Fact, ...]


def filtration_of(view: View, check: KidneyCheck) -> Filtered | Unfiltered | Dialysed:
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
        return Dialysed(evidence=dialysis)
    limit_h = check.within_h if situation.inpatient else check.outpatient_within_h
    creatinine = situation.latest("creatinine", limit_h)
    age, sex = situation.age_years, situation.sex
    if creatinine is None or creatinine.bound != "=":
        return Unfiltered(lacking=_no_creatinine(situation, limit_h))
    if age is None or sex is None:
        return Unfiltered(lacking=sentence("no_age" if age is None else "no_sex"))
    if age < _ADULT_YEARS:
        return Unfiltered(lacking=sentence("estimates_of_adults"))
    weight = situation.fresh("body_weight") if check.by == "clearance" else None
    if weight is not None and weight.bound == "=":
        return _clearance(view, creatinine, age, sex, weight)
    return _filtration(view, creatinine, age, sex, stands_in=check.by == "clearance")


def _clearance(view: View, creatinine: Measurement, age: int, sex: Sex, weight: Measurement) -> Filtered:
    value = float(cockcroft_gault(creatinine.value, age, sex, weight.value))
    said = sentence(
        "clearance", value=f"{value:.0f}", weight_kg=f"{weight.value:.0f}", changing=_creatinine_changes(view)
    )
    return Filtered(value=value, said=said, evidence=(creatinine, weight))


def _filtration(view: View, creatinine: Measurement, age: int, sex: Sex, *, stands_in: bool) -> Filtered:
    value = ckd_epi_2021(creatinine.value, age, sex)
    said = sentence("egfr", value=f"{value:.0f}", stands_in=stands_in, changing=_creatinine_changes(view))
    return Filtered(value=value, said=said, evidence=(creatinine,), stands_in=stands_in)


def _creatinine_changes(view: View) -> bool:
    acute = view.scores.get("kdigo")
    return isinstance(acute, Score) and acute.value >= 1


def _no_creatinine(situation: Situation, limit_h: float) -> Sentence:
    last = situation.latest("creatinine")
    if last is not None and situation.age_h(last) <= limit_h:
        return sentence("creatinine_bound")
    if limit_h < _DAYS_FROM_H:
        return sentence("no_creatinine_hours", hours=f"{limit_h:.0f}")
    return sentence("no_creatinine_days", days=f"{limit_h / 24:.0f}")
