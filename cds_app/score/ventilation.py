"""Whether a patient is on a ventilator now, and what says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cds_app.domain.facts import Fact
from cds_app.score.situation import Situation

_DONE_WITHIN_H: Final = 24.0
_SET_WITHIN_H: Final = 12.0
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def on_ventilator(situation: Situation) -> tuple[Fact, ...]:
    """Ventilation that runs or was recorded lately, and a tidal volume that is set: since the last end of it.

    It ends with its period or with extubation. What is recorded without a period counts for a day.
    """
    now, runs = situation.now, situation.procedures_done("mechanical_ventilation", _DONE_WITHIN_H)
    ends = [one.end for one in runs if one.end is not None and one.end <= now]
    freed = max((*ends, *(one.when for one in situation.procedures_done("extubation", _DONE_WITHIN_H))), default=_NEVER)
    volume = situation.latest("tidal_volume_set", _SET_WITHIN_H)
    signs = (*(one for one in runs if one.end is None or one.end > now), *(() if volume is None else (volume,)))
    return tuple(one for one in signs if one.when >= freed)
