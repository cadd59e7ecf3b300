"""Is there a better dose than the drafted one for this patient? Plans simulated with the same chance. Pure.

Plans are the draft, the standing order of the same drug, and where the draft leaves something to wish for, what the
content offers. Nothing is supposed: a draft whose dose, interval or route is not said, or that stands beside another
one of the same drug, is not simulated, and it is said why. Vancomycin by mouth is another treatment than vancomycin
into a vein.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Final

from cds_app.domain.facts import Medication
from cds_app.domain.proposed import Proposed, Written
from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.averaging import Mixture
from cds_app.simulate.kinetics.drugs import Drug, Target
from cds_app.simulate.kinetics.patients import Patient
from cds_app.simulate.plans import Regimen
from cds_app.simulate.refusals import Refusal, Refused
from cds_app.simulate.regimens.answers import HarmChance, PlanOutcome, WhatIf
from cds_app.simulate.regimens.chart import Charted, patient_of
from cds_app.simulate.regimens.goals import meant_now, spoken_against
from cds_app.simulate.regimens.orders import mass_mg, next_due_h, regimen_of
from cds_app.simulate.regimens.questions import MOST_PLANS, Question, limit_problems, offered
from cds_app.simulate.regimens.what_if import problems_of, ranked, sampled, what_if
from cds_app.twin.bedside import NOBODY, Likely

DRAFT: Final = "draft"
STANDING: Final = "standing"
_NORMAL_90: Final = 1.6448536269514722
_PARTS_OF_AN_HOUR: Final = 12  # an infusion's length is suggested in steps of 5 min


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRule:
    """What is wanted of a drug, when a better plan is worth telling, and with how much effort it is looked for.

    Parameters
    ----------
    goal : str
        One of the drug's.
    low : float
        A better plan is looked for where the target is less probable than this.
    gain : float
        And is worth telling from this much more on.
    draws : int
    coarse_step_h : float
        Hours between instants when all plans are looked at.
    compared : int
        Of these so many, the best, are simulated as closely as the draft.
    needs_review : bool
        Whether ``low`` and ``gain`` await clinical review.
    """

    goal: str
    low: float
    gain: float
    draws: int
    coarse_step_h: float
    compared: int
    needs_review: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a simulation has beside the chart: the ``seed`` of all chance, and what may stand in (``likely``).

    That is asked for only where a draft is simulated.
    """

    seed: int
    likely: Callable[[], Mapping[str, Likely]] = lambda: NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Highest:
    """The highest single dose that the content allows anybody.

    Parameters
    ----------
    amount : float
    unit : str
        As a clinician reads it.
    drafted : float or None
        What is drafted, in the same unit, as far as that is said.
    from_memory : bool
    """

    amount: float
    unit: str
    drafted: float | None
    from_memory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Undosed:
    """A draft that was not simulated, and every reason.

    Parameters
    ----------
    order : Medication
    drug : str
        As topics have it.
    concept : str
        Of the ontology.
    highest : Highest
    reasons : tuple of Refusal
    """

    order: Medication
    drug: str
    concept: str
    highest: Highest
    reasons: tuple[Refusal, ...]

    @property
    def beyond(self) -> bool:
        """Whether the draft is of another kind than what is simulated: who signs it has nothing to add."""
        return any(one.beyond for one in self.reasons)

    @property
    def excessive(self) -> bool:
        """Whether the drafted dose, as far as it is said, is above all that the content allows."""
        return self.highest.drafted is not None and self.highest.drafted > self.highest.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Dosed:
    """A draft that was simulated.

    Parameters
    ----------
    order : Medication
    written : Written
    drug : Drug
    rule : DoseRule
    charted : Charted
        The patient as the simulation had them.
    plans : mapping of str to Regimen
        By the names in ``answer``.
    answer : WhatIf
    offers : int
        How many plans of the content were looked at; 0 where the draft left nothing to wish for.
    unmet : bool
        Whether some of these better the draft's chance, and none of them within its limits of harm.
    """

    order: Medication
    written: Written
    drug: Drug
    rule: DoseRule
    charted: Charted
    plans: Mapping[str, Regimen]
    answer: WhatIf
    offers: int = 0
    unmet: bool = False

    @property
    def target(self) -> Target:
        """What is wanted."""
        return self.drug.file.goals[self.rule.goal].target

    @property
    def draft(self) -> PlanOutcome:
        """What the draft does."""
        return self.outcome(DRAFT)

    def outcome(self, name: str) -> PlanOutcome:
        """What a plan does."""
        return next(one for one in self.answer.plans if one.name == name)

    @property
    def says_length(self) -> bool:
        """Whether the draft says how long each infusion lasts; else the usual length was assumed."""
        return bool(self.order.dosing is not None and self.order.dosing.over_h and self.plans[DRAFT].route == "iv")

    @property
    def over(self) -> tuple[HarmChance, ...]:
        """Harms of the draft that are to be told, by more than chance, the one that exceeds its limit most first."""
        found = (one for one in self.draft.harms if one.chance.probability - one.told_from > _surely(one))
        return tuple(sorted(found, key=lambda one: one.at_most - one.chance.probability))

    @property
    def low(self) -> bool:
        """Whether the target is improbable under the draft."""
        target = self.draft.target
        return target is not None and target.probability < self.rule.low

    @property
    def better(self) -> PlanOutcome | None:
        """The plan to recommend instead: within its limits, and worth telling or without the draft's harm."""
        name, gain = self.answer.recommended, self.answer.gain
        if name is None or name == DRAFT:
            return None
        worth = gain is not None and gain.probability >= self.rule.gain
        return self.outcome(name) if self.over or worth else None

    @property
    def speaks(self) -> bool:
        """Whether there is something to say: a harm over its limit, or a low chance that other plans better."""
        return bool(self.over) or (self.low and (self.better is not None or self.unmet))


