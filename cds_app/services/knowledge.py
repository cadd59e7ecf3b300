"""Everything that content says, loaded and cross-checked once per process.

Start-up fails, with the reason, on any name, file, hash, unit or template that does not resolve.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import DictLoader, Environment, TemplateError

from cds_app.cards.definition import Policy, ServiceDefinition, parse_reasons, parse_service
from cds_app.cards.disputes import DISPUTED
from cds_app.cards.dose_material import dose_topics
from cds_app.cards.policy import ABSTENTION
from cds_app.cards.text import environment
from cds_app.cards.unusual import DEVIATION
from cds_app.content import Artefact, artefact
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.pharmacogenes import Pharmacogenes, load_pharmacogenes
from cds_app.domain.site_mapping import SiteMapping, mapped
from cds_app.domain.units import UnitConverter
from cds_app.errors import ContentError, UnknownService
from cds_app.explain.estimates import RiskEstimate
from cds_app.fabric.prefetch import PrefetchTemplate
from cds_app.mitigate.catalogue import Catalogue, load_catalogue, risk_of
from cds_app.mitigate.order_checks import OrderChecks, load_order_checks
from cds_app.score.clinical import NAMES
from cds_app.score.features import QUANTITIES
from cds_app.score.risk import AlertPolicy, RiskModel, own_trees
from cds_app.services.learned import Learned, load_learned
from cds_app.services.pharmacology import (
    load_drugs,
    load_virtual,
    people_pins,
    pins_of,
    simulated_drugs,
    simulated_people,
)
from cds_app.simulate.drugs import Drug
from cds_app.simulate.virtual_people import INSULINS, People
from cds_app.twin.imputation import Imputer
from cds_app.twin.model import TwinModel

RISKS = ("sepsis", "hypotension", "hypoxaemia", "aki")
BACKGROUND = ("mortality",)  # asked of whole stays; no topic of the catalogue may raise a card on one
OTHERS = ("ontology", "twin", "imputation", "mitigations", "order_checks", "pharmacogenomics")
_LABELS = "labels.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What this Twinline knows.

    Parameters
    ----------
    learned : Learned
        The learned risks, those that failed their check among them.
    risk_of : mapping of str to str
        The learned risk that a topic of the catalogue is about.
    launch_url : str
        Where cards link to, to launch the sidebar; "" for cards without a link.
    drugs : mapping of str to Drug
        Those of which a service simulates drafts, by name.
    people : mapping of str to People
        Virtual people that a service tries drafted insulin on, by the name of the artefact.
    genes : Pharmacogenes
    pins : mapping of str to str
        Version and hash of every artefact, of the services and of the card templates: what a replay must find again.
    """

    ontology: Ontology
    units: UnitConverter
    twin: TwinModel
    imputer: Imputer
    learned: Learned
    catalogue: Catalogue
    order_checks: OrderChecks
    risk_of: Mapping[str, str]
    services: Mapping[str, ServiceDefinition]
    templates: Environment
    labels: Mapping[str, str]
    zone: ZoneInfo
    pins: Mapping[str, str]
    drugs: Mapping[str, Drug]
    people: Mapping[str, People]
    genes: Pharmacogenes
    launch_url: str = ""

    @property
    def risks(self) -> Mapping[str, RiskModel]:
        """The learned risks that may be asked hour by hour."""
        return self.learned.only(RISKS)

    @property
    def topics(self) -> frozenset[str]:
        """Everything that a card can be about."""
        dosed = chain(*map(dose_topics, (*self.drugs, INSULINS)))
        return frozenset({*self.catalogue.topics, DEVIATION, DISPUTED, ABSTENTION, *dosed})

    @property
    def background(self) -> Mapping[str, RiskModel]:
        """Models of whole stays, whose answer is context beside a card."""
        return self.learned.only(BACKGROUND)

    def drugs_of(self, service: ServiceDefinition) -> Mapping[str, Drug]:
        """Drugs of which a service simulates drafts, by name."""
        named = service.simulates.drugs if service.simulates is not None else {}
        return {name: self.drugs[name] for name in named}

    def people_of(self, service: ServiceDefinition) -> People | None:
        """Virtual people that a service tries drafted insulin on."""
        asked = service.simulates.insulin if service.simulates is not None else None
        return None if asked is None else self.people[asked.model]

    def simulated(self, service: ServiceDefinition) -> frozenset[str]:
        """Concepts of drugs of which a service simulates drafts."""
        insulin = () if self.people_of(service) is None else (INSULINS,)
        return frozenset({*(one.file.concept for one in self.drugs_of(service).values()), *insulin})

    def pins_of(self, service: ServiceDefinition) -> dict[str, str]:
        """What a decision of a service rests on: `pins`, and the drugs and models that it simulates."""
        found = dict(self.pins)
        for drug in self.drugs_of(service).values():
            found |= pins_of(drug)
        people = self.people_of(service)
        return found if people is None else found | people_pins(people)

    def silenced(self) -> dict[str, RiskEstimate]:
        """What is said of hourly risks that failed their check; a failed background model is no reason for a card."""
        return self.learned.silenced(RISKS)

    def service(self, service_id: str) -> ServiceDefinition:
        """A service by id.

        Raises
        ------
        UnknownService
        """
        found = self.services.get(service_id)
        if found is None:
            raise UnknownService("no CDS service has this id", field="id")
        return found

    def offered(self, service_id: str) -> ServiceDefinition:
        """A service that clients can call, by id.

        Raises
        ------
        UnknownService
        """
        found = self.service(service_id)
        if not found.offered:
            raise UnknownService("no CDS service has this id", field="id")
        return found


