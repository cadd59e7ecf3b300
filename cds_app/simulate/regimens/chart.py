"""From the facts about a patient to what a simulation needs: covariates over time, doses given, levels.

What the chart leaves open is refused or, where the content says what is usual, assumed and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from cds_app.domain.facts import Measurement, Medication
from cds_app.score.clinical.kidney import on_dialysis
from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.covariates import Covariates, Imputed, fields_of
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.patients import MAX_STAGES, Patient, Stage
from cds_app.simulate.plans import ROUTES, Dose, Route
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.regimens.genes import genotypes_of, heard_genes, uncalled
from cds_app.simulate.regimens.levels import COURSE_GAP_H, incredible, known_from, levels_of
from cds_app.simulate.regimens.orders import hours, mass_mg
from cds_app.simulate.regimens.remarks import foreign, imputed_text, of_kidneys
from cds_app.twin.bedside import NOBODY, Likely

_HISTORY_H: Final = 90.0 * 24.0
_HALTED: Final = frozenset({"stopped", "on-hold", "unknown"})
_HALTED_H: Final = 72.0
_BASELINE_INR_H: Final = 30.0 * 24.0
_CREATININE_H: Final = 7.0 * 24.0  # an older one says nothing of the course
PUSH_H: Final = 0.1
"""Pumps and charts record a push, or only the start of an infusion, as a minute or two."""

_EXPECTING: Final = Refusal(field="covariates.pregnancy", limit="is outside what the models are made for")
_SHARED: Final = frozenset({"dosage", "dose"})

_TRANSPLANT: Final = "kidney_transplant"
_SINCE: Final = frozenset({"days_since_transplant"})
_KINDS: Final = {
    "body_weight": "weight_kg",
    "body_height": "height_cm",
    "hematocrit": "haematocrit_percent",
}
_CHANGING: Final = {"creatinine": "creatinine_mg_dl", "hematocrit": "haematocrit_percent"}
"""What changes within days: only this is imputed. Weight and height stay current for longer than imputation sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """What the timeline cannot hold and somebody knows.

    Parameters
    ----------
    genotypes : sequence of (gene, diplotype)
        As called; a gene may stand there twice if the calls agree.
    flags : mapping of str to bool
        ``OPIOID``, ``PROLONGED_RELEASE``.
    baseline_inr, days_since_transplant : float or None
    """

    genotypes: Sequence[tuple[str, str]] = ()
    flags: Mapping[str, bool] = field(default_factory=dict)
    baseline_inr: float | None = None
    days_since_transplant: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """A patient as the chart has them.

    Parameters
    ----------
    patient : Patient
    facts : tuple of str
        References of the doses and levels used.
    remarks : tuple of str
        What was assumed or left out, in plain English.
    imputed : tuple of Likely
        What stands in for a measurement from now on; no fact.
    """

    patient: Patient
    facts: tuple[str, ...]
    remarks: tuple[str, ...]
    imputed: tuple[Likely, ...] = ()


