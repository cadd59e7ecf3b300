"""The sidebar's pages: a twin that was opened, put into words and drawings, and into HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from cds_app.cards.drafts import Alongside, due
from cds_app.cards.material import Advice
from cds_app.cards.text import clock_time, hundred, number, plain
from cds_app.cards.unseen import unseen
from cds_app.domain.decisions import Decision
from cds_app.domain.scopes import allows
from cds_app.domain.strict_json import loads
from cds_app.errors import BadRequest, NotFound
from cds_app.explain.estimates import risk_before
from cds_app.mitigate.conditions import View
from cds_app.pages.canvas import Asked
from cds_app.pages.effects import EffectLine
from cds_app.pages.history import DecisionLine, Moment, accepted_times, answered_lines, history_lines, open_lines
from cds_app.pages.options import advices, concern_lines
from cds_app.pages.rendering import Words
from cds_app.pages.risks import RiskLine, risk_lines
from cds_app.pages.scale import Axis
from cds_app.pages.subject import Subject
from cds_app.pages.systems import line_of, read_systems, systems
from cds_app.pages.thresholds import thresholds
from cds_app.pages.trend import WINDOWS_H, trend
from cds_app.pages.why import MOST_BARS, need_lines, open_line, reason_lines, telling_lines, waterfall
from cds_app.score.risk.model import Risk
from cds_app.services.continuity import stand_ins
from cds_app.services.replay import replay_decision
from cds_app.services.sidebar.deciding import Done
from cds_app.services.sidebar.frame import Asking, Frame
from cds_app.services.sidebar.inbox import inbox_of
from cds_app.services.sidebar.opening import Opened
from cds_app.services.what_if.effects import Effects
from cds_app.services.why import taken_apart
from cds_app.twin.outlook import own_range

_DRAFTS: Final = ("MedicationRequest", "ServiceRequest")
_LEADS: Final = 3
_MIDDLE: Final = 50.0
_FIRST: Final = "heart_rate"


class Sidebar:
    """Makes pages.

    Parameters
    ----------
    effects : Effects
        What options would do.
    """

    def __init__(self, frame: Frame, effects: Effects) -> None:
        self._frame = frame
        self._effects = effects
        self._opening = frame.opening
        self._knowledge = frame.opening.knowledge
        self._systems = read_systems(loads((frame.folder / "systems.json").read_bytes(), max_bytes=1 << 20))

    def first(self, asking: Asking) -> str:
        """Where a visit begins: at what the card was about whose link launched it, else at a glance.

        What an EHR passes on could be anything: only the id of a card of this patient counts.
        """
        said, past = asking.visit.app_context, asking.opened.record.past
        card = next((one for one in past if isinstance(one, Decision) and one.id == said), None)
        return f"options#topic-{card.topic}" if card is not None else "now"

    def now(self, asking: Asking) -> str:
        """How the patient is at a glance."""
        subject = self._frame.subject(asking)
        lines = risk_lines(subject, self._earlier(subject))
        lead = lines[0] if lines and lines[0].estimated and lines[0].level else None
        summaries, order = self._summaries(subject)
        concerns = concern_lines(advices(subject.material, order), summaries, subject.material.templates)
        values = {
            "measured": bool(subject.material.situation.quantities),
            "lead": lead,
            "axis": Axis(low=0.0, high=max(20.0, *(one.share_high for one in lines), 0.0) * 1.1, start=0.0, end=300.0),
            "lead_sentence": self._sentence(lead, subject) if lead else "",
            "concerns": concerns,
            "risks": [one for one in lines if one is not lead],
            "systems": systems(subject, self._systems),
            "followed": frozenset(subject.state.tracks),
            "joint": _joint_text(self._frame.twin, subject),
            "unseen": self._unseen(subject),
        }
        return self._frame.page("now", asking, subject, values)

    def trend(self, asking: Asking, quantity: str, window_h: int) -> str:
        """One quantity over time.

        Raises
        ------
        BadRequest
            If the window is none of those that are offered, or the quantity none that the twin follows.
        """
        subject = self._frame.subject(asking)
        followed = self._knowledge.twin.dynamics
        quantity = quantity or _first_of(subject)
        if quantity not in followed:
            raise BadRequest("the twin does not follow this", field="q")
        if window_h not in WINDOWS_H:
            raise BadRequest("choose one of the windows", field="h")
        situation = subject.material.situation
        adult, topics = subject.setting.adult, self._knowledge.catalogue.topics.values()
        asked = Asked(
            quantity=quantity,
            window_h=float(window_h),
            zone=subject.setting.zone,
            likely=stand_ins(self._knowledge.imputer, situation).get(quantity),
            thresholds=thresholds(topics if adult else (), quantity, _view(subject)),
            adult=adult,
        )
        view = trend(subject.twin, subject.state, situation, asked, self._frame.twin)
        latest = situation.latest(quantity)
        values = {
            "view": view,
            "quantity": quantity,
            "label": subject.setting.label(quantity),
            "window": window_h,
            "windows": WINDOWS_H,
            "choices": self._choices(subject, quantity),
            "own": self._own(subject, quantity),
            "last": line_of(subject, quantity, latest, None) if latest is not None else None,
        }
        return self._frame.page("trend", asking, subject, values, query=f"?q={quantity}&h={window_h}")

    def why(self, asking: Asking, name: str, *, change: bool = False) -> str:
        """Why an estimate is what it is.

        Parameters
        ----------
        change : bool
            Whether to ask the model what would change it too: that takes a few hundred questions.

        Raises
        ------
        BadRequest
            If there is no such risk.
        """
        subject = self._frame.subject(asking)
        lines = risk_lines(subject, self._earlier(subject))
        if name and name not in subject.material.risks:
            raise BadRequest("there is no such risk", field="risk")
        line = next((one for one in lines if one.name == name), lines[0] if lines else None)
        values: dict[str, Any] = {
            "names": [(one.name, one.label) for one in lines],
            "line": line,
            "most": MOST_BARS,
            "unseen": self._unseen(subject),
        }
        if line is not None and line.estimated:
            values |= self._reasons(subject, line) | {"change": self._change(subject, line) if change else None}
        query = f"?risk={line.name}" if line is not None else ""
        return self._frame.page("why", asking, subject, values, query=query)

    def options(self, asking: Asking, effect: str = "") -> str:
        """What could be considered, what was held back, and the forms to decide.

        Parameters
        ----------
        effect : str
            Id of the option whose effect is to be simulated; "" for none.

        Raises
        ------
        NotFound
            If there is no simulation of it.
        """
        subject = self._frame.subject(asking)
        summaries, order = self._summaries(subject)
        advised, scopes = advices(subject.material, order), asking.visit.scopes
        if effect:
            self._simulated(asking, subject, advised, effect)
        lines = () if asking.back_h else self._history(asking.opened)
        values = {
            "answered": answered_lines(lines),
            "accepted": accepted_times(lines),
            "concerns": concern_lines(advised, summaries, subject.material.templates),
            "effects": {} if asking.back_h else self._told(asking, subject, advised),
            "reasons": self._opening.service.override_reasons,
            "can_decide": not asking.back_h and not subject.unreached,
            "can_write": all(allows(scopes, "create", kind) for kind in _DRAFTS),
        }
        return self._frame.page("options", asking, subject, values)

    def effect(self, asking: Asking, option: str) -> Mapping[str, str]:
        """What an option would do, for a script that puts it into the page.

        Raises
        ------
        NotFound
            If there is no simulation of it.
        """
        subject = self._frame.subject(asking)
        _, order = self._summaries(subject)
        line = self._simulated(asking, subject, advices(subject.material, order), option)
        return {"head": line.head, "text": line.text, "href": f"{asking.root}/{line.link}", "review": line.review}

    def history(self, asking: Asking, token: Callable[[], str]) -> str:
        """Every card and what became of it, and what waits for the user."""
        subject = self._frame.subject(asking)
        lines = self._history(asking.opened)
        values = {
            "lines": lines,
            "waiting": open_lines(lines, asking.visit.user),
            "inbox": inbox_of(self._opening.gatherer.fhir, asking.visit, token, asking.opened.at),
        }
        return self._frame.page("history", asking, subject, values)

    def replay(self, asking: Asking, decision: str) -> str:
        """A decision of this patient computed again.

        Raises
        ------
        NotFound
            If this patient has no such decision.
        """
        line = next((one for one in self._history(asking.opened) if one.id == decision), None)
        if line is None:
            raise NotFound("this patient has no such decision", field="decision")
        replayed = replay_decision(self._knowledge, self._opening.store, decision)
        pins = sorted((name, text) for name, text in replayed.logged.pins.items() if _is_version(name))
        values = {"line": line, "replayed": replayed, "pins": pins}
        return self._frame.page("replay", asking, self._frame.subject(asking), values)

    def about(self, asking: Asking) -> str:
        """What the estimates are for, and from what they are made."""
        subject, visit = self._frame.subject(asking), asking.visit
        values = {
            "models": [
                (name, subject.setting.label(name), one.manifest["version"], one.manifest.get("population", ""))
                for name, one in sorted(self._knowledge.learned.artefacts.items())
            ],
            "pins": sorted((name, text) for name, text in self._knowledge.pins.items() if _is_version(name)),
            "began": clock_time(visit.began, asking.opened.at, subject.setting.zone),
            "user": plain(visit.user, limit=60),
        }
        return self._frame.page("about", asking, subject, values)

    def done(self, asking: Asking, done: Done, what: str) -> str:
        """What came of a decision."""
        return self._frame.page("done", asking, self._frame.subject(asking), {"done": done, "what": what})

    # --- what they show
    def _told(self, asking: Asking, subject: Subject, advised: Sequence[Advice]) -> dict[str, EffectLine]:
        """Of each option with a simulation what is known of it by now."""
        situation, basis = subject.material.situation, asking.opened.record.basis
        found = {one.id: self._effects.line(one, situation, basis) for advice in advised for one in advice.offered}
        return {name: line for name, line in found.items() if line is not None}

    def _simulated(self, asking: Asking, subject: Subject, advised: Sequence[Advice], option: str) -> EffectLine:
        found = next((one for advice in advised for one in advice.offered if one.id == option), None)
        if found is None or asking.back_h:
            raise NotFound("this is no option for the patient now", field="option")
        return self._effects.simulate(found, subject.material.situation, asking.opened.record.basis)

    def _earlier(self, subject: Subject) -> dict[str, tuple[Risk, str]]:
        found: dict[str, tuple[Risk, str]] = {}
        for name, estimate in subject.material.risks.items():
            model = self._knowledge.risks.get(name)
            before = risk_before(model, estimate) if model is not None and isinstance(estimate.outcome, Risk) else None
            if before is not None:
                found[name] = (before[0], subject.setting.clock(before[1]))
        return found

    def _summaries(self, subject: Subject) -> tuple[dict[str, str], list[str]]:
        """The sentence of each card that is due, by topic, and the topics in their order."""
        dues = due(subject.material)
        return {one.topic: one.write(Alongside()).summary for one in dues}, [one.topic for one in dues]

    def _sentence(self, lead: RiskLine, subject: Subject) -> str:
        """The reasons that moved the estimate most, in one sentence."""
        raising = [one for one in reason_lines(subject.material.risks[lead.name].reasons, subject) if one.raises]
        named = [f"{one.label} {one.value}{one.unit}".strip() for one in raising[:_LEADS]]
        return self._frame.twin.say("leads", named=", ".join(named))

    def _reasons(self, subject: Subject, line: RiskLine) -> dict[str, Any]:
        estimate = subject.material.risks[line.name]
        risk = estimate.outcome
        if not isinstance(risk, Risk):
            raise NotFound("this risk was not estimated", field="risk")
        tier = next((one for one in risk.tiers if one.name == risk.tier), None)
        interval = self._knowledge.learned.artefacts[line.name].manifest.get("interval", {})
        return {
            "reasons": reason_lines(estimate.reasons, subject),
            "waterfall": waterfall(estimate.reasons, risk, subject, self._frame.twin),
            "limit": hundred(tier.lowest if tier else risk.threshold),
            "tier": tier,
            "outcome": subject.material.labels[f"outcome:{line.name}"],
            "interval": _interval_text(self._frame.twin, line, interval),
        }

    def _change(self, subject: Subject, line: RiskLine) -> dict[str, Any]:
        why, words = taken_apart(self._knowledge, subject.material, subject.state.tracks, line.name), self._frame.twin
        if why is None:
            raise NotFound("this risk was not estimated", field="risk")
        return {
            "telling": telling_lines(why.telling, subject, words),
            "helps": telling_lines(why.helps, subject, words),
            "open": open_line(why.still_open, subject, words),
            "needed": need_lines(why.needs, subject, words),
            "raised": bool(why.needs),
        }

    def _unseen(self, subject: Subject) -> str:
        lacking = chain.from_iterable(concern.unknown for concern in subject.material.concerns)
        return unseen(subject.material, subject.setting, lacking, with_model=True).line()

    def _choices(self, subject: Subject, quantity: str) -> list[tuple[str, str]]:
        seen = {*subject.state.tracks, quantity}
        ordered = [one for many in self._systems.values() for one in many if one in seen]
        rest = sorted(seen - {*ordered})
        return [(name, subject.setting.label(name)) for name in (*ordered, *rest)]

    def _own(self, subject: Subject, quantity: str) -> str:
        """What the twin takes for usual. The course moves it: no share of the values is claimed to lie in it.

        What the illness has been is in it, so it says nothing of health.
        """
        found = own_range(subject.twin, subject.state, quantity, subject.now)
        if found is None or not subject.setting.adult:
            return ""
        told = self._knowledge.ontology.quantity(quantity).told
        low, high = map(told.number, (found.low, found.high))
        return self._frame.twin.say("usual", low=low, high=high, unit=told.text, samples=found.samples)

    def _history(self, opened: Opened) -> tuple[DecisionLine, ...]:
        moment = Moment(now=opened.at, zone=self._knowledge.zone, services=self._knowledge.services)
        return history_lines(opened.record.past, self._opening.titles, moment)


def _joint_text(words: Words, subject: Subject) -> str:
    found = subject.joint
    if found.percentile is None or not subject.setting.adult:
        return ""
    named = ", ".join(subject.setting.label(name) for name, _ in found.contributions[:_LEADS])
    leads = named if found.percentile >= _MIDDLE else ""  # of what is as usual nothing stands out
    more_than = number(min(found.percentile, 99.9), 0 if found.percentile < 99 else 1)
    return words.say("joint", count=len(found.used), more_than=more_than, leads=leads)


def _interval_text(words: Words, line: RiskLine, interval: Mapping[str, Any]) -> str:
    held, cells = interval.get("held"), interval.get("cells")
    return words.say("interval", low=line.low, high=line.high, held=held, cells=cells)


def _view(subject: Subject) -> View:
    """What rules are asked of."""
    risks = {name: one.outcome for name, one in subject.material.risks.items()}
    return View(situation=subject.material.situation, scores=subject.material.scores, risks=risks)


def _first_of(subject: Subject) -> str:
    """The quantity that deviates most among those that are current; else the pulse."""
    current = [one for one in subject.deviations if not one.stale]
    return max(current, key=lambda one: abs(one.z)).quantity if current else _FIRST


def _is_version(name: str) -> bool:
    return name.startswith(("models/", "templates/", "hooks", "timezone", "units"))
