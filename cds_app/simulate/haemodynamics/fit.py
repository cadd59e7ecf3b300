"""A patient's circulation from a few measurements: draws that agree with them and stay uncertain where they are silent.

The unknowns are size (blood volume), stressed volume, resistance, the systolic compliances, arterial compliance and the
true heart rate; each has a prior around the reference adult. Mean pressure and pulse pressure tell of them through the
surface; cardiac output and ejection fraction where they were measured, else output through a prior of the cardiac
index. Sampled by adaptive importance sampling (Cappé 2004): candidates from a wide proposal, weighted by prior times
likelihood, then from a Student mixture with the weighted mean and covariance; the last round is resampled. What does
not fit is refused: too few effective candidates, or a measurement that no weighted candidate comes near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cds_app.domain.arrays import Floats
from cds_app.errors import ContentError
from cds_app.score.result import Abstained, Lack
from cds_app.simulate.haemodynamics.circulation import ML_PER_S_TO_L_PER_MIN, Bodies, Ceilings
from cds_app.simulate.haemodynamics.model import values
from cds_app.simulate.haemodynamics.patient import NAME, Known
from cds_app.simulate.haemodynamics.reference import Constants
from cds_app.simulate.haemodynamics.surface import States, Surface

if TYPE_CHECKING:
    from cds_app.content import Artefact

_FILE: Final = "patient.json"
_UNKNOWNS: Final = (
    "size",
    "stressed_volume",
    "resistance",
    "lv_systolic",
    "rv_systolic",
    "arterial_compliance",
    "rate",
)
_TAILS: Final = 5.0  # degrees of freedom of the proposal
_WIDER: Final = 1.2
_FIRST_WIDER: Final = 1.3
_LEAST_WIDE: Final = 0.05  # of the prior's spread: keeps the covariance from collapsing
_MODEL: Final = Lack(
    name="model",
    why="unsuitable",
    text="no circulation of this model has this pressure, pulse pressure, rate and flow together",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """What is assumed of people in general; the groups of ``patient.json`` by name."""

    measurement: Mapping[str, float]
    blood_volume: Mapping[str, float]
    output: Mapping[str, float]
    spread: Mapping[str, float]
    reflex: Mapping[str, float]
    fit: Mapping[str, float]
    ceilings: Ceilings


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Median and the central 90 % of draws."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Draws of one patient at rest.

    Parameters
    ----------
    bodies : Bodies
        Equally likely.
    effective : float
        Effective number of the candidates that they were drawn from.
    found : mapping of str to Interval
        ``blood_volume_l``, ``cardiac_output_l_per_min``, ``resistance_dyn_s_per_cm5``, ``ejection_fraction``,
        ``mean_pressure_mmhg``.
    assumed : tuple of str
        Measurements that were not there and came from a prior: knowing them would narrow the answer.
    """

    bodies: Bodies
    effective: float
    found: Mapping[str, Interval]
    assumed: tuple[str, ...]


