"""Kidney: KDIGO stage of acute kidney injury (2012) and the CKD-EPI 2021 estimate of filtration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from statistics import median
from typing import Final

from cds_app.domain.arrays import Floats
from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.limit_texts import worded
from cds_app.domain.ontology import Sex
from cds_app.domain.sentences import Sentence, sentence
from cds_app.domain.told import Told
from cds_app.score.clinical.bands import apart, current, lacking, rounded
from cds_app.score.clinical.urine import Urine, collected
from cds_app.score.result import Abstained, Evidence, Lack, Part, Score
from cds_app.score.situation import Situation

Number = float | Floats
RISE_MG_DL: Final = 0.3
RISE_WINDOW_H: Final = 48.0
BASELINE_H: Final = 7 * 24.0
BASELINE_LONG_H: Final = 365 * 24.0
LONG_TERM_RENAL_REPLACEMENT = ("dialysis_dependence", "end_stage_renal_disease")
_EXACT_ADULT_YEARS = 18
_RRT_WITHIN_H = 48.0
_FILTRATION_WITHIN_H = 12.0
_RRT_LATELY_H = 96.0
"""Over a weekend three days lie between two of three sessions a week; a day more, as some are written down late."""
_RATIOS = ((3.0, 3), (2.0, 2), (1.5, 1))
_SEVERE_MG_DL = 4.0
_OLIGURIA_ML_PER_KG_H = (0.5, 0.3)
_ANURIA_ML_PER_KG_H = 0.05  # KDIGO gives no volume; "no urine" with room for what a catheter drips
_OBESE_KG_PER_M2: Final = 30.0  # WHO Technical Report Series 894, 2000
_SOURCE = "KDIGO AKI guideline 2012"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What creatinine is compared with: a value, in words how it was found, and the measurements behind it."""

    value: float
    rule: str
    evidence: tuple[Measurement, ...]


def kdigo(situation: Situation) -> Score | Abstained:
    """Stage of acute kidney injury, 0 to 3, as far as what is known can say.

    Returns
    -------
    Score or Abstained
        ``bound`` is ">=" while a criterion (usually urine output) cannot be judged. Abstained when none can,
        and for patients on long-term dialysis.

    Notes
    -----
    Creatinine: a rise of 0.3 mg/dL within 48 h (difference rounded to 0.01), or a multiple of the baseline, which is
    the lowest of the 7 days before, or the median of day 8 to 365 before where that is lower (`baseline`), as in NHS
    England's algorithm (NHS/PSA/D/2014/010, by R. Aylward's published code of it, which takes the higher of both
    ratios). 4.0 mg/dL counts only with an acute criterion. Urine output needs a weight and entries at most 3 h apart.
    Under 18 years the eGFR criterion is not applied.
    """
    chronic = [one for name in LONG_TERM_RENAL_REPLACEMENT for one in situation.conditions(name)]
    if chronic:
        return Abstained(name="kdigo", reasons=(Lack(name="creatinine", why="unsuitable", text="long-term dialysis"),))
    by_creatinine, by_urine = _creatinine_parts(situation), _urine_part(situation)
    found = (*by_creatinine, by_urine, *_replacement(situation))
    parts, lacks = apart(found)
    if not parts:
        return Abstained(name="kdigo", reasons=lacks)
    stage = max(one.points for one in parts)
    return Score(
        name="kdigo",
        value=stage,
        bound=">=" if lacks else "=",
        parts=parts,
        band=f"stage {stage:.0f}" if stage else "no criterion met",
        source=_SOURCE,
        lacks=lacks,
        notes=_notes(situation),
        proviso=_weighed(situation, by_urine),
    )


def on_dialysis(situation: Situation) -> tuple[Fact, ...]:
    """What says that the patient is on renal replacement therapy, for good or lately: creatinine is then its work.

    Many hospitals code the procedure at discharge only: until then its solutions tell of it.
    """
    chronic = [one for name in LONG_TERM_RENAL_REPLACEMENT for one in situation.conditions(name)]
    done = situation.procedures_done("renal_replacement_therapy", _RRT_LATELY_H)
    return (*chronic, *done, *situation.medications("renal_replacement_solution", _RRT_LATELY_H))


def on_filtration(situation: Situation) -> tuple[Fact, ...]:
    """What says that renal replacement therapy runs all the time, and ran in the last hours."""
    return situation.procedures_done("crrt", _FILTRATION_WITHIN_H)


def _notes(situation: Situation) -> tuple[str, ...]:
    child = situation.age_years is not None and situation.age_years < _EXACT_ADULT_YEARS
    return ("Under 18 years: the eGFR criterion is not applied",) if child else ()


def _weighed(situation: Situation, urine: Part | Lack) -> Sentence | None:
    """By which weight an output counted as little: KDIGO names none, and by actual weight the obese have more injuries.

    Ideal weight finds fewer, the same of whom die (Thongprayoon, BMC Nephrol 2014;15:176; Katayama, 2018;19:101).
    """
    weight, height = situation.fresh("body_weight"), situation.latest("body_height")
    if isinstance(urine, Lack) or not urine.points or weight is None:
        return None
    obese = height is not None and weight.value >= _OBESE_KG_PER_M2 * (height.value / 100.0) ** 2
    return sentence("proviso_weight", weight_kg=f"{weight.value:g}", obese=obese)


