"""What is to be said of a chart before a simulation is read: what was left out, stands in, is old or changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.covariates import fields_of
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.patients import Patient
from cds_app.simulate.regimens.answers import WhatIf
from cds_app.simulate.regimens.orders import hours
from cds_app.twin.bedside import Likely

_CHANGED_SHARE: Final = 0.3
_CHANGED_H: Final = 7.0 * 24.0
_COVARIATES: Final[Mapping[str, str]] = {
    "body_weight": "weight_kg",
    "body_height": "height_cm",
    "creatinine": "creatinine_mg_dl",
    "hematocrit": "haematocrit_percent",
    "inr": "baseline_inr",
}
_FIRST: Final = frozenset({"baseline_inr"})
"""Measured before the first dose."""


def measured_of(drug: Drug, patient: Patient, answer: WhatIf, situation: Situation) -> tuple[Measurement, ...]:
    """What was measured of that which the models that counted went by last."""
    counted = {each.name for each in answer.models if each.draws}
    needs = (model.needs for model in drug.models if model.name in counted)
    asked = frozenset[str]().union(*(fields_of(name) for names in needs for name in names))
    found = []
    for quantity, field in _COVARIATES.items():
        if field in asked and situation.ontology.measuring(quantity):
            ago_h = -patient.stages[0].from_h if field in _FIRST else 0.0
            used = getattr(patient.stages[-1].covariates, field)
            rows = (fact for fact in reversed(situation.series(quantity)) if situation.age_h(fact) >= ago_h)
            found.append(next((fact for fact in rows if fact.value == used), None))
    return tuple(fact for fact in found if fact is not None)


def foreign(situation: Situation, drug: Drug, start_h: float) -> Iterator[str]:
    """Levels of other drugs from this course on: somebody may think that they were used."""
    known = (one for one in drug.foreign if situation.ontology.measuring(one))
    for quantity in known:
        if any(hours(situation.now, one.when) > start_h for one in situation.series(quantity)):
            label = situation.ontology.quantity(quantity).label
            yield f"{label} was not used: it is a level of another drug than {drug.name}."


def imputed_text(situation: Situation, one: Likely) -> str:
    """What stands in for a measurement that is not current."""
    variable = situation.ontology.quantity(one.quantity)
    mean, low, high = map(variable.told.number, (one.mean, one.low, one.high))
    return (
        f"{variable.label} now is imputed, not measured: {mean} {variable.told.text} ({low} to {high} in 90 of 100 "
        f"such patients), {one.since_h:.0f} h after the last one. The virtual copies differ in it by as much."
    )


def of_kidneys(situation: Situation, drug: Drug, imputed: Sequence[Likely]) -> Iterator[str]:
    """That creatinine is old, or changed within a week: it then says late, or wrongly, what the kidneys filter."""
    asked = frozenset[str]().union(*(fields_of(name) for model in drug.models for name in model.needs))
    exact = [one for one in situation.series("creatinine") if one.bound == "="]
    if "creatinine_mg_dl" not in asked or not exact:
        return
    age_h = situation.age_h(exact[-1])
    if age_h > situation.fresh_h("creatinine") and not any(one.quantity == "creatinine" for one in imputed):
        yield f"Creatinine was last measured {age_h:.0f} h ago: the kidneys are supposed to filter as they did then."
    lately = [one.value for one in exact if situation.age_h(one) <= _CHANGED_H]
    if lately and max(lately) > (1.0 + _CHANGED_SHARE) * min(lately):
        yield (
            "Creatinine changed by more than 30 % within 7 days: it follows the kidneys late, and what is worked "
            "out of it may be wrong."
        )
