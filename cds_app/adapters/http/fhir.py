"""FHIR over HTTP: registered servers only, no redirects, one deadline and one byte cap for all pages of an answer.

A server that fails again and again is left alone for a while (`cds_app.adapters.http.breaker`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3

from cds_app.adapters.http.breaker import Breaker, BreakerState
from cds_app.adapters.http.outbound import CAREFUL, FAILURES, CutOff, TooLong, bearing, careful, pieces
from cds_app.adapters.http.watch import Watch
from cds_app.domain.strict_json import read_object
from cds_app.errors import DataUnavailable, Gone, SettingsError
from cds_app.settings import is_loopback

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_PAGES: Final = 10
CONNECT_S: Final = 1.0
PAUSE_S: Final = 0.05
FAIR_S: Final = 0.2  # who is given less time and takes longer has shown nothing

_BASE: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9\-._~]+)*")
_PATH: Final = re.compile(r"[A-Za-z0-9\-._~$]+(/[A-Za-z0-9\-._~$]+)*")
_QUERY: Final = re.compile(r"[!$%&'()*+,\-./0-9:;=?@A-Z_a-z|~]*")
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,39}")
_JSON: Final = frozenset({"application/fhir+json", "application/json", "application/json+fhir"})
_GONE: Final = frozenset({404, 410})
_PASSING: Final = frozenset({502, 503, 504})
_BOM: Final = b"\xef\xbb\xbf"


class _Down(DataUnavailable):
    """The server itself is to blame, and not this one request: counted by the breaker."""


class _Passing(Exception):
    """A failure that may be over in a moment: a gateway's, a limit that says when, or a connection that broke."""

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self.after_s = after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Budget:
    """What is left for one answer, over all of its pages and tries."""

    deadline: float
    name: str
    max_bytes: int
    breaker: Breaker
    fair: bool
    spent: list[int] = field(default_factory=list)
    heard: list[bool] = field(default_factory=list)

    def left_s(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def left_bytes(self) -> int:
        return self.max_bytes - sum(self.spent)

    def failure(self, message: str) -> DataUnavailable:
        return DataUnavailable(message, field=self.name)

    def late(self) -> DataUnavailable:
        if self.fair:
            return _Down("the FHIR server took too long", field=self.name)
        return self.failure("the FHIR server took too long")

    def down(self, message: str) -> _Down:
        return _Down(message, field=self.name)


class RequestsFhirReader:
    """FhirReader on requests.

    Parameters
    ----------
    bases : iterable of str
        Registered FHIR base URLs; one trailing slash does not matter, anything else does.
    loopback_http : bool
        Whether plain http is accepted, for loopback hosts only.
    max_bytes : int
        Cap on one answer, all pages together.
    max_pages : int
        How many pages are read; a longer search keeps its ``next`` link, so that nobody takes it for the whole.
    new_breaker : callable
        Makes the breaker of one server.
    registered : callable
        Whether a base that is not among ``bases`` has been registered elsewhere, character by character.

    Raises
    ------
    SettingsError
        If a base is no plain https URL.
    """

    def __init__(
        self,
        bases: Iterable[str],
        *,
        loopback_http: bool = False,
        max_bytes: int = MAX_BYTES,
        max_pages: int = MAX_PAGES,
        new_breaker: Callable[[], Breaker] = Breaker,
        registered: Callable[[str], bool] = lambda base: False,
    ) -> None:
        self._new_breaker = new_breaker
        self._registered = registered
        self._breakers = {registered_base(base, loopback_http): new_breaker() for base in bases}
        self._max_bytes = max_bytes
        self._max_pages = max_pages
        self._session = careful(requests.Session(), connections=16)

    def allowed(self, base: str) -> bool:
        """Whether this is a registered base, character by character."""
        root = base.removesuffix("/")
        return root in self._breakers or self._registered(root)

    def breakers(self) -> tuple[BreakerState, ...]:
        """The state of each server's breaker, in the order in which they were registered."""
        return tuple(one.state for one in self._breakers.values())

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        """One resource, or a search with its further pages in one Bundle.

        Raises
        ------
        DataUnavailable
            Its ``field`` names the resource type asked for and never an id or a query value.
        """
        found = _TYPE.match(path)
        name, root = found[0] if found else "fhirServer", base.removesuffix("/")
        breaker = self._breaker(root)
        if breaker is None:
            raise DataUnavailable("not a registered FHIR server", field=name)
        if not breaker.admits():
            raise DataUnavailable("the FHIR server failed again and again, and is left alone for a while", field=name)
        budget = _Budget(
            deadline=time.monotonic() + budget_s,
            name=name,
            max_bytes=self._max_bytes,
            breaker=breaker,
            fair=budget_s >= FAIR_S,
        )
        return self._watched(root, path, token, budget)

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _breaker(self, root: str) -> Breaker | None:
        """The server's breaker; None if it is not registered."""
        found = self._breakers.get(root)
        if found is None and self._registered(root):
            found = self._breakers.setdefault(root, self._new_breaker())
        return found

    def _watched(self, root: str, path: str, token: str | None, budget: _Budget) -> dict[str, Any]:
        """Read within the deadline, and tell the breaker what became of it."""
        tell = budget.breaker.unknown
        try:
            headers = _headers(token, budget)
            with Watch(budget.left_s()):
                answer = self._read_pages(root, path, headers, budget)
            tell = budget.breaker.succeeded
        except _Down:
            tell = budget.breaker.failed
            raise
        except DataUnavailable:
            if budget.heard:
                tell = budget.breaker.succeeded
            raise
        finally:
            tell()
        return answer

    def _read_pages(self, root: str, path: str, headers: Mapping[str, str], budget: _Budget) -> dict[str, Any]:
        first = self._get(_below(root, path, budget), headers, budget)
        entries, page = list(_entries(first)), first
        for _ in range(self._max_pages - 1):
            following = _next_link(page)
            if following is None:
                break
            page = self._get(_following(root, following, budget), headers, budget)
            if page.get("resourceType") != "Bundle":
                raise budget.failure("the FHIR server answered with something else than a page")
            entries.extend(_entries(page))
        if page is first:
            return first
        return {**first, "entry": entries, "link": page.get("link", [])}

    def _get(self, url: str, headers: Mapping[str, str], budget: _Budget) -> dict[str, Any]:
        try:
            return self._try(url, headers, budget)
        except _Passing as passing:
            if passing.after_s >= budget.left_s() or not budget.breaker.pays_for_another_try():
                raise budget.down("the FHIR server is not available") from None
            time.sleep(passing.after_s)
        try:
            return self._try(url, headers, budget)
        except _Passing:
            raise budget.down("the FHIR server is not available") from None

    def _try(self, url: str, headers: Mapping[str, str], budget: _Budget) -> dict[str, Any]:
        left = budget.left_s()
        try:
            with self._session.get(
                url, headers=headers, timeout=(min(left, CONNECT_S), left), stream=True, allow_redirects=False
            ) as response:
                return _understand(response, budget)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise budget.late() from None
        except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
            raise budget.down("the FHIR server's certificate is not accepted") from None
        except (requests.ConnectionError, urllib3.exceptions.ProtocolError, OSError):
            budget.left_s()
            raise _Passing(PAUSE_S) from None
        except FAILURES:
            raise budget.failure("the FHIR server cannot be asked") from None


def registered_base(base: str, loopback_http: bool) -> str:
    """A FHIR base URL without a trailing slash.

    Raises
    ------
    SettingsError
        If it is no plain https URL; plain http is accepted for loopback hosts only, where allowed.
    """
    plain = base.removesuffix("/")
    if _BASE.fullmatch(plain) is None or not _is_reachable(plain, loopback_http):
        raise SettingsError("not a plain https URL without query, user or fragment", field="fhir_servers")
    return plain


def _is_reachable(base: str, loopback_http: bool) -> bool:
    try:
        parts = urlsplit(base)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or _climbs(parts.path):
        return False
    return parts.scheme == "https" or (loopback_http and is_loopback(host))


def _headers(token: str | None, budget: _Budget) -> Mapping[str, str]:
    bearer = bearing(token) if token is not None else {}
    if bearer is None:
        raise budget.failure("the access token is malformed")
    return {**CAREFUL, **bearer, "Accept": "application/fhir+json"}


def _below(root: str, path: str, budget: _Budget) -> str:
    found = below(root, path)
    if found is None:
        raise budget.failure("not a path below the FHIR base")
    return found


def below(root: str, path: str) -> str | None:
    """The URL of a path below the base, if it really stays below."""
    place, mark, query = path.partition("?")
    if (place and _PATH.fullmatch(place) is None) or _climbs(place) or _QUERY.fullmatch(query) is None:
        return None
    return f"{root}/{place}{mark}{query}" if place else f"{root}{mark}{query}"


def _climbs(place: str) -> bool:
    return any(part and not part.strip(".") for part in place.split("/"))


def _following(root: str, link: str, budget: _Budget) -> str:
    """The URL of a further page: below the same base, relative to it, or to the host of it."""
    for base in (root, urlsplit(root).path):
        if link.startswith((base + "/", base + "?")) and not link.startswith(("//", "?")):
            return _below(root, link[len(base) :].removeprefix("/"), budget)
    if ":" in link.partition("?")[0] or link.startswith(("/", "?")):
        raise budget.failure("the next page is not on the same FHIR server")
    return _below(root, link, budget)


def _understand(response: requests.Response, budget: _Budget) -> dict[str, Any]:
    budget.left_s()  # headers that were cut off at the deadline look complete
    after = response.headers.get("Retry-After")
    if response.status_code in _PASSING or (response.status_code == requests.codes.too_many and after):
        raise _Passing(retry_after(after))
    if response.status_code >= 500:
        raise budget.down("the FHIR server failed")
    budget.heard.append(True)
    if response.status_code in _GONE:
        raise Gone("the FHIR server has it not, or no more", field=budget.name)
    if response.status_code != requests.codes.ok:
        raise budget.failure("the FHIR server refused")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _JSON or response.headers.get("Content-Encoding", "identity") != "identity":
        raise budget.failure("the FHIR server answered with something else than FHIR JSON")
    return _resource(_body(response, budget), budget)


def _body(response: requests.Response, budget: _Budget) -> bytes:
    body = bytearray()
    try:
        for piece in pieces(response, most=budget.left_bytes()):
            body += piece
            budget.left_s()
    except CutOff:
        raise _Passing(PAUSE_S) from None
    except TooLong:
        raise budget.failure("the FHIR server's answer is too large") from None
    budget.left_s()
    budget.spent.append(len(body))
    return bytes(body)


def _resource(body: bytes, budget: _Budget) -> dict[str, Any]:
    plain = body.removeprefix(_BOM)  # RFC 8259, 8.1, lets it be ignored
    value = read_object(plain, max_bytes=budget.max_bytes, spare="entry")
    if value is None:
        raise budget.failure("the FHIR server answered with something else than FHIR JSON")
    kind = value.get("resourceType")
    if not isinstance(kind, str) or kind == "OperationOutcome":
        raise budget.failure("the FHIR server answered with something else than the resource asked for")
    return value


def retry_after(text: str | None, *, otherwise: float = PAUSE_S) -> float:
    """Seconds to wait: ``Retry-After`` in either of its forms (RFC 9110, 10.2.3), else what is said here."""
    if text is None:
        return otherwise
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return otherwise
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(otherwise, (at - datetime.now(UTC)).total_seconds())


def _entries(bundle: Mapping[str, Any]) -> list[Any]:
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else []


def _next_link(bundle: Mapping[str, Any]) -> str | None:
    links = bundle.get("link")
    known = (link for link in links if isinstance(link, dict)) if isinstance(links, list) else ()
    urls = (link.get("url") for link in known if link.get("relation") == "next")
    return next((url for url in urls if isinstance(url, str) and url), None)