def load_knowledge(root: Path, *, timezone: str, launch_url: str = "", mapping: SiteMapping | None = None) -> Knowledge:
    """Load all content below a root and check that it fits together.

    Parameters
    ----------
    timezone : str
        IANA name of the zone of the site, in which times are shown and, without an offset, read.
    launch_url : str
        As `Knowledge` has it.
    mapping : SiteMapping, optional
        Codes and units of this site.

    Raises
    ------
    ContentError
        Naming the file and what does not resolve, in the site's mapping too.
    """
    services = _services(root / "hooks")
    versions = _versions(services)
    learned = load_learned({name: versions[name] for name in (*RISKS, *BACKGROUND)}, root)
    plain = {
        name: artefact(name, version, root=root)
        for name, version in versions.items()
        if name not in (*RISKS, *BACKGROUND)
    }
    found = {**plain, **learned.artefacts}
    ontology = _ontology(found["ontology"], mapping)
    genes = load_pharmacogenes(found["pharmacogenomics"])
    templates, labels, templates_hash = _templates(root / "templates" / "cards")
    catalogue = load_catalogue(found["mitigations"], ontology, scores=NAMES, risks=RISKS)
    quantities = {one.quantity for one in ontology.variables.values()}
    _check_names(services, quantities, catalogue)
    _check_labels(labels, quantities, learned.models)
    about = {name: one for name, topic in catalogue.topics.items() if (one := risk_of(topic))}
    services = _with_alert_policies(services, about, learned)
    drugs = load_drugs(simulated_drugs(services), root)
    _check_drugs(services, drugs, ontology)
    people = load_virtual(simulated_people(services), root, ontology)
    return Knowledge(
        ontology=ontology,
        units=UnitConverter(ontology),
        twin=TwinModel.from_artefact(found["twin"], ontology),
        imputer=Imputer.from_artefact(found["imputation"]),
        learned=learned,
        catalogue=catalogue,
        order_checks=load_order_checks(found["order_checks"], ontology, genes, scores=NAMES),
        risk_of=about,
        services=services,
        templates=templates,
        labels=labels,
        zone=ZoneInfo(timezone),
        pins=_pins(found, services, templates_hash)
        | {"timezone": timezone}
        | ({"launch": launch_url} if launch_url else {})
        | ({"site_mapping": mapping.sha256} if mapping is not None else {}),
        drugs=drugs,
        people=people,
        genes=genes,
        launch_url=launch_url,
    )


