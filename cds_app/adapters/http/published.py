"""Published documents (key sets, discovery) over HTTP: exactly the URL, no redirects, one deadline, one byte cap."""

from __future__ import annotations

from typing import Final

import requests

from cds_app.adapters.http.outbound import CAREFUL, FAILURES, Unread, body, careful
from cds_app.adapters.http.watch import Watch
from cds_app.errors import DataUnavailable

MAX_BYTES: Final = 256 * 1024
DEADLINE_S: Final = 2.0
CONNECT_S: Final = 1.0


class RequestsPublishedReader:
    """`cds_app.ports.PublishedReader` on requests.

    Parameters
    ----------
    deadline_s : float
        For the whole exchange: a call waits for it.
    max_bytes : int
    what, field : str
        What is read, for the errors.
    """

    def __init__(
        self,
        *,
        deadline_s: float = DEADLINE_S,
        max_bytes: int = MAX_BYTES,
        what: str = "the key set",
        field: str = "jku",
    ) -> None:
        self._what = what
        self._field = field
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
        with Watch(self._deadline_s), careful(requests.Session()) as session:
            try:
                return self._get(session, url)
            except FAILURES:
                raise self._failure("cannot be had") from None
            except Unread as error:
                raise self._failure(str(error)) from None

    def _get(self, session: requests.Session, url: str) -> bytes:
        headers = {**CAREFUL, "Accept": "application/json"}
        timeout = (CONNECT_S, self._deadline_s)
        with session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False) as response:
            if response.status_code != requests.codes.ok:
                raise self._failure("is refused or redirected")
            return body(response, self._max_bytes)

    def _failure(self, why: str) -> DataUnavailable:
        return DataUnavailable(f"{self._what} {why}", field=self._field)
