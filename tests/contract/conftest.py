"""Fixtures of the contract suites."""

from tests.stores import postgres_server, postgres_url, store
from tests.trust import opener, register, seen, store_kind

__all__ = ["opener", "postgres_server", "postgres_url", "register", "seen", "store", "store_kind"]
