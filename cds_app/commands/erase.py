"""``twinline erase``: forget a patient."""

from __future__ import annotations

from typing import Any

import click

from cds_app.adapters.clock import SystemClock
from cds_app.commands.stores import open_store, with_store
from cds_app.databases import cabinet_of
from cds_app.services.sources.erasing import erase_all
from cds_app.services.sources.identities import Identities


@click.command()
@with_store
@click.option("--tenant", default="local", show_default=True, help="FHIR base URL of the EHR, or local.")
@click.option("--patient", required=True, help="FHIR id of the patient.")
@click.confirmation_option(prompt="Destroy this patient's key? Nothing of theirs can be read afterwards.")
def erase(tenant: str, patient: str, **flags: Any) -> None:
    """Destroy one patient's key: everything sealed under it is gone for good."""
    clock = SystemClock()
    with open_store(flags) as (settings, store), cabinet_of(settings) as cabinet:
        name = store.pseudonym(tenant, patient)
        erase_all(store, Identities(cabinet, store.pseudonym, clock), name, clock.now())
    click.echo("erased")
