"""Whether the simulation is calibrated: people drawn from a shipped model, whose truth must rank evenly among draws.

Simulation-based calibration (Talts, arXiv 1804.06788, 2018): where somebody's truth comes from the model, it is one
more draw from the posterior given their levels. So it falls into each gap between the draws with the same chance, and
90 % intervals hold 90 % of such people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import chisquare

from cds_app.domain.arrays import Floats
from cds_app.learn.kinetics.forecast import exact, measured
from cds_app.learn.kinetics.subjects import Subject
from cds_app.simulate.kinetics.averaging import mix
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.individual import fit_to
from cds_app.simulate.kinetics.models import Model
from cds_app.simulate.kinetics.patients import Level, Patient, Placed, place
from cds_app.simulate.kinetics.posterior import sample_posterior
from cds_app.simulate.plans import Regimen
from cds_app.simulate.regimens.questions import offered
from cds_app.simulate.surgery.figures import share

PEOPLE: Final = 2000
"""Of so many, 88.7 to 91.3 % in nineteen of twenty times."""
_DRAWS: Final = 1999
"""As many as a what-if has, but for one: their 2000 gaps are cut evenly, by 10 as well as by 5 and 95 %."""
_AT_ONCE: Final = 100
_DOSES: Final = 8
_SAMPLES: Final = 4
_TRIES: Final = 200
_BINS: Final = 10
_FEWEST_IN_BIN: Final = 5
_USUAL: Final[Mapping[str, tuple[float, float]]] = {
    "AGE": (20.0, 85.0),
    "WT": (50.0, 110.0),
    "HT": (150.0, 190.0),
    "SCR": (0.6, 2.5),
    "HCT": (25.0, 45.0),
    "INR0": (0.9, 1.2),
    "TX_DAYS": (0.0, 365.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Where the truth of people lies among the draws: the share of draws below it.

    Parameters
    ----------
    level : ndarray (people,)
        Of the next level, error of measurement included.
    course : ndarray (people,)
        Of the concentration or effect behind it: what the bands of a what-if show.
    parameters : ndarray (people, varying)
        Of what differs between people; nothing where models are mixed.
    effective : ndarray (people,)
        Draws that each posterior is worth.
    refused : int
        People whose levels could not be brought together with their doses.
    """

    level: Floats
    course: Floats
    parameters: Floats
    effective: Floats
    refused: int

    def figures(self) -> dict[str, Any]:
        """Shares inside the middle 90 % with 95 % intervals (Wilson), and how even the ranks are.

        ``uneven_p`` is the least p of chi-square tests of all ranks, times their number: chance alone gives less than
        0.01 in one of a hundred such reports.
        """
        columns = [self.level, self.course, *self.parameters.T]
        within = {"level_within_90": self.level, "course_within_90": self.course}
        if self.parameters.size:
            within["parameters_within_90"] = self.parameters.ravel()
        found: dict[str, Any] = {"people": len(self.level) + self.refused, "refused": self.refused}
        found |= {name: _inside(ranks) for name, ranks in within.items()}
        if len(self.level) >= _BINS * _FEWEST_IN_BIN:
            found["uneven_p"] = round(min(1.0, len(columns) * min(map(_evenness, columns))), 4)
        return {**found, "effective_draws_least": round(float(self.effective.min()), 1)}


def _inside(ranks: Floats) -> dict[str, float]:
    gaps = np.rint(ranks * _DRAWS)
    inside = (gaps >= 0.05 * (_DRAWS + 1)) & (gaps < 0.95 * (_DRAWS + 1))  # of 2000 gaps, the 1800 in the middle
    found = share(int(inside.sum()), inside.size)
    return {"share": found.value, "low95": found.low, "high95": found.high}


