"""HOSPITAL score of readmission within 30 days (Donzé, JAMA Intern Med 2013;173:632), as far as the record can say.

Points: haemoglobin below 12 g/dL 1, oncology service 2, sodium below 135 mmol/L 1, an ICD-coded procedure in the stay
1, admission not elective 1, admissions in the year before 1 to 5: 2, more: 5, five days or longer 2. Bands: 0 to 4 low,
5 to 6 intermediate, 7 to 13 high.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from cds_app.domain.facts import Measurement, Stay
from cds_app.domain.limit_texts import worded
from cds_app.score.clinical.bands import apart, lacking
from cds_app.score.result import Abstained, Lack, Part, Score
from cds_app.score.situation import Situation

NAME: Final = "hospital"
MOST: Final = 13
_YEAR: Final = timedelta(days=365)
_LONG_STAY: Final = timedelta(days=5)
_EMERGENCY_BEFORE: Final = timedelta(hours=24)
_INPATIENT: Final = frozenset({"IMP", "ACUTE", "NONAC"})
_ICD: Final = re.compile(r"icd-?(9|10)", re.IGNORECASE)
_ONCOLOGY: Final = re.compile(r"oncolog", re.IGNORECASE)
_BANDS: Final = ((7, "high"), (5, "intermediate"), (0, "low"))
_SOURCE: Final = "HOSPITAL score, Donzé, JAMA Intern Med 2013;173:632"


def hospital(situation: Situation) -> Score | Abstained:
    """The score of the running stay.

    Returns
    -------
    Score or Abstained
        ``bound`` is ">=" while a part cannot be known from the record; ``lacks`` names it. Abstained without a stay.

    Notes
    -----
    Admissions are those that the record lists: an admission elsewhere is not seen.
    """
    start = situation.hospital_start
    if start is None or not situation.inpatient:
        return Abstained(name=NAME, reasons=(Lack(name="stay", why="missing", text="no running inpatient stay"),))
    hours = situation.age_h(situation.stay) if situation.stay is not None else 0.0
    hours = max(hours, (situation.now - start).total_seconds() / 3600.0)
    found = (
        _below(situation, "hemoglobin", 12.0, hours, "haemoglobin below {hemoglobin 12}"),
        _oncology(situation),
        _below(situation, "sodium", 135.0, hours, "sodium below {sodium 135}"),
        _procedure(situation, hours),
        _emergency(situation),
        _admissions(situation),
        Part(label="five days or longer", points=2 if situation.now - start >= _LONG_STAY else 0),
    )
    parts, lacks = apart(found)
    total = sum(one.points for one in parts)
    return Score(
        name=NAME,
        value=total,
        bound=">=" if lacks else "=",
        parts=parts,
        band=next(name for least, name in _BANDS if total >= least),
        source=_SOURCE,
        lacks=lacks,
        notes=("Admissions elsewhere are not seen",),
    )


def _below(situation: Situation, quantity: str, limit: float, hours: float, label: str) -> Part | Lack:
    """The last value of the stay counts, however old."""
    last: Measurement | None = situation.latest(quantity, hours)
    if last is None or last.bound != "=":
        return lacking(situation, quantity) if last is None else Lack(name=quantity, why="bound-only")
    return Part(label=worded(label, situation.ontology), points=int(last.value < limit), evidence=(last,))


def _oncology(situation: Situation) -> Part | Lack:
    named = any(_ONCOLOGY.search(one.text) for one in situation.facts.stays if _runs(one, situation))
    if named:
        return Part(label="oncology service", points=2)
    return Lack(name="discharge service", why="missing", text="whether oncology")


def _runs(one: Stay, situation: Situation) -> bool:
    return one.when <= situation.now and (one.end is None or one.end > situation.now)


def _procedure(situation: Situation, hours: float) -> Part | Lack:
    since = situation.now - timedelta(hours=hours)
    done = (one for one in situation.facts.procedures if one.source == "procedure" and since <= one.when)
    coded = [one for one in done if one.when <= situation.now and any(_ICD.search(system) for system, _ in one.codes)]
    if coded:
        return Part(label="procedure in this stay", points=1, evidence=(coded[-1],))
    return Lack(name="procedure", why="missing", text="no ICD-coded procedure in the record")


def _emergency(situation: Situation) -> Part | Lack:
    start = situation.hospital_start
    urgent = (
        one
        for one in situation.facts.stays
        if one.class_code == "EMER" and start is not None and start - _EMERGENCY_BEFORE <= one.when <= situation.now
    )
    if any(urgent):
        return Part(label="admission not elective", points=1)
    return Lack(name="admission type", why="missing", text="whether elective")


def _admissions(situation: Situation) -> Part:
    start = situation.hospital_start or situation.now
    count = sum(
        one.class_code in _INPATIENT and one.end is not None and one.end <= start and one.when >= start - _YEAR
        for one in situation.facts.stays
    )
    label = f"{count} admission{'' if count == 1 else 's'} in the year before"
    return Part(label=label, points=5 if count > 5 else 2 if count else 0)
