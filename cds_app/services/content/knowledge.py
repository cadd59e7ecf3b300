"""Everything that content says, loaded and cross-checked once per process.

Start-up fails, with the reason, on any name, file, hash, unit or template that does not resolve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment

from cds_app.cards.definition import ServiceDefinition
from cds_app.cards.disputes import DISPUTED
from cds_app.cards.dose_material import dose_topics
from cds_app.cards.policy import ABSTENTION
from cds_app.cards.unusual import DEVIATION
from cds_app.content import Artefact, artefact
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.pharmacogenes import Pharmacogenes, load_pharmacogenes
from cds_app.domain.presets import CONVENTIONAL, Presets
from cds_app.domain.site_mapping import SiteMapping, mapped
from cds_app.domain.units import UnitConverter
from cds_app.errors import ContentError, UnknownService
from cds_app.explain.estimates import RiskEstimate
from cds_app.mitigate.catalogue import Catalogue, risk_of
from cds_app.mitigate.order_checks import OrderChecks
from cds_app.score.features.hours import QUANTITIES
from cds_app.score.risk.model import RiskModel, own_trees
from cds_app.services.content.learned import Learned, load_learned
from cds_app.services.content.pharmacology import load_drugs, load_virtual, people_pins, pins_of
from cds_app.services.content.service_checks import (
    check_goals,
    check_names,
    drugs_named,
    models_named,
    people_named,
    with_alert_policies,
)
from cds_app.services.content.service_files import load_services
from cds_app.services.content.wording import LABELS, Wording, Words, hash_of
from cds_app.simulate.glucose.people import INSULINS, People
from cds_app.simulate.kinetics.drugs import Drug
from cds_app.twin.imputation import Imputer
from cds_app.twin.model import TwinModel

RISKS = ("sepsis", "hypotension", "hypoxaemia", "aki")
UNITS: Final = "units"
"""The pin that says in which units a site reads; none for the conventional ones."""
BACKGROUND = ("mortality",)  # asked of whole stays; no topic of the catalogue may raise a card on one
OTHERS = ("ontology", "twin", "imputation", "mitigations", "order_checks", "pharmacogenomics")


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
    units_told : str
        Which units the site chose, as `Choice` writes it.
    tell : callable
        What of it is words, as another choice has it. Raises SettingsError.
    drugs : mapping of str to Drug
        Those of which a service simulates drafts, by name.
    people : mapping of str to People
        Virtual people that a service tries drafted insulin on, by the name of the artefact.
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
    tell: Callable[[str], Wording]
    launch_url: str = ""
    units_told: str = CONVENTIONAL

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

    def told_in(self, units: str) -> Knowledge:
        """The same knowledge in the words of another choice of units. Raises SettingsError."""
        if units == self.units_told:
            return self
        said = self.tell(units)
        pins = {name: pin for name, pin in self.pins.items() if name != UNITS}
        return replace(
            self,
            ontology=said.ontology,
            catalogue=said.catalogue,
            order_checks=said.order_checks,
            templates=said.templates,
            labels=said.labels,
            units_told=said.units,
            pins=pins | _pin_of_units(said.units),
        )

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


def load_knowledge(
    root: Path, *, timezone: str, launch_url: str = "", mapping: SiteMapping | None = None, units: str = CONVENTIONAL
) -> Knowledge:
    """Load all content below a root and check that it fits together.

    Parameters
    ----------
    timezone : str
        IANA name of the zone of the site, in which times are shown and, without an offset, read.
    launch_url : str
        As `Knowledge` has it.
    mapping : SiteMapping, optional
        Codes and units of this site.
    units : str
        In which units its clinicians read.

    Raises
    ------
    ContentError
        Naming the file and what does not resolve, in the site's mapping too.
    SettingsError
        Naming the quantity and the unit in which it cannot be told.
    """
    services = load_services(root / "hooks")
    versions = _versions(services)
    learned = load_learned({name: versions[name] for name in (*RISKS, *BACKGROUND)}, root)
    found = _artefacts(versions, learned, root)
    genes = load_pharmacogenes(found["pharmacogenomics"])
    words = Words(
        presets=Presets(found["ontology"], _ontology(found["ontology"], mapping)),
        folder=root / "templates" / "cards",
        mitigations=found["mitigations"],
        order_checks=found["order_checks"],
        genes=genes,
        risks=RISKS,
    )
    said = words.told(units)
    ontology = said.ontology
    _check_names(services, said, learned)
    about = {name: one for name, topic in said.catalogue.topics.items() if (one := risk_of(topic))}
    services = with_alert_policies(services, about, learned)
    drugs = load_drugs(drugs_named(services), root, ontology)
    check_goals(services, drugs)
    return Knowledge(
        ontology=ontology,
        units=UnitConverter(ontology),
        twin=TwinModel.from_artefact(found["twin"], ontology),
        imputer=Imputer.from_artefact(found["imputation"]),
        learned=learned,
        catalogue=said.catalogue,
        order_checks=said.order_checks,
        risk_of=about,
        services=services,
        templates=said.templates,
        labels=said.labels,
        zone=ZoneInfo(timezone),
        pins=_pins(found, services, said.templates_hash)
        | _pins_of_site(timezone, launch_url, mapping)
        | _pin_of_units(said.units),
        drugs=drugs,
        people=load_virtual(people_named(services), root, ontology),
        genes=genes,
        tell=words.told,
        launch_url=launch_url,
        units_told=said.units,
    )


def read_ahead(root: Path, units: str = CONVENTIONAL) -> None:
    """Read what takes longest and survives a fork: trees, and what units mean. `load_knowledge` is then soon done.

    Nothing but the choice of units is checked by it and nothing missed: what is wrong with the content is left for
    `load_knowledge` to say.

    Raises
    ------
    SettingsError
        Naming the quantity and the unit in which it cannot be told.
    """
    with suppress(ContentError):
        versions = _versions(load_services(root / "hooks"))
        content = artefact("ontology", versions["ontology"], root=root)
        Presets(content, load_ontology(content)).choice(units)
        for name in (*RISKS, *BACKGROUND):
            with suppress(ContentError):  # also of trees that are left to xgboost, which no fork may find loaded
                own_trees(artefact(name, versions[name], root=root).read_bytes("model.ubj"))


def load_vocabulary(root: Path, mapping: SiteMapping | None = None) -> tuple[Ontology, UnitConverter]:
    """What everything is called, and in which units, and nothing else of the content. Raises ContentError."""
    version = _versions(load_services(root / "hooks"))["ontology"]
    ontology = _ontology(artefact("ontology", version, root=root), mapping)
    return ontology, UnitConverter(ontology)


def _ontology(content: Artefact, mapping: SiteMapping | None) -> Ontology:
    ontology = load_ontology(content)
    return ontology if mapping is None else mapped(ontology, mapping)


def _artefacts(versions: Mapping[str, str], learned: Learned, root: Path) -> dict[str, Artefact]:
    """Every artefact by name; what was learned is loaded already, those that failed their check among them."""
    others = {name: one for name, one in versions.items() if name not in (*RISKS, *BACKGROUND)}
    return {**{name: artefact(name, one, root=root) for name, one in others.items()}, **learned.artefacts}


def _check_names(services: Mapping[str, ServiceDefinition], said: Wording, learned: Learned) -> None:
    """Everything that is named is there, and has a name."""
    quantities = {one.quantity for one in said.ontology.variables.values()}
    check_names(services, quantities, said.catalogue, said.order_checks)
    _check_labels(said.labels, quantities, learned.models)


def _check_labels(labels: Mapping[str, str], quantities: Set[str], risks: Mapping[str, RiskModel]) -> None:
    """Everything that a card may have to call by name has one."""
    inputs = {feature.quantity for risk in risks.values() for feature in risk.features}
    outcomes = {f"outcome:{name}" for name in risks}
    nameless = ((inputs | {*QUANTITIES, *risks}) - quantities | outcomes) - labels.keys()
    if nameless:
        raise ContentError(f"templates/cards/{LABELS} lacks {', '.join(sorted(nameless))}", field=LABELS)


def _versions(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Each artefact in the one version that all services agree on."""
    versions = models_named(services)
    if missing := {*OTHERS, *RISKS, *BACKGROUND} - versions.keys():
        raise ContentError(f"no service names models/{min(missing)}", field="models")
    return versions


def _pins(
    found: Mapping[str, Artefact], services: Mapping[str, ServiceDefinition], templates_hash: str
) -> dict[str, str]:
    pins = {f"models/{name}": f"{one.version} {one.sha256}" for name, one in found.items()}
    pins["hooks"] = hash_of({key: service.model_dump_json() for key, service in services.items()})
    return pins | {"templates/cards": templates_hash}


def _pin_of_units(units: str) -> dict[str, str]:
    return {} if units == CONVENTIONAL else {UNITS: units}


def _pins_of_site(timezone: str, launch_url: str, mapping: SiteMapping | None) -> dict[str, str]:
    said = {"timezone": timezone, "launch": launch_url, "site_mapping": mapping.sha256 if mapping is not None else ""}
    return {name: value for name, value in said.items() if value}
