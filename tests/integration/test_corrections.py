"""A correction counts whether or not it says which version it is, over HTTP, and what was decided stays as it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from cds_app.services.replay import replay_decision
from tests.answers import cards_of, topic_of
from tests.conftest import FROZEN, FrozenClock
from tests.patients import QUIET, bundle, call, course, observation, patient, stay

FIRST = {"versionId": "1", "lastUpdated": (FROZEN - timedelta(minutes=40)).isoformat()}
SECOND = {"lastUpdated": (FROZEN + timedelta(minutes=40)).isoformat()}


def chart(potassium: float, meta: dict[str, str] | None, **more: Any) -> dict[str, Any]:
    at = FROZEN - timedelta(minutes=30)
    result = observation("potassium", potassium, at, key="k", meta=meta, **more)
    return call(patient(), stay(FROZEN - timedelta(hours=11)), *course(FROZEN, QUIET, QUIET), result)


def topics(client: FlaskClient, body: dict[str, Any]) -> list[str]:
    return list(map(topic_of, cards_of(client, body)))


@pytest.mark.parametrize("meta", [None, {}, {"versionId": "W/abc"}, SECOND, {"versionId": "2"}])
def test_a_correction_is_believed_whatever_it_says_of_its_version(
    client: FlaskClient, clock: FrozenClock, deps: Deps, meta: dict[str, str] | None
) -> None:
    assert topics(client, chart(4.2, FIRST)) == []
    clock.at = FROZEN + timedelta(hours=1)
    found = topics(client, chart(6.9, meta))
    assert len(found) == 1
    clock.at = FROZEN + timedelta(hours=2)
    assert topics(client, chart(6.9, meta)) == []  # said already
    segments = deps.store.segments(deps.store.pseudonym("local", "p1"))
    assert len(segments) == 2
    decisions = [one.decision for one in deps.store.journal() if one.decision]
    assert decisions
    assert all(replay_decision(deps.knowledge, deps.store, one.id).same for one in decisions)


def test_a_result_in_error_without_a_version_is_no_ground_for_a_card(
    client: FlaskClient, clock: FrozenClock, deps: Deps
) -> None:
    (told,) = topics(client, chart(6.9, FIRST))
    for status, decided in (("final", 2), ("entered-in-error", 2), ("cancelled", 2)):
        clock.forward(hours=1)
        assert topics(client, chart(6.9, None, status=status)) == []
        assert sum(told == one.decision.topic for one in deps.store.journal() if one.decision) == decided, status


@pytest.mark.parametrize("deleted", [False, True])
def test_a_result_that_a_history_says_was_deleted_is_no_ground_for_a_card(client: FlaskClient, deleted: bool) -> None:
    gone = {"request": {"method": "DELETE", "url": "Observation/k"}, "response": {"status": "204", "etag": 'W/"2"'}}
    body = chart(6.9, FIRST)
    *others, held = body["prefetch"]["vitals"]["entry"]
    body["prefetch"]["vitals"]["entry"] = others
    body["prefetch"]["labs"] = bundle() | {"type": "history", "entry": [*([gone] if deleted else []), held]}
    assert len(topics(client, body)) == (0 if deleted else 1)


def test_a_stay_that_began_today_does_not_begin_anew_at_every_call(
    client: FlaskClient, clock: FrozenClock, deps: Deps
) -> None:
    visit = stay(FROZEN) | {"period": {"start": f"{FROZEN:%Y-%m-%d}"}}
    order = {"resourceType": "ServiceRequest", "id": "o", "status": "active", "subject": visit["subject"]}
    for _ in range(3):
        body = call(patient(), visit, {**order, "code": {"text": "Blood culture"}}, *course(FROZEN, QUIET, QUIET))
        topics(client, body)
        clock.forward(minutes=20)
    (segment,) = deps.store.segments(deps.store.pseudonym("local", "p1"))
    assert [one.when for one in segment.facts.stays] == [FROZEN]


@pytest.mark.parametrize("died", [{"deceasedBoolean": True}, {"deceasedDateTime": f"{FROZEN:%Y-%m-%d}"}])
@pytest.mark.parametrize("meta", [{}, {"meta": {"versionId": "1"}}])
def test_who_died_nobody_says_when_does_not_die_again_at_every_call(
    client: FlaskClient, clock: FrozenClock, deps: Deps, died: dict[str, Any], meta: dict[str, Any]
) -> None:
    for _ in range(3):
        topics(client, call(patient(**died, **meta), stay(FROZEN), *course(FROZEN, QUIET, QUIET)))
        clock.forward(minutes=20)
    (segment,) = deps.store.segments(deps.store.pseudonym("local", "p1"))
    assert [one.deceased for one in segment.facts.demographics] == [FROZEN]
