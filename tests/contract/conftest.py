"""Fixtures of the contract suites."""

from tests.stores import postgres_server, postgres_url, store

__all__ = ["postgres_server", "postgres_url", "store"]
