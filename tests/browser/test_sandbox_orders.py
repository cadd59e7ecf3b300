"""Ordering in a real browser: accessible, contained, and without script."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Watched
from tests.browser.looking import FITS, SICK, SMALL_TARGETS, open_everything, violations
from tests.unit.sandbox.stub_service import CARD, Stub

pytestmark = pytest.mark.browser

WIDTHS = [{"viewport": {"width": width, "height": 800}} for width in (320, 1280)]


def order(watched: Watched, drug: str) -> None:
    watched.page.get_by_label("Medicine", exact=True).select_option(drug)
    watched.page.get_by_role("button", name="Add to unsigned orders").click()


@pytest.mark.parametrize("context", WIDTHS, indirect=True, ids=lambda one: str(one["viewport"]["width"]))
def test_a_held_order_is_accessible_and_fits(ehr: str, watched: Watched) -> None:
    watched.page.goto(f"{ehr}/patients/{SICK}")
    order(watched, "amoxicillin")
    watched.page.get_by_role("button", name="Sign", exact=True).click()
    watched.page.get_by_text("Not signed.").wait_for()
    open_everything(watched)
    assert violations(watched) == []
    assert watched.page.evaluate(FITS)
    assert watched.page.evaluate(SMALL_TARGETS) == 0
    watched.assert_clean()


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True, ids=["without-javascript"])
def test_an_order_is_written_read_about_and_signed_without_script(ehr: str, stub: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr}/patients/{SICK}")
    watched.page.get_by_label("Dose, if not as listed").fill("25 mg by mouth once")
    order(watched, "spironolactone")
    watched.page.get_by_role("button", name="Sign", exact=True).click()
    watched.page.get_by_role("link", name="Read what decision support says").click()
    card = watched.page.locator(f"#card-{CARD.format(5)}")
    expect(card).to_contain_text("Draft order: does not suit")
    card.locator("summary").click()
    card.get_by_label("The data behind it are wrong").check()
    card.get_by_role("button", name="Override", exact=True).click()
    expect(card.get_by_role("status")).to_contain_text("Overridden")
    watched.page.get_by_role("button", name="Sign", exact=True).click()
    medicines = watched.page.get_by_role("region", name="Medicines")
    expect(medicines.get_by_text("spironolactone, 25 mg by mouth once")).to_contain_text("active")
    assert [one["hook"] for one in stub.calls if "order" in one["hook"]] == ["order-select", "order-sign"]
