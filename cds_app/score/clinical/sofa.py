"""SOFA (Vincent, Intensive Care Med 1996;22:707): the worst of the last 24 hours, as far as the data go.

Every part stands or abstains alone, and a total without all six is "at least".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from cds_app.domain.facts import Measurement, Medication
from cds_app.score.clinical.bands import Bands, apart, lacking, points, points_of
from cds_app.score.clinical.news2 import SEDATIVES
from cds_app.score.clinical.urine import collected
from cds_app.score.result import Abstained, Lack, Part, Score
from cds_app.score.situation import Situation

PLATELETS: Final[Bands] = ((-inf, 4), (20, 3), (50, 2), (100, 1), (150, 0))
BILIRUBIN: Final[Bands] = ((-inf, 0), (1.2, 1), (2.0, 2), (6.0, 3), (12.0, 4))
GLASGOW: Final[Bands] = ((-inf, 4), (6, 3), (10, 2), (13, 1), (15, 0))
CREATININE: Final[Bands] = ((-inf, 0), (1.2, 1), (2.0, 2), (3.5, 3), (5.0, 4))
OXYGENATION: Final[Bands] = ((-inf, 4), (100, 3), (200, 2), (300, 1), (400, 0))
URINE_ML: Final[Bands] = ((-inf, 4), (200, 3), (500, 0))
LOW_MAP: Final[Bands] = ((-inf, 1), (70, 0))
WINDOW_H: Final = 24.0

_COMA = "Glasgow coma score"
_UNVENTILATED_MOST = 2
_FIO2_WITHIN_H = 8.0
# Rates are not computed with (doses are shown only): the points that a running infusion earns at the least.
_PRESSORS: tuple[tuple[str, int], ...] = (
    ("norepinephrine", 3),
    ("epinephrine", 3),
    ("dopamine", 2),
    ("dobutamine", 2),
)
_VENTILATION = ("mechanical_ventilation", "noninvasive_ventilation")


def sofa(situation: Situation) -> Score | Abstained:
    """SOFA from the worst values of the last 24 hours.

    Returns
    -------
    Score or Abstained
        ``value`` is the total of the parts that are known; ``bound`` is ">=" unless all six are known and
        exact. Abstained only when no part is known.

    Notes
    -----
    PaO2/FiO2 below 200 earns more than 2 points only when ventilation is documented. Vasopressors count with
    the least that their name earns, as rates are not computed with. The rise of SOFA is not judged here.
    """
    found = [part(situation) for part in _PARTS]
    parts, lacks = apart(one for one, _ in found)
    if not parts:
        return Abstained(name="sofa", reasons=lacks)
    total, exact = sum(one.points for one in parts), not lacks and all(whole for _, whole in found)
    return Score(
        name="sofa",
        value=total,
        bound="=" if exact else ">=",
        parts=parts,
        band=f"{'' if exact else 'at least '}{total:.0f} of 24, from {len(parts)} of 6 parts",
        source="Vincent, Intensive Care Med 1996;22:707",
        lacks=lacks,
        notes=_notes(situation, parts),
    )


def _notes(situation: Situation, parts: Sequence[Part]) -> tuple[str, ...]:
    sedated = any(situation.given(one, WINDOW_H) for one in SEDATIVES)
    low = any(one.label == _COMA and one.points for one in parts)
    return ("The coma score may be that of sedation",) if sedated and low else ()


Found = tuple[Part | Lack, bool]  # and whether the points are exact, not a least


def _worst(situation: Situation, quantity: str, label: str, bands: Bands, step: str) -> Part | Lack:
    rows = situation.history(quantity, WINDOW_H)
    judged = [(given, one) for one in rows if (given := points_of(bands, one, step)) is not None]
    if not judged:
        return lacking(situation, quantity)
    most = max(given for given, _ in judged)
    newest = next(one for given, one in reversed(judged) if given == most)
    return Part(label=label, points=most, evidence=(newest,))


def _platelets(situation: Situation) -> Found:
    return _worst(situation, "platelets", "platelets", PLATELETS, "1"), True


def _liver(situation: Situation) -> Found:
    return _worst(situation, "bilirubin_total", "bilirubin", BILIRUBIN, "0.1"), True


def _brain(situation: Situation) -> Found:
    return _worst(situation, "gcs_total", _COMA, GLASGOW, "1"), True


def _kidney(situation: Situation) -> Found:
    creatinine = _worst(situation, "creatinine", "creatinine", CREATININE, "0.1")
    urine = collected(situation, WINDOW_H)
    if urine is None:
        return creatinine, True
    by_urine = Part(label="urine output", points=points(URINE_ML, urine.volume_ml), evidence=urine.evidence)
    if isinstance(creatinine, Lack) or by_urine.points > creatinine.points:
        return by_urine, isinstance(creatinine, Part)
    return creatinine, True


def _circulation(situation: Situation) -> Found:
    pressors = _pressors(situation)
    if pressors is not None:
        return pressors, False
    return _worst(situation, "map", "mean arterial pressure", LOW_MAP, "1"), True


def _pressors(situation: Situation) -> Part | None:
    for name, least in _PRESSORS:
        given: tuple[Medication, ...] = situation.given(name, WINDOW_H)
        if given:
            return Part(label="vasopressor", points=least, evidence=given[-1:])
    return None


def _lungs(situation: Situation) -> Found:
    pairs = [pair for po2 in situation.history("po2", WINDOW_H) if (pair := _with_fraction(situation, po2))]
    if not pairs:
        missing = "po2" if situation.latest("po2", WINDOW_H) is None else "fio2"
        return lacking(situation, missing), True
    po2, fio2 = min(pairs, key=_ratio)
    given, ventilated = points(OXYGENATION, _ratio((po2, fio2))), _ventilated(situation)
    most = given if ventilated else min(given, _UNVENTILATED_MOST)
    told = situation.ontology.quantity("po2").told
    finding = f"{told.number(_ratio((po2, fio2)))} {told.text}"
    return Part(label="PaO2/FiO2", points=most, evidence=(po2, fio2), finding=finding), most == given


def _with_fraction(situation: Situation, po2: Measurement) -> tuple[Measurement, Measurement] | None:
    before = situation.history("fio2", _FIO2_WITHIN_H, until=po2.when)
    usable = po2.bound == "=" and before and before[-1].bound == "="
    return (po2, before[-1]) if usable else None


def _ratio(pair: tuple[Measurement, Measurement]) -> float:
    po2, fio2 = pair
    return po2.value / (fio2.value / 100.0)


def _ventilated(situation: Situation) -> bool:
    return any(situation.procedures_done(one, WINDOW_H) for one in _VENTILATION)


_PARTS: tuple[Callable[[Situation], Found], ...] = (_lungs, _platelets, _liver, _circulation, _brain, _kidney)
