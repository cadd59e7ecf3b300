"""The circulation's artefact: complete, with sources, and refused where it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact, content_root, write_manifest
from cds_app.errors import ContentError
from cds_app.simulate.surgery.comparing import SurgeryModel

FILES = ("circulation.json", "drugs.json", "patient.json", "plan.json")
FOLDER = Path("models") / "circulation" / "1.0.0"


def groups() -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for name in FILES:
        told = json.loads((content_root() / FOLDER / name).read_text(encoding="utf-8"))
        found += [(name, group, entry) for group, entry in told.items()]
    return found


@pytest.mark.parametrize(("file", "group", "entry"), groups())
def test_every_number_has_a_source_a_tag_and_units(file: str, group: str, entry: dict[str, Any]) -> None:
    assert entry["source"], (file, group)
    assert entry["units"]
    assert set(entry["tag"].split(", ")) <= {"V", "2x", "G", "M"}


@pytest.mark.parametrize(("file", "group", "entry"), groups())
def test_what_is_from_memory_needs_review(file: str, group: str, entry: dict[str, Any]) -> None:
    assert entry["needs-review"] is ("M" in entry["tag"]), (file, group)


def changed(tmp_path: Path, name: str, change: Callable[[dict[str, Any]], object]) -> SurgeryModel:
    """The model from an artefact of which one file was changed."""
    folder = tmp_path / FOLDER
    shutil.copytree(content_root() / FOLDER, folder)
    told = json.loads((folder / name).read_text(encoding="utf-8"))
    change(told)
    (folder / name).write_text(json.dumps(told), encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    write_manifest(folder, {key: value for key, value in manifest.items() if key != "files"})
    return SurgeryModel.from_artefact(artefact("circulation", "1.0.0", root=tmp_path))


def test_an_unchanged_artefact_is_read(tmp_path: Path) -> None:
    assert changed(tmp_path, "plan.json", dict).limits.low_mmhg == 65.0


def without(*path: str) -> Callable[[dict[str, Any]], object]:
    def change(told: dict[str, Any]) -> object:
        for step in path[:-1]:
            told = told[step]
        return told.pop(path[-1])

    return change


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("circulation.json", ("constants",)),
        ("circulation.json", ("constants", "values", "venous_compliance")),
        ("circulation.json", ("baroreflex", "source")),
        ("circulation.json", ("settling", "values", "volume_lag_s")),
        ("surface.json", ("coefficients", "output")),
        ("surface.json", ("range", "resistance")),
        ("drugs.json", ("propofol_kinetics", "values", "v1_l")),
        ("drugs.json", ("albumin",)),
        ("drugs.json", ("propofol_bis", "values", "power_above_half")),
        ("drugs.json", ("propofol_bis", "values", "reading_sd")),
        ("drugs.json", ("propofol_bis_population", "values", "age")),
        ("plan.json", ("depth", "values", "light_from_min")),
        ("patient.json", ("limits", "values", "map")),
        ("patient.json", ("current_for_h", "values", "heart_rate")),
        ("patient.json", ("ceilings", "values", "lv_systolic")),
        ("plan.json", ("limits",)),
    ],
)
def test_an_incomplete_artefact_does_not_load(tmp_path: Path, file: str, path: tuple[str, ...]) -> None:
    with pytest.raises(ContentError):
        changed(tmp_path, file, without(*path))
