"""The sidebar over HTTP: whose page it is, who may see it, and what forms have to prove."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_app.bootstrap import app_of, smart_of
from cds_app.content import content_root
from cds_app.deps import Deps
from cds_app.domain.visits import Visit
from cds_app.errors import TwinlineError
from cds_app.services.smart.drawers import Drawer, new_secret
from cds_app.services.smart.issuers import Issuers, new_issuer
from cds_app.services.smart.visits import Held
from cds_app.web.browser import COOKIE, FIELD, form_token
from tests.bedside import BASE, Chart, resources
from tests.conformance.openapi import breaches
from tests.conftest import FROZEN, FrozenClock
from tests.patients import observation, septic

EHR = "https://ehr.hospital.example"


@dataclass(slots=True)
class Page:
    """A browser with one visit."""

    client: FlaskClient
    deps: Deps
    chart: Chart
    browser: str
    visit: Visit
    origin: str

    def get(self, path: str, **how: object) -> TestResponse:
        return self.client.get(f"/sidebar/{self.visit.id}/{path}", **how)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> TestResponse:
        sent = {FIELD: form_token(self.browser, self.visit.id), **fields}
        return self.client.post(
            f"/sidebar/{self.visit.id}/{path}", data=sent, headers={"Origin": self.origin, **headers}
        )

    def launch(self, patient: str, visit_id: str) -> Visit:
        """Another launch in the same browser."""
        visit = Visit(
            id=visit_id,
            issuer=BASE,
            realm=BASE,
            patient=patient,
            user="Practitioner/7",
            scopes=frozenset({"patient/*.cruds"}),
            frames=(EHR,),
            began=self.deps.clock.now(),
        )
        smart = smart_of(self.deps)
        now = self.deps.clock.now()
        held = Held(visit=visit, access="at", expires=now + timedelta(hours=1), seen=now)
        smart.visits.begin(Drawer(self.deps.ehrs.cabinet, self.browser), held, now)
        return visit

    def option(self) -> dict[str, str]:
        """The fields of the first form that accepts a draft."""
        html = self.get("options").text
        form = re.search(r'action="[^"]*/accept">(.*?)</form>', html, re.S)
        assert form is not None
        return dict(re.findall(r'name="(digest|topic|option)" value="([^"]*)"', form[1]))


@pytest.fixture
def page(deps: Deps) -> Iterator[Page]:
    chart = Chart(resources(septic(FROZEN)))
    deps = replace(deps, fhir=chart, drafts=chart)
    frames = [EHR]
    issuer = new_issuer(name="ehr", iss=BASE, client_id="twinline", frames=frames)
    Issuers(deps.ehrs.cabinet).add(issuer, FROZEN)
    browser = new_secret()
    with app_of(deps).test_client() as client:
        client.set_cookie(COOKIE, browser, domain="localhost", secure=False)
        made = Page(client, deps, chart, browser, None, smart_of(deps).origin)  # type: ignore[arg-type]
        made.visit = made.launch("p1", "visit-one")
        yield made


PAGES = ("now", "trend", "why", "options", "history", "about")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_kept_by_nobody_and_framed_by_its_ehr_alone(page: Page, name: str) -> None:
    answer = page.get(name)
    assert answer.status_code == 200, answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-ancestors {EHR}" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Frame-Options" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_style_and_script_are_served_from_here(page: Page) -> None:
    kinds = {"sidebar.css": "text/css", "sidebar.js": "text/javascript", "twinline.svg": "image/svg+xml"}
    for name, kind in kinds.items():
        answer = page.client.get(f"/static/{name}")
        assert (answer.status_code, answer.mimetype) == (200, kind)
    assert page.client.get("/static/other.css").status_code == 404
    assert len(page.client.get("/static/sidebar.js").data) <= 15_000


@pytest.mark.parametrize("path", ["/sidebar/unknown/now", "/sidebar/visit-one/now"])
def test_nobody_else_sees_the_page(page: Page, path: str) -> None:
    if path == "/sidebar/visit-one/now":
        page.client.set_cookie(COOKIE, new_secret(), domain="localhost")
    answer = page.client.get(path)
    assert answer.status_code == 401
    assert "p1" not in answer.text
    assert not re.search(
        "<form|<button|<a ", answer.text.partition("<main")[2]
    )  # others may embed it: nothing to click
    assert answer.headers["Content-Security-Policy"].endswith(f"frame-ancestors {EHR}")


def test_without_a_cookie_nothing_is_shown(page: Page) -> None:
    page.client.delete_cookie(COOKIE, domain="localhost")
    assert page.get("now").status_code == 401


def test_an_accepted_option_becomes_a_draft(page: Page) -> None:
    answer = page.post("accept", page.option())
    assert answer.status_code == 200, answer.text
    assert "Accepted" in answer.text
    assert [one["resourceType"] for one, _ in page.chart.created][1:] == ["Task", "Provenance"]


def test_an_override_without_a_reason_is_refused_by_name(page: Page) -> None:
    fields = page.option()
    answer = page.post("override", {"topic": fields["topic"], "digest": fields["digest"]})
    assert answer.status_code == 400
    assert "reason: choose one of the reasons" in answer.text


def test_a_changed_record_is_a_conflict_and_does_nothing(page: Page) -> None:
    fields = page.option()
    page.chart.resources.append(observation("lactate", 1.0, FROZEN - timedelta(minutes=2)))
    answer = page.post("accept", fields)
    assert answer.status_code == 409
    assert "The record has changed" in answer.text
    assert "<p>The record has changed since the page was made. Nothing was decided.</p>" in answer.text
    assert f'href="/sidebar/{page.visit.id}/options">Look again<' in answer.text
    assert page.chart.created == []


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"Origin": "https://evil.example"}, {}),
        ({"Origin": "null"}, {}),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {}),
        ({}, {FIELD: "0" * 64}),
        ({}, {FIELD: ""}),
    ],
)
def test_a_form_of_somebody_else_is_refused(page: Page, headers: dict[str, str], fields: dict[str, str]) -> None:
    answer = page.post("accept", {**page.option(), **fields}, **headers)
    assert answer.status_code == 403
    assert page.chart.created == []


def test_browsers_that_hide_the_origin_of_our_own_form_are_believed(page: Page) -> None:
    answer = page.post("accept", page.option(), Origin="null", **{"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200


def test_after_a_switch_of_patient_the_old_page_shows_and_does_nothing(page: Page) -> None:
    fields = page.option()
    page.launch("p2", "visit-two")
    for answer in (page.get("now"), page.post("accept", fields), page.get("state")):
        assert answer.status_code == 409
        assert "Another patient was opened in the EHR" in answer.text
        assert "p2" not in answer.text
    assert page.chart.created == []


def test_the_user_may_go_on_with_the_patient_of_the_page(page: Page) -> None:
    page.launch("p2", "visit-two")
    answer = page.post("resume", {})
    assert answer.status_code == 303
    assert page.get("now").status_code == 200


def test_a_visit_ends_when_it_is_left_or_forgotten(page: Page, clock: FrozenClock) -> None:
    clock.forward(minutes=14)
    assert page.get("now").status_code == 200
    clock.forward(minutes=14)
    assert page.get("state").status_code == 200  # the page asks by itself: that is no use
    clock.forward(minutes=2)
    answer = page.get("now")
    assert answer.status_code == 401
    assert "This visit has ended" in answer.text


def test_leaving_ends_the_visit(page: Page) -> None:
    assert page.post("leave", {}).status_code == 200
    assert page.get("now").status_code == 401


def test_the_state_tells_whether_the_record_has_changed(page: Page, clock: FrozenClock) -> None:
    before = page.get("state").get_json()["digest"]
    assert f'data-digest="{before}"' in page.get("now").text
    page.chart.resources.append(observation("lactate", 1.0, FROZEN - timedelta(minutes=2)))
    clock.forward(minutes=1)
    assert page.get("state").get_json()["digest"] != before


@pytest.mark.parametrize(
    "query", ["trend?h=25", "trend?h=x", "trend?q=nothing", "why?risk=nothing", "now?back=-1", "now?back=x"]
)
def test_what_cannot_be_asked_is_said_by_field(page: Page, query: str) -> None:
    answer = page.get(query)
    assert answer.status_code == 400
    assert query.partition("?")[2].partition("=")[0] + ":" in answer.text


@pytest.mark.parametrize("path", ["what-if", "what-if/answer", "operation", "insulin", "effect"])
def test_a_simulation_leaves_nothing_of_a_question_aside(page: Page, path: str) -> None:
    for query, field in (("seed=7", "seed"), ("back=6", "back"), ("Jane+Doe=1", "query"), (f"{'x' * 41}=1", "query")):
        answer = page.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert f"{field}: is no field of this page, which takes " in told(answer)
        assert "Doe" not in answer.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("what-if?dose=500&dose=750", "dose: may come once"),
        ("what-if?drug=vancomycin&draws=100.5", "draws: must be a whole number"),
        ("what-if?horizon=1e6", "horizon: must be a number below a million"),
        ("what-if/answer?draws=1e9", "draws: must be a number below a million"),
        ("what-if/answer?drug=warfarin&over=2", "over: is of infusions only: this drug is swallowed"),
        ("operation?opioid=perhaps", "opioid: must be yes, or left out"),
    ],
)
def test_what_a_simulation_cannot_be_asked_is_said_by_field(page: Page, query: str, said: str) -> None:
    answer = page.get(query)
    assert answer.status_code == 400
    assert said in told(answer)


def test_who_comes_while_others_simulate_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("cds_app.services.what_if.simulators.INSIDE", 0)
    page: Page = request.getfixturevalue("page")
    answer = page.get("what-if?drug=vancomycin")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Other simulations are running: try again in a moment" in answer.text
    assert "Twinline cannot do this now" in answer.text


def told(answer: TestResponse) -> str:
    """What was wrong: of a page, or of the problem document that a script gets."""
    if answer.mimetype != "application/problem+json":
        return answer.text
    problem = answer.get_json()
    assert not breaches("Problem", problem)
    assert problem["status"] == answer.status_code
    return f"{problem['field']}: {problem['detail']}"


def test_a_script_is_told_of_a_visit_that_has_ended_by_a_problem_document(page: Page) -> None:
    assert page.post("leave", {}).status_code == 200
    for path in ("state", "effect?option=x", "what-if/answer"):
        answer = page.get(path)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
        assert answer.get_json()["type"] == "urn:twinline:error:session-expired"


def test_what_went_wrong_has_a_title_and_says_what_to_do(page: Page) -> None:
    page.launch("p2", "visit-two")
    assert '<h1 id="problem">Another patient was opened in the EHR</h1>' in page.post("accept", {}).text
    told = page.get("state").get_json()
    assert told["title"] == "Another patient was opened in the EHR"
    assert told["detail"] == "This page belongs to the patient who was opened before. Nothing was done."


def test_who_leaves_is_told_how_to_go_on(page: Page) -> None:
    left = page.post("leave", {}).text
    assert '<h1 id="problem">This visit has ended</h1>' in left
    assert "<p>Launch Twinline again from the EHR to go on.</p>" in left


def test_only_problems_that_there_are_have_words() -> None:
    words = (content_root() / "templates" / "sidebar" / "problems.j2").read_text("utf-8")
    named = set(re.findall(r'code == "([^"]+)"', words))
    kinds, codes = [TwinlineError], set()
    while kinds:
        kind = kinds.pop()
        codes.add(kind.code)
        kinds.extend(kind.__subclasses__())
    assert {"session-expired", "other-patient", "forbidden"} <= named <= codes


def test_a_look_back_leads_only_to_pages_that_can_look_back(page: Page) -> None:
    html = page.get("now?back=1").text
    assert f'/sidebar/{page.visit.id}/trend?back=1"' in html
    for name in ("what-if", "history", "about"):
        assert f'/sidebar/{page.visit.id}/{name}"' in html


def test_the_root_leads_to_the_first_page(page: Page) -> None:
    answer = page.client.get(f"/sidebar/{page.visit.id}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/sidebar/{page.visit.id}/now")
