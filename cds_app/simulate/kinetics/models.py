"""Published models of drugs as content: structure, typical values, covariates, variances, errors, limits, sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from cds_app.content import Artefact, Content
from cds_app.errors import ContentError
from cds_app.simulate.kinetics.covariates import DERIVED, MEASURED, Covariates
from cds_app.simulate.kinetics.formulas import Formula, read_formula

FILE: Final = "model.json"
PER_UNIT: Final[Mapping[str, float]] = {
    **dict.fromkeys(("L/h", "/h", "L", "h", "1", "mg/L"), 1.0),
    **dict.fromkeys(("L/min", "/min"), 60.0),
}
"""Factors to the units of the engine: hours, litres, milligrams."""

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
Tag = Literal["V", "G", "M"]


class Parameter(Content):
    """A parameter, typical value as a formula, in the order in which they may use each other.

    ``omega2`` is the variance of its logarithm between people (0: none is published); ``cv_pct`` is as published.
    """

    name: Name
    unit: Literal["L/h", "L/min", "/h", "/min", "L", "h", "1", "mg/L"]
    value: Text
    omega2: Annotated[float, Field(ge=0.0)] = 0.0
    cv_pct: PositiveFloat | None = None


class Definition(Content):
    """A part of formulas that has a name of its own."""

    name: Name
    value: Text


class Covariance(Content):
    """How the logarithms of two parameters vary together."""

    of: tuple[Name, Name]
    value: float


class Residual(Content):
    """Error of a measured level.

    ``combined``: sd = sqrt(additive^2 + (proportional * predicted)^2). ``log``: of the logarithm, ``proportional``.
    """

    kind: Literal["combined", "log"]
    proportional: Annotated[float, Field(ge=0.0)] = 0.0
    additive: Annotated[float, Field(ge=0.0)] = 0.0

    @model_validator(mode="after")
    def _is_not_exact(self) -> Residual:
        if self.proportional + self.additive <= 0.0:
            raise ValueError("no measurement is exact")
        return self


class Adjustment(Content):
    """A rule of the publication itself about a covariate; whenever it is applied, it is reported."""

    name: Name
    at_least: float | None = None
    at_most: float | None = None
    over_age_years: float | None = None
    says: Text


class Range(Content):
    """Limits inside which a model is used, and where they come from."""

    low: float
    high: float
    tag: Tag


class ModelFile(Content):
    """One model of one drug.

    ``lag_h`` is the time from swallowing to the start of absorption, the same in everybody. ``intensive_care`` says
    that a model was made from people in intensive care alone, or from none of them: it is used for nobody else. Left
    out, it was made from both, or its publication does not say. ``conditions`` are problems of the ontology, in words,
    of which all of its people had one. ``flags`` are circumstances with what is taken where nobody tells them, and
    ``assumes`` says so of each.
    """

    drug: Text
    compartments: Literal[1, 2, 3]
    absorption_steps: Annotated[int, Field(ge=0, le=8)] = 0
    lag_h: NonNegativeFloat = 0.0
    response: Literal["none", "effect-site", "hamberg-inr"] = "none"
    dose_fraction: PositiveFloat = 1.0
    concentration_unit: Text
    concentration_per_mg_l: PositiveFloat = 1.0
    definitions: tuple[Definition, ...] = ()
    genotypes: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)
    constants: Mapping[Name, float] = Field(default_factory=dict)
    parameters: Annotated[tuple[Parameter, ...], Field(min_length=2)]
    covariances: tuple[Covariance, ...] = ()
    omega2_convention: Text
    residual: Residual
    adjustments: tuple[Adjustment, ...] = ()
    validity: Mapping[Name, Range]
    flags: Mapping[Name, bool] = Field(default_factory=dict)
    assumes: Mapping[Name, Text] = Field(default_factory=dict)
    population: Text
    intensive_care: bool | None = None
    conditions: Mapping[str, Text] = Field(default_factory=dict)
    source: Text
    tags: Annotated[tuple[Tag, ...], Field(min_length=1)]
    needs_review: bool
    notes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _is_honest(self) -> ModelFile:
        from_memory = "M" in self.tags or any(one.tag == "M" for one in self.validity.values())
        if from_memory and not self.needs_review:
            raise ValueError("a model with anything from memory needs review")
        if self.flags.keys() != self.assumes.keys():
            raise ValueError("what is assumed where a flag is not told must be said of each")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A model that was read and checked.

    Parameters
    ----------
    name, version, sha256 : str
        Of the artefact.
    file : ModelFile
    formulas : mapping of str to Formula
        Of definitions and parameters, in the order in which they are worked out.
    varying : tuple of str
        Parameters that differ between people, in the order of ``covariance``.
    covariance : ndarray (varying, varying)
        Of the logarithms.
    """

    name: str
    version: str
    sha256: str
    file: ModelFile
    formulas: Mapping[str, Formula]
    varying: tuple[str, ...]
    covariance: NDArray[np.float64]

    @property
    def needs(self) -> frozenset[str]:
        """Measured and derived names that its formulas and limits use."""
        used = frozenset().union(*(one.names for one in self.formulas.values()))
        return frozenset(name for name in {*used, *self.file.validity} if name in MEASURED or name in DERIVED)


