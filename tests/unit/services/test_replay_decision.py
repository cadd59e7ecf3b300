"""A logged decision comes out again from what was known then, and a difference is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from jinja2 import DictLoader

from cds_app.bootstrap import app_of
from cds_app.cards.text import environment
from cds_app.deps import Deps
from cds_app.domain.decisions import Decision
from cds_app.errors import NotFound, PatientErased
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.content.learned import Learned
from cds_app.services.replay import Replayed, replay_decision
from tests.conftest import FROZEN, FrozenClock
from tests.patients import hyperkalaemic, septic

URL = "/cds-services/twinline-patient-view"


def decisions(deps: Deps) -> list[Decision]:
    return [one.decision for one in deps.store.journal() if one.decision]


def replayed(deps: Deps, one: Decision) -> Replayed:
    return replay_decision(deps.knowledge, deps.store, one.id)


@pytest.fixture
def story(client: FlaskClient, clock: FrozenClock) -> None:
    """A patient who is seen, answered for, and seen again; and another one."""
    (card, *_) = client.post(URL, json=hyperkalaemic(FROZEN, 5.8)).get_json()["cards"]
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}
    client.post(f"{URL}/feedback", json={"feedback": [item]})
    client.post(URL, json=septic(FROZEN, "p2"))
    for hours, value in ((1, 5.8), (3, 6.9), (20, 5.9)):
        clock.at = FROZEN + timedelta(hours=hours)
        client.post(URL, json=hyperkalaemic(clock.at, value))


@pytest.mark.usefixtures("story")
def test_every_decision_replays_byte_for_byte_whatever_came_after_it(deps: Deps) -> None:
    found = decisions(deps)
    assert len({one.suppression for one in found}) > 1
    assert len(found) > 4
    for one in found:
        again = replayed(deps, one)
        assert (again.same, again.again) == (True, one), one.suppression


@pytest.mark.usefixtures("story")
def test_another_template_gives_another_card_and_is_named(deps: Deps) -> None:
    names = deps.knowledge.templates.list_templates()
    loader = deps.knowledge.templates.loader
    assert loader is not None
    sources = {name: loader.get_source(deps.knowledge.templates, name)[0] for name in names}
    sources = {name: f"X{text}" if name.endswith("summary.j2") else text for name, text in sources.items()}
    pins = {**deps.knowledge.pins, "templates/cards": "another"}
    other = replace(deps.knowledge, templates=environment(DictLoader(sources)), pins=pins)
    logged = next(one for one in decisions(deps) if one.shown)
    found = replay_decision(other, deps.store, logged.id)
    assert (found.same, found.same_card, found.changed) == (False, False, ("templates/cards",))


def linking(deps: Deps, url: str) -> Knowledge:
    return replace(deps.knowledge, launch_url=url, pins={**deps.knowledge.pins, **({"launch": url} if url else {})})


def carded(deps: Deps, knowledge: Knowledge) -> dict[str, Any]:
    with app_of(replace(deps, knowledge=knowledge)).test_client() as client:
        (card, *_) = client.post(URL, json=hyperkalaemic(FROZEN, 5.8)).get_json()["cards"]
    made: dict[str, Any] = card
    return made


@pytest.mark.parametrize(("then", "now"), [("https://a.example/launch", ""), ("", "https://b.example/launch")])
def test_a_card_links_to_where_it_linked_then_wherever_the_service_is_known_now(
    deps: Deps, then: str, now: str
) -> None:
    card = carded(deps, linking(deps, then))
    assert ("links" in card) is bool(then)
    found = replay_decision(linking(deps, now), deps.store, card["uuid"])
    assert (found.same, found.changed) == (True, ())


def test_a_site_mapping_that_is_not_there_now_is_named(deps: Deps) -> None:
    card = carded(deps, replace(deps.knowledge, pins={**deps.knowledge.pins, "site_mapping": "abc"}))
    assert replay_decision(deps.knowledge, deps.store, card["uuid"]).changed == ("site_mapping",)


@pytest.mark.usefixtures("story")
def test_the_same_card_from_other_content_is_not_the_same(deps: Deps) -> None:
    other = replace(deps.knowledge, pins={**deps.knowledge.pins, "models/twin": "1.0.1 abc"})
    found = replay_decision(other, deps.store, decisions(deps)[0].id)
    assert (found.same, found.same_card, found.changed) == (False, True, ("models/twin",))


@pytest.mark.usefixtures("story")
def test_a_decision_that_does_not_come_out_again_is_none(deps: Deps) -> None:
    logged = decisions(deps)[0]
    service = deps.knowledge.service(logged.service)
    silent = service.model_copy(update={"policy": service.policy.model_copy(update={"deviation_percentile": 99.99})})
    catalogue = replace(deps.knowledge.catalogue, topics={})
    nothing = Learned(models={}, artefacts={}, failed=frozenset())
    other = replace(deps.knowledge, catalogue=catalogue, learned=nothing, services={service.id: silent})
    found = replay_decision(other, deps.store, logged.id)
    assert (found.again, found.same, found.same_card) == (None, False, False)


def test_an_unknown_decision_is_not_found(deps: Deps) -> None:
    with pytest.raises(NotFound):
        replay_decision(deps.knowledge, deps.store, "nobody")


@pytest.mark.usefixtures("story")
def test_a_decision_about_an_erased_patient_cannot_be_replayed(deps: Deps) -> None:
    logged = decisions(deps)[0]
    deps.store.erase(deps.store.pseudonym("local", "p1"), FROZEN)
    with pytest.raises(PatientErased):
        replay_decision(deps.knowledge, deps.store, logged.id)
