"""The content in the words of a site: every limit of every text in the units that it reads."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cds_app.content import content_root, write_manifest
from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError, SettingsError
from cds_app.mitigate.catalogue import Catalogue
from cds_app.mitigate.rules import Change, Quantity, Rule, leaves
from cds_app.services.content.knowledge import Knowledge, load_knowledge, read_ahead
from tests.units import left_in

_READ = ("text", "word", "why", "says", "title", "consider", "strength", "dialysis", "asks")
_ALL = "si, map=kPa, sbp=kPa, dbp=kPa, lactate=mg/dL, potassium=meq/L, sodium=meq/L, lithium=meq/L, digoxin=nmol/L"


def texts(model: object, place: str) -> Iterator[tuple[str, str]]:
    """Whatever of a piece of content is read by people, and where it stands."""
    if isinstance(model, BaseModel):
        for name in type(model).model_fields:
            value = getattr(model, name)
            if isinstance(value, str):
                yield from [(f"{place}.{name}", value)] if name in _READ else ()
            else:
                yield from texts(value, f"{place}.{name}")
    elif isinstance(model, tuple):
        for index, one in enumerate(model):
            yield from texts(one, f"{place}.{index}")


def read(knowledge: Knowledge) -> dict[str, str]:
    whole = [(one.id, one) for one in (*knowledge.catalogue.topics.values(), *knowledge.order_checks.checks)]
    return {place: text for name, one in whole for place, text in texts(one, name)}


@pytest.fixture(scope="module")
def si(knowledge: Knowledge) -> Knowledge:
    return knowledge.told_in("si")


def test_no_text_of_any_topic_or_check_tells_a_conventional_unit_to_who_reads_si(
    knowledge: Knowledge, si: Knowledge
) -> None:
    assert left_in(read(si)) == {}
    assert len(left_in(read(knowledge))) > 25


def test_a_bare_limit_is_told_with_the_unit_that_goes_without_saying_no_more(
    knowledge: Knowledge, si: Knowledge
) -> None:
    tiers = {one.tier: one.word for one in knowledge.catalogue.topics["anaemia_bleed"].tiers}
    assert tiers[3] == "below 7, or falling with bleeding"
    tiers = {one.tier: one.word for one in si.catalogue.topics["anaemia_bleed"].tiers}
    assert tiers[3] == "below 70 g/L, or falling with bleeding"
    assert {one.word for one in si.catalogue.topics["hypokalaemia"].tiers} >= {"below 2.5", "below 3.5"}


def test_a_choice_leaves_no_limit_untold(si: Knowledge) -> None:
    """Whatever quantities are overridden besides, each text still fits and holds no brace."""
    every = read(si.told_in(_ALL))
    assert not [text for text in every.values() if "{" in text or "}" in text]
    assert "below 8.7 kPa mean or 12.0 kPa systolic" in every.values()
    assert any(text.startswith("above 2.56 nmol/L with") for text in every.values())


def test_rules_do_not_change_with_the_units(knowledge: Knowledge, si: Knowledge) -> None:
    for name, topic in knowledge.catalogue.topics.items():
        assert [one.when for one in topic.tiers] == [one.when for one in si.catalogue.topics[name].tiers]


def test_the_pins_say_the_choice_and_the_content_as_it_is_written(knowledge: Knowledge, si: Knowledge) -> None:
    assert dict(si.pins) == {**knowledge.pins, "units": "si"}
    assert si.told_in("conventional").pins == knowledge.pins
    assert si.told_in("si") is si


def test_what_is_loaded_in_other_units_is_what_is_retold(si: Knowledge) -> None:
    loaded = load_knowledge(content_root(), timezone="UTC", units="si")
    assert (loaded.pins, loaded.units_told, loaded.catalogue) == (si.pins, si.units_told, si.catalogue)
    assert loaded.ontology.variables == si.ontology.variables


def test_units_that_cannot_be_stop_the_start() -> None:
    with pytest.raises(SettingsError, match=r"^units: glucose cannot be told in mmol: it does not convert to mg/dL"):
        load_knowledge(content_root(), timezone="UTC", units="si, glucose=mmol")
    with pytest.raises(SettingsError, match=r"^units: glucose cannot be told in mmol"):
        read_ahead(content_root(), "si, glucose=mmol")  # before any worker is made


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("below {sugar 70}", "says: {sugar 70} is the limit of no quantity that is measured"),
        ("below {Glucose 70}", "String should match pattern"),
        ("below {glucose  70}", "String should match pattern"),
    ],
)
def test_a_limit_that_is_not_written_as_one_stops_the_start(tmp_path: Path, text: str, said: str) -> None:
    def reworded(content: Any) -> None:
        content["topics"][0]["tiers"][0]["word"] = text

    with pytest.raises(ContentError) as found:
        load_knowledge(_changed(tmp_path, reworded), timezone="UTC")
    assert found.value.message.startswith("models/mitigations/1.0.0/catalogue.json")
    assert said in found.value.message


def _changed(root: Path, change: Any) -> Path:
    for name in ("hooks", "templates", "models"):
        shutil.copytree(content_root() / name, root / name)
    folder = root / "models" / "mitigations" / "1.0.0"
    content = json.loads((folder / "catalogue.json").read_text("utf-8"))
    change(content)
    (folder / "catalogue.json").write_text(json.dumps(content), "utf-8")
    write_manifest(folder, json.loads((folder / "manifest.json").read_text("utf-8")))
    return root


def limits_in(rule: Rule, ontology: Ontology) -> set[str]:
    """Canonical limits that a rule asks for of quantities that are told in other units, as a text would have them."""
    asked = [one for one in leaves(rule) if isinstance(one, Quantity | Change)]
    named = [(one.quantity, one.value) if isinstance(one, Quantity) else (one.change, one.amount) for one in asked]
    return {f"{value:g}" for quantity, value in named if value is not None and ontology.quantity(quantity).chosen}


def bare_limits(catalogue: Catalogue, ontology: Ontology) -> Iterator[tuple[str, str]]:
    """Texts of topics and options that tell a canonical limit of their own rule, with the limit."""
    for topic in catalogue.topics.values():
        said = [(one.word, one.when) for one in topic.tiers]
        said += [(one.why, one.when) for tier in topic.tiers for one in tier.says]
        said += [(one.text, one.when) for one in topic.options if one.when is not None]
        gates = [one.gates for one in topic.options]
        said += [(one.why, one.when) for gate in gates for one in (*gate.contraindicated, *gate.cautions)]
        for text, rule in said:
            numbers = set(re.findall(r"(?<![\d.-])\d+(?:\.\d+)?(?![\d.-])", text))
            yield from ((text, one) for one in limits_in(rule, ontology) & numbers)


def test_no_text_tells_the_bare_canonical_limit_of_its_own_rule(knowledge: Knowledge, si: Knowledge) -> None:
    """A limit that is written without its unit, and not as a limit, would read as one of the other unit."""
    assert list(bare_limits(si.catalogue, si.ontology)) == []
    assert len(list(bare_limits(knowledge.catalogue, si.ontology))) > 10
