"""What an option would be expected to do, in one line: simulated, with how sure that is, or why it was not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cds_app.cards.text import hundred, simulated
from cds_app.domain.told import Told
from cds_app.pages.insulin import of_people
from cds_app.pages.rendering import Words
from cds_app.simulate.glucose.what_if import InsulinAnswer, InsulinOutcome
from cds_app.simulate.kinetics.drugs import Metric, Target
from cds_app.simulate.regimens.answers import HarmChance, PlanOutcome, WhatIf
from cds_app.simulate.regimens.outcomes import Spread, area_unit
from cds_app.simulate.surgery.comparing import Comparison, Outcome
from cds_app.simulate.surgery.figures import Band
from cds_app.simulate.surgery.plan import Fluid

_FIGURES: Final[Mapping[Metric, Callable[[PlanOutcome], Spread | None]]] = {
    "auc24_steady": lambda plan: plan.auc24_steady,
    "auc24_last": lambda plan: plan.auc24_last,
    "trough": lambda plan: plan.trough,
    "highest": lambda plan: plan.highest,
    "end": lambda plan: plan.end,
}
SENTENCES: Final = frozenset(
    {"dose", "none_within", "stop", "fluid", "pressor", "insulin", "carbohydrate", "resting_on"}
)
"""What the template must hold."""
_AREAS: Final = frozenset({"auc24_steady", "auc24_last"})
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


def resting_on(words: Words, line: EffectLine, imputed: Sequence[str]) -> EffectLine:
    """A line with what it rests on that was not measured lately."""
    if not imputed or not line.says:
        return line
    named = [one[:1].lower() + one[1:] for one in imputed]
    return replace(line, says=words.say("resting_on", says=line.says, imputed=named))


def dose_effect(
    words: Words, found: WhatIf, *, plan: str, current: str | None, target: Target, best: bool = False
) -> str:
    """A plan's exposure and chance of the target, beside what is ordered now, with every harm.

    Parameters
    ----------
    best : bool
        Whether it is the plan that reaches the target most often within the limits of harm.
    """
    by_name = {one.name: one for one in found.plans}
    asked, ordered = by_name[plan], by_name.get(current or "")
    return words.say(
        "dose",
        drug=found.drug,
        plan=plan,
        is_ordered=plan == current,
        best=best,
        looked_at=_exposure(asked, target.metric, found),
        days=f"{found.times_h[-1] / _DAY_H:g}",
        aimed=_on_target(asked, ordered, target),
        harms=[_harm(one) for one in asked.harms],
    )


def stop_effect(words: Words, found: WhatIf, *, plan: str, current: str) -> str:
    """What is left a while after the last dose, beside what the order would lead to."""
    by_name = {one.name: one for one in found.plans}
    without, ordered = (_range(by_name[name].end, found.unit) for name in (plan, current))
    hours = f"{found.times_h[-1]:g}"
    return words.say("stop", drug=found.drug, hours=hours, without=without, ordered=ordered, order=current)


def fluid_effect(words: Words, found: Comparison, *, fluid_ml: float, plan: str, nothing: str) -> str | None:
    """Mean pressure with fluid beside that without; None where the model cannot follow both."""
    given, left = _outcome(found, plan), _outcome(found, nothing)
    if given is None or left is None:
        return None
    (fluid,) = (one for one in given.plan.actions if isinstance(one, Fluid))
    low = {"mmhg": f"{found.low_mmhg:g}", "given_min": _minutes(given), "without_min": _minutes(left)}
    return words.say(
        "fluid",
        ml=f"{fluid_ml:g}",
        over_min=f"{fluid.over_min:g}",
        after_min=f"{found.horizon_min - fluid.at_min - fluid.over_min:g}",
        given=_pressure(given.mean_pressure_mmhg),
        without=_last(left.mean_pressure_mmhg.median),
        low=None if left.low_mean_min < 1.0 and given.low_mean_min < 1.0 else low,
    )


def pressor_effect(words: Words, found: Comparison, *, plan: str, nothing: str) -> str | None:
    """What norepinephrine that is led by the pressure comes to; None where the model cannot follow it."""
    led, left = _outcome(found, plan), _outcome(found, nothing)
    if led is None or left is None:
        return None
    rate = led.rescue_most
    rates = () if rate is None else (f"{one:.2f}" for one in (rate.median, rate.low, rate.high))
    return words.say(
        "pressor",
        mmhg=f"{found.low_mmhg:g}",
        begun=hundred(led.rescue_needed.value),
        most=_told(*rates, unit="µg/kg/min") if rate is not None else None,
        led=_pressure(led.mean_pressure_mmhg),
        without=_last(left.mean_pressure_mmhg.median),
        after_min=f"{found.horizon_min:g}",
    )


def insulin_effect(words: Words, found: InsulinAnswer, told: Told, *, units: float, plan: str, nothing: str) -> str:
    """Glucose after insulin beside that without, with the share that falls too low."""
    given, left = (next(one for one in found.plans if one.name == name) for name in (plan, nothing))
    after = 3 * _HOUR_MIN
    return words.say(
        "insulin",
        units=f"{units:g}",
        given=_glucose(given, after, told),
        without=_glucose(left, after, told),
        low=of_people(given.low),
        low_without=of_people(left.low),
    )


def carbohydrate_effect(
    words: Words, eaten: InsulinAnswer, left: InsulinAnswer, told: Told, *, grams: float, plan: str
) -> str:
    """Glucose after carbohydrate beside that without."""
    given, none = (next(one for one in found.plans if one.name == plan) for found in (eaten, left))
    after = _HOUR_MIN // 2
    shown = (_glucose(one, after, told) for one in (given, none))
    return words.say("carbohydrate", grams=f"{grams:g}", **dict(zip(("given", "without"), shown, strict=True)))


# --- parts of sentences
def _told(middle: str, low: str, high: str, *, unit: str) -> dict[str, str]:
    return {"middle": middle, "low": low, "high": high, "unit": unit}


def _exposure(plan: PlanOutcome, metric: Metric, found: WhatIf) -> dict[str, str] | None:
    figure = _FIGURES.get(metric)
    spread = None if figure is None else figure(plan)
    if spread is None:
        return None
    return {"metric": metric, **_range(spread, area_unit(found.unit) if metric in _AREAS else found.unit)}


def _range(spread: Spread, unit: str) -> dict[str, str]:
    figures = (simulated(one) for one in (spread.median, spread.low90, spread.high90))
    return _told(*figures, unit=unit.strip("{}"))


def _on_target(asked: PlanOutcome, ordered: PlanOutcome | None, target: Target) -> dict[str, str] | None:
    if asked.target is None:
        return None
    beside = None if ordered is None or ordered is asked else ordered.target
    named = target.metric in _FIGURES
    return {
        "wanted": f"{target.low:g} to {target.high:g}" if named else target.says.partition(";")[0],
        "chance": hundred(asked.target.probability),
        "ordered": "" if beside is None else hundred(beside.probability),
        "order": "" if ordered is None else ordered.name,
    }


def _harm(harm: HarmChance) -> dict[str, object]:
    return {"says": harm.short, "chance": hundred(harm.chance.probability), "within": harm.within}


def _outcome(found: Comparison, name: str) -> Outcome | None:
    return next((one for one in found.outcomes if isinstance(one, Outcome) and one.plan.name == name), None)


def _pressure(band: Band) -> dict[str, str]:
    return _told(*map(_last, (band.median, band.low_90, band.high_90)), unit="mmHg")


def _last(row: tuple[float | None, ...]) -> str:
    last = row[-1]
    return "not known" if last is None else f"{last:.0f}"


def _minutes(outcome: Outcome) -> str:
    return f"{outcome.low_mean_min:.0f}"


def _glucose(plan: InsulinOutcome, minute: int, told: Told) -> dict[str, str]:
    low, _, middle, _, high = (row[minute] for row in plan.bands)
    return _told(told.number(middle), told.number(low), told.number(high), unit=told.text)
