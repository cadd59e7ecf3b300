"""A patient told in another way gets the same cards, over HTTP: synthetic records and, where they are, real ones."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_app.bootstrap import app_of
from cds_app.deps import memory_deps
from cds_app.domain.strict_json import loads
from cds_app.sandbox.people.patients import cohort
from cds_app.services.chronicle import tell
from cds_app.services.content.knowledge import Knowledge
from cds_app.settings import Settings
from tests.patients import bundle, call
from tests.retellings import RETELLINGS, Resource, Retelling, by_other_loinc_codes
from tests.service import SERVICE, at

_DATA = Path(os.environ.get("TWINLINE_TEST_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))
_ADMITTED = datetime(2026, 2, 27, 18, 0, tzinfo=UTC)
_EVERY, _LONGEST = 12, 2000
_COUNTS = re.compile(r" *\d+ (?:resources? could not be used|results? of the last 24 h with codes not known here)\.")
_AS_IT_CAME = re.compile(r" = [<>]?=?[\d.]+ [^\s,)]+")
_BY_ID = frozenset({"uuid", "grounds", "reference", "supportingInfo"})
_WITH_USELESS = frozenset({"twice", "beside-somebody-else", "after-older-versions"})
"""Who sends more than can be used gets it said, in the room of something else."""


Plain = list[tuple["Chart", list[dict[str, Any]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is known of a patient when the chart is opened."""

    patient: str
    opened: datetime
    resources: tuple[Resource, ...]


def synthetic() -> Iterator[Chart]:
    for one in cohort(7, _ADMITTED):
        opened = one.opens[-1]
        held = {(r["resourceType"], r["id"]): r for r in (t.resource for t in one.resources if t.known_at <= opened)}
        yield Chart(patient=one.id, opened=opened, resources=tuple(held.values()))


def real() -> Iterator[Chart]:
    """Some stays of the MIMIC-IV demo, each in its middle."""
    files = sorted((_DATA / "mimic_fhir").glob("*.json.gz"))
    if not files:
        pytest.skip(f"no mimic_fhir in {_DATA}; TWINLINE_TEST_DATA names the folder that holds it")
    for file in files[::_EVERY]:
        record = [entry["resource"] for entry in loads(gzip.decompress(file.read_bytes()), max_bytes=2**30)["entry"]]
        told = [(one.at, dict(one.resource)) for one in tell([("", one) for one in record], UTC) if one.at]
        opened = told[len(told) // 2][0]
        held = {(one["resourceType"], one["id"]): one for known, one in told if known <= opened}
        if len(held) > _LONGEST:
            continue
        (patient,) = (one for one in record if one["resourceType"] == "Patient")
        yield Chart(patient=patient["id"], opened=opened, resources=(patient, *held.values()))


def said(knowledge: Knowledge, chart: Chart, prefetch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cards of a service that knows nothing yet."""
    body = at({**call(patient_id=chart.patient), "prefetch": prefetch}, chart.opened + timedelta(minutes=1))
    deps = memory_deps(knowledge, Settings(open_to_this_machine=True, simulated_time=True))
    with app_of(deps).test_client() as client:
        answer = client.post(f"/cds-services/{SERVICE}", json=body)
    assert answer.status_code == 200, answer.text
    cards: list[dict[str, Any]] = answer.get_json()["cards"]
    return cards


def compared(card: dict[str, Any], *, whole: bool) -> str:
    """A card but for ids, what it names by id, how many resources were of no use, and the unit in which values came."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(one) for name, one in value.items() if name not in _BY_ID}
        if isinstance(value, list):
            told = [bare(one) for one in value]
            return told[:1] if not any(told) else told  # of what is named by id alone, whether there is any
        return value

    kept = card if whole else {name: one for name, one in card.items() if name != "detail"}
    return _AS_IT_CAME.sub("", _COUNTS.sub("", json.dumps(bare(kept), sort_keys=True, ensure_ascii=False)))


def prefetched(resources: list[Resource], patient: str) -> dict[str, Any]:
    (own, *_) = (one for one in resources if one["resourceType"] == "Patient" and one["id"] == patient)
    others = [one for one in resources if one is not own]
    return {**call()["prefetch"], "patient": own, "vitals": bundle(*others)}


@pytest.fixture(scope="module")
def plain(knowledge: Knowledge) -> Plain:
    """The cards of each synthetic patient as our own EHR tells of them."""
    return [(one, said(knowledge, one, prefetched(deepcopy([*one.resources]), one.patient))) for one in synthetic()]


def compare(knowledge: Knowledge, plain: Plain, retelling: Retelling, *, whole: bool = True) -> None:
    for chart, cards in plain:
        retold = said(
            knowledge, chart, prefetched(retelling(deepcopy([*chart.resources]), chart.patient), chart.patient)
        )
        assert [compared(one, whole=whole) for one in retold] == [compared(one, whole=whole) for one in cards]


def test_there_is_something_to_compare(plain: Plain) -> None:
    assert sum(len(cards) for _, cards in plain) >= 10
    assert any(not cards for _, cards in plain)


@pytest.mark.parametrize("name", RETELLINGS)
def test_the_cards_do_not_depend_on_how_a_record_is_told(knowledge: Knowledge, plain: Plain, name: str) -> None:
    compare(knowledge, plain, RETELLINGS[name], whole=name not in _WITH_USELESS)


def test_the_cards_do_not_depend_on_which_code_of_a_quantity_is_sent(knowledge: Knowledge, plain: Plain) -> None:
    synonyms: dict[str, str] = {}
    for variable in knowledge.ontology.variables.values():
        codes = [code for system, code in variable.codes if system == "http://loinc.org"]
        synonyms |= dict(zip(codes, [*codes[1:], *codes[:1]], strict=True))
    compare(knowledge, plain, by_other_loinc_codes(synonyms))


@pytest.mark.parametrize("kind", ["collection", "transaction", "history", "nested", "parted"])
def test_the_cards_do_not_depend_on_what_holds_the_resources(knowledge: Knowledge, plain: Plain, kind: str) -> None:
    for chart, cards in plain:
        found = said(knowledge, chart, _held(prefetched(deepcopy([*chart.resources]), chart.patient), kind))
        assert [compared(one, whole=True) for one in found] == [compared(one, whole=True) for one in cards]


def _held(prefetch: dict[str, Any], kind: str) -> dict[str, Any]:
    entries = prefetch["vitals"]["entry"]
    if kind == "nested":
        halves = [{"resource": {"resourceType": "Bundle", "entry": half}} for half in (entries[::2], entries[1::2])]
        return {**prefetch, "vitals": {"resourceType": "Bundle", "type": "collection", "entry": halves}}
    if kind == "parted":
        keys = [*(key for key in prefetch if key != "patient"), "a key of the site"]
        parts = {key: bundle(*(one["resource"] for one in entries[n :: len(keys)])) for n, key in enumerate(keys)}
        return {**prefetch, **parts}
    asked = {"request": {"method": "PUT", "url": "Observation/1"}} if kind != "collection" else {}
    return {
        **prefetch,
        "vitals": {"resourceType": "Bundle", "type": kind, "entry": [{**one, **asked} for one in entries]},
    }


@pytest.mark.data
@pytest.mark.slow
def test_the_cards_of_real_records_do_not_depend_on_how_they_are_told(knowledge: Knowledge) -> None:
    plain = [(one, said(knowledge, one, prefetched(deepcopy([*one.resources]), one.patient))) for one in real()]
    assert sum(len(cards) for _, cards in plain) >= 3
    for name, retelling in RETELLINGS.items():
        compare(knowledge, plain, retelling, whole=name not in _WITH_USELESS)
