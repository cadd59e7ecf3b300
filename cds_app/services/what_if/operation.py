"""What if: induction of anaesthesia, blood loss and fluids, tried on the circulation of the patient's twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cds_app.errors import BadRequest
from cds_app.score.result import Abstained
from cds_app.score.situation import Situation
from cds_app.services.what_if.simulators import seed_of
from cds_app.simulate.haemodynamics.patient import patient_of
from cds_app.simulate.surgery.comparing import HORIZON_MIN, Comparison, SurgeryModel, compare_plans
from cds_app.simulate.surgery.plan import (
    Action,
    BloodLoss,
    Fluid,
    Limits,
    Norepinephrine,
    Plan,
    Propofol,
    PropofolInfusion,
    Rescue,
)
from cds_app.twin.bedside import NOBODY, Likely

PLANNED: Final = ("propofol", "maintenance", "norepinephrine", "loss", "loss_over", "fluid")
OPIOID: Final = "opioid"
HIGH_RISK: Final = "high_risk"
PLAN: Final = "As planned"
GENTLER: Final = "Two thirds of the propofol, norepinephrine ready"
READY: Final = "As planned, norepinephrine ready"
NOTHING: Final = "Nothing given"
DRAWS: Final = 200
_INDUCTION_MIN: Final = 1.0
_INDUCED_OVER_MIN: Final = 0.5
_LOSS_FROM_MIN: Final = 8.0
_FLUID_OVER_MIN: Final = 10.0
_GENTLER: Final = 2.0 / 3.0


@dataclass(frozen=True, slots=True)
class Field:
    """One number of a form, with its limits; None where nobody knows it yet."""

    name: str
    label: str
    amount: float | None
    low: float
    high: float
    unit: str

    @property
    def value(self) -> str:
        """As it stands in the form."""
        return "" if self.amount is None else f"{self.amount:g}"

    @property
    def step(self) -> str:
        """How much the buttons beside it change it."""
        span = self.high - self.low
        steps = (0.01, 0.05, 0.25, 0.5, 1.0, 5.0, 25.0, 50.0, 250.0, 1e9)
        return next(f"{one:g}" for one in steps if span / one <= 100.0)


@dataclass(frozen=True, slots=True)
class Choice:
    """One yes or no of a form."""

    name: str
    label: str
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a user wants to try.

    Parameters
    ----------
    loss_ml, loss_over_min, fluid_ml : float
        0: none of it. Norepinephrine runs from the induction on, and propofol after its dose.
    opioid : bool
        Whether an opioid is given beside propofol.
    high_risk : bool
        Whether the surgery is of high risk as the Revised Cardiac Risk Index has it; False: not told.
    """

    propofol_mg_per_kg: float = 2.0
    propofol_mg_per_kg_per_h: float = 0.0
    norepinephrine_ug_per_kg_per_min: float = 0.0
    loss_ml: float = 0.0
    loss_over_min: float = 15.0
    fluid_ml: float = 0.0
    opioid: bool = False
    high_risk: bool = False

    @classmethod
    def of(cls, given: Mapping[str, float | None], *, opioid: bool = False, high_risk: bool = False) -> Planned:
        """From a form's fields, by the names in `PLANNED`; what was left out is as usual."""
        names = dict(zip(PLANNED, cls.__slots__, strict=False))
        amounts = {names[name]: value for name, value in given.items() if value is not None}
        return cls(opioid=opioid, high_risk=high_risk, **amounts)

    @property
    def anaesthetises(self) -> bool:
        """Whether propofol is in it."""
        return self.propofol_mg_per_kg > 0.0 or self.propofol_mg_per_kg_per_h > 0.0


def operation_fields(planned: Planned) -> tuple[Field, ...]:
    """The form."""
    return (
        Field("propofol", "Propofol", planned.propofol_mg_per_kg, 0.0, 4.0, "mg/kg"),
        Field("maintenance", "Propofol after it", planned.propofol_mg_per_kg_per_h, 0.0, 15.0, "mg/kg/h"),
        Field("norepinephrine", "Norepinephrine", planned.norepinephrine_ug_per_kg_per_min, 0.0, 0.3, "µg/kg/min"),
        Field("loss", "Blood loss", planned.loss_ml, 0.0, 3000.0, "mL"),
        Field("loss_over", "Lost over", planned.loss_over_min, 1.0, 22.0, "min"),
        Field("fluid", "Crystalloid", planned.fluid_ml, 0.0, 3000.0, "mL"),
    )