def read_ahead(root: Path) -> None:
    """Read what takes longest and survives a fork: trees, and what units mean. `load_knowledge` is then soon done.

    Nothing is checked by it and nothing missed: what is wrong with the content is left for `load_knowledge` to say.
    """
    with suppress(ContentError):
        versions = _versions(_services(root / "hooks"))
        load_ontology(artefact("ontology", versions["ontology"], root=root))
        for name in (*RISKS, *BACKGROUND):
            with suppress(ContentError):  # also of trees that are left to xgboost, which no fork may find loaded
                own_trees(artefact(name, versions[name], root=root).read_bytes("model.ubj"))


def load_vocabulary(root: Path, mapping: SiteMapping | None = None) -> tuple[Ontology, UnitConverter]:
    """What everything is called, and in which units, and nothing else of the content. Raises ContentError."""
    ontology = _ontology(artefact("ontology", _versions(_services(root / "hooks"))["ontology"], root=root), mapping)
    return ontology, UnitConverter(ontology)


def _ontology(content: Artefact, mapping: SiteMapping | None) -> Ontology:
    ontology = load_ontology(content)
    return ontology if mapping is None else mapped(ontology, mapping)


def _services(folder: Path) -> dict[str, ServiceDefinition]:
    files = sorted(folder.glob("*/service.json"))
    if not files:
        raise ContentError("hooks/ holds no service.json", field="hooks")
    understood = {"understood_reasons": parse_reasons(_json(folder / "override_reasons.json"))}
    found = [parse_service(_json(file), folder=file.parent.name).model_copy(update=understood) for file in files]
    for service in found:
        _check_prefetch(service)
    return {service.id: service for service in found}


def _check_prefetch(service: ServiceDefinition) -> None:
    for key, template in service.prefetch.items():
        try:
            PrefetchTemplate(template)
        except ContentError as error:
            where = f"prefetch.{key}"
            raise ContentError(f"hooks/{service.id}/service.json: {where}: {error.message}", field=where) from error


def _check_names(services: Mapping[str, ServiceDefinition], quantities: Set[str], catalogue: Catalogue) -> None:
    for service in services.values():
        policy, asked = service.policy, service.simulates
        dosed = chain(*map(dose_topics, (*asked.drugs, INSULINS))) if asked is not None else ()
        topics = {*catalogue.topics, DEVIATION, DISPUTED, *dosed}
        for field, names, known in (
            ("asked_first", policy.asked_first, quantities),
            ("precedence", policy.precedence, topics),
            ("lockouts_h", tuple(policy.lockouts_h), topics),
            ("rises_points", tuple(policy.rises_points), topics),
            ("gives_way", (*policy.gives_way, *chain(*policy.gives_way.values())), topics),
        ):
            if strangers := [name for name in names if name not in known]:
                said = f"policy.{field}: unknown {', '.join(strangers)}"
                raise ContentError(f"hooks/{service.id}/service.json: {said}", field=f"policy.{field}")


def _with_alert_policies(
    services: Mapping[str, ServiceDefinition], about: Mapping[str, str], learned: Learned
) -> dict[str, ServiceDefinition]:
    """Services whose topics, where a learned risk may raise them, are quiet for as long as its manifest says.

    Raises
    ------
    ContentError
        If a service says otherwise: what cards quote was measured with the manifest's policy.
    """
    own: dict[str, AlertPolicy] = {
        topic: policy
        for topic, name in about.items()
        if name in learned.models and (policy := learned.models[name].policy)
    }
    for service in services.values():
        if taken := sorted({*service.policy.lockouts_h, *service.policy.rises_points} & about.keys()):
            said = f"policy: the model's manifest says how long {taken[0]} is quiet"
            raise ContentError(f"hooks/{service.id}/service.json: {said}", field="policy.lockouts_h")
    chosen = {
        "lockouts_h": {topic: one.lockout_h for topic, one in own.items()},
        "rises_points": {topic: one.rise_points for topic, one in own.items()},
    }
    return {
        name: service.model_copy(update={"policy": _merged(service.policy, chosen)})
        for name, service in services.items()
    }


