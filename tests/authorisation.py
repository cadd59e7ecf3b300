"""An EHR on this machine with an authorisation server of its own: it checks what a strict one checks, and remembers.

What a test wants wrong it says in ``config``, ``answer`` or ``claims``: a value replaces what is usual, ``...`` leaves
it out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.test import TestResponse

from cds_app.adapters.sql.cabinet import MemoryCabinet
from cds_app.bootstrap import app_of, smart_of
from cds_app.deps import Deps, Ehrs
from cds_app.domain.issuers import Issuer
from cds_app.domain.visits import Visit
from cds_app.errors import SessionExpired
from cds_app.ports import Cabinet, ClientRegister
from cds_app.services.smart.issuers import Issuers, new_issuer
from cds_app.services.smart.signing import SigningKeys
from cds_app.services.smart.visits import Visits
from cds_app.settings import Settings
from cds_app.web.browser import COOKIE
from cds_app.web.smart import Smart
from tests.conftest import FROZEN, FrozenClock
from tests.trust import rsa_key

CLIENT_ID = "twinline-at-north"
SECRET = "zqx correct horse"
BASE_URL = "http://127.0.0.1:8717"
REDIRECT = f"{BASE_URL}/smart/callback"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PATIENT = "ZQXpatient"
HIDDEN = "ZQX"


def _changed(usual: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **change}.items() if value is not ...}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        ehr = self._ehr()
        place = self.path.removeprefix("/fhir")
        ehr.seen.append((self.path, dict(self.headers)))
        if place == "/.well-known/smart-configuration":
            self._say(200, ehr.configuration())
        elif place == "/.well-known/openid-configuration" and ehr.openid is not None:
            self._say(200, ehr.openid)
        elif self.path.startswith("/authorize?"):
            self._say(303, b"", self._agreed())
        elif self.path == "/jwks":
            self._say(200, ehr.jwks)
        elif place == "/metadata":
            known = self.headers.get("Authorization", "").removeprefix("Bearer ") in ehr.access
            self._say(200 if known or not ehr.metadata_closed else 401, {"resourceType": "CapabilityStatement"})
        else:
            self._say(404, {})

    def do_POST(self) -> None:
        ehr = self._ehr()
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        ehr.posted.append((self.path, form, dict(self.headers)))
        if self.path == "/revoke":
            self._say(ehr.revoke_status, b"")
            return
        ehr.before_token()
        status, answer = ehr.token(form, self.headers.get("Authorization", ""))
        self._say(status, answer)

    def log_message(self, format: str, *args: object) -> None:
        return

    def _ehr(self) -> FakeEhr:
        assert isinstance(self.server, _Server)
        return self.server.ehr

    def _agreed(self) -> str:
        """Where a browser goes whose user agrees."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        return f"{asked['redirect_uri']}?{urlencode(self._ehr().authorise(self.path))}"

    def _say(self, status: int, value: object, location: str = "") -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        # SMART's documents are JSON whatever a server calls them; FHIR's are not.
        self.send_header("Content-Type", "application/fhir+json" if self.path.endswith("metadata") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", location or f"{self._ehr().root}/elsewhere")
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, ehr: FakeEhr) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ehr = ehr

    def handle_error(self, request: object, client_address: object) -> None:
        """Some of these tests hang up on it."""


