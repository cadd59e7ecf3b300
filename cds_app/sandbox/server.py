"""The sandbox EHR as a Flask app: FHIR, chart pages, the simulated clock. For loopback only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Final

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from cds_app.content import content_root
from cds_app.errors import TwinlineError
from cds_app.sandbox import fhir_api, pages
from cds_app.sandbox.desk import Desk
from cds_app.sandbox.patients import SyntheticPatient
from cds_app.sandbox.store import Store

HOST: Final = "127.0.0.1"
_MAX_BODY: Final = 1024 * 1024
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)


def new_store(patients: Sequence[SyntheticPatient], now: datetime | None = None) -> Store:
    """All charts, with the clock at ``now`` or, by default, at the first opening of any of them."""
    resources = [one for patient in patients for one in patient.resources]
    return Store(resources, now or min(at for patient in patients for at in patient.opens))


def create_sandbox(
    service_url: str, patients: Sequence[SyntheticPatient], *, now: datetime | None = None, desk: Desk | None = None
) -> Flask:
    """Build the EHR.

    Parameters
    ----------
    service_url : str
        Base URL of the CDS service, on loopback; ``/cds-services`` is added.
    patients : sequence of SyntheticPatient
    now : datetime, optional
        Where the simulated clock begins.
    desk : Desk, optional
        An existing desk, with its store, instead of a new one.
    """
    desk = desk or Desk(service_url, new_store(patients, now))
    templates: Path = content_root() / "templates"
    app = Flask("twinline-sandbox", static_folder=templates / "static", template_folder=templates)
    app.config.update(TRUSTED_HOSTS=[HOST, "localhost"], MAX_CONTENT_LENGTH=_MAX_BODY)
    app.jinja_env.undefined = StrictUndefined
    app.register_blueprint(fhir_api.blueprint(desk.store))
    app.register_blueprint(pages.blueprint(desk, patients))
    app.register_error_handler(TwinlineError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SecurityError, _foreign_host)
    app.after_request(_guard)
    return app


@contextmanager
def running(app: Flask, port: int = 0) -> Iterator[str]:
    """Serve an app on loopback, from a thread, until the end of the block.

    Yields
    ------
    str
        Its base URL.
    """
    server = bind(app, port)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bind(app: Flask, port: int = 0) -> BaseWSGIServer:
    """A threaded server that writes no access log."""
    return make_server(HOST, port, app, threaded=True, request_handler=_Silent)


class _Silent(WSGIRequestHandler):
    """URLs of charts name patients: they are not logged."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def _refused(error: TwinlineError) -> ResponseReturnValue:
    if request.path.startswith("/fhir") or request.is_json:
        return fhir_api.outcome(error)
    return render_template("sandbox/error.html", status=error.status, text=error.message), error.status


def _http(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if request.path.startswith("/fhir") or request.is_json:
        refused = TwinlineError(error.name)
        refused.status, refused.issue_type = status, "not-found" if status == 404 else "processing"
        return fhir_api.outcome(refused)
    return render_template("sandbox/error.html", status=status, text=error.name), status


def _foreign_host(_error: HTTPException) -> ResponseReturnValue:
    """Without a trusted host there are no URLs, and so no page."""
    return Response("This server answers to 127.0.0.1 and localhost only.", 400, mimetype="text/plain")


def _guard(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    # With no-referrer, browsers would send `Origin: null` with forms, and the origin check could not work.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if not request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response
