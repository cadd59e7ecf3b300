"""Options for a concern: those that may be shown, ranked, with a draft; and those held back, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds_app.domain.sentences import sentence
from cds_app.mitigate.catalogue import Catalogue, Draft, Guideline, OptionEntry, Topic
from cds_app.mitigate.concerns import Concern
from cds_app.mitigate.conditions import Verdict, View, evaluate
from cds_app.mitigate.effects import CirculationEffect, DoseEffect, GlucoseEffect
from cds_app.mitigate.gates import Caution, Refusal, named, pass_gates
from cds_app.score.situation import Situation

_EVIDENCE_FIELD = {"MedicationRequest": "supportingInformation", "ServiceRequest": "supportingInfo"}
_CODE_FIELD = {"MedicationRequest": "medicationCodeableConcept", "ServiceRequest": "code"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing to consider.

    Parameters
    ----------
    id, topic : str
        Ids in the catalogue.
    text : str
        One sentence, an option and not an order.
    strength : str
        Strength of recommendation in the guideline's own letters.
    rank : int
        1 (strongest) to 4 (expert opinion).
    guideline : Guideline
        Who recommends it.
    needs_review : bool
        The statement is from memory and no clinician has confirmed it yet; shown as such.
    cautions : tuple of Caution
        What to weigh, or what could not be checked.
    resource : mapping or None
        FHIR R4 draft (status draft, intent proposal); None where no verified code exists.
    effect : DoseEffect, CirculationEffect, GlucoseEffect or None
        Which simulation tells what it would do; None where there is none.
    """

    id: str
    topic: str
    text: str
    strength: str
    rank: int
    guideline: Guideline
    needs_review: bool
    cautions: tuple[Caution, ...] = ()
    resource: Mapping[str, Any] | None = None
    effect: DoseEffect | CirculationEffect | GlucoseEffect | None = None


def options_for(
    concern: Concern, catalogue: Catalogue, view: View, *, patient: str, offered: Sequence[Option] = ()
) -> tuple[tuple[Option, ...], tuple[Refusal, ...]]:
    """Options that apply to a concern, sent through their gates.

    Parameters
    ----------
    concern : Concern
        From `assess`.
    catalogue : Catalogue
    view : View
        The same situation, scores and risks that the concern came from.
    patient : str
        Bare FHIR id, for the drafts.
    offered : sequence of Option
        What other concerns of the same response offer already: the same code is not drafted twice.

    Returns
    -------
    tuple of (tuple of Option, tuple of Refusal)
        Offered ones by rank, then in the order of the catalogue. An option whose own condition does not hold is in
        neither; one whose condition is not known is refused by the gate ``requires``.
    """
    topic = catalogue.topics[concern.topic]
    taken = {code for one in offered if (code := _code_of(one.resource)) is not None}
    shown: list[Option] = []
    refused: list[Refusal] = []
    for entry in topic.options:
        stopped, cautions = _judged(entry, view, taken)
        if stopped is None:
            continue
        refused.extend(stopped)
        if not stopped:
            option = _option(entry, topic, cautions, _draft(entry, concern, view, patient))
            shown.append(option)
            taken |= {code for code in (_code_of(option.resource),) if code is not None}
    return tuple(sorted(shown, key=lambda one: one.rank)), tuple(refused)


def _judged(
    entry: OptionEntry, view: View, taken: set[tuple[str, str]]
) -> tuple[tuple[Refusal, ...] | None, tuple[Caution, ...]]:
    """Refusals and cautions of an option; None instead of refusals when it does not apply."""
    verdict = Verdict(holds=True) if entry.when is None else evaluate(entry.when, view)
    if verdict.holds is False:
        return None, ()
    if verdict.holds is None:
        lacking = named(verdict.unknown, view.situation.ontology)
        reason = sentence("not_known_to_apply", lacking=lacking)
        return (Refusal(option=entry.id, gate="requires", reason=reason, evidence=verdict.evidence),), ()
    if entry.draft is not None and (entry.draft.system, entry.draft.code) in taken:
        reason = sentence("drafted_already", what=entry.draft.display)
        return (Refusal(option=entry.id, gate="duplicate", reason=reason),), ()
    return pass_gates(entry, view)


def _option(
    entry: OptionEntry, topic: Topic, cautions: tuple[Caution, ...], resource: Mapping[str, Any] | None
) -> Option:
    return Option(
        id=entry.id,
        topic=topic.id,
        text=entry.text,
        strength=entry.strength,
        rank=entry.rank,
        guideline=entry.guideline or topic.guideline,
        needs_review=entry.needs_review,
        cautions=cautions,
        resource=resource,
        effect=entry.effect,
    )


def _draft(entry: OptionEntry, concern: Concern, view: View, patient: str) -> Mapping[str, Any] | None:
    if entry.draft is None or entry.code_tag != "V":
        return None
    return draft_resource(entry.draft, concern, view.situation, patient)


def draft_resource(draft: Draft, concern: Concern, situation: Situation, patient: str) -> dict[str, Any]:
    """Fill a draft order for a patient: proposal, no dose, the evidence referenced.

    Parameters
    ----------
    draft : Draft
        Type, code and priority from the catalogue.
    concern : Concern
        Its measurements become the supporting information.
    situation : Situation
        Time and running encounter.
    patient : str
        Bare FHIR id.

    Returns
    -------
    dict
        FHIR R4 MedicationRequest or ServiceRequest.
    """
    coding = {"system": draft.system, "code": draft.code, "display": draft.display}
    resource: dict[str, Any] = {
        "resourceType": draft.type,
        "status": "draft",
        "intent": "proposal",
        "priority": draft.priority,
        _CODE_FIELD[draft.type]: {"coding": [coding], "text": draft.display},
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": situation.now.isoformat(timespec="seconds"),
    }
    if situation.stay is not None and "~" not in situation.stay.ref:
        resource["encounter"] = {"reference": situation.stay.ref}
    evidence = _references(concern)
    if evidence:
        resource[_EVIDENCE_FIELD[draft.type]] = [{"reference": reference} for reference in evidence]
    return resource


def _references(concern: Concern) -> tuple[str, ...]:
    """Observations behind a concern: the resource, not its component, and only those that have an id."""
    refs = [one.ref for one in concern.facts] + [one.latest.ref for one in concern.readings]
    whole = (ref.split("#", 1)[0] for ref in refs)
    return tuple(dict.fromkeys(ref for ref in whole if ref.startswith("Observation/") and "~" not in ref))


def _code_of(resource: Mapping[str, Any] | None) -> tuple[str, str] | None:
    if resource is None:
        return None
    coding = resource[_CODE_FIELD[resource["resourceType"]]]["coding"][0]
    return coding["system"], coding["code"]
