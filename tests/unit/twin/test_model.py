from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import Artefact, canonical_json, latest, write_manifest
from cds_app.domain.ontology import Ontology, Range
from cds_app.errors import ContentError
from cds_app.twin.model import TwinModel

EMPTY_JOINT: dict[str, Any] = {"quantities": [], "correlation": [], "percents": [], "quantiles": []}


def _artefact(folder: Path, dynamics: object, joint: object) -> Artefact:
    root = folder / "twin" / "1.0.0"
    root.mkdir(parents=True)
    (root / "dynamics.json").write_bytes(canonical_json(dynamics))
    (root / "correlation.json").write_bytes(canonical_json(joint))
    return write_manifest(root, {})


def test_the_shipped_artefact_holds_the_vital_signs_with_calibrated_horizons(ontology: Ontology) -> None:
    model = TwinModel.from_artefact(latest("twin"), ontology)
    for name in ("heart_rate", "map", "sbp", "resp_rate", "spo2", "body_temp"):
        found = model.dynamics[name]
        assert found.fitted
        assert [one.horizon_h for one in found.horizons] == [1, 2, 4, 8, 24]
        assert all(one.low_factor > 0 and one.high_factor > 0 for one in found.horizons)
    assert set(model.joint.quantities) <= set(model.dynamics)
    assert len(model.joint.correlation) == len(model.joint.quantities)


def test_what_was_not_fitted_comes_from_the_ontology(tmp_path: Path, ontology: Ontology) -> None:
    model = TwinModel.from_artefact(_artefact(tmp_path, {"quantities": {}}, EMPTY_JOINT), ontology)
    assert sorted(model.dynamics) == ["potassium"]
    found = model.dynamics["potassium"]
    assert (found.transform, found.baseline_mean, found.low, found.high) == ("log", 1.4, 1, 12)
    assert not found.fitted
    assert found.horizons == ()
    assert found.gate_z == 8.0


def test_quick_variables_are_gated_as_devices_and_open_limits_stay_open(tmp_path: Path, ontology: Ontology) -> None:
    quick = replace(ontology.variables["potassium"], fresh_h=1.0, plausible=Range(low=None, high=None))
    coded = replace(quick, key="coded", quantity="coded", numeric=False)
    other = replace(ontology, variables={"potassium": quick, "coded": coded})
    found = TwinModel.from_artefact(_artefact(tmp_path, {"quantities": {}}, EMPTY_JOINT), other)
    assert list(found.dynamics) == ["potassium"]
    assert found.dynamics["potassium"].gate_z == 5.0
    assert found.dynamics["potassium"].to_unit(-800.0) == pytest.approx(0.0, abs=1e-12)


def test_identity_depends_on_artefact_and_ontology(tmp_path: Path, ontology: Ontology) -> None:
    artefact = _artefact(tmp_path, {"quantities": {}}, EMPTY_JOINT)
    one = TwinModel.from_artefact(artefact, ontology)
    other = TwinModel.from_artefact(artefact, replace(ontology, sha256="1"))
    assert one.sha256 == TwinModel.from_artefact(artefact, ontology).sha256
    assert one.sha256 != other.sha256


@pytest.mark.parametrize("dynamics", [{}, {"quantities": {"potassium": {"transform": "log"}}}, []])
def test_an_incomplete_artefact_stops_the_start(tmp_path: Path, ontology: Ontology, dynamics: object) -> None:
    with pytest.raises(ContentError):
        TwinModel.from_artefact(_artefact(tmp_path, dynamics, EMPTY_JOINT), ontology)


def test_a_twin_fitted_in_another_unit_than_the_ontologys_stops_the_start(ontology: Ontology) -> None:
    kelvin = replace(ontology.variables["body_temp"], unit="K")
    with pytest.raises(ContentError, match="unit") as caught:
        TwinModel.from_artefact(latest("twin"), replace(ontology, variables={"body_temp": kelvin}))
    assert caught.value.field == "body_temp"


def test_zero_on_a_logarithmic_scale_counts_as_a_very_low_value(model: TwinModel) -> None:
    potassium = model.dynamics["potassium"]
    assert potassium.to_scale(0.0) == potassium.to_scale(1e-9) == pytest.approx(1.4 - 6 * 0.1)
    assert potassium.to_scale(4.2) == log(4.2)
