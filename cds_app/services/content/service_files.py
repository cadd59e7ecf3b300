"""The CDS services as ``hooks/`` defines them, read one by one: all that is known of them without any model."""

from __future__ import annotations

import json
from pathlib import Path

from cds_app.cards.definition import ServiceDefinition, parse_reasons, parse_service
from cds_app.errors import ContentError
from cds_app.fabric.prefetch import PrefetchTemplate


def load_services(folder: Path) -> dict[str, ServiceDefinition]:
    """Every service, by id.

    Raises
    ------
    ContentError
        Naming the file and what is wrong in it.
    """
    files = sorted(folder.glob("*/service.json"))
    if not files:
        raise ContentError("hooks/ holds no service.json", field="hooks")
    understood = {"understood_reasons": parse_reasons(read_json(folder / "override_reasons.json"))}
    found = [parse_service(read_json(file), folder=file.parent.name).model_copy(update=understood) for file in files]
    for service in found:
        _check_prefetch(service)
    return {service.id: service for service in found}


def read_json(file: Path) -> object:
    """What a file says that is in no artefact. Raises ContentError."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        where = "/".join(file.parts[-3:])
        raise ContentError(f"{where} is not readable JSON", field=where) from error


def _check_prefetch(service: ServiceDefinition) -> None:
    for key, template in service.prefetch.items():
        try:
            PrefetchTemplate(template)
        except ContentError as error:
            raise wrong_in(service, f"prefetch.{key}", error.message) from error


def wrong_in(service: ServiceDefinition, where: str, problem: str) -> ContentError:
    """What to raise of a service's file."""
    return ContentError(f"hooks/{service.id}/service.json: {where}: {problem}", field=where)
