"""Checking the simulation of drugs on real people: the error of the next level must fall once levels are used."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from cds_app.content import content_root, latest
from cds_app.domain.ontology_files import load_ontology
from cds_app.learn.kinetics.forecast import Foretold, crossed, draw_check, foretell, predictive_check
from cds_app.learn.kinetics.invented import PEOPLE, simulated
from cds_app.learn.kinetics.population import Sketch, fit
from cds_app.learn.kinetics.subjects import Subject, quinidine, remifentanil, theophylline, warfarin
from cds_app.services.content.pharmacology import load_pharmacy
from cds_app.simulate.kinetics.models import Model, Residual, load_model
from cds_app.simulate.kinetics.patients import place

ORAL: Final = {"CL": ("L/h", "TV_CL*(WT/70)^0.75"), "V1": ("L", "TV_V1*WT/70"), "KA": ("/h", "TV_KA")}
THEOPHYLLINE: Final = Sketch(
    drug="theophylline",
    compartments=1,
    steps=1,
    formulas=ORAL,
    begin={"CL": 2.8, "V1": 35.0, "KA": 1.5},
    residual=Residual(kind="combined", proportional=0.1, additive=0.3),
)
WARFARIN: Final = Sketch(
    drug="warfarin",
    compartments=1,
    steps=3,
    formulas=ORAL,
    begin={"CL": 0.14, "V1": 8.0, "KA": 3.0},
    residual=Residual(kind="combined", proportional=0.1, additive=0.3),
)
QUINIDINE: Final = Sketch(
    drug="quinidine",
    compartments=1,
    steps=1,
    formulas={"CL": ("L/h", "TV_CL*(WT/70)^0.75"), "V1": ("L", "TV_V1*WT/70")},
    begin={"CL": 12.0, "V1": 220.0},
    residual=Residual(kind="combined", proportional=0.2, additive=0.3),
    fixed={"KA": ("/h", "1.0")},
    iterations=10,
)
_FOLDS: Final = 4


def evaluate(
    folder: Path, report: Path | None, pictures: Path | None, *, seed: int = 0, invented: int = PEOPLE
) -> dict[str, Any]:
    """Foretell next levels in every data set of a folder.

    Parameters
    ----------
    folder : Path
        With ``theoph.csv``, ``warfarin_oreilly.csv``, ``quinidine.csv`` and ``remifentanil.csv``.
    report, pictures : Path or None
        Where figures go as JSON, and visual predictive checks as PNG.
    invented : int
        People drawn from every shipped model.

    Returns
    -------
    mapping
        By data set: figures of `Foretold.figures`, and how many people. Under ``simulated``, by drug and model
        `Ranks.figures` of people drawn from the shipped models: whether the bands hold where the model is right.
    """
    read = {
        "theophylline": (theophylline(folder / "theoph.csv"), THEOPHYLLINE),
        "warfarin": (warfarin(folder / "warfarin_oreilly.csv"), WARFARIN),
        "quinidine": (quinidine(folder / "quinidine.csv"), QUINIDINE),
        "remifentanil": (remifentanil(folder / "remifentanil.csv"), None),
    }
    pharmacy = load_pharmacy(content_root(), load_ontology(latest("ontology")))
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        waited = {name: pool.submit(_foretold, name, *of, pictures, seed) for name, of in read.items()}
        found: dict[str, Any] = {"simulated": simulated(pharmacy, people=invented, seed=seed, calling=pool.map)}
        found |= {name: one.result() for name, one in waited.items()}
    if report is not None:
        report.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", "utf-8")
    return found


def _foretold(
    name: str, subjects: list[Subject], sketch: Sketch | None, pictures: Path | None, seed: int
) -> dict[str, float]:
    """Figures of one data set: of a population fitted to others of it, or without a sketch of the published model."""
    if sketch is not None:
        found = crossed(subjects, _FOLDS, _training(sketch, seed), seed=seed)
        _picture(fit(sketch, subjects, seed=seed), subjects, name, pictures, seed)
        return _figures(found, subjects)
    published = load_model(latest("pkpd/remifentanil-minto-1997"))
    inside = _inside(published, subjects)
    found = foretell(published, inside, seed=seed, least_earlier=3)
    _picture(published, inside, name, pictures, seed)
    return _figures(found, inside)


def _training(sketch: Sketch, seed: int) -> Callable[[list[Subject]], Model]:
    def train(subjects: list[Subject]) -> Model:
        return fit(sketch, subjects, seed=seed)

    return train


def _figures(foretold: Foretold, subjects: Sequence[Subject]) -> dict[str, float]:
    return {"people": len(subjects), **foretold.figures()}


def _inside(model: Model, subjects: Sequence[Subject]) -> list[Subject]:
    """Those for whom a published model is made."""
    return [one for one in subjects if not isinstance(place(model, one.known(0)), tuple)]


def _picture(model: Model, subjects: Sequence[Subject], name: str, folder: Path | None, seed: int) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    found = predictive_check(model, subjects, seed=seed)
    draw_check(found, f"{name}, {len(subjects)} people", model.file.concentration_unit, folder / f"{name}.png")
