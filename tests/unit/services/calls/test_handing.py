"""An answer that nobody took is written down within the turn, and the next call tells the card again."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.sealed.vault import Vault
from cds_app.bootstrap import answering_of
from cds_app.deps import Deps
from cds_app.domain.decisions import Loss, Suppression
from cds_app.errors import DependencyDown
from cds_app.ports import Commit, Entry
from cds_app.services.calls.answer import Answering
from cds_app.services.replay import replay_decision
from tests.conftest import FrozenClock
from tests.connections import PATIENT_VIEW, Caller, call, caller


def log_of(deps: Deps) -> list[Entry]:
    return list(deps.store.journal())


def word(one: Entry) -> str:
    if one.untaken is not None:
        return one.untaken.why
    return (one.decision.suppression.value if one.decision else "") or "shown"


def told(deps: Deps) -> list[str]:
    """Each entry in a word."""
    return [word(one) for one in log_of(deps)]


@pytest.fixture
def answering(deps: Deps) -> Answering:
    return answering_of(deps)


def test_who_has_hung_up_before_the_decision_is_written_is_told_again(
    answering: Answering, deps: Deps, clock: FrozenClock
) -> None:
    answering.answer(call(answering, clock, listener=caller(True)))
    assert told(deps) == ["shown", "hung-up"]
    clock.forward(minutes=1)
    assert len(answering.answer(call(answering, clock))) == 1
    clock.forward(minutes=1)
    assert answering.answer(call(answering, clock)) == ()
    assert told(deps) == ["shown", "hung-up", "shown", "lockout"]


def test_it_is_written_in_the_same_commit(deps: Deps, clock: FrozenClock) -> None:
    """A worker that is killed in between leaves either both or neither, and no other worker sees one alone."""
    commits: list[Commit] = []

    class Store(MemoryStore):
        def commit(self, commit: Commit) -> int:
            commits.append(commit)
            return super().commit(commit)

    answering = answering_of(replace(deps, store=Store(Vault(bytes(32)))))
    answering.answer(call(answering, clock, listener=caller(True)))
    assert [(len(one.decisions), len(one.untaken)) for one in commits] == [(1, 1)]


def test_who_hangs_up_while_it_is_written_and_asks_again_at_once_gets_the_card(
    answering: Answering, deps: Deps, clock: FrozenClock
) -> None:
    with ThreadPoolExecutor(1) as pool:
        again: list[Future[tuple[bytes, ...]]] = []

        def hang_up_and_ask_again() -> bool:
            again.append(pool.submit(answering.answer, call(answering, clock)))
            return True

        lost = Caller([lambda: False, hang_up_and_ask_again])
        answering.answer(call(answering, clock, listener=lost))
        assert len(again[0].result(30)) == 1
    assert told(deps) == ["shown", "hung-up", "shown"]


@pytest.mark.parametrize("loss", ["hung-up", "broke-off", "not-read"])
def test_what_is_lost_on_the_wire_is_told_again(
    answering: Answering, deps: Deps, clock: FrozenClock, loss: Loss
) -> None:
    listener = caller(False, False)
    answering.answer(call(answering, clock, listener=listener))
    assert told(deps) == ["shown"]
    (act,) = listener.acts
    act(loss)
    assert told(deps) == ["shown", loss]
    assert len(answering.answer(call(answering, clock))) == 1


def test_a_call_that_shows_nothing_asks_nobody(answering: Answering, deps: Deps, clock: FrozenClock) -> None:
    answering.answer(call(answering, clock))
    nobody = caller()
    assert answering.answer(call(answering, clock, listener=nobody)) == ()
    assert (told(deps), nobody.acts) == (["shown", "lockout"], [])


def test_every_decision_replays_whatever_was_lost_before_or_after_it(
    answering: Answering, deps: Deps, clock: FrozenClock
) -> None:
    losers = [caller(True), caller(False, True), caller(False, False), caller(False, False)]
    for listener in losers:
        assert answering.answer(call(answering, clock, listener=listener))
        for act in listener.acts[:1]:
            act("not-read")
        clock.forward(minutes=7)
    assert answering.answer(call(answering, clock))
    assert answering.answer(call(answering, clock)) == ()
    decisions = [one.decision for one in log_of(deps) if one.decision]
    assert [one.suppression for one in decisions] == [Suppression.NONE] * 5 + [Suppression.LOCKOUT]
    for one in decisions:
        found = replay_decision(deps.knowledge, deps.store, one.id)
        assert (found.same, found.again) == (True, one)
    assert deps.store.verify().said == ""


def test_it_is_counted_and_logged_without_anything_of_the_patient(
    answering: Answering, deps: Deps, clock: FrozenClock
) -> None:
    with capture_logs() as lines:
        answering.answer(call(answering, clock, listener=caller(True)))
    said = {"event": "untaken", "log_level": "warning", "service": PATIENT_VIEW, "reason": "hung-up", "shown": 1}
    assert said in lines
    counted = f'twinline_untaken_cards_total{{reason="hung-up",service="{PATIENT_VIEW}",topic="hyperkalaemia"}} 1.0'
    assert counted in deps.meter.page().decode()


def test_a_store_that_fails_then_leaves_the_card_as_shown_and_says_so(deps: Deps, clock: FrozenClock) -> None:
    class Store(MemoryStore):
        def commit(self, commit: Commit) -> int:
            if commit.untaken:
                raise DependencyDown("the store cannot be written")
            return super().commit(commit)

    held = replace(deps, store=Store(Vault(bytes(32))))
    answering = answering_of(held)
    with capture_logs() as lines:
        answering.answer(call(answering, clock, listener=caller(False, True)))
    assert told(held) == ["shown"]
    assert [one["code"] for one in lines if one["event"] == "untaken-not-written"] == ["dependency-down"]
    assert "twinline_untaken_cards_total{" not in held.meter.page().decode()
