"""The weekly dose of warfarin that is likely to keep a patient in range, from what the chart says of them."""

from __future__ import annotations

from typing import Final

from cds_app.score.result import Abstained
from cds_app.score.situation import Situation
from cds_app.score.warfarin.dose import Dose, DoseModel
from cds_app.score.warfarin.subject import Subject

WARFARIN: Final = "warfarin"
_ADULT: Final = 18
_OLDEST_DECADE: Final = 9
_DRUGS: Final = (
    *("amiodarone", "carbamazepine", "phenytoin", "rifampicin", "aspirin", "paracetamol"),
    *("simvastatin", "atorvastatin", "pravastatin", "rosuvastatin"),
)
_INDICATIONS: Final = {"atrial_fibrillation": 3, "mechanical_heart_valve": 4, "stroke": 6}


def stable_dose(model: DoseModel, situation: Situation) -> str:
    """What the model says of the patient, in a sentence; and on which genes it rests."""
    if situation.age_years is None or situation.age_years < _ADULT:
        return "No stable dose is estimated: only for adults whose age is recorded."
    found = model.estimate(subject_of(situation))
    if isinstance(found, Abstained):
        return f"No stable dose is estimated: {', '.join(one.text for one in found.reasons)}."
    return _sentence(found, situation)


def _sentence(found: Dose, situation: Situation) -> str:
    calls = [situation.genome.call(gene) for gene in ("CYP2C9", "VKORC1")]
    typed = [f"{one.gene} {one.diplotype}" for one in calls if one is not None and one.diplotype is not None]
    on = f"Rests on {' and '.join(typed)}" if typed else "No genotype is known, which would narrow it most"
    return (
        f"Stable dose, estimated: {found.dose_mg_per_week:.0f} mg a week; 90 of 100 such people need "
        f"{found.low:.0f} to {found.high:.0f}. {on}; not on kidney function, diet or ancestry."
    )


def subject_of(situation: Situation) -> Subject:
    """The patient as the model asks for people. A gene that is not known is absent, never the reference."""
    age, sex = situation.age_years, situation.sex
    indications = frozenset(code for name, code in _INDICATIONS.items() if situation.conditions(name))
    return Subject(
        age_decade=None if age is None else min(age // 10, _OLDEST_DECADE),
        male=None if sex is None else sex == "male",
        height_cm=_newest(situation, "body_height"),
        weight_kg=_newest(situation, "body_weight"),
        vkorc1=_sensitive(situation),
        cyp2c9=_stars(situation),
        recorded={name: bool(situation.medications(name)) for name in _DRUGS},
        indications=indications or None,
    )


def _newest(situation: Situation, quantity: str) -> float | None:
    found = situation.latest(quantity)
    return found.value if found is not None and found.bound == "=" else None


def _sensitive(situation: Situation) -> dict[str, int]:
    call = situation.genome.call("VKORC1")
    pair = call.diplotype if call is not None else None
    return {} if pair is None else {"rs9923231": pair.split("/").count("A")}


def _stars(situation: Situation) -> tuple[int, int] | None:
    call = situation.genome.call("CYP2C9")
    stars = call.diplotype.replace("*", "").split("/") if call is not None and call.diplotype else []
    return (int(stars[0]), int(stars[1])) if len(stars) == 2 and all(one.isdigit() for one in stars) else None
