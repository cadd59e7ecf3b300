"""What options would be expected to do to a patient: asked of the simulations when somebody wants to know.

A page shows at once what was simulated a moment ago, and why something cannot be simulated as far as the chart alone
tells that; all else is asked for one by one, as it takes a part of a second to some seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from threading import Lock
from typing import Final
from urllib.parse import urlencode

from cds_app.errors import ContentError, NotFound
from cds_app.mitigate.catalogue import Catalogue
from cds_app.mitigate.effects import CirculationEffect, DoseEffect, GlucoseEffect
from cds_app.mitigate.options import Option
from cds_app.pages.effects import (
    SENTENCES,
    EffectLine,
    carbohydrate_effect,
    dose_effect,
    fluid_effect,
    insulin_effect,
    pressor_effect,
    resting_on,
    stop_effect,
)
from cds_app.pages.refusals import lacks, name_of, refusal_line, refusal_lines
from cds_app.pages.rendering import Words
from cds_app.score.result import Abstained
from cds_app.score.situation import Situation
from cds_app.services.continuity import stand_ins
from cds_app.services.what_if.dose import DRAWS, Sought, Wish, can_be_tried, looked_over, ordered, try_dose
from cds_app.services.what_if.insulin import NONE, PLANNED, Injected, try_insulin, usual_insulin
from cds_app.services.what_if.operation import NOTHING, PLAN, READY, Planned, try_operation
from cds_app.services.what_if.simulators import Simulators, seed_of
from cds_app.simulate.glucose.chart import like_whom
from cds_app.simulate.haemodynamics.patient import Known, known
from cds_app.simulate.haemodynamics.patient import patient_of as circulation_of
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.plans import Plan, Regimen
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.regimens.chart import Charted, patient_of
from cds_app.simulate.regimens.goals import aim_of
from cds_app.simulate.regimens.questions import Question, offered
from cds_app.simulate.regimens.what_if import what_if
from cds_app.twin.bedside import NOBODY, Likely

Likelies = Callable[[], Mapping[str, Likely]]
_HELD: Final = 256
_FRESH: Final = timedelta(minutes=5)
_STOP_H: Final = 24.0
_NOT_FOLLOWED: Final = "too many virtual copies leave the range of the model"


@dataclass(slots=True)
class _Lately:
    """What was simulated a moment ago, by patient's facts and option. Bounded; the oldest go first."""

    lines: dict[tuple[str, str], tuple[datetime, EffectLine]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def get(self, basis: str, option: str, now: datetime) -> EffectLine | None:
        with self.lock:
            at, line = self.lines.get((basis, option), (now, None))
        return line if abs(now - at) <= _FRESH else None

    def keep(self, basis: str, option: str, now: datetime, line: EffectLine) -> None:
        with self.lock:
            self.lines.pop((basis, option), None)
            self.lines[basis, option] = (now, line)
            while len(self.lines) > _HELD:
                del self.lines[next(iter(self.lines))]


class Effects:
    """Answers what an option would do.

    Raises
    ------
    ContentError
        If an option names a drug that cannot be simulated, or the template lacks a sentence.
    """

    def __init__(self, simulators: Simulators, catalogue: Catalogue, words: Words) -> None:
        self._simulators = simulators
        self._words = words.holding(SENTENCES)
        self._lately = _Lately()
        possible = set(can_be_tried(simulators.pharmacy))
        for option in (one for topic in catalogue.topics.values() for one in topic.options):
            if isinstance(option.effect, DoseEffect) and not set(option.effect.drugs) <= possible:
                raise ContentError(f"{option.id}: names a drug that cannot be simulated", field="effect.drugs")

    def line(self, option: Option, situation: Situation, basis: str) -> EffectLine | None:
        """What can be said of an option without simulating; None where there is no simulation of it.

        Parameters
        ----------
        basis : str
            Hash over the patient's facts.
        """
        kept = self._lately.get(basis, option.id, situation.now)
        if kept is not None or option.effect is None:
            return kept
        asked = self._asked(option, situation)
        return None if asked is None else EffectLine(link=asked.link, lacks=asked.lacks())

    def simulate(self, option: Option, situation: Situation, basis: str) -> EffectLine:
        """The same with the simulation.

        Raises
        ------
        NotFound
            If there is none of this option for this patient.
        DependencyDown
            If enough wait for a simulation already.
        """
        line = self.line(option, situation, basis)
        asked = self._asked(option, situation)
        if line is None or asked is None:
            raise NotFound("there is no simulation of this option", field="option")
        if line.told:
            return line
        with self._simulators.alone():
            found = asked.simulate(basis)
        self._lately.keep(basis, option.id, situation.now, found)
        return found

    def _asked(self, option: Option, situation: Situation) -> _Dose | _Pressure | _Glucose | None:
        models = self._simulators
        likely = cache(partial(stand_ins, models.imputer, situation))  # asked for where something is simulated
        match option.effect:
            case DoseEffect():
                drug = _drug(option.effect, situation, models.pharmacy)
                return None if drug is None else _Dose(self._words, option.effect, drug, situation, likely)
            case CirculationEffect():
                return _Pressure(self._words, option.effect, models, situation, likely)
            case GlucoseEffect():
                return _Glucose(self._words, option.effect, models, situation)
            case None:
                return None


def _drug(effect: DoseEffect, situation: Situation, pharmacy: Mapping[str, Drug]) -> Drug | None:
    """Of the drugs that are meant the one that the patient has; to start one, nobody needs to have it."""
    if effect.change == "start":
        return pharmacy[effect.drugs[0]]
    had = {concept for one in situation.facts.medications if one.when <= situation.now for concept in one.concepts}
    return next((pharmacy[name] for name in effect.drugs if pharmacy[name].file.concept in had), None)


@dataclass(frozen=True, slots=True)
class _Dose:
    """A dose, of one drug."""

    words: Words
    effect: DoseEffect
    drug: Drug
    situation: Situation
    likely: Likelies

    @property
    def link(self) -> str:
        return f"what-if?{urlencode({'drug': self.drug.name})}"

    def lacks(self) -> tuple[str, ...]:
        charted = patient_of(self.situation, self.drug)
        if isinstance(charted, Refused):
            return refusal_lines(charted, self.situation.ontology)
        if self.effect.change != "start" and ordered(self.situation, self.drug, charted) is None:
            return (f"no standing order of {self.drug.name} says a dose, an interval and a route",)
        goal = aim_of(self.drug, self.situation)
        return (refusal_line(goal),) if self._aims and isinstance(goal, Refusal) else ()

    @property
    def _aims(self) -> bool:
        """Whether what is told has a target in it."""
        return self.effect.change != "stop"

    @property
    def _goal(self) -> str:
        """The one that is meant; any where no target is told."""
        goal = aim_of(self.drug, self.situation)
        return next(iter(self.drug.file.goals)) if isinstance(goal, Refusal) else goal

    def simulate(self, basis: str) -> EffectLine:
        charted = patient_of(self.situation, self.drug, likely=self.likely())
        if isinstance(charted, Refused):
            return EffectLine(link=self.link, lacks=refusal_lines(charted, self.situation.ontology))
        labels = (self.situation.ontology.quantity(one.quantity).label for one in charted.imputed)
        return resting_on(self.words, self._simulated(charted, basis), tuple(labels))

    def _simulated(self, charted: Charted, basis: str) -> EffectLine:
        current = ordered(self.situation, self.drug, charted)
        change, by = self.effect.change, self.effect.by or 0.0
        if change in ("best", "start"):
            return self._best(charted, current, basis)
        if current is None:
            return EffectLine(link=self.link, lacks=self.lacks())
        if change == "stop":
            return self._stopped(charted, current, basis)
        if change == "skip":
            return self._left_out(charted, current, int(by), basis)
        amount_mg = current.amount_mg * by if change == "scale" else None
        interval_h = by if change == "space" else None
        return self._tried(Wish(drug=self.drug.name, amount_mg=amount_mg, interval_h=interval_h), basis)

    def _best(self, charted: Charted, current: Regimen | None, basis: str) -> EffectLine:
        """Every plan of the content is looked at coarsely, and the best as the what-if page does."""
        names = {current.name} if current is not None else set()
        start_h = current.start_h if current is not None else 0.0
        offers = [one for one in offered(self.drug, start_h=start_h) if one.name not in names]
        plans = (*([current] if current is not None else []), *offers)
        found = looked_over(self.drug, charted, plans, Sought(goal=self._goal, digest=basis))
        if isinstance(found, Refused):
            return EffectLine(link=self.link, lacks=refusal_lines(found, self.situation.ontology))
        if found.recommended is None:
            return EffectLine(link=self.link, says=self.words.say("none_within", compared=len(plans)))
        best = next(one for one in plans if one.name == found.recommended)
        wish = Wish(drug=self.drug.name, amount_mg=best.amount_mg, interval_h=best.interval_h)
        return self._tried(wish, basis, best=True)

    def _tried(self, wish: Wish, basis: str, *, best: bool = False) -> EffectLine:
        tried = try_dose(self.drug, self.situation, wish, basis, self.likely())
        asked = {"drug": self.drug.name, "dose": f"{tried.plan.amount_mg:g}", "interval": f"{tried.plan.interval_h:g}"}
        link = f"what-if?{urlencode(asked)}"
        if isinstance(tried.answer, Refused):
            return EffectLine(link=link, lacks=refusal_lines(tried.answer, self.situation.ontology))
        target = self.drug.file.goals[tried.answer.goal].target
        current = tried.current.name if tried.current is not None else None
        says = dose_effect(self.words, tried.answer, plan=tried.plan.name, current=current, target=target, best=best)
        return EffectLine(link=link, says=says)

    def _stopped(self, charted: Charted, current: Regimen, basis: str) -> EffectLine:
        none = Plan(name="no further dose", doses=())
        question = replace(self._question((none, current), basis), horizon_h=_STOP_H)
        found = what_if(self.drug, charted.patient, question)
        if isinstance(found, Refused):
            return EffectLine(link=self.link, lacks=refusal_lines(found, self.situation.ontology))
        return EffectLine(link=self.link, says=stop_effect(self.words, found, plan=none.name, current=current.name))

    def _left_out(self, charted: Charted, current: Regimen, doses: int, basis: str) -> EffectLine:
        """Some doses, and then as ordered."""
        name = f"{doses} dose{'s' if doses > 1 else ''} left out, then {current.name}"
        later = replace(current, name=name, start_h=current.start_h + doses * current.interval_h)
        found = what_if(self.drug, charted.patient, self._question((later, current), basis))
        if isinstance(found, Refused):
            return EffectLine(link=self.link, lacks=refusal_lines(found, self.situation.ontology))
        target = self.drug.file.goals[found.goal].target
        return EffectLine(
            link=self.link, says=dose_effect(self.words, found, plan=name, current=current.name, target=target)
        )

    def _question(self, plans: tuple[Regimen | Plan, ...], basis: str) -> Question:
        return Question(plans=plans, goal=self._goal, draws=DRAWS, seed=seed_of(self.drug.sha256, basis))


@dataclass(frozen=True, slots=True)
class _Pressure:
    """Fluid or norepinephrine on the circulation."""

    words: Words
    effect: CirculationEffect
    models: Simulators
    situation: Situation
    likely: Likelies

    @property
    def planned(self) -> Planned:
        return Planned(propofol_mg_per_kg=0.0, fluid_ml=self.effect.fluid_ml or 0.0)

    @property
    def link(self) -> str:
        return f"operation?{urlencode({'propofol': 0, 'fluid': f'{self.planned.fluid_ml:g}'})}"

    def lacks(self) -> tuple[str, ...]:
        found = self._known(NOBODY)
        if isinstance(found, Abstained):
            found = self._known(self.likely())
        return (lacks(found),) if isinstance(found, Abstained) else ()

    def _known(self, likely: Mapping[str, Likely]) -> Known | Abstained:
        patient = circulation_of(self.situation, likely=likely)
        return patient if isinstance(patient, Abstained) else known(patient, self.models.surgery.bounds)

    def simulate(self, basis: str) -> EffectLine:
        found = try_operation(self.models.surgery, self.situation, self.planned, basis, self.likely())
        if isinstance(found, Abstained):
            return EffectLine(link=self.link, lacks=(lacks(found),))
        fluid_ml = self.effect.fluid_ml
        if fluid_ml is not None:
            says = fluid_effect(self.words, found, fluid_ml=fluid_ml, plan=PLAN, nothing=NOTHING)
        else:
            says = pressor_effect(self.words, found, plan=READY, nothing=PLAN)
        line = EffectLine(link=self.link, says=says or "", lacks=() if says else (_NOT_FOLLOWED,))
        return resting_on(self.words, line, tuple(name_of(one) for one in found.imputed))


@dataclass(frozen=True, slots=True)
class _Glucose:
    """Insulin or carbohydrate on glucose."""

    words: Words
    effect: GlucoseEffect
    models: Simulators
    situation: Situation

    @property
    def wish(self) -> Injected:
        return Injected(bolus_u=self.effect.bolus_u or 0.0, carbohydrate_g=self.effect.carbohydrate_g or 0.0)

    @property
    def link(self) -> str:
        asked = {"bolus": f"{self.wish.bolus_u:g}", "carbohydrate": f"{self.wish.carbohydrate_g:g}"}
        return f"insulin?{urlencode(asked)}"

    def lacks(self) -> tuple[str, ...]:
        found = like_whom(self.models.people, self.situation, usual_insulin(self.situation, self.wish))
        return refusal_lines(found, self.situation.ontology) if isinstance(found, Refused) else ()

    def simulate(self, _: str) -> EffectLine:
        nothing = Injected(bolus_u=0.0, carbohydrate_g=0.0)
        found, none = (try_insulin(self.models.people, self.situation, one) for one in (self.wish, nothing))
        if isinstance(found, Refused):
            return EffectLine(link=self.link, lacks=refusal_lines(found, self.situation.ontology))
        if isinstance(none, Refused):
            return EffectLine(link=self.link, lacks=refusal_lines(none, self.situation.ontology))
        told = self.situation.ontology.quantity("glucose").told
        if self.effect.bolus_u is not None:
            says = insulin_effect(self.words, found, told, units=self.effect.bolus_u, plan=PLANNED, nothing=NONE)
        else:
            says = carbohydrate_effect(self.words, found, none, told, grams=self.wish.carbohydrate_g, plan=PLANNED)
        return EffectLine(link=self.link, says=says)
