"""The twin's parameters: how each quantity moves, and how deviations of several quantities go together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import TYPE_CHECKING, Any

from cds_app.domain.ontology import Ontology, Process, Transform, Variable
from cds_app.errors import ContentError

if TYPE_CHECKING:
    from cds_app.content import Artefact

_NORMAL_95 = 1.6448536269514722  # standard normal quantile, for quantities without calibrated factors
_SLOW_H = 5 * 365.25 * 24  # a healthy person's baseline is lost over years
DEVICE_Z = (2.5, 5.0)  # soft and gate, for what a device reads
LABORATORY_Z = (4.0, 8.0)  # a single critical result counts: laboratories reject artefacts before release
_DEVICE_FRESH_H = 12.0  # what is stale within half a day is read from a device, not released by a laboratory
_LOWEST_SD = 6.0  # "below detection" sent as 0, on a logarithmic scale
RESIDUAL_FADES_H = 2.0  # time constant of the last residual as a predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Calibrated forecast at one horizon.

    Parameters
    ----------
    horizon_h : float
        Hours ahead.
    intercept : float
        Correction of the closed-form forecast, on the transformed scale.
    weights : mapping of str to tuple of float
        Per quantity of the same patient: weights of its baseline (minus the population's), its deviation and its last
        residual (noise) in the correction.
    low_factor, high_factor : float
        How many predictive standard deviations the 90 % interval reaches below and above the forecast
        (split-conformal, Vovk 2005, on calibration patients).
    """

    horizon_h: float
    intercept: float = 0.0
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    low_factor: float = _NORMAL_95
    high_factor: float = _NORMAL_95


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamics:
    """How one quantity moves. All but times and limits are on the transformed scale.

    Parameters
    ----------
    quantity : str
        Ontology quantity.
    transform : {"identity", "log"}
        From the canonical unit to the scale of the state.
    low, high : float
        Plausible (physical) limits in the canonical unit: no estimate lies outside.
    baseline_mean, baseline_sd : float
        Population mean of the personal baseline and its spread between persons.
    baseline_relaxation_h : float
        Time constant with which knowledge of the baseline is lost, hours.
    deviation_sd : float
        Stationary standard deviation of the mean-reverting part.
    relaxation_h : float
        Time constant of the return to baseline, hours.
    noise_sd : float
        Measurement noise and variation within minutes.
    soft_z, gate_z : float
        Innovations beyond these many standard deviations weigh less, or wait for confirmation.
    horizons : tuple of Horizon
        Ascending; empty when no population was there to calibrate on.
    fitted : bool
        Whether the parameters come from data (else from the ontology).
    unit : str
        The canonical UCUM unit.
    deviation_scale : float
        Standard deviation that standardised deviations have in the reference population; illness has heavier tails
        than the filter's Gaussian.
    """

    quantity: str
    transform: Transform
    low: float
    high: float
    baseline_mean: float
    baseline_sd: float
    baseline_relaxation_h: float
    deviation_sd: float
    relaxation_h: float
    noise_sd: float
    soft_z: float
    gate_z: float
    horizons: tuple[Horizon, ...] = ()
    fitted: bool = False
    unit: str = ""
    deviation_scale: float = 1.0

    def to_scale(self, value: float) -> float:
        """From the canonical unit to the scale of the state; for a logarithm, 0 counts as the lowest usual value."""
        if self.transform == "identity":
            return value
        lowest = self.baseline_mean - _LOWEST_SD * self.baseline_sd
        return max(log(value), lowest) if value > 0.0 else lowest

    def on_scale(self, values: Sequence[float]) -> list[float]:
        """`to_scale` of many values."""
        return list(values) if self.transform == "identity" else [self.to_scale(value) for value in values]

    def to_unit(self, scaled: float) -> float:
        """From the scale of the state to the canonical unit, inside the plausible limits."""
        value = scaled if self.transform == "identity" else exp(min(scaled, 50.0))
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointReference:
    """How standardised deviations go together in the reference population.

    Parameters
    ----------
    quantities : tuple of str
        Order of the rows of ``correlation``.
    correlation : tuple of tuple of float
        Shrunk correlation of standardised deviations.
    percents : tuple of float
        Ascending percentages at which ``quantiles`` are given.
    quantiles : tuple of (int, tuple of float)
        Per number of quantities in the index (ascending, "from this many on"): values of the index.
    """

    quantities: tuple[str, ...] = ()
    correlation: tuple[tuple[float, ...], ...] = ()
    percents: tuple[float, ...] = ()
    quantiles: tuple[tuple[int, tuple[float, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwinModel:
    """Everything that the twin knows of people in general; there is one of a kind, equal only to itself.

    Parameters
    ----------
    version : str
        Version of the artefact.
    sha256 : str
        Of the artefact and of the ontology that filled in for it.
    dynamics : mapping of str to Dynamics
        By quantity.
    joint : JointReference
        For the joint deviation index.
    """

    version: str
    sha256: str
    dynamics: Mapping[str, Dynamics]
    joint: JointReference

    @classmethod
    def from_artefact(cls, artefact: Artefact, ontology: Ontology) -> TwinModel:
        """Fitted quantities from the artefact, every other numeric one from the ontology.

        Raises
        ------
        ContentError
            If the artefact lacks a field, or was fitted in another unit than the ontology's.
        """
        try:
            fitted = artefact.read_json("dynamics.json")
            joint = joint_of(artefact.read_json("correlation.json"))
            dynamics = dict(_dynamics(ontology, fitted["quantities"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError(f"artefact {artefact.name} is incomplete", field=artefact.name) from error
        sha256 = hashlib.sha256(f"{artefact.sha256} {ontology.sha256}".encode()).hexdigest()
        return cls(version=artefact.version, sha256=sha256, dynamics=dynamics, joint=joint)


def _dynamics(ontology: Ontology, fitted: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Dynamics]]:
    found: dict[str, Dynamics] = {name: dynamics_of(name, entry) for name, entry in fitted.items()}
    for variable in ontology.variables.values():
        name = variable.quantity
        if not variable.numeric or not name:
            continue
        standing = ontology.quantity(name)
        if name in found and found[name].unit != standing.unit:
            raise ContentError("the twin was fitted in another unit than the ontology's", field=name)
        if name not in found and standing.process is not None:
            found[name] = _from_process(standing, standing.process)
    return sorted(found.items())


def dynamics_of(quantity: str, entry: Mapping[str, Any]) -> Dynamics:
    """Read one quantity of ``dynamics.json``."""
    rest = {key: value for key, value in entry.items() if key != "horizons"}
    horizons = tuple(
        Horizon(**{**one, "weights": {name: tuple(three) for name, three in one.get("weights", {}).items()}})
        for one in entry.get("horizons", ())
    )
    return Dynamics(quantity=quantity, horizons=horizons, fitted=True, **rest)


def joint_of(entry: Mapping[str, Any]) -> JointReference:
    """Read ``correlation.json``."""
    return JointReference(
        quantities=tuple(entry["quantities"]),
        correlation=tuple(tuple(row) for row in entry["correlation"]),
        percents=tuple(entry["percents"]),
        quantiles=tuple((int(at_least), tuple(values)) for at_least, values in entry["quantiles"]),
    )


def _from_process(variable: Variable, process: Process) -> Dynamics:
    soft_z, gate_z = DEVICE_Z if variable.fresh_h <= _DEVICE_FRESH_H else LABORATORY_Z
    low, high = variable.plausible.low, variable.plausible.high
    return Dynamics(
        quantity=variable.quantity,
        transform=process.transform,
        low=float("-inf") if low is None else low,
        high=float("inf") if high is None else high,
        baseline_mean=process.baseline_mean,
        baseline_sd=process.baseline_sd,
        baseline_relaxation_h=_SLOW_H,
        deviation_sd=process.deviation_sd,
        relaxation_h=process.relaxation_h,
        noise_sd=process.noise_sd,
        soft_z=soft_z,
        gate_z=gate_z,
        unit=variable.unit,
    )