@dataclass
class FakeEhr:
    """The EHR, its users' choices and its memory."""

    clock: FrozenClock
    published: Callable[[], bytes] = field(default=lambda: b'{"keys": []}')
    config: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    revoke_status: int = 200
    openid: dict[str, Any] | None = None
    metadata_closed: bool = True
    id_key: ECKey | RSAKey = field(default_factory=lambda: rsa_key("ehr-1"))
    id_header: dict[str, Any] = field(default_factory=dict)
    before_token: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.posted: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.refreshes: dict[str, str] = {}
        self.access: set[str] = set()
        self.assertions: set[str] = set()
        self.lock = threading.Lock()
        self.server = _Server(self)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        self.base = f"{self.root}/fhir"
        self.jwks: Any = json.loads(json.dumps({"keys": [self.id_key.as_dict(private=False)]}))

    def configuration(self) -> dict[str, Any]:
        usual = {
            "issuer": self.root,
            "jwks_uri": f"{self.root}/jwks",
            "authorization_endpoint": f"{self.root}/authorize",
            "token_endpoint": f"{self.root}/token",
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post"],
            "capabilities": ["launch-ehr", "launch-standalone", "sso-openid-connect", "permission-v2"],
        }
        return _changed(usual, self.config)

    def authorise(self, location: str, **change: Any) -> dict[str, Any]:
        """What a user who agrees sends the browser back with; it is what the callback gets."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return _changed({"code": code, "state": asked["state"]}, change)

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        if self.status != 200:
            return self.status, {"error": "invalid_grant", "error_description": "ZQX"} if self.status == 400 else b"ZQX"
        with self.lock:
            if not self._knows(form, authorization):
                return 401, {"error": "invalid_client", "error_description": "ZQX"}
            grant = {
                "authorization_code": self._by_code,
                "refresh_token": self._by_refresh,
                "client_credentials": self._by_client,
            }[form["grant_type"]]
            made = grant(form)
        return (200, made) if made is not None else (400, {"error": "invalid_grant", "error_description": "ZQX"})

    def id_token(self, nonce: str | None) -> str:
        now = self.clock.at.timestamp()
        usual = {
            "iss": self.root,
            "aud": CLIENT_ID,
            "sub": "user-7",
            "iat": int(now),
            "exp": int(now) + 300,
            "nonce": nonce if nonce is not None else ...,
            "fhirUser": f"{self.base}/Practitioner/ZQXdoc",
        }
        alg = (
            "RS256" if isinstance(self.id_key, RSAKey) else {"P-256": "ES256", "P-384": "ES384"}[self.id_key.curve_name]
        )
        header = _changed({"alg": alg, "kid": self.id_key.kid, "typ": "JWT"}, self.id_header)
        claims = _changed(usual, self.claims)
        if header["alg"] == "none":
            parts = (json.dumps(part).encode() for part in (header, claims))
            return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
        return jwt.encode(header, claims, self.id_key, algorithms=[header["alg"]])

    def _knows(self, form: dict[str, str], authorization: str) -> bool:
        if "client_assertion" not in form:
            basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
            posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, SECRET)
            return authorization == f"Basic {basic}" or posted
        keys = KeySet.import_key_set(json.loads(self.published()))
        read = jwt.decode(form["client_assertion"], keys, algorithms=["ES384", "RS384"])
        claims, now = read.claims, self.clock.at.timestamp()
        once = claims["jti"] not in self.assertions
        self.assertions.add(claims["jti"])
        return (
            form["client_assertion_type"] == ASSERTION
            and "client_id" not in form
            and claims["iss"] == claims["sub"] == CLIENT_ID
            and claims["aud"] == f"{self.root}/token"
            and now < claims["exp"] <= now + 300
            and once
        )

    def _by_code(self, form: dict[str, str]) -> dict[str, Any] | None:
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"] != "":
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        return self._granted(asked["scope"], asked["nonce"])

    def _by_refresh(self, form: dict[str, str]) -> dict[str, Any] | None:
        scope = self.refreshes.pop(form.get("refresh_token", ""), None)
        return None if scope is None else self._granted(scope, None)

    def _by_client(self, form: dict[str, str]) -> dict[str, Any]:
        made = self._granted(form["scope"], None)
        return {name: made[name] for name in ("access_token", "token_type", "expires_in", "scope") if name in made}

    def _granted(self, scope: str, nonce: str | None) -> dict[str, Any]:
        access, refresh = f"ZQXaccess-{secrets.token_hex(8)}", f"ZQXrefresh-{secrets.token_hex(8)}"
        self.access.add(access)
        self.refreshes[refresh] = scope
        usual = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 600,
            "scope": scope,
            "refresh_token": refresh,
            "id_token": self.id_token(nonce),
            "patient": PATIENT,
            "encounter": "ZQXencounter",
            "need_patient_banner": False,
            "appContext": "ZQXcard",
        }
        return _changed(usual, self.answer)

    def requests_for(self, grant: str) -> int:
        return sum(form.get("grant_type") == grant for _, form, _ in self.posted)


@pytest.fixture
def ehr(clock: FrozenClock) -> Iterator[FakeEhr]:
    made = FakeEhr(clock)
    threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@dataclass
class Launcher:
    """Twinline with registered EHRs, and browsers to launch it in."""

    app: Flask
    cabinet: Cabinet
    ehr: FakeEhr
    clock: FrozenClock
    clients: ClientRegister
    smart: Smart

    @property
    def visits(self) -> Visits:
        return self.smart.visits

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def begin(self, browser: FlaskClient, **change: Any) -> TestResponse:
        """Follow the EHR's link."""
        asked = _changed({"iss": self.ehr.base, "launch": "xyz"}, change)
        return browser.get("/smart/launch", query_string=asked, base_url=BASE_URL)

    def finish(self, browser: FlaskClient, parameters: dict[str, Any]) -> TestResponse:
        """Come back from the EHR."""
        return browser.get("/smart/callback", query_string=parameters, base_url=BASE_URL)

    def launch(self, browser: FlaskClient, **change: Any) -> TestResponse:
        """A whole launch; ``change`` is what the EHR sends the browser back with."""
        begun = self.begin(browser)
        assert begun.status_code == 303, begun.text
        return self.finish(browser, self.ehr.authorise(begun.headers["Location"], **change))

    def visit(self, browser: FlaskClient) -> str:
        """The id of the visit of a launch that works."""
        done = self.launch(browser)
        assert done.status_code == 303, done.text
        return visit_of(done)


