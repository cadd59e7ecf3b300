"""``Observation.interpretation``: what whoever measured calls the value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_app.domain.interpretations import Interpretation
from cds_app.fabric.codes import codes_of, text_of
from cds_app.fabric.lexicon import Lexicon
from cds_app.fabric.shapes import objects


def interpretation_of(source: Mapping[str, Any], lexicon: Lexicon) -> str:
    """The key of what is said of a value; "" where that is nothing, not known here, or contradicts itself.

    Of several that agree the one that says most. What speaks of something else (a change, a resistance) is passed over.
    """
    found: dict[str, Interpretation] = {}
    for one in objects(source.get("interpretation")):
        said = lexicon.said(codes_of(one), "") or lexicon.said((), text_of(one))
        if said is not None:
            found[said.key] = said
    if len(found) > 1 and not _agree(found):
        return ""
    return min(found, key=lambda key: (not found[key].critical, found[key].side == "outside"), default="")


def _agree(found: Mapping[str, Interpretation]) -> bool:
    sides = {one.side for one in found.values()}
    return sides <= {"low", "outside"} or sides <= {"high", "outside"} or sides == {"normal"}
