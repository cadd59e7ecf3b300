"""A model that is not what it was when trained is not asked; the service says so and is not ready."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_app.bootstrap import app_of
from cds_app.content import canonical_json, latest
from cds_app.deps import memory_deps
from cds_app.learn.artefact import sealed
from cds_app.services.content.knowledge import Knowledge, load_knowledge
from cds_app.services.content.learned import FAILED
from cds_app.settings import Settings
from tests.conftest import FROZEN
from tests.patients import septic
from tests.service import SERVICE, at

_SEPSIS = Path("models/sepsis") / latest("sepsis").version


def _flip_a_byte(root: Path) -> None:
    path = root / _SEPSIS / "model.ubj"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _rewrite(file: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """A change that neither hashes nor the seal betray."""

    def spoil(root: Path) -> None:
        folder = root / _SEPSIS
        content = json.loads((folder / file).read_text("utf-8"))
        change(content)
        (folder / file).write_text(json.dumps(content), "utf-8")
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        (folder / "manifest.json").unlink()
        sealed(folder, manifest)

    return spoil


def _edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """A manifest that somebody changed by hand."""

    def spoil(root: Path) -> None:
        path = root / _SEPSIS / "manifest.json"
        content = json.loads(path.read_text("utf-8"))
        change(content)
        path.write_bytes(canonical_json(content))

    return spoil


def _manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return _rewrite("manifest.json", change)


@pytest.fixture(
    params=[
        _flip_a_byte,
        _rewrite("golden.json", lambda it: it["margins"].reverse()),
        _rewrite("golden.json", lambda it: it.update(rows=[], margins=[])),
        _manifest(lambda it: it.pop("tiers")),
        _manifest(lambda it: it["eligibility"].update(nobody=1)),
        _rewrite("golden.json", lambda it: it.update(base_margin=it["base_margin"] + 0.1)),
        _rewrite("calibration.json", lambda it: it["log_odds"].reverse()),
        _edited(lambda it: it.update(threshold=it["threshold"] / 2.0)),
        _edited(lambda it: it["tiers"][0].update(lowest=0.5)),
        _edited(lambda it: it["policy"].update(threshold=0.9)),
        _edited(lambda it: it["eligibility"].update(min_age_years=0.0)),
        _edited(lambda it: it.update(horizon_h=24.0)),
    ],
    ids=[
        *("another byte", "another prediction", "no prediction", "no tiers", "other limits"),
        *("another base", "a calibration that falls", "another threshold", "another tier", "another policy"),
        *("other ages", "another horizon"),
    ],
)
def failing(root: Path, request: pytest.FixtureRequest) -> Knowledge:
    request.param(root)
    return load_knowledge(root, timezone="UTC")


def test_what_fails_is_named_and_cannot_be_asked(failing: Knowledge) -> None:
    assert failing.learned.failed == {"sepsis"}
    assert "sepsis" not in failing.risks
    assert "models/sepsis" not in failing.pins
    silenced = failing.silenced()["sepsis"].outcome
    assert [one.name for one in getattr(silenced, "reasons", ())] == [FAILED]


def test_the_clinician_is_told_and_the_service_is_not_ready(root: Path) -> None:
    _flip_a_byte(root)
    failing = load_knowledge(root, timezone="UTC")
    client = app_of(memory_deps(failing, Settings(simulated_time=True, open_to_this_machine=True))).test_client()
    answer = client.post(f"/cds-services/{SERVICE}", json=at(septic(FROZEN), FROZEN))
    assert answer.status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    told = [card["summary"] for card in answer.get_json()["cards"]]
    later = client.post(f"/cds-services/{SERVICE}", json=at(septic(FROZEN), FROZEN + timedelta(hours=1)))
    assert later.status_code == 200
    assert told, "the rules still speak"
    assert all("in 100" not in one for one in told), "no number from a model that failed"


def test_a_service_whose_models_are_whole_is_ready(knowledge: Knowledge) -> None:
    client = app_of(memory_deps(knowledge, Settings())).test_client()
    assert knowledge.learned.failed == frozenset()
    assert client.get("/readyz").status_code == 200
