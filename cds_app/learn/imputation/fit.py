"""Fit imputation on set a of the Challenge 2012 and write ``models/imputation/<version>``.

Patients who are fitted, who choose the blend and who calibrate the intervals are three groups, disjoint by a hash of
their number. Set b is for testing only.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cds_app.content import CARD, Artefact, canonical_json, latest, write_manifest
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.errors import ContentError
from cds_app.learn.data_set import file_sha256
from cds_app.learn.files.challenge2012 import DATA_SET, PARAMETERS
from cds_app.learn.imputation.blend import alone, calibrated, chosen
from cds_app.learn.imputation.boosting import grow
from cds_app.learn.imputation.card import card
from cds_app.learn.imputation.classics import fit_gaussian, fit_joint, smoother_parameters
from cds_app.learn.imputation.data import Cohort, in_part, places, read, scale_of, statics
from cds_app.learn.imputation.masks import MASKS, training_mask
from cds_app.learn.imputation.measure import figures
from cds_app.learn.imputation.tasks import Task, task, together
from cds_app.twin.boosting import Trees
from cds_app.twin.imputation import Blend, Channel, Imputer, golden_inputs
from cds_app.twin.model import TwinModel
from cds_app.twin.network import Weights
from cds_app.twin.windows import PRODUCTS, Product, Singles

COPIES: Mapping[Product, int] = {"causal": 2, "retrospective": 3}
"""Training masks of each patient; the joint smoother is asked once for each."""
_EPOCHS: Mapping[tuple[str, Product], int] = {  # a GAN's steps cost more
    ("vae", "causal"): 6,
    ("gan", "causal"): 4,
    ("vae", "retrospective"): 9,
    ("gan", "retrospective"): 3,
}
_TESTED = 15  # of 100 stays of set b, by hash; more would cost time and change little
_LOGARITHMIC = frozenset({
    "ALP", "ALT", "AST", "BUN", "Bilirubin", "Cholesterol", "Creatinine", "Glucose", "K", "Lactate", "Mg", "PaCO2",
    "PaO2", "Platelets", "TroponinI", "TroponinT", "Urine", "WBC",
})  # fmt: skip
_CUFF = "_noninvasive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """Patients of set a by what they are for."""

    fit: Cohort
    select: Cohort
    calibrate: Cohort


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Trees, trained networks, and what torch says for `golden_inputs`."""

    trees: Mapping[Product, Trees]
    weights: Mapping[tuple[str, Product], Weights]
    golden: Mapping[str, Singles]


def train(data: Path, out: Path, seed: int) -> Artefact:
    """Fit every candidate, choose the blend, calibrate, test on set b, and write the artefact.

    Parameters
    ----------
    data : Path
        Parquet or CSV file of the challenge with its column ``set``.
    out : Path
        Folder ``.../imputation/<version>``; is made.
    seed : int
        For masks, networks and draws.

    Raises
    ------
    ContentError
        When the data cannot be read, or the extra ``deep`` is not installed.
    """
    sets = split(read(data, "a"))
    plain = classics(sets.fit, seed)
    made = assembled(plain, deep(plain, sets.fit, seed), sets, seed)
    tested = tested_of(read(data, "b"))
    report = {"patients": len(tested.record), "masks": {one: figures(made[0], tested, one, seed) for one in MASKS}}
    sizes = {name: len(getattr(sets, name).record) for name in Sets.__slots__}
    return write(out, made, _facts(data, seed, sizes), report)


def split(cohort: Cohort) -> Sets:
    """Three groups of patients."""
    fit, select, calibrate = (cohort.of(in_part(cohort.record, one)) for one in ("fit", "select", "calibrate"))
    return Sets(fit=fit, select=select, calibrate=calibrate)


def tested_of(cohort: Cohort) -> Cohort:
    """Stays that figures of the artefact are measured on."""
    return cohort.of(places(cohort.record) < _TESTED)


def classics(fitted: Cohort, seed: int) -> Imputer:
    """Everything but the networks and the blends."""
    ontology = load_ontology(latest("ontology"))
    twin = TwinModel.from_artefact(latest("twin"), ontology)
    scale, rng = scale_of(fitted.values), np.random.default_rng(seed)
    z, names = scale.to_z(fitted.values), [one.name for one in PARAMETERS]
    return Imputer(
        channels=tuple(_channels(ontology)),
        scale=scale,
        joint=fit_joint(fitted.values, np.array([name in _LOGARITHMIC for name in names])),
        smoother=smoother_parameters([one.quantity for one in PARAMETERS], twin.dynamics, scale),
        gaussians={product: fit_gaussian(z, product, rng) for product in PRODUCTS},
        trees={},
        networks={},
        blends={product: alone(len(names)) for product in PRODUCTS},
    )


def tasks(plain: Imputer, fitted: Cohort, product: Product, seed: int) -> Task:
    """What the networks learn from: several training masks of every patient."""
    rng, seen, who = np.random.default_rng(seed), np.isfinite(fitted.values), statics(fitted.stayers)
    models = (plain.scale, plain.joint)
    copies = [task(fitted.values, who, training_mask(seen, rng), models, product) for _ in range(COPIES[product])]
    return together(copies)


