"""The demo without a browser: every chart opened in time order over real HTTP, every card printed as it is read."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any, Final, TextIO

import requests

from cds_app.sandbox import visitor
from cds_app.sandbox.apps import app_of_link, launch
from cds_app.sandbox.chart import order_of
from cds_app.sandbox.desk import Desk
from cds_app.sandbox.markdown import to_plain
from cds_app.sandbox.people.formulary import Wish
from cds_app.sandbox.people.patients import SyntheticPatient
from cds_app.sandbox.people.stories import Expected
from cds_app.sandbox.screen import Shown, Visit
from cds_app.sandbox.server import create_sandbox, new_store, running
from cds_app.sandbox.signing import Signer
from cds_app.sandbox.smart.clients import twinline
from cds_app.sandbox.smart.endpoints import SmartServer

_WIDTH: Final = 100
_INDENT: Final = "    "
_LOUD: Final = ("warning", "critical")
_EXPLANATION: Final = "com.twinline.explanation"


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What the walk has seen so far."""

    took_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    tiers: Counter[str] = field(default_factory=Counter)
    cards: dict[str, list[str]] = field(default_factory=dict)
    accepted: bool = False
    overridden: bool = False
    opened: bool = False

    def note(self, patient: SyntheticPatient, visit: Visit) -> None:
        """Count one opening of a chart."""
        self.took_ms.extend(one.took_ms for one in visit.calls if one.failure is None)
        self.failures.extend(f"{patient.id}: {one}" for one in visit.failures)
        tiers = [_tier(one) for one in visit.cards]
        self.tiers.update(tiers)
        self.cards.setdefault(patient.id, []).extend(tiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    desk: Desk
    base: str
    out: TextIO
    tally: _Tally = field(default_factory=_Tally)

    def say(self, text: str = "", indent: str = "") -> None:
        """Print text, wrapped, its lines kept."""
        for line in text.splitlines() or [""]:
            hanging = indent + ("  " if line.startswith("- ") else "")
            wrapped = textwrap.wrap(line, _WIDTH, initial_indent=indent, subsequent_indent=hanging)
            print("\n".join(wrapped), file=self.out)


def run_once(
    service_url: str,
    cohort: Sequence[SyntheticPatient],
    out: TextIO,
    signer: Signer | None = None,
    *,
    port: int = 0,
    smart: SmartServer | None = None,
) -> int:
    """Open every chart at each of its times and print what comes.

    Parameters
    ----------
    service_url : str
        Base URL of the CDS service, on loopback.
    cohort : sequence of SyntheticPatient
    out : TextIO
        Where to print.
    signer : Signer, optional
        Signs every call to the service.
    port : int
        Where the EHR is; 0 takes a free port. An app that knows the EHR by its FHIR base needs the very one.
    smart : SmartServer, optional
        With the apps that there are; by default with the service's own.

    Returns
    -------
    int
        0 when every call was answered with 200, feedback was honoured, quiet patients had no warning and no critical
        card, every deteriorating one had a card, no order that does not suit was signed without one, and the app that
        a card links to opened; else 1.
    """
    store = new_store(cohort)
    desk = Desk(service_url, store, signer, smart or SmartServer([twinline(service_url)]))
    with running(create_sandbox(service_url, cohort, desk=desk), port) as ehr:
        walk = _Walk(desk=desk, base=f"{ehr}/fhir", out=out)
        for at, patient in _openings(cohort):
            store.step_to(at)
            _open(walk, patient)
            for drug in (drug for due, drug in patient.orders if due == at):
                _order(walk, patient, Wish(drug=drug))
    problems = list(_problems(walk.tally, cohort))
    _conclude(walk, cohort, problems)
    return 1 if problems else 0


def _openings(cohort: Iterable[SyntheticPatient]) -> list[tuple[datetime, SyntheticPatient]]:
    return sorted(((at, one) for one in cohort for at in one.opens), key=lambda pair: (pair[0], pair[1].id))


def _open(walk: _Walk, patient: SyntheticPatient) -> None:
    visit = walk.desk.visit(patient.id, walk.base)
    walk.tally.note(patient, visit)
    heading = f"{visit.at:%d %b %H:%M}  {patient.id}  {patient.title}"
    if not visit.cards and not visit.failures:
        walk.say(f"{heading}: no card")
        return
    walk.say()
    walk.say(heading)
    for failure in visit.failures:
        walk.say(f"FAILED: {failure}", _INDENT)
    for shown in visit.cards:
        _print_card(walk, shown)
    _follow(walk, patient, visit)
    _react(walk, patient, visit)


# --- a card, as a clinician reads it


def _print_card(walk: _Walk, shown: Shown) -> None:
    card = shown.card
    walk.say()
    walk.say(f"[{_tier(shown).upper()}] {card['summary']}", _INDENT)
    walk.say()
    walk.say(to_plain(str(card.get("detail", ""))), _INDENT)
    for line in _options(card):
        walk.say(line, _INDENT)
    walk.say()
    walk.say(f"Source: {card.get('source', {}).get('label', '(none)')}", _INDENT)


def _options(card: Mapping[str, Any]) -> Iterator[str]:
    """What can be accepted, and which options a safety gate held back."""
    suggestions = card.get("suggestions", ())
    refused = card.get("extension", {}).get(_EXPLANATION, {}).get("refused", ())
    if suggestions:
        creates = any(action.get("type") == "create" for one in suggestions for action in one.get("actions", ()))
        yield ""
        yield "Can be accepted as a draft:" if creates else "Can be accepted:"
    yield from (f"- {one['label']}" for one in suggestions)
    if refused:
        yield ""
        yield "Held back by a safety gate:"
    yield from dict.fromkeys(f"- {one.get('text')}: {one.get('reason')}" for one in refused)


def _tier(shown: Shown) -> str:
    return str(shown.card.get("indicator", "info"))


# --- what the clinician does with one card and another


def _follow(walk: _Walk, patient: SyntheticPatient, visit: Visit) -> None:
    """Open the app of the first card that links to one and has something to accept."""
    smart, cards = walk.desk.smart, [one.card for one in visit.cards if one.card.get("suggestions")]
    links = (link for card in cards for link in card.get("links") or ())
    found = next(((app, link) for link in links if (app := app_of_link(smart, link)) is not None), None)
    if walk.tally.opened or found is None:
        return
    walk.tally.opened = True
    app, link = found
    said = str(link.get("appContext") or "")
    page = visitor.visit(launch(smart, walk.desk.charts, app, patient.id, walk.base, app_context=said).url)
    walk.say()
    if page.status != requests.codes.ok:
        walk.tally.failures.append(f"{patient.id}: {app.name} did not open: HTTP {page.status}")
        walk.say(f">>> {link['label']}: it did NOT open (HTTP {page.status}).", _INDENT)
        return
    walk.say(f">>> {link['label']}: launched, signed in and open ({page.title}).", _INDENT)
    walk.say(f"    It shows: {'; '.join(page.headings)}.", _INDENT)


def _react(walk: _Walk, patient: SyntheticPatient, visit: Visit) -> None:
    """Accept the first suggestion that comes along, and override the next loud card of somebody."""
    for shown in visit.cards:
        if not walk.tally.accepted and shown.card.get("suggestions"):
            walk.tally.accepted = True
            _accept(walk, patient, shown)
            return
        if walk.tally.accepted and not walk.tally.overridden and shown.card.get("overrideReasons"):
            walk.tally.overridden = True
            _override(walk, patient, shown)
            return


def _accept(walk: _Walk, patient: SyntheticPatient, shown: Shown) -> None:
    suggestion = shown.card["suggestions"][0]
    made = walk.desk.accept(patient.id, shown.key, suggestion["uuid"])
    drafts = ", ".join(f"{one['resourceType']} ({one['status']})" for one in made)
    walk.say()
    walk.say(f">>> Accepted: {suggestion['label'].rstrip('.')}. In the chart now: {drafts}.", _INDENT)
    _again(walk, patient, shown)


def _override(walk: _Walk, patient: SyntheticPatient, shown: Shown) -> None:
    reason = shown.card["overrideReasons"][0]
    walk.desk.override(patient.id, shown.key, reason["code"], "Synthetic comment")
    walk.say()
    walk.say(f">>> Overridden: {reason['display']}.", _INDENT)
    _again(walk, patient, shown)


def _again(walk: _Walk, patient: SyntheticPatient, shown: Shown) -> None:
    """Open the chart once more: the topic that was just dealt with must not come back."""
    failed = [one.failure for one in walk.desk.outcomes(patient.id, shown.key) if one.failure is not None]
    walk.tally.failures.extend(f"feedback: {one}" for one in failed)
    visit = walk.desk.reopen(patient.id, walk.base)
    walk.tally.note(patient, visit)
    back = any(_topic(one) == _topic(shown) for one in visit.cards)
    if back:
        walk.tally.failures.append(f"{patient.id}: the card came back at once")
    said = "the card is BACK" if back else "this card does not come back"
    walk.say(f">>> Chart opened again: {said}; {len(visit.cards)} other card(s).", _INDENT)


def _topic(shown: Shown) -> tuple[str, str]:
    source = shown.card.get("source", {})
    return shown.service, str(source.get("topic", {}).get("code") or shown.card["summary"])


# --- what the clinician means to order


def _order(walk: _Walk, patient: SyntheticPatient, wish: Wish) -> None:
    """Choose a drug, sign it, and take the order back if that is what the card proposes."""
    orders = walk.desk.orders
    chosen = orders.choose(patient.id, wish, walk.base)
    what = order_of(chosen.drafts[-1])
    walk.say()
    walk.say(f">>> Order chosen for {patient.id}: {what.what}, {what.how} (order-select)", _INDENT)
    _print_review(walk, patient, chosen.review, whole=False)
    signed = orders.sign(patient.id, walk.base)
    walk.say()
    walk.say(">>> Signing it (order-sign)", _INDENT)
    _print_review(walk, patient, orders.pad(patient.id).review, whole=True)
    if signed:
        walk.tally.failures.append(f"{patient.id}: {what.what} was signed, and nothing was said")
        return
    _take_back(walk, patient, str(chosen.drafts[-1]["id"]))


def _print_review(walk: _Walk, patient: SyntheticPatient, review: Visit | None, *, whole: bool) -> None:
    """What was said of the orders: each card, or its first line only."""
    if review is None:
        return
    walk.tally.took_ms.extend(one.took_ms for one in review.calls if one.failure is None)
    walk.tally.failures.extend(f"{patient.id}: {one}" for one in review.failures)
    walk.tally.tiers.update(_tier(one) for one in review.cards)
    for failure in review.failures:
        walk.say(f"FAILED: {failure}", _INDENT)
    for shown in review.cards:
        if whole:
            _print_card(walk, shown)
        else:
            walk.say(f"[{_tier(shown).upper()}] {shown.card['summary']}", _INDENT)


def _take_back(walk: _Walk, patient: SyntheticPatient, draft: str) -> None:
    """By the card's own suggestion where it has one, so that the service learns of it; else by hand."""
    proposed = ((one, suggestion) for one in walk.desk.orders.cards(patient.id) for suggestion in _removing(one, draft))
    shown, suggestion = next(proposed, (None, None))
    walk.say()
    if shown is None or suggestion is None:
        walk.desk.orders.withdraw(patient.id, draft)
        walk.say(">>> Taken back by hand: no card proposed it.", _INDENT)
        return
    walk.desk.accept(patient.id, shown.key, str(suggestion["uuid"]))
    failed = [one.failure for one in walk.desk.outcomes(patient.id, shown.key) if one.failure is not None]
    walk.tally.failures.extend(f"feedback: {one}" for one in failed)
    walk.say(f">>> Accepted: {suggestion['label']}. Nothing was signed.", _INDENT)


def _removing(shown: Shown, draft: str) -> list[Mapping[str, Any]]:
    """The suggestions of a card that take this draft off the pad."""
    return [
        one
        for one in shown.card.get("suggestions", ())
        if any(str(action.get("resourceId", "")).endswith(f"/{draft}") for action in one.get("actions", ()))
    ]


# --- the end


def _problems(tally: _Tally, cohort: Sequence[SyntheticPatient]) -> Iterator[str]:
    yield from tally.failures
    for patient in cohort:
        tiers = tally.cards.get(patient.id, [])
        if patient.expected is Expected.CARD and not tiers:
            yield f"{patient.id}: deteriorates, and no card was shown"
        if patient.expected is Expected.QUIET and any(one in _LOUD for one in tiers):
            yield f"{patient.id}: is stable, and a warning or critical card was shown"
    if not tally.accepted or not tally.overridden:
        yield "no card could be accepted and another overridden"


def _conclude(walk: _Walk, cohort: Sequence[SyntheticPatient], problems: Sequence[str]) -> None:
    tally = walk.tally
    tiers = ", ".join(f"{tally.tiers[tier]} {tier}" for tier in ("critical", "warning", "info"))
    silent = sum(not tally.cards.get(one.id) for one in cohort)
    walk.say()
    walk.say(f"{len(cohort)} patients, {len(tally.took_ms)} calls answered, {tiers}; without a card: {silent}.")
    if tally.took_ms:
        walk.say(f"Time for one call: median {median(tally.took_ms):.0f} ms, longest {max(tally.took_ms):.0f} ms.")
    for one in problems:
        walk.say(f"PROBLEM: {one}")
