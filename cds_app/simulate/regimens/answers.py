"""What a simulation answers: plans with their bands, chances and limits, and everything that they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_app.simulate.refusals import Refusal
from cds_app.simulate.regimens.outcomes import Chance, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """A model that counted: how much, what it rests on, and how well its sample represents the patient."""

    name: str
    version: str
    sha256: str
    source: str
    weight: float
    effective_draws: float
    draws: int
    needs_review: bool
    applied: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmChance:
    """How probable a harm is, in the words of the content, whether that is within its limit, and when it is told."""

    says: str
    chance: Chance
    at_most: float
    told_from: float
    within: bool
    needs_review: bool

    @property
    def short(self) -> str:
        """The harm by its name alone: what stands before the colon of ``says``."""
        return self.says.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutcome:
    """What one plan does.

    Parameters
    ----------
    name : str
    bands : tuple of five tuples
        5, 25, 50, 75 and 95 % quantiles at each of `WhatIf.times_h`: of the true value, without error of measurement.
    target : Chance or None
        Probability of the target; None where the plan has no such figure.
    target_by_model : mapping of str to float
        The same by each model on its own: how far they disagree.
    harms : tuple of HarmChance
    auc24_steady, auc24_last, trough : Spread or None
        Of a concentration; None of an effect.
    highest, end : Spread
        Highest value up to the horizon, and the value there.
    outside : tuple of Refusal
        Limits of doses that the plan breaks: it was simulated, and cannot be recommended.
    on_target : bool
        Whether the middle of the virtual patients reaches the target: a plan with which most would have too little, or
        too much, is not recommended.
    begins_h : float or None
        First dose, hours from now; None where no further dose is given.
    unchecked : tuple of str
        Harms of which the plan has no figure by the horizon: it cannot be recommended either.
    """

    name: str
    bands: tuple[tuple[float, ...], ...]
    target: Chance | None
    target_by_model: Mapping[str, float]
    harms: tuple[HarmChance, ...]
    auc24_steady: Spread | None
    auc24_last: Spread | None
    trough: Spread | None
    highest: Spread
    end: Spread
    outside: tuple[Refusal, ...]
    on_target: bool = False
    begins_h: float | None = None
    unchecked: tuple[str, ...] = ()

    @property
    def within_limits(self) -> bool:
        """Whether it may be recommended."""
        known = self.on_target and not self.unchecked
        return known and not self.outside and all(one.within for one in self.harms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much more probable the target is than under the current plan, in pairs of the same virtual patients."""

    over: str
    probability: float
    low90: float
    high90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The answer, with all that it rests on.

    Parameters
    ----------
    drug, goal, target_says, unit : str
    times_h : tuple of float
        Hours from now.
    plans : tuple of PlanOutcome
        In the order in which they were asked for.
    recommended : str or None
        Of the plans within limits and on target, the one under which the target is most probable; None: no plan is.
    gain : Gain or None
        Of the recommended plan over the current one.
    models : tuple of ModelUse
    left_out : tuple of (str, tuple of Refusal)
        Models that were not used for this patient, and why.
    levels, doses : int
        How many were used.
    remarks : tuple of str
        What would change the answer, in plain English.
    needs_review : bool
        Whether targets, harms or limits were not reviewed by a clinician; each model says so for itself.
    draws, seed, version, sha256 :
        What makes it again, byte for byte, with the same patient.
    """

    drug: str
    goal: str
    target_says: str
    unit: str
    times_h: tuple[float, ...]
    plans: tuple[PlanOutcome, ...]
    recommended: str | None
    gain: Gain | None
    models: tuple[ModelUse, ...]
    left_out: tuple[tuple[str, tuple[Refusal, ...]], ...]
    levels: int
    doses: int
    remarks: tuple[str, ...]
    needs_review: bool
    draws: int
    seed: int
    version: str
    sha256: str
