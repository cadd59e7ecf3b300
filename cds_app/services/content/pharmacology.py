"""The drugs that can be simulated, loaded and cross-checked from ``models/pkpd``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cds_app.content import Artefact, artefact, newest
from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError
from cds_app.simulate.glucose.people import People, load_people
from cds_app.simulate.kinetics.drugs import FILE, Drug, check_names, load_drug, named_models, told_apart

PKPD = "pkpd/"
"""Where artefacts of drugs are, below ``models/``."""


def load_pharmacy(root: Path, ontology: Ontology) -> Mapping[str, Drug]:
    """Every drug below a content root in its highest version, by name.

    Raises
    ------
    ContentError
        Naming the artefact and what does not resolve.
    """
    models = root / "models"
    versions = {name: one for name, one in newest(root).items() if (models / name / one / FILE).is_file()}
    if not versions:
        raise ContentError("models/pkpd holds no drug", field="pkpd")
    return load_drugs(versions, root, ontology)


def load_drugs(versions: Mapping[str, str], root: Path, ontology: Ontology) -> Mapping[str, Drug]:
    """Drugs below a content root in given versions of their artefacts, by name.

    Raises
    ------
    ContentError
        Naming the artefact and what does not resolve.
    """
    found = {name: _load(artefact(name, version, root=root), root) for name, version in versions.items()}
    for name, drug in found.items():
        if PKPD + drug.name != name:
            raise ContentError(f"models/{name} is of another drug", field=name)
        check_names(drug, ontology)
    return told_apart({drug.name: drug for drug in found.values()})


def load_virtual(versions: Mapping[str, str], root: Path, ontology: Ontology) -> Mapping[str, People]:
    """Virtual people below a content root in given versions of their artefacts, by name.

    Raises
    ------
    ContentError
        Naming the artefact and what does not resolve.
    """
    found = [load_people(artefact(name, version, root=root)) for name, version in versions.items()]
    for people in found:
        orders = people.file.rules.orders
        named = {*orders.rapid, *orders.basal, *orders.others, orders.ketoacidosis}
        if unknown := sorted(named - ontology.concepts.keys()):
            raise ContentError(f"models/{PKPD}{people.name}: unknown {unknown[0]}", field="orders")
        if unmeasured := [one.quantity for one in orders.out_of_balance if not ontology.measuring(one.quantity)]:
            raise ContentError(f"models/{PKPD}{people.name}: nothing measures {unmeasured[0]}", field="orders")
    return {people.name: people for people in found}


def people_pins(people: People) -> dict[str, str]:
    """Version and hash of virtual people: what a replay must find again."""
    return {f"models/{PKPD}{people.name}": f"{people.version} {people.sha256}"}


def pins_of(drug: Drug) -> dict[str, str]:
    """Version and hash of a drug and of each of its models: what a replay must find again."""
    models = {f"models/{PKPD}{one.name}": f"{one.version} {one.sha256}" for one in drug.models}
    return {f"models/{PKPD}{drug.name}": f"{drug.version} {drug.sha256}", **models}


def _load(found: Artefact, root: Path) -> Drug:
    models = [artefact(PKPD + one, version, root=root) for one, version in named_models(found).items()]
    return load_drug(found, models)
