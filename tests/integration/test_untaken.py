"""An EHR that gives up waiting gets the card at its next call: the whole service, over real connections."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from cds_app.commands.running import free_port, running_service, unconfigured
from cds_app.databases import store_of
from cds_app.domain.decisions import Verdict
from cds_app.ports import Entry
from cds_app.settings import Settings
from tests.conftest import FROZEN
from tests.fhir_server import FhirServer, Handler, Serve, encoded
from tests.patients import hyperkalaemic
from tests.service import ROOT, SERVICE, SIMULATED, at, post, shown, stored, twinline
from tests.stores import append, decision, edit, sqlite_store, untaken

pytestmark = pytest.mark.slow

LATER = FROZEN + timedelta(minutes=5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("untaken")


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[str]:
    environ = {**unconfigured(), "TWINLINE_METRICS": "true"}
    with running_service(home, SIMULATED, workers=2, environ=environ) as url:
        yield url


def sent(url: str, body: dict[str, Any]) -> socket.socket:
    """A connection on which a call was made."""
    where, said = urlsplit(url), json.dumps(body).encode()
    line = socket.create_connection((where.hostname or "", where.port or 80), 30)
    head = f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    line.sendall(f"{head}Content-Length: {len(said)}\r\n\r\n".encode() + said)
    return line


def close(line: socket.socket) -> None:
    line.close()


def reset(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def take(line: socket.socket) -> None:
    """Read an answer with cards, whole."""
    received = b""
    while not received.endswith(b"}]}"):
        piece = line.recv(65_536)
        assert piece
        received += piece


def end_one_side(line: socket.socket) -> None:
    """And listen on: told twice is the safe direction."""
    line.shutdown(socket.SHUT_WR)
    take(line)
    line.close()


def entries(home: Path, patient: str) -> list[Entry]:
    with stored(home) as store:
        return list(store.entries(store.pseudonym("local", patient)))


def lost(home: Path, patient: str) -> str:
    """Why the one answer was lost. The call that gets the card may have been faster, by the other worker."""
    until = time.monotonic() + 20
    while not (found := [one.untaken for one in entries(home, patient) if one.untaken]):
        assert time.monotonic() < until
        time.sleep(0.05)
    (only,) = found
    return only.why


def asked(url: str, patient: str, when: object = LATER) -> list[str]:
    return shown(post(url, at(hyperkalaemic(FROZEN, patient_id=patient), when)))


@pytest.mark.parametrize("leave", [close, reset, end_one_side])
def test_who_leaves_before_the_answer_gets_the_card_at_the_next_call_and_then_silence(
    service: str, home: Path, leave: Callable[[socket.socket], None]
) -> None:
    name = leave.__name__.replace("_", "-")
    leave(sent(service, at(hyperkalaemic(FROZEN, patient_id=name))))
    assert len(asked(service, name)) == 1  # at once, by whichever worker
    assert asked(service, name) == []
    assert lost(home, name) == "hung-up"


def test_who_gives_up_again_and_again_gets_the_card_as_soon_as_they_wait(service: str, home: Path) -> None:
    for number in range(12):
        name = f"again-{number}"
        for _ in range(3):
            sent(service, at(hyperkalaemic(FROZEN, patient_id=name))).close()
        assert len(asked(service, name)) == 1
        log = entries(home, name)
        assert len([one for one in log if one.untaken]) == len([one for one in log if one.decision]) - 1


def test_who_takes_the_answer_is_not_told_again(service: str, home: Path) -> None:
    assert len(asked(service, "taken", FROZEN)) == 1
    assert asked(service, "taken") == []
    assert not [one for one in entries(home, "taken") if one.untaken]


def test_who_hangs_up_after_the_answer_has_taken_it(service: str, home: Path) -> None:
    line = sent(service, at(hyperkalaemic(FROZEN, patient_id="polite")))
    take(line)
    reset(line)
    assert asked(service, "polite") == []
    assert not [one for one in entries(home, "polite") if one.untaken]


def test_an_ehr_whose_time_is_over_before_a_slow_fhir_server_answers(tmp_path: Path, serve: Serve) -> None:
    """What prefetch leaves out takes longer than the EHR waits: the same call again, as it stands, gets the card."""

    def slow(handler: Handler, _: int) -> None:
        time.sleep(0.7)
        handler.say(encoded({"resourceType": "Bundle", "type": "searchset", "entry": []}))

    server: FhirServer = serve(slow)
    environ = {**unconfigured(), "TWINLINE_FHIR_SERVERS": server.base, "TWINLINE_FETCH_BUDGET_S": "5"}
    body = at(hyperkalaemic(FROZEN)) | {"fhirServer": server.base}
    del body["prefetch"]["conditions"]
    with running_service(tmp_path, SIMULATED, environ=environ) as url:
        with pytest.raises(requests.ReadTimeout):
            post(url, body, timeout=0.3)
        assert server.seen
        assert len(shown(post(url, body))) == 1
        assert shown(post(url, body)) == []


def test_governance_sees_it_and_every_decision_replays(service: str, home: Path) -> None:
    sent(service, at(hyperkalaemic(FROZEN, patient_id="seen"))).close()
    assert lost(home, "seen") == "hung-up"
    assert len(asked(service, "seen")) == 1
    first, told, second = entries(home, "seen")
    assert first.decision is not None
    assert told.untaken is not None
    assert second.decision is not None
    counted = f'twinline_untaken_cards_total{{reason="hung-up",service="{SERVICE}",topic="hyperkalaemia"}}'
    assert counted in requests.get(f"{service}/metrics", timeout=10).text
    data = ("--data-dir", str(home))
    listed = [json.loads(line) for line in twinline("decision", "list", "--json", *data).stdout.splitlines()]
    states = {one["uuid"]: (one["state"], one["answer"]) for one in listed}
    assert states[first.decision.id] == ("not taken", None)
    assert states[second.decision.id][0] == "shown"
    said = json.loads(twinline("decision", "show", first.decision.id, *data).stdout)["not_taken"]
    assert said == {"at": told.untaken.at.isoformat(timespec="seconds"), "why": "hung-up"}
    assert json.loads(twinline("decision", "show", second.decision.id, *data).stdout)["not_taken"] is None
    for one in (first.decision, second.decision):
        assert twinline("decision", "replay", one.id, *data).returncode == 0
    assert "unbroken" in twinline("audit", "verify", *data).stdout
    with stored(home) as store:
        assert {one.outcome for one in store.counts(FROZEN, LATER + timedelta(days=3650))} == {"", "untaken"}


@pytest.mark.postgres
def test_the_same_holds_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    flags = (SIMULATED, "--database-url", postgres_url)
    with running_service(tmp_path, *flags, workers=2, environ=unconfigured()) as url:
        for number in range(5):
            sent(url, at(hyperkalaemic(FROZEN, patient_id=f"p{number}"))).close()
            assert len(asked(url, f"p{number}")) == 1
            assert asked(url, f"p{number}") == []
    store = store_of(Settings(data_dir=tmp_path, database_url=postgres_url))
    try:
        assert len([one for one in store.journal() if one.untaken]) == 5
        assert store.verify().said == ""
    finally:
        store.close()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM log WHERE number = 2",
        "UPDATE log SET kind = 'feedback' WHERE number = 2",
        "UPDATE log SET reason_code = 'not-read' WHERE number = 2",
        "UPDATE log SET topic = 'aki' WHERE number = 2",
        "UPDATE log SET payload = (SELECT payload FROM log AS other WHERE other.number = 4) WHERE number = 2",
        "INSERT INTO log SELECT 5, patient, kind, 'another', service, topic, tier, suppression, outcome, reason_code, "
        "at, payload, mac, mac FROM log WHERE number = 4",
    ],
)
def test_nobody_without_the_key_makes_a_card_lost_or_taken_unseen(tmp_path: Path, change: str) -> None:
    store = sqlite_store(tmp_path)
    for card in (decision(), decision()):
        append(store, store.pseudonym("north", "p"), decisions=(card,), untaken=(untaken(card),))
    assert store.verify() == Verdict(entries=4)
    store.close()
    edit(tmp_path, change)
    again = sqlite_store(tmp_path)
    assert again.verify().broken_at == (5 if change.startswith("INSERT") else 2)
    again.close()


SERVER = """
    import sys
    from pathlib import Path

    from gunicorn.app.base import BaseApplication

    from cds_app.commands.server import worker

    worker.TAKEN_WITHIN_S = 2.0
    port, said, size = sys.argv[1], Path(sys.argv[2]), 12_000_000


    def app(environ, start):
        def lost(why):
            with said.open("a") as file:
                file.write(f"{environ['PATH_INFO']} {why}\\n")

        environ["gunicorn.socket"].unless_taken(lost)
        start("200 OK", [("Content-Length", str(size))])
        return [b" " * size]


    class Server(BaseApplication):
        def load_config(self):
            chosen = {"bind": f"127.0.0.1:{port}", "worker_class": worker.worker_of(4, 1 << 24), "threads": 2,
                      "workers": 1, "keepalive": 5, "graceful_timeout": 3, "loglevel": "warning"}
            for key, value in chosen.items():
                self.cfg.set(key, value)

        def load(self):
            return app


    sys.argv = sys.argv[:1]
    Server().run()
