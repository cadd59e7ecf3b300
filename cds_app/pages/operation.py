"""What an anaesthetic and blood loss would do to this patient's circulation, in words and as fans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cds_app.cards.text import hundred, number
from cds_app.pages.fan import Bands, Drawn, Fan, fan
from cds_app.pages.refusals import lacks, name_of
from cds_app.pages.rendering import Words
from cds_app.score.result import Abstained
from cds_app.simulate.haemodynamics.fit import Interval
from cds_app.simulate.surgery.comparing import Comparison, Outcome
from cds_app.simulate.surgery.depth import Depth
from cds_app.simulate.surgery.figures import Band
from cds_app.simulate.surgery.plan import (
    Action,
    BloodLoss,
    Fluid,
    Norepinephrine,
    Propofol,
    PropofolInfusion,
    Rescue,
)
from cds_app.twin.bedside import Likely

_STEP_MIN: Final = 5.0
_NONE: Final = "–"
_UNITS: Final = {"map": "mmHg", "heart_rate": "/min", "pulse_pressure": "mmHg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRow:
    """One plan of the table."""

    name: str
    low: str
    minutes: str
    lowest: str
    rescue: str
    lowest_bis: str
    deep: str
    deep_minutes: str
    light: str
    light_minutes: str
    against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is given or lost in the plan that was asked for: how much, from which minute to which."""

    kind: str
    amount: str
    begins: str
    ends: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthView:
    """How deep the plan that was asked for goes, as BIS.

    Parameters
    ----------
    half_asleep : str
        Concentration with half of propofol's effect at this age, mg/L.
    scatter : str
        Of a monitor's reading, as a standard deviation.
    source, checked : str
        Where the model is from, and how it was verified.
    """

    bis: Fan
    sentence: str
    half_asleep: str
    scatter: str
    source: str
    checked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """The comparison as the page shows it: the plan that was asked for is the first.

    Parameters
    ----------
    other : str
        Name of the plan that is drawn beside it; "" where there is none.
    steps : tuple of Step
    rescue : Rescue or None
        By which rule norepinephrine is led in the plan that has it ready.
    depth : DepthView or None
        None where BIS is not estimated of the plan that was asked for.
    deep, light : str
        Below and above which BIS an anaesthetic is too deep and too light.
    unestimated : str
        Why BIS is not estimated of some plan; "" where it is of all.
    usual : (str, str) or None
        From which age on which dose is the most that is usual, where a plan gives more.
    """

    other: str
    pressure: Fan
    rate: Fan
    output: Fan
    sentence: str
    steps: tuple[Step, ...]
    rescue: Rescue | None
    rows: tuple[OperationRow, ...]
    refused: tuple[str, ...]
    depth: DepthView | None
    deep: str
    light: str
    unestimated: str
    usual: tuple[str, str] | None
    assumed: tuple[str, ...]
    imputed: tuple[str, ...]
    cautions: tuple[str, ...]
    model: str
    draws: int
    seed: int


def operation_view(words: Words, found: Comparison) -> OperationView | None:
    """Put a comparison into words; None where the model cannot follow the plan that was asked for."""
    answered = [one for one in found.outcomes if isinstance(one, Outcome)]
    first = found.outcomes[0]
    if not isinstance(first, Outcome):
        return None
    other = answered[1] if len(answered) > 1 else None
    return OperationView(
        other="" if other is None else other.plan.name,
        pressure=_fan(
            found.times_min, first.mean_pressure_mmhg, other.mean_pressure_mmhg if other else None, (found.low_mmhg,)
        ),
        rate=_fan(found.times_min, first.heart_rate_per_min, other.heart_rate_per_min if other else None),
        output=_fan(found.times_min, first.output_l_per_min, other.output_l_per_min if other else None),
        sentence=_sentence(words, first, found),
        steps=tuple(_step(one) for one in first.plan.actions),
        rescue=next((one.plan.rescue for one in answered if one.plan.rescue is not None), None),
        rows=tuple(_row(one) for one in answered),
        refused=tuple(f"{one.name}: {lacks(one)}" for one in found.outcomes if isinstance(one, Abstained)),
        depth=_depth(words, first, other, found),
        deep=f"{found.depth.deep_below_bis:g}",
        light=f"{found.depth.light_above_bis:g}",
        unestimated="; ".join(dict.fromkeys(lacks(one.depth) for one in answered if isinstance(one.depth, Abstained))),
        usual=_usual(found) if any(one.more_than_usual for one in answered) else None,
        assumed=found.assumed,
        imputed=tuple(_imputed(words, name, one) for name, one in found.imputed.items()),
        cautions=found.cautions,
        model=f"{found.model} {found.version}",
        draws=found.draws,
        seed=found.seed,
    )


