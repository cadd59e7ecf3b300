from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Ontology, Process, Range, Variable
from cds_app.twin.model import Dynamics, Horizon, JointReference, TwinModel

START = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


UNITS = {"heart_rate": "/min", "spo2": "%", "body_temp": "Cel", "potassium": "mmol/L", "orphan": "1"}


def _variable(key: str, quantity: str, plausible: Range, process: Process | None) -> Variable:
    return Variable(
        key=key, quantity=quantity, label=key, unit=UNITS[quantity], unit_text="", codes=(),
        plausible=plausible, reference={},
        fresh_h=24.0 if quantity == "potassium" else 4.0, decimals=1, process=process,
    )  # fmt: skip


@pytest.fixture(scope="session")
def ontology() -> Ontology:
    log = Process(
        transform="log", baseline_mean=1.4, baseline_sd=0.1, deviation_sd=0.1, relaxation_h=24.0, noise_sd=0.04
    )
    variables = {
        "heart_rate": _variable("heart_rate", "heart_rate", Range(low=10, high=300), None),
        "resting_heart_rate": _variable("resting_heart_rate", "heart_rate", Range(low=10, high=300), None),
        "spo2": _variable("spo2", "spo2", Range(low=30, high=100), None),
        "body_temp": _variable("body_temp", "body_temp", Range(low=25, high=45), None),
        "potassium": _variable("potassium", "potassium", Range(low=1, high=12), log),
        "orphan": _variable("orphan", "orphan", Range(low=None, high=None), None),
    }
    return Ontology(version="0", sha256="0", variables=variables, concepts={}, unit_synonyms={})


def _vital(quantity: str, mean: float, sd: tuple[float, float, float], limits: tuple[float, float]) -> Dynamics:
    weights = {"heart_rate": (0.01, -0.02, 0.03), "spo2": (0.0, 0.1, 0.0)}
    horizons = tuple(
        Horizon(horizon_h=at, intercept=0.01 * at, weights=weights, low_factor=1.7, high_factor=1.5)
        for at in (1.0, 4.0, 8.0)
    )
    return Dynamics(
        quantity=quantity, transform="identity", low=limits[0], high=limits[1], baseline_mean=mean,
        baseline_sd=sd[0], baseline_relaxation_h=2160.0, deviation_sd=sd[1], relaxation_h=8.0, noise_sd=sd[2],
        soft_z=2.5, gate_z=5.0, horizons=horizons, fitted=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def model() -> TwinModel:
    dynamics = {
        "body_temp": _vital("body_temp", 36.8, (0.2, 0.55, 0.11), (25, 45)),
        "heart_rate": _vital("heart_rate", 82.0, (10.0, 9.0, 2.5), (10, 300)),
        "potassium": Dynamics(
            quantity="potassium", transform="log", low=1, high=12, baseline_mean=1.4, baseline_sd=0.1,
            baseline_relaxation_h=2160.0, deviation_sd=0.1, relaxation_h=24.0, noise_sd=0.04, soft_z=4.0, gate_z=8.0,
        ),
        "spo2": _vital("spo2", 98.0, (1.1, 1.5, 0.8), (30, 100)),
    }  # fmt: skip
    return TwinModel(version="0", sha256="model", dynamics=dynamics, joint=JointReference())


@pytest.fixture(scope="session")
def measure() -> Callable[..., Measurement]:
    def one(ref: str, hours: float, value: float, variable: str = "heart_rate", version: str = "1") -> Measurement:
        when = START + timedelta(hours=hours)
        return Measurement(
            ref=f"Observation/{ref}", version=version, when=when, learned=when, variable=variable, value=value
        )

    return one
