"""Every failure as a response: OperationOutcome, because our callers speak FHIR. The one broad except lives here."""

from __future__ import annotations

from pathlib import Path

import structlog
from flask import Flask, Response, json, request
from jinja2 import FileSystemLoader
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds_app.errors import TwinlineError, Unauthorised
from cds_app.pages.rendering import html_environment, page
from cds_app.web.pages import as_page

_LOG = structlog.get_logger("twinline")
_RETRY_AFTER_S = "1"
_FOR_CALLERS = ("/cds-services", "/fhir-notifications")
_HTTP_ISSUE = {404: "not-found", 405: "not-supported", 413: "too-long", 415: "invalid"}


def register(app: Flask, templates: Path) -> None:
    """Attach the handlers to an app; people in front of a browser get a page where there is none."""
    nowhere = page(html_environment(FileSystemLoader(templates / "sidebar")), "nowhere", {})

    def http(error: HTTPException) -> Response:
        if error.code == 404 and _is_for_eyes():
            return as_page(Response(nowhere, status=404, mimetype="text/html"))
        return _http(error)

    app.register_error_handler(Unauthorised, _unauthorised)
    app.register_error_handler(TwinlineError, _refused)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, _unexpected)


def _is_for_eyes() -> bool:
    """Whether a page is asked for rather than data, and not where our callers speak FHIR."""
    wanted = request.accept_mimetypes.best_match(("application/fhir+json", "application/json", "text/html"))
    return wanted == "text/html" and not request.path.startswith(_FOR_CALLERS)


def outcome(status: int, code: str, issue_type: str, text: str, field: str | None = None) -> Response:
    """An OperationOutcome response.

    Parameters
    ----------
    status : int
        HTTP status.
    code : str
        Our stable error code.
    issue_type : str
        FHIR R4 issue type.
    text : str
        What is wrong, without any value from the request.
    field : str, optional
        Path of the field that is wrong.
    """
    issue: dict[str, object] = {
        "severity": "error",
        "code": issue_type,
        "details": {"coding": [{"system": "urn:twinline:error", "code": code}], "text": text},
    }
    if field:
        issue["expression"] = [field]
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
    response = Response(body, status=status, mimetype="application/fhir+json")
    response.headers["Cache-Control"] = "no-store"
    if status == 503:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def _refused(error: TwinlineError) -> Response:
    _LOG.warning("refused", code=error.code, status=error.status, field=error.field or "")
    response = outcome(error.status, error.code, error.issue_type, error.message, error.field)
    if error.status == 503:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _unauthorised(error: Unauthorised) -> Response:
    """The same bytes whatever was wrong: who tries out tokens learns nothing."""
    _LOG.warning("refused", code=error.code, status=error.status, reason=error.reason)
    response = Response(b"", status=error.status)
    del response.headers["Content-Type"]
    response.headers["WWW-Authenticate"] = "Bearer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    name = "request-too-large" if isinstance(error, RequestEntityTooLarge) else f"http-{status}"
    response = outcome(status, name, _HTTP_ISSUE.get(status, "processing"), error.name)
    for header, value in error.get_headers():
        if header == "Allow":
            response.headers[header] = value
    return response


def _unexpected(error: Exception) -> Response:
    _LOG.error("unexpected", kind=type(error).__name__, where=_where(error))
    return outcome(500, "internal", "exception", "the request could not be processed")


def _where(error: Exception) -> str:
    """Where it happened, as module and line: a message could hold patient data, a place cannot."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else ""
