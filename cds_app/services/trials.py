"""The pages that simulate: a dose, insulin, an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import BoundedSemaphore, Lock
from typing import Any, Final

from cds_app.cards.grounds import score_text
from cds_app.errors import BadRequest, DependencyDown
from cds_app.pages.insulin import insulin_view
from cds_app.pages.operation import lacks, operation_view
from cds_app.pages.subject import Subject
from cds_app.pages.what_if import changes, choices, refusal_lines, what_if_view
from cds_app.score.rcri import rcri
from cds_app.score.result import Abstained, Score
from cds_app.score.warfarin_dose import DoseModel
from cds_app.services.injecting import NONE, PLANNED, Injected, daily_insulin, injected_fields, try_insulin
from cds_app.services.operating import GENTLER, Field, Planned, operation_fields, try_operation
from cds_app.services.page_frame import Asking, Frame
from cds_app.services.simulating import Tried, Wish, can_be_tried, drugs_of, try_dose
from cds_app.services.stable_dose import WARFARIN, stable_dose
from cds_app.simulate.drugs import Drug
from cds_app.simulate.glucose import People
from cds_app.simulate.plans import Regimen
from cds_app.simulate.refusals import Refused
from cds_app.simulate.surgery import Comparison, SurgeryModel

INSIDE: Final = 2
"""So many of a worker's threads may simulate, or wait to."""


class Trials:
    """Makes pages of what is tried on the twin.

    Parameters
    ----------
    frame : Frame
    pharmacy : mapping of str to Drug
        What doses can be simulated of.
    surgery : SurgeryModel
    people : People
        Virtual people with diabetes.
    stable : callable
        The model of the stable dose of warfarin, read when it is first asked for.
    """

    def __init__(
        self,
        frame: Frame,
        *,
        pharmacy: Mapping[str, Drug],
        surgery: SurgeryModel,
        people: People,
        stable: Callable[[], DoseModel],
    ) -> None:
        self._frame = frame
        self._inside = BoundedSemaphore(INSIDE)
        self._turn = Lock()  # of their own: a simulation of a second must not hold up a hook
        self._pharmacy = pharmacy
        self._surgery = surgery
        self._people = people
        self._stable = stable

    def what_if(self, asking: Asking, wish: Wish) -> str:
        """What a dose would do.

        Raises
        ------
        BadRequest
            If the drug cannot be simulated.
        """
        subject = self._frame.subject(asking)
        names, had = can_be_tried(self._pharmacy), drugs_of(subject.material.situation, self._pharmacy)
        name = wish.drug or (had[0] if had else names[0])
        tried = self._tried(subject, asking, replace(wish, drug=name))
        current = tried.current.name if tried.current is not None else None
        values: dict[str, Any] = {
            "drug": name,
            "choices": choices(names, had),
            "fields": _dose_fields(self._pharmacy[name], tried.plan),
            "current": current,
            "refused": refusal_lines(tried.answer) if isinstance(tried.answer, Refused) else (),
            "stable": stable_dose(self._stable(), subject.material.situation) if name == WARFARIN else "",
        }
        if not isinstance(tried.answer, Refused):
            view = what_if_view(tried.answer, asked=tried.plan.name, current=current)
            values |= {"view": view, "remarks": (*view.remarks, *tried.remarks)}
        return self._frame.page("what-if", asking, subject, values, query=f"?drug={name}")

    def what_if_changes(self, asking: Asking, wish: Wish) -> Mapping[str, object]:
        """The same for a script that draws anew."""
        tried = self._tried(self._frame.subject(asking), asking, wish)
        if isinstance(tried.answer, Refused):
            return {"paths": {}, "texts": {"simulated": f"Not simulated. {'; '.join(refusal_lines(tried.answer))}."}}
        current = tried.current.name if tried.current is not None else None
        return changes(what_if_view(tried.answer, asked=tried.plan.name, current=current))

    def operation(self, asking: Asking, planned: Planned) -> str:
        """What an anaesthetic and blood loss would do.

        Raises
        ------
        BadRequest
            With the field and the limit.
        """
        subject = self._frame.subject(asking)
        situation = subject.material.situation
        with self._alone():
            found = try_operation(self._surgery, situation, planned, asking.opened.record.basis)
        view = operation_view(found) if isinstance(found, Comparison) else None
        index = rcri(situation)
        values = {
            "fields": operation_fields(planned),
            "view": view,
            "refused": () if view is not None else (_why_not(found),),
            "other": GENTLER,
            "rcri": score_text(index, "RCRI") if isinstance(index, Score) else "",
        }
        return self._frame.page("operation", asking, subject, values, tab="what-if")

    def insulin(self, asking: Asking, wish: Injected) -> str:
        """What insulin would do to glucose."""
        subject = self._frame.subject(asking)
        situation = subject.material.situation
        with self._alone():
            found = try_insulin(self._people, situation, wish)
        values = {
            "fields": injected_fields(self._people, wish, daily_insulin(situation, wish)),
            "view": None if isinstance(found, Refused) else insulin_view(found, asked=PLANNED, none=NONE),
            "refused": refusal_lines(found) if isinstance(found, Refused) else (),
            "other": NONE,
        }
        return self._frame.page("insulin", asking, subject, values, tab="what-if")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One simulation at a time, as each fills memory; few may wait, so that threads are left for everything else.

        Raises
        ------
        DependencyDown
            If enough wait already.
        """
        if not self._inside.acquire(blocking=False):
            raise DependencyDown("other simulations are running: try again in a moment")
        try:
            with self._turn:
                yield
        finally:
            self._inside.release()

    def _tried(self, subject: Subject, asking: Asking, wish: Wish) -> Tried:
        drug = self._pharmacy.get(wish.drug)
        if drug is None or not can_be_tried({wish.drug: drug}):
            raise BadRequest("this drug cannot be simulated", field="drug")
        with self._alone():
            return try_dose(drug, subject.material.situation, wish, asking.opened.record.basis)


def _why_not(found: Comparison | Abstained) -> str:
    return lacks(found) if isinstance(found, Abstained) else "the model cannot follow this plan"


def _dose_fields(drug: Drug, plan: Regimen) -> tuple[Field, ...]:
    limits = drug.file
    found = [
        Field("dose", "Dose", plan.amount_mg, limits.dose_mg.low, limits.dose_mg.high, "mg"),
        Field("interval", "Every", plan.interval_h, limits.interval_h.low, limits.interval_h.high, "h"),
    ]
    if plan.route == "iv":
        found.append(Field("over", "Over", plan.over_h, limits.infusion_h.low, limits.infusion_h.high, "h"))
    return tuple(found)