def priors(artefact: Artefact) -> Priors:
    """Read the priors; ContentError if one is missing."""
    groups: Any = artefact.read_json(_FILE)
    names = {"output": "unmeasured_output", "spread": "prior"}
    read = {
        name: values(groups, names.get(name, name))
        for name in ("measurement", "blood_volume", "output", "spread", "reflex", "fit")
    }
    try:
        return Priors(**read, ceilings=Ceilings(**values(groups, "ceilings")))
    except TypeError as error:
        raise ContentError(f"{_FILE} does not hold what the fit needs", field=_FILE) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What a patient's candidates are weighted by."""

    known: Known
    priors: Priors
    surface: Surface
    centre: Floats  # of the logarithms of the unknowns
    spread: Floats

    def log_weight(self, logs: Floats) -> tuple[Floats, States]:
        """Logarithm of prior times likelihood, (candidates,), and the states at rest."""
        states = self.surface.states(np.exp(logs[[1, 2, 6, 3, 4, 5]]))
        prior = -0.5 * (((logs - self.centre[:, None]) / self.spread[:, None]) ** 2).sum(axis=0)
        misfit = sum(((told - seen) / sd) ** 2 for told, seen, sd in self.readings(logs, states))
        return np.where(states.outside, -np.inf, prior - 0.5 * misfit), states

    def readings(self, logs: Floats, states: States) -> list[tuple[Floats, float, float]]:
        """By measurement: what the candidates have, what was read, and its standard deviation."""
        known, error = self.known, self.priors.measurement
        size, rate = np.exp(logs[0]), np.exp(logs[6])
        output = size * states.output * ML_PER_S_TO_L_PER_MIN
        read = [
            (states.mean_pressure, known.mean_pressure, known.sd("map", error["mean_pressure_sd"])),
            (states.pulse_pressure, known.pulse_pressure, known.sd("pulse_pressure", error["pulse_pressure_sd"])),
        ]
        if known.cardiac_output is None:
            area = known.body_surface_m2
            read.append((output, self.priors.output["index_mean"] * area, self.priors.output["index_sd"] * area))
        else:
            read.append((output, known.cardiac_output, error["output_share_sd"] * known.cardiac_output))
        if known.ejection_fraction is not None:
            ejected = states.output / rate * 60.0 / states.end_diastolic
            read.append((ejected, known.ejection_fraction, error["ejection_fraction_sd"]))
        return read


def fit(
    known: Known, surface: Surface, constants: Constants, assumed: Priors, rng: np.random.Generator, *, draws: int
) -> Fit | Abstained:
    """Draw circulations that agree with the measurements.

    Parameters
    ----------
    known : Known
        From `cds_app.simulate.haemodynamics.patient.known`.
    surface, constants : Surface, Constants
        The model.
    assumed : Priors
    rng : Generator
        All chance comes from it.
    draws : int
        How many are wanted.

    Returns
    -------
    Fit or Abstained
        Abstained where the model cannot have such a circulation, by ``model``.
    """
    target = _target(known, surface, constants, assumed)
    logs, states, weights = _sampled(target, rng)
    effective = 0.0 if weights is None else float(1.0 / (weights**2).sum())
    if weights is None or effective < assumed.fit["least_effective"] or _far(target, logs, states, weights):
        return Abstained(name=NAME, reasons=(_MODEL,))
    rows = _systematic(weights, draws, rng)
    bodies = _bodies(target, logs[:, rows], states.mean_pressure[rows], rng)
    optional = {"cardiac_output": known.cardiac_output, "ejection_fraction": known.ejection_fraction}
    return Fit(
        bodies=bodies,
        effective=effective,
        found=_found(bodies, surface, constants),
        assumed=tuple(name for name, value in optional.items() if value is None),
    )


def _target(known: Known, surface: Surface, constants: Constants, assumed: Priors) -> _Target:
    blood, spread = assumed.blood_volume, assumed.spread
    per_kg = blood["ml_per_kg"] * np.sqrt(blood["at_body_mass_index"] / known.body_mass_index)
    size = per_kg * known.person.weight_kg / constants.blood_volume_ml
    stressed = constants.blood_volume_ml - constants.unstressed_volume_ml
    vessels = (constants.peripheral_resistance, constants.lv_systolic_compliance, constants.rv_systolic_compliance)
    centre = np.log([size, stressed, *vessels, constants.arterial_compliance, known.heart_rate])
    between = [spread[f"{name}_sd"] for name in _UNKNOWNS[1:6]]
    rate = known.sd("heart_rate", assumed.measurement["heart_rate_sd"]) / known.heart_rate
    sds = np.array([blood["spread_sd"], *between, rate])
    return _Target(known=known, priors=assumed, surface=surface, centre=centre, spread=sds)


def _sampled(target: _Target, rng: np.random.Generator) -> tuple[Floats, States, Floats | None]:
    """Candidates of the last round, their states, and their weights (None where none is possible)."""
    mean, covariance = target.centre, np.diag((_FIRST_WIDER * target.spread) ** 2)
    logs, states, weights = _round(target, mean, covariance, rng)
    for _ in range(int(target.priors.fit["rounds"]) - 1):
        if weights is None:
            break
        mean = logs @ weights
        off = logs - mean[:, None]
        covariance = _WIDER * ((off * weights) @ off.T + np.diag((_LEAST_WIDE * target.spread) ** 2))
        logs, states, weights = _round(target, mean, covariance, rng)
    return logs, states, weights