"""


@pytest.fixture
def big(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The worker over an application whose answers are larger than what any buffer holds, and what it was told."""
    port, said = free_port(), tmp_path / "said"
    said.touch()
    words = [sys.executable, "-c", textwrap.dedent(SERVER), str(port), str(said)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port, said
    finally:
        process.terminate()
        process.wait(20)


def get(port: int, path: str) -> socket.socket:
    """A connection on which an answer has begun to come: part of its body is there."""
    line = socket.create_connection(("127.0.0.1", port), 30)
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    read(line, 10_000)
    return line


def read(line: socket.socket, size: int) -> None:
    while size > 0:
        piece = line.recv(size)
        assert piece
        size -= len(piece)


def comes(said: Path, *lines: str) -> None:
    until = time.monotonic() + 15
    while sorted(said.read_text().splitlines()) != sorted(lines):
        assert time.monotonic() < until, said.read_text()
        time.sleep(0.05)


def test_a_big_answer_that_is_not_read_or_broken_off_was_not_taken(big: tuple[int, Path]) -> None:
    port, said = big
    reader = get(port, "/read")
    read(reader, 12_000_000 - 10_000)
    idle, broken = get(port, "/idle"), get(port, "/broken")
    reset(broken)
    comes(said, "/idle not-read", "/broken broke-off")
    reader.sendall(b"GET /kept HTTP/1.1\r\nHost: localhost\r\n\r\n")  # and the connection is as good as before
    reader.close()
    comes(said, "/idle not-read", "/broken broke-off", "/kept hung-up")
    idle.close()


def test_what_is_unsent_when_the_worker_ends_was_not_taken(big: tuple[int, Path]) -> None:
    port, said = big
    with get(port, "/first"):
        master = next(int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and _is(one, port))
        subprocess.run(["kill", "-TERM", str(master)], check=True)
        comes(said, "/first not-read")


def _is(process: Path, port: int) -> bool:
    try:
        return f"\0{port}\0".encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False
