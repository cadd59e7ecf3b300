"""Does a draft order make sense for this patient now? Findings with what they rest on, and what was not checked. Pure.

Three answers, as for rules: a check finds something, finds nothing, or could not be made for lack of something. The
last is never taken for the second.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Final

from cds_app.domain.facts import Fact, Facts, Measurement, Medication, gather
from cds_app.domain.pharmacogenes import INDETERMINATE
from cds_app.domain.proposed import NOTHING, Proposed
from cds_app.domain.sentences import Said, Sentence, sentence
from cds_app.mitigate.amounts import amount, kidney
from cds_app.mitigate.check import HIGHEST, Check
from cds_app.mitigate.conditions import View, evaluate
from cds_app.mitigate.duplicates import duplicate
from cds_app.mitigate.findings import Case, Checked, Finding, Outcome, Unchecked
from cds_app.mitigate.gates import named
from cds_app.mitigate.giving import interval, once, rate, route, strength
from cds_app.mitigate.giving_checks import IntervalCheck, OnceCheck, RateCheck, RouteCheck, StrengthCheck
from cds_app.mitigate.order_checks import (
    AllergyCheck,
    AmountCheck,
    DuplicateCheck,
    GeneLevel,
    GenesCheck,
    InteractionCheck,
    KidneyCheck,
    OrderChecks,
    StateCheck,
)
from cds_app.score.allergies import AllergyMatch, most_specific
from cds_app.score.genes.calls import GeneCall, described
from cds_app.score.situation import Situation
from cds_app.score.standing import unread_allergies


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
    return tuple(_checked(_case(one, view, proposed), asked, draft=True) for one in known)


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
    found = (_checked(_case(one, later, NOTHING), asked, draft=False) for one in _each_drug(situation))
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


def _case(order: Medication, view: View, proposed: Proposed) -> Case:
    return Case(
        order=order,
        heads=most_specific(order.concepts, view.situation.ontology),
        view=view,
        drafts=tuple(one for one in proposed.orders if one.ref != order.ref),
        replaced=frozenset(ref for refs in proposed.replaced.values() for ref in refs),
    )


def _checked(case: Case, checks: Sequence[Check], *, draft: bool) -> Checked:
    found = [one for check in checks if _is_about(check, case) for one in _MAKE[type(check)](check, case)]
    findings = [one for one in found if isinstance(one, Finding)]
    return Checked(
        order=case.order,
        drug=next(key for key in case.order.concepts if key in case.heads),
        draft=draft,
        findings=tuple(sorted(findings, key=lambda one: (-one.tier, one.check.needs_review, one.figure is None))),
        unchecked=tuple(one for one in found if isinstance(one, Unchecked)),
    )


def _is_about(check: Check, case: Case) -> bool:
    return not all(case.is_spare(head, check.spare) for head in case.heads)


# --- allergy


def _allergy(check: AllergyCheck, case: Case) -> Outcome:
    for head in sorted(case.heads):
        found = [one for match in case.situation.allergies(head) if (one := _allergic(check, head, match, case))]
        if found:
            yield max(found, key=lambda one: one.tier)
    unread = (*unread_allergies(case.situation.facts.allergies, case.situation.now), *case.situation.worded_allergies)
    if unread:
        yield Unchecked(check=check, lacking=sentence("unread_recorded"), said=False, words=unread[0].text)


def _allergic(check: AllergyCheck, head: str, match: AllergyMatch, case: Case) -> Finding | None:
    label = case.label(head)
    if match.relation == "cross":
        cross = next((one for one in check.cross if one.via in match.via), None)
        if cross is None:
            return None
        return Finding(check=check, tier=cross.tier, why=cross.why, evidence=(match.allergy,))
    to = case.label(match.via[0])
    why = sentence("allergy", drug=to) if head in match.via else sentence("allergy_belongs", shared=to, drug=label)
    tier = check.high_criticality if match.allergy.criticality == "high" else check.tier
    return Finding(check=check, tier=tier, why=why, evidence=(match.allergy,))


# --- two drugs


def _interaction(check: InteractionCheck, case: Case) -> Outcome:
    groups = [group for group in (check.drugs, check.partners, check.third) if group]
    for index, mine in enumerate(groups):
        others = [_partners(group, check, case) for place, group in enumerate(groups) if place != index]
        if case.is_one_of(mine) and all(others):
            beside = tuple(dict.fromkeys(row for rows in others for row in rows))
            known = check.tier < HIGHEST and _are_taken(mine, beside, check, case)
            worse = [(one, verdict) for one in check.worse if (verdict := evaluate(one.when, case.view)).holds]
            with_ = ", ".join(one.says for one, _ in worse)
            why = sentence("interaction", why=check.why, worse=with_, known=known)
            lesser = known or (check.worse and not worse)
            evidence = _telling([fact for _, verdict in worse for fact in verdict.evidence])
            yield Finding(check=check, tier=1 if lesser else check.tier, why=why, evidence=evidence, beside=beside)
            return


def _are_taken(mine: Sequence[str], beside: Sequence[Medication], check: InteractionCheck, case: Case) -> bool:
    """Whether the drug of the draft and all beside it are taken already, so that the draft brings no new pair."""
    ontology = case.situation.ontology
    own = [head for head in case.heads if not frozenset(mine).isdisjoint(ontology.with_parents(head))]
    return all(case.others(head, check.taken_within_h) for head in own) and set(beside).isdisjoint(case.drafts)


def _partners(concepts: Sequence[str], check: InteractionCheck, case: Case) -> tuple[Medication, ...]:
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


def _state(check: StateCheck, case: Case) -> Outcome:
    if not case.is_one_of(check.drugs):
        return
    age = case.situation.age_years
    if age is not None and age < check.min_age_years:
        yield Unchecked(check=check, lacking=sentence("adults_only"), said=check.unknown == "say")
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


def _lacking(names: Collection[str], situation: Situation) -> Sentence:
    """What was not measured lately, what was, but not often enough to tell a change, and what nobody recorded."""
    measured = [one for one in names if situation.ontology.measuring(one)]
    few = [one for one in measured if situation.fresh(one) is not None]
    none = [one for one in measured if one not in few]
    unsaid = [one for one in names if one not in measured]
    values, too_few, unrecorded = (named(rows, situation.ontology) for rows in (none, few, unsaid))
    return sentence("lacking_for", values=values, too_few=too_few, unrecorded=unrecorded)


# --- genes


def _genes(check: GenesCheck, case: Case) -> Outcome:
    """What is known in part counts where everything that it can still be is as bad."""
    if not case.is_one_of(check.drugs):
        return
    genome = case.situation.genome
    call = genome.call(check.gene)
    if call is None:
        yield Unchecked(check=check, lacking=sentence("gene_untested", gene=check.gene), said=check.untested == "say")
        return
    for level in check.levels:
        if (found := _level_found(level, call, case)) is not None:
            why = sentence("why_and_found", why=level.why, found=found)
            yield Finding(check=check, tier=level.tier, why=why, evidence=call.evidence[:1])
            return
    if (lacking := _undecided(check, call, case)) is not None:
        yield Unchecked(check=check, lacking=lacking, said=True)


def _level_found(level: GeneLevel, call: GeneCall, case: Case) -> Said | None:
    """What was found; None where the level does not hold."""
    if level.carries:
        carried = case.situation.genome.carries(call.gene, level.carries)
        return sentence("gene_carried", gene=call.gene, allele=level.carries) if carried else None
    return described(call) if call.phenotypes and set(call.phenotypes) <= set(level.phenotypes) else None


def _undecided(check: GenesCheck, call: GeneCall, case: Case) -> Sentence | None:
    """Why the results that are there do not answer; None where they do."""
    alleles = [level.carries for level in check.levels if level.carries]
    if alleles:
        unknown = [one for one in alleles if case.situation.genome.carries(call.gene, one) is None]
        return sentence("gene_allele_unclear", gene=call.gene, allele=unknown[0]) if unknown else None
    if call.phenotype == INDETERMINATE:
        return sentence("gene_unclear", gene=call.gene, lacking=call.lacking)
    return None


def _telling(evidence: Sequence[Fact]) -> tuple[Fact, ...]:
    """The newest measurement first: what is known of now, then what it is compared with."""
    measured = sorted((one for one in evidence if isinstance(one, Measurement)), key=lambda one: one.when, reverse=True)
    return (*measured, *(one for one in evidence if not isinstance(one, Measurement)))


_MAKE: Final[Mapping[type, Callable[[Any, Case], Outcome]]] = {
    AllergyCheck: _allergy,
    DuplicateCheck: duplicate,
    KidneyCheck: kidney,
    InteractionCheck: _interaction,
    StateCheck: _state,
    GenesCheck: _genes,
    AmountCheck: amount,
    OnceCheck: once,
    RateCheck: rate,
    StrengthCheck: strength,
    RouteCheck: route,
    IntervalCheck: interval,
}
