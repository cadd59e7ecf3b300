"""Shadow mode: judged as if live, shown to nobody, and no reason for silence towards anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from cds_app.cards.policy import Candidate, Past, judge
from cds_app.cards.shadow import NO_SHADOW, Shadow, judged, read_shadow
from cds_app.domain.decisions import Suppression
from cds_app.domain.switches import EVERY, Mode, Switch, fold
from cds_app.services.content.knowledge import Knowledge
from tests.stores import NOW, decision, feedback

SHADOW = Shadow(service=Mode.SHADOW)
Verdicts = Callable[[Sequence[Candidate], Past, Shadow], list[str]]
AKI = Shadow(topics={"aki": Mode.SHADOW})


def candidate(topic: str = "sepsis", tier: int = 2) -> Candidate:
    return Candidate(topic=topic, tier=tier, points=30.0, grounds=(f"Observation/{topic}",))


@pytest.fixture
def verdicts(knowledge: Knowledge) -> Verdicts:
    service = knowledge.service("twinline-patient-view")

    def judge_all(candidates: Sequence[Candidate], past: Past, shadow: Shadow) -> list[str]:
        policy = partial(judge, policy=service.policy, snooze_h=service.snooze_h, now=NOW + timedelta(hours=1))
        return [one.value for one in judged(candidates, past, policy, shadow)]

    return judge_all


def test_what_would_be_shown_is_in_shadow(verdicts: Verdicts) -> None:
    assert verdicts([candidate()], [], SHADOW) == ["shadow"]


def test_within_shadow_the_policy_holds_as_it_would_live(verdicts: Verdicts) -> None:
    before = replace(decision(), suppression=Suppression.SHADOW)
    assert verdicts([candidate()], [before], SHADOW) == ["lockout"]
    assert verdicts([candidate()], [decision()], SHADOW) == ["lockout"]


def test_an_answer_to_what_was_shown_counts_in_shadow_too(verdicts: Verdicts) -> None:
    told = decision()
    assert verdicts([candidate()], [told, feedback(told.id)], SHADOW) == ["snoozed"]


def test_what_was_in_shadow_locks_out_nothing_that_is_shown(verdicts: Verdicts) -> None:
    before = replace(decision(), suppression=Suppression.SHADOW)
    assert verdicts([candidate()], [before], NO_SHADOW) == [""]


def test_a_topic_in_shadow_takes_no_place_of_another(verdicts: Verdicts, knowledge: Knowledge) -> None:
    most = knowledge.service("twinline-patient-view").policy.max_cards
    others = [candidate(f"topic-{n}") for n in range(most)]
    assert verdicts([candidate("aki"), *others], [], AKI) == ["shadow", *[""] * most]


def test_a_storm_keeps_nothing_back_that_must_be_acted_on_now(verdicts: Verdicts) -> None:
    storm = Shadow(topics={"aki": Mode.STORM})
    assert verdicts([candidate("aki", 3)], [], storm) == [""]
    assert verdicts([candidate("aki", 2)], [], storm) == ["shadow"]


@pytest.mark.parametrize("shadow", [NO_SHADOW, SHADOW, AKI, Shadow(service=Mode.STORM, topics={"aki": Mode.SHADOW})])
def test_a_shadow_is_read_as_it_was_stated(shadow: Shadow) -> None:
    assert read_shadow(shadow.stated()) == shadow


def turn(service: str, mode: Mode, topic: str = "") -> Switch:
    return Switch(service=service, topic=topic, mode=mode, before=Mode.ON, by="x", reason="y", at=NOW)


def test_of_two_switches_the_one_that_allows_less_holds() -> None:
    switches = fold([turn("a", Mode.OFF), turn(EVERY, Mode.SHADOW), turn("b", Mode.ON)])
    assert [switches.of("a"), switches.of("b"), switches.of("c")] == [Mode.OFF, Mode.SHADOW, Mode.SHADOW]


def test_the_last_turn_counts() -> None:
    switches = fold([turn("a", Mode.SHADOW, "aki"), turn("a", Mode.STORM, "sepsis"), turn("a", Mode.ON, "aki")])
    assert switches.topics("a") == {"sepsis": Mode.STORM}
    assert switches.of("a") is Mode.ON