def _creatinine_parts(situation: Situation) -> tuple[Part | Lack, ...]:
    now = current(situation, "creatinine")
    if isinstance(now, Lack):
        return (now,)
    rise, ratio = _rise(situation, now), _ratio(situation, now)
    parts = tuple(one for one in (rise, ratio) if one is not None)
    if not parts:
        text = "one creatinine and no earlier one to compare with"
        return (Lack(name="creatinine", why="missing", text=text),)
    if now.value >= _SEVERE_MG_DL and any(one.points for one in parts):
        label = worded("creatinine {creatinine 4.0 bare} or more with an acute rise", situation.ontology)
        return (*parts, Part(label=label, points=3, evidence=(now,)))
    return parts


def _rise(situation: Situation, now: Measurement) -> Part | None:
    earlier = [
        one
        for one in situation.history("creatinine", RISE_WINDOW_H, until=now.when)
        if one.when < now.when and one.bound == "="
    ]
    if not earlier:
        return None
    lowest = min(reversed(earlier), key=lambda one: one.value)
    met = rounded(now.value - lowest.value, "0.01") >= RISE_MG_DL
    return Part(label="creatinine rise within 48 h", points=int(met), evidence=(lowest, now))


def baseline(situation: Situation, now: Measurement) -> Baseline | None:
    """The lowest creatinine of the 7 days before a measurement, or the median of day 8 to 365 before it if it is lower.

    Whoever comes with an injury has nothing lower in the week from the second sample on. What was lower in the year
    counts as far as the last value of it does: where that was high, too, the rise is older than a week.
    """
    year = situation.history("creatinine", BASELINE_LONG_H, until=now.when)
    before = [one for one in year if one.when < now.when and one.bound == "="]
    older = [one for one in before if now.when - one.when > timedelta(hours=BASELINE_H)]
    week = before[len(older) :]
    if not before:
        return None
    middle, told = median(one.value for one in older) if older else inf, situation.ontology.quantity("creatinine").told
    if not week:
        rule = f"the year's median of {_amount(middle, told)}, none in the week before"
        return Baseline(value=middle, rule=rule, evidence=_middle(older))
    lowest = min(reversed(week), key=lambda one: one.value)
    if older and max(middle, older[-1].value) < lowest.value:
        return _before_the_week(older, middle, told)
    rule = f"the week's lowest of {_amount(lowest, told)}"
    return Baseline(value=lowest.value, rule=rule, evidence=(lowest,))


def _before_the_week(older: Sequence[Measurement], middle: float, told: Told) -> Baseline:
    last = older[-1]
    if last.value >= middle:
        rule = f"the {_amount(last, told)} before the week"
        return Baseline(value=last.value, rule=rule, evidence=(last,))
    rule = f"the year's median of {_amount(middle, told)}"
    return Baseline(value=middle, rule=rule, evidence=_middle(older))


def _amount(found: Measurement | float, told: Told) -> str:
    value = found if isinstance(found, float) else found.value
    if not told.canonical:
        return f"{value:.2f} {told.text}"  # as finely as the ratio is told
    return f"{told.number(value) if isinstance(found, float) else told.measured(found)} {told.text}"


