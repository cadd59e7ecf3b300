"""Off, shadow and on again, as callers, clinicians and governance see them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from flask.testing import FlaskClient

from cds_app.bootstrap import app_of
from cds_app.commands.running import running_service
from cds_app.commands.switch import switch
from cds_app.deps import Deps
from cds_app.domain.decisions import Suppression
from cds_app.domain.switches import EVERY, Mode
from cds_app.errors import BadRequest, UnknownService
from cds_app.services.replay import replay_decision
from cds_app.services.watch.switchboard import FRESH_S, Switchboard, turn_to
from tests.conftest import FROZEN, FrozenClock
from tests.patients import hyperkalaemic, septic
from tests.service import SIMULATED, at, post, shown, twinline
from tests.stores import edit, sqlite_store

SERVICE = "twinline-patient-view"
URL = f"/cds-services/{SERVICE}"


@dataclass(slots=True)
class Desk:
    """An app, and the switches of its service."""

    deps: Deps
    client: FlaskClient

    def turn(self, mode: Mode, *, service: str = SERVICE, topic: str = "", by: str = "Ada", reason: str = "r") -> None:
        deps = self.deps
        turn_to(deps.store, deps.knowledge, deps.clock, service=service, topic=topic, mode=mode, by=by, reason=reason)
        self.client = app_of(deps).test_client()  # a board of its own, not up to a second old

    def suppressions(self) -> list[Suppression]:
        return [one.decision.suppression for one in self.deps.store.journal() if one.decision]

    def topics(self, body: object) -> list[str]:
        answer = self.client.post(URL, json=body)
        assert answer.status_code == 200, answer.text
        return [card["source"]["topic"]["code"] for card in answer.get_json()["cards"]]


@pytest.fixture
def desk(deps: Deps) -> Desk:
    return Desk(deps=deps, client=app_of(deps).test_client())


@pytest.mark.parametrize("who", [SERVICE, EVERY])
def test_a_service_that_is_off_says_so_and_computes_nothing(desk: Desk, who: str) -> None:
    desk.turn(Mode.OFF, service=who)
    answer = desk.client.post(URL, json=hyperkalaemic(FROZEN))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    (issue,) = answer.get_json(force=True)["issue"]
    assert issue["details"]["coding"][0]["code"] == "service-off"
    assert desk.suppressions() == []
    assert desk.client.get("/cds-services").status_code == 200
    desk.turn(Mode.ON, service=who)
    assert desk.topics(hyperkalaemic(FROZEN)) == ["hyperkalaemia"]


def test_feedback_on_earlier_cards_is_taken_while_a_service_is_off(desk: Desk) -> None:
    (card,) = desk.client.post(URL, json=hyperkalaemic(FROZEN)).get_json()["cards"]
    desk.turn(Mode.OFF)
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": FROZEN.isoformat()}
    assert desk.client.post(f"{URL}/feedback", json={"feedback": [item]}).status_code == 200


@pytest.mark.parametrize("who", [SERVICE, EVERY])
def test_62_in_shadow_no_card_leaks_whatever_the_patient_has(desk: Desk, who: str, clock: FrozenClock) -> None:
    desk.turn(Mode.SHADOW, service=who)
    for body in (hyperkalaemic(FROZEN), septic(FROZEN, "p2"), septic(FROZEN, "p2"), hyperkalaemic(FROZEN, 7.9)):
        answer = desk.client.post(URL, json=body)
        assert (answer.status_code, answer.data) == (200, b'{"cards":[]}')
        clock.forward(hours=1)
    made = [one.decision for one in desk.deps.store.journal() if one.decision]
    assert Suppression.NONE not in {one.suppression for one in made}
    assert any(one.suppression is Suppression.SHADOW and one.card for one in made)
    assert any(one.suppression is Suppression.LOCKOUT for one in made)  # as it would have been


def test_after_shadow_clinicians_are_told_at_once(desk: Desk) -> None:
    desk.turn(Mode.SHADOW)
    assert desk.topics(hyperkalaemic(FROZEN)) == []
    desk.turn(Mode.ON)
    assert desk.topics(hyperkalaemic(FROZEN)) == ["hyperkalaemia"]
    assert desk.suppressions() == [Suppression.SHADOW, Suppression.NONE]


def test_a_decision_in_shadow_replays_byte_for_byte(desk: Desk) -> None:
    desk.turn(Mode.SHADOW)
    desk.topics(hyperkalaemic(FROZEN))
    desk.turn(Mode.ON)
    desk.topics(hyperkalaemic(FROZEN))
    made = [one.decision for one in desk.deps.store.journal() if one.decision]
    assert [replay_decision(desk.deps.knowledge, desk.deps.store, one.id).same for one in made] == [True, True]


def test_a_topic_in_shadow_leaves_the_others_alone(desk: Desk) -> None:
    live = desk.topics(hyperkalaemic(FROZEN, patient_id="other"))
    desk.turn(Mode.SHADOW, topic="hyperkalaemia")
    assert "hyperkalaemia" in live
    assert desk.topics(hyperkalaemic(FROZEN)) == []
    assert desk.topics(septic(FROZEN, "p2")) != []


def test_a_storm_still_shows_what_must_be_acted_on_now(desk: Desk) -> None:
    desk.turn(Mode.STORM, topic="hyperkalaemia")
    assert desk.topics(hyperkalaemic(FROZEN)) == ["hyperkalaemia"]  # of the highest tier


def test_switches_are_said_where_readiness_is_asked(desk: Desk) -> None:
    desk.turn(Mode.SHADOW)
    desk.turn(Mode.STORM, topic="aki")
    answer = desk.client.get("/readyz")
    assert answer.status_code == 200
    assert (answer.get_json()["status"], answer.get_json()["modes"]) == (
        "degraded",
        {SERVICE: "shadow", f"{SERVICE}/aki": "storm"},
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"by": " "}, "by"),
        ({"reason": ""}, "reason"),
        ({"mode": Mode.ON}, "mode"),
        ({"topic": "weather"}, "topic"),
        ({"topic": "aki", "service": EVERY}, "topic"),
        ({"topic": "aki", "mode": Mode.OFF}, "mode"),
    ],
)
def test_a_turn_that_says_too_little_is_refused(desk: Desk, change: dict[str, object], field: str) -> None:
    wanted: dict[str, object] = {"mode": Mode.SHADOW, **change}
    with pytest.raises(BadRequest) as caught:
        desk.turn(**wanted)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert desk.deps.store.turns() == ()


def test_a_service_that_is_not_there_cannot_be_turned(desk: Desk) -> None:
    with pytest.raises(UnknownService):
        desk.turn(Mode.OFF, service="elsewhere")


def test_a_board_looks_again_after_a_second(deps: Deps) -> None:
    ticks = [0.0]
    board = Switchboard(deps.store, ticks=lambda: ticks[0])
    assert board.now().of(SERVICE) is Mode.ON
    turn_to(deps.store, deps.knowledge, deps.clock, service=SERVICE, topic="", mode=Mode.OFF, by="a", reason="b")
    assert board.now().of(SERVICE) is Mode.ON
    ticks[0] += FRESH_S
    assert board.now().of(SERVICE) is Mode.OFF
    assert FRESH_S <= 5


def test_a_turn_that_somebody_changed_opens_nothing(tmp_path: Path, deps: Deps) -> None:
    store = sqlite_store(tmp_path)
    turn_to(store, deps.knowledge, deps.clock, service=SERVICE, topic="", mode=Mode.OFF, by="a", reason="b")
    edit(tmp_path, "UPDATE log SET outcome = 'on' WHERE kind = 'switch'")
    client = app_of(replace(deps, store=store)).test_client()
    assert client.post(URL, json=hyperkalaemic(FROZEN)).status_code == 500
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["parts"]["keys"]) == (503, "integrity-broken")
    store.close()


def test_the_command_turns_and_lists(tmp_path: Path) -> None:
    sqlite_store(tmp_path).close()
    (tmp_path / "master.key").write_text(bytes(range(32)).hex())
    (tmp_path / "master.key").chmod(0o600)
    where = ["--data-dir", str(tmp_path)]
    run = CliRunner().invoke
    said = run(switch, [*where, SERVICE, "off", "--by", "Ada", "--reason", "wrong units"], catch_exceptions=False)
    assert '"Ada"  "wrong units"' in said.output
    listed = run(switch, [*where, "--list"], catch_exceptions=False).output.splitlines()
    assert listed[0] == f"{SERVICE} is off"
    assert "on -> off" in listed[1]
    assert isinstance(run(switch, where).exception, BadRequest)


@pytest.mark.slow
def test_every_worker_sees_a_turn_within_seconds_and_counts_right(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path))
    environ = {"TWINLINE_METRICS": "true", "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    with running_service(tmp_path, SIMULATED, workers=2, environ=environ) as url:
        assert len(shown(post(url, at(hyperkalaemic(FROZEN))))) == 1
        done = twinline("switch", SERVICE, "off", "--by", "Ada", "--reason", "drill", *where)
        assert done.returncode == 0, done.stderr
        time.sleep(2 * FRESH_S)
        assert [post(url, at(hyperkalaemic(FROZEN))).status_code for _ in range(12)] == [503] * 12
        page = requests.get(f"{url}/metrics", timeout=10).text
        assert f'twinline_calls_total{{kind="call",service="{SERVICE}",status="503"}} 12.0' in page
        assert f'twinline_calls_total{{kind="call",service="{SERVICE}",status="200"}} 1.0' in page
        assert twinline("switch", SERVICE, "on", "--by", "Ada", "--reason", "over", *where).returncode == 0
        time.sleep(2 * FRESH_S)
        assert post(url, at(hyperkalaemic(FROZEN, patient_id="p2"))).status_code == 200
    done = twinline("switch", "--list", *where)
    assert done.stdout.splitlines()[0] == "everything is on"
    lines = [json.loads(line) for line in (tmp_path / "service.log").read_text("utf-8").splitlines() if line[:1] == "{"]
    assert {one["code"] for one in lines if one["event"] == "refused"} == {"service-off"}


def test_what_a_switch_leaves_as_it_was_is_said(tmp_path: Path) -> None:
    sqlite_store(tmp_path).close()
    (tmp_path / "master.key").write_text(bytes(range(32)).hex())
    (tmp_path / "master.key").chmod(0o600)

    def told(*words: str) -> list[str]:
        flags = ["--data-dir", str(tmp_path), "--by", "Ada", "--reason", "r"]
        return CliRunner().invoke(switch, [*words, *flags], catch_exceptions=False).stderr.splitlines()

    own = "it has a switch of its own"
    assert told(SERVICE, "shadow") == []
    assert told("twinline-order-sign", "shadow") == []
    assert told("all", "off") == []
    assert told("all", "on") == [f"twinline-order-sign is still shadow: {own}", f"{SERVICE} is still shadow: {own}"]
    assert told(SERVICE, "shadow", "--topic", "aki") == []
    assert told(SERVICE, "on") == [f"{SERVICE}/aki is still shadow: {own}"]
    assert told("all", "off") == []
    assert told(SERVICE, "on", "--topic", "aki") == [f"all is still off: {own}"]
