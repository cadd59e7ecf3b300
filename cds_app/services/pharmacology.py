"""The drugs that can be simulated, loaded and cross-checked from ``models/pkpd``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cds_app.content import artefact, latest
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
    found = {drug.name: drug for drug in (_load(name, root) for name in dict.fromkeys(names))}
    for drug in found.values():
        check_names(drug, ontology)
    return found


def _load(name: str, root: Path) -> Drug:
    found = latest(f"{_GROUP}/{name}", root=root)
    models = [artefact(f"{_GROUP}/{one}", version, root=root) for one, version in named_models(found).items()]
    return load_drug(found, models)
