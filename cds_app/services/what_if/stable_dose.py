"""The weekly dose of warfarin that is likely to keep a patient in range, from what the chart says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cds_app.score.result import Abstained
from cds_app.score.situation import Situation
from cds_app.score.warfarin.dose import DoseModel
from cds_app.score.warfarin.features import USUAL_INR
from cds_app.score.warfarin.subject import Subject

WARFARIN: Final = "warfarin"
_ADULT: Final = 18
_ADULTS: Final = "only for adults whose age is recorded"
_OLDEST_DECADE: Final = 9
_DRUGS: Final = (
    *("amiodarone", "carbamazepine", "phenytoin", "rifampicin", "aspirin", "paracetamol"),
    *("simvastatin", "atorvastatin", "pravastatin", "rosuvastatin"),
)
_INDICATIONS: Final = {"atrial_fibrillation": 3, "mechanical_heart_valve": 4, "stroke": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stable:
    """What the model says of a patient, and what it rests on.

    Parameters
    ----------
    weekly, low, high : str
        The dose in mg a week, and between what 90 of 100 such people need; "" where there is none.
    inr : str
        That the dose is for.
    typed : tuple of str
        Genes that are known, each with its diplotype.
    usual : tuple of str
        Measures of the body that are not known now: those of people alike stand in.
    lacks : tuple of str
        Why there is no dose.
    """

    weekly: str = ""
    low: str = ""
    high: str = ""
    inr: str = f"{USUAL_INR:g}"
    typed: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def stable_dose(model: DoseModel, situation: Situation) -> Stable:
    """What the model says of the patient, and on which genes it rests."""
    if situation.age_years is None or situation.age_years < _ADULT:
        return Stable(lacks=(_ADULTS,))
    subject = subject_of(situation)
    found = model.estimate(subject)
    if isinstance(found, Abstained):
        return Stable(lacks=tuple(one.text for one in found.reasons))
    calls = [situation.genome.call(gene) for gene in ("CYP2C9", "VKORC1")]
    body = (("weight", subject.weight_kg), ("height", subject.height_cm))
    return Stable(
        weekly=f"{found.dose_mg_per_week:.0f}",
        low=f"{found.low:.0f}",
        high=f"{found.high:.0f}",
        typed=tuple(f"{one.gene} {one.diplotype}" for one in calls if one is not None and one.diplotype is not None),
        usual=tuple(name for name, value in body if value is None),
    )


def subject_of(situation: Situation) -> Subject:
    """The patient as the model asks for people. A gene that is not known is absent, never the reference."""
    age, sex = situation.age_years, situation.sex
    indications = frozenset(code for name, code in _INDICATIONS.items() if situation.conditions(name))
    return Subject(
        age_decade=None if age is None else min(age // 10, _OLDEST_DECADE),
        male=None if sex is None else sex == "male",
        height_cm=_current(situation, "body_height"),
        weight_kg=_current(situation, "body_weight"),
        vkorc1=_sensitive(situation),
        cyp2c9=_stars(situation),
        recorded={name: bool(situation.medications(name)) for name in _DRUGS},
        indications=indications or None,
    )


def _current(situation: Situation, quantity: str) -> float | None:
    found = situation.fresh(quantity)
    return found.value if found is not None and found.bound == "=" else None


def _sensitive(situation: Situation) -> dict[str, int]:
    call = situation.genome.call("VKORC1")
    pair = call.diplotype if call is not None else None
    return {} if pair is None else {"rs9923231": pair.split("/").count("A")}


def _stars(situation: Situation) -> tuple[int, int] | None:
    call = situation.genome.call("CYP2C9")
    stars = call.diplotype.replace("*", "").split("/") if call is not None and call.diplotype else []
    return (int(stars[0]), int(stars[1])) if len(stars) == 2 and all(one.isdigit() for one in stars) else None
