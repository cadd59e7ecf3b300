"""What gives way first where a card has no room for all: names of what was not seen, not the options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_app.cards.drafts import naming
from cds_app.cards.text import Trusted
from cds_app.cards.wire import SUMMARY_LIMIT
from cds_app.services.content.knowledge import Knowledge
from tests.conftest import FROZEN
from tests.patients import call, observation, patient, septic, stay

URL = "/cds-services/twinline-patient-view"


def detail(client: FlaskClient, body: Mapping[str, Any], topic: str) -> str:
    cards = client.post(URL, json=body).get_json()["cards"]
    return next(str(one["detail"]) for one in cards if one["source"]["topic"]["code"] == topic)


def not_seen(text: str) -> str:
    return text.partition("**Not seen**")[2].strip()


def test_where_there_is_room_what_was_not_seen_is_named(client: FlaskClient) -> None:
    low = observation("sbp", 84.0, FROZEN - timedelta(minutes=20))
    body = call(patient(), stay(FROZEN - timedelta(hours=5)), low)
    assert not_seen(detail(client, body, "hypotension")).startswith("Mean arterial pressure, Lactate.")


def test_where_there_is_none_it_is_counted_before_an_option_is_left_out(client: FlaskClient) -> None:
    text = detail(client, septic(FROZEN), "sepsis")
    assert len(text) <= 900
    assert re.match(r"[A-Z][\w ]+ and \d+ others\.", not_seen(text))
    assert len(re.findall(r"(?m)^- .*[Cc]onsider", text)) == 2
    assert "antimicrobials within 1 h" in text


@pytest.mark.parametrize(
    ("lengths", "end"),
    [
        ((), ""),
        ((30, 30), f"; also: {'a' * 30}; {'b' * 30}"),
        ((30, 60), f"; also: {'a' * 30} and 1 more"),
        ((90, 5), "; 2 more open"),
        ((140,), "; 1 more open"),
    ],
)
def test_a_summary_names_as_much_of_what_has_no_card_as_has_room_and_counts_the_rest(
    knowledge: Knowledge, lengths: tuple[int, ...], end: str
) -> None:
    summary, besides = "s" * 60, tuple(Trusted(letter * n) for letter, n in zip("ab", lengths, strict=False))
    said = naming(summary, besides, knowledge.templates)
    assert said == f"{summary}{end}"
    assert len(said) <= SUMMARY_LIMIT


def test_a_summary_without_any_room_stays_as_it_is(knowledge: Knowledge) -> None:
    assert naming("s" * SUMMARY_LIMIT, (Trusted("a"),), knowledge.templates) == "s" * SUMMARY_LIMIT
