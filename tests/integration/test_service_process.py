"""The service as it runs: workers under gunicorn over SQLite, killed, drained, locked out of its store, replayed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from cds_app.commands.running import free_port, running_service
from cds_app.errors import DependencyDown
from tests.conftest import FROZEN
from tests.patients import QUIET, call, course, hyperkalaemic, patient, stay
from tests.service import ROOT, SIMULATED, at, post, processes, shown, stored, twinline

pytestmark = pytest.mark.slow

READY_S = 30.0  # a cold start takes 3 s on an idle machine; tests run beside it
ROUNDS = 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[str]:
    with running_service(home, SIMULATED, workers=2) as found:
        yield found


def wait_until_ready(url: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            if requests.get(f"{url}/readyz", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError("the service did not come back")


def verified(home: Path) -> int:
    """How many entries the log has, after it was checked."""
    done = twinline("audit", "verify", "--data-dir", str(home))
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[0])


def replayed(home: Path, uuid: str, *, root: Path = ROOT) -> tuple[int, str, str]:
    done = twinline("decision", "replay", uuid, "--data-dir", str(home), root=root)
    return done.returncode, done.stdout, done.stderr


# --- start


def test_it_is_ready_within_seconds_and_takes_no_stated_times_unless_started_for_them(tmp_path: Path) -> None:
    begun = time.monotonic()
    with running_service(tmp_path) as url:
        assert time.monotonic() - begun < READY_S
        listed = requests.get(f"{url}/cds-services", timeout=5)
        health = requests.get(f"{url}/healthz", timeout=5)
        assert post(url, at(hyperkalaemic(FROZEN))).status_code == 400
    assert {"twinline-encounter-start", "twinline-patient-view"} <= {one["id"] for one in listed.json()["services"]}
    assert health.json() == {"status": "alive"}
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "twinline.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(DependencyDown, match="--no-such-flag"),
        running_service(tmp_path, "--no-such-flag"),
    ):
        pass


def test_what_refuses_the_start_in_every_worker_is_one_line_and_a_status(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text("{}")
    settings = {"TWINLINE_SITE_MAPPING": str(tmp_path / "site.json"), "TWINLINE_DATA_DIR": str(tmp_path / "data")}
    done = twinline("serve", "--open-to-this-machine", "--port", str(free_port()), "--workers", "3", environ=settings)
    assert done.returncode == 3, done.stderr
    assert "twinline: " in done.stderr
    assert "(site_mapping" in done.stderr
    assert "Traceback" not in done.stderr


# --- cores


def cores_of(pid: int) -> set[frozenset[int]]:
    """On which cores the threads of a process may run: one set, unless they differ."""
    return {frozenset(os.sched_getaffinity(int(one.name))) for one in Path(f"/proc/{pid}/task").iterdir()}


@pytest.fixture
def two_cores() -> Iterator[set[int]]:
    """The machine as a service sees it that was started within two cores."""
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("needs two cores")
    some = set(sorted(before)[:2])
    os.sched_setaffinity(0, some)
    yield some
    os.sched_setaffinity(0, before)


def test_with_a_core_for_every_worker_each_keeps_to_its_own_and_so_does_who_takes_its_place(
    tmp_path: Path, two_cores: set[int]
) -> None:
    each = [{frozenset({core})} for core in sorted(two_cores)]
    with running_service(tmp_path, SIMULATED, workers=2) as url:
        for killed in range(3):
            assert shown(post(url, at(hyperkalaemic(FROZEN, patient_id=f"core-{killed}"))))  # there are all threads
            master, *workers = processes(tmp_path)
            assert cores_of(master) == {frozenset(two_cores)}
            assert sorted(map(cores_of, workers), key=str) == each
            os.kill(workers[killed % 2], signal.SIGKILL)
            wait_for_another(workers[killed % 2], tmp_path)
            wait_until_ready(url)


def wait_for_another(killed: int, home: Path) -> None:
    """Until the master has put another worker in the place of one."""
    until = time.monotonic() + READY_S
    while (killed in (found := processes(home)) or len(found) < 3) and time.monotonic() < until:
        time.sleep(0.1)


@pytest.mark.usefixtures("two_cores")
def test_with_more_cores_than_workers_the_system_places_them(tmp_path: Path) -> None:
    with running_service(tmp_path):
        found = {core for pid in processes(tmp_path) for core in cores_of(pid)}
        assert found == {frozenset(os.sched_getaffinity(0))}


# --- kill -9


def test_no_acknowledged_card_is_lost_by_a_kill_and_none_is_shown_twice(tmp_path: Path) -> None:
    acked: list[tuple[str, str]] = []
    for start in range(2):
        with running_service(tmp_path, SIMULATED, workers=2) as url:
            for turn in range(ROUNDS):
                name = f"kill-{start}-{turn}"
                (card,) = shown(post(url, at(hyperkalaemic(FROZEN, patient_id=name))))
                acked.append((name, card))
                _, *workers = processes(tmp_path)
                for pid in workers:
                    os.kill(pid, signal.SIGKILL)
                wait_until_ready(url)
                again = at(hyperkalaemic(FROZEN, patient_id=name), FROZEN + timedelta(minutes=5))
                assert shown(post(url, again)) == []
            for pid in processes(tmp_path):
                os.kill(pid, signal.SIGKILL)
    with stored(tmp_path) as store:
        for name, card in acked:
            patient_key = store.pseudonym("local", name)
            decisions = [one.decision for one in store.entries(patient_key) if one.decision]
            assert [one.id for one in decisions if one.shown] == [card]
            refs = [fact.ref for segment in store.segments(patient_key) for fact in segment.facts]
            assert len(refs) == len(set(refs))
    assert verified(tmp_path) >= 2 * len(acked)
    status, out, err = replayed(tmp_path, acked[0][1])
    assert (status, err.strip()) == (0, "identical, byte for byte")
    assert json.loads(out)["uuid"] == acked[0][1]


def test_what_was_answered_while_workers_were_killed_is_in_the_log(tmp_path: Path) -> None:
    acked: list[str] = []
    over = threading.Event()

    def send(number: int) -> None:
        turn = 0
        while not over.is_set():
            turn += 1
            try:
                answer = post(url, at(hyperkalaemic(FROZEN, patient_id=f"load-{number}-{turn}")))
            except requests.RequestException:
                continue  # the worker died with the question
            assert answer.status_code in (200, 503)
            if answer.status_code == 200:
                acked.extend(shown(answer))

    with running_service(tmp_path, SIMULATED, workers=2) as url, ThreadPoolExecutor(3) as pool:
        senders = [pool.submit(send, number) for number in range(3)]
        for _ in range(3):
            time.sleep(0.8)
            for pid in processes(tmp_path)[1:2]:
                os.kill(pid, signal.SIGKILL)
        wait_until_ready(url)
        over.set()
        for one in senders:
            one.result()
    assert len(acked) > 5
    with stored(tmp_path) as store:
        logged = {one.decision.id for one in store.journal() if one.decision and one.decision.shown}
    assert set(acked) <= logged
    assert verified(tmp_path) >= len(logged)


# --- SIGTERM


def test_sigterm_lets_every_call_that_was_taken_finish(tmp_path: Path) -> None:
    acked: list[str] = []
    failed: list[int] = []
    started = threading.Semaphore(0)

    def send(number: int) -> None:
        for turn in range(200):
            try:
                answer = post(url, at(hyperkalaemic(FROZEN, patient_id=f"drain-{number}-{turn}")))
            except requests.ConnectionError:
                return  # nobody listens any more
            if answer.status_code != 200:
                failed.append(answer.status_code)
            acked.extend(shown(answer))
            started.release()

    with running_service(tmp_path, SIMULATED) as url, ThreadPoolExecutor(3) as pool:
        senders = [pool.submit(send, number) for number in range(3)]
        for _ in range(4):
            assert started.acquire(timeout=20)
        master, *_ = processes(tmp_path)
        begun = time.monotonic()
        os.kill(master, signal.SIGTERM)
        for one in senders:
            one.result()
        while processes(tmp_path) and time.monotonic() - begun < 12:
            if (Path("/proc") / str(master) / "cmdline").read_bytes() == b"":
                break  # ended, and not yet waited for
            time.sleep(0.05)
        assert time.monotonic() - begun < 10
    assert failed == []
    assert len(acked) >= 4
    with stored(tmp_path) as store:
        assert {one.decision.id for one in store.journal() if one.decision} >= set(acked)


# --- many at once


def test_one_patient_opened_in_many_places_at_once_gets_one_card(service: str, home: Path) -> None:
    body = at(hyperkalaemic(FROZEN, patient_id="crowd"))
    with ThreadPoolExecutor(8) as pool:
        found = [shown(answer) for answer in pool.map(lambda _: post(service, body), range(24))]
    assert sum(len(one) for one in found) == 1
    with stored(home) as store:
        refs = [fact.ref for one in store.segments(store.pseudonym("local", "crowd")) for fact in one.facts]
    assert len(refs) == len(set(refs)) == len(body["prefetch"]["vitals"]["entry"]) + 1


def test_feedback_taken_by_one_worker_is_honoured_by_all(service: str) -> None:
    (card,) = shown(post(service, at(hyperkalaemic(FROZEN, 5.8, "answered"))))
    item = {
        "card": card,
        "outcome": "overridden",
        "outcomeTimestamp": (FROZEN + timedelta(minutes=1)).isoformat(),
        "overrideReason": {"reason": {"code": "patient-contraindication", "system": "urn:x"}},
    }
    for _ in range(4):
        assert post(service, {"feedback": [item]}, path="/feedback").status_code == 200
    later = FROZEN + timedelta(hours=9)
    body = at(hyperkalaemic(later, 5.8, "answered"), later)
    with ThreadPoolExecutor(4) as pool:
        assert [shown(one) for one in pool.map(lambda _: post(service, body), range(8))] == [[]] * 8


# --- a store that cannot be written


def refused(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "dependency-down"


def test_a_locked_store_is_503_and_nothing_is_half_written(service: str, home: Path) -> None:
    body = at(hyperkalaemic(FROZEN, patient_id="locked"))
    with closing(sqlite3.connect(home / "twinline.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(2) as pool:
            call_refused = pool.submit(post, service, body)
            red = pool.submit(requests.get, f"{service}/readyz", timeout=30)
            refused(call_refused.result())
            assert red.result().status_code == 503
            assert red.result().json()["parts"]["store"] == "down"
        assert requests.get(f"{service}/healthz", timeout=5).ok
        other.execute("ROLLBACK")
    with stored(home) as store:
        key = store.pseudonym("local", "locked")
        assert (list(store.segments(key)), list(store.entries(key))) == ([], [])
    wait_until_ready(service)
    assert len(shown(post(service, body))) == 1


def test_a_full_disk_is_503_and_gets_over(tmp_path: Path) -> None:
    now = FROZEN
    big = call(patient("full"), stay(now - timedelta(hours=200), "full"), *course(now, QUIET, QUIET, 190, "full"),
               patient_id="full")  # fmt: skip
    with running_service(tmp_path, SIMULATED) as url:
        assert len(shown(post(url, at(hyperkalaemic(FROZEN))))) == 1
        size = max(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        workers = processes(tmp_path)[1:]
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        refused(post(url, at(big)))
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert post(url, at(big)).status_code == 200
    verified(tmp_path)


# --- replay


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with one decision, and its uuid."""
    folder = tmp_path_factory.mktemp("decided")
    with running_service(folder, SIMULATED) as url:
        (card,) = shown(post(url, at(hyperkalaemic(FROZEN))))
    return folder, card


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code and its content, to be changed."""
    for name in ("cds_app", "hooks", "templates", "models"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_decision_replays_byte_for_byte_after_the_service_has_ended(decided: tuple[Path, str]) -> None:
    home, card = decided
    status, out, err = replayed(home, card)
    with stored(home) as store:
        entry = store.find(card)
    assert entry is not None
    assert entry.decision is not None
    assert (status, err.strip()) == (0, "identical, byte for byte")
    assert out.encode().rstrip(b"\n") == entry.decision.card


def test_a_replay_on_other_templates_says_so(decided: tuple[Path, str], checkout: Path) -> None:
    summary = checkout / "templates" / "cards" / "measured.summary.j2"
    summary.write_text("Now: " + summary.read_text("utf-8"), "utf-8")
    status, out, err = replayed(*decided, root=checkout)
    assert status == 4
    assert json.loads(out)["summary"].startswith("Now: ")
    assert "another card; changed since: templates/cards" in err


def test_a_replay_on_other_content_says_so_even_if_the_card_is_the_same(
    decided: tuple[Path, str], checkout: Path
) -> None:
    file = checkout / "hooks" / "twinline-encounter-start" / "service.json"
    service = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**service, "title": "Another"}), "utf-8")
    status, _, err = replayed(*decided, root=checkout)
    assert status == 4
    assert "the same card; changed since: hooks" in err


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET payload = substr(payload, 1, length(payload) - 1) || x'00'",
        "UPDATE segments SET sealed = substr(sealed, 1, length(sealed) - 1) || x'00'",
        "UPDATE patients SET wrapped_key = substr(wrapped_key, 1, length(wrapped_key) - 1) || x'00'",
    ],
)
def test_a_replay_on_a_changed_row_is_refused(decided: tuple[Path, str], tmp_path: Path, statement: str) -> None:
    home, card = decided
    shutil.copytree(home, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "twinline.sqlite", isolation_level=None)) as other:
        other.execute(statement)
    assert replayed(tmp_path / "copy", card)[0] == 4