def load_model(artefact: Artefact) -> Model:
    """Read a model and check every name in it.

    Raises
    ------
    ContentError
        Naming the artefact and the place.
    """
    file = artefact.read(FILE, ModelFile)
    return model_of(file, name=artefact.name, version=artefact.version, sha256=artefact.sha256)


def model_of(file: ModelFile, *, name: str, version: str, sha256: str) -> Model:
    """A model from what its file says, every name in it checked.

    Raises
    ------
    ContentError
        As for `load_model`.
    """
    formulas = _formulas(name, file)
    for problem in _problems(file, formulas):
        raise ContentError(f"models/pkpd/{name}: {problem}", field=FILE)
    varying = tuple(one.name for one in file.parameters if one.omega2 > 0.0)
    return Model(
        name=name,
        version=version,
        sha256=sha256,
        file=file,
        formulas=formulas,
        varying=varying,
        covariance=_covariance(name, file, varying),
    )


def _formulas(name: str, file: ModelFile) -> dict[str, Formula]:
    found = {}
    texts = [(one.name, one.value) for one in file.definitions] + [(one.name, one.value) for one in file.parameters]
    for key, text in texts:
        try:
            found[key] = read_formula(text)
        except ContentError as error:
            raise ContentError(f"models/pkpd/{name}: {key}: {error.message}", field=FILE) from error
    return found


def _problems(file: ModelFile, formulas: Mapping[str, Formula]) -> Iterator[str]:
    known = {*MEASURED, *DERIVED, *file.genotypes, *file.constants, *file.flags}
    for name, formula in formulas.items():
        if unknown := sorted(formula.names - known):
            yield f"{name} uses {unknown[0]}, which is not known there"
        known.add(name)
    for name in {*file.validity, *(one.name for one in file.adjustments)} - file.flags.keys():
        if name not in MEASURED and name not in DERIVED:
            yield f"{name} is no covariate"
    if missing := sorted(_demanded(file) - formulas.keys()):
        yield f"lacks the parameter {missing[0]}"


def _demanded(file: ModelFile) -> set[str]:
    wanted = {"CL", *(f"V{n}" for n in range(1, file.compartments + 1))}
    wanted |= {f"Q{n}" for n in range(2, file.compartments + 1)}
    wanted |= {"KA"} if file.absorption_steps else set()
    wanted |= {"KE0"} if file.response == "effect-site" else set()
    return wanted | ({"MTT1", "MTT2", "EC50"} if file.response == "hamberg-inr" else set())


def _covariance(name: str, file: ModelFile, varying: tuple[str, ...]) -> NDArray[np.float64]:
    variances = {one.name: one.omega2 for one in file.parameters}
    matrix = np.diag([variances[one] for one in varying])
    for entry in file.covariances:
        if not set(entry.of) <= set(varying):
            raise ContentError(f"models/pkpd/{name}: a covariance names what does not vary", field=FILE)
        i, j = (varying.index(one) for one in entry.of)
        matrix[i, j] = matrix[j, i] = entry.value
    if len(matrix) and np.linalg.eigvalsh(matrix).min() <= 0.0:
        raise ContentError(f"models/pkpd/{name}: the covariances do not make a distribution", field=FILE)
    return matrix


def refer(covariates: Covariates, name: str) -> float | None:
    """A measured covariate by its name in formulas."""
    value: float | None = getattr(covariates, MEASURED[name])
    return value
