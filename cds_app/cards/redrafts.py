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


def redrafted(one: Dosed, plan: Regimen, patient: str, now: datetime) -> dict[str, Any]:
    """The draft with another dose: FHIR R4 MedicationRequest, what the draft said of drug, reason and course kept."""
    resource: dict[str, Any] = _clean(one.written.resource)
    instruction: dict[str, Any] = next(iter(resource.get("dosageInstruction", [])), {})
    repeat = {
        **instruction.get("timing", {}).get("repeat", {}),
        "frequency": 1,
        "period": plan.interval_h,
        "periodUnit": "h",
    }
    if one.says_length:
        repeat |= {"duration": round(plan.over_h * _MINUTES), "durationUnit": "min"}
    dose = {"value": plan.amount_mg, "unit": "mg", "system": _UCUM, "code": "mg"}
    return {
        **resource,
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": now.isoformat(timespec="seconds"),
        "dosageInstruction": [
            {
                **instruction,
                "text": str(with_length(plan, said=one.says_length)),
                "timing": {"repeat": repeat},
                "doseAndRate": [{"doseQuantity": dose}],
            }
        ],
    }


def _clean(value: Any) -> Any:
    """The same with every text for people on one line and without links, as nobody else reads it before it is shown."""
    if isinstance(value, Mapping):
        return {
            key: plain(inner) if key in ("text", "display") and isinstance(inner, str) else _clean(inner)
            for key, inner in value.items()
        }
    return [_clean(inner) for inner in value] if isinstance(value, list) else value
