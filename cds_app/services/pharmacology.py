"""The drugs that can be simulated, loaded and cross-checked from ``models/pkpd``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cds_app.content import Artefact, artefact, latest
from cds_app.domain.ontology import Ontology
from cds_app.errors import ContentError
from cds_app.simulate.drugs import FILE, Drug, check_names, load_drug, named_models

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
    return drugs


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
    return found


def pins_of(drug: Drug) -> dict[str, str]:
    """Version and hash of a drug and of each of its models: what a replay must find again."""
    models = {f"models/{_GROUP}/{one.name}": f"{one.version} {one.sha256}" for one in drug.models}
    return {f"models/{_GROUP}/{drug.name}": f"{drug.version} {drug.sha256}", **models}


def _load(found: Artefact, root: Path) -> Drug:
    models = [artefact(f"{_GROUP}/{one}", version, root=root) for one, version in named_models(found).items()]
    return load_drug(found, models)
