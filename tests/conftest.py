"""Fixtures that many kinds of tests share: the content once per session, an app over memory, a frozen clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask.testing import FlaskClient
from hypothesis import settings

from cds_app.bootstrap import app_of
from cds_app.deps import Deps, knowledge_of, memory_deps
from cds_app.services.content.knowledge import Knowledge
from cds_app.settings import Settings

# A commit passes or fails by itself: `make test` draws the same examples every time, `make fuzz` draws new ones.
settings.register_profile("tests", derandomize=not os.environ.get("TWINLINE_TEST_FUZZ"), database=None, deadline=None)
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes runs where it is asked for."""
    for kind in ("soak", "fuzz"):
        if not os.environ.get(f"TWINLINE_TEST_{kind.upper()}"):
            for one in items:
                if one.get_closest_marker(kind):
                    one.add_marker(pytest.mark.skip(reason=f"takes minutes: make {kind}"))


MRN, APP = "urn:oid:1.2.36.146.595.217.0.1", "urn:app:users"
"""Systems of the identifiers by which sources name people."""
FROZEN = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=10, minutes=30))).astimezone(UTC)


@dataclass(slots=True)
class FrozenClock:
    """A clock that stands until it is moved."""

    at: datetime = field(default=FROZEN)

    def now(self) -> datetime:
        """Aware, UTC."""
        return self.at

    def forward(self, **step: float) -> None:
        """Move it on."""
        self.at += timedelta(**step)


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """All content, loaded as the service loads it."""
    return knowledge_of(Settings())


@pytest.fixture
def clock() -> FrozenClock:
    """A frozen clock, off UTC midnight."""
    return FrozenClock()


@pytest.fixture
def deps(knowledge: Knowledge, clock: FrozenClock) -> Deps:
    """Everything in memory."""
    made = memory_deps(knowledge, Settings(open_to_this_machine=True, identifier_systems=(MRN, APP)))
    return Deps(settings=made.settings, knowledge=knowledge, store=made.store, clock=clock, fhir=made.fhir)


@pytest.fixture
def client(deps: Deps) -> Iterator[FlaskClient]:
    """A client of the app over memory."""
    with app_of(deps).test_client() as made:
        yield made
