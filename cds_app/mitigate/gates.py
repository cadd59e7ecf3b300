"""Deterministic safety gates: what must not be so before an option is shown.

A gate refuses with a reason and evidence, or lets pass with cautions. What cannot be checked is said, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cds_app.domain.facts import Fact, Medication, Procedure
from cds_app.domain.ontology import Ontology
from cds_app.domain.sentences import Said, Sentence, sentence
from cds_app.mitigate.catalogue import AlreadyGate, Gates, OptionEntry, RenalGate
from cds_app.mitigate.conditions import View, evaluate
from cds_app.score.allergies import AllergyMatch, most_specific
from cds_app.score.clinical.kidney import on_dialysis, on_filtration
from cds_app.score.result import Lack, Score
from cds_app.score.situation import Situation

Gate = Literal["requires", "allergy", "pregnancy", "renal", "contraindicated", "already", "weight", "duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An option that is not shown, which gate held it back, why, and on what evidence."""

    option: str
    gate: Gate
    reason: Said
    evidence: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """A sentence that is shown beside an option, and its evidence."""

    said: Said
    evidence: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stop:
    gate: Gate
    reason: Said
    evidence: tuple[Fact, ...] = ()


_Found = Iterator[_Stop | Caution]


def pass_gates(option: OptionEntry, view: View) -> tuple[tuple[Refusal, ...], tuple[Caution, ...]]:
    """Send an option through all of its gates.

    Parameters
    ----------
    option : OptionEntry
        Its ``when`` is not looked at here.
    view : View

    Returns
    -------
    tuple of (tuple of Refusal, tuple of Caution)
        Every gate that holds it back, not only the first; it may be shown when there is none.
    """
    found = [one for gate in _GATES for one in gate(option.gates, view)]
    refusals = tuple(
        Refusal(option=option.id, gate=one.gate, reason=one.reason, evidence=one.evidence)
        for one in found
        if isinstance(one, _Stop)
    )
    return refusals, tuple(one for one in found if isinstance(one, Caution))


def _allergy(gates: Gates, view: View) -> _Found:
    if gates.allergy is None:
        return
    cross = frozenset(gates.allergy.cross)
    for drug in gates.allergy.drugs:
        for match in view.situation.allergies(drug):
            if match.relation != "cross" or cross.intersection(match.via):
                reason = _allergy_said(drug, match, cross, view.situation)
                yield _Stop(gate="allergy", reason=reason, evidence=(match.allergy,))
    worded = view.situation.worded_allergies
    if worded:
        yield Caution(said=sentence("allergy_unread"), evidence=worded)


def _allergy_said(drug: str, match: AllergyMatch, cross: frozenset[str], situation: Situation) -> Sentence:
    label = situation.ontology.concepts[drug].label
    if match.relation in {"named", "member"}:
        return sentence("allergy", drug=label)
    via = next((key for key in match.via if match.relation == "class" or key in cross), match.via[0])
    shared = situation.ontology.concepts[via].label
    return sentence("allergy_class" if match.relation == "class" else "allergy_cross", drug=label, shared=shared)


def _pregnancy(gates: Gates, view: View) -> _Found:
    known = view.situation.pregnant
    if gates.pregnancy is None or known is False:
        return
    if known is None:
        yield Caution(said=sentence("pregnancy_unknown"))
        return
    evidence = view.situation.pregnancy
    if gates.pregnancy == "refuse":
        yield _Stop(gate="pregnancy", reason=sentence("pregnancy"), evidence=evidence)
    else:
        yield Caution(said=sentence("pregnancy_weighed"), evidence=evidence)


def _renal(gates: Gates, view: View) -> _Found:
    if gates.renal is None:
        return
    dialysis = on_dialysis(view.situation)
    if dialysis:
        yield from _renal_on_dialysis(gates.renal, dialysis, on_filtration(view.situation))
        return
    if gates.renal.egfr_at_least is not None:
        yield from _filtration(gates.renal, gates.renal.egfr_at_least, view)


def _renal_on_dialysis(gate: RenalGate, evidence: tuple[Fact, ...], filtered: tuple[Fact, ...]) -> _Found:
    if gate.dialysis == "sessions" and filtered:
        yield Caution(said=sentence("filtered"), evidence=filtered)
    elif gate.dialysis != "allow":
        yield _Stop(gate="renal", reason=sentence("renal_therapy"), evidence=evidence)
    else:
        yield Caution(said=sentence("renal_therapy_doses"), evidence=evidence)


def _filtration(gate: RenalGate, least: float, view: View) -> _Found:
    egfr = view.scores.get("egfr")
    if not isinstance(egfr, Score):
        lacks = egfr.reasons if egfr is not None else ()
        said = sentence("renal_unknown", lacks=tuple(_lack_said(one, view.situation.ontology) for one in lacks))
        yield _Stop(gate="renal", reason=said) if gate.unknown == "refuse" else Caution(said=said)
        return
    if egfr.value < least:
        reason = sentence("renal_low", egfr=f"{egfr.value:.0f}", least=f"{least:.0f}")
        yield _Stop(gate="renal", reason=reason, evidence=egfr.inputs)
        return
    acute = view.scores.get("kdigo")
    if isinstance(acute, Score) and acute.value >= 1:
        yield Caution(said=sentence("renal_changing"), evidence=acute.inputs)


