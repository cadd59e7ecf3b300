"""What insulin would do to glucose, in virtual people like the patient. A simulation, not an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cds_app.cards.text import hundred
from cds_app.pages.fan import Bands, Drawn, Fan, fan
from cds_app.simulate.glucose.what_if import InsulinAnswer, InsulinOutcome

_STEP_MIN: Final = 60.0
_LOW: Final = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinRow:
    """One plan of the table: shares of the time and of the virtual people, in 100."""

    name: str
    in_range: str
    low: str
    very_low: str
    high: str
    best: bool
    asked: bool
    within: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinView:
    """The answer as the page shows it."""

    glucose: Fan
    sentence: str
    rows: tuple[InsulinRow, ...]
    alike: str
    people: int
    acting: str
    source: str
    review: bool


def insulin_view(found: InsulinAnswer, *, asked: str, none: str) -> InsulinView:
    """Put an answer into words: the plan that was asked for against no insulin."""
    by_name = {one.name: one for one in found.plans}
    plan, other = by_name[asked], by_name.get(none)
    low90, low50, middle, high50, high90 = plan.bands
    rows: Bands = (low90, low50, middle, high50, high90)
    drawing = Drawn(
        times=tuple(float(one) for one in found.minutes),
        bands=rows,
        other=None if other is None else other.bands[2],
        limits=(_LOW,),
        step=_STEP_MIN,
    )
    return InsulinView(
        glucose=fan(drawing),
        sentence=_sentence(plan, found),
        rows=tuple(_row(one, found, asked) for one in found.plans),
        alike=f"{found.alike:.1f}",
        people=len(found.weights),
        acting=f"{found.acting_u:g}" if found.acting_u else "",
        source=found.source,
        review=found.needs_review,
    )


def _sentence(plan: InsulinOutcome, found: InsulinAnswer) -> str:
    said = (
        f"{plan.name}: {hundred(plan.time_in_range)} in 100 of the time between 70 and 180 mg/dL; "
        f"{hundred(plan.low)} in 100 virtual people fall below 70."
    )
    if found.recommended is None:
        return f"{said} No plan that was compared is within the limit for low glucose."
    best = "none" if found.recommended == plan.name else found.recommended
    if best == "none":
        return f"{said} Of the plans compared, within limits, none keeps it there longer."
    return f"{said} Longest within limits: {best}."


def _row(plan: InsulinOutcome, found: InsulinAnswer, asked: str) -> InsulinRow:
    return InsulinRow(
        name=plan.name,
        in_range=hundred(plan.time_in_range),
        low=hundred(plan.low),
        very_low=hundred(plan.very_low),
        high=hundred(plan.high),
        best=plan.name == found.recommended,
        asked=plan.name == asked,
        within=plan.within_limits,
    )
