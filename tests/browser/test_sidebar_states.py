"""What the sidebar shows when something is not as it should be: each state said in words, on a page that holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cds_app.services.content.knowledge import Knowledge
from tests.browser.conftest import watched_page
from tests.browser.looking import assert_usable
from tests.browser.ward import SICK, WELL, Ward, ward_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser


@pytest.fixture
def ward(knowledge: Knowledge) -> Iterator[Ward]:
    with ward_of(knowledge) as made:
        yield made


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(service_workers="block")
    yield made
    made.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    with watched_page(context) as made:
        yield made


def says(watched: Watched, words: str, name: str) -> None:
    assert words in watched.page.inner_text("body")
    assert_usable(watched, f"state-{name}")
    assert watched.outside == []


def test_the_ehr_is_down(watched: Watched, ward: Ward) -> None:
    ward.line.cut.add("*")
    watched.page.goto(ward.launch(SICK))
    says(watched, "The EHR could not be asked", "down")
    watched.page.goto(watched.page.url.rpartition("/")[0] + "/options")
    assert watched.page.locator("button.main").count() == 0


def test_part_of_the_record_cannot_be_read(watched: Watched, ward: Ward) -> None:
    ward.line.cut.add("Condition")
    watched.page.goto(ward.launch(SICK))
    says(watched, "Part of the record could not be read", "partial")


def test_the_newest_measurement_is_old(watched: Watched, ward: Ward) -> None:
    ward.desk.store.step_to(ward.desk.store.now + timedelta(days=2))
    watched.page.goto(ward.launch(SICK))
    says(watched, "Old data", "stale")


def test_nothing_was_ever_measured(watched: Watched, ward: Ward) -> None:
    ward.line.blank.add("Observation")
    watched.page.goto(ward.launch(SICK))
    says(watched, "Nothing to go by yet", "empty")
    assert "could not be" not in watched.page.inner_text("#banners")


def test_the_visit_is_unknown(watched: Watched, ward: Ward) -> None:
    watched.page.goto(f"{ward.service}/sidebar/0123456789abcdef/now")
    says(watched, "This visit has ended", "expired")


def test_another_patient_was_opened(watched: Watched, ward: Ward, context: BrowserContext) -> None:
    watched.page.goto(ward.launch(SICK))
    with watched_page(context) as other:
        other.page.goto(ward.launch(WELL))
    watched.page.reload()
    says(watched, "Another patient was opened in the EHR", "other-patient")


def test_an_ehr_that_is_not_registered_cannot_launch(watched: Watched, ward: Ward) -> None:
    watched.page.goto(f"{ward.service}/smart/launch?iss=https://ehr.example/fhir&launch=x")
    says(watched, "Twinline", "no-access")
