"""Callers who wait for an answer, and who do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cds_app.domain.decisions import Loss
from cds_app.services.calls.answer import Answering
from cds_app.services.calls.hook_call import HookCall
from cds_app.web.requests import read_call
from tests import patients
from tests.conftest import FrozenClock

PATIENT_VIEW = "twinline-patient-view"


@dataclass(slots=True)
class Caller:
    """One who is asked whether they are gone, and answers so in turn."""

    says: list[Callable[[], bool]]
    acts: list[Callable[[Loss], None]] = field(default_factory=list)

    def gone(self) -> bool:
        return self.says.pop(0)()

    def unless_taken(self, act: Callable[[Loss], None]) -> None:
        self.acts.append(act)


def caller(*says: bool) -> Caller:
    return Caller([partial(bool, one) for one in says])


def call(answering: Answering, clock: FrozenClock, **more: Any) -> HookCall:
    service = answering.knowledge.service(PATIENT_VIEW)
    made = read_call(patients.hyperkalaemic(clock.now()), service, received=clock.now(), simulated=False)
    return replace(made, **more)
