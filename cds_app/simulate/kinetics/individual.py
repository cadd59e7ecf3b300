"""One patient in one model: is it made for them, which published rules apply, and what are their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cds_app.simulate.kinetics.covariates import DERIVED, MEASURED, Covariates, Imputed, derive, fields_of
from cds_app.simulate.kinetics.models import PER_UNIT, Adjustment, Model, Range, refer
from cds_app.simulate.refusals import Refusal, aged, outside

Floats = NDArray[np.float64]

_WHERE = "covariates"
ELSEWHERE: Final = f"{_WHERE}.intensive_care"
OTHERS: Final = f"{_WHERE}.conditions"
"""Fields of refusals for where the patient is, and for what they have not: no measurement changes either."""

_NORMAL_95: Final = 1.6448536269514722
_POSSIBLE: Final[Mapping[str, tuple[float, float]]] = {
    "AGE": (0.001, 130.0),
    "WT": (0.2, 1000.0),
    "HT": (20.0, 300.0),
    "SCR": (0.01, 100.0),
    "HCT": (1.0, 100.0),
    "INR0": (0.1, 50.0),
    "TX_DAYS": (0.0, 36500.0),
}
"""No person is outside of these: there formulas have no meaning, whatever the model."""
_UNITS = {
    "AGE": "years",
    "WT": "kg",
    "HT": "cm",
    "SCR": "mg/dL",
    "HCT": "%",
    "CRCL": "mL/min",
    "BMI": "kg/m2",
    "BSA": "m2",
    "TX_DAYS": "days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a model knows of a patient.

    Parameters
    ----------
    known : mapping of str to float
        Every name that its formulas use.
    applied : tuple of str
        Rules of the publication that changed a covariate, in words.
    imputed : mapping of str to (float, Imputed)
        By name in formulas: the value before any such rule, and its interval.
    """

    known: Mapping[str, float]
    applied: tuple[str, ...]
    imputed: Mapping[str, tuple[float, Imputed]] = field(default_factory=dict)


def fit_to(model: Model, covariates: Covariates) -> Fitted | tuple[Refusal, ...]:
    """Look a patient up in a model, or say everything for which it is not used.

    Returns
    -------
    Fitted or tuple of Refusal
        Nothing is clamped; only rules that the publication itself states change a covariate, and each is reported. Of
        an imputed value both ends of the interval must be what the model is made for.
    """
    asked = frozenset[str]().union(*(fields_of(name) for name in model.needs))
    mine = replace(covariates, imputed={name: one for name, one in covariates.imputed.items() if name in asked})
    found = _looked_up(model, mine)
    if isinstance(found, tuple):
        return found
    ends = (_looked_up(model, one) for one in mine.ends())
    beyond = [one for end in ends if isinstance(end, tuple) for one in end]
    if beyond:
        return tuple(
            dict.fromkeys(replace(one, limit=f"{one.limit}, at both ends of what is imputed") for one in beyond)
        )
    return replace(found, imputed=dict(_imputed(mine)))


def _imputed(covariates: Covariates) -> Iterator[tuple[str, tuple[float, Imputed]]]:
    for name, field_name in MEASURED.items():
        value, one = refer(covariates, name), covariates.imputed.get(field_name)
        if value is not None and one is not None:
            yield name, (value, one)


def _looked_up(model: Model, covariates: Covariates) -> Fitted | tuple[Refusal, ...]:
    problems = [*_unsuitable(model, covariates), *_impossible(covariates), *_unmeasured(model, covariates)]
    problems += _genotype_problems(model, covariates)
    told = {one.field for one in problems}
    problems += [one for one in _beyond(model, covariates) if one.field not in told]
    if problems:
        return tuple(problems)
    known, applied = _known(model, covariates)
    for name, limit in model.file.validity.items():
        if name in model.file.flags:
            problems.extend(_untold(name, known[name], limit))
        elif name not in MEASURED:
            problems.extend(
                outside(f"{_WHERE}.{name.lower()}", known[name], limit.low, limit.high, _UNITS.get(name, ""))
            )
    return tuple(problems) if problems else Fitted(known=known, applied=applied)


def _unsuitable(model: Model, covariates: Covariates) -> Iterator[Refusal]:
    if covariates.dialysis:
        yield Refusal(field=f"{_WHERE}.dialysis", limit="clearance by dialysis is not simulated")
    there = model.file.intensive_care
    if there is not None and covariates.intensive_care is not there:
        place = "intensive care" if there else "outside intensive care"
        yield Refusal(field=ELSEWHERE, limit=f"must be {place}: the model is of nobody else")
    wanted = model.file.conditions
    if wanted and covariates.conditions.isdisjoint(wanted):
        yield Refusal(field=OTHERS, limit=f"must hold {' or '.join(wanted.values())}: the model is of nobody else")


def _impossible(covariates: Covariates) -> Iterator[Refusal]:
    for name, (low, high) in _POSSIBLE.items():
        value = refer(covariates, name)
        if value is not None:
            yield from outside(f"{_WHERE}.{MEASURED[name]}", value, low, high, _UNITS.get(name, ""))


def _unmeasured(model: Model, covariates: Covariates) -> Iterator[Refusal]:
    needed = frozenset[str]().union(*(fields_of(name) for name in model.needs))
    for name in sorted(needed):
        if getattr(covariates, name) is None:
            age_h = covariates.stale_h.get(name)
            old = "" if age_h is None else f": the last one is {aged(age_h)} old, which is too old"
            yield Refusal(field=f"{_WHERE}.{name}", limit=f"is needed by this model{old}")


