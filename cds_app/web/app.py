"""The Flask app over a desk. Built by bootstrap; nothing here opens a file or a socket."""

from __future__ import annotations

from flask import Flask

from cds_app.services.model_cards import Shelf
from cds_app.web import cds_hooks, health, model_cards, problems
from cds_app.web.cds_hooks import Desk


def build(desk: Desk, shelf: Shelf) -> Flask:
    """A Flask app that serves CDS Hooks, model cards and health."""
    app = Flask("twinline", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = desk.settings.max_body_bytes
    problems.register(app)
    app.register_blueprint(cds_hooks.blueprint(desk))
    app.register_blueprint(model_cards.blueprint(shelf))
    app.register_blueprint(health.blueprint(desk.ready))
    return app
