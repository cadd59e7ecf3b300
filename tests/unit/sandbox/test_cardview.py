from __future__ import annotations

import pytest

from cds_app.sandbox.cardview import card_view
from cds_app.sandbox.screen import Outcome, Shown
from tests.unit.sandbox.stub_service import CARD, SUGGESTION, card


def test_a_card_with_nothing_but_a_summary_can_be_shown() -> None:
    view = card_view(Shown(key="k", service="s", card={"summary": "Only this"}), ())
    assert (view.summary, view.tier, view.source.label, view.suggestions) == ("Only this", "info", "(not named)", ())


def test_fields_of_the_wrong_kind_are_left_out() -> None:
    odd = {"summary": "x", "source": "text", "suggestions": {"a": 1}, "overrideReasons": [1, {"display": "no code"}]}
    view = card_view(Shown(key="k", service="s", card=odd), ())
    assert (view.suggestions, view.reasons, view.links) == ((), (), ())


def test_an_accepted_suggestion_is_not_offered_again() -> None:
    shown = Shown(key=CARD.format(1), service="s", card=card(1, "critical", "x", patient="p"))
    assert [one.id for one in card_view(shown, ()).suggestions] == [SUGGESTION.format(1)]
    done = Outcome(text="Accepted", closed=False, suggestion=SUGGESTION.format(1))
    assert card_view(shown, (done,)).suggestions == ()
    assert not card_view(shown, (done,)).closed


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "http://["])
def test_pages_link_to_web_addresses_only(url: str) -> None:
    shown = Shown(key="k", service="s", card=card(1, "info", "x", source={"label": "S", "url": url}))
    assert card_view(shown, ()).source.url == ""


def test_a_smart_link_leads_nowhere() -> None:
    links = [
        {"label": "App", "type": "smart", "url": "https://a.example/launch"},
        {"label": "Page", "type": "absolute", "url": "https://a.example/page"},
    ]
    view = card_view(Shown(key="k", service="s", card=card(1, "info", "x", links=links)), ())
    assert [one.url for one in view.links] == ["", "https://a.example/page"]
