"""Fixtures of the integration tests."""

from tests.stores import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