def deep(plain: Imputer, fitted: Cohort, seed: int) -> Learned:
    """Grow the trees and train both deep imputers, for both products."""
    try:
        from cds_app.learn.imputation import deep  # noqa: PLC0415 - torch is in no lock
    except ModuleNotFoundError as error:
        raise ContentError(
            "imputation is trained with torch, which is not installed: make deep", field="torch"
        ) from error
    weights: dict[tuple[str, Product], Weights] = {}
    golden: dict[str, Singles] = {}
    trees: dict[Product, Trees] = {}
    for product in PRODUCTS:
        asked = tasks(plain, fitted, product, seed)
        trees[product] = grow(asked, product, seed)
        for kind in deep.KINDS:
            weights[kind, product] = found = deep.train(
                kind, product, asked, deep.Recipe(epochs=_EPOCHS[kind, product], seed=seed)
            )
            shape = len(found["in_w"]), len(plain.channels)
            both = deep.outputs(found, *golden_inputs(*shape), product)
            golden |= {f"{kind}_{product}_{name}": one for name, one in zip(("delta", "log_scale"), both, strict=True)}
    return Learned(trees=trees, weights=weights, golden=golden)


def assembled(plain: Imputer, learned: Learned, sets: Sets, seed: int) -> tuple[Imputer, Learned]:
    """Choose the blends and calibrate them."""
    made = replace(plain, trees=learned.trees, networks=learned.weights)
    made = replace(made, blends={one: chosen(made, sets.select, one, seed + 1) for one in PRODUCTS})
    return replace(made, blends={one: calibrated(made, sets.calibrate, one, seed + 2) for one in PRODUCTS}), learned


def _facts(data: Path, seed: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "kind": "imputation",
        "credit": DATA_SET.credit,
        "credit_short": DATA_SET.credit_short,
        "licence": DATA_SET.licence,
        "population": DATA_SET.inclusion,
        "data_sha256": file_sha256(data),
        "seed": seed,
        "split": {"how": "SHA-256 of the stay's number within set a; set b is for testing", "patients": dict(sizes)},
        "twin": latest("twin").version,
    }


def write(out: Path, made: tuple[Imputer, Learned], facts: Mapping[str, Any], report: Mapping[str, Any]) -> Artefact:
    """Write every file of the artefact, its manifest and its card."""
    imputer, learned = made
    out.mkdir(parents=True, exist_ok=True)
    (out / "classics.npz").write_bytes(_packed(_arrays(imputer)))
    for (kind, product), weights in learned.weights.items():
        (out / f"{kind}_{product}.npz").write_bytes(_packed(weights))
    for product, trees in learned.trees.items():
        (out / f"boosting_{product}.npz").write_bytes(_packed({name: getattr(trees, name) for name in trees.__slots__}))
    (out / "golden.npz").write_bytes(_packed(learned.golden))
    (out / "smoother.json").write_bytes(canonical_json(imputer.smoother.to_json()))
    (out / "blend.json").write_bytes(canonical_json({name: _entry(one) for name, one in imputer.blends.items()}))
    (out / "training.json").write_bytes(canonical_json(report))
    found = write_manifest(out, {**facts, "channels": [asdict(one) for one in imputer.channels]})
    (out / CARD).write_text(card(found.manifest, report), encoding="utf-8")
    return found


def _arrays(imputer: Imputer) -> dict[str, Any]:
    names = ("log", "least", "centre", "spread", "hours", "parts")
    gaussians = {
        f"{product}_{name}": value
        for product, both in imputer.gaussians.items()
        for name, value in zip(("mean", "covariance"), both, strict=True)
    }
    joint = {f"joint_{name}": getattr(imputer.joint, name) for name in names}
    return {"mean": imputer.scale.mean, "sd": imputer.scale.sd, **joint, **gaussians}


def _packed(arrays: Mapping[str, Any]) -> bytes:
    """As an ``.npz`` file."""
    target = io.BytesIO()
    np.savez(target, **{name: arrays[name] for name in sorted(arrays)})
    return target.getvalue()


def _channels(ontology: Ontology) -> Iterator[Channel]:
    """Each parameter in the ontology's words, if it has any; what a cuff measured is a variable of its own."""
    for one in PARAMETERS:
        cuff = one.quantity + _CUFF if one.name.startswith("NI") else ""
        known = ontology.variables.get(cuff) or (
            ontology.quantity(one.quantity) if ontology.measuring(one.quantity) else None
        )
        yield Channel(
            name=one.name,
            variable=known.key if known else "",
            quantity=one.quantity,
            unit=known.unit if known else "",
            low=one.low,
            high=one.high,
        )


def _entry(blend: Blend) -> dict[str, Any]:
    weights = {name: [_short(value) for value in one.tolist()] for name, one in sorted(blend.weights.items())}
    reach = [[_short(value) for value in row] for row in blend.reach.tolist()]
    return {"weights": weights, "reach": reach, "horizon_h": blend.horizon_h.tolist()}


def _short(value: float) -> float:
    return float(f"{value:.6g}")
