"""Patients and models for tests of the simulation of drugs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cds_app.content import latest
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.services.content.pharmacology import load_pharmacy
from cds_app.simulate.kinetics.courses import Epoch
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.kinetics.individual import Fitted, fit_to, parameters
from cds_app.simulate.kinetics.models import Model

ROOT = Path(__file__).resolve().parents[3]


@cache
def ontology() -> Ontology:
    return load_ontology(latest("ontology", root=ROOT))


@cache
def drug(name: str) -> Drug:
    return load_pharmacy(ROOT, ontology())[name]


def model(name: str) -> Model:
    return next(one for one in drug(name.partition("-")[0]).models if one.name == name)


def adult(**given: Any) -> Covariates:
    """A man of 60, 80 kg and 175 cm with a creatinine of 1.0 mg/dL, as of the golden values for vancomycin.

    He has every problem that some model asks for, but is in no intensive care.
    """
    usual: dict[str, Any] = {
        "age_years": 60.0,
        "weight_kg": 80.0,
        "height_cm": 175.0,
        "creatinine_mg_dl": 1.0,
        "sex": "male",
        "conditions": frozenset({"kidney_transplant", "haematological_malignancy"}),
    }
    return Covariates(**usual | given)


def known(name: str, covariates: Covariates) -> Fitted:
    found = fit_to(model(name), covariates)
    assert isinstance(found, Fitted), found
    return found


def epochs(name: str, covariates: Covariates, draws: int = 1, seed: int | None = None) -> list[Epoch]:
    """Typical parameters, or draws of them."""
    one = model(name)
    shape = (draws, len(one.varying))
    etas = np.zeros(shape)
    if seed is not None:
        etas = np.random.default_rng(seed).multivariate_normal(np.zeros(shape[1]), one.covariance, draws)
    return [Epoch(from_h=0.0, parameters=parameters(one, known(name, covariates), etas))]
