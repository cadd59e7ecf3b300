"""Start-up stops on content that does not fit together, and names the file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_app.cards import wording
from cds_app.content import latest, write_manifest
from cds_app.errors import ContentError, UnknownService
from cds_app.score.risk.model import own_trees
from cds_app.services.content.knowledge import BACKGROUND, OTHERS, RISKS, Knowledge, load_knowledge, read_ahead

SIGN = "hooks/twinline-order-sign/service.json"
SELECT = "hooks/twinline-order-select/service.json"
VIEW = "hooks/twinline-patient-view/service.json"
START = "hooks/twinline-encounter-start/service.json"
SIDEBAR = "hooks/twinline-sidebar/service.json"

Change = Callable[[dict[str, Any]], object]


def edit(root: Path, file: str, change: Change) -> None:
    document = json.loads((root / file).read_text("utf-8"))
    change(document)
    (root / file).write_text(json.dumps(document), "utf-8")


def refusal(root: Path) -> str:
    with pytest.raises(ContentError) as caught:
        load_knowledge(root, timezone="UTC")
    return caught.value.message


def test_the_content_loads_and_pins_everything_it_rests_on(root: Path, knowledge: Knowledge) -> None:
    loaded = load_knowledge(root, timezone="UTC")
    assert loaded.pins == knowledge.pins
    models = {f"models/{name}" for name in (*OTHERS, *RISKS, *BACKGROUND)}
    assert loaded.pins.keys() == models | {"hooks", "templates/cards", "timezone"}


def test_what_was_read_ahead_is_not_read_again(root: Path) -> None:
    read_ahead(root)
    made = own_trees.cache_info().misses
    load_knowledge(root, timezone="UTC")
    assert own_trees.cache_info().misses == made


@pytest.mark.parametrize("file", [VIEW, "models/sepsis/1.0.0/model.ubj", "models/ontology/1.0.0/units.json"])
def test_reading_ahead_leaves_it_to_loading_to_say_what_is_wrong(root: Path, file: str) -> None:
    (root / file).write_bytes(b"?")
    read_ahead(root)
    if file.endswith(".ubj"):
        assert load_knowledge(root, timezone="UTC").learned.failed == {"sepsis"}
    else:
        refusal(root)


@pytest.mark.parametrize(
    ("file", "old", "new", "pin"),
    [
        (VIEW, '"lockout_h": 8.0', '"lockout_h": 9.0', "hooks"),
        ("templates/cards/sure.j2", "Drafts", "Ideas", "templates/cards"),
        ("templates/cards/labels.json", '"Age"', '"Years"', "templates/cards"),
    ],
)
def test_every_change_of_content_changes_its_pin_and_no_other(
    root: Path, knowledge: Knowledge, file: str, old: str, new: str, pin: str
) -> None:
    text = (root / file).read_text("utf-8")
    assert text.count(old) == 1
    (root / file).write_text(text.replace(old, new), "utf-8")
    pins = load_knowledge(root, timezone="UTC").pins
    assert {name for name in pins if pins[name] != knowledge.pins[name]} == {pin}


def test_what_policy_tune_put_into_a_manifest_is_what_every_service_follows(knowledge: Knowledge) -> None:
    assert set(knowledge.risk_of.values()) == set(RISKS)
    for topic, name in knowledge.risk_of.items():
        chosen = latest(name).manifest["policy"]
        for service in knowledge.services.values():
            assert service.policy.lockout_of(topic) == chosen["lockout_h"]
            assert service.policy.rise_of(topic) == chosen["rise_points"]
        least = knowledge.risks[name].policy
        assert least is not None
        assert least.threshold == chosen["threshold"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.update(colour="red"), "colour"),
        (lambda it: it.pop("owner"), "owner"),
        (lambda it: it.update(id="another"), "id differs"),
        (lambda it: it["policy"].update(lockout_h=-1), "policy.lockout_h"),
        (lambda it: it["policy"].update(indicators=["critical", "info", "info", "info"]), "indicators"),
        (lambda it: it["policy"].update(asked_first=["lactate", "unobtainium"]), "unobtainium"),
        (lambda it: it["policy"].update(precedence=["sepsis", "boredom"]), "boredom"),
        (lambda it: it["policy"].update(lockouts_h={"boredom": 1.0}), "boredom"),
        (lambda it: it["policy"].update(rises_points={"boredom": 1.0}), "boredom"),
        (lambda it: it["policy"].update(lockouts_h={"aki": 1.0}), "the model's manifest says how long aki is quiet"),
        (lambda it: it.update(needs=["patient", "x-rays"]), "x-rays"),
        (lambda it: it.update(prefetch={}, needs=[]), "prefetch"),
        (lambda it: it["prefetch"].update(labs="Observation?patient={{context.patient.id}}"), "prefetch.labs"),
        (lambda it: it["prefetch"].update(labs="Observation?patient={{context.patientId}"), "prefetch.labs"),
        (lambda it: it.update(override_reasons=[]), "override_reasons"),
    ],
)
def test_a_service_that_says_something_wrong_is_named(root: Path, change: Change, said: str) -> None:
    edit(root, VIEW, change)
    message = refusal(root)
    assert message.startswith(f"{VIEW}: ")
    assert said in message


def test_a_service_that_is_no_json_is_named(root: Path) -> None:
    (root / VIEW).write_text("{", "utf-8")
    assert refusal(root).startswith(VIEW)


def test_no_service_at_all_is_refused(root: Path) -> None:
    shutil.rmtree(root / "hooks")
    assert "hooks/" in refusal(root)


def test_an_unknown_version_of_a_model_is_named(root: Path) -> None:
    for file in (VIEW, START, SIDEBAR):
        edit(root, file, lambda it: it["models"].update(sepsis="9.9.9"))
    assert "models/sepsis/9.9.9" in refusal(root)


def test_services_must_agree_on_versions(root: Path) -> None:
    edit(root, VIEW, lambda it: it["models"].update(twin="2.0.0"))
    assert "models/twin" in refusal(root)


def test_an_artefact_that_no_service_names_is_missed(root: Path) -> None:
    for file in root.glob("hooks/*/service.json"):
        edit(root, str(file.relative_to(root)), lambda it: it["models"].pop("mitigations", None))
    assert "models/mitigations" in refusal(root)


@pytest.mark.parametrize("name", ["ontology/1.0.0/variables.json", "twin/1.0.0/dynamics.json"])
def test_a_file_that_differs_from_its_hash_is_named(root: Path, name: str) -> None:
    path = root / "models" / name
    path.write_bytes(path.read_bytes() + b" ")
    assert refusal(root).startswith(f"models/{name}")


def test_a_stray_file_in_an_artefact_is_named(root: Path) -> None:
    (root / "models" / "twin" / "1.0.0" / "model.pickle").write_bytes(b"")
    assert "models/twin/1.0.0/model.pickle" in refusal(root)


@pytest.mark.parametrize("text", [b"{% if %}", b"{{ one", b"\xff\xfe"])
def test_a_template_that_does_not_compile_is_named(root: Path, text: bytes) -> None:
    (root / "templates" / "cards" / "sure.j2").write_bytes(text)
    assert refusal(root).startswith("templates/cards/sure.j2")


@pytest.mark.parametrize("name", ["dose.sure.j2", "lost.j2", "phrases.j2", "sentences.j2"])
def test_a_template_that_some_card_needs_is_missed_at_once(root: Path, name: str) -> None:
    (root / "templates" / "cards" / name).unlink()
    assert refusal(root) == f"templates/cards lacks {name}"


@pytest.mark.parametrize(("file", "name"), [("phrases.j2", "refusal"), ("sentences.j2", "taken")])
def test_words_that_some_card_needs_are_missed_at_once(root: Path, file: str, name: str) -> None:
    path = root / "templates" / "cards" / file
    path.write_text(path.read_text("utf-8").replace(f"macro {name}(", f"macro {name}s("), "utf-8")
    assert refusal(root) == f"templates/cards/{file} lacks {name}"


def test_no_template_is_asked_for_that_is_not_looked_for(root: Path) -> None:
    own = Path(wording.__file__)
    code = [file for file in own.parents[1].rglob("*.py") if file != own]
    asked = {name for file in code for name in re.findall(r'"([a-z_.]+\.j2)"', file.read_text("utf-8"))}
    shipped = {file.name for file in (root / "templates" / "cards").iterdir()} - {"labels.json"}
    assert shipped == wording.TEMPLATES
    assert asked & shipped == shipped - {
        wording.PHRASES,
        wording.SENTENCES,
        "lost.j2",
    }  # the latter is included by others
    elsewhere = (file.name for folder in ("reports", "sidebar") for file in (root / "templates" / folder).glob("*.j2"))
    assert asked - shipped == {"html.j2", *elsewhere}


@pytest.mark.parametrize("text", ["[]", '{"age": 7}', "{"])
def test_labels_that_are_no_texts_are_named(root: Path, text: str) -> None:
    (root / "templates" / "cards" / "labels.json").write_text(text, "utf-8")
    assert "labels.json" in refusal(root)


def test_labels_that_are_not_there_are_named(root: Path) -> None:
    (root / "templates" / "cards" / "labels.json").unlink()
    assert refusal(root).startswith("templates/cards/labels.json")


@pytest.mark.parametrize("name", ["age", "sepsis", "shock_index", "outcome:aki"])
def test_an_input_of_a_model_that_nobody_can_call_by_name_is_named(root: Path, name: str) -> None:
    edit(root, "templates/cards/labels.json", lambda it: it.pop(name))
    message = refusal(root)
    assert "templates/cards/labels.json" in message
    assert name in message


def test_an_unknown_service_is_unknown(knowledge: Knowledge) -> None:
    with pytest.raises(UnknownService):
        knowledge.service("nobody")


def test_where_cards_link_to_is_pinned_so_that_a_replay_tells_when_it_changed(root: Path) -> None:
    linked = load_knowledge(root, timezone="UTC", launch_url="https://twinline.example/smart/launch")
    assert linked.pins["launch"] == linked.launch_url
    assert "launch" not in load_knowledge(root, timezone="UTC").pins


def test_the_sidebar_is_a_service_that_no_client_can_call(root: Path) -> None:
    knowledge = load_knowledge(root, timezone="UTC")
    assert not knowledge.service("twinline-sidebar").offered
    with pytest.raises(UnknownService):
        knowledge.offered("twinline-sidebar")


# --- drugs whose doses are simulated


def drugs_in(it: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = it["simulates"]["drugs"]
    return found


def test_only_what_a_service_simulates_is_loaded_and_pinned(knowledge: Knowledge) -> None:
    sign, view = knowledge.service("twinline-order-sign"), knowledge.service("twinline-patient-view")
    assert set(knowledge.drugs) == {"vancomycin", "gentamicin", "tobramycin", "meropenem", "warfarin", "tacrolimus"}
    assert knowledge.drugs_of(view) == {}
    assert knowledge.pins_of(view) == knowledge.pins
    extra = knowledge.pins_of(sign).keys() - knowledge.pins.keys()
    assert {"models/pkpd/vancomycin", "models/pkpd/vancomycin-colin-2019", "models/pkpd/meropenem-li-2006"} <= extra
    assert "models/pkpd/insulin-uvapadova-2008" in extra
    assert not any("propofol" in name for name in extra)
    assert {"dose_vancomycin", "dose_harm_vancomycin"} <= knowledge.topics


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: drugs_in(it)["vancomycin"].update(goal="luck"), "simulates.drugs.vancomycin: unknown goal luck"),
        (lambda it: drugs_in(it)["vancomycin"].update(gain_points=0), "simulates.drugs.vancomycin.gain_points"),
        (lambda it: it["simulates"]["insulin"].update(gain_points=0), "simulates.insulin.gain_points"),
        (lambda it: drugs_in(it).clear(), "simulates.drugs"),
        (lambda it: it["simulates"].update(draws=10**9), "simulates.draws"),
        (lambda it: it["simulates"].update(colour="red"), "simulates.colour"),
        (lambda it: it.update(pipeline="recorded"), "only the pipeline orders"),
    ],
)
def test_a_service_that_cannot_simulate_what_it_says_is_named(root: Path, change: Change, said: str) -> None:
    edit(root, SIGN, change)
    message = refusal(root)
    assert message.startswith(f"{SIGN}: ")
    assert said in message


def test_a_kind_of_order_check_that_does_not_exist_is_named(root: Path) -> None:
    edit(root, SIGN, lambda it: it["checks"].append("alergy"))
    assert refusal(root) == f"{SIGN}: checks: unknown alergy"


def test_a_drug_that_is_not_there_is_named(root: Path) -> None:
    for file in (SIGN, SELECT):
        edit(root, file, lambda it: drugs_in(it).update(aspirin=drugs_in(it)["vancomycin"]))
    assert "models/pkpd/aspirin/1.0.0" in refusal(root)


def test_services_must_agree_on_the_version_of_a_drug(root: Path) -> None:
    edit(root, SIGN, lambda it: drugs_in(it)["vancomycin"].update(version="2.0.0"))
    assert "disagree on the version of models/pkpd/vancomycin" in refusal(root)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it.update(concept="unobtainium"), "the ontology knows no drug of its concept's name"),
        (lambda it: it["levels"].update(quantities=["unobtainium_trough"]), "no variable measures unobtainium_trough"),
        (lambda it: it["levels"].update(unit="ng/mL"), "is in another unit"),
        (lambda it: it.update(drug="teicoplanin"), "another drug"),
    ],
)
def test_a_drug_that_does_not_fit_the_ontology_is_named(root: Path, change: Change, said: str) -> None:
    folder = root / "models" / "pkpd" / "vancomycin" / "1.0.0"
    edit(root, "models/pkpd/vancomycin/1.0.0/drug.json", change)
    write_manifest(folder, json.loads((folder / "manifest.json").read_text("utf-8")))
    message = refusal(root)
    assert message.startswith("models/pkpd/vancomycin")
    assert said in message
