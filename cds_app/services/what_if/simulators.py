"""What can be simulated on a page, the one line in which simulations wait, and where their chance comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import Final

from cds_app.errors import DependencyDown
from cds_app.simulate.glucose.people import People
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.simulate.surgery.comparing import SurgeryModel
from cds_app.twin.imputation import Imputer

INSIDE: Final = 2
"""So many of a worker's threads may simulate, or wait to."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulators:
    """Models, and who may use them.

    Parameters
    ----------
    pharmacy : mapping of str to Drug
        What doses can be simulated of.
    people : People
        Virtual people with diabetes.
    imputer : Imputer
        Of what may stand in for a measurement that is not current.
    inside, turn
        Of their own: a simulation of a second must not hold up a hook.
    """

    pharmacy: Mapping[str, Drug]
    surgery: SurgeryModel
    people: People
    imputer: Imputer
    inside: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(INSIDE))
    turn: Lock = field(default_factory=Lock)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One simulation at a time, as each fills memory; few may wait, so that threads are left for everything else.

        Raises
        ------
        DependencyDown
            If enough wait already.
        """
        if not self.inside.acquire(blocking=False):
            raise DependencyDown("other simulations are running: try again in a moment")
        try:
            with self.turn:
                yield
        finally:
            self.inside.release()


def seed_of(content: str, digest: str) -> int:
    """Of all chance: with the same facts and the same content the same."""
    return int.from_bytes(hashlib.sha256(f"{content} {digest}".encode()).digest()[:6], "big")
