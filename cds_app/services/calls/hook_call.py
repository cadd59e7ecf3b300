"""A hook call after its request was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from cds_app.domain.decisions import Loss
from cds_app.domain.events import HookEvent


@runtime_checkable
class Listener(Protocol):
    """Who called, and may have hung up by the time there is an answer."""

    def gone(self) -> bool:
        """Whether the caller has hung up by now, or says nothing more, which looks the same."""
        ...

    def unless_taken(self, act: Callable[[Loss], None]) -> None:
        """Have something done, in a thread, if the answer that is coming is not taken."""
        ...


class _Listening:
    """A caller of whom nothing else is known."""

    def gone(self) -> bool:
        return False

    def unless_taken(self, act: Callable[[Loss], None]) -> None:
        """Nobody would tell."""


LISTENING: Final[Listener] = _Listening()


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """The event, the prefetch that came with it and the way back to the FHIR server.

    Parameters
    ----------
    prefetch : mapping
        As sent; any keys, any JSON.
    context : mapping
        As sent: its root-level strings fill prefetch templates.
    fhir_server : str or None
        Base URL without a trailing slash.
    token : str or None
        Access token of this call; never stored, never logged.
    listener : Listener
        Who waits for the answer.
    """

    event: HookEvent
    prefetch: Mapping[str, object]
    context: Mapping[str, object]
    fhir_server: str | None = None
    token: str | None = None
    listener: Listener = LISTENING
