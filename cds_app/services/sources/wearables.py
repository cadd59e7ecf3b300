"""What wearables send: data points of Open mHealth, and FHIR resources of the physical activity and CGM guides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from cds_app.domain.facts import Provenance
from cds_app.fabric.bundles import unpack
from cds_app.fabric.devices.open_mhealth import SUBJECT, DataPoint, read_point
from cds_app.fabric.identifiers import Identifier
from cds_app.fabric.shapes import MAX_TEXT, Object, as_object, word
from cds_app.services.sources.intake import Delivery

_TYPES: Final = frozenset({"Observation"})
"""Who a person is, and which devices there are, is not for a wearable to say."""


def deliveries_of(value: object, *, source: str, system: str, received: datetime) -> Iterator[Delivery]:
    """Deliveries of one JSON value: a data point, a list of them (as Shimmer has it too), a FHIR resource or a Bundle.

    Parameters
    ----------
    source : str
        Name of the source.
    system : str
        Within which ``header.user_id`` of a data point names a person.
    """
    answer = as_object(value) or {}
    points = answer.get("body") if "shim" in answer else value
    for one in points if isinstance(points, list) else [value]:
        if "resourceType" in (as_object(one) or {}):
            yield from _of_fhir(one, source, received)
        else:
            yield _of_point(one, source, system, received)


def _of_point(value: object, source: str, system: str, received: datetime) -> Delivery:
    found = read_point(value)
    if not isinstance(found, DataPoint):
        return Delivery(message=_digest(value), received=received, refused=found)
    provenance = Provenance(source=source, device=found.device, method="device" if found.sensed else "charted")
    return Delivery(
        message=f"{found.message} {_digest(value)}",
        received=received,
        identifier=(system, found.user),
        resources=found.resources,
        provenance=provenance,
    )


def _of_fhir(value: object, source: str, received: datetime) -> Iterator[Delivery]:
    items, issues = unpack(value, at="")
    for _ in issues:
        yield Delivery(message=_digest(value), received=received, refused="malformed")
    for item in items:
        resource = as_object(item.resource) or {}
        if resource.get("resourceType") in _TYPES:
            yield _of_resource(resource, source, received)


def _of_resource(resource: Object, source: str, received: datetime) -> Delivery:
    """One Observation; its subject must carry an identifier, as a wearable knows no FHIR id of the hospital."""
    identifier = _identifier(resource.get("subject"))
    message = _digest(resource)
    if identifier is None:
        return Delivery(message=message, received=received, refused="no-identifier")
    device = as_object(resource.get("device")) or {}
    return Delivery(
        message=message,
        received=received,
        identifier=identifier,
        resources=[{**resource, "subject": {"reference": SUBJECT}}],
        provenance=Provenance(source=source, device=word(device.get("display")), method="device" if device else ""),
    )


def _identifier(subject: object) -> Identifier | None:
    held = as_object((as_object(subject) or {}).get("identifier")) or {}
    system, value = held.get("system"), held.get("value")
    if not isinstance(system, str) or not isinstance(value, str):
        return None
    return (system, value) if 0 < len(system) <= MAX_TEXT and 0 < len(value) <= MAX_TEXT else None


def _digest(value: object) -> str:
    try:
        content = msgspec.msgpack.encode(value)
    except OverflowError:  # an integer of more than 64 bits
        content = repr(value).encode()
    return blake2b(content, digest_size=16).hexdigest()
