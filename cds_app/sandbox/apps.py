"""Opening apps from a chart: which there are, what they are opened with, and where a card's link leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cds_app.errors import NotFound
from cds_app.sandbox.smart.charts import Charts
from cds_app.sandbox.smart.clients import SmartClient
from cds_app.sandbox.smart.endpoints import SmartServer


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApp:
    """An app beside a chart: its name, and the address that launches it, once."""

    id: str
    name: str
    url: str


def app_named(server: SmartServer, name: str) -> SmartClient:
    """An app that a chart can open. Raises NotFound."""
    found = server.clients.get(name)
    if found is None or not found.launch_uri:
        raise NotFound("no such app", field="app")
    return found


def launch(server: SmartServer, charts: Charts, app: SmartClient, patient_id: str, base: str, **more: Any) -> OpenApp:
    """Make a launch of an app for a patient.

    Parameters
    ----------
    base : str
        FHIR base of this EHR.
    **more
        As for `Charts.context`.
    """
    token = server.launches.make(app.id, charts.context(patient_id, **more))
    joint = "&" if "?" in app.launch_uri else "?"
    return OpenApp(id=app.id, name=app.name, url=f"{app.launch_uri}{joint}{urlencode({'iss': base, 'launch': token})}")


def app_of_link(server: SmartServer, link: Mapping[str, Any]) -> SmartClient | None:
    """Which app a card's link opens: the one that is registered with this very address."""
    if link.get("type") != "smart":
        return None
    return next((one for one in server.clients.launchable() if one.launch_uri == link.get("url")), None)
