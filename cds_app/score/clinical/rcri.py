"""Revised Cardiac Risk Index (Lee, Circulation 1999;100:1043): cardiac complications of major non-cardiac surgery.

One point each: high-risk surgery (intraperitoneal, intrathoracic or suprainguinal vascular), ischaemic heart disease,
heart failure, stroke or transient ischaemic attack, treatment with insulin, creatinine over 2.0 mg/dL. Classes I to IV
for 0, 1, 2 and 3 or more points.
"""

from __future__ import annotations

from math import inf
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.domain.limit_texts import worded
from cds_app.score.clinical.bands import Bands, apart, lacking, points_of
from cds_app.score.result import Abstained, Lack, Part, Score
from cds_app.score.situation import Situation

NAME: Final = "rcri"
CREATININE_WITHIN_H: Final = 30 * 24.0
ADULT_YEARS: Final = 18
_DERIVED_YEARS: Final = 50
_CREATININE: Final[Bands] = ((-inf, 0), (2.01, 1))
_CLASSES: Final = ("I", "II", "III", "IV")
_POOLED_PERCENT: Final = (3.9, 6.0, 10.1, 15.0)  # Duceppe, Can J Cardiol 2017;33:17; from memory
_HISTORY: Final = (
    ("ischaemic_heart_disease", "ischaemic heart disease"),
    ("heart_failure", "heart failure"),
    ("stroke", "stroke or transient ischaemic attack"),
)
_INSULIN_WITHIN_H: Final = 24.0
_SOURCE: Final = "Revised Cardiac Risk Index, Lee, Circulation 1999;100:1043"


def rcri(situation: Situation, *, high_risk_surgery: bool | None = None) -> Score | Abstained:
    """The index before an operation.

    Parameters
    ----------
    situation : Situation
    high_risk_surgery : bool, optional
        Whether the operation is intraperitoneal, intrathoracic or suprainguinal vascular: the record does not say.

    Returns
    -------
    Score or Abstained
        With parts missing "at least" what is known, and abstained, naming them, where that is nothing or under 18
        years.

    Notes
    -----
    A problem that a list of problems does not name counts as absent; without any such list it is missing. The same
    holds of insulin and a list of drugs. Any insulin that is taken now counts.
    """
    unfit = _unfit(situation)
    if unfit is not None:
        return Abstained(name=NAME, reasons=(unfit,))
    found = (
        _surgery(high_risk_surgery),
        *(_history(situation, concept, label) for concept, label in _HISTORY),
        _insulin(situation),
        _creatinine(situation),
    )
    parts, lacks = apart(found)
    total = sum(one.points for one in parts)
    if lacks and total == 0:
        return Abstained(name=NAME, reasons=lacks)
    grade = min(int(total), len(_CLASSES) - 1)
    return Score(
        name=NAME,
        value=total,
        bound=">=" if lacks else "=",
        parts=parts,
        band=f"class {_CLASSES[grade]}" + (" or higher" if lacks and grade < len(_CLASSES) - 1 else ""),
        source=_SOURCE,
        lacks=lacks,
        notes=_notes(situation, grade, complete=not lacks),
    )


def _unfit(situation: Situation) -> Lack | None:
    if situation.age_years is None:
        return Lack(name="age", why="missing")
    if situation.age_years < ADULT_YEARS:
        return Lack(name="age", why="out-of-population", text="the index is for adults")
    return None


def _surgery(high_risk: bool | None) -> Part | Lack:
    if high_risk is None:
        return Lack(name="high_risk_surgery", why="missing", text="intraperitoneal, intrathoracic, large vessels")
    return Part(label="high-risk surgery", points=int(high_risk))


def _history(situation: Situation, concept: str, label: str) -> Part | Lack:
    held = situation.conditions(concept)
    if not held and not situation.facts.conditions:
        return Lack(name=concept, why="missing", text="no list of problems")
    return Part(label=label, points=int(bool(held)), evidence=held[-1:])


def _insulin(situation: Situation) -> Part | Lack:
    taken = situation.medications("insulins", _INSULIN_WITHIN_H)
    if not taken and not situation.facts.medications:
        return Lack(name="insulins", why="missing", text="no list of drugs")
    return Part(label="treatment with insulin", points=int(bool(taken)), evidence=taken[-1:])


def _creatinine(situation: Situation) -> Part | Lack:
    last: Measurement | None = situation.latest("creatinine", CREATININE_WITHIN_H)
    if last is None:
        return lacking(situation, "creatinine")
    points = points_of(_CREATININE, last, "0.01")
    if points is None:
        return Lack(name="creatinine", why="bound-only", age_h=situation.age_h(last))
    label = worded("creatinine over {creatinine 2.0}", situation.ontology)
    return Part(label=label, points=points, evidence=(last,))


def _notes(situation: Situation, grade: int, *, complete: bool) -> tuple[str, ...]:
    notes = ["What the list of problems does not name counts as absent; a transient ischaemic attack is not looked for"]
    if complete:
        risk = f"{_POOLED_PERCENT[grade]:g} % had a cardiac complication within 30 days in pooled studies"
        notes.append(f"{risk} (Duceppe, Can J Cardiol 2017;33:17; figure not reviewed)")
    if situation.age_years is not None and situation.age_years < _DERIVED_YEARS:
        notes.append("Derived in people of 50 years and older")
    return tuple(notes)
