"""The pages that simulate: a dose, insulin, an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from cds_app.cards.grounds import score_text
from cds_app.cards.views import seen
from cds_app.errors import BadRequest
from cds_app.pages.insulin import insulin_view
from cds_app.pages.operation import operation_view
from cds_app.pages.refusals import lacks, refusal_lines
from cds_app.pages.subject import Subject
from cds_app.pages.what_if import changes, choices, goal_choices, nothing, what_if_view
from cds_app.score.clinical.rcri import rcri
from cds_app.score.result import Abstained, Score
from cds_app.score.warfarin.dose import DoseModel
from cds_app.services.continuity import stand_ins
from cds_app.services.sidebar.frame import Asking, Frame
from cds_app.services.what_if.dose import Tried, Wish, can_be_tried, drugs_of, try_dose
from cds_app.services.what_if.insulin import NONE, PLANNED, Injected, injected_fields, try_insulin, usual_insulin
from cds_app.services.what_if.operation import Field, Planned, operation_choices, operation_fields, try_operation
from cds_app.services.what_if.simulators import Simulators
from cds_app.services.what_if.stable_dose import WARFARIN, stable_dose
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.plans import Regimen
from cds_app.simulate.refusals import Refused
from cds_app.simulate.surgery.comparing import Comparison

_SENTENCES: Final = frozenset({"dose", "used", "not_simulated", "pressure", "depth", "imputed"})


class Trials:
    """Makes pages of what is tried on the twin.

    Parameters
    ----------
    stable : callable
        The model of the stable dose of warfarin, read when it is first asked for.

    Raises
    ------
    ContentError
        If the template lacks a sentence.
    """

    def __init__(self, frame: Frame, simulators: Simulators, stable: Callable[[], DoseModel]) -> None:
        self._frame = frame
        self._simulators = simulators
        self._stable = stable
        self._words = frame.simulations.holding(_SENTENCES)

    def what_if(self, asking: Asking, wish: Wish) -> str:
        """What a dose would do.

        Raises
        ------
        BadRequest
            If the drug cannot be simulated.
        """
        subject = self._frame.subject(asking)
        pharmacy, ontology = self._simulators.pharmacy, subject.material.situation.ontology
        names, had = can_be_tried(pharmacy), drugs_of(subject.material.situation, pharmacy)
        name = wish.drug or (had[0] if had else names[0])
        tried = self._tried(subject, asking, replace(wish, drug=name))
        current = tried.current.name if tried.current is not None else None
        values: dict[str, Any] = {
            "drug": name,
            "choices": choices(names, had),
            "goals": goal_choices(pharmacy[name], tried.goal),
            "fields": _dose_fields(pharmacy[name], tried.plan),
            "kept": _kept(wish),
            "current": current,
            "refused": refusal_lines(tried.answer, ontology) if isinstance(tried.answer, Refused) else (),
            "stable": stable_dose(self._stable(), subject.material.situation) if name == WARFARIN else None,
        }
        if not isinstance(tried.answer, Refused):
            measured = [seen(one, None, subject.setting) for one in tried.measured]
            view = what_if_view(
                self._words, tried.answer, ontology, asked=tried.plan.name, current=current, measured=measured
            )
            values |= {"view": view, "remarks": (*view.remarks, *tried.remarks)}
        return self._frame.page("what-if", asking, subject, values, query=f"?drug={name}")

    def what_if_changes(self, asking: Asking, wish: Wish) -> Mapping[str, object]:
        """The same for a script that draws anew."""
        subject = self._frame.subject(asking)
        tried = self._tried(subject, asking, wish)
        if isinstance(tried.answer, Refused):
            return nothing(self._words, tried.answer, subject.material.situation.ontology)
        current = tried.current.name if tried.current is not None else None
        ontology = subject.material.situation.ontology
        return changes(what_if_view(self._words, tried.answer, ontology, asked=tried.plan.name, current=current))

    def operation(self, asking: Asking, planned: Planned) -> str:
        """What an anaesthetic and blood loss would do.

        Raises
        ------
        BadRequest
            With the field and the limit.
        """
        subject = self._frame.subject(asking)
        situation = subject.material.situation
        likely = stand_ins(self._simulators.imputer, situation)
        with self._simulators.alone():
            found = try_operation(self._simulators.surgery, situation, planned, asking.opened.record.basis, likely)
        view = operation_view(self._words, found) if isinstance(found, Comparison) else None
        index = rcri(situation, high_risk_surgery=planned.high_risk or None)
        values = {
            "fields": operation_fields(planned),
            "choices": operation_choices(planned),
            "view": view,
            "refused": () if view is not None else (_why_not(found),),
            "other": view.other if view is not None else "",
            "rcri": score_text(index, "RCRI") if isinstance(index, Score) else "",
        }
        return self._frame.page("operation", asking, subject, values, tab="what-if")

    def insulin(self, asking: Asking, wish: Injected) -> str:
        """What insulin would do to glucose."""
        subject = self._frame.subject(asking)
        situation = subject.material.situation
        with self._simulators.alone():
            found = try_insulin(self._simulators.people, situation, wish)
        values = {
            "fields": injected_fields(self._simulators.people, wish, usual_insulin(situation, wish)),
            "view": None
            if isinstance(found, Refused)
            else insulin_view(found, situation.ontology.quantity("glucose").told, asked=PLANNED, none=NONE),
            "refused": refusal_lines(found, situation.ontology) if isinstance(found, Refused) else (),
            "other": NONE,
        }
        return self._frame.page("insulin", asking, subject, values, tab="what-if")

    def _tried(self, subject: Subject, asking: Asking, wish: Wish) -> Tried:
        drug = self._simulators.pharmacy.get(wish.drug)
        if drug is None or not can_be_tried({wish.drug: drug}):
            raise BadRequest("this drug cannot be simulated", field="drug")
        likely = stand_ins(self._simulators.imputer, subject.material.situation)
        with self._simulators.alone():
            return try_dose(drug, subject.material.situation, wish, asking.opened.record.basis, likely)


def _why_not(found: Comparison | Abstained) -> str:
    return lacks(found) if isinstance(found, Abstained) else "the model cannot follow this plan"


def _kept(wish: Wish) -> tuple[tuple[str, str], ...]:
    """What was asked for beside the form, and stays when it is sent again."""
    asked = {"horizon": wish.horizon_h, "draws": wish.draws}
    return tuple((name, f"{value:.12g}") for name, value in asked.items() if value is not None)


def _dose_fields(drug: Drug, plan: Regimen) -> tuple[Field, ...]:
    limits = drug.file
    found = [
        Field("dose", "Dose", plan.amount_mg, limits.dose_mg.low, limits.dose_mg.high, "mg"),
        Field("interval", "Every", plan.interval_h, limits.interval_h.low, limits.interval_h.high, "h"),
    ]
    if plan.route == "iv":
        found.append(Field("over", "Over", plan.over_h, limits.infusion_h.low, limits.infusion_h.high, "h"))
    return tuple(found)
