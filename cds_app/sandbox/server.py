"""The sandbox EHR as a Flask app: FHIR, chart pages, the simulated clock. For loopback only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Final

from flask import Flask, Response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from cds_app.content import content_root
from cds_app.errors import TwinlineError, Unauthorised
from cds_app.sandbox import pages
from cds_app.sandbox.desk import Desk
from cds_app.sandbox.fhir import api as fhir_api
from cds_app.sandbox.fhir.access import Guard, ScopeLacking
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.sandbox.people.staff import practitioner_resources
from cds_app.sandbox.policy import guard
from cds_app.sandbox.records.store import Store
from cds_app.sandbox.smart import endpoints as smart

HOST: Final = "127.0.0.1"
_MAX_BODY: Final = 1024 * 1024


def new_store(patients: Sequence[SyntheticPatient], now: datetime | None = None) -> Store:
    """All charts, with the clock at ``now`` or, by default, at the first opening of any of them."""
    resources = [one for patient in patients for one in patient.resources]
    staff = practitioner_resources(min(one.known_at for one in resources))
    return Store([*staff, *resources], now or min(at for patient in patients for at in patient.opens))


def create_sandbox(
    service_url: str,
    patients: Sequence[SyntheticPatient],
    *,
    now: datetime | None = None,
    desk: Desk | None = None,
    open_fhir: bool = False,
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
        An existing desk, with its store and its apps, instead of a new one.
    open_fhir : bool
        Whether FHIR calls without a token may do everything. A token that is sent is looked at in any case.
    """
    desk = desk or Desk(service_url, new_store(patients, now))
    templates: Path = content_root() / "templates"
    app = Flask("twinline-sandbox", static_folder=templates / "static", template_folder=templates)
    app.config.update(TRUSTED_HOSTS=[HOST, "localhost"], MAX_CONTENT_LENGTH=_MAX_BODY)
    app.jinja_env.undefined = StrictUndefined
    app.register_blueprint(fhir_api.blueprint(desk.store, Guard(tokens=desk.smart.tokens, open=open_fhir)))
    app.register_blueprint(smart.blueprint(desk.smart, desk.charts))
    app.register_blueprint(pages.blueprint(desk, patients))
    app.register_error_handler(TwinlineError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SecurityError, _foreign_host)
    app.after_request(guard)
    return app


def under_one_name(app: Flask) -> None:
    """Send browsers that say ``localhost`` to 127.0.0.1: apps know this EHR by one FHIR base, and by no other."""

    @app.before_request
    def one_name() -> ResponseReturnValue | None:
        if request.method != "GET" or request.host.partition(":")[0] != "localhost":
            return None
        return redirect(request.url.replace("//localhost", f"//{HOST}", 1), 307)


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
        response = fhir_api.outcome(error)
        if said := _challenge(error):
            response.headers["WWW-Authenticate"] = said
        return response
    return render_template("sandbox/error.html", status=error.status, text=error.message), error.status


def _challenge(error: TwinlineError) -> str:
    """What a caller with a token, or without one, is told by RFC 6750."""
    if isinstance(error, ScopeLacking):
        return 'Bearer realm="sandbox", error="insufficient_scope"'
    if not isinstance(error, Unauthorised):
        return ""
    return 'Bearer realm="sandbox"' + (', error="invalid_token"' if "Authorization" in request.headers else "")


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