def visit_of(response: TestResponse) -> str:
    path = urlsplit(response.headers["Location"]).path
    assert path.startswith("/sidebar/")
    return unquote(path.split("/")[2])


def secret_of(browser: FlaskClient) -> str:
    found = browser.get_cookie(COOKIE, domain="127.0.0.1")
    return found.value if found else ""


def registered(ehr: FakeEhr, cabinet: Cabinet, **change: Any) -> Issuer:
    issuer = new_issuer(**{"name": "north", "iss": ehr.base, "client_id": CLIENT_ID, **change})
    Issuers(cabinet).add(issuer, FROZEN)
    return issuer


def with_keys() -> MemoryCabinet:
    cabinet = MemoryCabinet()
    SigningKeys(cabinet).make(FROZEN)
    return cabinet


@pytest.fixture(scope="session")
def made_keys() -> MemoryCabinet:
    """Keys are slow to make."""
    return with_keys()


@pytest.fixture
def keyed(made_keys: MemoryCabinet) -> MemoryCabinet:
    """A cabinet with keys and nothing else."""
    cabinet = MemoryCabinet()
    cabinet._kept.update(made_keys._kept)
    return cabinet


@pytest.fixture
def settings() -> Settings:
    return Settings(open_to_this_machine=True)


@pytest.fixture
def launcher(deps: Deps, settings: Settings, ehr: FakeEhr, keyed: MemoryCabinet, clock: FrozenClock) -> Launcher:
    """Registered with a key, nothing unusual."""
    registered(ehr, keyed, frames=["https://ehr.example"])
    ehr.published = lambda: SigningKeys(keyed).published(clock.at)
    whole = Deps(
        settings=settings,
        knowledge=deps.knowledge,
        store=deps.store,
        clock=clock,
        fhir=deps.fhir,
        ehrs=Ehrs(cabinet=keyed),
    )
    return Launcher(
        app=app_of(whole),
        cabinet=keyed,
        ehr=ehr,
        clock=clock,
        clients=whole.trust.clients,
        smart=smart_of(whole),
    )


def began(launcher: Launcher, browser: FlaskClient | None = None) -> tuple[str, Visit]:
    """A browser with a visit."""
    one = browser or launcher.browser()
    visit = launcher.visit(one)
    return secret_of(one), launcher.visits.open(secret_of(one), visit, launcher.clock.at)


def expired(launcher: Launcher, browser: str, visit: str) -> None:
    """The visit is over, for this browser."""
    with pytest.raises(SessionExpired) as caught:
        launcher.visits.open(browser, visit, launcher.clock.at)
    assert (caught.value.code, caught.value.status) == ("session-expired", 401)
