"""Which problems and allergies of a record stand, and of which nothing but words says what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from cds_app.domain.denials import affirmed
from cds_app.domain.facts import Allergy, Condition

_NOT_A_DIAGNOSIS = frozenset({"refuted", "entered-in-error", "differential"})
_SHARED = (
    "http://snomed.info/", "http://www.nlm.nih.gov/", "http://hl7.org/fhir/sid/", "http://terminology.hl7.org/",
    "http://fdasis.nlm.nih.gov", "http://loinc.org", "http://fhir.de/CodeSystem/bfarm/", "http://www.whocc.no/atc",
)  # fmt: skip
_END_STAGE = "end_stage_renal_disease"
_TO_DRUGS = frozenset({"medication", "biologic"})
_OVER = frozenset({"inactive", "remission", "resolved"})


def holds(one: Condition | Allergy, now: datetime) -> bool:
    """Whether a problem or an allergy is believed and not over; without a clinical status it is not."""
    ended = isinstance(one, Condition) and one.abated is not None and one.abated <= now
    believed = one.verification not in _NOT_A_DIAGNOSIS and one.clinical not in _OVER
    return believed and not ended and one.when <= now


def grafted(found: Mapping[str, tuple[Condition, ...]]) -> Mapping[str, tuple[Condition, ...]]:
    """Problems by concept, without an end-stage kidney disease of before a transplant, unless dialysis is recorded.

    It stays in problem lists, and would hide that the graft fails: nobody stages an injury of whoever dialyses. Of a
    graft that has failed, and that no other followed, it is no longer of before.
    """
    grafts = found.get("kidney_transplant", ())
    if not grafts or found.get("dialysis_dependence"):
        return found
    since = max(one.when for one in grafts)
    if any(one.when >= since for one in found.get("kidney_graft_failure", ())):
        return found
    return {**found, _END_STAGE: tuple(one for one in found.get(_END_STAGE, ()) if one.when > since)}


def worded(one: Condition | Allergy) -> bool:
    """Whether nothing but words says what it is: no concept, and no code of a terminology that others share."""
    return not one.concepts and not any(system.startswith(_SHARED) for system, _ in one.codes)


def unread_allergies(allergies: Iterable[Allergy], now: datetime) -> tuple[Allergy, ...]:
    """Allergies that hold, may be to a drug, and name in words none that is known here; the newest first."""
    held = (one for one in allergies if not one.concepts and holds(one, now))
    found = [one for one in held if affirmed(one.text) and _may_be_to_a_drug(one)]
    return tuple(sorted(found, key=lambda one: one.when, reverse=True))


def _may_be_to_a_drug(one: Allergy) -> bool:
    """Whether its category says so, or where it has none, nothing but words says what it is to."""
    return not _TO_DRUGS.isdisjoint(one.categories) if one.categories else worded(one)