def _lack_said(lack: Lack, ontology: Ontology) -> Said:
    name = named([lack.name], ontology)
    if lack.text:
        return lack.text
    if lack.why == "stale" and lack.age_h:
        return sentence("lacking_old", name=name, hours=f"{lack.age_h:.0f}")
    return sentence("lacking_none", name=name)


def named(names: Iterable[str], ontology: Ontology) -> str:
    """Inputs of rules in the words of a reader: the ontology's labels where it has one."""
    return ", ".join(dict.fromkeys(_label(name, ontology) for name in names))


def _label(name: str, ontology: Ontology) -> str:
    when, _, bare = name.rpartition(" ")
    if not ontology.measuring(bare):
        return name.replace("_", " ")
    label = ontology.quantity(bare).label
    return " ".join(filter(None, (when, _lower(label))))


def _lower(text: str) -> str:
    """The first letter small, unless it begins an abbreviation (INR, pH) or a name (Glasgow Coma Scale)."""
    is_word = text[1:2].islower() or text[1:2] == " "
    is_name = any(word.istitle() and word.isalpha() and len(word) > 1 for word in text.split()[1:])
    return text[:1].lower() + text[1:] if is_word and not is_name else text


def _contraindicated(gates: Gates, view: View) -> _Found:
    for because in gates.contraindicated:
        verdict = evaluate(because.when, view)
        if verdict.holds:
            yield _Stop(gate="contraindicated", reason=because.why, evidence=verdict.evidence)
        elif verdict.holds is None:
            lacking = named(verdict.unknown, view.situation.ontology)
            yield Caution(said=sentence("not_if", condition=_lower(because.why).rstrip("."), lacking=lacking))


def _taken(gates: Gates, view: View) -> _Found:
    """Which drugs of the classes the patient takes: by the ontology's names, the most specific that it has."""
    ontology, asked = view.situation.ontology, frozenset(gates.taken)
    rows = tuple(dict.fromkeys(one for key in gates.taken for one in view.situation.medications(key)))
    heads = [key for one in rows for key in sorted(most_specific(one.concepts, ontology))]
    labels = dict.fromkeys(ontology.concepts[key].label for key in heads if asked & set(ontology.with_parents(key)))
    if labels:
        yield Caution(said=sentence("taken", drugs=", ".join(sorted(labels))), evidence=rows)


def _cautions(gates: Gates, view: View) -> _Found:
    for because in gates.cautions:
        verdict = evaluate(because.when, view)
        if verdict.holds:
            yield Caution(said=because.why, evidence=verdict.evidence)


def _already(gates: Gates, view: View) -> _Found:
    if gates.already is None:
        return
    hours = f"{gates.already.within_h:g}"
    for word, label, evidence in _earlier(gates.already, view):
        if evidence:
            reason = sentence("already", how=word, hours=hours, what=label)
            yield _Stop(gate="already", reason=reason, evidence=evidence[-1:])


def _earlier(gate: AlreadyGate, view: View) -> Iterator[tuple[str, str, tuple[Fact, ...]]]:
    """What was done, by its word and label. A value that has to be confirmed is no reason not to measure again."""
    situation = view.situation
    hours, concepts = gate.within_h, situation.ontology.concepts
    for key in gate.done:
        yield "done", concepts[key].label, situation.examined(key, hours)
    for key in gate.ordered:
        orders: tuple[Medication | Procedure, ...] = (
            *situation.ordered(key, hours),
            *situation.procedures_ordered(key, hours),
        )
        yield "ordered", _called(key, orders, situation.ontology), orders
    for key in gate.given:
        given = situation.given(key, hours)
        yield "given", _called(key, given, situation.ontology), given
    for quantity in gate.measured:
        newest = situation.latest(quantity, hours)
        label = situation.ontology.quantity(quantity).label
        settled = newest is not None and not view.doubted(quantity, newest.ref)
        yield "measured", label, (newest,) if newest is not None and settled else ()


def _called(key: str, rows: Sequence[Medication | Procedure], ontology: Ontology) -> str:
    """The newest by its own name, not by the class that was asked for."""
    heads = most_specific(rows[-1].concepts, ontology) if rows else ()
    labels = [ontology.concepts[one].label for one in sorted(heads) if key in ontology.with_parents(one)]
    return ", ".join(labels) or ontology.concepts[key].label


def _weight(gates: Gates, view: View) -> _Found:
    if gates.weight and view.situation.fresh("body_weight") is None:
        yield _Stop(gate="weight", reason=sentence("weight_unknown"))


_GATES: tuple[Callable[[Gates, View], _Found], ...] = (
    _allergy,
    _pregnancy,
    _renal,
    _contraindicated,
    _already,
    _weight,
    _taken,
    _cautions,
)