def patient_of(
    situation: Situation, drug: Drug, extra: Extra | None = None, likely: Mapping[str, Likely] = NOBODY
) -> Charted | Refused:
    """What a chart says of a patient and a drug.

    Parameters
    ----------
    situation : Situation
        The patient now; hours are counted from there.
    drug : Drug
    extra : Extra, optional
    likely : mapping of str to Likely, optional
        By quantity: what may stand in where the last measurement is no longer current.

    Returns
    -------
    Charted or Refused
        Refused in pregnancy, where a dose has no amount that can be computed with, a level tells of doses that are not
        on record, or genotypes contradict each other.
    """
    if situation.pregnant:
        return Refused(subject=drug.name, reasons=(_EXPECTING,))
    given_extra = extra or Extra()
    remarks: list[str] = []
    genes = tuple(heard_genes(situation, drug, remarks))
    called = genotypes_of((*given_extra.genotypes, *((one.gene, one.diplotype) for one in genes if one.diplotype)))
    doses = list(_doses(situation, drug, remarks))
    problems = [*(called if isinstance(called, tuple) else ()), *(one for one in doses if isinstance(one, Refusal))]
    problems += uncalled(genes, drug, {gene for gene, _ in given_extra.genotypes}, remarks)
    if problems or isinstance(called, tuple):
        return Refused(subject=drug.name, reasons=tuple(problems))
    course = _last_course([one for one in doses if not isinstance(one, Refusal)], remarks)
    start_h = course[0][0].at_h if course else 0.0
    known_h = known_from(situation, drug, start_h if course else None, _settles_h(drug, given_extra), remarks)
    if isinstance(known_h, Refusal):
        return Refused(subject=drug.name, reasons=(known_h,))
    levels = list(levels_of(situation, drug, known_h, remarks))
    remarks.extend(incredible(situation, drug, start_h if course else -COURSE_GAP_H))
    remarks.extend(_needless(drug, given_extra))
    remarks.extend(_assumed(drug, given_extra))
    remarks.extend(foreign(situation, drug, start_h if course else -COURSE_GAP_H))
    imputed = _standing_in(situation, drug, likely)
    remarks.extend(imputed_text(situation, one) for one in imputed)
    remarks.extend(of_kidneys(situation, drug, imputed))
    patient = Patient(
        stages=_continued(_stages(situation, drug, given_extra, called, start_h), imputed),
        history=tuple(dose for dose, _ in course),
        levels=tuple(level for level, _ in levels),
    )
    refs = (*(ref for _, ref in course), *(ref for _, ref in levels), *(one.evidence[0].ref for one in genes))
    return Charted(patient=patient, facts=refs, remarks=tuple(dict.fromkeys(remarks)), imputed=imputed)


def _settles_h(drug: Drug, extra: Extra) -> float | None:
    """After how long doses are forgotten, by each model that may be used; None where one of them does not say."""
    told = extra.days_since_transplant is not None
    usable = [one for one in drug.models if told or not any(_SINCE & fields_of(name) for name in one.needs)]
    said = [drug.file.models[one.name].settles_h for one in usable]
    known = [one for one in said if one is not None]
    return max(known) if known and len(known) == len(said) else None


def _needless(drug: Drug, extra: Extra) -> Iterator[str]:
    """What was told and no model asks for."""
    genes = {gene for model in drug.models for gene in model.file.genotypes}
    flags = {flag for model in drug.models for flag in model.file.flags}
    asked = frozenset[str]().union(*(fields_of(name) for model in drug.models for name in model.needs))
    told = (name for name in ("baseline_inr", "days_since_transplant") if getattr(extra, name) is not None)
    for name in (
        *dict.fromkeys(gene for gene, _ in extra.genotypes if gene not in genes),
        *sorted(extra.flags.keys() - flags),
        *(name for name in told if name not in asked),
    ):
        yield f"{name} was not used: no model of {drug.name} asks for it."


def _assumed(drug: Drug, extra: Extra) -> Iterator[str]:
    """What models take for granted as nobody told it."""
    for model in drug.models:
        yield from (f"{says}." for flag, says in sorted(model.file.assumes.items()) if flag not in extra.flags)


# --- doses


def _doses(situation: Situation, drug: Drug, remarks: list[str]) -> Iterator[tuple[Dose, str] | Refusal]:
    """Administrations, each with the amount that it or its order names."""
    yield from _halted(situation, drug, remarks)
    given = situation.given(drug.file.concept, _HISTORY_H)
    orders = [one for one in situation.facts.medications if _is_order(one, drug, situation.now)]
    for n, one in enumerate(given):
        order = _order_of(one, orders)
        route = _route(drug, one, order)
        if route in drug.file.unabsorbed:
            remarks.append("Doses by a route from which the drug is not absorbed were left out.")
            continue
        found = _amount_mg(one, order, remarks)
        if found is None:
            yield Refusal(field=f"history.{n}.amount_mg", limit="needs an amount in mg, g or ug, here or in its order")
        elif route is None:
            yield Refusal(field=f"history.{n}.route", limit=f"must be {' or '.join(drug.file.routes)}")
        elif one.end is not None and one.end < one.when:
            yield Refusal(field=f"history.{n}.over_h", limit="must not end before it begins")
        else:
            over_h = _length(drug, one, order, remarks) if route == "iv" else 0.0
            yield Dose(at_h=hours(situation.now, one.when), amount_mg=found, over_h=over_h, route=route), one.ref


