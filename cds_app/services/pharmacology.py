"""The drugs that can be simulated, loaded and cross-checked from ``models/pkpd``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cds_app.cards.definition import ServiceDefinition, Simulates
from cds_app.content import Artefact, artefact, latest
from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError
from cds_app.simulate.drugs import FILE, Drug, check_names, load_drug, named_models, told_apart
from cds_app.simulate.virtual_people import People, load_people

_GROUP = "pkpd"


def load_pharmacy(root: Path, ontology: Ontology) -> Mapping[str, Drug]:
    """Every drug below a content root, by name.

    Raises
    ------
    ContentError
        Naming the artefact and what does not resolve.
    """
    folder = root / "models" / _GROUP
    names = sorted(file.parts[-3] for file in folder.glob(f"*/*/{FILE}"))
    if not names:
        raise ContentError("models/pkpd holds no drug", field=_GROUP)
    found = (latest(f"{_GROUP}/{name}", root=root) for name in dict.fromkeys(names))
    drugs = {drug.name: drug for drug in (_load(one, root) for one in found)}
    for drug in drugs.values():
        check_names(drug, ontology)
    return told_apart(drugs)


def load_drugs(versions: Mapping[str, str], root: Path) -> Mapping[str, Drug]:
    """Drugs below a content root in given versions, by name.

    Raises
    ------
    ContentError
        Naming the artefact and what does not resolve.
    """
    found = {name: _load(artefact(f"{_GROUP}/{name}", version, root=root), root) for name, version in versions.items()}
    for name, drug in found.items():
        if drug.name != name:
            raise ContentError(f"models/pkpd/{name} is of another drug", field=_GROUP)
    return told_apart(found)


def simulated_drugs(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Versions of the drugs of which services simulate drafts, by name."""
    return _versions(services, lambda asked: {name: one.version for name, one in asked.drugs.items()})


def simulated_people(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Versions of the virtual people that services try drafted insulin on, by name."""
    return _versions(services, lambda asked: {one.model: one.version for one in (asked.insulin,) if one is not None})


def _versions(
    services: Mapping[str, ServiceDefinition], of: Callable[[Simulates], Mapping[str, str]]
) -> dict[str, str]:
    """What is simulated, each in the one version that all services agree on."""
    versions: dict[str, str] = {}
    for service in services.values():
        for name, version in (of(service.simulates) if service.simulates is not None else {}).items():
            if versions.setdefault(name, version) != version:
                raise ContentError(f"services disagree on the version of models/pkpd/{name}", field=f"simulates.{name}")
    return versions


def load_virtual(versions: Mapping[str, str], root: Path, ontology: Ontology) -> Mapping[str, People]:
    """Virtual people below a content root in given versions, by name.

    Raises
    ------
    ContentError
        Naming the artefact and what does not resolve.
    """
    found = {name: load_people(artefact(f"{_GROUP}/{name}", version, root=root)) for name, version in versions.items()}
    for name, people in found.items():
        orders = people.file.rules.orders
        named = {*orders.rapid, *orders.basal, *orders.others, orders.ketoacidosis}
        if unknown := sorted(named - ontology.concepts.keys()):
            raise ContentError(f"models/{_GROUP}/{name}: unknown {unknown[0]}", field="orders")
        if unmeasured := [one.quantity for one in orders.out_of_balance if not ontology.measuring(one.quantity)]:
            raise ContentError(f"models/{_GROUP}/{name}: nothing measures {unmeasured[0]}", field="orders")
    return found


def people_pins(people: People) -> dict[str, str]:
    """Version and hash of virtual people: what a replay must find again."""
    return {f"models/{_GROUP}/{people.name}": f"{people.version} {people.sha256}"}


def pins_of(drug: Drug) -> dict[str, str]:
    """Version and hash of a drug and of each of its models: what a replay must find again."""
    models = {f"models/{_GROUP}/{one.name}": f"{one.version} {one.sha256}" for one in drug.models}
    return {f"models/{_GROUP}/{drug.name}": f"{drug.version} {drug.sha256}", **models}


def _load(found: Artefact, root: Path) -> Drug:
    models = [artefact(f"{_GROUP}/{one}", version, root=root) for one, version in named_models(found).items()]
    return load_drug(found, models)
