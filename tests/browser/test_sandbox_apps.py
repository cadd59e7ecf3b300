"""A SMART app beside the chart in a real browser: launched through redirects within its frame, and contained there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from cds_app.sandbox.desk import Desk
from cds_app.sandbox.server import create_sandbox, new_store, running
from cds_app.sandbox.smart.endpoints import SmartServer
from tests.browser.conftest import Watched
from tests.browser.looking import FITS, SICK, SMALL_TARGETS, violations
from tests.unit.sandbox.small_app import asking, small_app, small_client
from tests.unit.sandbox.stub_service import Stub, card, two_patients

pytestmark = pytest.mark.browser

WIDTHS = [{"viewport": {"width": width, "height": 800}} for width in (320, 1280, 1700)]


@pytest.fixture
def app_url() -> Iterator[str]:
    with running(small_app()) as url:
        yield url


@pytest.fixture
def ehr_with_app(stub: Stub, app_url: str) -> Iterator[str]:
    patients = two_patients()
    client = small_client(app_url)
    desk = Desk(stub.url, new_store(patients, patients[0].opens[4]), smart=SmartServer([client]))
    stub.cards = [
        card(1, "critical", "First", links=[{"label": "Open twin", "type": "smart", "url": client.launch_uri}])
    ]
    with running(create_sandbox(stub.url, patients, desk=desk)) as url:
        yield url


@pytest.mark.parametrize("context", WIDTHS, indirect=True, ids=lambda one: str(one["viewport"]["width"]))
def test_a_card_s_link_opens_the_app_beside_the_chart(ehr_with_app: str, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr_with_app}/patients/{SICK}")
    watched.page.get_by_role("link", name="Open twin").click()
    expect(watched.page.frame_locator("iframe").get_by_role("heading")).to_have_text("The app is open again")
    assert watched.page.evaluate(FITS)
    assert watched.page.evaluate(SMALL_TARGETS) == 0
    watched.assert_clean()  # before axe, which knocks at the frame of the other origin in vain, and says so
    assert violations(watched) == []


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True, ids=["without-javascript"])
def test_opening_and_closing_needs_no_script(ehr_with_app: str, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr_with_app}/patients/{SICK}")
    watched.page.get_by_role("link", name="Open Small app").click()
    expect(watched.page.frame_locator("iframe").get_by_role("heading")).to_have_text("The app is open again")
    watched.page.get_by_role("link", name="Close").click()
    expect(watched.page.locator("iframe")).to_have_count(0)


def test_what_went_wrong_is_read_in_the_frame(ehr_with_app: str, app_url: str, watched: Watched) -> None:
    """A launch that is answered by an error page of the EHR itself, within its own chart."""
    from playwright.sync_api import expect

    watched.page.route(
        f"{app_url}/launch*",
        lambda route: route.fulfill(
            status=302, headers={"Location": f"{ehr_with_app}/oauth/authorize?client_id=nobody&launch=x"}
        ),
    )
    watched.page.goto(f"{ehr_with_app}/patients/{SICK}?app=small")
    expect(watched.page.frame_locator("iframe").get_by_role("alert")).to_contain_text("no such app is registered")


@pytest.mark.parametrize("context", WIDTHS[:2], indirect=True, ids=lambda one: str(one["viewport"]["width"]))
def test_choosing_a_patient_for_an_app_is_accessible_and_leads_there(
    ehr_with_app: str, app_url: str, watched: Watched
) -> None:
    from playwright.sync_api import expect

    query = asking(app_url, f"{ehr_with_app}/fhir")
    watched.page.goto(f"{ehr_with_app}/oauth/authorize?{urlencode(query)}")
    assert violations(watched) == []
    assert watched.page.evaluate(FITS)
    watched.page.get_by_label("Synthetic-007, Gray").check()
    watched.page.get_by_role("button", name="Allow").click()
    expect(watched.page.get_by_role("heading")).to_have_text("The app is open for the first time")
    watched.assert_clean()
