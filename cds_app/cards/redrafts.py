"""A drafted order with another dose: in words, and as a resource.

The better plan is a `create`, and removing the first draft a suggestion of its own. CDS Hooks would allow one `update`
of the draft, or both actions in one suggestion; but the largest EHR takes one action per suggestion, creates
MedicationRequests and updates none, shows nothing but the action's description, and may set the site's default dose in
what it creates. So the description says the dose in words, and that the first draft is to be removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cds_app.cards.text import Trusted, plain
from cds_app.domain.proposed import Written
from cds_app.mitigate.doses import Dosed
from cds_app.simulate.plans import Regimen

_UCUM: Final = "http://unitsofmeasure.org"
_MINUTES: Final = 60


def plan_text(plan: Regimen) -> Trusted:
    """``1250 mg every 12 h``."""
    return Trusted(f"{plan.amount_mg:g} mg every {plan.interval_h:g} h")


def with_length(plan: Regimen, *, said: bool) -> Trusted:
    """The same with the length of the infusion, where the draft said one."""
    minutes = round(plan.over_h * _MINUTES)
    return Trusted(f"{plan_text(plan)}, each over {minutes} min") if said and minutes else plan_text(plan)


def regular(one: Dosed, plan: Regimen) -> dict[str, Any]:
    """Another dose at another interval: a FHIR R4 dosage."""
    repeat: dict[str, Any] = {"frequency": 1, "period": plan.interval_h, "periodUnit": "h"}
    if one.says_length:
        repeat |= {"duration": round(plan.over_h * _MINUTES), "durationUnit": "min"}
    dose = {"value": plan.amount_mg, "unit": "mg", "system": _UCUM, "code": "mg"}
    return _dosage(with_length(plan, said=one.says_length), repeat, dose)


def once(units: float, text: Trusted) -> dict[str, Any]:
    """One dose of insulin: a FHIR R4 dosage. Units are written out: a U is read as a nought."""
    return _dosage(text, {"count": 1}, {"value": units, "unit": "units", "system": _UCUM, "code": "[iU]"})


def _dosage(text: Trusted, repeat: dict[str, Any], dose: dict[str, Any]) -> dict[str, Any]:
    return {"text": str(text), "timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": dose}]}


def redrafted(written: Written, dosage: dict[str, Any], patient: str, now: datetime) -> dict[str, Any]:
    """The draft with another dosage: FHIR R4 MedicationRequest, what the draft said of drug, reason and course kept."""
    resource: dict[str, Any] = _clean(written.resource)
    instruction: dict[str, Any] = next(iter(resource.get("dosageInstruction", [])), {})
    kept = instruction.get("timing", {}).get("repeat", {})
    timing = {"repeat": {**kept, **dosage["timing"]["repeat"]}}
    return {
        **resource,
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": now.isoformat(timespec="seconds"),
        "dosageInstruction": [{**instruction, **dosage, "timing": timing}],
    }


def _clean(value: Any) -> Any:
    """The same with every text for people on one line and without links, as nobody else reads it before it is shown."""
    if isinstance(value, Mapping):
        return {
            key: plain(inner) if key in ("text", "display") and isinstance(inner, str) else _clean(inner)
            for key, inner in value.items()
        }
    return [_clean(inner) for inner in value] if isinstance(value, list) else value
