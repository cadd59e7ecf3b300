"""Fixtures of the integration tests."""

from tests.authorisation import ehr, keyed, launcher, made_keys, settings
from tests.broker import broker
from tests.fhir_server import serve
from tests.stores import postgres_server, postgres_url

__all__ = [
    "broker",
    "ehr",
    "keyed",
    "launcher",
    "made_keys",
    "postgres_server",
    "postgres_url",
    "serve",
    "settings",
]
