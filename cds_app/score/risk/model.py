"""A learned risk: gradient-boosted trees, a calibration grid, and a check that they do what they did when trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cds_app.content import Artefact
from cds_app.domain.arrays import Floats, Ints
from cds_app.errors import ContentError, TreesUnsupported
from cds_app.score.features.hours import FEATURES, Feature
from cds_app.score.features.stays import FEATURES as STAY_FEATURES
from cds_app.score.risk.calibration import Calibration
from cds_app.score.risk.eligibility import Limits
from cds_app.score.risk.population import FILE as POPULATION
from cds_app.score.risk.population import Reference
from cds_app.score.trees.forest import read_forest
from cds_app.score.trees.tree_shap import TreeShap

if TYPE_CHECKING:
    from cds_app.score.trees.boosted import Boosted

GOLDEN = "golden.json"
"""Known predictions, and under `SEAL` the digest of what the manifest says."""
SEAL = "manifest_sha256"
FEATURES_OF: Mapping[str, tuple[Feature, ...]] = {"hour": FEATURES, "stay": STAY_FEATURES}
"""What a model looks at, as its manifest names it: a patient at an hour, or the first days of a stay."""
AGE = "age_years"  # the feature
_MODELS = 16  # of which the trees are remembered: their tables take longer to make than all else that is loaded
_MARGIN_TOLERANCE = 1e-5  # training added some hundred leaves in float32
_BASE_TOLERANCE = 1e-4  # and some hundred means of trees


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A band of risk from ``lowest`` up to the next tier.

    Parameters
    ----------
    name : str
        ``watch``, ``raised``, ``high``.
    lowest : float
        Least probability that belongs to it.
    ppv, sensitivity : float
        On test patients, of all hours at or above ``lowest``: part that were within the horizon, and part of the
        hours within the horizon that were found.
    of_100 : int
        Of 100 alerts like this (first entry of a patient into the tier or above), how many patients had the outcome.
    """

    name: str
    lowest: float
    ppv: float
    sensitivity: float
    of_100: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """When a risk may make a card by itself: chosen within a budget of alerts, measured on test patients.

    Parameters
    ----------
    threshold : float
        Least probability.
    lockout_h : float
        Quiet after a card.
    rise_points : float
        A rise, in points of 100, that breaks the quiet.
    ppv, sensitivity : float
        Of patients: part of those alerted who had the outcome, and of those with it who were alerted before.
    """

    threshold: float
    lockout_h: float
    rise_points: float
    ppv: float
    sensitivity: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> AlertPolicy:
        """From a manifest, which says more of it."""
        return cls(**{one.name: float(content[one.name]) for one in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What the model says of one instant.

    Parameters
    ----------
    probability : float
        Calibrated probability of the outcome within the horizon.
    low, high : float
        90 % interval of the calibration: where the rate among patients with this estimate lies; not of the patient's
        own course. A patient-level bootstrap, widened in training until it held in cross-validation, within groups
        too; the manifest says how often it held on test patients.
    margin : float
        What is calibrated: what the trees say, and what is added for the age; contributions add up to it.
    base : float
        Calibrated probability at the base margin, where nothing is known of the patient.
    threshold : float
        Least probability at which an alert is worth it.
    tier : str or None
        Name of the highest tier reached.
    tiers : tuple of Tier
        All tiers, lowest first.
    horizon_h : float or None
        None where it is the rest of the stay.
    policy : AlertPolicy or None
        None where no card may rest on it alone.
    model_name, model_version : str
    """

    probability: float
    low: float
    high: float
    margin: float
    base: float
    threshold: float
    tier: str | None
    tiers: tuple[Tier, ...]
    horizon_h: float | None
    model_name: str
    model_version: str
    policy: AlertPolicy | None = None

    @property
    def alert(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold

    @property
    def due(self) -> bool:
        """Whether the alert policy makes a card of it."""
        return self.policy is not None and self.probability >= self.policy.threshold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskModel:
    """A verified artefact, ready to predict.

    Parameters
    ----------
    features : tuple of Feature
        What the trees read, in order: a selection of an entry of `FEATURES_OF`.
    quantities : tuple of str
        Of each feature, the clinical measurement it belongs to.
    columns : ndarray of int64
        Where these are in a row of that entry.
    age : int or None
        Which of the features is the age; None where the calibration does not ask for it.
    base : float
        Calibrated probability where nothing is known of the patient.
    limits : Limits
        For whom the model may be asked.
    population : Reference or None
        Whom its measurements must be like; None of a model that was made in a test.
    modifiable : frozenset of str
        Quantities that treatment can move within hours.
    policy : AlertPolicy or None
        None of a model that may raise no card.
    """

    name: str
    version: str
    sha256: str
    features: tuple[Feature, ...]
    quantities: tuple[str, ...]
    columns: Ints
    age: int | None
    trees: TreeShap | Boosted
    calibration: Calibration
    base: float
    limits: Limits
    threshold: float
    tiers: tuple[Tier, ...]
    horizon_h: float | None
    golden: Mapping[str, Any]
    population: Reference | None = None
    modifiable: frozenset[str] = frozenset()
    policy: AlertPolicy | None = None

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> RiskModel:
        """Load trees, calibration and limits.

        Raises
        ------
        ContentError
            If a file does not match its hash, the manifest is not as it was written, lacks something, says it otherwise
            or names a feature that this version of the code does not compute, or the trees read more or fewer features
            than are named.
        """
        try:
            return cls._read(artefact)
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError("the manifest of a learned risk lacks an entry or has one of another kind") from error

    @classmethod
    def _read(cls, artefact: Artefact) -> RiskModel:
        about = artefact.manifest
        features, columns = _select(about.get("features_of", "hour"), [one["name"] for one in about["features"]])
        trees = load_trees(artefact.read_bytes("model.ubj"))
        if trees.features != len(features):
            raise ContentError("the trees read another number of features", field="features")
        calibration = Calibration.from_json(artefact.read_json("calibration.json"))
        golden = artefact.read_json(GOLDEN)
        if golden.get(SEAL) != artefact.digest(without=GOLDEN):
            raise ContentError("the manifest was edited since it was written", field="manifest")
        return cls(
            name=artefact.name,
            version=artefact.version,
            sha256=artefact.sha256,
            features=features,
            quantities=tuple(one.quantity for one in features),
            columns=columns,
            age=_age(features, calibration),
            trees=trees,
            calibration=calibration,
            base=calibration.read(golden["base_margin"])[0],
            limits=Limits.from_json(about["eligibility"]),
            threshold=float(about["threshold"]),
            tiers=tuple(Tier(**one) for one in about["tiers"]),
            horizon_h=_horizon_h(about["horizon_h"]),
            golden=golden,
            modifiable=frozenset(about.get("about", {}).get("modifiable", ())),
            population=_population(artefact),
            policy=AlertPolicy.from_json(about["policy"]) if "policy" in about else None,
        )

    def predict(self, row: NDArray[np.float32]) -> Risk:
        """Risk of one instant.

        Parameters
        ----------
        row : ndarray of float32, shape (features,)
            As `score.features.hours.features` or `score.features.stays.stay_features` made it.
        """
        return self.explain(row)[0]

    def explain(self, row: NDArray[np.float32]) -> tuple[Risk, list[float], float]:
        """Risk of one instant with its contributions and the base margin, from one pass over the trees.

        What the calibration adds for the age is a contribution of the age.
        """
        moved, base_margin = self.contributions(row)
        margin = float(moved.sum()) + base_margin
        if self.age is not None:
            added = float(self.added(margin, row))
            moved[self.age] += added
            margin += added
        return self._risk(margin), moved.tolist(), base_margin

    def added(self, margin: Floats | float, rows: NDArray[np.float32]) -> Floats:
        """What the calibration adds to margins of the trees for the age: (rows,), (rows, features) -> (rows,)."""
        spread = self.calibration.spread
        if spread is None or self.age is None:
            return np.zeros(np.shape(margin))
        return spread.added(margin, rows[..., self.columns[self.age]].astype(np.float64))

    def _risk(self, margin: float) -> Risk:
        probability, low, high = self.calibration.read(margin)
        reached = [tier.name for tier in self.tiers if probability >= tier.lowest]
        return Risk(
            probability=probability,
            low=low,
            high=high,
            margin=margin,
            base=self.base,
            threshold=self.threshold,
            tier=reached[-1] if reached else None,
            tiers=self.tiers,
            horizon_h=self.horizon_h,
            model_name=self.name,
            model_version=self.version,
            policy=self.policy,
        )

    def contributions(self, row: NDArray[np.float32]) -> tuple[Floats, float]:
        """How far each feature moved the margin (exact TreeSHAP), and the base margin.

        Parameters
        ----------
        row : ndarray of float32, shape (features,)

        Returns
        -------
        tuple of (ndarray of float64, float)
            One number per entry of ``features``; with the base margin they add up to what the trees say.
        """
        return self.trees.contributions(row.take(self.columns)), self.trees.base

    def self_check(self) -> None:
        """Predict the golden rows and compare.

        Raises
        ------
        ContentError
            If there is none, a margin or the base differs from training, or contributions do not add up to the margin.
        """
        if not self.golden["rows"]:
            raise ContentError("there is no golden row", field="golden.rows")
        for values, expected in zip(self.golden["rows"], self.golden["margins"], strict=True):
            row = np.full(int(self.columns.max()) + 1, np.nan, np.float32)
            row[self.columns] = [np.nan if value is None else value for value in values]
            margin = self.trees.margin(row[self.columns])
            moved, base = self.contributions(row)
            if not abs(margin - expected) <= _MARGIN_TOLERANCE:  # NaN is not within it
                raise ContentError("a golden row has another margin than in training", field="golden.margins")
            if not abs(base - self.golden["base_margin"]) <= _BASE_TOLERANCE:
                raise ContentError("the base margin differs from training", field="golden.base_margin")
            if not abs(moved.sum() + base - margin) <= self.trees.tolerance:
                raise ContentError("contributions do not add up to the margin", field="golden.rows")


def _age(features: Sequence[Feature], calibration: Calibration) -> int | None:
    """Which feature is the age, where the calibration asks for it."""
    if calibration.spread is None:
        return None
    places = [place for place, one in enumerate(features) if one.name == AGE]
    if not places:
        raise ContentError("the calibration asks for an age that the trees do not read", field="calibration.spread")
    return places[0]


def _population(artefact: Artefact) -> Reference:
    """Whom the measurements must be like."""
    return Reference.from_json(
        artefact.read_json(POPULATION), FEATURES_OF[artefact.manifest.get("features_of", "hour")]
    )


def _horizon_h(told: float | None) -> float | None:
    """Hours ahead; None for the rest of the stay."""
    if told is not None and not 0.0 < told < np.inf:
        raise ContentError("the horizon is no time ahead; for the rest of the stay it is null", field="horizon_h")
    return None if told is None else float(told)


@lru_cache(maxsize=_MODELS)
def own_trees(content: bytes) -> TreeShap:
    """The trees of a model in UBJSON, for our own engine; made once in a process. Raises TreesUnsupported."""
    return TreeShap.of(read_forest(content))


def load_trees(content: bytes) -> TreeShap | Boosted:
    """The trees of a model in UBJSON: read by our own engine, or else by xgboost."""
    try:
        return own_trees(content)
    except TreesUnsupported:
        from cds_app.score.trees.boosted import Boosted  # noqa: PLC0415 - 30 MB that serving seldom needs

        return Boosted.of(content)


def _select(features_of: str, names: list[str]) -> tuple[tuple[Feature, ...], Ints]:
    known = FEATURES_OF.get(features_of)
    if known is None:
        raise ContentError("features_of names no set of features", field="features_of")
    place = {one.name: i for i, one in enumerate(known)}
    unknown = [name for name in names if name not in place]
    if unknown:
        raise ContentError(f"no such feature: {unknown[0]}", field="features")
    columns = np.array([place[name] for name in names], np.int64)
    return tuple(known[i] for i in columns), columns
