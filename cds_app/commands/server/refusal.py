"""What callers are told whom the application is not asked about: an OperationOutcome all the same."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)


class Hostless(ParseException):  # type: ignore[misc] # gunicorn has no types
    """HTTP/1.1 without Host, which RFC 9112 (3.2) has refused."""


class Refusal(NamedTuple):
    """An answer: HTTP status and its reason, our stable code, what is wrong, and the FHIR issue type."""

    status: int
    reason: str
    code: str
    text: str
    issue: str = "invalid"

    def answer(self, *, stays: bool = False) -> bytes:
        """As it is sent. ``stays`` is whether the connection can be used again."""
        told = {"coding": [{"system": "urn:twinline:error", "code": self.code}], "text": self.text}
        issue = {"severity": "error", "code": self.issue, "details": told}
        body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}, separators=(",", ":"))
        head = (
            f"HTTP/1.1 {self.status} {self.reason}\r\n"
            f"{_AGAIN if self.status == 503 else ''}"
            "Cache-Control: no-store\r\n"
            "Content-Type: application/fhir+json\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
        )
        return (head + body).encode("ascii")


_AGAIN: Final = "Retry-After: 1\r\n"
FULL: Final = Refusal(503, "Service Unavailable", "overloaded", "more calls than can be answered in time", "throttled")
BROKEN_OFF: Final = Refusal(400, "Bad Request", "http-400", "the request was not received whole")
LATE: Final = Refusal(408, "Request Timeout", "http-408", "the request was not received whole in time")
_KINDS: Final = (
    (LimitRequestLine, Refusal(414, "URI Too Long", "http-414", "the path is too long")),
    (
        LimitRequestHeaders,
        Refusal(431, "Request Header Fields Too Large", "http-431", "the headers are too many or too long"),
    ),
    (ExpectationFailed, Refusal(417, "Expectation Failed", "http-417", "an expectation that is not met")),
    (UnsupportedTransferCoding, Refusal(501, "Not Implemented", "http-501", "a transfer coding that is not known")),
    (Hostless, Refusal(400, "Bad Request", "http-400", "a Host header is asked for, and not there")),
    (ParseException, Refusal(400, "Bad Request", "http-400", "this is no HTTP request")),
)
_FAILED: Final = Refusal(
    500, "Internal Server Error", "internal", "the request could not be processed", issue="exception"
)


def refusal_of(error: Exception) -> Refusal:
    """What to answer where a request could not be read."""
    return next((answer for kind, answer in _KINDS if isinstance(error, kind)), _FAILED)
