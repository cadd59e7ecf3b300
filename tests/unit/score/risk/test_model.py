"""The risk model on a toy artefact: self-check, additivity, calibration, abstentions, refusal of tampered files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from cds_app.content import Artefact, write_manifest
from cds_app.errors import ContentError
from cds_app.learn.artefact import sealed
from cds_app.score.features.hours import FEATURES, NAMES
from cds_app.score.result import Abstained
from cds_app.score.risk.calibration import Calibration
from cds_app.score.risk.eligibility import Circumstances, Ineligible, Limits, eligible
from cds_app.score.risk.model import RiskModel
from cds_app.score.trees.boosted import Boosted, load_booster

COLUMNS = [0, 3, 6, 40, len(FEATURES) - 1]
LIMITS: dict[str, Any] = {
    "min_age_years": 18.0,
    "min_hours_in_unit": 1.0,
    "max_hours_in_unit": 336.0,
    "max_silence_h": 4.0,
    "fresh_vital_h": 6.0,
    "min_fresh_vitals": 3,
}


POPULATION: dict[str, Any] = {
    "features": [{"feature": "heart_rate_last", "least": None, "mean": 80.0, "below": 10.0, "above": 10.0}],
    "correlation": [[1.0]],
    "limits": {"vital_signs": [[1, 16.0]], "everything": [[1, 16.0]]},
}


def _booster(**options: Any) -> xgb.Booster:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, len(COLUMNS))).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x[:, 0]) + rng.normal(size=400) > 0).astype(float)
    data = xgb.DMatrix(x, label=y, feature_names=[FEATURES[i].name for i in COLUMNS])
    return xgb.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": 1, **options}, data, 20)


def _golden(booster: xgb.Booster) -> dict[str, Any]:
    rows = np.array([[0.5, 1.0, -1.0, 0.0, 2.0], [np.nan] * 5], np.float32)
    base = booster.predict(xgb.DMatrix(rows), pred_contribs=True, validate_features=False)[0, -1]
    margins = booster.inplace_predict(rows, predict_type="margin", validate_features=False)
    kept = [[None if np.isnan(value) else float(value) for value in row] for row in rows]
    return {"rows": kept, "margins": margins.astype(float).tolist(), "base_margin": float(base)}


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Artefact]:
    def _build(**changes: Any) -> Artefact:
        folder = tmp_path / "toy" / "1.0.0"
        folder.mkdir(parents=True)
        booster = _booster()
        grid = [-4.0, 0.0, 4.0]
        curves = {"margin": grid, "log_odds": [-6.0, -3.0, 1.0], "low": [-7.0, -3.5, 0.5], "high": [-5.0, -2.5, 1.5]}
        files = {"calibration.json": curves, "golden.json": _golden(booster), "population.json": POPULATION}
        for name, content in files.items():
            (folder / name).write_text(json.dumps(changes.pop(name, content)))
        (folder / "model.ubj").write_bytes(changes.pop("model.ubj", bytes(booster.save_raw("ubj"))))
        manifest = {
            "features": [{"name": FEATURES[i].name} for i in COLUMNS],
            "eligibility": LIMITS,
            "threshold": 0.05,
            "tiers": [
                {"name": "watch", "lowest": 0.05, "ppv": 0.1, "sensitivity": 0.6, "of_100": 20},
                {"name": "high", "lowest": 0.2, "ppv": 0.3, "sensitivity": 0.2, "of_100": 40},
            ],
            "horizon_h": 6.0,
        }
        return sealed(folder, manifest | changes)

    return _build


def _row(*values: float) -> np.ndarray:
    row = np.full(len(FEATURES), np.nan, np.float32)
    row[COLUMNS] = values
    return row


def test_self_check_passes_on_what_was_trained(build: Callable[..., Artefact]) -> None:
    RiskModel.from_artefact(build()).self_check()


@pytest.mark.parametrize("part", ["margins", "base_margin"])
def test_self_check_refuses_other_numbers(build: Callable[..., Artefact], part: str) -> None:
    golden = _golden(_booster())
    golden[part] = [one + 0.01 for one in golden[part]] if part == "margins" else golden[part] + 0.01
    with pytest.raises(ContentError, match="training"):
        RiskModel.from_artefact(build(**{"golden.json": golden})).self_check()


def test_self_check_refuses_contributions_that_do_not_add_up(
    build: Callable[..., Artefact], monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = _golden(_booster())
    monkeypatch.setattr(RiskModel, "contributions", lambda *_: (np.ones(5), golden["base_margin"]))
    with pytest.raises(ContentError, match="add up"):
        RiskModel.from_artefact(build()).self_check()


def test_contributions_and_base_add_up_to_the_margin(build: Callable[..., Artefact]) -> None:
    model = RiskModel.from_artefact(build())
    for row in (_row(0.3, -1.0, 2.0, 0.1, 5.0), _row(*[np.nan] * 5)):
        moved, base = model.contributions(row)
        assert moved.shape == (len(model.features),)
        assert moved.sum() + base == pytest.approx(model.predict(row).margin, abs=1e-9)


def test_the_population_is_read_where_training_wrote_it(build: Callable[..., Artefact]) -> None:
    pulse = {"feature": "heart_rate_last", "least": None, "mean": 80.0, "below": 10.0, "above": 20.0}
    limits = {"vital_signs": [[1, 4.0]], "everything": [[1, 4.0]]}
    model = RiskModel.from_artefact(
        build(**{"population.json": {"features": [pulse], "correlation": [[1.0]], "limits": limits}})
    )
    row = np.full(len(FEATURES), np.nan, np.float32)
    assert model.population is not None
    row[NAMES.index("heart_rate_last")] = 119.0
    assert not model.population.outside(row)
    row[NAMES.index("heart_rate_last")] = 121.0
    assert model.population.outside(row)


def test_a_model_of_hours_without_a_population_is_refused(build: Callable[..., Artefact]) -> None:
    whole = build()
    (whole.root / "population.json").unlink()
    (whole.root / "manifest.json").unlink()
    with pytest.raises(ContentError, match="population"):
        RiskModel.from_artefact(sealed(whole.root, whole.manifest))


def test_a_manifest_that_was_edited_is_refused(build: Callable[..., Artefact]) -> None:
    whole = build()
    edited = write_manifest(whole.root, {**whole.manifest, "threshold": 0.06})
    with pytest.raises(ContentError, match="edited"):
        RiskModel.from_artefact(edited)


def test_a_population_that_is_incomplete_is_refused(build: Callable[..., Artefact]) -> None:
    with pytest.raises(ContentError, match="incomplete"):
        RiskModel.from_artefact(build(**{"population.json": {"features": []}}))


def test_trees_that_our_engine_does_not_read_are_left_to_xgboost(build: Callable[..., Artefact]) -> None:
    dart = _booster(booster="dart", rate_drop=0.5)
    content = {"model.ubj": bytes(dart.save_raw("ubj")), "golden.json": _golden(dart)}
    model = RiskModel.from_artefact(build(**content))
    model.self_check()
    assert isinstance(model.trees, Boosted)
    row = _row(0.3, -1.0, 2.0, 0.1, 5.0)
    moved, base = model.contributions(row)
    theirs = dart.predict(xgb.DMatrix(row[None, COLUMNS]), pred_contribs=True, validate_features=False)[0]
    assert [*moved, base] == pytest.approx(theirs.tolist(), abs=1e-6)
    assert model.predict(row).margin == pytest.approx(float(theirs.sum()), abs=1e-5)


def test_what_is_neither_ours_nor_a_booster_is_refused() -> None:
    with pytest.raises(ContentError, match="UBJSON"):
        load_booster(b"{}")


def test_risk_carries_interval_tier_and_identity(build: Callable[..., Artefact]) -> None:
    artefact = build()
    model = RiskModel.from_artefact(artefact)
    risk = model.predict(_row(3.0, 0.0, 0.0, 0.0, 0.0))
    assert risk.low < risk.probability < risk.high
    assert risk.margin == pytest.approx(model.trees.margin(np.array([3.0, 0.0, 0.0, 0.0, 0.0], np.float32)), abs=1e-9)
    assert risk.base == pytest.approx(float(model.calibration.probability(model.golden["base_margin"])))
    assert (risk.tier, risk.alert) == ("high", True)
    assert (risk.model_name, risk.model_version) == ("toy", "1.0.0")
    assert risk.horizon_h == 6.0


def test_the_rest_of_the_stay_is_a_horizon_without_hours(build: Callable[..., Artefact]) -> None:
    model = RiskModel.from_artefact(build(horizon_h=None))
    assert model.predict(_row(3.0, 0.0, 0.0, 0.0, 0.0)).horizon_h is None


@pytest.mark.parametrize("horizon_h", [0.0, -1.0, "6"])
def test_a_horizon_that_is_no_time_ahead_is_refused(build: Callable[..., Artefact], horizon_h: object) -> None:
    with pytest.raises(ContentError):
        RiskModel.from_artefact(build(horizon_h=horizon_h))


def test_low_risk_has_no_tier_and_no_alert(build: Callable[..., Artefact]) -> None:
    risk = RiskModel.from_artefact(build()).predict(_row(-3.0, 0.0, 0.0, 0.0, 0.0))
    assert (risk.tier, risk.alert) == (None, False)


def test_calibration_is_monotone_and_flat_beyond_its_grid(build: Callable[..., Artefact]) -> None:
    calibration = RiskModel.from_artefact(build()).calibration
    found = calibration.probability(np.linspace(-9, 9, 200))
    assert (np.diff(found) >= 0).all()
    assert found[0] == pytest.approx(1 / (1 + np.exp(6.0)))
    assert found[-1] == pytest.approx(1 / (1 + np.exp(-1.0)))


@pytest.mark.parametrize(
    "change",
    [
        {"log_odds": [0.0, -1.0, 1.0]},  # falls
        {"low": [0.0]},  # another length
        {"high": None},  # no numbers
        {"margin": [], "log_odds": [], "low": [], "high": []},
    ],
)
def test_calibration_that_is_none_is_refused(change: dict[str, Any]) -> None:
    good = {"margin": [0.0, 1.0, 2.0], "log_odds": [0.0, 1.0, 2.0], "low": [0.0, 1.0, 2.0], "high": [0.0, 1.0, 2.0]}
    assert Calibration.from_json(good).read(1.0)[1:] == pytest.approx((0.7310586, 0.7310586))
    with pytest.raises(ContentError, match="calibration"):
        Calibration.from_json({name: curve for name, curve in (good | change).items() if curve is not None})


def test_changed_model_file_is_refused(build: Callable[..., Artefact]) -> None:
    artefact = build()
    (artefact.root / "model.ubj").write_bytes(b"other")
    with pytest.raises(ContentError, match=r"model\.ubj"):
        RiskModel.from_artefact(artefact)


def test_model_file_that_is_no_model_is_refused(build: Callable[..., Artefact]) -> None:
    with pytest.raises(ContentError, match="UBJSON"):
        RiskModel.from_artefact(build(**{"model.ubj": b"{}"}))


@pytest.mark.parametrize("count", [4, 6])
def test_another_number_of_features_than_the_trees_read_is_refused(build: Callable[..., Artefact], count: int) -> None:
    with pytest.raises(ContentError, match="number of features"):
        RiskModel.from_artefact(build(features=[{"name": one.name} for one in FEATURES[:count]]))


def test_unknown_feature_is_refused(build: Callable[..., Artefact]) -> None:
    with pytest.raises(ContentError, match="no such feature"):
        RiskModel.from_artefact(build(features=[{"name": "shoe_size"}]))


@dataclass(frozen=True)
class Seen:
    hours: list[float]
    values: Sequence[float] = ()


NOW = 50.0
WELL = Circumstances(age_years=60.0, pregnant=False, inpatient=True, hours_in_unit=20.0)
FRESH = {name: Seen([40.0, 49.0]) for name in ("heart_rate", "sbp", "spo2")}


def _reasons(found: Abstained | None) -> list[str]:
    return [] if found is None else [one.name for one in found.reasons]


def test_a_measured_adult_in_the_unit_is_eligible() -> None:
    assert eligible("toy", Limits(**LIMITS), WELL, FRESH, NOW) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age_years": None}, Ineligible.AGE_UNKNOWN),
        ({"age_years": 17.9}, Ineligible.TOO_YOUNG),
        ({"pregnant": True}, Ineligible.PREGNANT),
        ({"inpatient": False}, Ineligible.NOT_INPATIENT),
        ({"hours_in_unit": None}, Ineligible.TOO_EARLY),
        ({"hours_in_unit": 0.5}, Ineligible.TOO_EARLY),
        ({"hours_in_unit": 400.0}, Ineligible.TOO_LATE),
    ],
)
def test_patients_outside_of_the_population_get_no_number(change: dict[str, Any], reason: Ineligible) -> None:
    assert _reasons(eligible("toy", Limits(**LIMITS), replace(WELL, **change), FRESH, NOW)) == [reason]


@pytest.mark.parametrize(
    ("tracks", "reason"),
    [
        ({}, Ineligible.NO_VITAL_SIGN),
        ({"lactate": Seen([49.0])}, Ineligible.NO_VITAL_SIGN),  # a laboratory value is no vital sign
        ({name: Seen([45.0]) for name in FRESH}, Ineligible.NO_VITAL_SIGN),  # 5 hours of silence
        ({name: Seen([51.0]) for name in FRESH}, Ineligible.NO_VITAL_SIGN),  # only later than now
        ({"heart_rate": Seen([49.0]), "sbp": Seen([40.0])}, Ineligible.FEW_FRESH_VITALS),
    ],
)
def test_missing_and_stale_vital_signs_get_no_number(tracks: dict[str, Seen], reason: Ineligible) -> None:
    assert _reasons(eligible("toy", Limits(**LIMITS), WELL, tracks, NOW)) == [reason]


def test_all_reasons_are_given() -> None:
    found = eligible("toy", Limits(**LIMITS), replace(WELL, age_years=10.0, inpatient=False), {}, NOW)
    assert _reasons(found) == [Ineligible.TOO_YOUNG, Ineligible.NOT_INPATIENT, Ineligible.NO_VITAL_SIGN]
    assert found is not None
    assert found.name == "toy"
    assert [one.why for one in found.reasons] == ["out-of-population", "out-of-population", "missing"]


SPREAD: dict[str, Any] = {"middle": -0.5, "per_year": -0.005, "at_years": 60.0, "from_years": 18.0, "to_years": 90.0}
CURVES: dict[str, Any] = {
    "margin": [-4.0, 0.0, 4.0],
    "log_odds": [-6.0, -3.0, 1.0],
    "low": [-7.0, -3.5, 0.5],
    "high": [-5.0, -2.5, 1.5],
}


def _aged(build: Callable[..., Artefact], **changes: Any) -> RiskModel:
    """The same trees with a calibration that asks for the age, which their third feature is."""
    names = [FEATURES[i].name for i in COLUMNS]
    names[2] = "age_years"
    return RiskModel.from_artefact(
        build(
            **{"calibration.json": {**CURVES, "spread": {**SPREAD, **changes}}},
            features=[{"name": one} for one in names],
        )
    )


def _at(model: RiskModel, *values: float) -> np.ndarray:
    row = np.full(len(FEATURES), np.nan, np.float32)
    row[model.columns] = values
    return row


@pytest.mark.parametrize("age", [20.0, 10.0, 60.0, 85.0, np.nan])
def test_what_age_adds_is_part_of_the_margin_and_of_the_reason_that_age_is(
    build: Callable[..., Artefact], age: float
) -> None:
    model = _aged(build)
    row = _at(model, 2.0, -1.0, age, 0.1, 5.0)
    (of_trees, base), (risk, moved, also) = model.contributions(row), model.explain(row)
    said = of_trees.sum() + base
    years = 0.0 if np.isnan(age) else max(age, 18.0) - 60.0
    assert risk.margin == pytest.approx(said - 0.005 * years * (said + 0.5), abs=1e-9)
    assert sum(moved) + also == pytest.approx(risk.margin, abs=1e-9)
    assert also == base
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(np.array(moved)[others], of_trees[others])
    assert model.added(np.full(2, said), np.stack([row, row])) == pytest.approx([risk.margin - said] * 2)
    assert risk.probability == pytest.approx(float(model.calibration.probability(risk.margin)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"per_year": -0.05}, "turns margins round"),
        ({"middle": None}, "lacks a number"),
        ({"at_years": "sixty"}, "lacks a number"),
    ],
)
def test_a_spread_that_is_none_is_refused(build: Callable[..., Artefact], changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ContentError, match=why):
        _aged(build, **changes)


def test_a_calibration_that_asks_for_an_age_that_the_trees_do_not_read_is_refused(
    build: Callable[..., Artefact],
) -> None:
    with pytest.raises(ContentError, match="an age"):
        RiskModel.from_artefact(build(**{"calibration.json": {**CURVES, "spread": SPREAD}}))
