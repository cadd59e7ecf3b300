"""Launches over real processes: two workers share them, records change meanwhile, and nothing is left lying about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from cds_app.commands.running import free_port, running_service
from cds_app.databases import cabinet_of
from cds_app.ports import Cabinet
from cds_app.services.smart.issuers import Issuers
from cds_app.services.smart.signing import SigningKeys
from cds_app.settings import Settings
from cds_app.web.browser import COOKIE
from tests.authorisation import HIDDEN, FakeEhr, registered
from tests.conftest import FrozenClock

pytestmark = pytest.mark.slow


@pytest.fixture
def clock() -> FrozenClock:
    """The service's clock is this machine's."""
    return FrozenClock(at=datetime.now(UTC))


@contextmanager
def cabinet(home: Path) -> Iterator[Cabinet]:
    with cabinet_of(Settings(data_dir=home)) as found:
        yield found


def get(url: str, cookie: str = "", **query: Any) -> requests.Response:
    """On a connection of its own, so that any worker may take it; the cookie by hand, because this is no https."""
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return requests.get(url, params=query, headers=headers, timeout=30, allow_redirects=False)


def cookie_of(response: requests.Response) -> str:
    return response.headers["Set-Cookie"].split(";")[0].removeprefix(f"{COOKIE}=")


def launched(url: str, ehr: FakeEhr) -> tuple[str, requests.Response]:
    begun = patiently(lambda: get(f"{url}/smart/launch", iss=ehr.base, launch="xyz"))
    assert begun.status_code == 303, begun.text
    answer = ehr.authorise(begun.headers["Location"])
    cookie = cookie_of(begun)
    return cookie, patiently(lambda: get(f"{url}/smart/callback", cookie, **answer))


def patiently(ask: Callable[[], requests.Response]) -> requests.Response:
    """As browsers do: a page with ``Refresh`` is asked for again."""
    for _ in range(100):
        answer = ask()
        if "Refresh" not in answer.headers:
            return answer
        assert answer.status_code == 503
        time.sleep(0.1)
    raise AssertionError("never answered")


def test_two_workers_launch_together_and_leave_nothing_readable(tmp_path: Path, ehr: FakeEhr) -> None:
    port = free_port()
    with cabinet(tmp_path) as kept:
        made = SigningKeys(kept)
        made.make(ehr.clock.at)
        registered(ehr, kept)
        ehr.published = lambda: requests.get(f"http://127.0.0.1:{port}/.well-known/jwks.json", timeout=30).content
        with running_service(tmp_path, workers=2, port=port) as url:
            with ThreadPoolExecutor(6) as pool:
                done = list(pool.map(lambda _: launched(url, ehr), range(24)))
            assert Counter(response.status_code for _, response in done) == {303: 24}
            assert len({urlsplit(response.headers["Location"]).path for _, response in done}) == 24
            assert all(cookie_of(response) != before for before, response in done)
            secrets = [text for before, response in done for text in (before, cookie_of(response))]
            Issuers(kept).remove("north", ehr.clock.at)
            assert get(f"{url}/smart/launch", iss=ehr.base).status_code == 403
    assert len(ehr.codes) == 0
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in (HIDDEN, *secrets):
        assert text.encode() not in left
    assert b"visit-began" in left
