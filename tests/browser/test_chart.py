"""The chart in a real browser: accessible, contained, and usable from the keyboard alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.conftest import Watched
from tests.browser.looking import FITS, SICK, SMALL_TARGETS, open_everything, violations
from tests.unit.sandbox.stub_service import CARD, REASONS, SUGGESTION, Stub, card

pytestmark = pytest.mark.browser

WELL = "synthetic-007"
WIDTHS = [{"viewport": {"width": width, "height": 800}} for width in (320, 360, 480, 1280)]
OUTSIDE_SVG = """[...document.querySelectorAll("svg path, svg circle, svg rect")].filter((one) => {
  const outer = one.ownerSVGElement.getBoundingClientRect(), inner = one.getBoundingClientRect();
  return inner.left < outer.left - 1.5 || inner.right > outer.right + 1.5
    || inner.top < outer.top - 1.5 || inner.bottom > outer.bottom + 1.5;
}).length"""


@pytest.fixture
def cards(stub: Stub) -> Stub:
    detail = (
        "**Why now**\n\n- Lactate 3.9 mmol&#47;L (1.6, 6 h earlier)\n- Mean pressure 64 mmHg\n\n"
        "**Options to consider**\n\n- Consider measuring lactate again\n\nNot an order."
    )
    stub.cards = [
        card(
            2,
            "warning",
            "Acute kidney injury, stage 1: creatinine 1.6 mg/dL, up from 1.0",
            detail="**Why now**\n\n- Creatinine 1.6 mg&#47;dL (1.0, 12 h earlier)\n- Urine output falls",
        ),
        card(1, "critical", "Possible septic shock: 43 in 100 in the next 6 h (35-52)", patient=SICK, detail=detail),
        card(3, "info", "Not estimated: no lactate since 21:10", source={"label": "Stub"}),
    ]
    return stub


@pytest.mark.parametrize("context", WIDTHS, indirect=True, ids=lambda one: str(one["viewport"]["width"]))
def test_the_chart_with_cards_is_accessible_and_fits(ehr: str, cards: Stub, watched: Watched) -> None:
    watched.page.goto(f"{ehr}/patients/{SICK}")
    open_everything(watched)
    assert violations(watched) == []
    assert watched.page.evaluate(FITS)
    assert watched.page.evaluate(SMALL_TARGETS) == 0
    assert watched.page.locator("svg.spark").count() > 10
    assert watched.page.evaluate(OUTSIDE_SVG) == 0
    watched.assert_clean()


@pytest.mark.parametrize("context", [WIDTHS[0], WIDTHS[3]], indirect=True, ids=["320", "1280"])
@pytest.mark.parametrize("state", ["list", "empty", "failure", "missing"])
def test_every_other_state_is_accessible_and_fits(ehr: str, stub: Stub, watched: Watched, state: str) -> None:
    stub.fail = (412, "needed, neither sent nor to be had from the FHIR server") if state == "failure" else None
    path = {"list": "/", "missing": "/patients/nobody"}.get(state, f"/patients/{WELL}")
    watched.page.goto(ehr + path)
    assert violations(watched) == []
    assert watched.page.evaluate(FITS)
    if state != "missing":  # a 404 is an error in the console by nature
        watched.assert_clean()


def test_a_failure_interrupts_and_an_empty_answer_does_not(ehr: str, stub: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    stub.fail = (503, "the store does not answer")
    watched.page.goto(f"{ehr}/patients/{SICK}")
    expect(watched.page.get_by_role("alert").first).to_contain_text("HTTP 503")
    stub.fail = None
    watched.page.get_by_role("button", name="Open the chart again").click()
    expect(watched.page.get_by_text("No recommendations to display")).to_be_visible()
    expect(watched.page.get_by_role("alert")).to_have_count(0)


def test_a_suggestion_can_be_accepted_by_keyboard(ehr: str, cards: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr}/patients/{SICK}")
    watched.page.get_by_role("button", name="Accept: Consider measuring lactate").focus()
    watched.page.keyboard.press("Enter")
    expect(watched.page.get_by_role("status")).to_contain_text("Accepted: Consider measuring lactate")
    expect(watched.page.locator("li.draft")).to_contain_text("Lactate")
    assert [one["outcome"] for one in cards.feedback] == ["accepted"]
    assert cards.feedback[0]["acceptedSuggestions"] == [{"id": SUGGESTION.format(1)}]
    assert violations(watched) == []
    watched.assert_clean()


def test_a_card_can_be_overridden_by_keyboard(ehr: str, cards: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr}/patients/{SICK}")
    shown = watched.page.locator(f"#card-{CARD.format(1)}")
    keyboard = watched.page.keyboard
    shown.locator("summary").focus()
    keyboard.press("Enter")
    keyboard.press("Tab")
    keyboard.press("Space")
    keyboard.press("ArrowDown")
    keyboard.press("Tab")
    keyboard.type("Probe was off")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(shown.get_by_role("status")).to_contain_text("Overridden: The data behind it are wrong")
    assert cards.feedback[0]["outcome"] == "overridden"
    assert cards.feedback[0]["overrideReason"] == {"reason": REASONS[1], "userComment": "Probe was off"}
    watched.assert_clean()


def test_escape_closes_the_override_form(ehr: str, cards: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr}/patients/{SICK}")
    details = watched.page.locator("details.override").first
    details.locator("summary").click()
    details.locator("textarea").focus()
    watched.page.keyboard.press("Escape")
    expect(details).not_to_have_attribute("open", "")
    expect(details.locator("summary")).to_be_focused()


def test_stepping_the_clock_fires_again(ehr: str, cards: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr}/patients/{SICK}")
    before = len(cards.calls)
    watched.page.get_by_role("button", name="+1 h").click()
    expect(watched.page.locator(".now")).to_contain_text("03 Mar 2026 10:00")
    watched.page.get_by_role("button", name="To next event").click()
    expect(watched.page.locator(".now")).to_contain_text("03 Mar 2026 12:00")
    assert [one["hook"] for one in cards.calls[before:]] == ["patient-view", "patient-view"]


@pytest.mark.parametrize(
    "context",
    [{"java_script_enabled": False}, {"forced_colors": "active", "reduced_motion": "reduce"}],
    indirect=True,
    ids=["without-javascript", "forced-colours"],
)
def test_the_chart_works_without_script_and_in_forced_colours(ehr: str, cards: Stub, watched: Watched) -> None:
    from playwright.sync_api import expect

    watched.page.goto(f"{ehr}/patients/{SICK}")
    watched.page.locator(f"#card-{CARD.format(2)}").get_by_role("button", name="Dismiss").click()
    expect(watched.page.locator(f"#card-{CARD.format(2)}")).to_contain_text("Dismissed")
    assert len(cards.feedback) == 1


def test_hostile_text_in_a_card_stays_text(ehr: str, stub: Stub, watched: Watched) -> None:
    hostile = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) &lt;script&gt;alert(1)&lt;/script&gt;"
    stub.cards = [card(1, "critical", hostile, detail=f"**{hostile}**\n\n- {hostile}", source={"label": hostile})]
    watched.page.goto(f"{ehr}/patients/{SICK}")
    assert watched.page.locator("article img, article script, article a").count() == 0
    watched.assert_clean()


@pytest.mark.skipif("TWINLINE_SCREENSHOT" not in os.environ, reason="TWINLINE_SCREENSHOT names no file to write")
@pytest.mark.parametrize("context", [{"viewport": {"width": 1280, "height": 900}}], indirect=True, ids=["1280"])
def test_a_screenshot_of_a_chart_with_a_card(ehr: str, cards: Stub, watched: Watched) -> None:
    target = Path(os.environ["TWINLINE_SCREENSHOT"])
    watched.page.goto(f"{ehr}/patients/{SICK}")
    watched.page.screenshot(path=str(target))
    assert target.read_bytes().startswith(b"\x89PNG")