def _halted(situation: Situation, drug: Drug, remarks: list[str]) -> Iterator[Refusal]:
    """Doses that were begun and broken off, or of which nobody says whether they were given."""
    rows = [one for one in situation.facts.medications if drug.file.concept in one.concepts and one.status in _HALTED]
    begun = (
        one for one in rows if one.source == "administration" and _route(drug, one, None) not in drug.file.unabsorbed
    )
    ages_h = [-hours(situation.now, one.when) for one in begun]
    if any(0.0 <= age < _HALTED_H for age in ages_h):
        limit = f"a dose of the last {_HALTED_H:g} h was stopped, or may not have been given: how much was is not known"
        yield Refusal(field="history", limit=limit)
    elif any(_HALTED_H <= age < _HISTORY_H for age in ages_h):
        remarks.append("Doses that were stopped, or may not have been given, were left out.")


def _amount_mg(given: Medication, order: Medication | None, remarks: list[str]) -> float | None:
    own = mass_mg(given.dose_value, given.dose_unit)
    if own is not None or order is None or (order.dosing is not None and _SHARED & set(order.dosing.unsettled)):
        return own
    remarks.append("The amount of some doses was taken from the order, as the administration names none.")
    return mass_mg(order.dose_value, order.dose_unit)


def _is_order(one: Medication, drug: Drug, now: datetime) -> bool:
    return one.source == "request" and drug.file.concept in one.concepts and one.when <= now


def _order_of(given: Medication, orders: Sequence[Medication]) -> Medication | None:
    """The newest order that stood when a dose was given."""
    standing = [one for one in orders if _begun(one) <= given.when and (one.end is None or given.when <= one.end)]
    return max(standing, key=lambda one: (_begun(one), one.when, one.ref), default=None)


def _begun(order: Medication) -> datetime:
    start = order.dosing.start if order.dosing is not None else None
    return min(order.when, start) if start is not None else order.when


def _route(drug: Drug, given: Medication, order: Medication | None) -> Route | None:
    """As the administration or its order says, else the drug's usual; None for any that is neither iv nor oral."""
    said = [one.dosing.route for one in (given, order) if one is not None and one.dosing is not None]
    known = next((one for one in said if one), None)
    if known is None:
        return drug.file.routes[0]
    return known if known in ROUTES else None


def _length(drug: Drug, given: Medication, order: Medication | None, remarks: list[str]) -> float:
    if given.end is not None and (lasted := hours(given.when, given.end)) > PUSH_H:
        return lasted
    said = [one.dosing.over_h for one in (given, order) if one is not None and one.dosing is not None]
    known = next((one for one in said if one is not None), None)
    if known is not None:
        return known
    if drug.file.usual_infusion_h:
        remarks.append(f"Where no length of an infusion was recorded, {drug.file.usual_infusion_h:g} h was assumed.")
    return drug.file.usual_infusion_h


def _last_course(doses: Sequence[tuple[Dose, str]], remarks: list[str]) -> list[tuple[Dose, str]]:
    rows = sorted(doses, key=lambda one: one[0].at_h)
    for n in range(len(rows) - 1, 0, -1):
        if rows[n][0].at_h - rows[n - 1][0].at_h > COURSE_GAP_H:
            remarks.append("Doses of an earlier course, more than 14 days before the next dose, were left out.")
            return rows[n:]
    return rows


# --- covariates


