"""From the chart to the virtual people with diabetes: whom a patient is like, and what of their insulin is known.

Nothing is supposed: without a current glucose, a weight, an age or the insulin of a day there is no answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cds_app.domain.facts import Measurement, Medication
from cds_app.domain.units import is_activity
from cds_app.score.clinical.kidney import on_dialysis
from cds_app.score.situation import Situation
from cds_app.simulate.glucose.model import Bolus
from cds_app.simulate.glucose.people import INSULINS, People
from cds_app.simulate.glucose.what_if import NOT_TYPE_1, SUBJECT, GlucosePatient, patient_problems
from cds_app.simulate.refusals import Refusal, Refused, aged
from cds_app.simulate.regimens.chart import PUSH_H

DAY_H: Final = 24.0
_MINUTES: Final = 60.0
_UNDER_THE_SKIN: Final = frozenset({"", "subcutaneous"})
_LACKS: Final = {
    "weight_kg": "must be recorded within 30 days",
    "age_years": "must be recorded",
    "daily_insulin_u": "must be entered: no insulin of the last 24 h is recorded in units",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Likened:
    """A patient as the virtual people stand for them.

    Parameters
    ----------
    patient : GlucosePatient
    measured : tuple of Measurement
        Glucose and weight that it goes by.
    acts : tuple of Medication
        Doses in ``patient.given``.
    """

    patient: GlucosePatient
    measured: tuple[Measurement, ...]
    acts: tuple[Medication, ...]


def insulin_u(value: float | None, unit: str, weight_kg: float | None = None) -> float | None:
    """An amount of insulin in units; None for any unit that is none of insulin (``mL``, ``mg``, none).

    Parameters
    ----------
    weight_kg : float, optional
        Without, an amount per kg is unknown.
    """
    amount, _, per = unit.strip().casefold().partition("/")
    if value is None or not is_activity(amount) or per.strip() not in ("", "kg"):
        return None
    if not per:
        return value
    return None if weight_kg is None else value * weight_kg


def daily_insulin(situation: Situation) -> float | None:
    """All that was given in 24 h, U; None where that is not known as a whole."""
    amounts = [_given_u(one) for one in situation.given(INSULINS, DAY_H)]
    return sum(one for one in amounts if one is not None) if amounts and None not in amounts else None


def _given_u(given: Medication) -> float | None:
    """What was given, U; None where it is not said, or cannot be."""
    units = insulin_u(given.dose_value, given.dose_unit)
    return None if units is None or units < 0.0 else units


def kind_of(people: People, insulin: Medication) -> str:
    """The concept of the insulin that it is; ``insulins`` for one of no known kind."""
    rules = people.file.rules.orders
    known = {*rules.rapid, *rules.basal, *rules.others}
    return next((one for one in insulin.concepts if one in known and one != INSULINS), INSULINS)


def like_whom(people: People, situation: Situation, daily_u: float | None) -> Likened | Refused:
    """The patient as virtual people are sought who are alike, or all that speaks against it.

    Parameters
    ----------
    daily_u : float or None
        All insulin of a usual day.
    """
    if not situation.conditions("type_1_diabetes"):
        return Refused(subject=SUBJECT, reasons=(NOT_TYPE_1,))
    glucose, weight = current_glucose(people, situation), situation.fresh("body_weight")
    age = situation.age_years
    known = {
        "glucose_mg_dl": None if isinstance(glucose, Refusal) else glucose.value,
        "weight_kg": weight.value if weight is not None and weight.bound == "=" else None,
        "age_years": float(age) if age is not None else None,
        "daily_insulin_u": daily_u,
    }
    lacking = (name for name, value in known.items() if value is None and name in _LACKS)
    reasons = [*_outside(people, situation), *([glucose] if isinstance(glucose, Refusal) else [])]
    reasons += [Refusal(field=f"patient.{name}", limit=_LACKS[name]) for name in lacking]
    doses = list(_still_acting(people, situation))
    reasons += [one for one in doses if isinstance(one, Refusal)]
    if reasons or isinstance(glucose, Refusal) or weight is None:
        return Refused(subject=SUBJECT, reasons=tuple(reasons))
    acts = [one for one in doses if not isinstance(one, Refusal)]
    patient = GlucosePatient(
        type_1=True,
        given=tuple(bolus for _, bolus in acts),
        **{name: value for name, value in known.items() if value is not None},
    )
    problems = tuple(patient_problems(people, patient))
    if problems:
        return Refused(subject=SUBJECT, reasons=problems)
    return Likened(patient=patient, measured=(glucose, weight), acts=tuple(one for one, _ in acts))


def current_glucose(people: People, situation: Situation) -> Measurement | Refusal:
    """The glucose that a simulation begins with; how old the last one is where it is too old."""
    within_h, field = people.file.rules.glucose_within_h, "patient.glucose_mg_dl"
    needed = f"of the last {aged(within_h)} is needed"
    found = situation.latest("glucose")
    if found is not None and situation.age_h(found) <= within_h and found.bound == "=":
        return found
    named = (situation.by_variable.get(key, ()) for key in situation.ontology.measuring("glucose"))
    if any(one.implausible and 0.0 <= situation.age_h(one) <= within_h for rows in named for one in rows):
        return Refusal(field=field, limit=f"{needed} that can be true: check the unit")
    if found is None or found.bound != "=":
        return Refusal(field=field, limit=needed)
    return Refusal(field=field, limit=f"is {aged(situation.age_h(found))} old: one {needed}")


def _still_acting(people: People, situation: Situation) -> Iterator[tuple[Medication, Bolus] | Refusal]:
    """Doses before now that still act: of rapid insulin under the skin, as the model has it; any other is a reason."""
    rules = people.file.rules
    longest_h = max(rules.acts_h, *(one.acts_h for one in rules.orders.others.values()))
    for one in situation.given(INSULINS, longest_h):
        kind, ago_h = kind_of(people, one), situation.age_h(one)
        units = _given_u(one)
        if kind in rules.orders.basal or units == 0.0:
            continue
        if kind in rules.orders.rapid and units is not None and _at_once(one):
            if ago_h < rules.acts_h:
                yield one, Bolus(at_min=min(-1, -round(ago_h * _MINUTES)), units=units)
        elif ago_h < (rules.orders.others[kind].acts_h if kind in rules.orders.others else rules.acts_h):
            yield Refusal(field="patient.given", limit="is none that the model knows, and still acts")


def _at_once(one: Medication) -> bool:
    """Whether it went under the skin as one dose; charts record that as a minute or two."""
    lasted_h = 0.0 if one.end is None else (one.end - one.when).total_seconds() / 3600.0
    dosing = one.dosing
    skin = dosing is None or (dosing.route in _UNDER_THE_SKIN and not dosing.rated)
    return skin and lasted_h <= PUSH_H


def _outside(people: People, situation: Situation) -> Iterator[Refusal]:
    """Who is none whom the model is made for, whatever else is known of them."""
    rules = people.file.rules.orders
    if situation.pregnant:
        yield Refusal(field="covariates.pregnancy", limit="is outside what the models are made for")
    if situation.conditions("type_2_diabetes"):
        yield Refusal(field="patient.type_1", limit="is type 1 and type 2 diabetes: only one can be")
    recorded = situation.conditions(rules.ketoacidosis, rules.ketoacidosis_h)
    fresh = ((one, situation.fresh(one.quantity)) for one in rules.out_of_balance)
    if recorded or any(found is not None and one.holds(found.value) for one, found in fresh):
        yield Refusal(field="patient.ketoacidosis", limit="is not in the model")
    if on_dialysis(situation):
        yield Refusal(field="patient.dialysis", limit="is outside what the models are made for")


# --- what nobody enters by hand where an order is drafted


def day_problems(people: People, situation: Situation) -> Iterator[Refusal]:
    """What is lacking of a day's insulin where some was given: a part of the day, or what holds glucose."""
    given = situation.given(INSULINS, 2.0 * DAY_H)
    today = [one for one in given if situation.age_h(one) <= DAY_H]
    begun = situation.hospital_start
    whole = begun is not None and (situation.now - begun).total_seconds() >= DAY_H * 3600.0
    if today and not whole and len(today) == len(given):
        yield Refusal(
            field="patient.daily_insulin_u", limit="is not known: doses are recorded for a part of a day only"
        )
    if today and not any(kind_of(people, one) in people.file.rules.orders.basal for one in today):
        limit = "is needed: none was given in 24 h, and the model takes it to hold glucose"
        yield Refusal(field="patient.basal", limit=limit)
