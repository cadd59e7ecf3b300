"""The sandbox's pages: list of patients, chart with cards, clock, and what clinicians do with cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, Response, json, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from cds_app.errors import BadRequest, NotFound
from cds_app.sandbox import drafts
from cds_app.sandbox.addresses import base_url
from cds_app.sandbox.apps import OpenApp, app_named, app_of_link, launch
from cds_app.sandbox.cardview import CardView, Openings, card_view
from cds_app.sandbox.chart import chart, order_of
from cds_app.sandbox.desk import COMMENT_LIMIT, Desk
from cds_app.sandbox.forms import same_origin
from cds_app.sandbox.markdown import to_html
from cds_app.sandbox.people.formulary import DOSE_LIMIT, FORMULARY, Wish
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.sandbox.people.resources import instant
from cds_app.sandbox.people.staff import PRACTITIONERS
from cds_app.sandbox.people.stories import Expected
from cds_app.sandbox.policy import may_frame
from cds_app.sandbox.records.search import interval
from cds_app.sandbox.screen import Shown
from cds_app.sandbox.trends import HEIGHT, WIDTH

_MAX_STEP_H = 24 * 14


def blueprint(desk: Desk, patients: Sequence[SyntheticPatient]) -> Blueprint:
    """Pages over one desk."""
    routes = Blueprint("pages", __name__)
    listed = {one.id: one for one in patients}
    routes.before_request(same_origin)
    routes.app_template_filter("markdown")(to_html)
    routes.app_template_filter("clock")(_clock)

    @routes.get("/favicon.ico")
    def icon() -> ResponseReturnValue:
        return Response(status=204)

    @routes.get("/")
    def index() -> ResponseReturnValue:
        charts = [(chart(desk.store, one.id), one) for one in patients]
        begin = _begin(patients, desk.store.now)
        return render_template(
            "sandbox/index.html",
            **{"charts": charts, "now": desk.store.now, "staff": PRACTITIONERS, "person": desk.seat.person},
            begin=begin,
        )

    @routes.post("/sandbox/user")
    def sign_in() -> ResponseReturnValue:
        desk.seat.take(request.form.get("practitioner", ""))
        return redirect(url_for("pages.index"), 303)

    @routes.get("/patients/<patient_id>")
    def open_chart(patient_id: str) -> ResponseReturnValue:
        patient = _listed(listed, patient_id)
        page = _chart_page(desk, patient)
        app = _opened(desk, patient.id)
        if app is not None:
            may_frame(app.url)
        return render_template("sandbox/chart.html", **page, app=app)

    @routes.post("/patients/<patient_id>/reopen")
    def reopen(patient_id: str) -> ResponseReturnValue:
        desk.reopen(_listed(listed, patient_id).id, base_url())
        return _to_chart(patient_id)

    _route_cards(routes, desk)
    _route_orders(routes, desk, listed)
    _route_drafts(routes, desk, listed)
    _route_clock(routes, desk, frozenset(listed))
    return routes


def _route_cards(routes: Blueprint, desk: Desk) -> None:
    """What a clinician does with a card."""

    @routes.post("/patients/<patient_id>/cards/<key>/accept")
    def accept(patient_id: str, key: str) -> ResponseReturnValue:
        desk.accept(patient_id, key, request.form.get("suggestion", ""))
        return _to_chart(patient_id, f"card-{key}")

    @routes.post("/patients/<patient_id>/cards/<key>/override")
    def override(patient_id: str, key: str) -> ResponseReturnValue:
        reason = request.form.get("reason", "")
        if not reason:
            raise BadRequest("choose a reason, or dismiss the card without one", field="reason")
        desk.override(patient_id, key, reason, request.form.get("comment", ""))
        return _to_chart(patient_id, f"card-{key}")

    @routes.post("/patients/<patient_id>/cards/<key>/dismiss")
    def dismiss(patient_id: str, key: str) -> ResponseReturnValue:
        desk.override(patient_id, key)
        return _to_chart(patient_id, f"card-{key}")


def _route_orders(routes: Blueprint, desk: Desk, listed: Mapping[str, SyntheticPatient]) -> None:
    """Choosing drugs, taking them back, signing."""

    @routes.post("/patients/<patient_id>/orders")
    def choose(patient_id: str) -> ResponseReturnValue:
        wish = Wish(drug=request.form.get("drug", ""), dose=request.form.get("dose", ""))
        desk.orders.choose(_listed(listed, patient_id).id, wish, base_url())
        return _to_chart(patient_id, "ordering")

    @routes.post("/patients/<patient_id>/orders/<name>/withdraw")
    def withdraw(patient_id: str, name: str) -> ResponseReturnValue:
        desk.orders.withdraw(_listed(listed, patient_id).id, name, with_cards=True)
        return _to_chart(patient_id, "ordering")

    @routes.post("/patients/<patient_id>/orders/sign")
    def sign(patient_id: str) -> ResponseReturnValue:
        patient = _listed(listed, patient_id)
        if request.form.get("checked"):
            desk.orders.sign_held(patient.id)
        else:
            desk.orders.sign(patient.id, base_url())
        return _to_chart(patient_id, "ordering")


def _route_drafts(routes: Blueprint, desk: Desk, listed: Mapping[str, SyntheticPatient]) -> None:
    """What becomes of drafts in the chart, and apps in a window of their own."""

    @routes.post("/patients/<patient_id>/drafts/<kind>/<name>/approve")
    def approve_draft(patient_id: str, kind: str, name: str) -> ResponseReturnValue:
        draft = drafts.draft_in_chart(desk.store, _listed(listed, patient_id).id, kind, name)
        if kind != "MedicationRequest":
            drafts.approve(desk.store, draft)
            return _to_chart(patient_id, "drafts-title")
        desk.orders.adopt(patient_id, draft, base_url())  # medicines are checked and signed
        return _to_chart(patient_id, "ordering")

    @routes.post("/patients/<patient_id>/drafts/<kind>/<name>/discard")
    def discard_draft(patient_id: str, kind: str, name: str) -> ResponseReturnValue:
        draft = drafts.draft_in_chart(desk.store, _listed(listed, patient_id).id, kind, name)
        if any(one["id"] == name for one in desk.orders.pad(patient_id).drafts):
            desk.orders.withdraw(patient_id, name, with_cards=True)
        drafts.discard(desk.store, draft)
        return _to_chart(patient_id, "drafts-title")

    @routes.get("/patients/<patient_id>/apps/<name>")
    def open_alone(patient_id: str, name: str) -> ResponseReturnValue:
        app = app_named(desk.smart, name)
        return redirect(launch(desk.smart, desk.charts, app, _listed(listed, patient_id).id, base_url()).url, 303)


def _route_clock(routes: Blueprint, desk: Desk, listed: Set[str]) -> None:
    """The simulated time."""

    @routes.post("/sandbox/clock")
    def clock() -> ResponseReturnValue:
        said = _said()
        desk.store.step_to(_target(said, desk.store.now))
        if request.is_json:
            return Response(json.dumps({"now": instant(desk.store.now)}), mimetype="application/json")
        patient_id = str(said.get("patient", ""))
        return _to_chart(patient_id) if patient_id in listed else redirect(url_for("pages.index"), 303)


def _begin(patients: Sequence[SyntheticPatient], now: datetime) -> Mapping[str, str] | None:
    """Where somebody who sees this for the first time clicks; None once the first case has begun to unfold."""
    first = next((one for one in patients if one.expected is Expected.CARD), None)
    if first is None or len(first.opens) < 2 or now >= first.opens[1]:
        return None
    return {"id": first.id, "given": first.given, "to": instant(first.opens[1])}


def _chart_page(desk: Desk, patient: SyntheticPatient) -> dict[str, Any]:
    visit = desk.visit(patient.id, base_url())
    pad = desk.orders.pad(patient.id)
    unsigned = {one["id"] for one in pad.drafts}
    coming = [at for at in patient.opens if at > desk.store.now]
    return {
        "chart": chart(desk.store, patient.id),
        "patient": patient,
        "now": desk.store.now,
        "failures": (*(pad.review.failures if pad.review else ()), *visit.failures),
        "cards": _cards(desk, patient.id, visit.cards),
        "order_cards": _cards(desk, patient.id, desk.orders.cards(patient.id)),
        "drafts": [one for one in drafts.waiting(desk.store, patient.id) if one.id not in unsigned],
        "apps": desk.smart.clients.launchable(),
        "pad": pad,
        "unsigned": [(one["id"], order_of(one)) for one in pad.drafts],
        "formulary": FORMULARY,
        "dose_limit": DOSE_LIMIT,
        "coming": [(instant(at), at) for at in coming],
        "comment_limit": COMMENT_LIMIT,
        "box": (WIDTH, HEIGHT),
    }


def _opened(desk: Desk, patient_id: str) -> OpenApp | None:
    """The app that the address of the page asks for, opened with what the card that led here says."""
    if "app" not in request.args:
        return None
    app = app_named(desk.smart, request.args["app"])
    link = desk.link(patient_id, request.args["card"], request.args.get("link", "")) if "card" in request.args else {}
    if link and app_of_link(desk.smart, link) != app:
        raise BadRequest("the link of the card opens another app", field="app")
    said = str(link.get("appContext") or "")
    return launch(desk.smart, desk.charts, app, patient_id, base_url(), framed=True, app_context=said)


def _openings(desk: Desk, patient_id: str, key: str) -> Openings:
    """Where the links of a card open apps: in this chart."""

    def opening(link: Mapping[str, Any], at: int) -> str:
        app = app_of_link(desk.smart, link)
        if app is None:
            return ""
        return url_for("pages.open_chart", patient_id=patient_id, app=app.id, card=key, link=at, _anchor="app")

    return opening


def _cards(desk: Desk, patient_id: str, shown: Iterable[Shown]) -> list[CardView]:
    return [card_view(one, desk.outcomes(patient_id, one.key), _openings(desk, patient_id, one.key)) for one in shown]


def _listed(listed: Mapping[str, SyntheticPatient], patient_id: str) -> SyntheticPatient:
    if patient_id not in listed:
        raise NotFound("no such patient")
    return listed[patient_id]


def _to_chart(patient_id: str, anchor: str | None = None) -> ResponseReturnValue:
    chart_url = url_for("pages.open_chart", patient_id=patient_id, app=_app_beside(patient_id), _anchor=anchor)
    return redirect(chart_url, 303)


def _app_beside(patient_id: str) -> str | None:
    """The app that stood beside the chart from which a form came: it is launched anew, without what its card said."""
    came = urlsplit(request.referrer or "")
    if came.netloc != request.host or came.path != url_for("pages.open_chart", patient_id=patient_id):
        return None
    return next(iter(parse_qs(came.query).get("app", ())), None)


def _said() -> Mapping[str, Any]:
    """The fields of a form or of a JSON object."""
    if not request.is_json:
        return request.form
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadRequest("must be a JSON object", field="body")
    return body


def _target(said: Mapping[str, Any], now: datetime) -> datetime:
    if said.get("to"):
        return interval(str(said["to"]), field="to")[0]
    try:
        hours = float(said.get("hours", ""))
    except (TypeError, ValueError) as error:
        raise BadRequest("say either hours or to", field="hours") from error
    if not 0 < hours <= _MAX_STEP_H:
        raise BadRequest(f"more than 0 and at most {_MAX_STEP_H}", field="hours")
    return now + timedelta(hours=hours)


def _clock(at: datetime) -> str:
    return f"{at:%d %b %Y %H:%M}"