def _undosed(order: Medication, drug: Drug, reasons: tuple[Refusal, ...]) -> Undosed:
    limit, drafted = drug.file.dose_mg, mass_mg(order.dose_value, order.dose_unit)
    highest = Highest(amount=limit.high, unit="mg", drafted=drafted, from_memory=limit.tag == "M")
    return Undosed(order=order, drug=drug.name, concept=drug.file.concept, highest=highest, reasons=reasons)


def _surely(harm: HarmChance) -> float:
    """How far the draws alone may move a probability: another seed must not tell what this one did not."""
    return _NORMAL_90 * harm.chance.standard_error


def simulate_drafts(
    drugs: Mapping[str, Drug],
    rules: Mapping[str, DoseRule],
    situation: Situation,
    proposed: Proposed,
    *,
    most: int,
    given: Given,
) -> tuple[Dosed | Undosed, ...]:
    """Simulate the doses of drafts.

    Parameters
    ----------
    drugs, rules : mapping
        By the names of the drugs that may be simulated.
    situation : Situation
        The patient now; the drafts are not in it.
    proposed : Proposed
        Of its orders only those selected are judged.
    most : int
        Drafts in one call that are simulated: each takes its time.
    given : Given

    Returns
    -------
    tuple of Dosed or Undosed
        One per judged draft of one of the drugs.
    """
    found: list[Dosed | Undosed] = []
    for order, drug in _drafts(drugs, proposed):
        written = proposed.written.get(order.ref, Written(instructions=1))
        problems = tuple(_problems(order, drug, written, proposed))
        if not problems and sum(isinstance(one, Dosed) for one in found) >= most:
            problems = (Refusal(field="drafts", limit=f"of one call, the first {most} are simulated", beyond=True),)
        found.append(
            _undosed(order, drug, problems)
            if problems
            else simulate_draft(order, written, drug, rules[drug.name], situation, given)
        )
    return tuple(found)


def _drafts(drugs: Mapping[str, Drug], proposed: Proposed) -> Iterator[tuple[Medication, Drug]]:
    for order in proposed.judged:
        drug = next((one for one in drugs.values() if one.file.concept in order.concepts), None)
        if drug is not None:
            yield order, drug


def _problems(order: Medication, drug: Drug, written: Written, proposed: Proposed) -> Iterator[Refusal]:
    if any(one.ref != order.ref and drug.file.concept in one.concepts for one in proposed.orders):
        yield Refusal(field="drafts", limit="another draft of this drug stands beside it", beyond=True)
    if written.instructions > 1:
        yield Refusal(field="order.dosage", limit="must be one instruction, not several", beyond=True)


def simulate_draft(
    order: Medication, written: Written, drug: Drug, rule: DoseRule, situation: Situation, given: Given
) -> Dosed | Undosed:
    """Simulate one draft; other plans only where it leaves something to wish for.

    A dose above all that the content allows is told as such where the simulation has nothing to say of it. Where a
    problem on record speaks against the goal, only harms are told.
    """
    charted = patient_of(situation, drug, likely=given.likely())
    if isinstance(charted, Refused):
        return _undosed(order, drug, charted.reasons)
    aimed, rule = True, replace(rule, goal=meant_now(drug, rule.goal, situation))
    if against := spoken_against(drug, rule.goal, situation):
        aimed, rule = False, replace(rule, low=0.0)
        said = f"With a {against} the target may be another one: no other plan was looked for."
        charted = replace(charted, remarks=(*charted.remarks, said))
    draft = _regimen(order, drug, charted.patient, situation.now, DRAFT)
    if isinstance(draft, tuple):
        return _undosed(order, drug, draft)
    plans = (draft, *_standing(order, drug, rule, charted.patient, situation))
    question = Question(plans=plans, goal=rule.goal, draws=rule.draws, seed=given.seed, current=DRAFT)
    if problems := problems_of(drug, charted.patient, question):
        return _undosed(order, drug, problems)
    mixture = sampled(drug, charted.patient, question)
    answer = what_if(drug, charted.patient, question, mixture)
    if isinstance(answer, Refused):
        return _undosed(order, drug, answer.reasons)
    named = {one.name: one for one in plans}
    dosed = Dosed(
        order=order, written=written, drug=drug, rule=rule, charted=charted, plans=named, answer=answer, offers=0
    )
    found = _compared(dosed, question, mixture) if aimed and (dosed.over or dosed.low) else dosed
    excess = _undosed(order, drug, dosed.draft.outside)
    return excess if excess.excessive and not found.speaks else found


