"""The words of an order as codes: amount, route, interval and length, where they are said in the words of the list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cds_app.sandbox.people.vocabulary import SNOMED, UCUM, concept

_SAID: Final = re.compile(
    r"(?P<value>\d{1,6}(?:\.\d{1,3})?) (?P<unit>mg|g) (?P<way>into a vein|by mouth) every (?P<hours>\d{1,2}) hours"
    r"(?:, each over (?P<minutes>\d{1,3}) minutes)?"
)
_WAYS: Final[Mapping[str, tuple[str, str]]] = {
    "into a vein": ("47625008", "Intravenous route"),
    "by mouth": ("26643006", "Oral route"),
}


def coded(words: str) -> dict[str, Any]:
    """Route, timing and amount of a ``Dosage``; nothing where other words were used."""
    said = _SAID.fullmatch(words)
    if said is None:
        return {}
    unit = said["unit"]
    repeat: dict[str, Any] = {"frequency": 1, "period": int(said["hours"]), "periodUnit": "h"}
    if said["minutes"]:
        repeat |= {"duration": int(said["minutes"]), "durationUnit": "min"}
    amount = {"value": float(said["value"]), "unit": unit, "system": UCUM, "code": unit}
    return {
        "route": concept(SNOMED, *_WAYS[said["way"]]),
        "timing": {"repeat": repeat},
        "doseAndRate": [{"doseQuantity": amount}],
    }
