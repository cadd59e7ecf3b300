"""The shipped dose of warfarin: it checks itself, follows what is known of the drug, and says no where it must."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds_app.content import Artefact, artefact, canonical_json, content_root, latest, write_manifest
from cds_app.errors import ContentError
from cds_app.score.result import Abstained
from cds_app.score.warfarin.dose import NAME, TYPED, Dose, DoseModel, typed_genes
from cds_app.score.warfarin.features import row
from cds_app.score.warfarin.subject import Subject
from tests.warfarin import SOMEBODY

MODEL = DoseModel.from_artefact(latest(NAME))
Edit = Callable[[str, Callable[[Any], Any]], Artefact]


def dose(**changed: Any) -> Dose:
    found = MODEL.estimate(replace(SOMEBODY, **changed))
    assert isinstance(found, Dose)
    return found


def mg(**changed: Any) -> float:
    return dose(**changed).dose_mg_per_week


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """The shipped artefact with one file changed, listed with its new hash."""
    folder = tmp_path / "models" / NAME / "1.0.0"
    shutil.copytree(content_root() / "models" / NAME / "1.0.0", folder)

    def _edited(name: str, edit: Callable[[Any], Any]) -> Artefact:
        shipped = artefact(NAME, "1.0.0", root=tmp_path)
        if name != "manifest.json":
            (folder / name).write_bytes(canonical_json(edit(shipped.read_json(name))))
        changed = edit(dict(shipped.manifest)) if name == "manifest.json" else shipped.manifest
        return write_manifest(folder, changed)

    return _edited


def test_it_says_what_it_said_when_trained() -> None:
    MODEL.self_check()


def test_sensitive_genotypes_drugs_and_age_lower_the_dose() -> None:
    assert mg(vkorc1={"rs9923231": 0}) > mg(vkorc1={"rs9923231": 1}) > mg(vkorc1={"rs9923231": 2})
    assert mg(cyp2c9=(1, 1)) > mg(cyp2c9=(1, 2)) > mg(cyp2c9=(1, 3)) > mg(cyp2c9=(3, 3))
    assert mg(recorded={"amiodarone": True}) < mg(recorded={"amiodarone": False}) < mg(recorded={"phenytoin": True})
    assert mg(age_decade=3) > mg(age_decade=8)
    assert mg(weight_kg=60.0) < mg(weight_kg=110.0)


def test_an_unknown_genotype_lies_between_the_known_and_is_less_certain() -> None:
    unknown = dose(vkorc1={}, cyp2c9=None)
    assert mg(vkorc1={"rs9923231": 2}) < unknown.dose_mg_per_week < mg(vkorc1={"rs9923231": 0})
    assert unknown.high - unknown.low > dose().high - dose().low


def test_ends_of_the_interval_lie_about_the_dose_and_above_nought() -> None:
    for subject in (Subject(), SOMEBODY, replace(SOMEBODY, vkorc1={"rs9923231": 2}, cyp2c9=(3, 3), age_decade=9)):
        found = MODEL.estimate(subject)
        assert isinstance(found, Dose)
        assert 0.0 < found.low < found.dose_mg_per_week < found.high


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"weight_kg": 3.0}, ["weight_kg"]),
        ({"weight_kg": 0.0, "height_cm": 1750.0}, ["height_cm", "weight_kg"]),
        ({"age_decade": 0}, ["age"]),
    ],
)
def test_outside_of_the_limits_it_abstains_by_name(changed: dict[str, Any], names: list[str]) -> None:
    found = MODEL.estimate(replace(SOMEBODY, **changed))
    assert isinstance(found, Abstained)
    assert [lack.name for lack in found.reasons] == names


def test_nobody_asked_for_is_nobody_answered() -> None:
    assert MODEL.doses([]) == []


def test_many_are_answered_as_one_by_one() -> None:
    several = [SOMEBODY, replace(SOMEBODY, vkorc1={}), replace(SOMEBODY, cyp2c9=None), Subject()]
    assert MODEL.doses(several) == [MODEL.estimate(one) for one in several]
    assert set(typed_genes(np.stack([row(one) for one in several]))) == set(TYPED)


def test_an_answer_that_differs_from_training_is_found(edited: Edit) -> None:
    found = edited("model.json", lambda it: it | {"share_of_trees": 0.4})
    with pytest.raises(ContentError, match="when trained"):
        DoseModel.from_artefact(found).self_check()


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        ("model.json", lambda it: it | {"features": it["features"][1:]}, "other features"),
        ("model.json", lambda it: it | {"spread": {}}, "lacks an entry"),
        ("model.json", lambda it: it | {"linear": it["linear"] | {"weight": [1.0]}}, "no coefficient"),
        ("manifest.json", lambda it: it | {"limits": {}}, "lacks an entry"),
        ("manifest.json", lambda it: it | {"limits": it["limits"] | {"height_cm": [1.0]}}, "lacks an entry"),
    ],
)
def test_an_artefact_that_lacks_something_is_refused(
    edited: Edit, file: str, edit: Callable[[Any], Any], said: str
) -> None:
    with pytest.raises(ContentError, match=said):
        DoseModel.from_artefact(edited(file, edit))


def test_terms_of_another_version_are_refused(edited: Edit) -> None:
    def _renamed(it: Any) -> Any:
        return it | {"linear": it["linear"] | {"names": ["other", *it["linear"]["names"][1:]]}}

    with pytest.raises(ContentError, match="other terms"):
        DoseModel.from_artefact(edited("model.json", _renamed)).self_check()
