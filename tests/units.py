"""Records as a laboratory sends them that reports in the units of a preset, and what such a reader must not meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from cds_app.domain.ontology import Ontology

Resource = dict[str, Any]
CONVENTIONAL: Final = re.compile(r"\d *(?:[mµun]?g/dL|pg/mL|mEq)")
"""Numbers in a unit in which nothing is told under the preset si."""


def sent_as(resource: Resource, ontology: Ontology) -> Resource:
    """An Observation, and its components, with every value in the unit that the ontology has it told in."""
    made = deepcopy(resource)
    for one in (made, *made.get("component", ())):
        codes = [(code.get("system", ""), code.get("code", "")) for code in one.get("code", {}).get("coding", ())]
        variable, value = ontology.variable(codes), one.get("valueQuantity")
        if variable is not None and variable.chosen is not None and value and value.get("code") == variable.unit:
            told = variable.told
            number = round(told.value(value["value"]), told.decimals)
            one["valueQuantity"] = {**value, "value": number, "code": told.unit, "unit": told.unit}
    return made


def left_in(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Of some texts those that tell a number in a conventional unit, with where they do."""
    found = {name: [match[0] for match in CONVENTIONAL.finditer(text)] for name, text in texts.items()}
    return {name: places for name, places in found.items() if places}
