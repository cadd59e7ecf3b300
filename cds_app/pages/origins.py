"""Where a measurement came from, in words, and why one that was set aside does not count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.domain.ontology import Range
from cds_app.score.disputes import disputed
from cds_app.score.situation import Situation

_METHODS: Final[Mapping[str, str]] = {"arterial": "arterial line", "cuff": "cuff", "device": "device"}
_FLAGS: Final[Mapping[str, str]] = {
    "limits": "impossible samples left out",
    "spikes": "spikes left out",
    "flat": "no change for a minute: no signal",
    "sparse": "too few samples",
    "clock": "time put right by the device's clock",
    "flooded": "more samples than were kept",
}


def origin_of(one: Measurement) -> str:
    """Which device, from how many samples, and what was wrong with them; "" for what people recorded."""
    found = one.provenance
    if found is None or not found.method or found.method == "charted":
        return ""
    words = [_METHODS[found.method]]
    if found.samples > 1:
        words[0] += f", median of {found.samples} samples"
    return "; ".join([*words, *(_FLAGS[flag] for flag in found.flags if flag in _FLAGS)])


def aside_of(situation: Situation, quantity: str, window_h: float) -> dict[Measurement, str]:
    """Measurements of a quantity in a window of hours that do not count, and what goes before each."""
    keys, since = situation.ontology.measuring(quantity), situation.now - timedelta(hours=window_h)
    lately = ((one, before) for one, before in situation.contested if since <= one.when <= situation.now)
    found = {one: _why_aside(before) for one, before in lately if one.variable in keys}
    return found | dict.fromkeys(disputed(situation, keys, window_h), "not used: it cannot be both")


def out_of(span: Range | None, value: float) -> str:
    """On which side of the usual range a value lies; "" if on neither."""
    if span is None or span.holds(value):
        return ""
    return "below the usual range" if span.low is not None and value < span.low else "above the usual range"


def _why_aside(before: Measurement) -> str:
    found = before.provenance
    what = _METHODS.get(found.method, "recorded value") if found is not None else "recorded value"
    return f"set aside: the {what} of the same minute counts"
