"""A hook call after its request was checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds_app.domain.events import HookEvent


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
    """

    event: HookEvent
    prefetch: Mapping[str, object]
    context: Mapping[str, object]
    fhir_server: str | None = None
    token: str | None = None
