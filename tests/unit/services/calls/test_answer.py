"""Calls compute one after the other and wait side by side."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting

import pytest

from cds_app.adapters.memory_store import MemoryStore
from cds_app.adapters.sealed.vault import Vault
from cds_app.bootstrap import answering_of
from cds_app.deps import Deps
from cds_app.errors import ClockBehind
from cds_app.ports import Commit
from cds_app.services.calls.answer import Answering
from cds_app.services.calls.hook_call import HookCall
from cds_app.web.requests import read_call
from tests import patients
from tests.conftest import FrozenClock

PATIENT_VIEW = "twinline-patient-view"


class Doorway(MemoryStore):
    """A store in which two commits must be under way together before either gets through."""

    def __init__(self) -> None:
        super().__init__(Vault(bytes(32)))
        self.both_here = threading.Barrier(2)

    def commit(self, commit: Commit) -> int:
        self.both_here.wait(60)  # so long only where they never are
        return super().commit(commit)


def hook_call(answering: Answering, clock: FrozenClock, patient_id: str) -> HookCall:
    body = patients.hyperkalaemic(clock.now(), patient_id=patient_id)
    service = answering.knowledge.service(PATIENT_VIEW)
    return read_call(body, service, received=clock.now(), simulated=False)


def test_a_call_waits_for_the_one_that_computes(deps: Deps, clock: FrozenClock) -> None:
    answering = answering_of(deps)
    with ThreadPoolExecutor(1) as pool:
        with answering.computing:
            waiting = pool.submit(answering.answer, hook_call(answering, clock, "p1"))
            with pytest.raises(StillWaiting):
                waiting.result(0.2)
        assert waiting.result(10)


def test_calls_commit_side_by_side(deps: Deps, clock: FrozenClock) -> None:
    store = Doorway()
    answering = answering_of(
        Deps(settings=deps.settings, knowledge=deps.knowledge, store=store, clock=clock, fhir=deps.fhir)
    )
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(answering.answer, hook_call(answering, clock, name)) for name in ("p1", "p2")]
        assert all(one.result(90) for one in both)


def test_a_resource_under_two_keys_is_counted_once_among_those_not_used(deps: Deps, clock: FrozenClock) -> None:
    body = patients.hyperkalaemic(clock.now())
    unusable = patients.observation("lactate", 2.0, clock.now(), valueQuantity={"value": 2.0})
    body["prefetch"]["labs"] = patients.bundle(unusable, {**unusable, "id": "another"})
    body["prefetch"]["vitals"]["entry"].append({"resource": unusable})
    answering = answering_of(deps)
    call = read_call(body, answering.knowledge.service(PATIENT_VIEW), received=clock.now(), simulated=False)
    (card, *_) = answering.answer(call)
    assert b"2 resources could not be used" in card


def test_a_clock_that_is_behind_the_record_is_no_silence(deps: Deps, clock: FrozenClock) -> None:
    answering = answering_of(deps)
    assert answering.answer(hook_call(answering, clock, "p1"))
    clock.forward(minutes=-5)  # no further apart than two clocks may be
    answering.answer(hook_call(answering, clock, "p1"))
    clock.forward(days=-2)
    with pytest.raises(ClockBehind):
        answering.answer(hook_call(answering, clock, "p1"))


def test_of_a_patient_not_known_a_card_says_that_the_record_lies_ahead(deps: Deps, clock: FrozenClock) -> None:
    body = patients.hyperkalaemic(clock.now())
    clock.forward(days=-2)
    answering = answering_of(deps)
    call = read_call(body, answering.knowledge.service(PATIENT_VIEW), received=clock.now(), simulated=False)
    (card,) = answering.answer(call)
    assert b"not estimated" in card
    assert b"80 resources could not be used (80 dated later than now)" in card
