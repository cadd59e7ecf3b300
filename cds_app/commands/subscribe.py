"""``twinline subscribe``: have EHRs tell of changes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click
from msgspec.structs import replace

from cds_app.commands.ingest_bulk import tokens_of
from cds_app.commands.stores import open_deps, with_store
from cds_app.content import canonical_json
from cds_app.deps import Deps
from cds_app.errors import DataUnavailable, SettingsError
from cds_app.fabric.resources import TYPES
from cds_app.services.smart.issuers import Issuers, client_of
from cds_app.services.sources.subscriptions import Heard, Subscription, Subscriptions, digest, new_secret
from cds_app.web.notifications import PATH

_BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}")
_REFERENCE: Final = re.compile(r"Subscription/[A-Za-z0-9\-.]{1,64}")
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,39}")
_CREATE_S: Final = 10.0


@click.group()
def subscribe() -> None:
    """Have EHRs tell of changes: topic-based FHIR subscriptions (R5 backport on R4B), by rest-hook."""


@subscribe.command()
@click.argument("name")
@click.option("--issuer", required=True, help="The EHR, as `twinline issuers` names it; with system scopes.")
@click.option("--topic", required=True, help="Canonical URL of the SubscriptionTopic.")
@click.option("--filter", "criteria", multiple=True, help="Filter of the topic (Encounter?patient=...). Repeatable.")
@click.option(
    "--content",
    type=click.Choice(["full-resource", "id-only"]),
    default="full-resource",
    show_default=True,
    help="What a notification holds of a change.",
)
@click.option("--heartbeat", type=click.IntRange(0, 86_400), default=60, show_default=True, help="Seconds; 0: none.")
@click.option("--type", "types", multiple=True, help="Types to read anew after a gap, instead of all that are read.")
@click.option("--reference", default="", help="Of a subscription that the EHR's people made (Subscription/12).")
@with_store
def add(  # noqa: PLR0913 - one for each option
    name: str,
    *,
    issuer: str,
    topic: str,
    criteria: tuple[str, ...],
    content: str,
    heartbeat: int,
    types: tuple[str, ...],
    reference: str,
    **flags: Any,
) -> None:
    """Make the subscription NAME at an EHR. With --reference, listen to one that was made there by hand."""
    _check(name, reference, types)
    with open_deps(flags) as deps:
        found = Issuers(deps.ehrs.cabinet).named(issuer, deps.clock.now())
        secret, endpoint = new_secret(), f"{deps.settings.base_url}{PATH}/{name}"
        made = Subscription(
            issuer=issuer,
            iss=found.iss,
            realm=found.realm(client_of(found, deps.trust.clients.clients())),
            reference=reference,
            topic=topic,
            secret_sha256=digest(secret),
            heartbeat_s=heartbeat,
            types=tuple(dict.fromkeys(types)) or TYPES,
        )
        token = "" if reference else tokens_of(deps, found)(False)  # without one nothing is begun
        _begin(deps, name, made)
        if reference:
            click.echo(f"the EHR must send to {endpoint} the header\nAuthorization: Bearer {secret}")
            return
        resource = resource_of(made, endpoint, secret, criteria=criteria, content=content)
        click.echo(_made(deps, name, resource, token, found.iss))


def resource_of(
    made: Subscription, endpoint: str, secret: str, *, criteria: Sequence[str], content: str
) -> dict[str, Any]:
    """The Subscription as the backport has it in R4B."""
    filters = [{"url": f"{_BACKPORT}/backport-filter-criteria", "valueString": one} for one in criteria]
    beat = [{"url": f"{_BACKPORT}/backport-heartbeat-period", "valueUnsignedInt": made.heartbeat_s}]
    return {
        "resourceType": "Subscription",
        "meta": {"profile": [f"{_BACKPORT}/backport-subscription"]},
        "status": "requested",
        "reason": "Keeps digital twins up to date",
        "criteria": made.topic,
        **({"_criteria": {"extension": filters}} if filters else {}),
        "channel": {
            **({"extension": beat} if made.heartbeat_s else {}),
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": f"{_BACKPORT}/backport-payload-content", "valueCode": content}]},
            "header": [f"Authorization: Bearer {secret}"],
        },
    }


@subscribe.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@with_store
def list_all(*, as_json: bool, **flags: Any) -> None:
    """Say how each subscription stands, and what is still missing."""
    with open_deps(flags) as deps:
        found = Subscriptions(deps.ehrs.cabinet, deps.clock).all()
    rows = [_row(*one) for one in found]
    if as_json:
        click.echo(canonical_json(rows).decode())
    for row in () if as_json else rows:
        click.echo(json.dumps(row, ensure_ascii=False))


@subscribe.command()
@click.argument("name")
@with_store
def remove(name: str, **flags: Any) -> None:
    """Listen to NAME no more. Delete it at the EHR, too."""
    with open_deps(flags) as deps:
        Subscriptions(deps.ehrs.cabinet, deps.clock).remove(name)
    click.echo("removed here: delete it at the EHR too")


def _begin(deps: Deps, name: str, made: Subscription) -> None:
    """Listen before the EHR is asked: its handshake comes at once. What was before now is a bulk export's."""
    register = Subscriptions(deps.ehrs.cabinet, deps.clock)
    register.add(name, made)
    register.change(name, lambda heard: replace(heard, whole=deps.clock.now()))


def _made(deps: Deps, name: str, resource: dict[str, Any], token: str, iss: str) -> str:
    register = Subscriptions(deps.ehrs.cabinet, deps.clock)
    try:
        reference = deps.drafts.create(iss, resource, token=token, only_if_none="", budget_s=_CREATE_S)
    except DataUnavailable:
        register.remove(name)
        raise
    register.called(name, reference)
    return reference


def _check(name: str, reference: str, types: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise SettingsError("up to 63 lower-case letters, digits and hyphens", field="name")
    if reference and not _REFERENCE.fullmatch(reference):
        raise SettingsError("must be Subscription/ID", field="reference")
    if not all(map(_TYPE.fullmatch, types)):
        raise SettingsError("must be names of resource types", field="type")


def _row(name: str, subscription: Subscription, heard: Heard) -> dict[str, Any]:
    def told(at: datetime | None) -> str:
        return at.isoformat(timespec="seconds") if at is not None else ""

    return {
        "name": name,
        "issuer": subscription.issuer,
        "reference": subscription.reference,
        "status": heard.status,
        "handshake": heard.shaken,
        "events": heard.number,
        "missing": [list(gap) for gap in heard.gaps],
        "wanted": len(heard.wanted),
        "heard": told(heard.at),
        "whole_until": told(heard.whole),
    }