def _compared(dosed: Dosed, question: Question, mixture: Mixture) -> Dosed:
    """The draft beside the best of all plans that the content offers: all are looked at, a few closely."""
    drug, patient = dosed.drug, dosed.charted.patient
    offers = _offers(dosed)
    if not offers:
        return dosed
    coarse = replace(question, plans=offers, current=None, step_h=dosed.rule.coarse_step_h)
    alike = [replace(one, over_h=dosed.plans[DRAFT].over_h) for one in offers]  # of one length: one simulation
    batches = [tuple(alike[at : at + MOST_PLANS]) for at in range(0, len(alike), MOST_PLANS)]
    looked = [what_if(drug, patient, replace(coarse, plans=one), mixture) for one in batches]
    outcomes = [one for found in looked if isinstance(found, WhatIf) for one in found.plans]
    best = ranked(outcomes)[: dosed.rule.compared]
    named = {one.name: one for one in offers}
    plans = {**dosed.plans, **{one.name: named[one.name] for one in best}}
    found = what_if(drug, patient, replace(question, plans=tuple(plans.values())), mixture)
    if isinstance(found, Refused):
        return dosed
    most, now = (
        max(one.target.probability if one.target else 0.0 for one in rows) for rows in (outcomes, [dosed.draft])
    )
    unmet = found.recommended is None and most - now >= dosed.rule.gain
    return replace(dosed, plans=plans, answer=found, offers=len(offers), unmet=unmet)


def _regimen(
    order: Medication, drug: Drug, patient: Patient, now: datetime, name: str
) -> Regimen | tuple[Refusal, ...]:
    """An order as a plan from when its next dose is due; the route must be said."""
    found = regimen_of(order, drug, now, name=name)
    if order.dosing is None or not order.dosing.route:
        unsaid = Refusal(field="order.route", limit=f"must be said, and {' or '.join(drug.file.routes)}")
        return (unsaid,) if isinstance(found, Regimen) else (*found, unsaid)
    if isinstance(found, tuple):
        return found
    return replace(found, start_h=_start_h(order, patient, found.interval_h, now))


def _start_h(order: Medication, patient: Patient, interval_h: float, now: datetime) -> float:
    start = order.dosing.start if order.dosing is not None else None
    said_h = 0.0 if start is None else (start - now).total_seconds() / 3600.0
    return max(next_due_h(patient, interval_h), said_h)


def _standing(
    order: Medication, drug: Drug, rule: DoseRule, patient: Patient, situation: Situation
) -> Iterator[Regimen]:
    """The order of the same drug that is active, if there is one, only one, and it can be simulated."""
    found = [
        one
        for one in situation.ordered(drug.file.concept)
        if one.source == "request" and one.status == "active" and one.ref != order.ref
    ]
    if len(found) != 1:
        return
    plan = _regimen(found[0], drug, patient, situation.now, STANDING)
    if isinstance(plan, Regimen) and not problems_of(drug, patient, Question(plans=(plan,), goal=rule.goal)):
        yield plan


def _offers(dosed: Dosed) -> tuple[Regimen, ...]:
    """What the content offers, from when it would be due, infused no faster than the draft."""
    draft, drug, patient = dosed.plans[DRAFT], dosed.drug, dosed.charted.patient
    known = {(one.amount_mg, one.interval_h) for one in dosed.plans.values()}
    made = (
        replace(
            one,
            over_h=_over_h(draft, one, drug) if dosed.says_length else one.over_h,
            route=draft.route,
            start_h=max(draft.start_h, next_due_h(patient, one.interval_h)),
        )
        for one in offered(drug)
        if (one.amount_mg, one.interval_h) not in known
    )
    return tuple(
        one
        for one in made
        if one.over_h < one.interval_h
        and not limit_problems(drug, one)
        and not problems_of(drug, patient, Question(plans=(one,), goal=dosed.rule.goal))
    )


def _over_h(draft: Regimen, one: Regimen, drug: Drug) -> float:
    """No faster than the draft and no shorter; shorter only where the content allows no infusion as long."""
    exact = draft.over_h * max(1.0, one.amount_mg / draft.amount_mg)
    return min(ceil(exact * _PARTS_OF_AN_HOUR - 1e-6) / _PARTS_OF_AN_HOUR, drug.file.infusion_h.high)
