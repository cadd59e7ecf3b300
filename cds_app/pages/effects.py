"""What an option would be expected to do, in one line: simulated, with how sure that is, or why it was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cds_app.cards.text import hundred, simulated
from cds_app.pages.insulin import of_people
from cds_app.simulate.glucose.what_if import InsulinAnswer, InsulinOutcome
from cds_app.simulate.kinetics.drugs import Metric, Target
from cds_app.simulate.regimens.answers import HarmChance, PlanOutcome, WhatIf
from cds_app.simulate.regimens.outcomes import Spread
from cds_app.simulate.surgery.comparing import Comparison, Outcome
from cds_app.simulate.surgery.figures import Band
from cds_app.simulate.surgery.plan import Fluid

_FIGURES: Final[Mapping[Metric, tuple[str, Callable[[PlanOutcome], Spread | None]]]] = {
    "auc24_steady": ("AUC24 at steady state", lambda plan: plan.auc24_steady),
    "auc24_last": ("AUC24", lambda plan: plan.auc24_last),
    "trough": ("trough", lambda plan: plan.trough),
    "highest": ("highest", lambda plan: plan.highest),
    "end": ("level", lambda plan: plan.end),
}
_AREAS: Final = frozenset({"auc24_steady", "auc24_last"})
_COPIES: Final = "in 90 of 100 virtual copies"
_DAY_H: Final = 24.0
_HOUR_MIN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectLine:
    """One line below an option.

    Parameters
    ----------
    says : str
        What was simulated; "" where nothing was, or not yet.
    lacks : tuple of str
        Why it cannot be simulated for this patient.
    link : str
        Where to try more of it, below the address of the visit.
    """

    link: str
    says: str = ""
    lacks: tuple[str, ...] = ()

    @property
    def told(self) -> bool:
        """Whether there is an answer, so that nothing needs to be asked."""
        return bool(self.says or self.lacks)

    @property
    def head(self) -> str:
        """How the line begins."""
        return "Effect not simulated" if self.lacks else "Expected effect, simulated"

    @property
    def review(self) -> str:
        """That no clinician has confirmed what was simulated."""
        return "pending clinical review" if self.says else ""

    @property
    def text(self) -> str:
        """The answer."""
        return self.says or f"{'; '.join(self.lacks)}."


def resting_on(line: EffectLine, imputed: Sequence[str]) -> EffectLine:
    """A line with what it rests on that was not measured lately."""
    if not imputed or not line.says:
        return line
    named = ", ".join(one[:1].lower() + one[1:] for one in imputed)
    return replace(line, says=f"{line.says} Imputed, not measured lately: {named}.")


def dose_effect(found: WhatIf, *, plan: str, current: str | None, target: Target, best: bool = False) -> str:
    """A plan's exposure and chance of the target, beside what is ordered now, with every harm.

    Parameters
    ----------
    best : bool
        Whether it is the plan that reaches the target most often within the limits of harm.
    """
    by_name = {one.name: one for one in found.plans}
    asked, ordered = by_name[plan], by_name.get(current or "")
    notes = ("as ordered now",) * (plan == current) + ("best within the limits of harm",) * best
    parts = [_exposure(asked, target.metric, found), _on_target(asked, ordered, target)]
    drug = f"{found.drug[:1].upper()}{found.drug[1:]}"
    said = f"{', '.join((f'{drug} {plan}', *notes))}: {'; '.join(part for part in parts if part)}."
    return " ".join((said, *(_harm(one) for one in asked.harms)))


def none_within(compared: int) -> str:
    """That no plan may be named."""
    return f"None of {compared} plans compared is within the limits of harm and on target in the middle patient."


def stop_effect(found: WhatIf, *, plan: str, current: str) -> str:
    """What is left a while after the last dose, beside what the order would lead to."""
    by_name = {one.name: one for one in found.plans}
    hours = found.times_h[-1]
    return (
        f"Without a further dose {found.drug} is at {_range(by_name[plan].end, found.unit)} in {hours:g} h; "
        f"as ordered now ({current}) at {_range(by_name[current].end, found.unit, copies=False)}."
    )


def fluid_effect(found: Comparison, *, fluid_ml: float, plan: str, nothing: str) -> str | None:
    """Mean pressure with fluid beside that without; None where the model cannot follow both."""
    given, left = _outcome(found, plan), _outcome(found, nothing)
    if given is None or left is None:
        return None
    (fluid,) = (one for one in given.plan.actions if isinstance(one, Fluid))
    after_min = found.horizon_min - fluid.at_min - fluid.over_min
    said = (
        f"{fluid_ml:g} mL of crystalloid over {fluid.over_min:g} min: mean pressure "
        f"{_pressure(given.mean_pressure_mmhg)} {after_min:g} min after its end, "
        f"against {_last(left.mean_pressure_mmhg.median)} without"
    )
    if left.low_mean_min < 1.0 and given.low_mean_min < 1.0:
        return f"{said}."
    return f"{said}; below {found.low_mmhg:g} mmHg for {_minutes(given)} min of them, against {_minutes(left)}."


def pressor_effect(found: Comparison, *, plan: str, nothing: str) -> str | None:
    """What norepinephrine that is led by the pressure comes to; None where the model cannot follow it."""
    led, left = _outcome(found, plan), _outcome(found, nothing)
    if led is None or left is None:
        return None
    needed = f"begun in {hundred(led.rescue_needed.value)} of 100 virtual copies"
    rate = led.rescue_most
    if rate is not None:
        needed += f", at most {rate.median:.2f} µg/kg/min ({rate.low:.2f} to {rate.high:.2f})"
    return (
        f"Norepinephrine led to a mean pressure of {found.low_mmhg:g} mmHg: {needed}; mean pressure "
        f"{_pressure(led.mean_pressure_mmhg)} after "
        f"{found.horizon_min:g} min, against {_last(left.mean_pressure_mmhg.median)} without."
    )


def insulin_effect(found: InsulinAnswer, *, units: float, plan: str, nothing: str) -> str:
    """Glucose after insulin beside that without, with the share that falls too low."""
    given, left = (next(one for one in found.plans if one.name == name) for name in (plan, nothing))
    after = 3 * _HOUR_MIN
    return (
        f"{units:g} units of rapid-acting insulin under the skin, no meal: glucose {_glucose(given, after)} in 3 h, "
        f"against {_glucose(left, after, copies=False)} without; of 100 virtual people {of_people(given.low)} fall "
        f"below 70 mg/dL within 6 h, {of_people(left.low)} without."
    )


def carbohydrate_effect(eaten: InsulinAnswer, left: InsulinAnswer, *, grams: float, plan: str) -> str:
    """Glucose after carbohydrate beside that without."""
    given, none = (next(one for one in found.plans if one.name == plan) for found in (eaten, left))
    after = _HOUR_MIN // 2
    return (
        f"{grams:g} g of carbohydrate by mouth: glucose {_glucose(given, after)} in 30 min, against "
        f"{_glucose(none, after, copies=False)} without."
    )


# --- parts of sentences
def _exposure(plan: PlanOutcome, metric: Metric, found: WhatIf) -> str:
    name, figure = _FIGURES.get(metric, ("", lambda _: None))
    spread = figure(plan)
    if spread is None:
        return ""
    unit = f"{found.unit}·h" if metric in _AREAS else found.unit
    if metric == "end":
        return f"{_range(spread, unit)} in {found.times_h[-1] / _DAY_H:g} days"
    return f"{name} {_range(spread, unit)}"


def _range(spread: Spread, unit: str, *, copies: bool = True) -> str:
    unit = unit.strip("{}")
    where = f" {_COPIES}" if copies else ""
    return f"{simulated(spread.median)} {unit} ({simulated(spread.low90)} to {simulated(spread.high90)}{where})"


def _on_target(asked: PlanOutcome, ordered: PlanOutcome | None, target: Target) -> str:
    if asked.target is None:
        return ""
    named = target.metric in _FIGURES
    wanted = f" ({target.low:g} to {target.high:g})" if named else f" ({target.says.partition(';')[0]})"
    said = f"on target{wanted} in {hundred(asked.target.probability)} of 100"
    if ordered is None or ordered is asked or ordered.target is None:
        return said
    return f"{said}, against {hundred(ordered.target.probability)} as ordered now ({ordered.name})"


def _harm(harm: HarmChance) -> str:
    said = harm.says.partition(":")[0]
    over = "" if harm.within else ", over its limit"
    return f"{said[:1].upper()}{said[1:]} in {hundred(harm.chance.probability)} of 100{over}."


def _outcome(found: Comparison, name: str) -> Outcome | None:
    return next((one for one in found.outcomes if isinstance(one, Outcome) and one.plan.name == name), None)


def _pressure(band: Band) -> str:
    return f"{_last(band.median)} mmHg ({_last(band.low_90)} to {_last(band.high_90)} {_COPIES})"


def _last(row: tuple[float | None, ...]) -> str:
    last = row[-1]
    return "not known" if last is None else f"{last:.0f}"


def _minutes(outcome: Outcome) -> str:
    return f"{outcome.low_mean_min:.0f}"


def _glucose(plan: InsulinOutcome, minute: int, *, copies: bool = True) -> str:
    low, _, middle, _, high = (row[minute] for row in plan.bands)
    where = " in 90 of 100 virtual people like this patient" if copies else ""
    return f"{middle:.0f} mg/dL ({low:.0f} to {high:.0f}{where})"
