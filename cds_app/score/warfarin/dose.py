"""The weekly dose of warfarin that is likely to keep a person in range, from covariates and genotype.

Two models of the square root of the dose, a linear one and boosted trees, and their mean. The interval is conformal: it
is as wide as the errors of people whom the model had not seen, in proportion to a spread that depends on the estimate
and the genotype. What genes are not typed decides which errors are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cds_app.content import Artefact
from cds_app.domain.arrays import Floats, Matrix
from cds_app.errors import ContentError
from cds_app.score.result import Abstained, Lack
from cds_app.score.trees.forest import Forest, read_forest
from cds_app.score.warfarin.features import FEATURES, Filling, row, terms
from cds_app.score.warfarin.subject import Subject

NAME: Final = "warfarin_dose"
TREES: Final = "trees.ubj"
TYPED: Final = ("both", "cyp2c9_only", "vkorc1_only", "neither")
"""Which genes are known of a person: each has an interval of its own."""
_TOLERANCE_MG: Final = 1e-3  # training added some hundred leaves in float32
_LOWEST_ROOT: Final = 0.5  # of an end of an interval: 0.25 mg a week; no dose is nought


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Whom the model may be asked about.

    Parameters
    ----------
    min_age_decade : int
    height_cm, weight_kg : tuple of float
        Lowest and highest plausible value.
    """

    min_age_decade: int
    height_cm: tuple[float, float]
    weight_kg: tuple[float, float]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Limits:
        """Read the manifest's ``limits``."""
        low_cm, high_cm = content["height_cm"]
        low_kg, high_kg = content["weight_kg"]
        return cls(
            min_age_decade=int(content["min_age_decade"]),
            height_cm=(float(low_cm), float(high_cm)),
            weight_kg=(float(low_kg), float(high_kg)),
        )

    def refuse(self, subject: Subject) -> tuple[Lack, ...]:
        """Why there is no dose for someone; empty where there is one."""
        found = [
            Lack(name=f"{name}_{unit}", why="unsuitable", text=f"{name} is outside of {low:g} to {high:g} {unit}")
            for name, unit, value, (low, high) in (
                ("height", "cm", subject.height_cm, self.height_cm),
                ("weight", "kg", subject.weight_kg, self.weight_kg),
            )
            if value is not None and not low <= value <= high
        ]
        if subject.age_decade is not None and subject.age_decade < self.min_age_decade:
            text = f"younger than {10 * self.min_age_decade} years"
            found.append(Lack(name="age", why="out-of-population", text=text))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """A linear model of standardised terms.

    Parameters
    ----------
    names : tuple of str
        Of the terms.
    centre, scale, weight : ndarray of float64, shape (terms,)
    intercept : float
    """

    names: tuple[str, ...]
    centre: Floats
    scale: Floats
    weight: Floats
    intercept: float

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Linear:
        """Read what training wrote; ContentError where a term has no coefficient."""
        names = tuple(content["names"])
        curves = {name: np.array(content[name], np.float64) for name in ("centre", "scale", "weight")}
        if any(curve.shape != (len(names),) or not np.isfinite(curve).all() for curve in curves.values()):
            raise ContentError("a term of the linear part has no coefficient", field="model.linear")
        return cls(names=names, intercept=float(content["intercept"]), **curves)

    def of(self, values: Floats) -> Floats:
        """The square root of the dose: (people, terms) -> (people,)."""
        found: Floats = (values - self.centre) / self.scale @ self.weight + self.intercept
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far off an estimate may be, for people of whom the same genes are typed.

    Parameters
    ----------
    intercept, per_root, per_sensitive, per_variant : float
        Expected absolute error of the square root: linear in the estimate, the VKORC1 -1639 A alleles and the CYP2C9
        alleles other than *1.
    least : float
        The smallest that is believed.
    low, high : float
        The 5th and 95th of 100 errors, in units of that.
    """

    intercept: float
    per_root: float
    per_sensitive: float
    per_variant: float
    least: float
    low: float
    high: float

    def expected(self, root: Floats, rows: Matrix) -> Floats:
        """Expected absolute error of rows with these estimates."""
        sensitive, variant = alleles(rows)
        found = self.intercept + self.per_root * root + self.per_sensitive * sensitive + self.per_variant * variant
        return np.maximum(found, self.least)

    def interval(self, root: Floats, rows: Matrix) -> tuple[Floats, Floats]:
        """Ends of the 90 % interval, as square roots."""
        expected = self.expected(root, rows)
        ends = (np.maximum(root + quantile * expected, _LOWEST_ROOT) for quantile in (self.low, self.high))
        low, high = ends
        return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """What the model says of one person, mg a week.

    Parameters
    ----------
    dose_mg_per_week : float
        Near the middle of what such people need.
    low, high : float
        90 of 100 such people need a dose between these.
    """

    dose_mg_per_week: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DoseModel:
    """A verified artefact, ready to estimate."""

    name: str
    version: str
    sha256: str
    linear: Linear
    trees: Forest
    share_of_trees: float
    filling: Filling
    spread: Mapping[str, Spread]
    limits: Limits
    golden: Mapping[str, Any]

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> DoseModel:
        """Load coefficients, trees, spreads and limits.

        Raises
        ------
        ContentError
            If a file does not match its hash, the features are not those of this code, or something is missing.
        """
        try:
            return cls._read(artefact)
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError("the dose model lacks an entry or has one of another kind", field="model") from error

    @classmethod
    def _read(cls, artefact: Artefact) -> DoseModel:
        content = artefact.read_json("model.json")
        trees = read_forest(artefact.read_bytes(TREES))
        if tuple(content["features"]) != FEATURES or trees.features != len(FEATURES):
            raise ContentError("the model reads other features than this code makes", field="features")
        return cls(
            name=artefact.name,
            version=artefact.version,
            sha256=artefact.sha256,
            linear=Linear.from_json(content["linear"]),
            trees=trees,
            share_of_trees=float(content["share_of_trees"]),
            filling=Filling.from_json(content["filling"]),
            spread={one: Spread(**content["spread"][one]) for one in TYPED},
            limits=Limits.from_json(artefact.manifest["limits"]),
            golden=artefact.read_json("golden.json"),
        )

    def estimate(self, subject: Subject) -> Dose | Abstained:
        """The dose of one person, or why there is none."""
        reasons = self.limits.refuse(subject)
        return Abstained(name=self.name, reasons=reasons) if reasons else self.doses([subject])[0]

    def doses(self, subjects: Sequence[Subject]) -> list[Dose]:
        """Doses of people who are within the limits."""
        if not subjects:
            return []
        rows = np.stack([row(one) for one in subjects])
        root, low, high = self.roots(rows)
        return [
            Dose(dose_mg_per_week=float(middle**2), low=float(bottom**2), high=float(top**2))
            for middle, bottom, top in zip(root, low, high, strict=True)
        ]

    def roots(self, rows: Matrix) -> tuple[Floats, Floats, Floats]:
        """Square root of the dose of rows, and the ends of its 90 % interval."""
        root = self._root(rows)
        low, high = np.empty_like(root), np.empty_like(root)
        typed = np.array(typed_genes(rows))
        for name, spread in self.spread.items():
            here = typed == name
            low[here], high[here] = spread.interval(root[here], rows[here])
        return root, low, high

    def _root(self, rows: Matrix) -> Floats:
        names, values = terms(rows, self.filling)
        if names != self.linear.names:
            raise ContentError("the linear part reads other terms than this code makes", field="model.linear")
        grown = np.array([self.trees.margin(one) for one in rows])
        share = self.share_of_trees
        return np.maximum(share * grown + (1.0 - share) * self.linear.of(values), _LOWEST_ROOT)

    def self_check(self) -> None:
        """Compare with what training said of invented people.

        Raises
        ------
        ContentError
            If a dose or an end of an interval is another than then.
        """
        rows = np.array(
            [[np.nan if value is None else value for value in one] for one in self.golden["rows"]], np.float32
        )
        found = np.stack(self.roots(rows), axis=1) ** 2
        if not np.allclose(found, np.array(self.golden["doses"]), rtol=0.0, atol=_TOLERANCE_MG):
            raise ContentError("the dose model does not say what it said when trained", field="golden.json")


def typed_genes(rows: Matrix) -> list[str]:
    """Of each row, the entry of `TYPED`."""
    vkorc1 = np.isfinite(rows[:, FEATURES.index("vkorc1")])
    cyp2c9 = np.isfinite(rows[:, FEATURES.index("cyp2c9_2")])
    return [_typed(bool(one), bool(other)) for one, other in zip(vkorc1, cyp2c9, strict=True)]


def _typed(vkorc1: bool, cyp2c9: bool) -> str:
    if vkorc1:
        return "both" if cyp2c9 else "vkorc1_only"
    return "cyp2c9_only" if cyp2c9 else "neither"


def alleles(rows: Matrix) -> tuple[Floats, Floats]:
    """VKORC1 -1639 A alleles, and CYP2C9 alleles other than *1; 0 where they are not typed."""
    column = {name: np.nan_to_num(rows[:, i].astype(np.float64)) for i, name in enumerate(FEATURES)}
    return column["vkorc1"], column["cyp2c9_2"] + column["cyp2c9_3"] + column["cyp2c9_rare"]
