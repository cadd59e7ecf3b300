"""One Medplum server per session, and a FHIR server on it for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_app.sandbox.demo import START
from cds_app.sandbox.people.patients import SyntheticPatient, cohort
from tests.interop.medplum import installed, serving


@pytest.fixture(scope="session")
def packages(pytestconfig: pytest.Config) -> Path:
    return installed(pytestconfig.cache.mkdir("interop"))


@pytest.fixture(scope="session")
def medplum(packages: Path) -> Iterator[str]:
    with serving(packages) as url:
        yield url


@pytest.fixture
def base(medplum: str) -> str:
    """An empty FHIR server."""
    return f"{medplum}/{uuid.uuid4().hex}/fhir/R4"


@pytest.fixture(scope="session")
def patients() -> tuple[SyntheticPatient, ...]:
    return cohort(7, START)
