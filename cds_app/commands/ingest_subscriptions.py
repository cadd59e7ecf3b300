"""``twinline ingest subscriptions``: what FHIR subscriptions missed, got afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

from cds_app.bootstrap import populating_of
from cds_app.commands.ingest_bulk import tokens_of
from cds_app.commands.stores import open_deps, with_store
from cds_app.deps import Deps
from cds_app.errors import DependencyDown
from cds_app.services.smart.issuers import Issuers
from cds_app.services.sources.catching_up import CatchingUp, Counts
from cds_app.services.sources.subscriptions import Subscription, Subscriptions

_CREATE_S: Final = 10.0


@click.command()
@click.option("--every", type=click.IntRange(1), default=30, show_default=True, help="Seconds between two looks.")
@click.option("--once", is_flag=True, help="Look once, and end.")
@with_store
def subscriptions(*, every: int, once: bool, **flags: Any) -> None:
    """Catch up with what FHIR subscriptions missed. EHRs that have fallen silent are asked."""
    with open_deps(flags) as deps:
        catching = catching_up_of(deps)
        while True:
            counts = _looked(catching, once=once)
            if counts or once:
                click.echo(json.dumps(counts, sort_keys=True))
            if once:
                return
            time.sleep(every)


def _looked(catching: CatchingUp, *, once: bool) -> Mapping[str, int]:
    """What was done. A store that is away for a while is waited for."""
    try:
        return catching.look()
    except DependencyDown:
        if once:
            raise
        return {"store-down": 1}


def catching_up_of(deps: Deps) -> CatchingUp:
    """What looks after the subscriptions of an installation."""
    issuers, held = Issuers(deps.ehrs.cabinet), {}

    def token(name: str) -> str:
        if name not in held:
            held[name] = tokens_of(deps, issuers.named(name, deps.clock.now()))
        return held[name](False)

    def take(name: str, one: Subscription, resources: Sequence[object], find: Callable[[str], object]) -> Counts:
        return populating_of(deps, name, one, find).bring(resources)

    def withdraw(name: str, one: Subscription, gone: Mapping[str, datetime]) -> None:
        populating_of(deps, name, one).withdraw(gone)

    def wake(one: Subscription, access: str) -> None:
        deps.drafts.set_status(one.iss, one.reference, "requested", token=access, budget_s=_CREATE_S)

    return CatchingUp(
        subscriptions=Subscriptions(deps.ehrs.cabinet, deps.clock),
        fhir=deps.fhir,
        token=token,
        wake=wake,
        take=take,
        withdraw=withdraw,
        clock=deps.clock,
    )
