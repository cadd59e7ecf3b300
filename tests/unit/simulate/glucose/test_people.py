"""Virtual people as content: what does not hold together is named, and nothing is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import latest, write_manifest
from cds_app.errors import ContentError
from cds_app.services.content.knowledge import load_vocabulary
from cds_app.services.content.pharmacology import PKPD, load_virtual
from cds_app.simulate.glucose.people import FILE, load_people
from tests.unit.simulate.pharmacy import ROOT

NAME = "insulin-uvapadova-2008"
Change = Callable[[dict[str, Any]], object]


def changed(root: Path, change: Change) -> Path:
    """A content root with these virtual people, changed."""
    folder = root / "models" / "pkpd" / NAME / "1.0.0"
    shutil.copytree(latest(f"pkpd/{NAME}", root=ROOT).root, folder)
    file = json.loads((folder / FILE).read_text("utf-8"))
    change(file)
    (folder / FILE).write_text(json.dumps(file), "utf-8")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    del manifest["files"]
    write_manifest(folder, manifest)
    return root


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it["people"][0]["parameters"].pop("kabs"), "lacks kabs"),
        (lambda it: it["rules"]["validity"].pop("bolus_u"), "lacks the limits of bolus_u"),
        (lambda it: it["rules"]["orders"]["others"].pop("insulins"), "others lacks insulins"),
        (lambda it: it["rules"]["orders"]["out_of_balance"][0].update(below=1.0), "one limit is needed"),
        (lambda it: it["rules"]["orders"]["doses_u"].append(-1.0), "greater than 0"),
    ],
)
def test_people_that_do_not_hold_together_are_named(tmp_path: Path, change: Change, said: str) -> None:
    root = changed(tmp_path, change)
    with pytest.raises(ContentError, match=said):
        load_people(latest(f"pkpd/{NAME}", root=root))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it["rules"]["orders"]["rapid"].append("insulin_inhaled"), "unknown insulin_inhaled"),
        (lambda it: it["rules"]["orders"]["out_of_balance"][0].update(quantity="mood"), "nothing measures mood"),
    ],
)
def test_people_that_name_what_nobody_knows_are_refused(tmp_path: Path, change: Change, said: str) -> None:
    ontology, _ = load_vocabulary(ROOT)
    assert set(load_virtual({PKPD + NAME: "1.0.0"}, ROOT, ontology)) == {NAME}
    with pytest.raises(ContentError, match=said):
        load_virtual({PKPD + NAME: "1.0.0"}, changed(tmp_path, change), ontology)
