"""The pages as HTML: small, inert, true to their state, the same without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.bootstrap import answering_of
from cds_app.deps import Deps
from cds_app.errors import BadRequest, NotFound
from cds_app.services.sidebar.deciding import Wanted
from cds_app.services.sidebar.frame import back_hours
from tests.bedside import Bed, bed_of, drafted, resources, token, wanted
from tests.conftest import FROZEN, FrozenClock
from tests.connections import PATIENT_VIEW, call, caller
from tests.patients import QUIET, SEPTIC, course, hyperkalaemic, observation, patient, septic, stay

_MOST_BYTES = 60_000
_HOSTILE = "{{7*7}}<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def pages(bed: Bed) -> dict[str, str]:
    asking = bed.asking()
    return {
        "now": bed.sidebar.now(asking),
        "trend": bed.sidebar.trend(asking, "", 24),
        "why": bed.sidebar.why(asking, "", change=True),
        "options": bed.sidebar.options(asking),
        "history": bed.sidebar.history(asking, token),
        "about": bed.sidebar.about(asking),
    }


def test_every_page_is_small_and_says_whose_it_is(bed: Bed) -> None:
    for name, html in pages(bed).items():
        assert len(html.encode()) <= _MOST_BYTES, name
        assert html.count("<h1") == 1
        assert "id …p1" in html
        assert 'aria-current="page"' in html
        assert not re.search(r"\son\w+=|<style|\sstyle=|javascript:", html)
        assert not re.search(r'(?:src|href|action)="https?:', html)


def test_each_bar_of_the_waterfall_leads_to_its_measurement_and_each_page_to_any_earlier_time(bed: Bed) -> None:
    html = bed.sidebar.why(bed.asking(), "sepsis")
    bars = re.findall(r'<a href="#(reason-\d+)"', html)
    assert bars
    assert bars == re.findall(r'<li id="(reason-\d+)"', html)
    back = bed.sidebar.trend(bed.asking(back_h=2.5), "heart_rate", 12)
    assert '<input type="hidden" name="q" value="heart_rate">' in back
    assert '<input type="hidden" name="h" value="12">' in back
    assert 'name="back" min="0" max="720"' in back
    assert "back=1.5" in back  # an hour later again


def test_nothing_of_a_patient_stands_in_title_or_address(bed: Bed) -> None:
    for html in pages(bed).values():
        title = re.search(r"<title>(.*)</title>", html)
        assert title is not None
        assert re.fullmatch(r"(Now|Trend|Why|Options|History|About) - Twinline", title[1])
        addresses = " ".join(re.findall(r'(?:href|action)="([^"]*)"', html))
        assert "p1" not in addresses
        assert "Practitioner" not in addresses


def test_what_comes_from_the_ehr_is_inert_on_every_page(deps: Deps) -> None:
    call = septic(FROZEN)
    found = [one for one in resources(call) if one["resourceType"] != "Patient"]
    who = patient(name=[{"text": _HOSTILE}])
    drug = {
        "resourceType": "MedicationAdministration",
        "id": "m1",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": _HOSTILE},
        "effectiveDateTime": (FROZEN - timedelta(hours=2)).isoformat(),
    }
    bed = bed_of(deps, [who, drug, *found], FROZEN, user=_HOSTILE)
    asked = Wanted(topic="sepsis", digest=bed.asking().opened.record.digest, reason="data-wrong", comment=_HOSTILE)
    bed.deciding.override(bed.visit, token, asked)
    for name, html in pages(bed).items():
        assert "<script>alert" not in html, name
        assert "<img src=x" not in html, name
        assert html.count("{{7*7}}") == html.count("&lt;script&gt;alert(1)") > 0, name  # as it came, never filled


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("down", "The EHR could not be asked."),
        ("partial", "Part of the record could not be read:"),
        ("back", "Looking back:"),
    ],
)
def test_states_are_said_on_top(bed: Bed, clock: FrozenClock, state: str, words: str) -> None:
    bed.asking()
    clock.forward(minutes=1)
    bed.chart.down = state == "down"
    if state == "partial":
        bed.chart.refused.add("Condition")
    html = bed.sidebar.now(bed.asking(back_h=6.0 if state == "back" else 0.0))
    assert words in html


def test_old_data_are_said_and_give_no_number(deps: Deps) -> None:
    rows = [observation("heart_rate", 80.0, FROZEN - timedelta(days=3))]
    bed = bed_of(deps, [patient(), *rows], FROZEN)
    html = bed.sidebar.now(bed.asking())
    assert "Old data:" in html
    assert "There is nothing recent to judge by." in html
    assert 'class="number"' not in html
    assert "There is nothing recent to judge by." in bed.sidebar.options(bed.asking())
    assert "No current hospital stay on record" in html
    assert "only begun" not in html


def test_an_empty_record_is_said_to_be_one(deps: Deps) -> None:
    bed = bed_of(deps, [patient()], FROZEN)
    assert "Nothing to go by yet" in bed.sidebar.now(bed.asking())
    assert "Nothing of this was measured" in bed.sidebar.trend(bed.asking(), "lactate", 24)
    assert "not estimated" in bed.sidebar.why(bed.asking(), "sepsis")
    assert "No options" in bed.sidebar.options(bed.asking())


def test_the_past_can_be_seen_and_not_acted_on(bed: Bed) -> None:
    assert "<button" not in bed.sidebar.options(bed.asking(back_h=1.0))
    assert "<button" in bed.sidebar.options(bed.asking())


def test_who_may_not_write_is_told_so(deps: Deps) -> None:
    bed = bed_of(deps, resources(septic(FROZEN)), FROZEN, scopes=frozenset({"patient/*.rs"}))
    assert "this launch may not write drafts" in bed.sidebar.options(bed.asking())


def test_what_was_decided_stands_beside_its_topic_and_option_until_it_is_taken_back(
    bed: Bed, clock: FrozenClock
) -> None:
    option = drafted(bed)
    asked = wanted(bed, option.id)
    assert "Accepted" not in bed.sidebar.options(bed.asking())
    done = bed.deciding.accept(bed.visit, token, asked)
    html = bed.sidebar.options(bed.asking())
    assert html.count("Accepted before, ") == 1
    assert re.search(rf'<li id="option-{option.id}">(?:(?!</li>).)*Accepted before, ', html, re.DOTALL)
    assert f'/history#card-{done.decision}">Accepted</a>' in html
    again = bed.deciding.accept(bed.visit, token, asked)
    assert "nothing was written a second time" in bed.sidebar.done(bed.asking(), again, "Accepted")
    clock.forward(minutes=1)
    bed.deciding.undo(bed.visit, token, done.decision)
    assert "Accepted" not in bed.sidebar.options(bed.asking())


def test_what_was_accepted_on_a_card_stands_beside_each_option_too(deps: Deps, clock: FrozenClock) -> None:
    bed, answering = bed_of(deps, resources(hyperkalaemic(FROZEN)), FROZEN), answering_of(deps)
    made = call(answering, clock)
    answering.answer(replace(made, event=replace(made.event, tenant=bed.visit.realm, patient=bed.visit.patient)))
    card = next(json.loads(one.decision.card) for one in deps.store.journal() if one.decision and one.decision.card)
    suggested = {one["uuid"]: one["label"] for one in card["suggestions"]}
    assert len(suggested) > 1
    assert "Accepted before" not in bed.sidebar.options(bed.asking())
    for minute, name in enumerate(suggested):  # one by one, as an EHR has them clicked
        said = {"outcome": "accepted", "outcomeTimestamp": (FROZEN + timedelta(minutes=minute)).isoformat()}
        item = {"card": card["uuid"], "acceptedSuggestions": [{"id": name}], **said}
        bed.deciding.listening.listen(
            deps.knowledge.service(PATIENT_VIEW), [item], received=FROZEN + timedelta(minutes=minute)
        )
    html = bed.sidebar.options(bed.asking())
    for label in suggested.values():
        assert re.search(rf"<p>{re.escape(label)}</p>(?:(?!</li>).)*Accepted before, ", html, re.DOTALL), label


@pytest.mark.parametrize(("last", "told"), [(SEPTIC, "; most for "), (QUIET, ".</p>")])
def test_nothing_stands_out_of_what_is_together_less_unusual_than_most(
    deps: Deps, last: Mapping[str, float], told: str
) -> None:
    begun = stay(FROZEN - timedelta(hours=11))
    bed = bed_of(deps, [patient(), begun, *course(FROZEN, QUIET, last)], FROZEN)
    found = re.search(r"more unusual than in [\d.]+ of 100 hours of other patients(.*)", bed.sidebar.now(bed.asking()))
    assert found is not None
    assert found[1].startswith(told)


def test_history_shows_who_did_what_and_offers_to_take_it_back(bed: Bed) -> None:
    done = bed.deciding.accept(bed.visit, token, wanted(bed, drafted(bed).id))
    html = bed.sidebar.history(bed.asking(), token)
    assert "accepted" in html
    assert "by Practitioner/7" in html
    assert f'value="{done.decision}"' in html
    assert "Identical, byte for byte" in bed.sidebar.replay(bed.asking(), done.decision)
    with pytest.raises(NotFound):
        bed.sidebar.replay(bed.asking(), "00000000-0000-0000-0000-000000000000")


def test_a_card_that_the_ehr_did_not_wait_for_waits_for_nobody_and_says_so(deps: Deps, clock: FrozenClock) -> None:
    bed, answering = bed_of(deps, resources(hyperkalaemic(FROZEN)), FROZEN), answering_of(deps)
    made = call(answering, clock)
    visit = bed.visit
    event = replace(made.event, tenant=visit.realm, patient=visit.patient, user=visit.user)
    listener = caller(False, False)
    answering.answer(replace(made, event=event, listener=listener))
    assert "No card of this patient waits" not in bed.sidebar.history(bed.asking(), token)
    (act,) = listener.acts
    act("not-read")
    html = bed.sidebar.history(bed.asking(), token)
    assert "No card of this patient waits" in html
    assert '<span class="state state-not-taken">not taken</span>' in html
    assert "nobody saw the card" in html
    card = next(one.decision for one in deps.store.journal() if one.decision)
    assert "<strong>Not taken.</strong>" in bed.sidebar.replay(bed.asking(), card.id)


@pytest.mark.parametrize(
    "ask",
    [
        lambda bed: bed.sidebar.trend(bed.asking(), "no_such_thing", 24),
        lambda bed: bed.sidebar.trend(bed.asking(), "lactate", 25),
        lambda bed: bed.sidebar.why(bed.asking(), "no-such-risk"),
        lambda bed: back_hours("-1"),
        lambda bed: back_hours("nan"),
        lambda bed: back_hours("1e9"),
        lambda bed: back_hours("six"),
    ],
)
def test_what_cannot_be_asked_is_refused(bed: Bed, ask: Callable[[Bed], object]) -> None:
    with pytest.raises(BadRequest):
        ask(bed)


def test_problem_pages_hold_nothing_of_anybody(bed: Bed) -> None:
    html = bed.frame.problem("Another patient", "Nothing was done.", resume={"action": "/x", "token": "t"})
    assert "p1" not in html
    assert "<form" in html


@pytest.mark.parametrize(("born", "adult"), [("2008-03-02", False), ("2008-02-27", True)])
def test_nothing_of_adults_is_said_of_a_child(deps: Deps, born: str, adult: bool) -> None:
    fast = [observation("heart_rate", 130.0 - hour, FROZEN - timedelta(hours=hour)) for hour in range(6)]
    low = [observation("map", 52.0, FROZEN - timedelta(hours=1)), observation("spo2", 97.0, FROZEN)]
    bed = bed_of(deps, [patient(birthDate=born), stay(FROZEN - timedelta(hours=30)), *fast, *low], FROZEN)
    now, trend = bed.sidebar.now(bed.asking()), bed.sidebar.trend(bed.asking(), "heart_rate", 24)
    options = bed.sidebar.options(bed.asking())
    for html in (now, trend, options):
        assert ("<strong>Not an adult (17 years):</strong>" in html) is not adult
        assert re.search("Heart rate|No options|Low blood pressure", html)
    of_adults = [
        "above the usual range",
        "below the usual range",
        "as usual",
        "usual for them",
        "in this state already",
    ]
    assert any(one in now for one in of_adults) is adult
    assert "130" in trend
    shown = [one in trend for one in ("usual range 60 to 100", "the twin expects", 'class="median"', "a healthy range")]
    assert any(shown) is adult
    assert ("Nothing that Twinline knows a rule for" in now or "Low blood pressure" in options) is adult


def test_no_limit_of_a_topic_is_drawn_for_a_child(deps: Deps) -> None:
    rows = [observation("map", 66.0 - hour, FROZEN - timedelta(hours=hour)) for hour in range(4)]
    for born, drawn in (("1958-02-03", True), ("2020-02-03", False)):
        bed = bed_of(deps, [patient(birthDate=born), *rows], FROZEN)
        assert ("below 65: " in bed.sidebar.trend(bed.asking(), "map", 24)) is drawn
