"""Whose segments are of which resources, found without opening any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_app.adapters.sealed.vault import MENTION_BYTES
from cds_app.errors import IntegrityError


def holding(wanted: bytes, rows: Iterable[tuple[str, bytes | None]]) -> Mapping[str, bool]:
    """Who holds any of what is wanted, as `cds_app.ports.TwinStore.holders` says it.

    Parameters
    ----------
    wanted : bytes
        `Vault.mentions` of some resources.
    rows : iterable of (str, bytes or None)
        Of segments: whose they are, and the same of what they are of; None where that was not noted.
    """
    sought = frozenset(_numbers(wanted))
    found: dict[str, bool] = {}
    for patient, mentioned in rows:
        if mentioned is None:
            found.setdefault(patient, False)
        elif not sought.isdisjoint(_numbers(mentioned)):
            found[patient] = True
    return found


def _numbers(mentioned: bytes) -> memoryview[int]:
    if len(mentioned) % MENTION_BYTES:
        raise IntegrityError("what a segment is of was changed")
    return memoryview(mentioned).cast("Q")
