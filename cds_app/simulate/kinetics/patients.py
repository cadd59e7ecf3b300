"""What is known of a patient and a drug: covariates over time, doses given, levels; and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from cds_app.domain.arrays import Flags, Floats
from cds_app.simulate.kinetics.courses import Epoch
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.drugs import Drug, disbelieved
from cds_app.simulate.kinetics.individual import Fitted, fit_to, parameters, usable
from cds_app.simulate.kinetics.models import Model
from cds_app.simulate.plans import MAX_HORIZON_H, Dose, dose_problems
from cds_app.simulate.refusals import Refusal, outside

MAX_LEVELS: Final = 200
MAX_STAGES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Covariates from an instant on, hours from now."""

    from_h: float
    covariates: Covariates


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A measured concentration or effect.

    Parameters
    ----------
    at_h : float
        When it was drawn, hours from now: 0 or below.
    value : float
        In the unit of the drug's levels.
    quantity : str
        Of the ontology: ``vancomycin_trough``.
    """

    at_h: float
    value: float
    quantity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Everything a simulation rests on.

    Parameters
    ----------
    stages : tuple of Stage
        Ascending, at least one; the first also holds before it, the last also holds in the future.
    history : tuple of Dose
        Given by now.
    levels : tuple of Level
    """

    stages: tuple[Stage, ...]
    history: tuple[Dose, ...] = ()
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A patient in a model that is made for them.

    Parameters
    ----------
    model : Model
    stages : tuple of (float, Fitted)
        From when, and what the model knows.
    """

    model: Model
    stages: tuple[tuple[float, Fitted], ...]

    @property
    def applied(self) -> tuple[str, ...]:
        """Rules of the publication that changed a covariate at any time."""
        return tuple(dict.fromkeys(said for _, fitted in self.stages for said in fitted.applied))

    @property
    def imputed(self) -> tuple[str, ...]:
        """Covariates of which some stage has an imputed value: each is drawn beside the parameters."""
        return tuple(sorted({name for _, fitted in self.stages for name in fitted.imputed}))

    @property
    def covariance(self) -> Floats:
        """Of what is drawn: the model's parameters, then each imputed covariate in standard deviations."""
        own, more = self.model.covariance, len(self.imputed)
        whole = np.eye(len(own) + more)
        whole[: len(own), : len(own)] = own
        return whole

    def epochs(self, etas: Floats) -> tuple[list[Epoch], Flags]:
        """Parameters of draws (draws, `covariance`) over time, and which draws can be used at all, (draws,).

        Draws that cannot be used have the typical values, so that arithmetic goes on.
        """
        found = self._parameters(etas)
        fine = np.logical_and.reduce([usable(one) for _, one in found])
        if not fine.all():
            found = self._parameters(np.where(fine[:, None], etas, 0.0))
        return [Epoch(from_h=from_h, parameters=one) for from_h, one in found], fine

    def _parameters(self, etas: Floats) -> list[tuple[float, dict[str, Floats]]]:
        own, apart = np.split(etas, [len(self.model.varying)], axis=1)
        by_name = dict(zip(self.imputed, apart.T, strict=True))
        return [(from_h, parameters(self.model, fitted, own, by_name)) for from_h, fitted in self.stages]


def place(model: Model, patient: Patient) -> Placed | tuple[Refusal, ...]:
    """Look the patient up in a model at every stage, or say everything for which it is not used."""
    found = [(stage.from_h, fit_to(model, stage.covariates)) for stage in patient.stages]
    problems = [one for _, fitted in found if isinstance(fitted, tuple) for one in fitted]
    if problems:
        return tuple(dict.fromkeys(problems))
    fitted = [(at, one) for at, one in found if isinstance(one, Fitted)]
    return Placed(model=model, stages=tuple(_distinct(model, fitted)))


def _distinct(model: Model, stages: Sequence[tuple[float, Fitted]]) -> Iterator[tuple[float, Fitted]]:
    """Stages at which anything changes that the model asks for: a creatinine is no news to one without it."""
    used = frozenset[str]().union(*(one.names for one in model.formulas.values()))
    before: tuple[object, ...] = ()
    for at, one in stages:
        told = ({name: value for name, value in one.known.items() if name in used}, one.applied, one.imputed)
        if told != before:
            yield at, one
        before = told


def patient_problems(drug: Drug, patient: Patient) -> tuple[Refusal, ...]:
    """What is wrong with the doses and levels, whatever the model."""
    found = [*_stage_problems(patient.stages), *dose_problems(patient.history, "history", drug.file.routes)]
    found += [
        Refusal(field=f"history.{n}.amount_mg", limit=limit)
        for n, one in enumerate(patient.history)
        if (limit := disbelieved(one.amount_mg, drug))
    ]
    if any(isfinite(one.at_h) and one.at_h > 0.0 for one in patient.history):
        found.append(Refusal(field="history", limit="doses given must not lie in the future"))
    return (*found, *_level_problems(drug, patient))


def _stage_problems(stages: Sequence[Stage]) -> Iterator[Refusal]:
    if not 0 < len(stages) <= MAX_STAGES:
        yield Refusal(field="covariates", limit=f"must be known at 1 to {MAX_STAGES} times")
    times = [one.from_h for one in stages]
    if not all(isfinite(at) and -MAX_HORIZON_H <= at <= 0.0 for at in times) or sorted(set(times)) != times:
        yield Refusal(field="covariates", limit=f"must be in order of time, within {MAX_HORIZON_H:g} h before now")


def _level_problems(drug: Drug, patient: Patient) -> Iterator[Refusal]:
    rules = drug.file.levels
    if len(patient.levels) > MAX_LEVELS:
        yield Refusal(field="levels", limit=f"must be at most {MAX_LEVELS}")
        return
    first = min((one.at_h for one in patient.history), default=None)
    for n, level in enumerate(patient.levels):
        where = f"levels.{n}"
        if level.quantity not in rules.quantities:
            known = ", ".join(rules.quantities) or "none: no level of this drug is used"
            yield Refusal(field=f"{where}.quantity", limit=f"must be one of this drug's: {known}")
        yield from outside(f"{where}.value", level.value, rules.low, rules.high, rules.unit)
        if not (isfinite(level.at_h) and level.at_h <= 0.0):
            yield Refusal(field=f"{where}.at_h", limit="a level must not lie in the future")
        elif first is None or level.at_h <= first:
            yield Refusal(field=f"{where}.at_h", limit="a level must come after the first dose known")
