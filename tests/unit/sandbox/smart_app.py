"""A SMART app to test with: two registered clients, their keys, and each step of a launch by itself."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.test import TestResponse

from cds_app.sandbox.desk import Desk
from cds_app.sandbox.server import create_sandbox, new_store
from cds_app.sandbox.smart.clients import SmartClient, secret_hash
from cds_app.sandbox.smart.endpoints import SmartServer
from cds_app.sandbox.smart.proof import ASSERTION_TYPE
from tests.unit.sandbox.stub_service import two_patients

ORIGIN = "http://localhost"
BASE = f"{ORIGIN}/fhir"
TOKEN_URL = f"{ORIGIN}/oauth/token"
CALLBACK = "http://127.0.0.1:8717/smart/callback"
LAUNCH = "http://127.0.0.1:8717/smart/launch"
SECRET = "a secret: with + and %"
VERIFIER = "v" * 64
SCOPES = "launch openid fhirUser online_access patient/Observation.rs patient/Patient.r patient/ServiceRequest.c"
ALLOWED = (
    *("launch", "launch/patient", "launch/encounter", "openid", "fhirUser", "online_access", "offline_access"),
    *("patient/*.rs", "user/Patient.rs", "patient/ServiceRequest.c", "patient/Provenance.c", "patient/Task.c"),
    *("system/Patient.rs", "system/Observation.rs"),
)
PATIENTS = two_patients()
SICK, WELL = (one.id for one in PATIENTS)
NOW = PATIENTS[0].opens[3]
_NUMBERS = itertools.count(1)


@cache
def ec_key() -> ECKey:
    return ECKey.generate_key("P-384", parameters={"kid": "ec"})


@cache
def rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": "rsa"})


def clients() -> tuple[SmartClient, ...]:
    keys = {"keys": [ec_key().as_dict(private=False), rsa_key().as_dict(private=False)]}
    shared: dict[str, Any] = {"redirect_uris": (CALLBACK,), "launch_uri": LAUNCH, "scopes": ALLOWED}
    return (
        SmartClient(id="signs", name="App that signs", jwks=keys, **shared),
        SmartClient(
            id="knows",
            name="App with a secret",
            method="client_secret_basic",
            secret_sha256=secret_hash(SECRET),
            **shared,
        ),
    )


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def basic(name: str = "knows", secret: str = SECRET) -> dict[str, str]:
    pair = f"{quote_plus(name)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


@dataclass(kw_only=True)
class Bench:
    """A sandbox with a clock that is set by hand, and somebody who uses it."""

    at: list[float] = field(default_factory=lambda: [1_770_000_000.0])
    open_fhir: bool = False

    def __post_init__(self) -> None:
        self.server = SmartServer(clients(), clock=lambda: self.at[0])
        self.desk = Desk("http://127.0.0.1:9", new_store(PATIENTS, NOW), smart=self.server)
        self.http: FlaskClient = create_sandbox(
            "http://127.0.0.1:9", PATIENTS, desk=self.desk, open_fhir=self.open_fhir
        ).test_client()

    def wait(self, seconds: float) -> None:
        self.at[0] += seconds

    # --- a launch, step by step

    def launch(self, client: str = "signs", patient: str = SICK, **more: Any) -> str:
        return self.server.launches.make(client, self.desk.charts.context(patient, framed=True, **more))

    def query(self, client: str = "signs", **more: str | None) -> dict[str, str]:
        fields: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": CALLBACK,
            "scope": SCOPES,
            "state": "s" * 32,
            "aud": BASE,
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
            "nonce": "n1",
            **more,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def authorise(self, **query: Any) -> TestResponse:
        return self.http.get("/oauth/authorize", query_string=query)

    def code(self, client: str = "signs", patient: str = SICK, **more: Any) -> str:
        launch = self.launch(client, patient)
        return sent(self.authorise(**self.query(client, launch=launch, **more)))["code"]

    # --- the token endpoint

    def assertion(
        self, *, key: ECKey | RSAKey | None = None, header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        signing = key or ec_key()
        alg = "ES384" if isinstance(signing, ECKey) else "RS384"
        now = self.at[0]
        stated = {"iss": "signs", "sub": "signs", "aud": TOKEN_URL, "exp": int(now) + 240, "jti": f"j{next(_NUMBERS)}"}
        known = {key: value for key, value in (stated | claims).items() if value is not None}
        stated_header = {"alg": alg, "kid": signing.kid, "typ": "JWT", **(header or {})}
        whole = {key: value for key, value in stated_header.items() if value is not None}
        return jwt.encode(whole, known, signing, algorithms=[whole["alg"]])

    def proof(self, **claims: Any) -> dict[str, str]:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(**claims)}

    def redeem(self, code: str, /, **more: str) -> TestResponse:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.http.post("/oauth/token", data={**form, **self.proof(), **more})

    def tokens(self, **more: Any) -> dict[str, Any]:
        answered = self.redeem(self.code(**more))
        assert answered.status_code == 200, answered.json
        return dict(answered.json or {})

    def refresh(self, token: str, **more: str) -> TestResponse:
        return self.http.post(
            "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token, **self.proof(), **more}
        )

    # --- FHIR

    def get(self, path: str, token: str | None = None) -> TestResponse:
        return self.http.get(f"/fhir/{path}", headers=bearer(token))

    def post(self, path: str, body: object, token: str | None = None) -> TestResponse:
        return self.http.post(f"/fhir/{path}", json=body, headers=bearer(token))


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def sent(response: TestResponse) -> dict[str, str]:
    """What a redirect to the app carries."""
    assert response.status_code == 303, response.text
    place = urlsplit(response.headers["Location"])
    assert f"{place.scheme}://{place.netloc}{place.path}" == CALLBACK
    return {key: values[0] for key, values in parse_qs(place.query).items()}


def refused(response: TestResponse) -> tuple[int, str]:
    return response.status_code, (response.json or {})["error"]


def draft(kind: str = "ServiceRequest", patient: str = SICK, **more: Any) -> dict[str, Any]:
    what = {"code": {"text": "Lactate"}} if kind == "ServiceRequest" else {"medicationCodeableConcept": {"text": "x"}}
    about = {"subject": {"reference": f"Patient/{patient}"}}
    return {"resourceType": kind, "status": "draft", "intent": "proposal", **what, **about, **more}
