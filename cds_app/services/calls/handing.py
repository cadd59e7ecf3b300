"""Cards that the caller did not wait for: written down as not taken, so that the next call tells them again.

Who gives up waiting asks again at once, and the calls of a patient take turns. So a caller is looked for twice within
the turn, before the decisions are written and after, and only what is lost on the wire is written in a turn of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from cds_app.domain.decisions import Decision, Loss, Untaken
from cds_app.errors import TwinlineError
from cds_app.ports import Clock, Commit, Meter, TwinStore
from cds_app.services.calls.hook_call import Listener
from cds_app.services.calls.turns import Turns
from cds_app.services.records import Records

_LOG = structlog.get_logger("twinline")


@dataclass(frozen=True, slots=True)
class Handing:
    """Hands answers over: sees to it that what was not taken is known."""

    store: TwinStore
    records: Records
    meter: Meter
    clock: Clock
    turns: Turns = field(default_factory=Turns)

    def lost_already(self, listener: Listener, decisions: Sequence[Decision]) -> tuple[Untaken, ...]:
        """What will not be taken, before anything is written: all that would be shown, where the caller has hung up."""
        shown = [one for one in decisions if one.shown]
        return self._lost(shown, "hung-up") if shown and listener.gone() else ()

    def follow(
        self, listener: Listener, patient: str, decisions: Sequence[Decision], lost: tuple[Untaken, ...]
    ) -> None:
        """Watch, within the turn, what becomes of decisions that are durable, and with them what was lost already."""
        shown = [one for one in decisions if one.shown]
        if lost:
            self._tell(lost)
        elif shown and listener.gone():
            self._write(patient, shown, "hung-up")
        elif shown:
            listener.unless_taken(partial(self._write, patient, shown))

    def _write(self, patient: str, shown: Sequence[Decision], why: Loss) -> None:
        """Whoever asks for this has nobody to tell of an error."""
        lost = self._lost(shown, why)
        try:
            self.turns.take(patient, lambda: self.store.commit(self._on_top(patient, lost)))
        except TwinlineError as error:
            _LOG.error("untaken-not-written", service=shown[0].service, code=error.code, shown=len(shown))
            return
        self._tell(lost)

    def _on_top(self, patient: str, lost: tuple[Untaken, ...]) -> Commit:
        record = self.records.load(patient)
        return Commit(
            patient=patient,
            segments_known=record.segments_known,
            entries_known=record.entries_known,
            learned=self.clock.now(),
            untaken=lost,
        )

    def _lost(self, shown: Sequence[Decision], why: Loss) -> tuple[Untaken, ...]:
        now = self.clock.now()
        return tuple(Untaken(card=one.id, service=one.service, topic=one.topic, at=now, why=why) for one in shown)

    def _tell(self, lost: Sequence[Untaken]) -> None:
        self.meter.untaken(lost)
        _LOG.warning("untaken", service=lost[0].service, reason=lost[0].why, shown=len(lost))
