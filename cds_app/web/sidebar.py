"""The sidebar's pages and forms. Every address belongs to one visit, and every visit to one patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from flask import Blueprint, Response, g, redirect, request
from flask.typing import ResponseReturnValue

from cds_app.cards.text import capital
from cds_app.cards.wire import wire_json
from cds_app.domain.visits import Visit
from cds_app.errors import BadRequest, NotFound, OtherPatient, SessionExpired, TwinlineError
from cds_app.ports import Clock
from cds_app.services.sidebar.deciding import Deciding, Done, Wanted
from cds_app.services.sidebar.frame import Asking, Frame, back_hours
from cds_app.services.sidebar.opening import Opening
from cds_app.services.sidebar.pages import Sidebar
from cds_app.services.sidebar.trials import Trials
from cds_app.services.smart.visits import Visits
from cds_app.services.what_if.dose import WISHED, Wish
from cds_app.services.what_if.insulin import INJECTED, Injected
from cds_app.services.what_if.operation import HIGH_RISK, OPIOID, PLANNED, Planned
from cds_app.web.browser import browser_of, check_form, form_token
from cds_app.web.forms import asked_of_query, hours_of, number_of, text_of_form, told_yes, whole_of
from cds_app.web.pages import as_page

_LOG = structlog.get_logger("twinline")
_FROM_OPTIONS: Final = frozenset({"sidebar.accept", "sidebar.override"})
_FOR_SCRIPTS: Final = frozenset({"sidebar.answer", "sidebar.effect", "sidebar.state"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bedside:
    """What the sidebar's routes hand their requests to.

    Parameters
    ----------
    own_origin : str
        Of this service, as browsers say it.
    registered : callable
        Origins of all EHRs that may embed pages.
    """

    visits: Visits
    opening: Opening
    frame: Frame
    sidebar: Sidebar
    trials: Trials
    deciding: Deciding
    clock: Clock
    own_origin: str
    registered: Callable[[datetime], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """One request of one visit."""

    visit: Visit
    browser: str
    desk: Bedside

    @property
    def root(self) -> str:
        return f"/sidebar/{self.visit.id}"

    def token(self) -> str:
        return self.desk.visits.token(self.browser, self.visit, self.desk.clock.now())

    def asking(self, *, back: bool = False) -> Asking:
        opened = self.desk.opening.refresh(self.visit, self.token)
        back_h = back_hours(request.args.get("back", "")) if back else 0.0
        return Asking(opened=opened, root=self.root, token=form_token(self.browser, self.visit.id), back_h=back_h)


def blueprint(desk: Bedside) -> Blueprint:
    """Pages to look at, forms that act, and the page that says why neither was possible."""
    routes = Blueprint("sidebar", __name__, url_prefix="/sidebar/<visit_id>")
    _looks(routes, desk)
    _tries(routes, desk)
    _acts(routes, desk)
    routes.register_error_handler(TwinlineError, lambda error: _problem(desk, error))
    routes.after_request(lambda response: as_page(response, g.get("frames", ())))
    return routes


def _looks(routes: Blueprint, desk: Bedside) -> None:
    """What is known, why it matters, what was decided."""
    pages = desk.sidebar

    @routes.get("")
    def first(visit_id: str) -> ResponseReturnValue:
        here = _here(desk, visit_id)
        return redirect(f"{here.root}/{pages.first(here.asking())}", code=303)

    @routes.get("/now")
    def now(visit_id: str) -> ResponseReturnValue:
        return pages.now(_here(desk, visit_id).asking(back=True))

    @routes.get("/trend")
    def trend(visit_id: str) -> ResponseReturnValue:
        asking = _here(desk, visit_id).asking(back=True)
        return pages.trend(asking, request.args.get("q", ""), hours_of(request.args.get("h", "")))

    @routes.get("/why")
    def why(visit_id: str) -> ResponseReturnValue:
        asking = _here(desk, visit_id).asking(back=True)
        return pages.why(asking, request.args.get("risk", ""), change="change" in request.args)

    @routes.get("/options")
    def options(visit_id: str) -> ResponseReturnValue:
        return pages.options(_here(desk, visit_id).asking(back=True), request.args.get("effect", ""))

    @routes.get("/effect")
    def effect(visit_id: str) -> ResponseReturnValue:
        here, asked = _here(desk, visit_id, used=False), asked_of_query("option")
        return Response(wire_json(pages.effect(here.asking(), asked["option"])), mimetype="application/json")

    @routes.get("/history")
    def history(visit_id: str) -> ResponseReturnValue:
        here = _here(desk, visit_id)
        return pages.history(here.asking(), here.token)

    @routes.get("/replay")
    def replay(visit_id: str) -> ResponseReturnValue:
        return pages.replay(_here(desk, visit_id).asking(), request.args.get("decision", ""))

    @routes.get("/about")
    def about(visit_id: str) -> ResponseReturnValue:
        return pages.about(_here(desk, visit_id).asking())

    @routes.get("/state")
    def state(visit_id: str) -> ResponseReturnValue:
        opened = _here(desk, visit_id, used=False).asking().opened
        return Response(wire_json({"digest": opened.record.basis}), mimetype="application/json")


def _tries(routes: Blueprint, desk: Bedside) -> None:
    """What a dose, an injection or an operation would do."""
    trials = desk.trials

    @routes.get("/what-if")
    def what_if(visit_id: str) -> ResponseReturnValue:
        here = _here(desk, visit_id)
        return trials.what_if(here.asking(), _wish())

    @routes.get("/what-if/answer")
    def answer(visit_id: str) -> ResponseReturnValue:
        here = _here(desk, visit_id)
        found = trials.what_if_changes(here.asking(), _wish())
        return Response(wire_json(found), mimetype="application/json")

    @routes.get("/operation")
    def operation(visit_id: str) -> ResponseReturnValue:
        here, asked = _here(desk, visit_id), asked_of_query(*PLANNED, OPIOID, HIGH_RISK)
        planned = {name: number_of(asked[name], name) for name in PLANNED}
        opioid, high_risk = (told_yes(asked[name], name) for name in (OPIOID, HIGH_RISK))
        return trials.operation(here.asking(), Planned.of(planned, opioid=opioid, high_risk=high_risk))

    @routes.get("/insulin")
    def insulin(visit_id: str) -> ResponseReturnValue:
        here, asked = _here(desk, visit_id), asked_of_query(*INJECTED)
        wish = {name: number_of(text, name) for name, text in asked.items()}
        return trials.insulin(here.asking(), Injected.of(wish))


def _acts(routes: Blueprint, desk: Bedside) -> None:
    deciding = desk.deciding

    @routes.post("/accept")
    def accept(visit_id: str) -> ResponseReturnValue:
        here = _acting(desk, visit_id)
        wanted = Wanted(topic=text_of_form("topic"), option=text_of_form("option"), digest=text_of_form("digest"))
        return _done(here, deciding.accept(here.visit, here.token, wanted), "Accepted")

    @routes.post("/override")
    def override(visit_id: str) -> ResponseReturnValue:
        here = _acting(desk, visit_id)
        wanted = Wanted(
            topic=text_of_form("topic"),
            digest=text_of_form("digest"),
            reason=text_of_form("reason", needed=False),
            comment=text_of_form("comment", needed=False).strip(),
        )
        return _done(here, deciding.override(here.visit, here.token, wanted), "Overridden")

    @routes.post("/undo")
    def undo(visit_id: str) -> ResponseReturnValue:
        here = _acting(desk, visit_id)
        return _done(here, deciding.undo(here.visit, here.token, text_of_form("decision")), "Taken back")

    @routes.post("/resume")
    def resume(visit_id: str) -> ResponseReturnValue:
        browser = browser_of(request)
        check_form(request, browser, visit_id, desk.own_origin)
        visit = desk.visits.resume(browser, visit_id, desk.clock.now())
        return redirect(f"/sidebar/{visit.id}/now", code=303)

    @routes.post("/leave")
    def leave(visit_id: str) -> ResponseReturnValue:
        here = _acting(desk, visit_id)
        desk.visits.close(here.browser, here.visit.id)
        return desk.frame.problem(SessionExpired.code, desk.frame.problems.say("left"))


def _here(desk: Bedside, visit_id: str, *, used: bool = True) -> _Here:
    """The visit of this request. A page that asks by itself does not keep the visit alive."""
    browser = browser_of(request)
    visit = desk.visits.open(browser, visit_id, desk.clock.now(), used=used)
    g.frames = visit.frames
    return _Here(visit=visit, browser=browser, desk=desk)


def _acting(desk: Bedside, visit_id: str) -> _Here:
    """The visit of a form, if a page of ours sent it: first whose patient is meant, then who asks."""
    here = _here(desk, visit_id)
    check_form(request, here.browser, visit_id, desk.own_origin)
    return here


def _done(here: _Here, done: Done, what: str) -> ResponseReturnValue:
    return here.desk.sidebar.done(here.asking(), done, what)


def _wish() -> Wish:
    asked = asked_of_query("drug", *WISHED)
    dose, interval, over, horizon = (number_of(asked[name], name) for name in ("dose", "interval", "over", "horizon"))
    return Wish(
        drug=asked["drug"],
        goal=asked["goal"] or None,
        amount_mg=dose,
        interval_h=interval,
        over_h=over,
        horizon_h=horizon,
        draws=whole_of(asked["draws"], "draws"),
    )


def _problem(desk: Bedside, error: TwinlineError) -> Response:
    """What went wrong, on a page that names no patient; for a script, as a problem document (RFC 9457)."""
    _LOG.warning("refused", code=error.code, status=error.status, field=error.field or "")
    g.frames = g.get("frames") or _ancestors(desk, error)
    response = _told(desk, error) if request.endpoint in _FOR_SCRIPTS else _page(desk, error)
    if error.status == 503:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _ancestors(desk: Bedside, error: TwinlineError) -> Sequence[str]:
    """Who may embed what is said of a visit that did not open.

    Of one that is over it is not known whose it was; the page has nothing to click on, so every EHR may.
    """
    if isinstance(error, OtherPatient):
        return error.frames
    if isinstance(error, SessionExpired):
        with suppress(TwinlineError):
            return desk.registered(desk.clock.now())
    return ()


def _told(desk: Bedside, error: TwinlineError) -> Response:
    words, code = desk.frame.problems, error.code
    about = {"type": f"urn:twinline:error:{code}", "title": words.say("title", code=code), "status": error.status}
    field = {"field": error.field} if error.field else {}
    told = {**about, "detail": words.say("text", code=code) or error.message, **field}
    return Response(wire_json(told), status=error.status, mimetype="application/problem+json")


def _page(desk: Bedside, error: TwinlineError) -> Response:
    visit_id = (request.view_args or {}).get("visit_id", "")
    where = f"{error.field}: " if isinstance(error, BadRequest) and error.field else ""
    said = f"{where}{error.message}" if where else capital(error.message)
    text = desk.frame.problems.say("text", code=error.code) or said
    resume = None
    if isinstance(error, OtherPatient):
        resume = {"action": f"/sidebar/{visit_id}/resume", "token": form_token(browser_of(request), visit_id)}
    lost = isinstance(error, SessionExpired | OtherPatient)
    back = "" if lost else f"/sidebar/{visit_id}/{_again(error)}"
    html = desk.frame.problem(error.code, text, back=back, resume=resume)
    return Response(html, status=error.status, mimetype="text/html")


def _again(error: TwinlineError) -> str:
    """The page on which to look again: the one whose form was sent, else the history or a glance."""
    if request.endpoint in _FROM_OPTIONS:
        return "options"
    return "history" if isinstance(error, NotFound) else "now"
