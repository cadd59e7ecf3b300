"""The walk opens the app that a card links to, over real HTTP."""

from __future__ import annotations

import io

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue

from cds_app.sandbox.once import run_once
from cds_app.sandbox.server import running
from cds_app.sandbox.smart.endpoints import SmartServer
from cds_app.sandbox.visitor import Page, visit
from tests.unit.sandbox.small_app import small_app, small_client
from tests.unit.sandbox.stub_service import Stub, card, stub, two_patients

__all__ = ["stub"]

PATIENTS = two_patients()[:1]


def linking(url: str) -> dict[str, object]:
    link = {"label": "Open twin", "type": "smart", "url": url}
    return card(1, "warning", "Getting worse", patient=PATIENTS[0].id, links=[link])


def test_the_walk_opens_the_app_of_a_card_once(stub: Stub) -> None:
    out = io.StringIO()
    with running(small_app()) as app:
        client = small_client(app)
        stub.starting = [linking(client.launch_uri)]
        assert run_once(stub.url, PATIENTS, out, smart=SmartServer([client])) == 0
    said = out.getvalue()
    assert said.count(">>> Open twin: launched, signed in and open (Small app).") == 1
    assert "It shows: The app is open again." in said  # the cookie of the launch came back with the code


def test_a_walk_in_which_the_app_does_not_open_ends_with_1(stub: Stub) -> None:
    out = io.StringIO()
    with running(Flask("nothing", static_folder=None)) as app:
        client = small_client(app)
        stub.starting = [linking(client.launch_uri)]
        assert run_once(stub.url, PATIENTS, out, smart=SmartServer([client])) == 1
    assert "PROBLEM: synthetic-001: Small app did not open: HTTP 404" in out.getvalue()


def test_a_way_that_leads_elsewhere_or_nowhere_is_not_followed() -> None:
    app = Flask("maze", static_folder=None)

    @app.get("/<path:name>")
    def leave(name: str) -> ResponseReturnValue:
        return redirect("https://elsewhere.example/" if name == "out" else request.path)

    with running(app) as url:
        assert visit(f"{url}/out") == Page(status=None)
        assert visit(f"{url}/circle") == Page(status=None)
    assert visit(f"{url}/gone") == Page(status=None)


def test_titles_and_headings_are_read_and_drawings_are_not() -> None:
    app = Flask("page", static_folder=None)

    @app.get("/")
    def page() -> ResponseReturnValue:
        drawing = "<svg><title>Drawn</title></svg>"
        return f"<title>A\n b</title>{drawing}<h1>One <b>two</b></h1><h2></h2><h3>x</h3><h2>Three</h2>"

    @app.get("/text")
    def text() -> ResponseReturnValue:
        return "<h1>no page</h1>", {"Content-Type": "text/plain"}

    with running(app) as url:
        assert visit(url) == Page(status=200, title="A b", headings=("One two", "Three"))
        assert visit(f"{url}/text") == Page(status=200)
