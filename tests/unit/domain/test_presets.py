"""What a site may choose to read in, and what stops the start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact, content_root, write_manifest
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.presets import PRESETS, Presets
from cds_app.errors import ContentError, SettingsError

_CONTENT = artefact("ontology", "1.0.0")
_ONTOLOGY = load_ontology(_CONTENT)
Change = Callable[[Any], object]
SHIPPED = Presets(_CONTENT, _ONTOLOGY)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("conventional", "conventional"),
        ("si", "si"),
        (" si ,pco2 = mm[Hg],, body_temp=[degF]", "si, body_temp=[degF], pco2=mm[Hg]"),
        ("conventional, glucose=mg/dL", "conventional"),
        ("si, glucose=mmol/L", "si"),
        ("conventional, glucose=mmol/L", "conventional, glucose=mmol/L"),
    ],
)
def test_one_choice_is_written_in_one_way(text: str, meant: str) -> None:
    assert SHIPPED.choice(text).text == meant


def test_nothing_chosen_is_the_same_ontology() -> None:
    assert SHIPPED.told(SHIPPED.choice("conventional, glucose=mg/dL")) is _ONTOLOGY


@pytest.mark.parametrize(
    ("units", "quantity", "text", "decimals"),
    [
        ("si", "glucose", "mmol/L", 1),
        ("conventional, glucose=mmol/L", "glucose", "mmol/L", 1),  # as the preset has it
        ("si, pco2=mm[Hg]", "pco2", "mmHg", 0),
        ("conventional, body_temp=[degF]", "body_temp", "°F", 1),
        ("conventional, map=kPa", "map", "kPa", 1),
        ("conventional, hemoglobin=mmol/L", "hemoglobin", "mmol/L", 1),
        ("conventional, hemoglobin=g/L", "hemoglobin", "g/L", 0),
        ("conventional, body_weight=g", "body_weight", "g", 0),
        ("conventional, body_weight=[lb_av]", "body_weight", "lb", 1),
    ],
)
def test_a_unit_without_a_preset_is_about_as_fine_as_the_canonical_one(
    units: str, quantity: str, text: str, decimals: int
) -> None:
    told = SHIPPED.told(SHIPPED.choice(units)).quantity(quantity).told
    assert (told.text, told.decimals) == (text, decimals)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "units: must begin with one of conventional, si"),
        ("SI", "units: must begin with one of conventional, si"),
        ("glucose=mmol/L", "units: must begin with one of conventional, si"),
        ("si, sugar=mmol/L", "units: sugar is no quantity that is measured"),
        ("si, consciousness=mmol/L", "units: consciousness is no quantity that is measured"),
        ("si, glucose", "units: glucose needs a unit (quantity=unit)"),
        ("si, glucose=", "units: glucose needs a unit (quantity=unit)"),
        ("si, glucose=sugars", "units: glucose cannot be told in sugars, which is no UCUM unit"),
        (
            "si, glucose=mmol",
            "units: glucose cannot be told in mmol: it does not convert to mg/dL by what the ontology",
        ),
        ("si, crp=nmol/L", "units: crp cannot be told in nmol/L: it does not convert to mg/L by what the ontology"),
        ("si, inr=%", "units: inr cannot be told in %: it does not convert to {INR} by what the ontology knows"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as found:
        SHIPPED.choice(text)
    assert found.value.message.startswith(said)


def _changed(root: Path, change: Change) -> Path:
    folder = root / "models" / "ontology" / "1.0.0"
    shutil.copytree(_CONTENT.root, folder)
    content = json.loads((folder / PRESETS).read_text("utf-8"))
    change(content)
    (folder / PRESETS).write_text(json.dumps(content), "utf-8")
    write_manifest(folder, _CONTENT.manifest)
    return root


def first(content: Any) -> Any:
    return content["presets"][0]["rows"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content["presets"].append(content["presets"][0]), "si is there twice"),
        (lambda content: content["presets"][0].update(key="conventional"), "conventional is there twice"),
        (lambda content: first(content)["quantities"].append("glucose"), "si: glucose is there twice"),
        (lambda content: first(content)["quantities"].append("sugar"), "si: sugar is no quantity"),
        (lambda content: first(content).update(unit="mmol"), "si: glucose cannot be told in mmol"),
        (lambda content: first(content).update(decimals=-1), "decimals"),
    ],
)
def test_a_preset_that_does_not_hold_is_refused(tmp_path: Path, change: Change, said: str) -> None:
    root = _changed(tmp_path, change)
    with pytest.raises(ContentError, match=said):
        Presets(artefact("ontology", "1.0.0", root=root), _ONTOLOGY)


def test_every_row_of_a_preset_says_where_it_is_from() -> None:
    content = artefact("ontology", "1.0.0", root=content_root()).read_json(PRESETS)
    assert all(row["source"] and row["review"] for preset in content["presets"] for row in preset["rows"])
