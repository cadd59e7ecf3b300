"""Fixtures of the contract suites."""

from tests.stores import postgres_server, postgres_url, store
from tests.trust import cabinet, opener, register, seen, store_kind

__all__ = ["cabinet", "opener", "postgres_server", "postgres_url", "register", "seen", "store", "store_kind"]
