"""What templates see: numbers and times as text, in the clinician's units, zone and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

import msgspec

from cds_app.cards.text import Trusted, against, apart, clock_time, plain, points
from cds_app.domain.facts import Measurement, UnknownFinding
from cds_app.domain.ontology import Ontology, Range, Variable
from cds_app.domain.precedence import CUFF, LINE, by_cuff, by_line
from cds_app.domain.told import Told
from cds_app.explain.reasons import Reason, earlier_of
from cds_app.score.situation import Situation
from cds_app.twin.state import TwinState

NOTHING = Trusted("")
_COMMENT = 100  # characters on a card


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """For whom and when texts are written.

    Parameters
    ----------
    groups : mapping of str to str
        Labels of model inputs that are no quantity (``time_in_unit``).
    state : TwinState
        Which measurements the twin set aside.
    circumstances : mapping of str to Trusted
        What is known of model inputs that nobody measures (``time_in_unit``), in words.
    adult : bool
        Whether usual ranges, which are of adults, are this patient's.
    routine : callable
        Whether the comment beside a measurement stands beside all of its kind, and so says nothing of this one.
    """

    ontology: Ontology
    zone: tzinfo
    now: datetime
    sex: str | None
    groups: Mapping[str, str]
    state: TwinState
    circumstances: Mapping[str, Trusted] = field(default_factory=dict)
    adult: bool = True
    routine: Callable[[Measurement], bool] = lambda _: False

    def label(self, quantity: str) -> Trusted:
        """What a clinician calls it."""
        if quantity in self.groups:
            return Trusted(self.groups[quantity])
        return Trusted(self.ontology.quantity(quantity).label)

    def usual(self, one: Measurement) -> Range | None:
        """The usual range for a measurement in such a patient; None where none is known."""
        return self.ontology.variables[one.variable].usual(one, self.sex, adult=self.adult)

    def clock(self, at: datetime) -> Trusted:
        """An instant as it is shown."""
        return clock_time(at, self.now, self.zone)

    def aside(self, one: Measurement) -> bool:
        """Whether the twin set a measurement aside as a possible artefact."""
        return self.state.set_aside(self.ontology.variables[one.variable].quantity, one.ref)


class SeenView(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement as text.

    ``sent`` is what came in another unit (``230 umol/L``), where that is to be shown. ``change`` says the direction
    against ``earlier``, ``aside`` whether it may be wrong. ``reported`` is what whoever measured calls it, where that
    is critical or not what the usual range says; ``taken`` of what, where and how it was taken, where that is worth
    telling; ``comment`` is somebody's own words. ``also`` is what else was measured at the same instant.
    """

    label: Trusted
    value: Trusted
    unit: Trusted
    time: Trusted
    sent: Trusted = NOTHING
    earlier: Trusted | None = None
    before: Trusted | None = None
    change: Trusted | None = None
    range: Trusted | None = None
    aside: bool = False
    reported: Trusted | None = None
    taken: Trusted | None = None
    comment: str = ""
    also: Trusted | None = None


class ReasonView(msgspec.Struct, frozen=True, kw_only=True):
    """One reason as text; without a value it is a circumstance, or something that was not measured.

    ``last`` is when it was measured, where that is longer ago than counts as current.
    """

    label: Trusted
    points: Trusted
    value: Trusted | None = None
    unit: Trusted = NOTHING
    sent: Trusted = NOTHING
    earlier: Trusted | None = None
    before: Trusted | None = None
    missing: bool = False
    aside: bool = False
    last: Trusted | None = None


def seen(one: Measurement, earlier: Measurement | None, setting: Setting, *, as_sent: bool = False) -> SeenView:
    """A measurement with the one before it, its time and the usual range."""
    variable = setting.ontology.variables[one.variable]
    span = setting.usual(one)
    return SeenView(
        label=Trusted(variable.label),
        value=_value(one, variable),
        unit=_unit(variable.told.text),
        sent=Trusted(variable.told.beside(one) if as_sent else ""),
        time=setting.clock(one.when),
        earlier=_earlier(earlier, one, setting) if earlier else None,
        before=apart(earlier.when, one.when, setting.zone) if earlier else None,
        change=_change(one, earlier, variable, setting) if earlier else None,
        range=_range(span, variable.told) if span else None,
        aside=setting.aside(one),
        reported=reported(one, span, setting.ontology),
        taken=taken(one, setting.ontology),
        comment="" if not one.comment or setting.routine(one) else plain(one.comment, limit=_COMMENT),
    )


def came_otherwise(one: Measurement, setting: Setting) -> bool:
    """Whether a measurement came as another number than the one that is told."""
    return bool(setting.ontology.variables[one.variable].told.beside(one))


