"""A SMART app of two routes: from launch to the authorisation endpoint, and what came back."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Flask, redirect, request
from flask.typing import ResponseReturnValue

from cds_app.sandbox.smart.clients import SmartClient, secret_hash
from tests.unit.sandbox.smart_app import challenge


def small_app() -> Flask:
    """Remembers the browser by a cookie, and shows that a code came back."""
    app = Flask("small", static_folder=None)

    @app.get("/launch")
    def launch() -> ResponseReturnValue:
        query = asking(request.host_url.rstrip("/"), request.args["iss"], launch=request.args["launch"])
        response = redirect(f"{request.args['iss'].removesuffix('/fhir')}/oauth/authorize?{urlencode(query)}")
        response.set_cookie("__Host-small", "1", secure=True, httponly=True, samesite="None", partitioned=True)
        return response

    @app.get("/callback")
    def callback() -> ResponseReturnValue:
        # Whoever opens the app by itself has no cookie of a launch.
        who = "again" if request.cookies.get("__Host-small") else "for the first time"
        said = f"The app is open {who}" if request.args.get("code") else request.args["error_description"]
        return f'<!doctype html><html lang="en"><title>Small app</title><main><h1>{said}</h1></main>'

    @app.get("/favicon.ico")
    def icon() -> ResponseReturnValue:
        return "", 204

    return app


def asking(app_url: str, base: str, **more: str) -> Mapping[str, str]:
    """A request to the authorisation endpoint; with ``launch``, that of an EHR launch."""
    return {
        "response_type": "code",
        "client_id": "small",
        "redirect_uri": f"{app_url}/callback",
        "scope": f"{'launch' if 'launch' in more else 'launch/patient'} patient/Patient.r",
        "state": "s" * 32,
        "aud": base,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        **more,
    }


def small_client(app_url: str) -> SmartClient:
    """As the EHR knows it."""
    return SmartClient(
        id="small",
        name="Small app",
        method="client_secret_basic",
        secret_sha256=secret_hash("x"),
        redirect_uris=(f"{app_url}/callback",),
        launch_uri=f"{app_url}/launch",
        scopes=("launch", "launch/patient", "patient/Patient.r"),
    )
