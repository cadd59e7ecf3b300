"""Patients whom the EHR merged, as their Patient resources say it (``Patient.link``), and takes apart again.

No fact is moved. A merge ties the one that was given up to the one that goes on; their records are then folded
together, and a Patient that comes without the link later, is a person of its own again. The newest statement counts,
in whatever order they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from cds_app.domain.time import time_in
from cds_app.fabric.identifiers import identifiers_of
from cds_app.fabric.merging import links_of
from cds_app.fabric.references import Item, local_reference
from cds_app.fabric.shapes import Object, as_object
from cds_app.services.sources.identities import Identities, Tie

_PATIENT = "Patient/"


def follow(identities: Identities, tenant: str, items: Iterable[Item], received: datetime) -> Mapping[str, int]:
    """Tie identifiers and merged patients as the Patients among some items say; says how often it did what.

    Raises
    ------
    DependencyDown, IntegrityError
    """
    counts: Counter[str] = Counter()
    for item in items:
        resource = as_object(item.resource)
        if resource is None or resource.get("resourceType") != "Patient":
            continue
        key = local_reference(resource).removeprefix(_PATIENT)
        if key:
            counts.update(_linked(identities, tenant, key, resource, received))
            identities.learn(tenant, identities.pseudonym(tenant, key), identifiers_of([resource], key))
    return counts


def _linked(identities: Identities, tenant: str, key: str, resource: Object, received: datetime) -> Iterator[str]:
    at = _said_at(resource, received)
    own = identities.pseudonym(tenant, key)
    goes_on = [other for kind, other in links_of(resource) if kind == "replaced-by"]
    if len(goes_on) > 1:
        yield "merge-contested"
    elif goes_on:
        told = identities.tie(own, Tie(to=identities.pseudonym(tenant, goes_on[0]), by="merge", at=at))
        yield f"merge-{told}"
    elif identities.owner(own):
        told = identities.tie(own, Tie(to="", by="merge", at=at))
        yield f"unmerge-{told}"
    for kind, other in links_of(resource):
        if kind == "replaces":
            told = identities.tie(identities.pseudonym(tenant, other), Tie(to=own, by="merge", at=at))
            yield f"merge-{told}"


def _said_at(resource: Object, received: datetime) -> datetime:
    meta = as_object(resource.get("meta")) or {}
    said = time_in(meta.get("lastUpdated"))
    return min(said.end, received) if said is not None else received
