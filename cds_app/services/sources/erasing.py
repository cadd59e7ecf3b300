"""A patient who is to be forgotten, under every identifier: facts, log entries, samples that wait for their summary."""

from __future__ import annotations

from datetime import datetime

from cds_app.domain.codec import News
from cds_app.domain.facts import UnknownFinding, gather
from cds_app.errors import NotFound
from cds_app.ports import Commit, TwinStore
from cds_app.services.sources.identities import MINUTE, Identities


def erase_all(store: TwinStore, identities: Identities, patient: str, at: datetime) -> None:
    """Erase a patient, and what sources told of them under their identifiers. Raises NotFound if there is neither.

    Under a name that nothing was told of so far nothing is taken in from now on, either.
    """
    names = (*identities.tied(patient), patient)
    unknown = [name for name in names if not _is_erased(store, name, at)]
    if len(unknown) == len(names):
        raise NotFound("there is no such patient", field="patient")
    for name in unknown:
        store.commit(_made_known(name, at))
        store.erase(name, at)
    for one in identities.cabinet.all(MINUTE, at):
        if one.name.split("/")[1] in names:
            identities.cabinet.take(MINUTE, one.name, at)


def _is_erased(store: TwinStore, name: str, at: datetime) -> bool:
    """Erase somebody; False if the store knows nobody of this name."""
    try:
        store.erase(name, at)
    except NotFound:
        return False
    return True


def _made_known(name: str, at: datetime) -> Commit:
    """A fact that says nothing: the store can only forget whom it knows."""
    nothing = UnknownFinding(ref="Basic/erased", version="", when=at, learned=at, void=True, codes=())
    return Commit(patient=name, segments_known=0, entries_known=0, learned=at, news=News(gather([nothing])))