def _stages(
    situation: Situation, drug: Drug, extra: Extra, genotypes: Mapping[str, str], start_h: float
) -> tuple[Stage, ...]:
    """One stage from the start, and one for every later creatinine: each holds until the next."""
    measured: dict[str, Any] = {name: _current(situation, quantity, start_h) for quantity, name in _KINDS.items()}
    usual = Covariates(
        age_years=None if situation.age_years is None else float(situation.age_years),
        sex=situation.sex,
        dialysis=bool(on_dialysis(situation)),
        intensive_care=situation.intensive_care,
        conditions=frozenset(_conditions(situation, drug, extra)),
        baseline_inr=extra.baseline_inr if extra.baseline_inr is not None else _baseline_inr(situation, start_h),
        days_since_transplant=extra.days_since_transplant,
        genotypes=genotypes,
        flags=extra.flags,
        stale_h=dict(_stale(situation, measured)),
        **measured,
    )
    since_h = start_h - _CREATININE_H
    exact = [one for one in situation.series("creatinine") if one.bound == "="]
    creatinine = [one for one in exact if hours(situation.now, one.when) >= since_h]
    before = [one for one in creatinine if hours(situation.now, one.when) <= start_h]
    after = [one for one in creatinine if hours(situation.now, one.when) > start_h]
    first = before[-1] if before else (after[0] if after else None)
    begun = Stage(from_h=start_h, covariates=usual.with_creatinine(first.value) if first else usual)
    later = {hours(situation.now, one.when): usual.with_creatinine(one.value) for one in after}
    rows = sorted(later.items())[-(MAX_STAGES - 2) :]  # the first, and what is imputed now, come besides
    return (begun, *(Stage(from_h=at, covariates=one) for at, one in rows if at > start_h))


def _stale(situation: Situation, known: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """How old the last value is of what does not count."""
    for quantity, name in {**_KINDS, **_CHANGING}.items():
        found = situation.latest(quantity) if situation.ontology.measuring(quantity) else None
        if found is not None and found.bound == "=" and known.get(name) is None:
            yield name, situation.age_h(found)


def _conditions(situation: Situation, drug: Drug, extra: Extra) -> Iterator[str]:
    """What a model of the drug asks for, and is on record or follows from what somebody knows."""
    for name in {name for model in drug.models for name in model.file.conditions}:
        told = name == _TRANSPLANT and extra.days_since_transplant is not None
        if told or situation.conditions(name):
            yield name


def _standing_in(situation: Situation, drug: Drug, likely: Mapping[str, Likely]) -> tuple[Likely, ...]:
    """What a model of the drug asks for, was measured, and is not current any more."""
    asked = frozenset[str]().union(*(fields_of(name) for model in drug.models for name in model.needs))
    return tuple(
        one
        for quantity, field_name in _CHANGING.items()
        if field_name in asked and situation.fresh(quantity) is None and (one := likely.get(quantity)) is not None
    )


def _continued(stages: tuple[Stage, ...], imputed: Sequence[Likely]) -> tuple[Stage, ...]:
    """From now on imputed values take the place of measurements that are not current."""
    if not imputed:
        return stages
    values: dict[str, Any] = {_CHANGING[one.quantity]: one.mean for one in imputed}
    spreads = {_CHANGING[one.quantity]: Imputed(low=one.low, high=one.high) for one in imputed}
    before = stages[-1]
    now = Stage(from_h=0.0, covariates=replace(before.covariates, imputed=spreads, **values))
    return (*(one for one in stages if one.from_h < 0.0), now)


def _current(situation: Situation, quantity: str, start_h: float) -> float | None:
    """The newest value, if it was current when the course began, or is of the days of the course."""
    if not situation.ontology.measuring(quantity):
        return None
    lasts_h = max(situation.fresh_h(quantity), _CREATININE_H if quantity in _CHANGING else 0.0)
    found: Measurement | None = situation.latest(quantity, lasts_h - start_h)
    return found.value if found is not None and found.bound == "=" else None


def _baseline_inr(situation: Situation, start_h: float) -> float | None:
    """The last INR of the 30 days before the first dose."""
    if not situation.ontology.measuring("inr"):
        return None
    found = [
        one.value
        for one in situation.series("inr")
        if one.bound == "=" and start_h - _BASELINE_INR_H <= hours(situation.now, one.when) <= start_h
    ]
    return found[-1] if found else None
