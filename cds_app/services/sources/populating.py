"""What an export holds, brought to the patients whom it is about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from cds_app.domain.arrivals import Arrival
from cds_app.domain.facts import Demographics, Fact, UnknownFinding, gather
from cds_app.errors import DataUnavailable, GrantRefused, PatientErased
from cds_app.fabric.exchange.ndjson import Line
from cds_app.fabric.exchange.parting import by_patient
from cds_app.fabric.references import Item, local_reference, reference_text, typed
from cds_app.fabric.shapes import Object, as_object, objects
from cds_app.fabric.times import UNDATED
from cds_app.services.sources.intake import Delivery, Intake
from cds_app.services.sources.merging import follow

MOST_DRUGS: Final = 50_000
"""Drugs that orders point to and that are held; a hospital's formulary has some thousands."""
MOST_INGREDIENTS: Final = 20
"""Of one drug."""
UNRESOLVED: Final = "orders-without-drug"
"""Count of orders whose drug is neither here nor to be had."""
_PATIENT: Final = "Patient/"
_DRUG: Final = "Medication/"
_REFUSED: Final = {"unreadable": "garbled", "encoding": "encoding", "too-long": "oversize"}
_ENCODER: Final = msgspec.msgpack.Encoder()


class Populating:
    """`cds_app.services.sources.exporting.Taker` that ends in the store.

    Parameters
    ----------
    intake : Intake
        Of the source.
    find : callable or None
        Asks the EHR for a resource by name, raising DataUnavailable or GrantRefused; None where it cannot be asked.
    """

    def __init__(self, intake: Intake, find: Callable[[str], object] | None = None) -> None:
        self._intake = intake
        self._find = find
        self._drugs: dict[str, Object | None] = {}

    def begin(self) -> None:
        self._drugs.clear()

    def shared(self, lines: Iterable[Line]) -> None:
        for line in lines:
            resource = as_object(line.value)
            if resource is not None and resource.get("resourceType") == "Medication" and len(self._drugs) < MOST_DRUGS:
                self._drugs[local_reference(resource)] = _drug(resource)

    def take(self, lines: list[Line], at: str) -> Mapping[str, int]:
        now = self._intake.clock.now()
        refused = [
            Delivery(message=_name("line", at, line.number), received=now, refused=_REFUSED[line.problem])
            for line in lines
            if line.problem
        ]
        items = [Item(line.value, f"[{line.number}]") for line in lines if not line.problem]
        parted = by_patient(items)
        deliveries = [self._delivery(patient, own, now) for patient, own in parted.patients.items()]
        receipts = self._intake.accept([*refused, *deliveries])
        counts = Counter(f"messages-{receipt}" for receipt in receipts)
        counts.update(follow(self._intake.identities, self._intake.source.tenant, items, now))
        counts["resources"] += len(items)
        counts["of-nobody"] += len(parted.strays)
        counts[UNRESOLVED] += sum(bool(name) and not self._drugs.get(name) for name in map(drug_of, _values(items)))
        return +counts

    def bring(self, resources: Sequence[object]) -> Mapping[str, int]:
        """Take some resources in that came together, with the drugs among them."""
        lines = [Line(i, i, resource) for i, resource in enumerate(resources, 1)]
        self.shared(lines)
        return self.take(lines, "")

    def withdraw(self, gone: Mapping[str, datetime]) -> Mapping[str, int]:
        """See `Taker`. Nobody says whose a deleted resource was: the store knows."""
        store, realm, now = self._intake.store, self._intake.source.tenant, self._intake.clock.now()
        counts: Counter[str] = Counter()
        for patient, told in store.holders(realm, gone.keys()).items():
            try:
                facts = [fact for segment in store.segments(patient) for fact in segment.facts]
            except PatientErased:  # meanwhile
                continue
            voids = list(_voids(facts, gone, now))
            if voids and (told or self._is_ours(patient, facts)):
                arrival = Arrival(
                    source=self._intake.source.name,
                    message=_name("deleted", patient, *(f"{one.ref} {one.version}" for one in voids)),
                    patient=patient,
                    alias=False,
                    received=now,
                    facts=gather(voids),
                    realm=realm,
                )
                counts[f"deletions-{store.take_in([arrival])[0]}"] += len(voids)
        return counts

    def _is_ours(self, patient: str, facts: Iterable[Fact]) -> bool:
        """Whether a patient of whom the store does not know it is of this server: others may use the same ids."""
        keys = {fact.ref.removeprefix(_PATIENT) for fact in facts if isinstance(fact, Demographics)}
        return any(self._intake.store.pseudonym(self._intake.source.tenant, key) == patient for key in keys)

    def _delivery(self, patient: str, own: Sequence[Item], now: datetime) -> Delivery:
        resources = _values(own)
        whole = [*resources, *self._drugs_of(resources)]
        message = _name("patient", patient, *map(_mark, whole))
        return Delivery(message=message, received=now, fhir_id=patient, resources=whole)

    def _drugs_of(self, resources: Iterable[object]) -> Iterator[object]:
        """The drugs that orders point to; one that is not here is asked for once."""
        for name in dict.fromkeys(filter(None, map(drug_of, resources))):
            if name not in self._drugs and self._find is not None and len(self._drugs) < MOST_DRUGS:
                self._drugs[name] = self._asked_for(name, self._find)
            if found := self._drugs.get(name):
                yield found

    def _asked_for(self, name: str, find: Callable[[str], object]) -> Object | None:
        try:
            found = as_object(find(name))
        except (DataUnavailable, GrantRefused):
            return None
        return _drug(found) if found is not None and local_reference(found) == name else None


def drug_of(resource: object) -> str:
    """``Medication/id`` that an order, a dose or a statement points to; "" if it points to none outside itself."""
    name = typed(reference_text((as_object(resource) or {}).get("medicationReference")))
    return name if name.startswith(_DRUG) else ""


def _drug(resource: Object) -> Object:
    """What is kept of a drug: what it is, and what it is made of."""
    kept: Object = {name: resource[name] for name in ("resourceType", "id", "code") if name in resource}
    parts = objects(resource.get("ingredient"))[:MOST_INGREDIENTS]
    held = [{"itemCodeableConcept": one["itemCodeableConcept"]} for one in parts if "itemCodeableConcept" in one]
    return {**kept, "ingredient": held} if held else kept


def _values(items: Iterable[Item]) -> list[object]:
    return [item.resource for item in items]


def _voids(facts: Iterable[Fact], gone: Mapping[str, datetime], now: datetime) -> Iterator[UnknownFinding]:
    """What takes facts back: for each, a version after its newest."""
    newest: dict[str, Fact] = {}
    for fact in facts:
        if fact.ref.partition("#")[0] in gone:
            known = newest.get(fact.ref)
            newest[fact.ref] = fact if known is None or fact.version >= known.version else known
    for ref, fact in newest.items():
        stamp = gone[ref.partition("#")[0]].isoformat(timespec="microseconds")
        version = f"{fact.version.partition('/')[0]}/{stamp}" if fact.version else ""
        if not fact.void and version >= fact.version:
            yield UnknownFinding(ref=ref, version=version, when=UNDATED, learned=now, void=True, codes=())


def _mark(resource: Any) -> bytes:
    try:
        return _ENCODER.encode(resource)
    except OverflowError:  # an integer of more than 64 bits
        return json.dumps(resource, sort_keys=True).encode()


def _name(*parts: object) -> str:
    """A message's name: the same for the same content, wherever in an export it stands."""
    digest = blake2b(digest_size=20)
    for part in parts:
        held = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(held).to_bytes(8, "big") + held)
    return digest.hexdigest()
