"""Canary patients: what is broken turns the service red, whole content keeps it green, and nothing of them is kept."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cds_app.bootstrap import answering_of, built, canary_of, rounds_of, watching_of
from cds_app.content import content_root, latest, write_manifest
from cds_app.deps import Deps
from cds_app.errors import DependencyDown
from cds_app.services.content.knowledge import Knowledge, load_knowledge
from cds_app.services.watch.canary import GOLDEN, NAME, Canary, answers, differences, patients_of
from cds_app.services.watch.readiness import PartState
from cds_app.services.watch.rounds import Duty, Rounds
from cds_app.settings import Settings
from tests.service import twinline

Change = Callable[[Any], object]


def canary(knowledge: Knowledge, root: Path | None = None, **more: Any) -> Canary:
    load = partial(latest, NAME, root=root or content_root())
    return Canary(knowledge, load, nullcontext(), **{"stale_s": 900.0, **more})


def test_whole_content_says_what_it_must(knowledge: Knowledge) -> None:
    found = latest(NAME, root=content_root())
    golden, said = found.read_json(GOLDEN), answers(knowledge, patients_of(found))
    assert list(differences(golden, said)) == []
    risks = [one for answer in golden.values() for one in answer["risks"].values()]
    assert sum(isinstance(one, float) for one in risks) >= 8
    topics = {one["topic"] for answer in golden.values() for one in answer["decisions"]}
    assert topics >= {"sepsis", "aki", "hyperkalaemia", "hypotension", "not-estimated"}
    assert golden["canary-quiet"]["decisions"] == []


def test_numbers_may_differ_by_a_billionth_and_no_more() -> None:
    assert list(differences({"a": [0.5]}, {"a": [0.5 + 5e-10]})) == []
    assert list(differences({"a": [0.5]}, {"a": [0.5 + 2e-9]})) == ["a[0]"]
    assert list(differences({"a": {"b": 0.5}}, {"a": {"b": ["missing"]}})) == ["a.b"]
    assert list(differences({"a": 1}, {"a": 1, "b": 2})) == ["b"]
    assert list(differences([1], [1, 2])) == [""]


# --- what is broken


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("content")
    for folder in ("hooks", "templates", "models"):
        shutil.copytree(content_root() / folder, root / folder)
    return root


@pytest.fixture
def spoil(whole: Path) -> Iterator[Callable[[str, str, Change], Knowledge]]:
    """Change a file of an artefact so that no hash betrays it, and load."""
    kept: list[tuple[Path, bytes]] = []

    def change(artefact: str, file: str, act: Change) -> Knowledge:
        folder = latest(artefact, root=whole).root
        for name in (file, "manifest.json"):
            kept.append((folder / name, (folder / name).read_bytes()))
        content = json.loads((folder / file).read_text("utf-8"))
        act(content)
        (folder / file).write_text(json.dumps(content), "utf-8")
        write_manifest(folder, json.loads((folder / "manifest.json").read_text("utf-8")))
        return load_knowledge(whole, timezone="UTC")

    yield change
    for path, content in kept:
        path.write_bytes(content)


def _variable(key: str, **change: object) -> Change:
    def act(document: Any) -> None:
        (found,) = [one for one in document["variables"] if one["key"] == key]
        found.update(change)

    return act


def _without_code(code: str) -> Change:
    def act(document: Any) -> None:
        for one in document["variables"]:
            one["codes"] = [held for held in one["codes"] if held["code"] != code] or [
                {"system": "http://loinc.org", "code": "0-0", "source": "M"}
            ]

    return act


@pytest.mark.parametrize(
    ("artefact", "file", "act"),
    [
        ("ontology", "variables.json", _without_code("2823-3")),
        ("ontology", "variables.json", _without_code("8867-4")),
        ("ontology", "variables.json", _variable("creatinine", molar_mass=131.12)),
        ("ontology", "variables.json", _variable("creatinine", fresh_h=0.5)),
        ("sepsis", "calibration.json", lambda it: it["log_odds"].reverse()),
        ("sepsis", "manifest.json", lambda it: it.pop("tiers")),
    ],
    ids=[
        "a code is gone",
        "another code is gone",
        "a molar mass",
        "how long a value counts",
        "a calibration",
        "no tiers",
    ],
)
def test_what_is_broken_turns_the_canary_red(
    artefact: str, file: str, act: Change, spoil: Callable[[str, str, Change], Knowledge]
) -> None:
    watched = canary(spoil(artefact, file, act))
    watched.run()
    assert watched.state() is PartState.FAILED


def test_a_small_shift_of_a_calibration_is_found(knowledge: Knowledge) -> None:
    learned = knowledge.learned
    model = learned.models["sepsis"]
    shifted = replace(model, calibration=replace(model.calibration, log_odds=model.calibration.log_odds + 1e-6))
    broken = replace(knowledge, learned=replace(learned, models={**learned.models, "sepsis": shifted}))
    watched = canary(broken)
    watched.run()
    assert watched.state() is PartState.FAILED


def test_golden_answers_that_are_gone_are_no_answers(whole: Path, knowledge: Knowledge) -> None:
    path = whole / "models" / NAME / "1.0.0" / GOLDEN
    held = path.read_bytes()
    for spoilt in (b"{}", held + b" "):
        path.write_bytes(spoilt)
        watched = canary(knowledge, whole)
        watched.run()
        assert watched.state() is PartState.FAILED
    path.write_bytes(held)


# --- beside the calls


def test_a_result_that_is_old_counts_no_more(knowledge: Knowledge) -> None:
    now = [0.0]
    watched = canary(knowledge, ticks=lambda: now[0])
    assert watched.state() is PartState.PENDING
    watched.run()
    assert watched.state().value == "ok"
    now[0] = 901.0
    assert watched.state().value == "failed"


def test_the_service_is_not_ready_before_and_red_after_a_canary_that_failed(deps: Deps) -> None:
    answering = answering_of(deps)
    watched = canary_of(deps, answering)
    watching = watching_of(deps, answering, watched)
    client = built(deps, answering, watching).test_client()
    assert client.get("/readyz").get_json()["parts"]["canary"] == "pending"
    watched.run()
    assert client.get("/readyz").status_code == 200
    assert list(deps.store.journal()) == []
    failing = canary_of(replace(deps, knowledge=replace(deps.knowledge, catalogue=None)), answering)  # type: ignore[arg-type]
    failing.run()
    red = watching_of(deps, answering, failing)
    answer = built(deps, answering, red).test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["parts"]["canary"]) == (503, "failed")
    red.tell()
    assert 'twinline_canary{state="failed"} 1.0' in deps.meter.page().decode()


def test_rounds_go_on_whatever_happens_and_end_when_told() -> None:
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise DependencyDown("no")

    again = threading.Event()

    def works() -> None:
        done.append("works")
        if done.count("works") > 1:
            again.set()

    rounds = Rounds([Duty(name="a", every_s=0.05, act=fails), Duty(name="b", every_s=0.05, act=works)])
    rounds.start()
    assert again.wait(10)
    rounds.stop()
    assert done[:2] == ["fails", "works"]
    count = len(done)
    time.sleep(0.2)
    assert len(done) == count


def test_the_first_round_asks_at_once(deps: Deps) -> None:
    answering = answering_of(deps)
    watched = canary_of(deps, answering)
    rounds = rounds_of(watching_of(deps, answering, watched), watched, None, Settings())
    rounds.start()
    until = time.monotonic() + 30
    while watched.state() is PartState.PENDING and time.monotonic() < until:
        time.sleep(0.01)
    rounds.stop()
    assert watched.state() is PartState.OK


def test_the_default_finds_what_is_broken_within_five_minutes() -> None:
    assert 0 < Settings().canary_every_s <= 300


@pytest.mark.slow
def test_the_command_says_that_all_is_well() -> None:
    done = twinline("canary")
    assert (done.returncode, done.stdout) == (0, "5 canary patients, as they must be\n"), done.stderr
