"""Why nothing was simulated, in words: by field and limit, or by measurement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cds_app.cards.text import capital
from cds_app.domain.ontology import Ontology
from cds_app.score.result import Abstained, Lack
from cds_app.simulate.refusals import Refusal, Refused, told

_FIELDS: Final[Mapping[str, str]] = {
    "goal": "target",
    "history": "doses given",
    "amount_mg": "dose",
    "interval_h": "interval",
    "over_h": "length of the infusion",
    "daily_mg": "dose in a day",
    "start_h": "the next dose",
    "horizon_h": "hours ahead",
    "weight_kg": "weight",
    "height_cm": "height",
    "age_years": "age",
    "creatinine_mg_dl": "creatinine",
    "crcl": "creatinine clearance",
    "scr": "creatinine",
    "haematocrit_percent": "haematocrit",
    "dialysis": "dialysis",
    "intensive_care": "place of care",
    "conditions": "problems on record",
    "sex": "sex",
    "genotypes": "genotype",
    "baseline_inr": "INR before the first dose",
    "glucose_mg_dl": "glucose",
    "daily_insulin_u": "insulin of a usual day",
    "type_1": "diagnosis",
    "given": "insulin given before",
    "units": "insulin",
    "carbohydrate_g": "carbohydrate",
}
_NAMES: Final = {
    "map": "mean arterial pressure",
    "body_weight": "weight",
    "body_height": "height",
    "body_mass_index": "body mass index",
}


def refusal_lines(refused: Refused, ontology: Ontology) -> tuple[str, ...]:
    """Why nothing was simulated, by field and limit, in the units that the site reads."""
    return tuple(dict.fromkeys(map(refusal_line, told(refused.reasons, ontology))))


def refusal_line(one: Refusal) -> str:
    """A refusal in words: ``Weight: must be recorded``."""
    field, limit = one.field, one.limit
    last = field.rpartition(".")[2]
    if ".genotypes." in field:
        return f"Genotype of {last}: {limit}"
    name = _FIELDS.get(last, _FIELDS.get(field.partition(".")[2].partition(".")[0], last.replace("_", " ")))
    return f"{capital(name)}: {limit}"


def lacks(one: Abstained) -> str:
    """Why nothing was simulated, by name: ``mean pressure missing; weight stale, counts for 720 h``."""
    return "; ".join(dict.fromkeys(_lack(each) for each in one.reasons))


def name_of(quantity: str) -> str:
    """What a measurement that the circulation rests on is called."""
    return _NAMES.get(quantity, quantity.replace("_", " "))


def _lack(one: Lack) -> str:
    name = name_of(one.name)
    if one.why == "missing":
        return f"{name} missing"
    if one.why == "stale":
        return f"{name} too old ({one.text})"
    return f"{name}: {one.text}" if one.text else f"{name} {one.why}"
