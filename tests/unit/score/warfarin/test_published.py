"""The published algorithms give what their formula gives when it is worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cds_app.content import Artefact, artefact, canonical_json, latest, write_manifest
from cds_app.errors import ContentError
from cds_app.score.warfarin.features import Filling, row
from cds_app.score.warfarin.published import NAME, published
from cds_app.score.warfarin.subject import Subject
from tests.warfarin import SOMEBODY

ALGORITHMS = published(latest(NAME))
FILLING = Filling.of(row(SOMEBODY)[None])


def dose(name: str, subject: Subject) -> float:
    return float(ALGORITHMS[name].doses(row(subject)[None], FILLING)[0])


# 60 to 69 years, 175 cm, 80 kg: what the formula adds up to before genotype, race and drugs
BODY = 5.6044 - 0.2614 * 6 + 0.0087 * 175 + 0.0128 * 80


@pytest.mark.parametrize(
    ("changed", "more"),
    [
        ({}, -0.8677),
        ({"vkorc1": {"rs9923231": 0}}, 0.0),
        ({"vkorc1": {"rs9923231": 2}}, -1.6974),
        ({"vkorc1": {}}, -0.4854),
        ({"cyp2c9": (1, 2)}, -0.8677 - 0.5211),
        ({"cyp2c9": (3, 1)}, -0.8677 - 0.9357),
        ({"cyp2c9": (2, 2)}, -0.8677 - 1.0616),
        ({"cyp2c9": (2, 3)}, -0.8677 - 1.9206),
        ({"cyp2c9": (3, 3)}, -0.8677 - 2.3312),
        ({"cyp2c9": None}, -0.8677 - 0.2188),
        ({"cyp2c9": (1, 11)}, -0.8677 - 0.2188),
        ({"race": "asian"}, -0.8677 - 0.1092),
        ({"race": "black"}, -0.8677 - 0.2760),
        ({"race": "unknown"}, -0.8677 - 0.1032),
        ({"recorded": {"phenytoin": True}}, -0.8677 + 1.1816),
        ({"recorded": {"amiodarone": True, "rifampicin": False}}, -0.8677 - 0.5503),
    ],
)
def test_the_pharmacogenetic_algorithm(changed: dict[str, Any], more: float) -> None:
    assert dose("iwpc_pharmacogenetic", replace(SOMEBODY, **changed)) == pytest.approx((BODY + more) ** 2, rel=1e-6)


def test_the_clinical_algorithm_looks_at_no_genotype() -> None:
    body = 4.0376 - 0.2546 * 6 + 0.0118 * 175 + 0.0134 * 80
    for vkorc1 in ({"rs9923231": 0}, {}):
        assert dose("iwpc_clinical", replace(SOMEBODY, vkorc1=vkorc1)) == pytest.approx(body**2, rel=1e-6)
    assert dose("iwpc_clinical", replace(SOMEBODY, race="black")) == pytest.approx((body + 0.4060) ** 2, rel=1e-6)


def test_unknown_measures_of_the_body_are_filled_in() -> None:
    said = ALGORITHMS["iwpc_clinical"].doses(row(Subject())[None], FILLING)
    assert np.isfinite(said).all()


def test_every_coefficient_has_a_tag_and_what_is_from_memory_needs_review() -> None:
    content = latest(NAME).read_json("algorithms.json")["algorithms"]
    found = [one for algorithm in content.values() for one in algorithm["coefficients"].values()]
    assert {one["tag"] for one in found} <= set(latest(NAME).manifest["tags"])
    assert all(one["needs_review"] == (one["tag"] == "M") for one in found)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str], Artefact]:
    def _changed(term: str) -> Artefact:
        folder = tmp_path / "models" / NAME / "1.0.0"
        folder.mkdir(parents=True)
        content = latest(NAME).read_json("algorithms.json")
        content["algorithms"]["iwpc_clinical"]["coefficients"][term] = {"value": 1.0}
        (folder / "algorithms.json").write_bytes(canonical_json(content))
        write_manifest(folder, {})
        return artefact(NAME, "1.0.0", root=tmp_path)

    return _changed


def test_a_term_that_is_not_known_is_refused(changed: Callable[[str], Artefact]) -> None:
    with pytest.raises(ContentError, match="not known"):
        published(changed("star_sign"))
