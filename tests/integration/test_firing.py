"""What fires, from the log to alarms, the storm breaker and the people who watch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from cds_app.adapters.clock import SystemClock
from cds_app.bootstrap import answering_of, built, firing_of, watching_of
from cds_app.commands.monitor import monitor
from cds_app.deps import Deps
from cds_app.domain.decisions import Decision, Suppression
from cds_app.domain.switches import Mode, Switch, fold
from cds_app.ports import TwinStore
from cds_app.services.watch.firing import Firing, FiringWatch, firings
from cds_app.services.watch.switchboard import turn_to
from tests.conftest import FROZEN, FrozenClock
from tests.stores import append, decision, feedback, sqlite_store, untaken

SERVICE = "twinline-patient-view"
UTC_ZONE = ZoneInfo("UTC")


def fired(at: datetime, topic: str = "aki", suppression: Suppression = Suppression.NONE) -> Decision:
    return replace(decision(topic=topic), at=at, suppression=suppression)


def steadily(now: datetime, *, days: int, per_day: int, topic: str = "aki", until_h: float = 1.0) -> list[Decision]:
    """So many a day, evenly, up to some hours ago."""
    step = timedelta(days=1) / per_day
    last = now - timedelta(hours=until_h)
    return [fired(last - step * n, topic) for n in range(days * per_day)]


def keep(store: TwinStore, decisions: Sequence[Decision]) -> None:
    append(store, store.pseudonym("local", "p1"), decisions=tuple(decisions))


def only(found: Sequence[Firing], topic: str = "aki") -> Firing:
    (one,) = [one for one in found if one.topic == topic]
    return one


def test_a_steady_topic_gives_no_alarm(deps: Deps) -> None:
    keep(deps.store, steadily(FROZEN, days=70, per_day=12))
    one = only(firings(deps.store, UTC_ZONE, FROZEN))
    assert one.alarms == ()
    assert one.per_day == pytest.approx(12, abs=0.5)
    assert one.baseline is not None
    assert one.baseline.per_day == pytest.approx(12, abs=0.5)


def test_a_topic_that_stopped_is_falling_and_silent(deps: Deps) -> None:
    keep(deps.store, steadily(FROZEN, days=70, per_day=12, until_h=24 * 5))
    keep(deps.store, steadily(FROZEN, days=70, per_day=12, topic="sepsis"))
    found = firings(deps.store, UTC_ZONE, FROZEN)
    assert {"falling", "silent"} <= set(only(found).alarms)
    assert only(found, "sepsis").alarms == ()


def test_a_topic_that_fires_half_as_much_again_is_rising(deps: Deps) -> None:
    keep(deps.store, steadily(FROZEN - timedelta(days=20), days=60, per_day=30))
    keep(deps.store, steadily(FROZEN, days=20, per_day=45))
    assert "rising" in only(firings(deps.store, UTC_ZONE, FROZEN)).alarms


def test_what_is_held_back_by_the_policy_has_not_fired_and_what_lies_in_shadow_has(deps: Deps) -> None:
    at = FROZEN - timedelta(minutes=5)
    keep(deps.store, [fired(at, suppression=Suppression.LOCKOUT), fired(at, suppression=Suppression.SHADOW)])
    assert only(firings(deps.store, UTC_ZONE, FROZEN)).last_hour == 1


def test_a_topic_of_few_days_is_not_judged(deps: Deps) -> None:
    keep(deps.store, steadily(FROZEN, days=10, per_day=30, until_h=100))
    one = only(firings(deps.store, UTC_ZONE, FROZEN))
    assert (one.baseline, one.alarms) == (None, ())


def test_answers_are_counted_against_what_was_shown(deps: Deps) -> None:
    made = steadily(FROZEN, days=1, per_day=4)
    keep(deps.store, made)
    said = [replace(feedback(one.id), topic="aki", at=FROZEN - timedelta(minutes=2)) for one in made[:2]]
    answers = (said[0], replace(said[1], outcome="accepted"), replace(said[0], outcome="undone"))
    append(deps.store, deps.store.pseudonym("local", "p1"), feedback=answers, untaken=(untaken(made[2]),))
    one = only(firings(deps.store, UTC_ZONE, FROZEN))
    assert (one.shown, one.accepted, one.overridden, one.undone, one.share) == (4, 1, 1, 1, 1.0)
    assert one.untaken == 1


# --- the storm breaker


@pytest.fixture
def raging(deps: Deps) -> Deps:
    """Twelve a day for ten weeks, and twenty in the last half hour."""
    keep(deps.store, steadily(FROZEN, days=70, per_day=12, until_h=1.5))
    keep(deps.store, [fired(FROZEN - timedelta(minutes=1 + n)) for n in range(20)])
    return deps


def test_49_a_storm_puts_its_topic_in_shadow_and_says_so_everywhere(raging: Deps) -> None:
    answering = answering_of(raging)
    firing = firing_of(raging, answering)
    client = built(raging, answering, watching := watching_of(raging, answering, None, firing)).test_client()
    assert client.get("/readyz").get_json()["status"] == "ready"
    firing.look()
    said = client.get("/readyz")
    assert (said.status_code, said.get_json()["status"]) == (200, "degraded")
    assert said.get_json()["modes"] == {f"{SERVICE}/aki": "storm"}
    assert f"{SERVICE}/aki storm" in said.get_json()["alarms"]
    (turn,) = raging.store.turns()
    assert (turn.by, turn.mode, turn.before, turn.topic) == ("twinline", Mode.STORM, Mode.ON, "aki")
    assert answering.switchboard.shadow(SERVICE).covers("aki", 2)
    assert not answering.switchboard.shadow(SERVICE).covers("aki", 3)
    assert not answering.switchboard.shadow(SERVICE).covers("sepsis", 2)
    watching.tell()
    page = raging.meter.page().decode()
    assert f'twinline_firing_alarms{{alarm="{SERVICE}/aki storm"}} 1.0' in page
    assert f'twinline_mode{{switch="{SERVICE}/aki storm"}} 1.0' in page


def test_the_breaker_trips_once_whoever_looks(raging: Deps) -> None:
    for _ in range(3):
        firing_of(raging, answering_of(raging)).look()
    assert len(raging.store.turns()) == 1


def test_a_breaker_that_another_was_faster_than_goes_on(raging: Deps) -> None:
    def twice(switch: Switch) -> None:
        raging.store.turn(switch)
        raging.store.turn(switch)

    firing = FiringWatch(raging.store, UTC_ZONE, raging.clock, raging.meter, twice)
    firing.look()
    assert len(raging.store.turns()) == 1
    assert f"{SERVICE}/aki storm" in firing.alarms()


def test_a_person_who_turns_it_on_again_is_not_overruled_for_a_day(raging: Deps, clock: FrozenClock) -> None:
    firing = firing_of(raging, answering_of(raging))
    firing.look()
    turn_to(raging.store, raging.knowledge, clock, service=SERVICE, topic="aki", mode=Mode.ON, by="Ada", reason="real")
    firing.look()
    assert fold(raging.store.turns()).turned() == ()
    clock.forward(hours=25)
    keep(raging.store, [fired(clock.now() - timedelta(minutes=1 + n)) for n in range(20)])
    firing.look()
    assert [one.mode for one in fold(raging.store.turns()).turned()] == [Mode.STORM]


def test_a_service_that_is_in_shadow_already_is_left_as_it_is(raging: Deps, clock: FrozenClock) -> None:
    turn_to(raging.store, raging.knowledge, clock, service=SERVICE, topic="", mode=Mode.SHADOW, by="Ada", reason="r")
    firing_of(raging, answering_of(raging)).look()
    assert [one.mode for one in raging.store.turns()] == [Mode.SHADOW]


def test_an_alarm_that_is_over_is_over(raging: Deps, clock: FrozenClock) -> None:
    firing = firing_of(raging, answering_of(raging))
    firing.look()
    clock.forward(hours=2)
    firing.look()
    assert f"{SERVICE}/aki storm" not in firing.alarms()
    assert f'twinline_firing_alarms{{alarm="{SERVICE}/aki storm"}} 0.0' in raging.meter.page().decode()


# --- the command


def test_the_command_tells_people_and_machines(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path)
    keep(store, steadily(SystemClock().now(), days=60, per_day=6))
    store.close()
    (tmp_path / "master.key").write_text(bytes(range(32)).hex())
    (tmp_path / "master.key").chmod(0o600)
    where = ["--data-dir", str(tmp_path)]
    told = CliRunner().invoke(monitor, where, catch_exceptions=False).output
    assert told.startswith(f"{SERVICE}/aki: 6.")
    assert "no alarm" in told
    (line,) = CliRunner().invoke(monitor, [*where, "--json"], catch_exceptions=False).output.splitlines()
    assert json.loads(line)["overridden"] == 0.0