def _round(
    target: _Target, mean: Floats, covariance: Floats, rng: np.random.Generator
) -> tuple[Floats, States, Floats | None]:
    """Candidates from a multivariate Student distribution, with normalised weights."""
    number = int(target.priors.fit["candidates"])
    normal = rng.standard_normal((mean.size, number))
    stretch = np.sqrt(_TAILS / rng.chisquare(_TAILS, number))
    logs = mean[:, None] + np.linalg.cholesky(covariance) @ normal * stretch
    distance = (normal**2).sum(axis=0) * stretch**2
    proposed = -0.5 * (_TAILS + mean.size) * np.log1p(distance / _TAILS)
    wanted, states = target.log_weight(logs)
    shape = wanted - proposed
    if not np.isfinite(shape).any():
        return logs, states, None
    weights = np.exp(shape - shape.max())
    return logs, states, weights / weights.sum()


def _far(target: _Target, logs: Floats, states: States, weights: Floats) -> bool:
    """Whether a reading is more than so many standard deviations from the weighted mean of the candidates."""
    usable = np.where(states.outside, 0.0, weights)
    most = target.priors.fit["most_misfit_sd"]
    return any(abs(float(told @ usable) - seen) > most * sd for told, seen, sd in target.readings(logs, states))


def _systematic(weights: Floats, draws: int, rng: np.random.Generator) -> Any:
    """Rows drawn with these weights, as evenly as can be, in random order."""
    steps = (np.arange(draws) + rng.random()) / draws
    rows = np.minimum(np.searchsorted(np.cumsum(weights), steps), weights.size - 1)
    return rng.permutation(rows)


def _bodies(target: _Target, logs: Floats, pressure: Floats, rng: np.random.Generator) -> Bodies:
    """Draws with their own reflex: it defends the pressure at rest, so that rest is steady."""
    reflex, draws = target.priors.reflex, pressure.size
    natural = np.exp(logs)
    greatest = reflex["greatest_rate_at_birth"] + reflex["greatest_rate_per_year"] * target.known.person.age_years
    beta = reflex["beta_blocked_share"] if target.known.beta_blocked else 1.0
    return Bodies(
        **dict(zip(_UNKNOWNS[:6], natural[:6], strict=True)),
        heart_rate=natural[6],
        set_point=pressure,
        reflex_gain=np.exp(reflex["gain_sd"] * rng.standard_normal(draws)),
        beta_gain=np.full(draws, beta),
        greatest_rate=np.maximum(greatest, natural[6]),
    )


def _found(bodies: Bodies, surface: Surface, constants: Constants) -> dict[str, Interval]:
    inputs = [bodies.stressed_volume, bodies.resistance, bodies.heart_rate]
    states = surface.states(np.array([*inputs, bodies.lv_systolic, bodies.rv_systolic, bodies.arterial_compliance]))
    output = bodies.size * states.output
    ejected = states.output / bodies.heart_rate * 60.0 / states.end_diastolic
    stressed = constants.blood_volume_ml - constants.unstressed_volume_ml
    blood = bodies.size * (constants.blood_volume_ml + bodies.stressed_volume - stressed) / 1000.0
    return {
        "blood_volume_l": interval(blood),
        "cardiac_output_l_per_min": interval(output * ML_PER_S_TO_L_PER_MIN),
        "resistance_dyn_s_per_cm5": interval(1333.2 * bodies.resistance / bodies.size),
        "ejection_fraction": interval(ejected),
        "mean_pressure_mmhg": interval(states.mean_pressure),
    }


def interval(draws: Floats) -> Interval:
    """Median and central 90 % of draws."""
    low, median, high = (float(one) for one in np.percentile(draws, (5.0, 50.0, 95.0)))
    return Interval(low=low, median=median, high=high)
