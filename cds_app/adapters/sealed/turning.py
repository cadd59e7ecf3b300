"""Switches and counts as the log's rows hold them. What a turn says is believed only if its MAC is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from cds_app.adapters.sealed.ledger import LogRow, row_mac
from cds_app.adapters.sealed.sealing import open_entry
from cds_app.adapters.sealed.vault import Vault
from cds_app.domain.switches import Switch, fold
from cds_app.errors import Conflict, IntegrityError
from cds_app.ports import Count


def turns_of(vault: Vault, rows: Iterable[tuple[Any, ...]]) -> tuple[Switch, ...]:
    """Turns from rows with the wrapped key before the log's columns.

    Raises
    ------
    IntegrityError
        If a row is not as it was written: nobody without the key may open a service that was switched off.
    """
    return tuple(_opened(vault, wrapped, LogRow(*row)) for wrapped, *row in rows)


def check_stand(switch: Switch, turns: Sequence[Switch]) -> None:
    """Raise Conflict if the switch does not stand where the turn begins."""
    if fold(turns).at(switch.service, switch.topic) is not switch.before:
        raise Conflict("somebody else turned this switch meanwhile", field="before")


def count_of(hour: str, service: str, topic: str, tier: int | None, *rest: Any) -> Count:
    """A row of counts. What became of a card has no tier of its own."""
    suppression, outcome, number = rest
    at = datetime.fromisoformat(f"{hour}:00:00").replace(tzinfo=UTC)
    return Count(
        hour=at, service=service, topic=topic, tier=tier or 0, suppression=suppression, outcome=outcome, number=number
    )


def _opened(vault: Vault, wrapped: bytes | None, row: LogRow) -> Switch:
    if wrapped is None or row.mac != row_mac(vault, row):
        raise IntegrityError("a turn of a switch was changed")
    switch = open_entry({row.patient: vault.cipher(wrapped, row.patient)}, row).switch
    if switch is None or (switch.service, switch.topic, switch.mode.value) != (row.service, row.topic, row.outcome):
        raise IntegrityError("a turn of a switch was changed")
    return switch