def _merged(policy: Policy, chosen: Mapping[str, Mapping[str, float]]) -> Policy:
    return policy.model_copy(update={name: {**getattr(policy, name), **values} for name, values in chosen.items()})


def _check_labels(labels: Mapping[str, str], quantities: Set[str], risks: Mapping[str, RiskModel]) -> None:
    """Everything that a card may have to call by name has one."""
    inputs = {feature.quantity for risk in risks.values() for feature in risk.features}
    outcomes = {f"outcome:{name}" for name in risks}
    nameless = ((inputs | {*QUANTITIES, *risks}) - quantities | outcomes) - labels.keys()
    if nameless:
        raise ContentError(f"templates/cards/{_LABELS} lacks {', '.join(sorted(nameless))}", field=_LABELS)


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        where = "/".join(file.parts[-3:])
        raise ContentError(f"{where} is not readable JSON", field=where) from error


def _versions(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Each artefact in the one version that all services agree on."""
    versions: dict[str, str] = {}
    for service in services.values():
        for name, version in service.models.items():
            if versions.setdefault(name, version) != version:
                raise ContentError(f"services disagree on the version of models/{name}", field=f"models.{name}")
    missing = {*OTHERS, *RISKS, *BACKGROUND} - versions.keys()
    if missing:
        raise ContentError(f"no service names models/{min(missing)}", field="models")
    return versions


def _check_drugs(services: Mapping[str, ServiceDefinition], drugs: Mapping[str, Drug], ontology: Ontology) -> None:
    """Every goal is one of its drug's, and every drug and level is one that the chart can name."""
    for service in services.values():
        for name, one in (service.simulates.drugs if service.simulates is not None else {}).items():
            where = f"hooks/{service.id}/service.json: simulates.drugs.{name}"
            if one.goal not in drugs[name].file.goals:
                raise ContentError(f"{where}: unknown goal {one.goal}", field=f"simulates.drugs.{name}")
    for drug in drugs.values():
        if drug.file.concept not in ontology.concepts:
            raise ContentError(f"models/pkpd/{drug.name}: no drug of the ontology", field="concept")
        if unmeasured := [one for one in drug.file.levels.quantities if not ontology.measuring(one)]:
            raise ContentError(f"models/pkpd/{drug.name}: unknown level {unmeasured[0]}", field="levels")


def _templates(folder: Path) -> tuple[Environment, Mapping[str, str], str]:
    sources = {file.name: _text(file) for file in sorted(folder.glob("*.j2"))}
    templates = environment(DictLoader(sources))
    for name in sources:
        try:
            templates.get_template(name)
        except TemplateError as error:
            raise ContentError(f"templates/cards/{name} does not compile") from error
    labels = _json(folder / _LABELS)
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise ContentError(f"templates/cards/{_LABELS} is not an object of texts")
    return templates, labels, _hash({**sources, _LABELS: json.dumps(labels, sort_keys=True)})


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ContentError(f"templates/cards/{file.name} is not readable text") from error


def _pins(
    found: Mapping[str, Artefact], services: Mapping[str, ServiceDefinition], templates_hash: str
) -> dict[str, str]:
    pins = {f"models/{name}": f"{one.version} {one.sha256}" for name, one in found.items()}
    pins["hooks"] = _hash({key: service.model_dump_json() for key, service in services.items()})
    return pins | {"templates/cards": templates_hash}


def _hash(parts: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(f"{len(name)} {name} {len(parts[name])} {parts[name]}".encode())
    return digest.hexdigest()
