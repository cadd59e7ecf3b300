"""The sandbox as an authorisation server: SMART App Launch 2.2 with what public launchers leave out.

Scopes are granted only as far as the client may have them, a code counts once, clients prove who they are, PKCE is
S256 and nothing else, redirect URIs and ``aud`` fit exactly. Everything is in memory: it ends with the sandbox.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from flask import Blueprint, Response, json, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox.addresses import base_url
from cds_app.sandbox.forms import same_origin
from cds_app.sandbox.policy import may_send_forms_to, may_stand_in_a_frame
from cds_app.sandbox.smart.authorisation import PENDING_S, Addressee, AskedFor, addressee, read_request
from cds_app.sandbox.smart.charts import Charts
from cds_app.sandbox.smart.client_keys import ALGS
from cds_app.sandbox.smart.clients import METHODS, SmartClient, SmartClients
from cds_app.sandbox.smart.id_tokens import IdTokens
from cds_app.sandbox.smart.launches import Context, Launches
from cds_app.sandbox.smart.oauth import OAuthRefusal, Tickets, given_once
from cds_app.sandbox.smart.proof import Prover
from cds_app.sandbox.smart.scopes import NAMED
from cds_app.sandbox.smart.tokens import Issued, Tokens

CAPABILITIES: Final = (
    *("launch-ehr", "launch-standalone", "authorize-post", "client-confidential-asymmetric"),
    *("client-confidential-symmetric", "sso-openid-connect", "context-banner", "context-ehr-patient"),
    *("context-ehr-encounter", "context-standalone-patient", "context-standalone-encounter"),
    *("permission-offline", "permission-online", "permission-patient", "permission-user", "permission-v1"),
    "permission-v2",
)
GRANTS: Final = ("authorization_code", "refresh_token", "client_credentials")
_FORM: Final = "application/x-www-form-urlencoded"


class SmartServer:
    """Everything that the endpoints share.

    Parameters
    ----------
    clients : iterable of SmartClient
    clock : callable
        Seconds since 1970; codes and tokens end by it, not by the simulated time.
    """

    def __init__(self, clients: Iterable[SmartClient] = (), clock: Callable[[], float] = time.time) -> None:
        self.clients = SmartClients(clients)
        self.launches = Launches(clock)
        self.pending = Tickets[AskedFor](PENDING_S, clock)
        self.tokens = Tokens(clock)
        self.prover = Prover(self.clients, clock)
        self.id_tokens = IdTokens()


def blueprint(server: SmartServer, charts: Charts) -> Blueprint:
    """All endpoints."""
    routes = Blueprint("smart", __name__)
    routes.register_error_handler(OAuthRefusal, _refused)
    _route_discovery(routes, server)
    _route_authorise(routes, server, charts)
    _route_tokens(routes, server)
    return routes


# --- discovery


def _route_discovery(routes: Blueprint, server: SmartServer) -> None:
    @routes.get("/fhir/.well-known/smart-configuration")
    def smart_configuration() -> ResponseReturnValue:
        return _json({**_endpoints(), "capabilities": list(CAPABILITIES)})

    @routes.get("/fhir/.well-known/openid-configuration")
    def openid_configuration() -> ResponseReturnValue:
        openid = {
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["aud", "exp", "fhirUser", "iat", "iss", "nonce", "sub"],
        }
        return _json({**_endpoints(), **openid})

    @routes.get("/oauth/jwks")
    def jwks() -> ResponseReturnValue:
        return _json(server.id_tokens.public_keys())


def _endpoints() -> dict[str, Any]:
    def there(name: str) -> str:
        return url_for(f"smart.{name}", _external=True)

    return {
        "issuer": base_url(),
        "jwks_uri": there("jwks"),
        "authorization_endpoint": there("authorise"),
        "token_endpoint": there("token"),
        "introspection_endpoint": there("introspect"),
        "revocation_endpoint": there("revoke"),
        "grant_types_supported": list(GRANTS),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGS),
        "scopes_supported": [*sorted(NAMED), "patient/*.cruds", "user/*.cruds", "system/*.cruds"],
    }


# --- the authorisation endpoint


def _route_authorise(routes: Blueprint, server: SmartServer, charts: Charts) -> None:
    @routes.route("/oauth/authorize", methods=["GET", "POST"])
    def authorise() -> ResponseReturnValue:
        parameters: MultiDict[str, str] = request.args if request.method == "GET" else request.form
        if "launch" in parameters:
            may_stand_in_a_frame()  # what went wrong is read where the app should have been
        to = addressee(parameters, server.clients)
        try:
            asked = read_request(to, parameters, base_url(), server.launches)
        except OAuthRefusal as refusal:
            return _send_refusal(to, refusal, parameters.get("state", ""))
        if asked.context is not None:
            return _send_code(server, asked, asked.context)
        return _choice_page(server, asked, charts)

    @routes.post("/oauth/authorize/choice")
    def choose() -> ResponseReturnValue:
        same_origin()
        asked = server.pending.take(request.form.get("request", ""))
        if asked is None:
            raise NotFound("this request was answered already, or is too old", field="request")
        if request.form.get("answer") != "allow":
            return _send_refusal(asked.to, OAuthRefusal("access_denied", "the user said no"), asked.state)
        return _send_code(server, asked, _chosen(asked, charts))


def _chosen(asked: AskedFor, charts: Charts) -> Context:
    if not asked.wants_patient:
        return Context(user=charts.seat.person.reference)
    name = request.form.get("patient", "")
    if not name:
        raise BadRequest("choose a patient, and open the app again", field="patient")
    context = charts.context(name)
    return context if "launch/encounter" in asked.scopes else replace(context, encounter="")


def _choice_page(server: SmartServer, asked: AskedFor, charts: Charts) -> ResponseReturnValue:
    may_send_forms_to(asked.to.redirect_uri)
    return render_template(
        "sandbox/authorise.html",
        app=asked.to.client.name,
        person=charts.seat.person,
        scopes=asked.scopes,
        patients=charts.patients() if asked.wants_patient else (),
        request_name=server.pending.keep(asked),
    )


def _send_code(server: SmartServer, asked: AskedFor, context: Context) -> ResponseReturnValue:
    code = server.tokens.code(asked, context)
    return _away(asked.to.url(code=code, state=asked.state))


def _send_refusal(to: Addressee, refusal: OAuthRefusal, state: str) -> ResponseReturnValue:
    said = {"error": refusal.error, "error_description": refusal.description}
    return _away(to.url(**said, **({"state": state} if state else {})))


def _away(url: str) -> ResponseReturnValue:
    """303, so that a form that was posted here is not posted on."""
    response = redirect(url, 303)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


# --- the token endpoint and its neighbours


def _route_tokens(routes: Blueprint, server: SmartServer) -> None:
    @routes.post("/oauth/token")
    def token() -> ResponseReturnValue:
        form = _form()
        client = _client(server, form)
        grant = form.get("grant_type", "")
        if grant == "authorization_code":
            issued = server.tokens.redeem(client, form)
        elif grant == "refresh_token":
            issued = server.tokens.refresh(client, form)
        elif grant == "client_credentials":
            issued = server.tokens.backend(client, form)
        else:
            raise OAuthRefusal("unsupported_grant_type", f"grant_type must be one of {', '.join(GRANTS)}")
        return _json(_answer(server, issued))

    @routes.post("/oauth/introspect")
    def introspect() -> ResponseReturnValue:
        form = _form()
        client = _client(server, form)
        return _json(_described(server, client, form.get("token", "")))

    @routes.post("/oauth/revoke")
    def revoke() -> ResponseReturnValue:
        form = _form()
        server.tokens.end(_client(server, form), form.get("token", ""))
        return Response(status=200)


def _form() -> dict[str, str]:
    if request.mimetype != _FORM:
        raise OAuthRefusal("invalid_request", f"send {_FORM}")
    return given_once(request.form)


def _client(server: SmartServer, form: Mapping[str, str]) -> SmartClient:
    """Who calls. An assertion may be meant for the token endpoint, or for the very endpoint that it is sent to."""
    audiences = {url_for("smart.token", _external=True), request.base_url}
    return server.prover.identify(form, request.headers.get("Authorization"), audiences)


def _answer(server: SmartServer, issued: Issued) -> dict[str, Any]:
    """SMART App Launch 2.2, "Response" of the token endpoint."""
    access = issued.access
    said: dict[str, Any] = {
        "access_token": issued.token,
        "token_type": "Bearer",
        "expires_in": round(access.ends - access.began),
        "scope": " ".join(access.scopes),
    }
    if issued.refresh:
        said["refresh_token"] = issued.refresh
    if issued.signed_in and "openid" in access.scopes:
        said["id_token"] = server.id_tokens.sign(issued, base_url())
    return said | _context_said(access.context)


def _context_said(context: Context) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if context.patient:
        said |= {"patient": context.patient, "need_patient_banner": not context.framed}
    if context.encounter:
        said["encounter"] = context.encounter
    if context.app_context:
        said["appContext"] = context.app_context
    return said


def _described(server: SmartServer, client: SmartClient, token: str) -> dict[str, Any]:
    """A client learns about its own tokens only (RFC 7662, section 2.2)."""
    access = server.tokens.find(token)
    if access is None or access.grant.client_id != client.id:
        return {"active": False}
    said: dict[str, Any] = {
        "active": True,
        "client_id": client.id,
        "scope": " ".join(access.scopes),
        "iat": int(access.began),
        "exp": int(access.ends),
        "iss": base_url(),
        "token_type": "Bearer",
        "sub": access.context.user.rpartition("/")[2] or client.id,
    }
    if access.context.user and "fhirUser" in access.scopes:
        said["fhirUser"] = f"{base_url()}/{access.context.user}"
    return said | {
        key: value for key, value in _context_said(access.context).items() if key in ("patient", "encounter")
    }


def _refused(refusal: OAuthRefusal) -> ResponseReturnValue:
    response = _json({"error": refusal.error, "error_description": refusal.description}, refusal.status)
    if refusal.status == 401 and "Authorization" in request.headers:
        response.headers["WWW-Authenticate"] = 'Basic realm="sandbox"'
    return response


def _json(value: Mapping[str, Any], status: int = 200) -> Response:
    response = Response(json.dumps(value), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
