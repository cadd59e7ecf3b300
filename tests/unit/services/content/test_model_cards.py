"""Every learned risk has a card that is what its manifest and report say today, as text and as a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_app.bootstrap import app_of
from cds_app.content import CARD, content_root
from cds_app.deps import memory_deps
from cds_app.errors import NotFound
from cds_app.services.content.knowledge import BACKGROUND, RISKS, Knowledge
from cds_app.services.content.model_cards import Shelf
from cds_app.settings import Settings
from tests.service import twinline

SHELF = Shelf(content_root())


def test_every_risk_that_is_served_has_a_card() -> None:
    assert set(SHELF.names()) == {*RISKS, *BACKGROUND}


@pytest.mark.parametrize("name", [*RISKS, *BACKGROUND])
def test_the_card_beside_the_model_is_current(name: str) -> None:
    artefact = SHELF.artefact(name)
    assert SHELF.is_current(artefact), f"twinline card {name}"
    text = (artefact.root / CARD).read_text("utf-8")
    assert artefact.manifest["credit"] in text
    assert "not a cleared medical device" in text
    assert all(f"]({plot})" in text for plot in artefact.manifest["files"] if plot.endswith(".png"))


def test_a_card_that_says_something_else_is_found_and_written_again(tmp_path: Path) -> None:
    for folder in ("templates", "models"):
        shutil.copytree(content_root() / folder, tmp_path / folder)
    shelf = Shelf(tmp_path)
    card = shelf.artefact("aki").root / CARD
    card.write_text(card.read_text("utf-8").replace("AUROC", "accuracy"), "utf-8")
    assert not shelf.is_current(shelf.artefact("aki"))
    shelf.write(shelf.artefact("aki"))
    assert shelf.is_current(shelf.artefact("aki"))


@pytest.mark.parametrize("name", ["ontology", "nothing", "../aki"])
def test_what_is_no_learned_risk_has_no_card(name: str) -> None:
    with pytest.raises(NotFound):
        SHELF.artefact(name)


def test_the_command_checks_a_card() -> None:
    done = twinline("card", "sepsis", "--check")
    assert (done.returncode, done.stdout.strip()) == (0, "current")


def test_pages_hold_no_script_and_refuse_what_they_do_not_have(knowledge: Knowledge) -> None:
    client = app_of(memory_deps(knowledge, Settings())).test_client()
    page = client.get("/models/sepsis")
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "Discrimination and calibration" in page.text
    picture = client.get("/models/sepsis/roc.png")
    assert (picture.status_code, picture.mimetype) == (200, "image/png")
    assert picture.data.startswith(b"\x89PNG")
    assert client.get("/models/report.css").mimetype == "text/css"
    for missing in ("/models/nothing", "/models/sepsis/model.ubj", "/models/sepsis/..%2fmanifest.json"):
        assert client.get(missing).status_code == 404
