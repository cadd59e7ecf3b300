"""NEWS2 (Royal College of Physicians, 2017) and qSOFA: bedside scores of vital signs.

Vital signs are rounded to whole numbers and temperature to 0.1 Cel first, halves up: the published bands have
gaps between whole numbers, and a monitor's 20.5 breaths must fall into one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from cds_app.domain.facts import CodedFinding, Measurement, Medication, Procedure
from cds_app.domain.sentences import Sentence, sentence
from cds_app.score.clinical.bands import Bands, apart, lacking, points_of, rounded
from cds_app.score.result import Abstained, Lack, Part, Score
from cds_app.score.situation import Situation

RESPIRATION: Final[Bands] = ((-inf, 3), (9, 1), (12, 0), (21, 2), (25, 3))
SPO2_SCALE_1: Final[Bands] = ((-inf, 3), (92, 2), (94, 1), (96, 0))
SPO2_SCALE_2_AIR: Final[Bands] = ((-inf, 3), (84, 2), (86, 1), (88, 0))
SPO2_SCALE_2_OXYGEN: Final[Bands] = ((-inf, 3), (84, 2), (86, 1), (88, 0), (93, 1), (95, 2), (97, 3))
SYSTOLIC: Final[Bands] = ((-inf, 3), (91, 2), (101, 1), (111, 0), (220, 3))
PULSE: Final[Bands] = ((-inf, 3), (41, 1), (51, 0), (91, 1), (111, 2), (131, 3))
TEMPERATURE: Final[Bands] = ((-inf, 3), (35.1, 1), (36.1, 0), (38.1, 1), (39.1, 2))

ROOM_AIR_PERCENT: Final = 21.0
FULL_GCS: Final = 15.0
ADULT_YEARS: Final = 16
OXYGEN_POINTS: Final = 2
NOT_ALERT_POINTS: Final = 3
_MEDIUM, _HIGH = 5, 7
_SOURCE = "Royal College of Physicians, NEWS2, 2017"
_SATURATION = "oxygen saturation"
_RECENT_H = 6.0
_SEDATION_H = 2.0
SEDATIVES: Final = ("propofol", "dexmedetomidine", "ketamine", "midazolam")
"""Run to keep patients asleep: a low coma score is then their aim."""
_VITALS: tuple[tuple[str, str, Bands, str], ...] = (
    ("resp_rate", "respiratory rate", RESPIRATION, "1"),
    ("sbp", "systolic blood pressure", SYSTOLIC, "1"),
    ("heart_rate", "pulse", PULSE, "1"),
    ("body_temp", "temperature", TEMPERATURE, "0.1"),
)

OxygenEvidence = Measurement | Procedure | Medication | CodedFinding


def news2(situation: Situation) -> Score | Abstained:
    """NEWS2 of the newest current vital signs.

    Returns
    -------
    Score or Abstained
        With inputs missing, a score "at least" as soon as what is known makes 5 or holds a single 3; else
        abstained.

    Notes
    -----
    For 16 years and older, not in pregnancy. Vital signs are rounded to whole numbers, temperature to 0.1, halves up.
    Saturation is judged by scale 2 (target 88-92 %) only where hypercapnic respiratory failure is among the problems;
    COPD alone does not make it so.
    """
    unfit = _unfit(situation)
    if unfit:
        return Abstained(name="news2", reasons=unfit)
    hypercapnic = bool(situation.conditions("hypercapnic_respiratory_failure"))
    found = [
        *(_vital(situation, *row) for row in _VITALS),
        *_breathing(situation, hypercapnic),
        consciousness(situation),
    ]
    parts, lacks = apart(found)
    total, highest = sum(one.points for one in parts), max((one.points for one in parts), default=0)
    if lacks and total < _MEDIUM and highest < NOT_ALERT_POINTS:
        return Abstained(name="news2", reasons=lacks)
    return Score(
        name="news2",
        value=total,
        bound=">=" if lacks else "=",
        parts=parts,
        band=band(total, highest),
        source=_SOURCE,
        lacks=lacks,
        notes=_notes(situation),
        proviso=_proviso(situation, parts, hypercapnic),
    )


def band(total: float, highest: float) -> str:
    """The chart's word for a total and the most points of a single part."""
    if total >= _HIGH:
        return "high"
    if total >= _MEDIUM:
        return "medium"
    return "low-medium" if highest >= NOT_ALERT_POINTS else "low"


def _unfit(situation: Situation) -> tuple[Lack, ...]:
    if situation.age_years is None:
        return (Lack(name="age", why="missing"),)
    if situation.age_years < ADULT_YEARS:
        return (Lack(name="age", why="out-of-population", text="NEWS2 is for people of 16 years and older"),)
    if situation.pregnant:
        return (Lack(name="pregnancy", why="out-of-population", text="NEWS2 is not for use in pregnancy"),)
    return ()


def _notes(situation: Situation) -> tuple[str, ...]:
    return ("Not for pregnancy, of which nothing is known",) if situation.pregnant is None else ()


def _proviso(situation: Situation, parts: Sequence[Part], hypercapnic: bool) -> Sentence | None:
    """By which scale the saturation was judged, where that is not plain."""
    if hypercapnic:
        return sentence("proviso_scale_2")
    low = any(part.label == _SATURATION and part.points for part in parts)
    return sentence("proviso_scale_1") if low and situation.conditions("copd") else None


def _vital(situation: Situation, quantity: str, label: str, bands: Bands, step: str) -> Part | Lack:
    measured = situation.fresh(quantity)
    if measured is None:
        return lacking(situation, quantity)
    given = points_of(bands, measured, step)
    if given is None:
        return Lack(name=quantity, why="bound-only", age_h=situation.age_h(measured))
    return Part(label=label, points=given, evidence=(measured,))


