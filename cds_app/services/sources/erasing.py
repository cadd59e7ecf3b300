"""A patient who is to be forgotten, under every identifier: facts, log entries, samples that wait for their summary."""

from __future__ import annotations

from datetime import datetime

from cds_app.errors import NotFound
from cds_app.ports import TwinStore
from cds_app.services.sources.identities import MINUTE, Identities


def erase_all(store: TwinStore, identities: Identities, patient: str, at: datetime) -> None:
    """Erase a patient, and what sources told of them under their identifiers. Raises NotFound if there is neither."""
    erased, missing = False, NotFound("there is no such patient", field="patient")
    names = (*identities.tied(patient), patient)
    for name in names:
        try:
            store.erase(name, at)
            erased = True
        except NotFound as error:
            missing = error
    for one in identities.cabinet.all(MINUTE, at):
        if one.name.split("/")[1] in names:
            identities.cabinet.take(MINUTE, one.name, at)
    if not erased:
        raise missing
