"""Virtual surgery: anaesthetic plans compared on one patient's circulation, with everything a page needs to show it.

`compare_plans` fits draws of the patient, runs every plan on the same draws, and counts. The answer is frozen and the
same byte for byte whenever model, patient, plans, draws, horizon and seed are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cds_app.errors import BadRequest
from cds_app.score.result import Abstained, Lack
from cds_app.simulate.haemodynamics.circulation import Circulation, settling
from cds_app.simulate.haemodynamics.drugs import drugs
from cds_app.simulate.haemodynamics.fit import Fit, Interval, Priors, fit, interval, priors
from cds_app.simulate.haemodynamics.model import mechanics, surface
from cds_app.simulate.haemodynamics.patient import Bounds, Known, Patient, bounds, known
from cds_app.simulate.surgery.depth import Depth, DepthRules, Spell, depth, depth_rules, unanswered
from cds_app.simulate.surgery.figures import DECIMALS, Band, Share, band, rounded, share, tidy
from cds_app.simulate.surgery.plan import Limits, Plan, Propofol, check, plan_limits, whole
from cds_app.simulate.surgery.run import Chances, Course, Model, Subject, run
from cds_app.twin.bedside import Likely

if TYPE_CHECKING:
    from cds_app.content import Artefact

HORIZON_MIN: Final = 30.0
_SEEDS: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurgeryModel:
    """The artefact ``models/circulation`` as `compare_plans` uses it."""

    name: str
    version: str
    sha256: str
    cautions: tuple[str, ...]
    model: Model
    bounds: Bounds
    priors: Priors
    limits: Limits

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> SurgeryModel:
        """Read everything; ContentError, by file or group, where something is missing."""
        assumed = priors(artefact)
        return cls(
            name=artefact.name,
            version=artefact.version,
            sha256=artefact.sha256,
            cautions=tuple(artefact.manifest["limits"]),
            model=Model(
                circulation=_circulation(artefact, assumed), drugs=drugs(artefact), depth=depth_rules(artefact)
            ),
            bounds=bounds(artefact),
            priors=assumed,
            limits=plan_limits(artefact),
        )


def _circulation(artefact: Artefact, assumed: Priors) -> Circulation:
    constants, reflex = mechanics(artefact)
    return Circulation(
        surface=surface(artefact),
        constants=constants,
        reflex=reflex,
        ceilings=assumed.ceilings,
        settling=settling(artefact),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one plan.

    Parameters
    ----------
    plan : Plan
    mean_pressure_mmhg, heart_rate_per_min, output_l_per_min : Band
    low_probability : Share
        Of mean pressure under the limit for at least the time that counts.
    low_mean_min : float
        Expected minutes under the limit.
    low_min : Interval
        The same by draws.
    lowest_mmhg : Interval
        Lowest mean pressure.
    rescue_needed : Share
        Draws in which the plan's rule begins norepinephrine; without a rule, the same as ``low_probability``.
    rescue_most : Interval or None
        Highest rate in those draws, ug/kg/min.
    depth : Depth or Abstained
        Of anaesthesia, as BIS; abstained where it is not estimated.
    more_than_usual : bool
        Whether the patient is of an age in which less propofol is usual than is planned at once.
    collapsed : Share
        Draws whose pressure falls below what the model describes: low from then on, and never recovering.
    against_first_min : float or None
        Minutes of low pressure more than under the first plan, on the same draws; None for the first plan, and where
        the first was refused.
    """

    plan: Plan
    mean_pressure_mmhg: Band
    heart_rate_per_min: Band
    output_l_per_min: Band
    low_probability: Share
    low_mean_min: float
    low_min: Interval
    lowest_mmhg: Interval
    rescue_needed: Share
    rescue_most: Interval | None
    depth: Depth | Abstained
    more_than_usual: bool
    collapsed: Share
    against_first_min: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Plans side by side.

    Parameters
    ----------
    model, version, sha256 : str
        What was simulated with.
    seed, draws : int
    horizon_min : float
    times_min : tuple of float
        Of the bands.
    low_mmhg, counts_after_min : float
        What low means.
    patient : Patient
        What was known.
    found : mapping of str to Interval
        What the measurements leave open of the circulation at rest.
    assumed : tuple of str
        What was not measured and came from a prior: to measure it would narrow the answer.
    imputed : mapping of str to Likely
        What was measured too long ago and stands as it most likely is now; the draws differ in it as it is open.
    depth : DepthRules
        What too deep and too light mean.
    half_asleep_mg_per_l : float
        Concentration of propofol with half its effect on BIS in a typical person of this age.
    usual_mg_per_kg : float
        Of propofol at once, the most that is usual from `usual_from_years` on.
    usual_from_years : float
    outcomes : tuple of Outcome or Abstained
        In the order of the plans; abstained, by the plan's name, where the model cannot follow a plan.
    cautions : tuple of str
        What the model leaves out.
    """

    model: str
    version: str
    sha256: str
    seed: int
    draws: int
    horizon_min: float
    times_min: tuple[float, ...]
    low_mmhg: float
    counts_after_min: float
    patient: Patient
    found: Mapping[str, Interval]
    assumed: tuple[str, ...]
    imputed: Mapping[str, Likely]
    depth: DepthRules
    half_asleep_mg_per_l: float
    usual_mg_per_kg: float
    usual_from_years: float
    outcomes: tuple[Outcome | Abstained, ...]
    cautions: tuple[str, ...]


def compare_plans(
    model: SurgeryModel,
    patient: Patient,
    plans: Sequence[Plan],
    *,
    draws: int = 200,
    seed: int = 0,
    horizon_min: float = HORIZON_MIN,
) -> Comparison | Abstained:
    """Simulate plans on one patient.

    Parameters
    ----------
    model : SurgeryModel
    patient : Patient
        At rest, before anything is given.
    plans : sequence of Plan
        The first is what the others are compared with.
    draws : int
        Virtual versions of the patient.
    seed : int
        Of all chance.
    horizon_min : float
        How long is looked ahead, minutes.

    Returns
    -------
    Comparison or Abstained
        Abstained where the patient is not known well enough, or is none that the model can be.

    Raises
    ------
    BadRequest
        With the field and the limit, where something is asked that may not be asked.
    """
    check(plans, model.limits, horizon_min=horizon_min, draws=draws)
    if not whole(seed) or not 0 <= seed < _SEEDS:
        raise BadRequest("seed: a whole number from 0 to 2^63 - 1", field="seed")
    about = known(patient, model.bounds)
    if isinstance(about, Abstained):
        return about
    for_fit, for_drugs = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    parts = model.model.circulation
    fitted = fit(about, parts.surface, parts.constants, model.priors, for_fit, draws=draws)
    if isinstance(fitted, Abstained):
        return fitted
    subject = Subject(person=about.person, bodies=fitted.bodies, chances=Chances.drawn(for_drugs, draws))
    course = run(model.model, subject, plans, minutes=horizon_min, low=model.limits)
    return _comparison(model, (patient, about), plans, fitted, course, seed)


def _comparison(
    model: SurgeryModel, who: tuple[Patient, Known], plans: Sequence[Plan], fitted: Fit, course: Course, seed: int
) -> Comparison:
    patient, about = who
    outcomes = tuple(_answer(model, course, at, plans, about) for at in range(len(plans)))
    return Comparison(
        model=model.name,
        version=model.version,
        sha256=model.sha256,
        seed=seed,
        draws=course.low_min.shape[1],
        horizon_min=float(course.horizon_min),
        times_min=rounded(course.times_min),
        low_mmhg=model.limits.low_mmhg,
        counts_after_min=model.limits.counts_after_min,
        patient=patient,
        found={name: tidy(one) for name, one in fitted.found.items()},
        assumed=fitted.assumed,
        imputed=about.imputed,
        depth=model.model.depth,
        half_asleep_mg_per_l=round(model.model.drugs.hypnosis.half(about.person.age_years), DECIMALS),
        usual_mg_per_kg=model.limits.older_most_mg_per_kg,
        usual_from_years=model.limits.older_from_years,
        outcomes=outcomes,
        cautions=model.cautions,
    )


def _answer(model: SurgeryModel, course: Course, at: int, plans: Sequence[Plan], about: Known) -> Outcome | Abstained:
    """A plan's outcome; refused where too many draws leave what the model describes without having collapsed."""
    if not _followed(model, course, at):
        text = "too many draws leave the range of the model"
        return Abstained(name=plans[at].name, reasons=(Lack(name="model", why="out-of-population", text=text),))
    plan, low = plans[at], course.low_longest_min[at] >= model.limits.counts_after_min
    needed = low if plan.rescue is None else course.rescued[at]
    rates = course.rescue_most[at][course.rescued[at]]
    against = course.low_min[at] - course.low_min[0] if at > 0 and _followed(model, course, 0) else None
    return Outcome(
        plan=plan,
        mean_pressure_mmhg=band(course.mean_pressure[:, at]),
        heart_rate_per_min=band(course.heart_rate[:, at]),
        output_l_per_min=band(course.output[:, at]),
        low_probability=share(int(low.sum()), low.size),
        low_mean_min=round(float(course.low_min[at].mean()), DECIMALS),
        low_min=tidy(interval(course.low_min[at])),
        lowest_mmhg=tidy(interval(course.lowest[at])),
        rescue_needed=share(int(needed.sum()), needed.size),
        rescue_most=tidy(interval(rates)) if rates.size else None,
        depth=unanswered(plan, about, model.model.depth) or _depth(course, at, model.limits),
        more_than_usual=_more_than_usual(plan, about, model.limits),
        collapsed=share(int(course.collapsed[at].sum()), low.size),
        against_first_min=round(float(against.mean()), DECIMALS) if against is not None else None,
    )


def _depth(course: Course, at: int, limits: Limits) -> Depth:
    deep = Spell(minutes=course.deep_min[at], longest_min=course.deep_longest_min[at])
    light = Spell(minutes=course.light_min[at], longest_min=course.light_longest_min[at])
    return depth(course.bis[:, at], course.lowest_bis[at], deep, light, limits.counts_after_min)


def _more_than_usual(plan: Plan, about: Known, limits: Limits) -> bool:
    at_once = [one.dose_mg_per_kg for one in plan.actions if isinstance(one, Propofol)]
    return about.person.age_years >= limits.older_from_years and max(at_once, default=0.0) > limits.older_most_mg_per_kg


def _followed(model: SurgeryModel, course: Course, at: int) -> bool:
    return float(course.lost[at].mean()) <= model.limits.most_outside
