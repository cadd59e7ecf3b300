"""The CDS services as ``hooks/`` defines them, held against each other and against what else is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from itertools import chain

from cds_app.cards.allergies import UNREAD_ALLERGIES
from cds_app.cards.definition import Policy, ServiceDefinition
from cds_app.cards.disputes import DISPUTED
from cds_app.cards.dose_material import dose_topics
from cds_app.cards.unusual import DEVIATION
from cds_app.errors import ContentError
from cds_app.mitigate.catalogue import Catalogue
from cds_app.mitigate.order_checks import OrderChecks
from cds_app.score.risk.model import AlertPolicy
from cds_app.services.content.learned import Learned
from cds_app.services.content.pharmacology import PKPD
from cds_app.services.content.service_files import wrong_in
from cds_app.simulate.glucose.people import INSULINS
from cds_app.simulate.kinetics.drugs import Drug


def models_named(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Versions of the artefacts that services may use. Raises ContentError where they disagree."""
    return _agreed(services, lambda one: one.models)


def drugs_named(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Versions of the drugs of which services simulate drafts. Raises ContentError where they disagree."""
    return _agreed(services, _drugs_of)


def people_named(services: Mapping[str, ServiceDefinition]) -> dict[str, str]:
    """Versions of the virtual people that services try drafted insulin on. Raises ContentError where they disagree."""
    return _agreed(services, _people_of)


def _drugs_of(service: ServiceDefinition) -> dict[str, str]:
    asked = service.simulates.drugs if service.simulates is not None else {}
    return {PKPD + name: one.version for name, one in asked.items()}


def _people_of(service: ServiceDefinition) -> dict[str, str]:
    asked = service.simulates.insulin if service.simulates is not None else None
    return {} if asked is None else {PKPD + asked.model: asked.version}


def _agreed(
    services: Mapping[str, ServiceDefinition], named: Callable[[ServiceDefinition], Mapping[str, str]]
) -> dict[str, str]:
    """Artefacts, each in the one version that all services name."""
    versions: dict[str, str] = {}
    for service in services.values():
        for name, version in named(service).items():
            if versions.setdefault(name, version) != version:
                raise ContentError(f"services disagree on the version of models/{name}", field=f"models/{name}")
    return versions


def check_names(
    services: Mapping[str, ServiceDefinition], quantities: Set[str], catalogue: Catalogue, checks: OrderChecks
) -> None:
    """Resolve the topics, quantities and kinds of order checks that services name. Raises ContentError."""
    kinds = {one.kind for one in checks.checks}
    for service in services.values():
        policy, asked = service.policy, service.simulates
        dosed = chain(*map(dose_topics, (*asked.drugs, INSULINS))) if asked is not None else ()
        topics = {*catalogue.topics, DEVIATION, DISPUTED, UNREAD_ALLERGIES, *dosed}
        for field, names, known in (
            ("policy.asked_first", policy.asked_first, quantities),
            ("policy.precedence", policy.precedence, topics),
            ("policy.lockouts_h", tuple(policy.lockouts_h), topics),
            ("policy.rises_points", tuple(policy.rises_points), topics),
            ("policy.gives_way", (*policy.gives_way, *chain(*policy.gives_way.values())), topics),
            ("checks", service.checks, kinds),
        ):
            if strangers := [name for name in names if name not in known]:
                raise wrong_in(service, field, f"unknown {', '.join(strangers)}")


def check_goals(services: Mapping[str, ServiceDefinition], drugs: Mapping[str, Drug]) -> None:
    """Every goal is one of its drug's. Raises ContentError."""
    for service in services.values():
        for name, one in (service.simulates.drugs if service.simulates is not None else {}).items():
            if one.goal not in drugs[name].file.goals:
                raise wrong_in(service, f"simulates.drugs.{name}", f"unknown goal {one.goal}")


def with_alert_policies(
    services: Mapping[str, ServiceDefinition], about: Mapping[str, str], learned: Learned
) -> dict[str, ServiceDefinition]:
    """Services whose topics, where a learned risk may raise them, are quiet for as long as its manifest says.

    Parameters
    ----------
    about : mapping of str to str
        The learned risk that a topic of the catalogue is about.

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
            raise wrong_in(service, "policy", f"the model's manifest says how long {taken[0]} is quiet")
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