def _beyond(model: Model, covariates: Covariates) -> Iterator[Refusal]:
    """What was measured and is outside of the people that the model was made from, whatever else is not known."""
    for name, field_name in MEASURED.items():
        limit, value = model.file.validity.get(name), refer(covariates, name)
        if limit is not None and value is not None:
            yield from outside(f"{_WHERE}.{field_name}", value, limit.low, limit.high, _UNITS.get(name, ""))


def _untold(name: str, value: float, limit: Range) -> Iterator[Refusal]:
    if not limit.low <= value <= limit.high:
        yield Refusal(field=f"{_WHERE}.flags.{name}", limit=f"must be {str(bool(limit.high)).lower()} in this model")


def _genotype_problems(model: Model, covariates: Covariates) -> Iterator[Refusal]:
    for gene, table in model.file.genotypes.items():
        called = covariates.genotypes.get(gene)
        where = f"{_WHERE}.genotypes.{gene}"
        if called is None:
            yield Refusal(field=where, limit="is needed by this model; what was not called is not taken as reference")
        elif diplotype(called) not in {diplotype(one) for one in table}:
            yield Refusal(field=where, limit=f"must be one of {', '.join(table)}")


def diplotype(text: str) -> str:
    """One spelling for a pair of alleles: ``*3/*1`` is ``*1/*3``, and ``GA`` and ``G/A`` are ``AG``."""
    pair = sorted(text.split("/")) if "/" in text else sorted(text)
    return ("" if all(len(one) == 1 for one in pair) else "/").join(pair)


def _known(model: Model, covariates: Covariates) -> tuple[dict[str, float], tuple[str, ...]]:
    known: dict[str, float | Floats] = {**model.file.constants}
    known |= {name: float(covariates.flags.get(name, usual)) for name, usual in model.file.flags.items()}
    known |= {gene: _of_genotype(model, covariates, gene) for gene in model.file.genotypes}
    for name in MEASURED:
        value = refer(covariates, name)
        if value is not None:
            known[name] = float(value)
    known["MALE"] = float(covariates.sex == "male")
    applied = _work_out(model, known)
    return {name: float(value) for name, value in known.items()}, tuple(applied)


def _work_out(model: Model, known: dict[str, float | Floats]) -> list[str]:
    """Apply the publication's rules and add what follows from what is known; the rules that changed something."""
    applied: list[str] = []
    rules = {one.name: one for one in model.file.adjustments}
    for name in (*MEASURED, *DERIVED):
        if name in DERIVED and name != "MALE":
            if not all(one in known for one in DERIVED[name]):
                continue
            known[name] = derive(name, known)
        if name in rules and name in known:
            _adjust(rules[name], known, applied)
    return applied


def _of_genotype(model: Model, covariates: Covariates, gene: str) -> float:
    table = {diplotype(one): value for one, value in model.file.genotypes[gene].items()}
    return table[diplotype(covariates.genotypes[gene])]


def _adjust(rule: Adjustment, known: dict[str, float | Floats], applied: list[str]) -> None:
    if rule.over_age_years is not None and not known["AGE"] > rule.over_age_years:
        return
    value = known[rule.name]
    low = value if rule.at_least is None else np.maximum(value, rule.at_least)
    changed = low if rule.at_most is None else np.minimum(low, rule.at_most)
    if np.any(changed != value):
        known[rule.name] = changed
        applied.append(rule.says)


def parameters(
    model: Model, fitted: Fitted, etas: Floats, apart: Mapping[str, Floats] | None = None
) -> dict[str, Floats]:
    """Individual parameters in hours, litres and milligrams.

    Parameters
    ----------
    etas : ndarray (draws, varying)
        Deviations of the logarithms from the typical values, in the order of ``model.varying``; parameters may rest on
        individual ones that come before them.
    apart : mapping of str to ndarray (draws,), optional
        How far each imputed covariate of the draws is from what is expected of it, in standard deviations.

    Returns
    -------
    mapping of str to ndarray (draws,)
        All positive and finite where the covariates lie inside the limits of the model; `usable` says which are.
    """
    known: dict[str, float | Floats] = dict(fitted.known)
    if fitted.imputed and apart is not None:
        known |= {name: spread(*one, apart[name]) for name, one in fitted.imputed.items()}
        _work_out(model, known)
    for definition in model.file.definitions:
        known[definition.name] = model.formulas[definition.name].value(known)
    found: dict[str, Floats] = {}
    column = {name: n for n, name in enumerate(model.varying)}
    for one in model.file.parameters:
        value = model.formulas[one.name].value(known)
        varied = value * np.exp(etas[:, column[one.name]]) if one.name in column else value
        known[one.name] = varied
        found[one.name] = np.broadcast_to(np.asarray(varied, np.float64), (len(etas),)) * PER_UNIT[one.unit]
    return found


def spread(value: float, imputed: Imputed, z: Floats) -> Floats:
    """An imputed covariate, draw by draw: its logarithm is normal to each side, with 90 of 100 in the interval."""
    below, above = (log(one) / _NORMAL_95 for one in (value / imputed.low, imputed.high / value))
    return np.asarray(value * np.exp(z * np.where(z < 0.0, below, above)), np.float64)


def usable(found: Mapping[str, Floats]) -> NDArray[np.bool_]:
    """Which draws have nothing but finite and positive parameters, (draws,)."""
    fine = np.stack([np.isfinite(one) & (one > 0.0) for one in found.values()])
    return np.asarray(fine.all(axis=0))
