"""Bulk exports over HTTP: kicked off, looked after and streamed, without redirects and in constant memory.

The access token goes to the origin of the FHIR base, and to those that an operator named; to no other, whatever a
manifest says. Errors hold no URL: a status URL opens a hospital.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3

from cds_app.adapters.http.fhir import below, registered_base, retry_after
from cds_app.adapters.http.outbound import CAREFUL, CutOff, careful, pieces
from cds_app.domain.strict_json import read_object
from cds_app.errors import DataUnavailable, Gone, TokenRefused, TryLater

CONNECT_S: Final = 5.0
SILENCE_S: Final = 60.0
"""Between two pieces of an answer."""
MAX_MANIFEST: Final = 64 * 1024 * 1024
_PIECE: Final = 256 * 1024
_LONGEST_URL: Final = 4096
_NOT_LINES: Final = frozenset({"text/html", "application/xml", "text/xml", "application/fhir+xml"})
_GONE: Final = frozenset({404, 410})
_REFUSED: Final = frozenset({401})
_LATER: Final = frozenset({408, 425, 429})


class RequestsExportServer:
    """`cds_app.services.sources.exporting.ExportServer` on requests.

    Parameters
    ----------
    base : str
        FHIR base URL.
    files_at : iterable of str
        Origins (``https://files.example``) beside the base's at which the server may lay files.
    loopback_http : bool
        Whether plain http is accepted, for loopback hosts only.
    silence_s : float
        How long the server may say nothing, seconds.

    Raises
    ------
    SettingsError
        If the base is no plain https URL.
    """

    def __init__(
        self, base: str, files_at: Iterable[str] = (), *, loopback_http: bool = False, silence_s: float = SILENCE_S
    ) -> None:
        self._base = registered_base(base, loopback_http)
        self._origins = {_origin(self._base), *(_origin(registered_base(one, loopback_http)) for one in files_at)}
        self._loopback_http = loopback_http
        self._silence_s = silence_s
        self._session = careful(requests.Session())

    def start(self, path: str, *, token: str) -> str:
        url = below(self._base, path)
        if url is None:
            raise DataUnavailable("not a path below the FHIR base", field="path")
        headers = {"Accept": "application/fhir+json", "Prefer": "respond-async"}
        with self._asked("GET", url, token, headers) as answer:
            self._check(answer, "kick-off")
            place = answer.headers.get("Content-Location", "")
            if answer.status_code != requests.codes.accepted or not place:
                raise DataUnavailable("the FHIR server does not begin an export", field="kick-off")
        return self._checked(place)

    def look(self, url: str, *, token: str) -> float | Mapping[str, Any]:
        with self._asked("GET", self._checked(url), token, {"Accept": "application/json"}) as answer:
            self._check(answer, "status")
            if answer.status_code == requests.codes.accepted:
                return retry_after(answer.headers.get("Retry-After"), otherwise=0.0)
            return _document(b"".join(_capped(self._body(answer), MAX_MANIFEST)))

    @contextmanager
    def stream(self, url: str, *, token: str | None) -> Iterator[Iterator[bytes]]:
        headers = {"Accept": "application/fhir+ndjson", "Accept-Encoding": "gzip, identity"}
        with self._asked("GET", self._checked(url), token, headers) as answer:
            if token is None and answer.status_code == requests.codes.forbidden:
                raise Gone("the file's address is over", field="file")  # as object stores say it of a signed URL
            self._check(answer, "file")
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if answer.status_code != requests.codes.ok or kind in _NOT_LINES:
                raise DataUnavailable("the FHIR server sends something else than NDJSON", field="file")
            yield self._body(answer)

    def forget(self, url: str, *, token: str) -> None:
        with self._asked("DELETE", self._checked(url), token, {"Accept": "application/json"}) as answer:
            self._check(answer, "status")

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    @contextmanager
    def _asked(
        self, method: str, url: str, token: str | None, headers: Mapping[str, str]
    ) -> Iterator[requests.Response]:
        shown = {"Authorization": f"Bearer {token}"} if token is not None else {}
        sent = {**CAREFUL, **headers, **shown}
        try:
            with self._session.request(
                method, url, headers=sent, timeout=(CONNECT_S, self._silence_s), stream=True, allow_redirects=False
            ) as answer:
                yield answer
        except CutOff:
            raise TryLater("the FHIR server's answer was cut off", field="file") from None
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            raise DataUnavailable("the FHIR server's certificate is not accepted", field="export") from None
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, OSError):
            raise TryLater("the connection to the FHIR server broke", field="export") from None
        except (requests.RequestException, ValueError):
            raise DataUnavailable("the FHIR server cannot be asked", field="export") from None

    def _check(self, answer: requests.Response, what: str) -> None:
        status = answer.status_code
        if status in _REFUSED:
            raise TokenRefused("the FHIR server refuses the access token", field=what)
        if status in _GONE:
            raise Gone("the FHIR server has it no more", field=what)
        if status in _LATER or status >= 500:
            after_s = retry_after(answer.headers.get("Retry-After"), otherwise=0.0)
            raise TryLater("the FHIR server cannot give it now", after_s=after_s, field=what)
        if not 200 <= status < 300:
            raise DataUnavailable(f"the FHIR server answers with status {status}", field=what)

    def _checked(self, url: str) -> str:
        """The URL, if it is one that we would ask, with or without a token."""
        try:
            parts = urlsplit(url)
            plain = not parts.username and not parts.password and not parts.fragment and parts.port != 0
        except ValueError:
            plain = False
        if not plain or len(url) > _LONGEST_URL or _origin(url) not in self._origins:
            raise DataUnavailable("the export lies at an origin that is not registered (--files-at)", field="url")
        return url

    def _body(self, answer: requests.Response) -> Iterator[bytes]:
        coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if coding == "gzip":
            return _inflated(pieces(answer, size=_PIECE))
        if coding != "identity":
            raise DataUnavailable("the FHIR server sends an encoding that was not asked for", field="file")
        return pieces(answer, size=_PIECE)


def _inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What was compressed, a bounded piece at a time, however well it was compressed."""
    opener = zlib.decompressobj(wbits=31)
    for piece in pieces:
        rest = piece
        while rest:
            yield _opened(opener, rest)
            rest = opener.unconsumed_tail
            if opener.eof and (rest := opener.unused_data):  # RFC 1952: members may follow each other
                opener = zlib.decompressobj(wbits=31)
    if not opener.eof:
        raise TryLater("the FHIR server's answer was cut off", field="file")


def _opened(opener: Any, rest: bytes) -> bytes:
    try:
        found: bytes = opener.decompress(rest, _PIECE)
    except zlib.error:
        raise DataUnavailable("the FHIR server sends something else than gzip", field="file") from None
    return found


def _capped(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    came = 0
    for piece in pieces:
        came += len(piece)
        if came > most:
            raise DataUnavailable("the export's manifest is too large", field="manifest")
        yield piece


def _document(body: bytes) -> Mapping[str, Any]:
    found = read_object(body, max_bytes=MAX_MANIFEST)
    if found is None:
        raise DataUnavailable("the export's manifest is no JSON object", field="manifest")
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
