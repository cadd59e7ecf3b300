"""Does a draft order make sense for this patient now? Findings with what they rest on, and what was not checked. Pure.

Three answers, as for rules: a check finds something, finds nothing, or could not be made for lack of something. The
last is never taken for the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from cds_app.domain.facts import Fact, Facts, Measurement, Medication, gather
from cds_app.domain.pharmacogenes import INDETERMINATE
from cds_app.domain.proposed import Proposed
from cds_app.mitigate.conditions import View, evaluate
from cds_app.mitigate.filtration import Unfiltered, filtration_of
from cds_app.mitigate.gates import named
from cds_app.mitigate.order_checks import (
    AllergyCheck,
    AmountCheck,
    Check,
    DuplicateCheck,
    GeneLevel,
    GenesCheck,
    InteractionCheck,
    KidneyCheck,
    OrderChecks,
    StateCheck,
)
from cds_app.score.allergies import AllergyMatch, most_specific
from cds_app.score.genes import GeneCall, described
from cds_app.score.situation import Situation
from cds_app.simulate.orders import mass_mg

UNCHECKED_TIER: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found.

    Parameters
    ----------
    check : Check
    tier : int
        1 information, 2 act before signing, 3 dangerous.
    why : str
        One sentence of ours.
    evidence : tuple of Fact
        What it rests on, the most telling first.
    beside : tuple of Medication
        Other drugs that it is about, taken or drafted.
    """

    check: Check
    tier: int
    why: str
    evidence: tuple[Fact, ...] = ()
    beside: tuple[Medication, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A check that could not be made, what was lacking in a reader's words, and whether a card must say so."""

    check: Check
    lacking: str
    said: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One order after all checks.

    Parameters
    ----------
    order : Medication
    drug : str
        The ontology's most specific concept for it.
    draft : bool
        Whether it is a draft, or an order that is active already.
    findings : tuple of Finding
        Worst first, then those whose source was verified, then in the order of the content.
    unchecked : tuple of Unchecked
    """

    order: Medication
    drug: str
    draft: bool
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One order under check, the patient, and the drafts beside it."""

    order: Medication
    heads: frozenset[str]
    view: View
    drafts: tuple[Medication, ...]

    @property
    def situation(self) -> Situation:
        return self.view.situation

    def is_one_of(self, concepts: Sequence[str]) -> bool:
        return not frozenset(concepts).isdisjoint(self.order.concepts)

    def others(self, concept: str, within_h: float) -> tuple[Medication, ...]:
        """What else is taken of a drug or class: not this order itself, which an EHR may list as active."""
        found = self.situation.medications(concept, within_h)
        return tuple(one for one in found if one.ref != self.order.ref)


_Outcome = Iterator[Finding | Unchecked]


def check_orders(checks: OrderChecks, view: View, proposed: Proposed, kinds: Set[str]) -> tuple[Checked, ...]:
    """Judge the drafts of a call.

    Parameters
    ----------
    checks : OrderChecks
    view : View
        Situation and scores; the drafts are not in it.
    proposed : Proposed
        Of its orders only those selected are judged; all of them count as drafts beside each other.
    kinds : set of str
        Kinds of checks to make.

    Returns
    -------
    tuple of Checked
        One per judged order whose drug is known, in the order of the drafts. None for a patient who has died.
    """
    if view.situation.deceased:
        return ()
    asked = [one for one in checks.checks if one.kind in kinds]
    known = (one for one in proposed.judged if one.concepts)
    return tuple(_checked(_case(one, view, proposed.orders), asked, draft=True) for one in known)


def check_recorded(checks: OrderChecks, view: View, proposed: Proposed, kinds: Set[str]) -> tuple[Checked, ...]:
    """Judge what the patient takes against an allergy or a problem that is about to be recorded.

    Returns
    -------
    tuple of Checked
        Only what the new record changes; each drug once.
    """
    situation = view.situation
    if situation.deceased:
        return ()
    new = {one.ref for one in (*proposed.allergies, *proposed.conditions)}
    known = [one for one in situation.facts if one.ref not in new]
    facts: Facts = gather([*known, *proposed.allergies, *proposed.conditions])
    later = replace(view, situation=replace(situation, facts=facts, measured=None))
    asked = [one for one in checks.checks if one.kind in kinds]
    found = (_checked(_case(one, later, ()), asked, draft=False) for one in _each_drug(situation))
    return tuple(told for one in found if (told := _changed_by(new, one)).findings)


def _each_drug(situation: Situation) -> tuple[Medication, ...]:
    """What is taken, the newest record of each drug, orders before what merely was given."""
    concepts = dict.fromkeys(one.concepts[0] for one in situation.facts.medications if one.concepts)
    taken = (one for concept in concepts for one in situation.medications(concept) if one.concepts[0] == concept)
    rows = sorted(taken, key=lambda one: (one.source == "request", one.when))
    return tuple({most_specific(one.concepts, situation.ontology): one for one in rows}.values())


def _changed_by(new: Set[str], checked: Checked) -> Checked:
    findings = tuple(one for one in checked.findings if not new.isdisjoint(fact.ref for fact in one.evidence))
    return replace(checked, findings=findings, unchecked=())


def _case(order: Medication, view: View, drafts: Sequence[Medication]) -> _Case:
    heads = most_specific(order.concepts, view.situation.ontology)
    return _Case(order=order, heads=heads, view=view, drafts=tuple(one for one in drafts if one.ref != order.ref))


def _checked(case: _Case, checks: Sequence[Check], *, draft: bool) -> Checked:
    found = [one for check in checks if not case.is_one_of(check.spare) for one in _MAKE[type(check)](check, case)]
    findings = [one for one in found if isinstance(one, Finding)]
    return Checked(
        order=case.order,
        drug=next(key for key in case.order.concepts if key in case.heads),
        draft=draft,
        findings=tuple(sorted(findings, key=lambda one: (-one.tier, one.check.needs_review))),
        unchecked=tuple(one for one in found if isinstance(one, Unchecked)),
    )


# --- allergy


def _allergy(check: AllergyCheck, case: _Case) -> _Outcome:
    for head in sorted(case.heads):
        found = [one for match in case.situation.allergies(head) if (one := _allergic(check, head, match, case))]
        if found:
            yield max(found, key=lambda one: one.tier)
    if case.situation.worded_allergies:
        yield Unchecked(check=check, lacking="one in words that are not understood here is recorded", said=False)


def _allergic(check: AllergyCheck, head: str, match: AllergyMatch, case: _Case) -> Finding | None:
    label = _label(head, case)
    if match.relation == "cross":
        cross = next((one for one in check.cross if one.via in match.via), None)
        if cross is None:
            return None
        return Finding(check=check, tier=cross.tier, why=cross.why, evidence=(match.allergy,))
    shared = "" if head in match.via else f", which {label} belongs to"
    named_ = _label(match.via[0], case)
    tier = check.high_criticality if match.allergy.criticality == "high" else check.tier
    return Finding(check=check, tier=tier, why=f"Allergy recorded: {named_}{shared}.", evidence=(match.allergy,))


# --- the same drug twice


def _duplicate(check: DuplicateCheck, case: _Case) -> _Outcome:
    same = {one.ref: one for head in sorted(case.heads) for one in case.others(head, check.given_within_h)}
    if same:
        rows = _orders_first(same.values())
        why = f"{_label(sorted(case.heads)[0], case)} {_HOW[rows[0].source]} already."
        yield Finding(check=check, tier=check.tier, why=why, beside=rows)
        return
    for concept in check.classes:
        rows = _orders_first(case.others(concept, check.given_within_h)) if case.is_one_of([concept]) else ()
        if rows:
            why = f"Another drug of the same class ({_label(concept, case)}) {_HOW[rows[0].source]} already."
            yield Finding(check=check, tier=check.tier, why=why, beside=rows)
            return


_HOW: Final = {"request": "is ordered", "administration": "was given", "statement": "is taken"}


def _orders_first(rows: Any) -> tuple[Medication, ...]:
    return tuple(sorted(rows, key=lambda one: (one.source != "request", -one.when.timestamp())))


# --- kidney


def _kidney(check: KidneyCheck, case: _Case) -> _Outcome:
    if not case.is_one_of(check.drugs):
        return
    found = filtration_of(case.view, check)
    if isinstance(found, Unfiltered):
        if found.dialysis:
            worst = max(one.tier for one in check.filtration)
            yield Finding(check=check, tier=worst, why=check.dialysis, evidence=found.dialysis)
        else:
            yield Unchecked(check=check, lacking=found.lacking, said=True)
        return
    reached = next((one for one in check.filtration if found.value < one.below), None)
    if reached is not None:
        yield Finding(check=check, tier=reached.tier, why=f"{reached.why} {found.said}.", evidence=found.evidence)
    elif found.stands_in:
        yield Unchecked(check=check, lacking=f"{found.stands_in} for creatinine clearance", said=False)


# --- two drugs


def _interaction(check: InteractionCheck, case: _Case) -> _Outcome:
    for mine, others in ((check.drugs, check.partners), (check.partners, check.drugs)):
        if case.is_one_of(mine) and (rows := _partners(others, check, case)):
            yield Finding(check=check, tier=check.tier, why=check.why, beside=rows)
            return


def _partners(concepts: Sequence[str], check: InteractionCheck, case: _Case) -> tuple[Medication, ...]:
    """Drugs beside the draft that are another drug than it: of each the first found, what is taken before drafts."""
    taken = (one for concept in concepts for one in case.others(concept, check.taken_within_h))
    drafted = (one for one in case.drafts if not frozenset(concepts).isdisjoint(one.concepts))
    ontology = case.situation.ontology
    found: dict[frozenset[str], Medication] = {}
    for one in (*taken, *drafted):
        heads = most_specific(one.concepts, ontology)
        if heads.isdisjoint(case.heads) and frozenset(check.spare).isdisjoint(one.concepts):
            found.setdefault(heads, one)
    return tuple(found.values())


# --- how the patient is


def _state(check: StateCheck, case: _Case) -> _Outcome:
    if not case.is_one_of(check.drugs):
        return
    age = case.situation.age_years
    if age is not None and age < check.min_age_years:
        yield Unchecked(check=check, lacking="its limit is of adults", said=check.unknown == "say")
        return
    lacking: dict[str, None] = {}
    for level in check.levels:
        verdict = evaluate(level.when, case.view)
        if verdict.holds:
            yield Finding(check=check, tier=level.tier, why=level.why, evidence=_telling(verdict.evidence))
            break
        if verdict.holds is None:
            lacking |= dict.fromkeys(verdict.unknown)
    if lacking:
        yield Unchecked(check=check, lacking=_lacking(lacking, case.situation), said=check.unknown == "say")


def _lacking(names: Iterable[str], situation: Situation) -> str:
    """What was not measured lately, and what was, but not often enough to tell a change."""
    few = [one for one in names if situation.ontology.measuring(one) and situation.fresh(one) is not None]
    none = [one for one in names if one not in few]
    said = (("no current", none), ("too few values of", few))
    return "; ".join(f"{why} {named(rows, situation.ontology)}" for why, rows in said if rows)


# --- genes


def _genes(check: GenesCheck, case: _Case) -> _Outcome:
    """What is known in part counts where everything that it can still be is as bad."""
    if not case.is_one_of(check.drugs):
        return
    genome = case.situation.genome
    call = genome.call(check.gene)
    if call is None:
        yield Unchecked(check=check, lacking=f"{check.gene} not tested", said=check.untested == "say")
        return
    for level in check.levels:
        if (found := _level_found(level, call, case)) is not None:
            yield Finding(check=check, tier=level.tier, why=f"{level.why} {found}.", evidence=call.evidence[:1])
            return
    if (lacking := _undecided(check, call, case)) is not None:
        yield Unchecked(check=check, lacking=lacking, said=True)


def _level_found(level: GeneLevel, call: GeneCall, case: _Case) -> str | None:
    """What was found in words; None where the level does not hold."""
    if level.carries:
        return (
            f"{call.gene}{level.carries} carried" if case.situation.genome.carries(call.gene, level.carries) else None
        )
    return described(call) if call.phenotypes and set(call.phenotypes) <= set(level.phenotypes) else None


def _undecided(check: GenesCheck, call: GeneCall, case: _Case) -> str | None:
    """Why the results that are there do not answer; None where they do."""
    alleles = [level.carries for level in check.levels if level.carries]
    if alleles:
        unknown = [one for one in alleles if case.situation.genome.carries(call.gene, one) is None]
        return f"{call.gene}{unknown[0]} not told, or told both ways" if unknown else None
    if call.phenotype == INDETERMINATE:
        return f"{call.gene} {call.lacking or 'not of one known effect'}"
    return None


def _telling(evidence: Sequence[Fact]) -> tuple[Fact, ...]:
    """The newest measurement first: what is known of now, then what it is compared with."""
    measured = sorted((one for one in evidence if isinstance(one, Measurement)), key=lambda one: one.when, reverse=True)
    return (*measured, *(one for one in evidence if not isinstance(one, Measurement)))


def _label(key: str, case: _Case) -> str:
    return case.situation.ontology.concepts[key].label


# --- how much in a day


def _amount(check: AmountCheck, case: _Case) -> _Outcome:
    if not case.is_one_of(check.drugs):
        return
    dose_mg, dosing = mass_mg(case.order.dose_value, case.order.dose_unit), case.order.dosing
    if dose_mg is None or dosing is None or not dosing.interval_h:
        yield Unchecked(check=check, lacking="no dose in mg at an interval", said=False)
        return
    daily_mg, weight = dose_mg * 24.0 / dosing.interval_h, case.situation.latest("body_weight")
    if daily_mg > check.most_mg_per_day:
        said = f"{daily_mg:g} mg in 24 h, at most {check.most_mg_per_day:g} mg. {check.why}"
        yield Finding(check=check, tier=check.tier, why=said)
    elif check.light is not None and weight is None:
        yield Unchecked(check=check, lacking="no weight", said=False)
    elif check.light is not None and weight is not None and weight.value < check.light.below_kg:
        most = check.light.most_mg_per_kg_per_day
        if daily_mg > most * weight.value:
            said = f"{daily_mg / weight.value:.0f} mg/kg in 24 h, below {check.light.below_kg:g} kg at most {most:g}."
            yield Finding(check=check, tier=check.tier, why=f"{said} {check.why}", evidence=(weight,))


_MAKE: Final[Mapping[type, Callable[[Any, _Case], _Outcome]]] = {
    AllergyCheck: _allergy,
    DuplicateCheck: _duplicate,
    KidneyCheck: _kidney,
    InteractionCheck: _interaction,
    StateCheck: _state,
    GenesCheck: _genes,
    AmountCheck: _amount,
}