def compared(one: Measurement, situation: Situation, setting: Setting, change_h: float) -> Measurement | None:
    """What a value is read beside; where the twin set it aside, the one just before, which says why."""
    return earlier_of(one, situation, 0.0 if setting.aside(one) else change_h)


def also(one: Measurement, situation: Situation, setting: Setting) -> Trusted | None:
    """What else of it was measured at the same instant, where that reads otherwise: a cuff beside an arterial line."""
    variables = setting.ontology.variables
    there = _together(one, situation)
    told = {_value(other, variables[other.variable]): other for other in there}
    told.pop(_value(one, variables[one.variable]), None)
    values = ", ".join(sorted(told))
    kinds = setting.ontology.kinds
    if values and by_line(one) and all(map(by_cuff, told.values())):
        return Trusted(f"of the {kinds[LINE].label}, {kinds[CUFF].label} {values}")
    return Trusted(values) or None


def _together(one: Measurement, situation: Situation) -> Sequence[Measurement]:
    """What counts of the same quantity and instant; beside an arterial line also what does not."""
    quantity = situation.ontology.variables[one.variable].quantity
    if not by_line(one):
        return situation.history(quantity, 0.0, until=one.when)
    rows = (situation.by_variable.get(key, ()) for key in situation.ontology.measuring(quantity))
    return [other for row in rows for other in row if other.when == one.when and not other.implausible]


def reported(one: Measurement, span: Range | None, ontology: Ontology) -> Trusted | None:
    """What whoever measured calls a value, where that is critical or not what the usual range says of it."""
    said = ontology.interpretations.get(one.interpretation)
    if said is None or not (said.critical or one.implausible or (span is not None and said.denies(one.value, span))):
        return None
    return Trusted(said.label)


def taken(one: Measurement | UnknownFinding, ontology: Ontology) -> Trusted | None:
    """Of what, where and how it was taken, where that is told; by what a pressure, only beside another one: `also`."""
    kinds = (ontology.kinds.get(key) for key in one.taken if key not in (LINE, CUFF))
    return Trusted(", ".join(kind.label for kind in kinds if kind is not None)) or None


def reason(one: Reason, earlier: Measurement | None, setting: Setting, *, as_sent: bool = False) -> ReasonView:
    """A reason with its value and the one before, or with the fact that there is none."""
    label = setting.label(one.quantity)
    moved = points(one.points)
    if one.now is None:
        known, missing = setting.circumstances.get(one.quantity, ""), one.quantity not in setting.groups
        return ReasonView(label=Trusted(f"{label} {known}".strip()), points=moved, missing=missing)
    view = seen(one.now, earlier, setting, as_sent=as_sent)
    old = setting.now - one.now.when > timedelta(hours=setting.ontology.quantity(one.quantity).fresh_h)
    return ReasonView(
        label=label,
        points=moved,
        value=view.value,
        unit=view.unit,
        sent=view.sent,
        earlier=view.earlier,
        before=view.before,
        aside=view.aside,
        last=view.time if old else None,
    )


def _value(one: Measurement, variable: Variable) -> Trusted:
    return Trusted(variable.told.measured(one))


def _unit(text: str) -> Trusted:
    """With the space before it that it needs: none for a percent sign or no unit."""
    return Trusted(text if text in ("", "%") else f" {text}")


def _earlier(earlier: Measurement, one: Measurement, setting: Setting) -> Trusted:
    """A value that another is compared with; by its own name where that is another: blood gas and laboratory differ."""
    was, now = setting.ontology.variables[earlier.variable], setting.ontology.variables[one.variable]
    value = _value(earlier, was)
    return value if was.label == now.label else Trusted(f"{was.label} {value}")


def _change(one: Measurement, earlier: Measurement, variable: Variable, setting: Setting) -> Trusted:
    now, was, at = _value(one, variable), _earlier(earlier, one, setting), setting.clock(earlier.when)
    if now == _value(earlier, variable) != was:
        return Trusted(f"{was} at {at}")
    return against(now, was, at, rose=one.value > earlier.value)


def _range(span: Range, told: Told) -> Trusted | None:
    if (span.low is None and span.high is None) or (span.low is None and span.high == 0.0):
        return None
    if span.low is not None and span.low == span.high:
        return Trusted(told.number(span.low))
    if span.low is None:
        return Trusted(f"up to {told.number(span.high or 0.0)}")
    if span.high is None:
        return Trusted(f"from {told.number(span.low)}")
    return Trusted(f"{told.number(span.low)}–{told.number(span.high)}")
