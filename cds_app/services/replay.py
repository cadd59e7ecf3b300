"""Replaying a decision from the store: the same facts, the same past, the same content give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from cds_app.cards.shadow import read_shadow
from cds_app.domain.decisions import Decision
from cds_app.domain.events import HookEvent
from cds_app.domain.presets import CONVENTIONAL
from cds_app.domain.proposed import NOTHING, proposed_of
from cds_app.ports import TwinStore
from cds_app.services.content.knowledge import UNITS, Knowledge
from cds_app.services.inputs import Inputs
from cds_app.services.logged import decision_of
from cds_app.services.pipeline import decide
from cds_app.services.records import Record, Twinner, with_entries

_LINK: Final = "launch"
_MAYBE: Final = frozenset({"site_mapping"})
"""Pins of the site that are there only where it has the thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A decision as it was logged and as it comes out again.

    Parameters
    ----------
    again : Decision or None
        None if the replay did not come to a decision of this id.
    changed : tuple of str
        Pins that have another value now: content or facts that are not what they were.
    """

    logged: Decision
    again: Decision | None
    changed: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether card and suppression are the same, byte for byte, and rest on the same content and facts."""
        return not self.changed and self.same_card

    @property
    def same_card(self) -> bool:
        """Whether card and suppression are the same, byte for byte."""
        return self.again is not None and (self.again.card, self.again.suppression) == (
            self.logged.card,
            self.logged.suppression,
        )


def replay_decision(knowledge: Knowledge, store: TwinStore, decision_id: str) -> Replayed:
    """Compute a logged decision again from what was known then.

    Raises
    ------
    NotFound
        If the log has no such decision.
    PatientErased, IntegrityError
    """
    logged, inputs = inputs_then(knowledge, store, decision_id)
    knowledge = _as_then(knowledge, logged.pins)
    decisions = decide(knowledge, inputs)
    again = next((one for one in decisions if one.id == logged.id), None)
    pins = again.pins if again is not None else knowledge.pins
    names = (pins.keys() | (logged.pins.keys() & _MAYBE)) - {_LINK}
    changed = tuple(sorted(name for name in names if logged.pins.get(name) != pins.get(name)))
    return Replayed(logged=logged, again=again, changed=changed)


def _as_then(knowledge: Knowledge, pins: Mapping[str, str]) -> Knowledge:
    """Knowledge whose cards link where they linked then, in the units of then: what a site has now decides nothing."""
    return _linking(knowledge.told_in(pins.get(UNITS, CONVENTIONAL)), pins.get(_LINK, ""))


def _linking(knowledge: Knowledge, url: str) -> Knowledge:
    pins = {name: value for name, value in knowledge.pins.items() if name != _LINK}
    return replace(knowledge, launch_url=url, pins={**pins, _LINK: url} if url else pins)


def inputs_then(knowledge: Knowledge, store: TwinStore, decision_id: str) -> tuple[Decision, Inputs]:
    """A logged decision, and what it was made from.

    Raises
    ------
    NotFound
        If the log has no such decision.
    PatientErased, IntegrityError
    """
    patient, decision = decision_of(store, decision_id)
    record = _record_then(knowledge, store, patient, decision.pins)
    return decision, _inputs(knowledge, decision, record)


def _record_then(knowledge: Knowledge, store: TwinStore, patient: str, pins: Mapping[str, str]) -> Record:
    twinner = Twinner(knowledge.twin, knowledge.ontology)
    segments, entries = int(pins["segments"]), int(pins["entries"])
    own = [one for one in store.segments(patient) if one.number <= segments]
    record = twinner.folded(twinner.empty(), own)
    streams: Mapping[str, int] = json.loads(pins.get("streams", "{}"))
    told = {alias: [one for one in store.segments(alias) if one.number <= number] for alias, number in streams.items()}
    record = twinner.joined(record, told)
    past = [one for one in store.entries(patient) if one.number <= entries]
    return replace(with_entries(record, past) if past else record, entries_known=entries)


def _inputs(knowledge: Knowledge, logged: Decision, record: Record) -> Inputs:
    event = json.loads(logged.pins["event"])
    return Inputs(
        service=knowledge.service(logged.service),
        event=HookEvent(service=logged.service, received=logged.at, **event),
        record=record,
        segments=int(logged.pins["segments"]),
        unused=json.loads(logged.pins["unused"]),
        seed=logged.pins["seed"],
        shadow=read_shadow(json.loads(logged.pins.get("shadow", "{}"))),
        proposed=proposed_of(logged.pins["proposed"]) if "proposed" in logged.pins else NOTHING,
    )
