"""What is planned around an operation: drugs, blood loss, fluids and a rule for rescue; checked before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.errors import BadRequest
from cds_app.simulate.haemodynamics.model import values

if TYPE_CHECKING:
    from cds_app.content import Artefact

STEP_MIN: Final = 1.0 / 30.0
"""2 s. Bleeding and drugs act over minutes; the fastest arm of the reflex is stepped exactly."""
_FILE: Final = "plan.json"
_NAME_CHARACTERS: Final = 80
_MINUTES_AN_HOUR: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Propofol:
    """A dose, given evenly over a time."""

    dose_mg_per_kg: float
    at_min: float
    over_min: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PropofolInfusion:
    """A maintained rate."""

    rate_mg_per_kg_per_h: float
    at_min: float
    over_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodLoss:
    """Blood lost evenly over a time."""

    loss_ml: float
    at_min: float
    over_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fluid:
    """A bolus of fluid, given evenly over a time."""

    fluid_ml: float
    at_min: float
    over_min: float
    kind: Literal["crystalloid", "albumin"] = "crystalloid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Norepinephrine:
    """A norepinephrine infusion at one rate."""

    rate_ug_per_kg_per_min: float
    at_min: float
    over_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """When norepinephrine is begun and how it is led, in each draw by its own pressure.

    Parameters
    ----------
    below_mmhg, after_min : float
        Begun, and raised, once mean pressure has been lower for so long.
    rate_ug_per_kg_per_min : float
        The first rate, and every step after it.
    every_min : float
        Between two changes at least.
    most_ug_per_kg_per_min : float
        Highest rate.
    above_mmhg : float
        Lowered a step where mean pressure is higher.
    """

    below_mmhg: float = 65.0
    after_min: float = 1.0
    rate_ug_per_kg_per_min: float = 0.04
    every_min: float = 2.0
    most_ug_per_kg_per_min: float = 0.2
    above_mmhg: float = 90.0


Action = Propofol | PropofolInfusion | BloodLoss | Fluid | Norepinephrine
_ACTIONS: Final = (Propofol, PropofolInfusion, BloodLoss, Fluid, Norepinephrine)
_LIMIT_OF: Final = {"most_ug_per_kg_per_min": "rate_ug_per_kg_per_min"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way to do it.

    Parameters
    ----------
    name : str
        As a page shows it; up to 80 printable characters.
    actions : tuple of Action
        What is given or lost; several of one kind add up.
    opioid : bool
        Whether an opioid is given beside propofol, which slows its clearance.
    rescue : Rescue, optional
        Else pressure is left where it falls.
    """

    name: str
    actions: tuple[Action, ...]
    opioid: bool = False
    rescue: Rescue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Lowest and highest that may be asked, by name, what counts as an outcome, and what is usual of the older."""

    ranges: Mapping[str, tuple[float, float]]
    low_mmhg: float
    counts_after_min: float
    most_outside: float
    older_from_years: float
    older_most_mg_per_kg: float


def plan_limits(artefact: Artefact) -> Limits:
    """Read ``plan.json``."""
    groups: Any = artefact.read_json(_FILE)
    ranges = {name: (float(low), float(high)) for name, (low, high) in values(groups, "limits").items()}
    return Limits(ranges=ranges, **values(groups, "outcome"), **values(groups, "induction"))


def check(plans: Sequence[Plan], limits: Limits, *, horizon_min: float, draws: int) -> None:
    """Refuse what may not be asked.

    Raises
    ------
    BadRequest
        With the field and the limit, never the value.
    """
    _within(horizon_min, limits, "horizon_min", "horizon_min")
    if not whole(draws):
        raise BadRequest("draws: a whole number", field="draws")
    _within(draws, limits, "draws", "draws")
    _within(len(plans), limits, "plans", "plans")
    most = limits.ranges["draw_minutes"][1]
    if draws * horizon_min * len(plans) > most:
        raise BadRequest(f"draws: with this horizon and these plans at most {most:.0f} draw-minutes", field="draws")
    if len({plan.name for plan in plans}) < len(plans):
        raise BadRequest("plans: two have the same name", field="plans")
    for at, plan in enumerate(plans):
        _check_plan(plan, limits, horizon_min, f"plans[{at}]")


def _check_plan(plan: Plan, limits: Limits, horizon_min: float, where: str) -> None:
    if not (plan.name.strip() and plan.name.isprintable() and len(plan.name) <= _NAME_CHARACTERS):
        raise BadRequest(f"name: 1 to {_NAME_CHARACTERS} printable characters", field=f"{where}.name")
    _within(len(plan.actions), limits, "actions", f"{where}.actions")
    for at, action in enumerate(plan.actions):
        _check_action(action, limits, horizon_min, f"{where}.actions[{at}]")
    if plan.rescue is None:
        return
    for field in fields(plan.rescue):
        value = getattr(plan.rescue, field.name)
        _within(value, limits, _LIMIT_OF.get(field.name, field.name), f"{where}.rescue.{field.name}")
    if plan.rescue.most_ug_per_kg_per_min < plan.rescue.rate_ug_per_kg_per_min:
        raise BadRequest(
            "most_ug_per_kg_per_min: not below the first rate", field=f"{where}.rescue.most_ug_per_kg_per_min"
        )
    if plan.rescue.above_mmhg <= plan.rescue.below_mmhg:
        raise BadRequest("above_mmhg: higher than below_mmhg", field=f"{where}.rescue.above_mmhg")


def _check_action(action: Action, limits: Limits, horizon_min: float, where: str) -> None:
    if not isinstance(action, _ACTIONS):
        raise BadRequest("actions: of a kind that is not simulated", field=where)
    for field in fields(action):
        if field.name != "kind":
            _within(getattr(action, field.name), limits, field.name, f"{where}.{field.name}")
    if isinstance(action, Fluid) and action.kind not in {"crystalloid", "albumin"}:
        raise BadRequest("kind: crystalloid or albumin", field=f"{where}.kind")
    if action.at_min + action.over_min > horizon_min:
        raise BadRequest("over_min: ends after the horizon", field=f"{where}.over_min")


def whole(value: object) -> bool:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _within(value: object, limits: Limits, limit: str, field: str) -> None:
    low, high = limits.ranges[limit]
    told = field.rsplit(".", 1)[-1]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadRequest(f"{told}: a number from {low:g} to {high:g}", field=field)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rates:
    """What a plan gives and takes per minute in every step, each an array (steps,).

    ``propofol`` mg/kg/min, ``loss``, ``crystalloid`` and ``albumin`` mL/min, ``norepinephrine`` ug/kg/min;
    ``anaesthetised`` is 1 from the first propofol on, else 0.
    """

    propofol: Floats
    loss: Floats
    crystalloid: Floats
    albumin: Floats
    norepinephrine: Floats
    anaesthetised: Floats


def rates(plan: Plan, steps: int) -> Rates:
    """A plan as rates; what is given within a step counts in it by the share of the step that it fills."""
    found = {field.name: np.zeros(steps) for field in fields(Rates)}
    for action in plan.actions:
        kind, per_minute = _per_minute(action)
        covered = _covered(action.at_min, action.at_min + action.over_min, steps)
        found[kind] += per_minute * covered
    given = np.flatnonzero(found["propofol"])
    if given.size:
        found["anaesthetised"][given[0] :] = 1.0
    return Rates(**found)


def _per_minute(action: Action) -> tuple[str, float]:
    match action:
        case Propofol():
            return "propofol", action.dose_mg_per_kg / action.over_min
        case PropofolInfusion():
            return "propofol", action.rate_mg_per_kg_per_h / _MINUTES_AN_HOUR
        case BloodLoss():
            return "loss", action.loss_ml / action.over_min
        case Fluid():
            return action.kind, action.fluid_ml / action.over_min
        case Norepinephrine():
            return "norepinephrine", action.rate_ug_per_kg_per_min


def _covered(start_min: float, end_min: float, steps: int) -> Floats:
    edges = STEP_MIN * np.arange(steps + 1)
    overlap = np.minimum(edges[1:], end_min) - np.maximum(edges[:-1], start_min)
    covered: Floats = np.maximum(overlap, 0.0) / STEP_MIN
    return covered
