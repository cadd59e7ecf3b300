"""What a dose would do to this patient, in words and as a fan. A simulation, not an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Final

from cds_app.cards.text import capital, hundred, simulated
from cds_app.cards.views import SeenView
from cds_app.domain.ontology import Ontology
from cds_app.pages.fan import NONE, TOLD, Drawn, Fan, fan
from cds_app.pages.refusals import refusal_line, refusal_lines
from cds_app.pages.rendering import Words
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.refusals import Refused, told
from cds_app.simulate.regimens.answers import ModelUse, PlanOutcome, WhatIf
from cds_app.simulate.regimens.outcomes import DAY_H, Spread, area_unit

_MOST_PLANS: Final = 6
_COLUMNS: Final = 5
_SETTLED_H: Final = 48.0
_SETTLED: Final = 0.05
"""An effect that moves by less within `_SETTLED_H` reads the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One plan of the table.

    Parameters
    ----------
    begins : str
        When its first dose is.
    target : str
        In 100; "" where there is no such figure.
    figures : tuple of str
        Of what `WhatIfView.figures` names: the middle with the range of 90 in 100.
    harms : tuple of (str, bool)
        Of what `WhatIfView.harms` names: in 100, and whether that is within its limit.
    outside : tuple of str
        Limits that it breaks.
    """

    name: str
    begins: str
    target: str
    figures: tuple[str, ...]
    harms: tuple[tuple[str, bool], ...]
    best: bool
    asked: bool
    current: bool
    outside: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfView:
    """The answer as the page shows it.

    Parameters
    ----------
    figures, harms : tuple of str
        Names of the columns of the table.
    """

    drug: str
    target: str
    unit: str
    fan: Fan
    sentence: str
    figures: tuple[str, ...]
    harms: tuple[str, ...]
    rows: tuple[PlanRow, ...]
    models: tuple[tuple[str, str, tuple[str, ...]], ...]
    left_out: tuple[tuple[str, str], ...]
    used: str
    remarks: tuple[str, ...]
    review: bool
    draws: int
    seed: int


def what_if_view(
    words: Words,
    found: WhatIf,
    ontology: Ontology,
    *,
    asked: str,
    current: str | None,
    measured: Sequence[SeenView] = (),
) -> WhatIfView:
    """Put an answer into words: the plan that was asked for, the current one, and the best others."""
    by_name = {one.name: one for one in found.plans}
    plan, shown = by_name[asked], _worth_telling(found, asked, current)
    harms = tuple(dict.fromkeys(harm.short for one in shown for harm in one.harms))
    other = by_name[current].bands[2] if current is not None and current != asked else None
    low90, low50, middle, high50, high90 = plan.bands
    drawing = fan(Drawn(times=found.times_h, bands=(low90, low50, middle, high50, high90), other=other))
    return WhatIfView(
        drug=found.drug,
        target=found.target_says,
        unit=found.unit,
        fan=drawing,
        sentence=_sentence(words, found, plan, None if current in (None, asked) else by_name[current]),
        figures=tuple(name for name, _ in _figures(plan, found)),
        harms=harms,
        rows=tuple(_row(one, harms, found, asked=asked, current=current) for one in shown),
        models=tuple((one.name, _weight(one), one.applied) for one in found.models),
        left_out=tuple((name, "; ".join(map(refusal_line, told(why, ontology)))) for name, why in found.left_out),
        used=words.say("used", doses=found.doses, levels=found.levels, measured=measured),
        remarks=found.remarks,
        review=any(one.needs_review for one in found.models) or any(one.needs_review for one in plan.harms),
        draws=found.draws,
        seed=found.seed,
    )


def _worth_telling(found: WhatIf, asked: str, current: str | None) -> list[PlanOutcome]:
    """The plan that was asked for, the current one, the recommended one, then others by their chance."""
    first = [name for name in (asked, current, found.recommended) if name is not None]
    rest = sorted(found.plans, key=lambda one: (not one.within_limits, -_probability(one)))
    names = list(dict.fromkeys((*first, *(one.name for one in rest))))[:_MOST_PLANS]
    by_name = {one.name: one for one in found.plans}
    return [by_name[name] for name in names]


def _probability(plan: PlanOutcome) -> float:
    return plan.target.probability if plan.target is not None else 0.0


def _row(plan: PlanOutcome, harms: Sequence[str], found: WhatIf, *, asked: str, current: str | None) -> PlanRow:
    feared = {one.short: (hundred(one.chance.probability), one.within) for one in plan.harms}
    return PlanRow(
        name=plan.name,
        begins=f"in {round(plan.begins_h, 1):g} h" if plan.begins_h else "now",
        target=_reached(plan),
        figures=tuple(text for _, text in _figures(plan, found)),
        harms=tuple(feared.get(name, ("–", True)) for name in harms),
        best=plan.name == found.recommended,
        asked=plan.name == asked,
        current=plan.name == current,
        outside=tuple(map(refusal_line, plan.outside)),
    )


def _figures(plan: PlanOutcome, found: WhatIf) -> tuple[tuple[str, str], ...]:
    unit = found.unit
    rows = (
        (f"AUC24, {area_unit(unit)}", plan.auc24_steady),
        (f"Trough, {unit}", plan.trough),
        (f"After {found.times_h[-1] / DAY_H:g} days, {unit}", plan.end if _is_effect(plan) else None),
        (f"Highest, {unit}", plan.highest),
    )
    return tuple((name, _spread(one)) for name, one in rows if one is not None)


def _spread(one: Spread) -> str:
    return f"{simulated(one.median)} ({simulated(one.low90)} to {simulated(one.high90)})"


def _sentence(words: Words, found: WhatIf, plan: PlanOutcome, ordered: PlanOutcome | None) -> str:
    broken = next((one for one in plan.harms if not one.within), None)
    return words.say(
        "dose",
        plan=plan.name,
        reached=_reached(plan),
        ordered="" if ordered is None else _reached(ordered),
        moving=_moving(found, plan) if _is_effect(plan) else None,
        broken=None if broken is None else {"says": broken.says, "chance": hundred(broken.chance.probability)},
        best=_best(found, plan),
    )


def _reached(plan: PlanOutcome) -> str:
    """How many of 100 reach the target; "" where there is no such figure."""
    return "" if plan.target is None else hundred(plan.target.probability)


def _best(found: WhatIf, plan: PlanOutcome) -> dict[str, object] | None:
    """The recommended plan, whether it is this one, and whether it reaches the target for more."""
    best = next((one for one in found.plans if one.name == found.recommended), None)
    if best is None:
        return None
    more = plan.target is None or round(100.0 * _probability(best)) > round(100.0 * _probability(plan))
    return {"asked": best is plan, "more": more, "plan": best.name, "chance": hundred(_probability(best))}


def _is_effect(plan: PlanOutcome) -> bool:
    """Whether what is looked at is no concentration: it has no steady area, and takes days to settle."""
    return plan.trough is None and plan.auc24_steady is None


def _moving(found: WhatIf, plan: PlanOutcome) -> dict[str, object] | None:
    """That an effect has not settled by the end, by means of whole days: what it comes to later is another value."""
    end_h, rows = found.times_h[-1], list(zip(found.times_h, plan.bands[2], strict=True))
    last, before = (
        [value for at, value in rows if end_h - ago_h - DAY_H < at <= end_h - ago_h] for ago_h in (0.0, _SETTLED_H)
    )
    moved = mean(last) - mean(before) if before else 0.0
    if abs(moved) < _SETTLED:
        return None
    return {"unit": found.unit, "rises": moved > 0, "by": f"{abs(moved):.1f}", "days": f"{_SETTLED_H / DAY_H:g}"}


def _weight(one: ModelUse) -> str:
    return f"{100 * one.weight:.0f} %, worth {one.effective_draws:.0f} independent draws"


def changes(view: WhatIfView) -> dict[str, object]:
    """The same for a script that draws anew: what to put into which element."""
    return {
        "paths": {
            "fan-wide": view.fan.wide,
            "fan-half": view.fan.half,
            "fan-median": view.fan.median,
            "fan-other": view.fan.other,
        },
        "texts": {
            "simulated": view.sentence,
            **{f"fan-y-{index}": tick.text for index, tick in enumerate(view.fan.y_ticks)},
            **{f"fan-{n}-{m}": text for n, row in enumerate(view.fan.rows) for m, text in enumerate(row)},
        },
    }


def goal_choices(drug: Drug, chosen: str | None) -> tuple[tuple[str, str, bool], ...]:
    """Targets to choose from, each with its words and whether it is the one; none where there is no choice."""
    goals = drug.file.goals
    return tuple((name, one.target.says, name == chosen) for name, one in goals.items()) if len(goals) > 1 else ()


def nothing(words: Words, refused: Refused, ontology: Ontology) -> dict[str, object]:
    """The same where nothing was simulated: what was drawn before is of another plan, and is taken away."""
    cells = {f"fan-{n}-{m}": NONE for n in range(TOLD) for m in range(1, _COLUMNS)}
    return {
        "paths": dict.fromkeys(("fan-wide", "fan-half", "fan-median", "fan-other"), ""),
        "texts": {"simulated": words.say("not_simulated", lines=refusal_lines(refused, ontology)), **cells},
    }


def choices(names: Sequence[str], first: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Drugs to choose from: those that the patient has, then all others, each with its name for readers."""
    ordered = dict.fromkeys((*(one for one in first if one in names), *sorted(names)))
    return tuple((one, capital(one)) for one in ordered)