def _step(one: Action) -> Step:
    kind, amount = _given(one)
    return Step(kind=kind, amount=amount, begins=f"{one.at_min:g}", ends=f"{one.at_min + one.over_min:g}")


def _given(one: Action) -> tuple[str, str]:
    match one:
        case Propofol():
            return "propofol", f"{one.dose_mg_per_kg:g} mg/kg"
        case PropofolInfusion():
            return "propofol_rate", f"{one.rate_mg_per_kg_per_h:g} mg/kg/h"
        case Norepinephrine():
            return "norepinephrine", f"{one.rate_ug_per_kg_per_min:g} µg/kg/min"
        case BloodLoss():
            return "loss", f"{one.loss_ml:g} mL"
        case Fluid():
            return one.kind, f"{one.fluid_ml:g} mL"


def _usual(found: Comparison) -> tuple[str, str]:
    return f"{found.usual_from_years:g}", f"{found.usual_mg_per_kg:g}"


def _imputed(words: Words, name: str, one: Likely) -> str:
    mean, low, high, since = (number(value, 0) for value in (one.mean, one.low, one.high, one.since_h))
    return words.say("imputed", name=name_of(name), mean=mean, low=low, high=high, unit=_UNITS[name], since=since)


def _fan(times: Sequence[float], band: Band, other: Band | None, limits: tuple[float, ...] = ()) -> Fan:
    rows: Bands = (band.low_90, band.low_50, band.median, band.high_50, band.high_90)
    middle = other.median if other is not None else None
    return fan(Drawn(times=times, bands=rows, other=middle, limits=limits, from_zero=False, step=_STEP_MIN))


def _sentence(words: Words, one: Outcome, found: Comparison) -> str:
    return words.say(
        "pressure",
        plan=one.plan.name,
        low=hundred(one.low_probability.value),
        below=f"{found.low_mmhg:g}",
        least=f"{found.counts_after_min:g}",
        minutes=number(one.low_mean_min, 0),
        collapsed=hundred(one.collapsed.value) if one.collapsed.value else "",
    )


def _depth(words: Words, one: Outcome, other: Outcome | None, found: Comparison) -> DepthView | None:
    depth, rules = one.depth, found.depth
    if isinstance(depth, Abstained):
        return None
    beside = None if other is None or isinstance(other.depth, Abstained) else other.depth.bis
    return DepthView(
        bis=_fan(found.times_min, depth.bis, beside, (rules.deep_below_bis, rules.light_above_bis)),
        sentence=_depth_sentence(words, one.plan.name, depth, found),
        half_asleep=number(found.half_asleep_mg_per_l, 1),
        scatter=number(rules.reading_sd, 0),
        source=rules.source,
        checked=rules.checked,
    )


def _depth_sentence(words: Words, plan: str, depth: Depth, found: Comparison) -> str:
    rules = found.depth
    deep = {
        "limit": f"{rules.deep_below_bis:g}",
        "chance": hundred(depth.deep_probability.value),
        "minutes": number(depth.deep_mean_min, 0),
    }
    light = {
        "limit": f"{rules.light_above_bis:g}",
        "begins": f"{rules.light_from_min:g}",
        "chance": hundred(depth.light_probability.value),
        "minutes": number(depth.light_mean_min, 0),
    }
    return words.say("depth", plan=plan, least=f"{found.counts_after_min:g}", deep=deep, light=light)


def _row(one: Outcome) -> OperationRow:
    against, depth = one.against_first_min, one.depth if isinstance(one.depth, Depth) else None
    return OperationRow(
        name=one.plan.name,
        low=hundred(one.low_probability.value),
        minutes=_spread(one.low_mean_min, one.low_min),
        lowest=_spread(one.lowest_mmhg.median, one.lowest_mmhg),
        rescue=hundred(one.rescue_needed.value),
        lowest_bis=_NONE if depth is None else _spread(depth.lowest.median, depth.lowest),
        deep=_NONE if depth is None else hundred(depth.deep_probability.value),
        deep_minutes=_NONE if depth is None else _spread(depth.deep_mean_min, depth.deep_min),
        light=_NONE if depth is None else hundred(depth.light_probability.value),
        light_minutes=_NONE if depth is None else _spread(depth.light_mean_min, depth.light_min),
        against="" if against is None else f"{against:+.0f} min".replace("-", "−"),
    )


def _spread(middle: float, draws: Interval) -> str:
    return f"{middle:.0f} ({draws.low:.0f} to {draws.high:.0f})"
