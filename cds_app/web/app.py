"""The Flask app over a desk. Built by bootstrap; nothing here opens a file or a socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from cds_app.ports import Meter
from cds_app.services.content.model_cards import Shelf
from cds_app.services.sources.subscriptions import Notified
from cds_app.services.watch.readiness import Readiness
from cds_app.web import cds_hooks, health, metering, model_cards, notifications, pages, problems, sidebar, smart
from cds_app.web.cds_hooks import Desk
from cds_app.web.sidebar import Bedside
from cds_app.web.smart import Smart


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """What tells how the service is.

    Parameters
    ----------
    readiness : callable
    meter : Meter
    page : callable
        Everything that the meter counted, as Prometheus reads it.
    """

    readiness: Callable[[], Readiness]
    meter: Meter
    page: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faces:
    """What people see: launches, the sidebar, and the folder of its style, script and picture."""

    smart: Smart
    bedside: Bedside
    static: Path


def build(desk: Desk, shelf: Shelf, dials: Dials, faces: Faces, notified: Notified) -> Flask:
    """A Flask app that serves CDS Hooks, launches, the sidebar, notifications, model cards, health and metrics."""
    app = Flask("twinline", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = desk.settings.max_body_bytes
    app.extensions["meter"] = dials.meter  # for who serves the app, and refuses calls before they get here
    problems.register(app, faces.smart.templates)
    metering.register(app, dials.meter, desk.answering.knowledge.services.keys())
    app.register_blueprint(cds_hooks.blueprint(desk))
    app.register_blueprint(notifications.blueprint(notified, desk.settings.max_body_bytes))
    app.register_blueprint(smart.blueprint(faces.smart))
    app.register_blueprint(sidebar.blueprint(faces.bedside))
    app.register_blueprint(pages.static(faces.static))
    app.register_blueprint(model_cards.blueprint(shelf))
    app.register_blueprint(health.blueprint(desk.settings, dials.readiness, dials.page))
    return app
