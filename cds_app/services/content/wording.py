"""What of the content is words for people: ontology, catalogue, checks and templates, told in a site's units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import DictLoader, Environment

from cds_app.cards.text import environment
from cds_app.cards.wording import check_templates
from cds_app.content import Artefact
from cds_app.domain.limit_texts import worded
from cds_app.domain.ontology import Ontology
from cds_app.domain.pharmacogenes import Pharmacogenes
from cds_app.domain.presets import Presets
from cds_app.errors import ContentError
from cds_app.mitigate.catalogue import Catalogue, load_catalogue
from cds_app.mitigate.order_checks import OrderChecks, load_order_checks
from cds_app.score.clinical.scores import NAMES
from cds_app.services.content.service_files import read_json

LABELS = "labels.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Content in the words of a site.

    Parameters
    ----------
    units : str
        Which units it is told in, as `Choice` writes it.
    templates_hash : str
        Of templates and labels as they are written, whatever they are told in.
    """

    units: str
    ontology: Ontology
    catalogue: Catalogue
    order_checks: OrderChecks
    templates: Environment
    labels: Mapping[str, str]
    templates_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What wordings are made of.

    Parameters
    ----------
    folder : Path
        ``templates/cards``.
    risks : tuple of str
        That the catalogue may ask for.
    """

    presets: Presets
    folder: Path
    mitigations: Artefact
    order_checks: Artefact
    genes: Pharmacogenes
    risks: tuple[str, ...]

    def told(self, units: str) -> Wording:
        """All of it in the units that a setting says.

        Raises
        ------
        SettingsError
            Naming the preset, quantity or unit that cannot be.
        ContentError
        """
        choice = self.presets.choice(units)
        ontology = self.presets.told(choice)
        templates, labels, digest = _templates(self.folder, ontology)
        return Wording(
            units=choice.text,
            ontology=ontology,
            catalogue=load_catalogue(self.mitigations, ontology, scores=NAMES, risks=self.risks),
            order_checks=load_order_checks(self.order_checks, ontology, self.genes, scores=NAMES),
            templates=templates,
            labels=labels,
            templates_hash=digest,
        )


def _templates(folder: Path, ontology: Ontology) -> tuple[Environment, Mapping[str, str], str]:
    sources = {file.name: _text(file) for file in sorted(folder.glob("*.j2"))}
    templates = environment(DictLoader({name: _worded(name, text, ontology) for name, text in sources.items()}))
    check_templates(templates)
    labels = read_json(folder / LABELS)
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise ContentError(f"templates/cards/{LABELS} is not an object of texts")
    digest = hash_of({**sources, LABELS: json.dumps(labels, sort_keys=True)})
    return templates, {key: _worded(LABELS, text, ontology) for key, text in labels.items()}, digest


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ContentError(f"templates/cards/{file.name} is not readable text") from error


def _worded(name: str, text: str, ontology: Ontology) -> str:
    try:
        return worded(text, ontology)
    except ContentError as error:
        raise ContentError(f"templates/cards/{name}: {error.message}", field=name) from error


def hash_of(parts: Mapping[str, str]) -> str:
    """One hash of named texts."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(f"{len(name)} {name} {len(parts[name])} {parts[name]}".encode())
    return digest.hexdigest()