def operation_choices(planned: Planned) -> tuple[Choice, ...]:
    """What the form asks with yes or no."""
    return (
        Choice(OPIOID, "With an opioid", planned.opioid),
        Choice(HIGH_RISK, "High-risk surgery", planned.high_risk),
    )


def try_operation(
    model: SurgeryModel, situation: Situation, planned: Planned, digest: str, likely: Mapping[str, Likely] = NOBODY
) -> Comparison | Abstained:
    """The plan beside a gentler one, or without propofol beside giving nothing, on the same virtual copies.

    Parameters
    ----------
    digest : str
        Of the facts: with the same facts, the same chance.
    likely : mapping of str to Likely, optional
        What may stand in for a measurement that is not current.

    Raises
    ------
    BadRequest
        With the field and the limit.
    """
    for one in operation_fields(planned):
        if one.amount is None or not one.low <= one.amount <= one.high:
            raise BadRequest(f"must be {one.low:g} to {one.high:g} {one.unit}", field=one.name)
    patient = patient_of(situation, likely=likely)
    if isinstance(patient, Abstained):
        return patient
    plans = tuple(_plans(planned, model.limits))
    return compare_plans(model, patient, plans, draws=DRAWS, seed=seed_of(model.sha256, digest))


def _plans(planned: Planned, limits: Limits) -> Iterator[Plan]:
    actions = _actions(planned, 1.0)
    yield Plan(name=PLAN, actions=actions, opioid=planned.opioid)
    if planned.anaesthetises:
        if _can_be_less(planned, limits):
            yield Plan(name=GENTLER, actions=_actions(planned, _GENTLER), opioid=planned.opioid, rescue=Rescue())
        return
    if planned.fluid_ml:
        yield Plan(name=NOTHING, actions=_actions(replace(planned, fluid_ml=0.0), 1.0))
    yield Plan(name=READY, actions=actions, rescue=Rescue())


def _can_be_less(planned: Planned, limits: Limits) -> bool:
    """Whether two thirds of the propofol can be simulated too."""
    least = (limits.ranges[name][0] for name in ("dose_mg_per_kg", "rate_mg_per_kg_per_h"))
    given = (planned.propofol_mg_per_kg, planned.propofol_mg_per_kg_per_h)
    return all(not amount or _GENTLER * amount >= low for amount, low in zip(given, least, strict=True))


def _actions(planned: Planned, share: float) -> tuple[Action, ...]:
    found: list[Action] = []
    if planned.propofol_mg_per_kg:
        found.append(_induction(share * planned.propofol_mg_per_kg))
    if planned.propofol_mg_per_kg_per_h:
        rate, begun = share * planned.propofol_mg_per_kg_per_h, _INDUCTION_MIN + _INDUCED_OVER_MIN
        found.append(PropofolInfusion(rate_mg_per_kg_per_h=rate, at_min=begun, over_min=HORIZON_MIN - begun))
    if planned.norepinephrine_ug_per_kg_per_min:
        rate, left = planned.norepinephrine_ug_per_kg_per_min, HORIZON_MIN - _INDUCTION_MIN
        found.append(Norepinephrine(rate_ug_per_kg_per_min=rate, at_min=_INDUCTION_MIN, over_min=left))
    if planned.loss_ml:
        found.append(BloodLoss(loss_ml=planned.loss_ml, at_min=_LOSS_FROM_MIN, over_min=planned.loss_over_min))
    if planned.fluid_ml:
        found.append(Fluid(fluid_ml=planned.fluid_ml, at_min=_LOSS_FROM_MIN, over_min=_FLUID_OVER_MIN))
    return tuple(found)


def _induction(dose_mg_per_kg: float) -> Propofol:
    return Propofol(dose_mg_per_kg=dose_mg_per_kg, at_min=_INDUCTION_MIN, over_min=_INDUCED_OVER_MIN)
