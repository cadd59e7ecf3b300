"""An estimate of the log taken apart, as it was known then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_app.bootstrap import answering_of
from cds_app.deps import Deps
from cds_app.errors import IntegrityError, NotFound
from cds_app.services.calls.hook_call import HookCall
from cds_app.services.helping import LEAST
from cds_app.services.why import why
from tests.conftest import FROZEN
from tests.patients import septic
from tests.service import opening


@pytest.fixture
def decided(deps: Deps) -> str:
    body = septic(FROZEN)
    event = opening()
    call = HookCall(event=event, prefetch=body["prefetch"], context=body["context"], fhir_server=None, token=None)
    answering = answering_of(deps)
    first = answering.decide(call)[0]
    later = replace(call, event=replace(event, received=FROZEN + timedelta(hours=2)))
    answering.decide(later)
    return first.id


def test_every_estimate_behind_a_decision_is_taken_apart(deps: Deps, decided: str) -> None:
    found = {one.name: one for one in why(deps.knowledge, deps.store, decided)}
    assert "sepsis" in found
    sepsis = found["sepsis"]
    # points add up to the estimate over its base, as on the card
    assert sum(one.points for one in sepsis.reasons) == pytest.approx(
        100 * (sepsis.risk.probability - sepsis.risk.base), abs=1e-6
    )
    spreads = [one.spread for one in sepsis.telling]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 0


def test_what_it_takes_is_said_only_where_something_is_reached(deps: Deps, decided: str) -> None:
    found = why(deps.knowledge, deps.store, decided)
    assert any(one.needs for one in found)
    for one in found:
        reached = one.risk.probability >= one.limit
        named = deps.knowledge.risks[one.name].modifiable
        assert {need.quantity for need in one.needs} <= named
        assert bool(one.needs) <= reached
        assert all(need.needed is None or need.risk < one.limit for need in one.needs)


def test_a_decision_that_nobody_made_cannot_be_taken_apart(deps: Deps) -> None:
    with pytest.raises(NotFound):
        why(deps.knowledge, deps.store, "nobody")


def test_another_model_does_not_explain_what_was_decided_with_this_one(deps: Deps, decided: str) -> None:
    other = replace(deps.knowledge, pins={**deps.knowledge.pins, "models/sepsis": "1.0.1 abc"})
    with pytest.raises(IntegrityError, match="models/sepsis"):
        why(other, deps.store, decided)


def test_what_would_help_is_not_known_and_moves_the_estimate(deps: Deps, decided: str) -> None:
    found = why(deps.knowledge, deps.store, decided)
    helps = [one for each in found for one in each.helps]
    assert helps
    for each in found:
        assert {one.quantity for one in each.helps} <= {one.quantity for one in each.telling}
        assert all(one.spread >= LEAST for one in each.helps)


def test_how_far_an_estimate_rests_on_what_nobody_measured_is_said_the_same_way_twice(deps: Deps, decided: str) -> None:
    once, again = (why(deps.knowledge, deps.store, decided) for _ in range(2))
    assert [one.still_open for one in once] == [one.still_open for one in again]
    (sepsis,) = (one for one in once if one.name == "sepsis")
    assert sepsis.still_open is not None
    assert 0.0 < sepsis.still_open.low < sepsis.still_open.high < 1.0
    assert {name for name, _, _ in sepsis.still_open.points} <= set(sepsis.still_open.quantities)