def _evenness(ranks: Floats) -> float:
    gaps = np.rint(ranks * _DRAWS).astype(np.int64)
    counts = np.bincount(gaps * _BINS // (_DRAWS + 1), minlength=_BINS)
    return float(chisquare(counts).pvalue)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Some:
    """A part of the people of one model, or of all models of a drug mixed; their chance is their own."""

    drug: Drug
    model: Model | None
    people: int
    seed: np.random.SeedSequence

    @property
    def name(self) -> str:
        return self.drug.name if self.model is None else self.model.name


def simulated(
    pharmacy: Mapping[str, Drug],
    *,
    people: int = PEOPLE,
    seed: int = 0,
    calling: Callable[[Callable[[_Some], Ranks], Iterable[_Some]], Iterable[Ranks]] = map,
) -> dict[str, dict[str, Any]]:
    """Figures of `Ranks.figures` by model; and by drug where it has several, mixed as for a patient.

    Parameters
    ----------
    calling : callable
        ``map``, or that of a pool: who works makes no difference to what comes out.
    """
    wanted: list[tuple[Drug, Model | None]] = []
    for drug in (pharmacy[name] for name in sorted(pharmacy)):
        wanted += [(drug, model) for model in drug.models]
        wanted += [(drug, None)] if len(drug.models) > 1 else []
    sizes = [min(_AT_ONCE, people - first) for first in range(0, people, _AT_ONCE)]
    seeds = iter(np.random.SeedSequence(seed).spawn(len(wanted) * len(sizes)))
    parts = [_Some(drug=drug, model=model, people=size, seed=next(seeds)) for drug, model in wanted for size in sizes]
    found: dict[str, list[Ranks]] = {}
    for part, ranks in zip(parts, calling(_looked_at, parts), strict=True):
        found.setdefault(part.name, []).append(ranks)
    return {name: _all_of(some).figures() for name, some in found.items()}


def _looked_at(some: _Some) -> Ranks:
    rng = np.random.default_rng(some.seed)
    if some.model is None:
        return held_together(some.drug, people=some.people, rng=rng)
    return held(some.model, plans_of(some.drug), people=some.people, rng=rng)


def _all_of(parts: Sequence[Ranks]) -> Ranks:
    return Ranks(
        level=np.concatenate([one.level for one in parts]),
        course=np.concatenate([one.course for one in parts]),
        parameters=np.concatenate([one.parameters for one in parts]),
        effective=np.concatenate([one.effective for one in parts]),
        refused=sum(one.refused for one in parts),
    )


def plans_of(drug: Drug) -> tuple[Regimen, ...]:
    """What the content offers; of a drug that is led by its effect, equal doses over the time that is looked at."""
    limits, route = drug.file.dose_mg, drug.file.routes[0]
    middle = Regimen(
        name="middle",
        amount_mg=float(np.sqrt(limits.low * limits.high)),
        interval_h=drug.file.horizon_h / _DOSES,
        route=route,
    )
    return offered(drug) or (middle,)


def held(model: Model, plans: Sequence[Regimen], *, people: int, rng: np.random.Generator) -> Ranks:
    """People of one model, each looked at again after one to three levels.

    Parameters
    ----------
    plans : sequence of Regimen
        Of which everybody is on one.
    """
    rows = (_ranked(model, invented(model, plans, rng), rng) for _ in range(people))
    return _ranks(rows, len(model.varying))


def held_together(drug: Drug, *, people: int, rng: np.random.Generator) -> Ranks:
    """People of any model of a drug, as often as it counts beforehand, foretold by all of them."""
    return _ranks((_ranked_together(drug, rng) for _ in range(people)), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """Somebody who does not exist, and what is true of them.

    Parameters
    ----------
    etas : ndarray (1, varying)
    courses : tuple of float
        What lies behind each level.
    """

    subject: Subject
    etas: Floats
    courses: tuple[float, ...]


def invented(model: Model, plans: Sequence[Regimen], rng: np.random.Generator) -> Invented:
    """Somebody for whom a model is made, with its own variation and error."""
    return _treated(model, somebody(model, rng), plans, rng)


def _treated(model: Model, covariates: Covariates, plans: Sequence[Regimen], rng: np.random.Generator) -> Invented:
    plan = plans[int(rng.integers(len(plans)))]
    doses = plan.until(_DOSES * plan.interval_h).doses
    gaps = np.sort(rng.choice(_DOSES, _SAMPLES, replace=False))
    times = np.array([(gap + rng.uniform(0.3, 1.0)) * plan.interval_h for gap in gaps])
    bare = Subject(name=model.name, covariates=covariates, doses=doses, levels=())
    placed = _placed(model, bare.known(0))
    etas = rng.multivariate_normal(np.zeros(len(model.varying)), model.covariance, size=1)
    courses = exact(model, placed.epochs(etas)[0], doses, times)
    seen = measured(courses, model.file.residual, rng)[0]
    levels = tuple(
        Level(at_h=float(at), value=float(value), quantity="level") for at, value in zip(times, seen, strict=True)
    )
    subject = Subject(name=bare.name, covariates=covariates, doses=doses, levels=levels)
    return Invented(subject=subject, etas=etas, courses=tuple(courses[0].tolist()))


_Row = tuple[float, float, float, Floats] | None
"""Of a level, of the course behind it, effective draws, of the parameters; None: refused."""


def _ranked(model: Model, one: Invented, rng: np.random.Generator) -> _Row:
    count = int(rng.integers(1, _SAMPLES))
    known = one.subject.known(count)
    placed = _placed(model, known)
    found = sample_posterior(placed, known, draws=_DRAWS, rng=rng)
    if isinstance(found, tuple):
        return None
    courses = _courses([(placed, found.etas)], one, count)
    seen = measured(courses, model.file.residual, rng)
    own = np.asarray((found.etas < one.etas).mean(axis=0))
    return (*_below(one, count, seen, courses), found.effective, own)


def _ranked_together(drug: Drug, rng: np.random.Generator) -> _Row:
    first = drug.models[int(rng.integers(len(drug.models)))]
    person = somebody(first, rng, drug.models)
    possible = [one for one in drug.models if not isinstance(fit_to(one, person), tuple)]
    weights = np.array([drug.weight(one) for one in possible])
    model = possible[int(rng.choice(len(possible), p=weights / weights.sum()))]
    one, count = _treated(model, person, plans_of(drug), rng), int(rng.integers(1, _SAMPLES))
    found = mix(drug, one.subject.known(count), draws=_DRAWS, rng=rng)
    members = [each for each in found.members if len(each.etas)]
    if not members:
        return None
    parts = [_courses([(each.placed, each.etas)], one, count) for each in members]
    seen = [measured(part, each.placed.model.file.residual, rng) for part, each in zip(parts, members, strict=True)]
    effective = min(each.posterior.effective for each in members)
    return (*_below(one, count, np.concatenate(seen), np.concatenate(parts)), effective, np.zeros(0))


def _courses(parts: Iterable[tuple[Placed, Floats]], one: Invented, count: int) -> Floats:
    at = np.array([one.subject.levels[count].at_h])
    found = [exact(placed.model, placed.epochs(etas)[0], one.subject.doses, at)[:, 0] for placed, etas in parts]
    return np.concatenate(found)


def _below(one: Invented, count: int, seen: Floats, courses: Floats) -> tuple[float, float]:
    level = one.subject.levels[count].value
    return float((seen < level).mean()), float((courses < one.courses[count]).mean())


def _ranks(rows: Iterable[_Row], size: int) -> Ranks:
    kept, refused = [], 0
    for row in rows:
        if row is None:
            refused += 1
        else:
            kept.append(row)
    level, course, effective = np.array([row[:3] for row in kept], np.float64).reshape(-1, 3).T
    own = np.array([row[3] for row in kept], np.float64).reshape(len(kept), size)
    return Ranks(level=level, course=course, parameters=own, effective=effective, refused=refused)


def _placed(model: Model, known: Patient) -> Placed:
    found = place(model, known)
    if not isinstance(found, Placed):
        raise ValueError(f"{model.name}: nobody is like this")
    return found


def somebody(model: Model, rng: np.random.Generator, beside: Sequence[Model] = ()) -> Covariates:
    """Somebody whom the model is made for, from all over its range; genes of the models beside it are known too."""
    genes = {gene: list(table) for one in (*beside, model) for gene, table in one.file.genotypes.items()}
    for _ in range(_TRIES):
        drawn = {name: float(rng.uniform(*_range(model, name))) for name in _USUAL}
        found = Covariates(
            age_years=drawn["AGE"],
            weight_kg=drawn["WT"],
            height_cm=drawn["HT"],
            creatinine_mg_dl=drawn["SCR"],
            haematocrit_percent=drawn["HCT"],
            baseline_inr=drawn["INR0"],
            days_since_transplant=drawn["TX_DAYS"],
            sex="male" if rng.random() < 0.5 else "female",
            intensive_care=bool(model.file.intensive_care),
            conditions=frozenset(model.file.conditions),
            genotypes={gene: str(rng.choice(table)) for gene, table in genes.items()},
        )
        if not isinstance(fit_to(model, found), tuple):
            return found
    raise ValueError(f"{model.name}: nobody is like this")


def _range(model: Model, name: str) -> tuple[float, float]:
    low, high = _USUAL[name]
    limit = model.file.validity.get(name)
    return (low, high) if limit is None else (max(low, limit.low), min(high, limit.high))
