"""Drugs and their models as content: what is shipped loads, and mistakes in it are found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds_app.content import latest, write_manifest
from cds_app.errors import ContentError
from cds_app.services.content.pharmacology import load_pharmacy
from cds_app.simulate.kinetics.covariates import Covariates
from cds_app.simulate.kinetics.individual import ELSEWHERE, OTHERS, fit_to, parameters, usable
from cds_app.simulate.refusals import Refusal
from tests.unit.simulate.pharmacy import ROOT, adult, drug, known, model, ontology

DRUGS = ("gentamicin", "meropenem", "propofol", "tacrolimus", "tobramycin", "vancomycin", "warfarin")
EVERY = [one.name for name in DRUGS for one in drug(name).models]


def changed(tmp_path: Path, name: str, file: str, edit: Callable[[Any], object]) -> Path:
    """A copy of models/pkpd in which one file was edited and its manifest brought up to date."""
    shutil.copytree(ROOT / "models" / "pkpd", tmp_path / "models" / "pkpd")
    folder = tmp_path / "models" / "pkpd" / name / "1.0.0"
    content = json.loads((folder / file).read_text("utf-8"))
    edit(content)
    (folder / file).write_text(json.dumps(content), "utf-8")
    write_manifest(folder, json.loads((folder / "manifest.json").read_text("utf-8")))
    return tmp_path


def test_every_drug_is_shipped_with_its_models() -> None:
    found = load_pharmacy(ROOT, ontology())
    assert tuple(found) == DRUGS
    assert len(found["vancomycin"].models) == 5
    assert all(latest(f"pkpd/{name}", root=ROOT).sha256 == one.sha256 for name, one in found.items())


@pytest.mark.parametrize("name", EVERY)
def test_every_model_says_where_it_comes_from_and_what_needs_review(name: str) -> None:
    file = model(name).file
    assert file.source
    assert file.population
    assert set(file.tags) & {"V", "G"}
    assert file.needs_review or not any(one.tag == "M" for one in file.validity.values())


@pytest.mark.parametrize("name", EVERY)
def test_parameters_are_positive_everywhere_inside_the_limits(name: str) -> None:
    one = model(name)
    rng, tried = np.random.default_rng(5), 0
    genotypes = {gene: next(iter(table)) for gene, table in one.file.genotypes.items()}
    for _ in range(400):
        person = Covariates(
            age_years=rng.uniform(18, 100),
            weight_kg=rng.uniform(33, 250),
            height_cm=rng.uniform(140, 205),
            creatinine_mg_dl=rng.uniform(0.3, 8.0),
            haematocrit_percent=rng.uniform(21, 46),
            baseline_inr=rng.uniform(0.8, 1.3),
            days_since_transplant=rng.uniform(0.0, 90.0),
            sex="female" if rng.random() < 0.5 else "male",
            intensive_care=bool(one.file.intensive_care),
            conditions=frozenset(one.file.conditions),
            genotypes=genotypes,
        )
        fitted = fit_to(one, person)
        if isinstance(fitted, tuple):
            continue
        tried += 1
        etas = rng.multivariate_normal(np.zeros(len(one.varying)), one.covariance, 50)
        assert usable(parameters(one, fitted, etas)).all()
    assert tried > 10


@pytest.mark.parametrize(
    ("name", "file", "edit", "said"),
    [
        ("vancomycin-goti-2018", "model.json", lambda it: it["parameters"][0].update(value="4.5*NOBODY"), "NOBODY"),
        ("vancomycin-goti-2018", "model.json", lambda it: it["parameters"][0].update(value="4.5*("), "ends too early"),
        ("vancomycin-goti-2018", "model.json", lambda it: it["parameters"].pop(), "lacks the parameter V2"),
        ("vancomycin-goti-2018", "model.json", lambda it: it.update(needs_review=False), "needs review"),
        ("vancomycin-goti-2018", "model.json", lambda it: it.update(invented=1), "Extra inputs"),
        ("vancomycin-goti-2018", "model.json", lambda it: it.update(drug="aspirin"), "another drug"),
        ("vancomycin-goti-2018", "model.json", lambda it: it["residual"].update(additive=0, proportional=0), "exact"),
        ("vancomycin-goti-2018", "model.json", lambda it: it["adjustments"][0].update(name="SHOE"), "no covariate"),
        (
            "vancomycin-thomson-2009",
            "model.json",
            lambda it: it["covariances"][0].update(value=5.0),
            "do not make a distribution",
        ),
        (
            "vancomycin-thomson-2009",
            "model.json",
            lambda it: it["covariances"][0].update(of=["CL", "SHOE"]),
            "does not vary",
        ),
        ("tacrolimus-woillard-2011", "model.json", lambda it: it.update(assumes={}), "must be said of each"),
        ("vancomycin", "drug.json", lambda it: it["goals"]["usual"]["target"].update(metric="luck"), "metric"),
        ("vancomycin", "drug.json", lambda it: it["goals"]["usual"]["target"].update(metric="time_above"), "threshold"),
        ("vancomycin", "drug.json", lambda it: it["goals"]["usual"]["harms"][0].update(below=3), "one side"),
        ("vancomycin", "drug.json", lambda it: it["goals"]["usual"]["harms"][0].update(needs_review=False), "review"),
        ("vancomycin", "drug.json", lambda it: it["goals"]["usual"]["harms"][0].update(told_from=0.1), "not told"),
        ("vancomycin", "drug.json", lambda it: it.update(needs_review=False), "needs review"),
        (
            "vancomycin-buelga-2005",
            "model.json",
            lambda it: it.update(conditions={"moonshine": "some"}),
            "no condition moonshine",
        ),
        ("vancomycin", "drug.json", lambda it: it.update(concept="moonshine"), "knows no drug"),
        ("vancomycin", "drug.json", lambda it: it["levels"]["quantities"].append("moonshine"), "no variable measures"),
        ("vancomycin", "drug.json", lambda it: it["levels"].update(unit="mol/L"), "another unit"),
        ("vancomycin", "drug.json", lambda it: it["models"].update({"a-b": {"version": "1", "weight": 1}}), "a-b"),
    ],
)
def test_a_mistake_in_the_content_stops_the_start(
    tmp_path: Path, name: str, file: str, edit: Callable[[Any], object], said: str
) -> None:
    root = changed(tmp_path, name, file, edit)
    with pytest.raises(ContentError, match=said):
        load_pharmacy(root, ontology())


def test_a_changed_file_does_not_load(tmp_path: Path) -> None:
    root = changed(tmp_path, "vancomycin", "drug.json", lambda it: it)
    path = root / "models" / "pkpd" / "vancomycin-goti-2018" / "1.0.0" / "model.json"
    path.write_text(path.read_text("utf-8").replace("4.5*", "9.5*"), "utf-8")
    with pytest.raises(ContentError, match=r"pkpd/vancomycin-goti-2018/1\.0\.0/model\.json does not match its hash"):
        load_pharmacy(root, ontology())


def refused(name: str, person: Covariates) -> dict[str, str]:
    found = fit_to(model(name), person)
    assert isinstance(found, tuple)
    assert all(isinstance(one, Refusal) for one in found)
    return {one.field: one.limit for one in found}


@pytest.mark.parametrize(
    ("person", "field"),
    [
        (adult(weight_kg=3.0), "covariates.weight_kg"),
        (adult(creatinine_mg_dl=0.1), "covariates.creatinine_mg_dl"),
        (adult(creatinine_mg_dl=25.0), "covariates.creatinine_mg_dl"),
        (adult(age_years=7.0), "covariates.age_years"),
        (adult(age_years=float("nan")), "covariates.age_years"),
        (adult(dialysis=True), "covariates.dialysis"),
        (adult(weight_kg=None), "covariates.weight_kg"),
        (adult(sex=None), "covariates.sex"),
        (adult(creatinine_mg_dl=None), "covariates.creatinine_mg_dl"),
    ],
)
def test_a_patient_outside_a_model_is_refused_by_field_and_never_clamped(person: Covariates, field: str) -> None:
    assert field in refused("vancomycin-goti-2018", person)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("gentamicin-hodiamont-2017", True),
        ("gentamicin-duong-2022", True),
        ("gentamicin-xuan-2004", False),
        ("tobramycin-conil-2011", True),
        ("tobramycin-hennig-2013", False),
    ],
)
def test_a_model_of_one_place_is_used_for_nobody_elsewhere(name: str, there: bool) -> None:
    known(name, adult(intensive_care=there))
    (field,) = refused(name, adult(intensive_care=not there))
    assert field == ELSEWHERE


@pytest.mark.parametrize("name", ["tacrolimus-woillard-2011", "vancomycin-buelga-2005"])
def test_a_model_of_people_with_one_problem_is_used_for_nobody_without_it(name: str) -> None:
    assert OTHERS in refused(name, adult(conditions=frozenset({"gout"})))


def test_a_model_of_both_places_is_used_in_both() -> None:
    for there in (True, False):
        known("vancomycin-goti-2018", adult(intensive_care=there))


def test_refusals_never_hold_the_patients_value() -> None:
    said = refused("vancomycin-goti-2018", adult(weight_kg=3.25, creatinine_mg_dl=25.75))
    assert "3.25" not in str(said)
    assert "25.75" not in str(said)


def test_a_gene_that_was_not_called_is_not_taken_as_reference() -> None:
    person = adult(age_years=71.0, baseline_inr=1.0, genotypes={"CYP2C9": "*1/*1"})
    assert refused("warfarin-hamberg-2007", person) == {
        "covariates.genotypes.VKORC1": "is needed by this model; what was not called is not taken as reference"
    }
    unknown = adult(age_years=71.0, baseline_inr=1.0, genotypes={"CYP2C9": "*1/*8", "VKORC1": "AG"})
    assert set(refused("warfarin-hamberg-2007", unknown)) == {"covariates.genotypes.CYP2C9"}


def test_alleles_may_stand_in_either_order() -> None:
    person = adult(age_years=71.0, baseline_inr=1.0, genotypes={"CYP2C9": "*3/*1", "VKORC1": "GA"})
    assert known("warfarin-hamberg-2007", person).known["CYP2C9"] == 0.547


def test_only_rules_of_the_publication_change_a_covariate_and_they_are_reported() -> None:
    young = known("vancomycin-goti-2018", adult(age_years=25.0, weight_kg=120.0, creatinine_mg_dl=0.6))
    assert young.known["CRCL"] == 150.0
    assert young.applied == ("creatinine clearance capped at 150 mL/min (Goti 2018)",)
    old = known("vancomycin-goti-2018", adult(age_years=70.0, creatinine_mg_dl=0.6))
    assert old.known["SCR"] == 1.0
    assert "creatinine below 1.0" in old.applied[0]
    assert known("vancomycin-goti-2018", adult(age_years=65.0, creatinine_mg_dl=0.6)).known["SCR"] == 0.6
    assert known("vancomycin-goti-2018", adult()).applied == ()


def test_individual_volumes_enter_colins_clearance() -> None:
    one = model("vancomycin-colin-2019")
    etas = np.zeros((2, len(one.varying)))
    etas[1, one.varying.index("V1")] = np.log(2.0)
    found = parameters(one, known(one.name, adult()), etas)
    assert found["CL"][1] / found["CL"][0] == pytest.approx(2.0**0.75)
