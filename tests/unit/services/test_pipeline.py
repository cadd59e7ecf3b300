"""One pure function from event and record to decisions: the same inputs, the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from cds_app.cards.policy import ABSTENTION
from cds_app.domain.decisions import Decision, Suppression
from cds_app.domain.facts import Fact
from cds_app.fabric.reading import read
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.inputs import Inputs
from cds_app.services.pipeline import decide
from cds_app.services.records import Record, Twinner
from tests.conftest import FROZEN
from tests.patients import hyperkalaemic, septic
from tests.service import ROOT, opening

SEED = "6f0c9d3e-9a0b-4c55-8a5b-0f6b5d1c2e11"


def facts_of(knowledge: Knowledge, call: dict[str, Any]) -> tuple[Fact, ...]:
    reading = read(
        list(call["prefetch"].values()),
        patient="p1",
        ontology=knowledge.ontology,
        units=knowledge.units,
        zone=knowledge.zone,
        learned=FROZEN,
        now=FROZEN,
    )
    return tuple(reading.facts)


def inputs(knowledge: Knowledge, record: Record, **change: Any) -> Inputs:
    made = Inputs(
        service=knowledge.service("twinline-patient-view"),
        event=opening(),
        record=record,
        segments=1,
        unused={},
        seed=SEED,
    )
    return replace(made, **change)


def folded(knowledge: Knowledge, batches: Sequence[Sequence[Fact]]) -> Record:
    twinner = Twinner(knowledge.twin, knowledge.ontology)
    record = twinner.empty()
    for batch in batches:
        record, _ = twinner.extended(record, batch)
    return record


def cards(decisions: Sequence[Decision]) -> list[tuple[str, Suppression, bytes]]:
    return [(one.id, one.suppression, one.card) for one in decisions]


@pytest.fixture(params=[septic, hyperkalaemic])
def facts(request: pytest.FixtureRequest, knowledge: Knowledge) -> tuple[Fact, ...]:
    return facts_of(knowledge, request.param(FROZEN))


def test_the_same_inputs_give_the_same_bytes(knowledge: Knowledge, facts: tuple[Fact, ...]) -> None:
    made = inputs(knowledge, folded(knowledge, [facts]))
    once, again = decide(knowledge, made), decide(knowledge, made)
    assert once == again
    assert any(one.shown for one in once)


def test_order_and_batching_of_facts_do_not_matter_for_the_cards(knowledge: Knowledge, facts: tuple[Fact, ...]) -> None:
    expected = cards(decide(knowledge, inputs(knowledge, folded(knowledge, [facts]))))
    chance = random.Random(7)
    for _ in range(4):
        mixed = list(facts)
        chance.shuffle(mixed)
        cut = chance.randint(1, len(mixed) - 1)
        batches = [mixed[:cut], mixed[cut:], mixed[: cut // 2]]
        assert cards(decide(knowledge, inputs(knowledge, folded(knowledge, batches)))) == expected


def test_what_was_learned_later_does_not_count_as_of_then(knowledge: Knowledge, facts: tuple[Fact, ...]) -> None:
    twinner = Twinner(knowledge.twin, knowledge.ontology)
    later = facts_of(knowledge, hyperkalaemic(FROZEN + timedelta(minutes=5), 9.1))
    told_later = [msgspec.structs.replace(one, learned=FROZEN + timedelta(hours=1)) for one in later]
    then = folded(knowledge, [facts])
    now = folded(knowledge, [facts, told_later])
    expected = cards(decide(knowledge, inputs(knowledge, then)))
    assert cards(decide(knowledge, inputs(knowledge, twinner.as_of(now, FROZEN)))) == expected
    assert cards(decide(knowledge, inputs(knowledge, now))) != expected


def test_another_seed_changes_ids_and_nothing_else(knowledge: Knowledge, facts: tuple[Fact, ...]) -> None:
    record = folded(knowledge, [facts])
    other = "00000000-0000-4000-8000-000000000000"
    one = decide(knowledge, inputs(knowledge, record))
    two = decide(knowledge, inputs(knowledge, record, seed=other))
    assert {each.id for each in one}.isdisjoint(each.id for each in two)
    assert [(each.topic, each.tier, each.points, each.suppression) for each in one] == [
        (each.topic, each.tier, each.points, each.suppression) for each in two
    ]


def test_the_past_is_an_input(knowledge: Knowledge, facts: tuple[Fact, ...]) -> None:
    record = folded(knowledge, [facts])
    first = decide(knowledge, inputs(knowledge, record))
    past = tuple(one for one in first if one.shown)
    again = decide(knowledge, inputs(knowledge, replace(record, past=past, entries_known=len(past))))
    assert past
    assert {one.topic for one in again if one.shown}.isdisjoint(one.topic for one in past)


def test_a_patient_of_whom_nothing_is_known_is_no_error(knowledge: Knowledge) -> None:
    record = Twinner(knowledge.twin, knowledge.ontology).empty()
    found = decide(knowledge, inputs(knowledge, record))
    assert [one.topic for one in found] == [ABSTENTION]
    assert all(one.points is None for one in found)


def test_pins_say_everything_that_the_decision_rests_on(knowledge: Knowledge, facts: tuple[Fact, ...]) -> None:
    record = folded(knowledge, [facts])
    (pins, *_) = [one.pins for one in decide(knowledge, inputs(knowledge, record, unused={"no-unit": 2}))]
    assert pins.items() >= knowledge.pins.items()
    assert (pins["seed"], pins["segments"], pins["facts"]) == (SEED, "1", record.digest)
    assert (pins["unused"], '"patient":"p1"' in pins["event"]) == ('{"no-unit":2}', True)


PROGRAM = """
import sys
sys.modules.update(sklearn=None, pandas=None)  # as the service does
from cds_app.deps import knowledge_of
from cds_app.settings import Settings
from tests.unit.services.test_pipeline import digest
print(digest(knowledge_of(Settings())))
"""


def digest(knowledge: Knowledge) -> str:
    found = decide(knowledge, inputs(knowledge, folded(knowledge, [facts_of(knowledge, septic(FROZEN))])))
    return hashlib.sha256(repr(found).encode()).hexdigest()


@pytest.mark.slow
def test_two_processes_with_other_hash_seeds_give_the_same_bytes(knowledge: Knowledge) -> None:
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    other = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == digest(knowledge)