def _breathing(situation: Situation, hypercapnic: bool) -> tuple[Part | Lack, ...]:
    given, evidence = oxygen(situation)
    if given is None:
        air = Lack(name="oxygen", why="missing", text="oxygen not recorded")
        # Scale 2 reads high saturations by whether oxygen is given; up to 92 % both columns agree.
        bands = SPO2_SCALE_2_AIR if hypercapnic else SPO2_SCALE_1
        spo2 = _vital(situation, "spo2", _SATURATION, bands, "1")
        undecided = hypercapnic and isinstance(spo2, Part) and _above_target(spo2)
        return (
            Lack(name="spo2", why="unsuitable", text="scale 2 needs to know of oxygen") if undecided else spo2,
            air,
        )
    on_oxygen = Part(label="oxygen", points=OXYGEN_POINTS if given else 0, evidence=evidence)
    bands = (SPO2_SCALE_2_OXYGEN if given else SPO2_SCALE_2_AIR) if hypercapnic else SPO2_SCALE_1
    return _vital(situation, "spo2", _SATURATION, bands, "1"), on_oxygen


def _above_target(spo2: Part) -> bool:
    return any(isinstance(one, Measurement) and rounded(one.value) > 92 for one in spo2.evidence)


def oxygen(situation: Situation) -> tuple[bool | None, tuple[OxygenEvidence, ...]]:
    """Whether oxygen is being given, by the newest of flow, inspired fraction, findings and documented therapy.

    Returns
    -------
    tuple of (bool or None, tuple of fact)
        None when nothing current says it either way: then it is not recorded, and not assumed.
    """
    said = _said_of_oxygen(situation)
    if not said:
        return None, ()
    newest = max(one.when for one, _ in said)
    last = [(one, given) for one, given in said if one.when == newest or _runs(one)]
    given = any(yes for _, yes in last)
    return given, tuple(one for one, yes in last if yes == given)


def _said_of_oxygen(situation: Situation) -> list[tuple[OxygenEvidence, bool]]:
    flow, fraction = situation.fresh("o2_flow"), situation.fresh("fio2")
    said: list[tuple[OxygenEvidence, bool]] = []
    if flow is not None:
        said.append((flow, flow.value > 0))
    if fraction is not None:
        said.append((fraction, fraction.value > ROOM_AIR_PERCENT))
    therapy = situation.procedures_done("oxygen_therapy", _RECENT_H)[-1:]
    said.extend((one, True) for one in therapy)
    said.extend((one, True) for one in situation.given("oxygen", _RECENT_H)[-1:])
    for concept, given in (("room_air", False), ("supplemental_oxygen", True)):
        said.extend((one, given) for one in situation.findings(concept, _RECENT_H)[-1:])
    return said


def _runs(one: OxygenEvidence) -> bool:
    return isinstance(one, Procedure | Medication) and one.status == "in-progress"


def consciousness(situation: Situation) -> Part | Lack:
    """Alert or not: from ACVPU, else from the Glasgow coma score (15 is alert)."""
    said = situation.finding("consciousness_acvpu", _RECENT_H)
    if said is not None and _alert(said) is not None:
        return Part(label="consciousness", points=0 if _alert(said) else NOT_ALERT_POINTS, evidence=(said,))
    gcs = situation.fresh("gcs_total")
    if gcs is not None and gcs.bound == "=" and gcs.value < FULL_GCS and _sedated(situation):
        return Lack(
            name="consciousness", why="unsuitable", age_h=situation.age_h(gcs), text="not judged under sedation"
        )
    if gcs is not None and gcs.bound == "=":
        awake = gcs.value >= FULL_GCS
        return Part(label="consciousness", points=0 if awake else NOT_ALERT_POINTS, evidence=(gcs,))
    return _consciousness_lack(situation)


def _sedated(situation: Situation) -> bool:
    return any(situation.given(one, _SEDATION_H) for one in SEDATIVES)


def _consciousness_lack(situation: Situation) -> Lack:
    ages = [situation.age_h(one) for one in (situation.finding("consciousness_acvpu"),) if one is not None]
    old = situation.latest("gcs_total")
    ages += [situation.age_h(old)] if old is not None else []
    return Lack(name="consciousness", why="stale" if ages else "missing", age_h=min(ages, default=None))


def _alert(said: CodedFinding) -> bool | None:
    return "alert" in said.concepts if {"alert", "not_alert"} & set(said.concepts) else None


def qsofa(situation: Situation) -> Score | Abstained:
    """Quick SOFA (Seymour, JAMA 2016;315:762): respiratory rate >= 22, systolic <= 100, altered mentation.

    Notes
    -----
    The Surviving Sepsis Campaign (2021) recommends against qSOFA as the only screening tool.
    """
    found: Sequence[Part | Lack] = (
        _vital(situation, "resp_rate", "respiratory rate >= 22", ((-inf, 0), (22, 1)), "1"),
        _vital(situation, "sbp", "systolic <= 100", ((-inf, 1), (101, 0)), "1"),
        _mentation(situation),
    )
    parts, lacks = apart(found)
    total = sum(one.points for one in parts)
    if lacks and total < 2:
        return Abstained(name="qsofa", reasons=lacks)
    return Score(
        name="qsofa",
        value=total,
        bound=">=" if lacks else "=",
        parts=parts,
        band="2 or more" if total >= 2 else "below 2",
        source="Seymour, JAMA 2016;315:762",
        lacks=lacks,
        notes=("SSC 2021: not to be used as the only screening tool",),
    )


def _mentation(situation: Situation) -> Part | Lack:
    found = consciousness(situation)
    if isinstance(found, Lack):
        return found
    return Part(label="altered mentation", points=min(found.points, 1), evidence=found.evidence)
