from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_app.domain.ontology import Ontology, Range, Variable
from cds_app.score.deviation import Deviation, decomposed, deviations, joint, percentile, standardised
from cds_app.twin.model import Dynamics, JointReference, TwinModel
from cds_app.twin.state import TwinState, track_of

NAMES = ("a", "b", "c", "d")
RHO = ((1.0, 0.6, 0.2, 0.0), (0.6, 1.0, 0.1, 0.0), (0.2, 0.1, 1.0, -0.3), (0.0, 0.0, -0.3, 1.0))
REFERENCE = JointReference(
    quantities=NAMES,
    correlation=RHO,
    percents=(0.0, 50.0, 100.0),
    quantiles=((3, (0.0, 1.0, 9.0)), (4, (0.0, 2.0, 8.0))),
)


def _dynamics(name: str) -> Dynamics:
    return Dynamics(
        quantity=name, transform="identity", low=-1e9, high=1e9, baseline_mean=50.0, baseline_sd=5.0,
        baseline_relaxation_h=2160.0, deviation_sd=4.0, relaxation_h=10.0, noise_sd=2.0, soft_z=2.5, gate_z=5.0,
    )  # fmt: skip


MODEL = TwinModel(version="0", sha256="m", dynamics={name: _dynamics(name) for name in (*NAMES, "e")}, joint=REFERENCE)
ONTOLOGY = Ontology(
    version="0", sha256="0", concepts={}, unit_synonyms={},
    variables={
        name: Variable(
            key=name, quantity=name, label=name, unit="1", unit_text="", codes=(), plausible=Range(low=None, high=None),
            reference={}, fresh_h=6.0, decimals=1,
        )
        for name in (*NAMES, "e")
    },
)  # fmt: skip


def _found(**z: float) -> list[Deviation]:
    return [Deviation(quantity=name, z=one, stale=False) for name, one in z.items()]


def test_with_one_sample_a_deviation_is_the_z_against_the_population() -> None:
    track = track_of(MODEL, "a", [0.0], [62.0])
    assert standardised(MODEL.dynamics["a"], track, 0.0) == pytest.approx(12.0 / sqrt(25.0 + 16.0 + 4.0))
    assert track.z[0] == pytest.approx(12.0 / sqrt(45.0))


def test_a_deviation_is_divided_by_the_scale_of_the_reference_population() -> None:
    track = track_of(MODEL, "a", [0.0], [62.0])
    wider = replace(MODEL.dynamics["a"], deviation_scale=1.5)
    assert standardised(wider, track, 0.0) == pytest.approx(standardised(MODEL.dynamics["a"], track, 0.0) / 1.5)


def test_with_many_samples_it_is_against_the_persons_own_baseline() -> None:
    hours = [24.0 * i for i in range(60)]
    track = track_of(MODEL, "a", hours, [60.0] * 60)
    assert abs(standardised(MODEL.dynamics["a"], track, hours[-1])) < 0.3
    raised = track_of(MODEL, "a", [*hours, hours[-1] + 24.0], [*[60.0] * 60, 68.0])
    assert standardised(MODEL.dynamics["a"], raised, hours[-1] + 24.0) > 1.2


def test_deviations_name_the_last_sample_and_whether_it_is_stale() -> None:
    tracks = {"a": track_of(MODEL, "a", [0.0], [70.0]), "b": track_of(MODEL, "b", [5.0], [40.0])}
    state = TwinState(model_sha256="m", tracks=tracks)
    found = deviations(MODEL, ONTOLOGY, state, 7.0)
    assert [(one.quantity, one.stale) for one in found] == [("a", True), ("b", False)]
    assert found[0].z > 0.0 > found[1].z
    assert [one.quantity for one in deviations(MODEL, ONTOLOGY, state, 4.0)] == ["a"]


@settings(deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=4, max_size=4))
def test_contributions_sum_to_the_index_and_are_not_negative(z: list[float]) -> None:
    found = joint(REFERENCE, _found(**dict(zip(NAMES, z, strict=True))))
    assert found.index is not None
    parts = [part for _, part in found.contributions]
    assert sum(parts) == pytest.approx(found.index, abs=1e-9)
    assert min(parts) >= 0.0
    assert parts == sorted(parts, reverse=True)
    mahalanobis = np.array(z) @ np.linalg.inv(np.array(RHO)) @ np.array(z)
    assert found.index == pytest.approx(mahalanobis / 4, abs=1e-9)


def test_without_correlation_each_contributes_its_square() -> None:
    z = np.array([1.0, -2.0, 3.0])
    assert decomposed(z, np.eye(3)) == pytest.approx(z * z)


def test_only_the_quantities_that_are_fresh_and_known_are_in_it() -> None:
    stale = Deviation(quantity="d", z=9.0, stale=True)
    found = joint(REFERENCE, [*_found(a=1.0, b=1.0, c=-1.0, e=5.0), stale])
    assert (found.used, found.stale, found.unknown) == (("a", "b", "c"), ("d",), ("e",))
    z, rho = np.array([1.0, 1.0, -1.0]), np.array(RHO)[:3, :3]
    assert found.index == pytest.approx(z @ np.linalg.inv(rho) @ z / 3)


def test_it_abstains_with_names_when_too_few_are_fresh() -> None:
    stale = Deviation(quantity="c", z=9.0, stale=True)
    found = joint(REFERENCE, [*_found(a=1.0, b=1.0), stale])
    assert found.index is None
    assert found.percentile is None
    assert found.contributions == ()
    assert (found.used, found.stale) == (("a", "b"), ("c",))


def test_the_percentile_is_read_in_the_band_of_as_many_quantities() -> None:
    assert percentile(REFERENCE, 3, 1.0) == 50.0
    assert percentile(REFERENCE, 4, 1.0) == 25.0
    assert percentile(REFERENCE, 9, 100.0) == 100.0
    assert percentile(REFERENCE, 2, 1.0) is None
