"""Key sets over HTTP: exactly the URL on record, no redirects, one deadline, one byte cap."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Final

import requests
import urllib3

from cds_app.adapters.watch import Watch, WatchedAdapter
from cds_app.errors import DataUnavailable

MAX_BYTES: Final = 256 * 1024
DEADLINE_S: Final = 2.0
CONNECT_S: Final = 1.0
_FIELD: Final = "jku"


class RequestsJwksReader:
    """`cds_app.ports.JwksReader` on requests.

    Parameters
    ----------
    deadline_s : float
        For the whole exchange: a call waits for it.
    max_bytes : int
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S, max_bytes: int = MAX_BYTES) -> None:
        self._deadline_s = deadline_s
        self._max_bytes = max_bytes

    def read(self, url: str) -> bytes:
        """The document at exactly this URL.

        Raises
        ------
        DataUnavailable
            If the server refuses, redirects, fails, is too slow or sends too much.
        """
        # A session for each: key sets are read at most once a minute, and nothing of one answer goes into the next.
        with Watch(self._deadline_s), requests.Session() as session:
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.mount("https://", WatchedAdapter())
            session.mount("http://", WatchedAdapter())
            try:
                return self._get(session, url)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError):
                raise DataUnavailable("the key set cannot be had", field=_FIELD) from None

    def _get(self, session: requests.Session, url: str) -> bytes:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "twinline"}
        timeout = (CONNECT_S, self._deadline_s)
        with session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False) as response:
            if response.status_code != requests.codes.ok:
                raise DataUnavailable("the key set's server refused or redirects", field=_FIELD)
            return self._body(response)

    def _body(self, response: requests.Response) -> bytes:
        announced = response.headers.get("Content-Length", "")
        body = bytearray()
        while piece := response.raw.read1(65536):
            body += piece
            if len(body) > self._max_bytes:
                raise DataUnavailable("the key set is too large", field=_FIELD)
        if announced.isdigit() and len(body) < int(announced[:18]):
            raise DataUnavailable("the key set was cut off", field=_FIELD)
        return bytes(body)
