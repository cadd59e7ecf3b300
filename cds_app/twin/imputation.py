"""Imputation: what a variable most likely was in hours when nobody measured it, and how sure that is.

Candidates from the last value to two deep networks correct each other: per variable a blend with weights that masked
patients chose. Intervals are conformal, by variable and by how far the nearest measurement is. What comes out of here
is never a fact: it is shown as imputed, it continues simulations, and no risk reads it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cds_app.domain.arrays import Flags, Ints
from cds_app.errors import ContentError
from cds_app.twin.boosting import Trees
from cds_app.twin.gaussian import conditional
from cds_app.twin.joint import Joint
from cds_app.twin.network import DILATIONS, Weights, decode, encode
from cds_app.twin.smoother import Parameters, followed
from cds_app.twin.windows import (
    HOURS,
    PRODUCTS,
    Neighbours,
    Product,
    Scale,
    Singles,
    base,
    carried,
    inputs,
    interpolated,
    nearest_h,
    neighbours,
    surprises,
    with_guess,
)

if TYPE_CHECKING:
    from cds_app.content import Artefact

CLASSICS = ("last", "linear", "smoother", "gaussian", "joint")
DEEP = ("vae", "gan")
CANDIDATES = (*CLASSICS, "boosting", *DEEP)
GAPS_H: tuple[int, ...] = (1, 2, 4, 8, 16)
"""Upper ends of the classes of gaps; longer ones, and no measurement at all, are two more."""
_MARK_LASTS_H = 10  # 99 of 100 gaps between two hours with the mark of ventilation in set a are no longer
_REACH_H = 2 * sum(DILATIONS) + 1  # hours that a causal network looks back over, its own among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One variable of a window.

    Parameters
    ----------
    name : str
        In the data that the imputer was trained on.
    variable, quantity : str
        In the ontology.
    unit : str
        Canonical UCUM unit.
    low, high : float
        Plausible limits in it. Of a mark, which the data hold only where it is so, both are the same.
    """

    name: str
    variable: str
    quantity: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blend:
    """How one product is made of its candidates.

    Parameters
    ----------
    weights : mapping of str to ndarray of float32, shape (variables,)
        By candidate; they are not negative and sum to 1 for every variable.
    reach : ndarray of float32, shape (variables, classes of gaps)
        How many scales the 90 % interval reaches to each side.
    horizon_h : ndarray of int64, shape (variables,)
        How long after the last measurement the reach was measured on cells of the variable's own; 0 for nowhere.
    """

    weights: Mapping[str, Singles]
    reach: Singles
    horizon_h: Ints

    def mean(self, found: Mapping[str, Singles]) -> Singles:
        """Blend of candidates: (..., variables)."""
        return np.asarray(sum(found[name] * weight for name, weight in self.weights.items()), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Said:
    """What the candidates say of windows, standardised, and how large they expect their error to be.

    Parameters
    ----------
    means : mapping of str to ndarray of float32, shape (windows, hours, variables)
    scale : ndarray of float32, shape (windows, hours, variables)
        Of the error, standard deviations.
    """

    means: Mapping[str, Singles]
    scale: Singles


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completed:
    """Every hour of every variable: arrays (hours, variables) in the canonical unit.

    Parameters
    ----------
    mean, low, high : ndarray of float32
        90 % interval around the expected value; a measured hour is what was measured.
    imputed : ndarray of bool
        False where it was measured.
    """

    mean: Singles
    low: Singles
    high: Singles
    imputed: Flags


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Imputer:
    """Everything that imputation knows.

    Parameters
    ----------
    channels : tuple of Channel
    smoother : Parameters
        The twin's own dynamics.
    gaussians : mapping of Product to (mean, covariance)
        Of surprises.
    trees : mapping of Product to Trees
    networks : mapping of (str, Product) to Weights
        By kind and product.
    blends : mapping of Product to Blend
    """

    channels: tuple[Channel, ...]
    scale: Scale
    joint: Joint
    smoother: Parameters
    gaussians: Mapping[Product, tuple[Singles, Singles]]
    trees: Mapping[Product, Trees]
    networks: Mapping[tuple[str, Product], Weights]
    blends: Mapping[Product, Blend]

    @classmethod
    def from_artefact(cls, artefact: Artefact) -> Imputer:
        """Read ``models/imputation/<version>``.

        Raises
        ------
        ContentError
            When a file is missing, has changed, or lacks what is needed.
        """
        try:
            return _read(artefact)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ContentError(f"artefact {artefact.name} is incomplete", field=artefact.name) from error

    @property
    def marks(self) -> Flags:
        """Which channels say only that something was so: (variables,)."""
        return np.array([one.low == one.high for one in self.channels])

    def guess(self, values: Singles, product: Product, hours: Iterable[int] = range(HOURS)) -> Singles:
        """What the joint smoother says of one patient's window, standardised."""
        said = self.joint.filtered(values, hours) if product == "causal" else self.joint.smoothed(values)
        return self.scale.to_z(said)

    def candidates(self, z: Singles, given: tuple[Singles, Singles], product: Product, asked: Flags) -> Said:
        """Ask every candidate that there is.

        Parameters
        ----------
        z : ndarray of float32, shape (windows, hours, variables)
            Standardised, NaN where not measured.
        given : (ndarray, ndarray)
            What `guess` said of each, as ``z``; and who the patients are, (windows, statics).
        asked : ndarray of bool, shape (windows, hours, variables)
            Cells to complete: trees are asked for these only.
        """
        near, guess = neighbours(z), given[0]
        means = {"joint": np.nan_to_num(guess), "last": carried(near)}
        if product == "retrospective":
            means["linear"] = interpolated(near)
        means["smoother"] = self.scale.to_z(followed(self.scale.to_unit(z), self.smoother, product))
        means["gaussian"] = base(near, product) + conditional(surprises(z, near, product), *self.gaussians[product])
        return self._learned(near, (z, *given, asked), means, product)

    def complete(self, values: Singles, statics: Singles, product: Product) -> Completed:
        """Complete one patient's window.

        Parameters
        ----------
        values : ndarray of float32, shape (hours, variables)
            In the canonical unit, NaN where not measured.
        statics : ndarray of float32, shape (statics,)
            Standardised, 0 where unknown.
        """
        z = self.scale.to_z(values)[None]
        said = self.candidates(z, (self.guess(values, product)[None], statics[None]), product, np.isnan(z))
        near = neighbours(z)
        low, mean, high = (one[0] for one in self.interval(said, near, product))
        return self._completed(values, nearest_h(near, product)[0], (low, mean, high))

    def now(self, values: Singles, statics: Singles) -> Completed:
        """The causal product at the window's last hour alone: arrays (1, variables); what a bedside can wait for."""
        z, last = self.scale.to_z(values)[None], values.shape[0] - 1
        near, guess = neighbours(z), self.guess(values, "causal", [last])[None]
        tail = slice(max(last + 1 - _REACH_H, 0), None)
        features = inputs(z, near, statics[None], "causal")[:, tail]
        cut = Neighbours(
            seen=near.seen[:, tail], before=near.before[:, tail], after=near.after[:, tail], last=near.last[:, tail],
            next=near.next[:, tail],
        )  # fmt: skip
        local = with_guess(features, guess[:, tail], cut, "causal")
        means, scales = {"joint": guess, "last": carried(near)}, []
        newest = local[:, -1:]
        means["boosting"] = guess[:, -1:] + self.trees["causal"].correction(newest, np.isnan(z[:, -1:]))
        for kind in DEEP:
            weights = self.networks[kind, "causal"]
            made = decode(weights, encode(weights, features, "causal")[:, -1:], newest)
            means[kind] = guess[:, -1:] + made.delta
            scales.append(made.log_scale)
        return self._newest(values, near, means, np.asarray(np.exp(np.mean(scales, axis=0)), np.float32))

    def interval(self, said: Said, near: Neighbours, product: Product) -> tuple[Singles, Singles, Singles]:
        """Low, mean and high, standardised: each (windows, hours, variables)."""
        blend = self.blends[product]
        mean = blend.mean(said.means)
        width = said.scale * np.take_along_axis(blend.reach.T[None], gap_class(near, product), axis=1)
        return mean - width, mean, mean + width

    def _newest(self, values: Singles, near: Neighbours, means: Mapping[str, Singles], scale: Singles) -> Completed:
        """What `now` found, at the last hour."""
        blend = self.blends["causal"]
        rest = {name: means[name][:, -1:] for name in blend.weights if name in means}
        if missing := set(blend.weights) - set(rest):
            raise ContentError("a live blend needs more than the bedside can wait for", field=min(missing))
        mean = blend.mean(rest)
        reach = np.take_along_axis(blend.reach.T[None], gap_class(near, "causal")[:, -1:], axis=1)
        low, high = mean - scale * reach, mean + scale * reach
        return self._completed(values[-1:], nearest_h(near, "causal")[0, -1:], (low[0], mean[0], high[0]))

    def _completed(self, values: Singles, far: Ints, said: tuple[Singles, Singles, Singles]) -> Completed:
        """In the canonical unit, within what is plausible.

        A mark is taken to last a while around each hour with it and not to be elsewhere; its interval leaves it open.
        """
        least, most = (np.array([getattr(one, end) for one in self.channels], np.float32) for end in ("low", "high"))
        found = [np.clip(self.scale.to_unit(one), least, most) for one in said]
        open_ends = np.zeros_like(found[0]), far <= _MARK_LASTS_H, np.ones_like(found[0])
        seen = np.isfinite(values)
        low, mean, high = (
            np.where(seen, values, np.where(self.marks, mark, one)).astype(np.float32)
            for mark, one in zip(open_ends, found, strict=True)
        )
        return Completed(mean=mean, low=low, high=high, imputed=~seen)

    def _learned(
        self,
        near: Neighbours,
        given: tuple[Singles, Singles, Singles, Flags],
        means: dict[str, Singles],
        product: Product,
    ) -> Said:
        """Add what trees and networks make of the joint smoother."""
        z, guess, statics, asked = given
        features = inputs(z, near, statics, product)
        local = with_guess(features, guess, near, product)
        if (trees := self.trees.get(product)) is not None:
            means["boosting"] = means["joint"] + trees.correction(local, asked)
        scales = []
        for kind in DEEP:
            if (weights := self.networks.get((kind, product))) is not None:
                made = decode(weights, encode(weights, features, product), local)
                means[kind] = means["joint"] + made.delta
                scales.append(made.log_scale)
        expected = np.exp(np.mean(scales, axis=0)) if scales else np.ones_like(z)
        return Said(means=means, scale=np.asarray(expected, np.float32))


def gap_class(near: Neighbours, product: Product) -> Ints:
    """Which class of `GAPS_H` each cell belongs to."""
    far = nearest_h(near, product)
    return np.where(far < near.seen.shape[1], np.searchsorted(GAPS_H, far), len(GAPS_H) + 1)


def _read(artefact: Artefact) -> Imputer:
    arrays = read_arrays(artefact.read_bytes("classics.npz"))
    blends: Mapping[str, Any] = artefact.read_json("blend.json")
    trees = {one: Trees(**read_arrays(artefact.read_bytes(f"boosting_{one}.npz"))) for one in PRODUCTS}
    networks = {
        (kind, product): read_arrays(artefact.read_bytes(f"{kind}_{product}.npz"))
        for kind in DEEP
        for product in PRODUCTS
    }
    return Imputer(
        channels=tuple(Channel(**one) for one in artefact.manifest["channels"]),
        scale=Scale(mean=arrays["mean"], sd=arrays["sd"]),
        joint=joint_of(arrays),
        smoother=Parameters.from_json(artefact.read_json("smoother.json")),
        gaussians={one: (arrays[f"{one}_mean"], arrays[f"{one}_covariance"]) for one in PRODUCTS},
        trees=trees,
        networks=networks,
        blends={one: _blend(blends[one]) for one in PRODUCTS},
    )


def joint_of(arrays: Mapping[str, Any]) -> Joint:
    """The joint smoother from ``classics.npz``."""
    names = ("log", "least", "centre", "spread", "hours", "parts")
    return Joint(**{name: arrays[f"joint_{name}"] for name in names})


def read_arrays(content: bytes) -> dict[str, Any]:
    """Arrays of an ``.npz`` file; objects are refused."""
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _blend(entry: Mapping[str, Any]) -> Blend:
    weights = {name: np.array(one, np.float32) for name, one in entry["weights"].items()}
    reach, horizon_h = np.array(entry["reach"], np.float32), np.array(entry["horizon_h"], np.int64)
    return Blend(weights=weights, reach=reach, horizon_h=horizon_h)


def golden_inputs(features: int, variables: int) -> tuple[Singles, Singles]:
    """Invented features and local features of two windows, that a network's stored outputs belong to."""
    rng = np.random.default_rng(2012)
    seen = rng.normal(0.0, 1.0, (2, HOURS, features)).astype(np.float32)
    return seen, np.concatenate([seen, rng.normal(0.0, 0.5, (2, HOURS, variables)).astype(np.float32)], axis=2)