def _middle(rows: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """The one or two of which the median is made, the newest first."""
    ranked = sorted(rows, key=lambda one: one.value)
    ends = slice((len(ranked) - 1) // 2, len(ranked) // 2 + 1)
    return tuple(sorted(ranked[ends], key=lambda one: one.when, reverse=True))


def _ratio(situation: Situation, now: Measurement) -> Part | None:
    usual = baseline(situation, now)
    if usual is None:
        return None
    ratio = rounded(now.value / usual.value, "0.000001")
    stage = next((stage for least, stage in _RATIOS if ratio >= least), 0)
    return Part(
        label=f"creatinine {ratio:.2f} times {usual.rule}",
        points=stage,
        evidence=(*usual.evidence, now),
    )


def _urine_part(situation: Situation) -> Part | Lack:
    weight = current(situation, "body_weight")
    if isinstance(weight, Lack):
        return weight
    windows = {hours: collected(situation, hours) for hours in (6.0, 12.0, 24.0)}
    if windows[6.0] is None:
        return lacking(situation, "urine_output") if not situation.series("urine_output") else _sparse(situation)
    stages = [(_urine_stage(one, weight.value), one) for one in windows.values() if one is not None]
    stage, shown = max(stages, key=lambda pair: pair[0])
    rate = _rate(shown, weight.value)
    finding = f"{_digits(rate)} mL/kg/h over {shown.hours:.0f} h"
    return Part(label="urine output", points=stage, evidence=(*shown.evidence, weight), finding=finding)


def _sparse(situation: Situation) -> Lack:
    age_h = situation.age_h(situation.series("urine_output")[-1])
    return Lack(name="urine_output", why="stale", age_h=age_h, text="not charted every 3 hours for 6 hours")


def _rate(urine: Urine, weight_kg: float) -> float:
    """mL/kg/h, to a millionth."""
    return rounded(urine.volume_ml / weight_kg / urine.hours, "0.000001")


def _digits(rate: float) -> str:
    """Two digits, or as many as show on which side of a limit it lies: 0.498 is not 0.50."""
    texts = (f"{rate:.{digits}f}" for digits in range(2, 7))
    return next(
        text for text in texts if all((float(text) < limit) == (rate < limit) for limit in _OLIGURIA_ML_PER_KG_H)
    )


def _urine_stage(urine: Urine, weight_kg: float) -> int:
    few, fewer = _OLIGURIA_ML_PER_KG_H
    rate = _rate(urine, weight_kg)
    if urine.hours >= 24.0 and rate < fewer:
        return 3
    if urine.hours >= 12.0 and rate < _ANURIA_ML_PER_KG_H:
        return 3
    if rate < few:
        return 2 if urine.hours >= 12.0 else 1
    return 0


def _replacement(situation: Situation) -> tuple[Part, ...]:
    done: tuple[Evidence, ...] = situation.procedures_done("renal_replacement_therapy", _RRT_WITHIN_H)
    return (Part(label="renal replacement therapy", points=3, evidence=done[-1:]),) if done else ()


def ckd_epi_2021(creatinine_mg_dl: float, age_years: float, sex: Sex) -> float:
    """Estimated filtration, mL/min/1.73 m2, without race (Inker, N Engl J Med 2021;385:1737).

    Parameters
    ----------
    creatinine_mg_dl : float
        Serum creatinine, mg/dL, positive.
    age_years : float
        18 or more.
    sex : {"female", "male"}
    """
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = creatinine_mg_dl / kappa
    return float(142.0 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2 * 0.9938**age_years * factor)


def cockcroft_gault(creatinine_mg_dl: Number, age_years: Number, sex: Sex, weight_kg: Number) -> Number:
    """Creatinine clearance, mL/min, as labels give limits of doses in it (Cockcroft and Gault, Nephron 1976;16:31).

    Parameters
    ----------
    creatinine_mg_dl : float or ndarray
        Serum creatinine, mg/dL, positive.
    age_years : float or ndarray
    sex : {"female", "male"}
    weight_kg : float or ndarray
        Actual weight.
    """
    factor = 0.85 if sex == "female" else 1.0
    return factor * (140.0 - age_years) * weight_kg / (72.0 * creatinine_mg_dl)


def egfr(situation: Situation, acute: Score | Abstained | None = None) -> Score | Abstained:
    """CKD-EPI 2021 from the newest current creatinine.

    Parameters
    ----------
    situation : Situation
    acute : Score or Abstained, optional
        The KDIGO result if it is there already.

    Returns
    -------
    Score or Abstained
        Abstained for anybody under 18, without age or sex, without a current exact creatinine, and on
        dialysis. While creatinine changes (KDIGO 1 or more) the number stands with a note that it is not
        valid as a measure of filtration.
    """
    creatinine, age, sex = current(situation, "creatinine"), situation.age_years, situation.sex
    lacks = _egfr_lacks(situation, creatinine)
    if isinstance(creatinine, Lack) or age is None or sex is None or lacks:
        return Abstained(name="egfr", reasons=lacks)
    value = ckd_epi_2021(creatinine.value, age, sex)
    staged = kdigo(situation) if acute is None else acute
    changing = isinstance(staged, Score) and staged.value >= 1
    return Score(
        name="egfr",
        value=value,
        parts=(Part(label="creatinine", points=value, evidence=(creatinine,)),),
        band=filtration_category(value),
        source="CKD-EPI 2021, Inker, N Engl J Med 2021;385:1737",
        notes=("Creatinine is changing: eGFR does not show filtration",) if changing else (),
    )


def _egfr_lacks(situation: Situation, creatinine: Measurement | Lack) -> tuple[Lack, ...]:
    age = situation.age_years
    found: list[Lack] = [creatinine] if isinstance(creatinine, Lack) else []
    if age is None:
        found.append(Lack(name="age", why="missing"))
    elif age < _EXACT_ADULT_YEARS:
        found.append(Lack(name="age", why="out-of-population", text="CKD-EPI 2021 is for adults"))
    if situation.sex is None:
        found.append(Lack(name="sex", why="missing"))
    if any(situation.conditions(name) for name in LONG_TERM_RENAL_REPLACEMENT):
        found.append(Lack(name="creatinine", why="unsuitable", text="on dialysis"))
    return tuple(found)


def filtration_category(value: float) -> str:
    """KDIGO category G1 to G5."""
    limits = ((90.0, "G1"), (60.0, "G2"), (45.0, "G3a"), (30.0, "G3b"), (15.0, "G4"))
    return next((name for least, name in limits if value >= least), "G5")
