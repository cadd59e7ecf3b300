"""Hostile texts, made inert and put into records, come alive in no markdown reader that a CDS client may have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from markdown_it import MarkdownIt

from cds_app.bootstrap import app_of
from cds_app.cards.text import inert, plain
from cds_app.deps import Deps, memory_deps
from tests.conftest import FROZEN
from tests.fuzz.hostile import texts
from tests.fuzz.size import CASES, TEXTS
from tests.patients import bundle, hyperkalaemic, observation, septic

pytestmark = [pytest.mark.fuzz, pytest.mark.slow]

URL = "/cds-services/twinline-patient-view"
OURS = {"p", "ul", "li", "strong"}  # what the templates themselves mark up
PLACES = ("{}", "- {}", "**Why now** {}", "Potassium 6.8 mmol/L, {} and {}", "- a\n- {}\n\n{}\n{}", "{} {}")
PACKAGES = ("react@18", "react-dom@18", "react-markdown@9", "remark-gfm@4", "rehype-raw@7")
READER = Path(__file__).with_name("react_reader.mjs")
NPM_S = 180


class Alive(HTMLParser):
    """Collects every element and attribute that is not plain text as our templates set it."""

    def __init__(self, allowed: set[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.allowed = allowed
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.allowed or attrs:
            self.found.append(f"{tag} {[name for name, _ in attrs]}")

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.found.append("declaration")

    def handle_pi(self, data: str) -> None:
        self.found.append("instruction")

    def unknown_decl(self, data: str) -> None:
        self.found.append("declaration")


def alive(html: str, allowed: set[str] | None = None) -> list[str]:
    reader = Alive(allowed or OURS)
    reader.feed(html)
    reader.close()
    return reader.found


@pytest.fixture(scope="module")
def reader() -> MarkdownIt:
    """As careless as they come: raw HTML passes, and every bare domain becomes a link."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": True, "typographer": False})


def details() -> Iterator[str]:
    """Details as a template would make them: foreign text alone, in an item, after words of ours, twice."""
    for number, text in enumerate(texts(TEXTS)):
        place = PLACES[number % len(PLACES)]
        yield place.format(*[inert(text)] * place.count("{}"))


def test_the_reader_brings_to_life_what_is_not_made_inert(reader: MarkdownIt) -> None:
    """The check can fail: most of the same texts live if only control characters are taken away."""
    raw = [text.encode("utf-8", "replace").decode() for text in texts(min(TEXTS, 2000))]
    assert sum(bool(alive(reader.render(one))) for one in raw) > len(raw) / 3


def test_no_inert_text_comes_alive(reader: MarkdownIt) -> None:
    found = [(number, living) for number, one in enumerate(details()) if (living := alive(reader.render(one)))]
    print(f"{TEXTS} texts, {len(found)} alive")
    assert found == []


def test_an_inert_text_reads_as_its_plain_self(reader: MarkdownIt) -> None:
    for text in texts(min(TEXTS, 5000)):
        shown = re.sub(r"<[^>]*>", "", reader.render(f"Told: {inert(text)}")).strip()
        expected = f"Told: {plain(text, limit=120)}".strip()
        unescaped = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
        assert unescaped == expected


def told(one: str) -> dict[str, Any]:
    """A record in which every name, text and display is the same hostile one."""
    body = hyperkalaemic(FROZEN) if len(one) % 2 else septic(FROZEN)
    person = {"name": [{"text": one, "family": one, "given": [one]}]}
    body["prefetch"]["patient"].update(person)
    for entry in body["prefetch"]["vitals"]["entry"]:
        for part in (entry["resource"].get("code", {}), *entry["resource"].get("type", [])):
            part["text"] = one
            part.get("coding", [{}])[0]["display"] = one
    when = (FROZEN - timedelta(hours=3)).isoformat()
    common = {"status": "active", "intent": "order", "subject": {"reference": "Patient/p1", "display": one}}
    drugs = [
        {"resourceType": "MedicationRequest", "id": f"m{number}", "authoredOn": when, **common,
         "medicationCodeableConcept": {"text": f"{name} {one}", "coding": [{"display": one}]},
         "dosageInstruction": [{"text": one}]}
        for number, name in enumerate(("lisinopril", "spironolactone", "", "digoxin"))
    ]  # fmt: skip
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": common["subject"], "code": {"text": one},
               "reaction": [{"manifestation": [{"text": one}]}]}  # fmt: skip
    condition = {"resourceType": "Condition", "id": "c", "subject": common["subject"], "code": {"text": one},
                 "clinicalStatus": {"coding": [{"code": "active"}], "text": one}, "onsetDateTime": when}  # fmt: skip
    odd = observation("creatinine", 1.1, FROZEN - timedelta(hours=1), key="odd", interpretation=[{"text": one}])
    body["prefetch"]["medications"] = bundle(*drugs)
    body["prefetch"]["allergies"], body["prefetch"]["conditions"] = bundle(allergy), bundle(condition)
    body["prefetch"]["labs"] = bundle(odd | {"valueQuantity": {**odd["valueQuantity"], "unit": one}})
    return body


def test_cards_on_hostile_records_are_not_alive_either(reader: MarkdownIt, deps: Deps) -> None:
    shown, found = 0, []
    client = fresh(deps)
    for number, one in enumerate(texts(CASES)):
        if number % 50 == 0:  # a patient of whom no card was shown yet needs a new store
            client = fresh(deps)
        body = told(one.encode("utf-8", "replace").decode())
        name = f"p{number}"
        body = json.loads(json.dumps(body).replace("Patient/p1", f"Patient/{name}"))
        body["context"]["patientId"] = body["prefetch"]["patient"]["id"] = name
        answer = client.post(URL, json=body)
        assert answer.status_code == 200
        for card in answer.get_json()["cards"]:
            shown += 1
            said = (card.get("detail", ""), card["summary"], card["source"]["topic"]["display"])
            found += [(number, living) for text in said if (living := alive(reader.render(text)))]
            assert "evil" not in "".join(said)
    print(f"{CASES} records, {shown} cards, {len(found)} alive")
    assert shown >= CASES
    assert found == []


def fresh(deps: Deps) -> FlaskClient:
    made = memory_deps(deps.knowledge, deps.settings)
    return app_of(
        Deps(settings=deps.settings, knowledge=deps.knowledge, store=made.store, clock=deps.clock, fhir=made.fhir)
    ).test_client()


@pytest.fixture(scope="module")
def react(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reader that most CDS clients in a browser use."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no npm and node on PATH")
    folder = tmp_path_factory.mktemp("react")
    shutil.copy(READER, folder)
    (folder / "package.json").write_text('{"private": true}', "utf-8")  # npm looks for one, further and further up
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=NPM_S)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install did not come to an end: is its registry within reach?")
    if done.returncode:
        pytest.skip("npm install failed: is its registry within reach?")
    return folder


def rendered(folder: Path, documents: list[str]) -> list[str]:
    (folder / "documents.json").write_text(json.dumps(documents), "utf-8")
    subprocess.run(["node", READER.name], cwd=folder, check=True)
    found: list[str] = json.loads((folder / "rendered.json").read_text("utf-8"))
    return found


def test_no_inert_text_comes_alive_in_react_markdown_with_raw_html(react: Path) -> None:
    control = rendered(react, ["<img src=x onerror=alert(1)>", "www.evil.example", "[a](https://evil.example)"])
    assert all(alive(one) for one in control)  # the check can fail
    found = [(number, living) for number, one in enumerate(rendered(react, list(details()))) if (living := alive(one))]
    print(f"{TEXTS} texts in react-markdown, {len(found)} alive")
    assert found == []
