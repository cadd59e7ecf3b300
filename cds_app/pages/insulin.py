"""What insulin would do to glucose, in virtual people like the patient, for its page. A simulation, not an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cds_app.cards.text import Trusted, hundred
from cds_app.domain.told import Told
from cds_app.pages.fan import Bands, Drawn, Fan, fan
from cds_app.simulate.glucose.what_if import InsulinAnswer, InsulinOutcome

_STEP_MIN: Final = 60.0
_LOW: Final = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InsulinRow:
    """One plan of the table: the share of the time in 100, and shares of the virtual people as `of_people` has them."""

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
    """The answer as the page shows it.

    Parameters
    ----------
    asked : InsulinRow
    best : InsulinRow or None
        None: no plan is within the limit for low glucose.
    longer : bool
        Whether that keeps glucose in range for longer than what was asked for.
    """

    glucose: Fan
    unit: str
    asked: InsulinRow
    best: InsulinRow | None
    longer: bool
    rows: tuple[InsulinRow, ...]
    alike: str
    people: int
    acting: str
    source: str
    review: bool


def insulin_view(found: InsulinAnswer, told: Told, *, asked: str, none: str) -> InsulinView:
    """What the page tells: the plan that was asked for against no insulin, and all plans."""
    by_name = {one.name: one for one in found.plans}
    plan, other = by_name[asked], by_name.get(none)
    low90, low50, middle, high50, high90 = (_row_told(row, told) for row in plan.bands)
    bands: Bands = (low90, low50, middle, high50, high90)
    drawing = Drawn(
        times=tuple(float(one) for one in found.minutes),
        bands=bands,
        other=None if other is None else _row_told(other.bands[2], told),
        limits=(told.value(_LOW),),
        decimals=told.decimals if told.canonical else None,
        step=_STEP_MIN,
    )
    rows = tuple(_row(one, found, asked) for one in found.plans)
    return InsulinView(
        glucose=fan(drawing),
        unit=told.text,
        asked=next(one for one in rows if one.asked),
        best=next((one for one in rows if one.best), None),
        longer=any(by_name[one.name].time_in_range > plan.time_in_range for one in rows if one.best),
        rows=rows,
        alike=f"{found.alike:.1f}",
        people=len(found.weights),
        acting=f"{found.acting_u:g}" if found.acting_u else "",
        source=found.source,
        review=found.needs_review,
    )


def _row_told(row: Sequence[float], told: Told) -> Sequence[float]:
    return [told.value(one) for one in row] if told.canonical else row


def of_people(share: float) -> Trusted:
    """A share of a few virtual people, in 100: where none of ten falls low, fewer than one in 100 is not shown."""
    if share < 1e-9:
        return Trusted("none")
    return Trusted("all") if share > 1.0 - 1e-9 else hundred(share)


def _row(plan: InsulinOutcome, found: InsulinAnswer, asked: str) -> InsulinRow:
    return InsulinRow(
        name=plan.name,
        in_range=hundred(plan.time_in_range),
        low=of_people(plan.low),
        very_low=of_people(plan.very_low),
        high=of_people(plan.high),
        best=plan.name == found.recommended,
        asked=plan.name == asked,
        within=plan.within_limits,
    )
