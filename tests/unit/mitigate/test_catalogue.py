"""Content that does not resolve stops the start-up; what a rule or option must say is checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cds_app.content import artefact
from cds_app.domain.ontology_files import load_ontology
from cds_app.errors import ContentError
from cds_app.mitigate.catalogue import Catalogue, CatalogueFile, Guideline, load_catalogue, risk_of
from cds_app.score.clinical.scores import NAMES
from cds_app.services.content.knowledge import RISKS
from tests.chart import ONTOLOGY
from tests.unit.mitigate.content import CALCIUM, ECG, HIGH_POTASSIUM, artefact_of, option, topic

ROOT = Path(__file__).parents[3]


def loaded(root: Path, *topics: Mapping[str, Any]) -> Catalogue:
    return load_catalogue(artefact_of(root, topics), ONTOLOGY, scores=NAMES, risks=("sepsis",))


def test_a_catalogue_keeps_the_order_of_the_file_and_its_identity(tmp_path: Path) -> None:
    found = loaded(tmp_path, topic(option()), topic(id="aki", options=[]))
    assert list(found.topics) == ["hyperkalaemia", "aki"]
    assert found.version == "1.0.0"
    assert len(found.sha256) == 64


def when(rule: Mapping[str, Any]) -> dict[str, Any]:
    return topic(option(when=rule))


def gates(**found: Any) -> dict[str, Any]:
    return topic(option(gates=found))


UNRESOLVED = [
    (when({**HIGH_POTASSIUM, "quantity": "kryptonite"}), "quantity that the ontology does not know: kryptonite"),
    (
        when({**HIGH_POTASSIUM, "within_h": 6, "beside": ["kryptonite"]}),
        "quantity that the ontology does not know: kryptonite",
    ),
    (when({"measured": "sbp", "within_h": 6, "beside": ["kryptonite"]}), "the ontology does not know: kryptonite"),
    (when({**HIGH_POTASSIUM, "unit": "mg/dL"}), "potassium in another unit"),
    (when({"change": "sbp", "direction": "fall", "amount": 40, "unit": "kPa", "within_h": 6}), "sbp in another unit"),
    (when({"all": [{"not": {"score": "apgar", "op": "<", "value": 7}}]}), "score that does not exist: apgar"),
    (when({"score_part": "apgar", "at_least": 1}), "score that does not exist: apgar"),
    (when({"risk": "gout", "tier_at_least": 1}), "risk that does not exist: gout"),
    (when({"condition": "melancholy"}), "concept that the ontology does not know: melancholy"),
    (when({"medication": "theriac"}), "theriac"),
    (when({"given": "theriac", "within_h": 1}), "theriac"),
    (when({"procedure": "bloodletting", "within_h": 1}), "bloodletting"),
    (when({"finding": "aura", "within_h": 1}), "aura"),
    (when({"allergy": "theriac"}), "theriac"),
    (when({"measured": "kryptonite", "within_h": 1}), "kryptonite"),
    (gates(allergy={"drugs": ["theriac"]}), "hyperkalaemia.ecg.gates"),
    (gates(allergy={"drugs": ["furosemide"], "cross": ["theriac"]}), "theriac"),
    (gates(already={"within_h": 1, "done": ["bloodletting"]}), "bloodletting"),
    (gates(already={"within_h": 1, "measured": ["kryptonite"]}), "kryptonite"),
    (gates(contraindicated=[{"when": {"condition": "melancholy"}, "why": "It is recorded."}]), "melancholy"),
    (gates(cautions=[{"when": {"condition": "melancholy"}, "why": "It is recorded."}]), "melancholy"),
    (topic(shows=["kryptonite"]), "hyperkalaemia.shows"),
    (topic(tiers=[{"tier": 1, "word": "mild", "when": {"condition": "melancholy"}}]), "hyperkalaemia.tiers.1"),
]


@pytest.mark.parametrize(("content", "said"), UNRESOLVED)
def test_a_name_that_does_not_resolve_stops_the_start(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(ContentError, match=said):
        loaded(tmp_path, content)


def test_the_topic_that_stands_alone_has_to_be_there(tmp_path: Path) -> None:
    given: dict[str, Any] = {"scores": NAMES, "risks": ("sepsis",)}
    found = load_catalogue(artefact_of(tmp_path, [topic()], alone="hyperkalaemia"), ONTOLOGY, **given)
    assert found.alone == "hyperkalaemia"
    with pytest.raises(ContentError, match="alone names a topic that does not exist"):
        load_catalogue(artefact_of(tmp_path / "other", [topic()], alone="gout"), ONTOLOGY, **given)


MALFORMED = [
    (topic(option(text="x" * 141)), "at most 140"),
    (topic(option(colour="red")), "Extra inputs"),
    (topic(option(evidence="M")), "needs review"),
    (topic(option(draft=ECG)), "code tag"),
    (topic(option(code_tag="V")), "code tag"),
    (topic(option(draft=CALCIUM, code_tag="V")), "allergy gate"),
    (topic(option(draft={**ECG, "code": "ECG"}, code_tag="V")), "pattern"),
    (topic(option(effect={"of": "dose", "drugs": ["vancomycin"], "change": "scale"})), "say by how much"),
    (topic(option(effect={"of": "dose", "drugs": ["vancomycin"], "change": "stop", "by": 2})), "say by how much"),
    (topic(option(effect={"of": "dose", "drugs": ["vancomycin"], "change": "skip", "by": 1.5})), "whole doses"),
    (topic(option(effect={"of": "glucose"})), "either insulin or carbohydrate"),
    (topic(option(effect={"of": "weather"})), "effect"),
    (topic(tiers=[]), "an active topic has a tier"),
    (topic(active=False), "says why"),
    (topic(inactive_reason="because"), "says why"),
    (topic(tiers=[{"tier": n, "word": "x", "when": HIGH_POTASSIUM} for n in (1, 2)]), "highest first"),
    (topic(tiers=[{"tier": 4, "word": "x", "when": HIGH_POTASSIUM}]), "less than or equal to 3"),
]


@pytest.mark.parametrize(("content", "said"), MALFORMED)
def test_malformed_content_stops_the_start(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(ContentError, match=said):
        loaded(tmp_path, content)


HIGH = {"high": HIGH_POTASSIUM}
NAMED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (HIGH, {"is": "high"}),
    ({**HIGH, "not_high": {"not": {"is": "high"}}}, {"not": {"is": "not_high"}}),
    ({**HIGH, "both": {"all": [{"is": "high"}, {"is": "high"}]}}, {"any": [{"is": "both"}, {"sex": "male"}]}),
]
SPELLED_OUT: list[dict[str, Any]] = [
    HIGH_POTASSIUM,
    {"not": {"not": HIGH_POTASSIUM}},
    {"any": [{"all": [HIGH_POTASSIUM, HIGH_POTASSIUM]}, {"sex": "male"}]},
]


@pytest.mark.parametrize(("names", "short", "long"), [(*one, two) for one, two in zip(NAMED, SPELLED_OUT, strict=True)])
def test_a_name_stands_for_its_rule_wherever_a_rule_may_stand(names: Any, short: Any, long: Any) -> None:
    def topics(rule: Any) -> list[dict[str, Any]]:
        gates = {"cautions": [{"when": rule, "why": "It is so."}]}
        tiers = [{"tier": 1, "word": "x", "when": rule, "says": [{"when": rule, "why": "so"}]}]
        return [topic(option(when=rule, gates=gates), tiers=tiers)]

    found = CatalogueFile.model_validate({"topics": topics(short), "named": names})
    assert found.topics == CatalogueFile.model_validate({"topics": topics(long)}).topics


MISNAMED = [
    ({}, {"is": "high"}, "asks for what has no such name above: high"),
    ({"low": {"not": {"is": "high"}}, **HIGH}, {"is": "low"}, "asks for what has no such name above: high"),
    ({"high": {"not": {"is": "high"}}}, {"is": "high"}, "asks for what has no such name above: high"),
    (HIGH, {"is": ["high"]}, "asks for what has no such name above"),
    ({}, {"is": "high", "within_h": 2}, "discriminator"),
    ({**HIGH, "idle": HIGH_POTASSIUM}, {"is": "high"}, "names what nothing asks for: idle"),
    ({"high": {**HIGH_POTASSIUM, "unit": "mg/dL"}}, {"is": "high"}, "potassium in another unit"),
    ({"high": {**HIGH_POTASSIUM, "colour": "red"}}, {"is": "high"}, "Extra inputs"),
]


@pytest.mark.parametrize(("names", "rule", "said"), MISNAMED)
def test_a_name_that_stands_for_nothing_stops_the_start(tmp_path: Path, names: Any, rule: Any, said: str) -> None:
    with pytest.raises(ContentError, match=said):
        load_catalogue(artefact_of(tmp_path, [when(rule)], named=names), ONTOLOGY, scores=NAMES, risks=("sepsis",))


@pytest.mark.parametrize("topics", [[topic(), topic()], [topic(option()), topic(option(), id="aki")]])
def test_ids_are_used_once(tmp_path: Path, topics: list[dict[str, Any]]) -> None:
    with pytest.raises(ContentError, match="used twice"):
        loaded(tmp_path, *topics)


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    ontology = load_ontology(artefact("ontology", "1.0.0", root=ROOT))
    return load_catalogue(artefact("mitigations", "1.0.0", root=ROOT), ontology, scores=NAMES, risks=RISKS)


def test_a_topic_tells_which_risk_and_scores_it_asks_for(shipped: Catalogue) -> None:
    assert risk_of(shipped.topics["sepsis"]) == "sepsis"
    assert shipped.topics["sepsis"].scores == ("sofa", "news2")
    assert [risk_of(shipped.topics[name]) for name in ("hypotension", "hypoxia", "aki")] == list(RISKS[1:])
    assert risk_of(shipped.topics["hypokalaemia"]) is None
    assert shipped.topics["aki"].scores == ("kdigo",)


def test_the_shipped_catalogue_has_the_48_topics(shipped: Catalogue) -> None:
    assert len(shipped.topics) == 48
    assert {one.id for one in shipped.topics.values() if not one.active} == {
        "perioperative",
        "vancomycin_under",
        "vte",
        "pgx",
    }


def test_shipped_options_are_worded_as_options(shipped: Catalogue) -> None:
    texts = [one.text for topic in shipped.topics.values() for one in topic.options]
    assert all("onsider" in text and text.endswith(".") for text in texts)


def test_shipped_drugs_check_allergies_and_what_was_given_already(shipped: Catalogue) -> None:
    drugs = [
        one
        for topic in shipped.topics.values()
        for one in topic.options
        if one.draft is not None and one.draft.type == "MedicationRequest"
    ]
    assert len(drugs) >= 12
    assert all(one.gates.allergy is not None and one.gates.already is not None for one in drugs)


def test_grades_that_nobody_saw_say_so(shipped: Catalogue) -> None:
    from_memory = [one for topic in shipped.topics.values() for one in topic.options if one.evidence == "M"]
    assert from_memory
    assert all("unconfirmed" in one.strength or one.strength in {"Expert", "A-II", "B-II"} for one in from_memory)


@pytest.mark.parametrize(
    ("section", "cited", "placed"),
    [
        ("source to be confirmed", "Consensus, source to be confirmed", "Consensus, source to be confirmed"),
        ("3.1", "Consensus 2020", "Consensus 2020, 3.1"),
        ("", "Consensus 2020", "Consensus 2020"),
    ],
)
def test_what_has_no_known_document_is_cited_without_a_year(section: str, cited: str, placed: str) -> None:
    guideline = Guideline(org="Consensus", year=2020, section=section)
    assert (guideline.cited, guideline.place(", ")) == (cited, placed)
