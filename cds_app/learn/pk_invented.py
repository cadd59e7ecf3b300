"""Whether the bands of forecasts hold: people drawn from a shipped model, whose next level is foretold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from cds_app.learn.pk_forecast import Foretold, exact, foretell, measured
from cds_app.learn.pk_subjects import Subject
from cds_app.simulate.covariates import Covariates
from cds_app.simulate.drugs import Drug
from cds_app.simulate.individual import fit_to
from cds_app.simulate.models import Model
from cds_app.simulate.patients import Level, Placed, place
from cds_app.simulate.questions import offered

PEOPLE: Final = 100
_SLOWER: Final = 5
"""Where every draw is stepped through hour by hour, so many times fewer people."""
_DOSES: Final = 8
_SAMPLES: Final = 4
_TRIES: Final = 200
_LEAST: Final = 1e-3
_USUAL: Final[Mapping[str, tuple[float, float]]] = {
    "AGE": (20.0, 85.0),
    "WT": (50.0, 110.0),
    "HT": (150.0, 190.0),
    "SCR": (0.6, 2.5),
    "HCT": (25.0, 45.0),
    "INR0": (0.9, 1.2),
}


def simulated(pharmacy: Mapping[str, Drug], *, people: int = PEOPLE, seed: int = 0) -> dict[str, dict[str, float]]:
    """Figures of `Foretold.figures` by model, of every drug whose levels are used and whose plans are regular.

    ``refused`` counts people whose levels could not be brought together with their doses.
    """
    found = {}
    for name in sorted(pharmacy):
        drug = pharmacy[name]
        if drug.file.levels.quantities and offered(drug):
            for model in drug.models:
                stepped = model.file.response == "hamberg-inr"
                found[model.name] = _held(drug, model, max(1, people // _SLOWER) if stepped else people, seed)
    return found


def _held(drug: Drug, model: Model, people: int, seed: int) -> dict[str, float]:
    parts, refused = [], 0
    for n, subject in enumerate(invented(drug, model, people, seed)):
        try:
            parts.append(foretell(model, [subject], seed=seed + n))
        except ValueError:  # by name: the posterior could not be sampled
            refused += 1
    names = Foretold.__slots__
    whole = Foretold(**{name: np.concatenate([getattr(one, name) for one in parts]) for name in names})
    return {"people": people, "refused": refused, **whole.figures()}


def invented(drug: Drug, model: Model, people: int, seed: int) -> Iterator[Subject]:
    """People for whom a model is made, with its own variation and error, under plans that the content offers."""
    rng = np.random.default_rng(seed)
    plans = offered(drug)
    for n in range(people):
        covariates = _somebody(model, rng)
        plan = plans[int(rng.integers(len(plans)))]
        doses = plan.until(_DOSES * plan.interval_h).doses
        gaps = np.sort(rng.choice(_DOSES, _SAMPLES, replace=False))
        times = np.array([(gap + rng.uniform(0.3, 1.0)) * plan.interval_h for gap in gaps])
        bare = Subject(name=f"{model.name} {n}", covariates=covariates, doses=doses, levels=())
        placed = place(model, bare.known(0))
        if not isinstance(placed, Placed):
            raise ValueError(f"{model.name}: nobody is like this")
        etas = rng.multivariate_normal(np.zeros(len(model.varying)), model.covariance, size=1)
        values = measured(exact(model, placed.epochs(etas)[0], doses, times), model.file.residual, rng)[0]
        levels = (
            Level(at_h=float(at), value=max(float(value), _LEAST), quantity=drug.file.levels.quantities[0])
            for at, value in zip(times, values, strict=True)
        )
        yield Subject(name=bare.name, covariates=covariates, doses=doses, levels=tuple(levels))


def _somebody(model: Model, rng: np.random.Generator) -> Covariates:
    """Somebody whom the model is made for, from all over its range."""
    for _ in range(_TRIES):
        drawn = {name: float(rng.uniform(*_range(model, name))) for name in _USUAL}
        found = Covariates(
            age_years=drawn["AGE"],
            weight_kg=drawn["WT"],
            height_cm=drawn["HT"],
            creatinine_mg_dl=drawn["SCR"],
            haematocrit_percent=drawn["HCT"],
            baseline_inr=drawn["INR0"],
            sex="male" if rng.random() < 0.5 else "female",
            genotypes={gene: str(rng.choice(list(table))) for gene, table in model.file.genotypes.items()},
        )
        if not isinstance(fit_to(model, found), tuple):
            return found
    raise ValueError(f"{model.name}: nobody is like this")


def _range(model: Model, name: str) -> tuple[float, float]:
    low, high = _USUAL[name]
    limit = model.file.validity.get(name)
    return (low, high) if limit is None else (max(low, limit.low), min(high, limit.high))
