"""An EHR with its charts at a moment, and a service that it launches, both over real HTTP in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.http.fhir import RequestsFhirReader
from cds_app.adapters.http.fhir_write import RequestsFhirWriter
from cds_app.bootstrap import app_of
from cds_app.commands.running import free_port
from cds_app.deps import memory_deps
from cds_app.errors import DataUnavailable
from cds_app.ports import FhirReader
from cds_app.sandbox.demo import START
from cds_app.sandbox.desk import Desk
from cds_app.sandbox.people.patients import cohort
from cds_app.sandbox.server import create_sandbox, new_store, running
from cds_app.sandbox.smart.charts import Charts
from cds_app.sandbox.smart.clients import twinline
from cds_app.sandbox.smart.endpoints import SmartServer
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.smart.issuers import DEFAULT_SCOPES, Issuers, new_issuer
from cds_app.services.smart.signing import SigningKeys
from cds_app.settings import Settings
from tests.patients import bundle

SICK, WELL, SPARSE = "synthetic-001", "synthetic-007", "synthetic-009"


@dataclass(slots=True)
class Line:
    """The service's way to the EHR's record: cut, or without resources, for some types or for all (``*``)."""

    reader: FhirReader
    cut: set[str] = field(default_factory=set)
    blank: set[str] = field(default_factory=set)

    def read(self, base: str, path: str, *, token: str | None, budget_s: float) -> Mapping[str, Any]:
        kind = path.partition("?")[0].partition("/")[0]
        if self.cut & {"*", kind}:
            raise DataUnavailable("the FHIR server is not available", field="line")
        if kind in self.blank:
            return bundle()
        return self.reader.read(base, path, token=token, budget_s=budget_s)

    def allowed(self, base: str) -> bool:
        return self.reader.allowed(base)

    def breakers(self) -> Sequence[str]:
        return self.reader.breakers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """Where service and EHR are, the EHR's desk, and the line between them."""

    service: str
    ehr: str
    desk: Desk
    line: Line

    def launch(self, patient: str, *, framed: bool = False) -> str:
        """Where the EHR sends the browser to open the sidebar for a patient."""
        context = Charts(store=self.desk.store, seat=self.desk.seat).context(patient, framed=framed)
        token = self.desk.smart.launches.make("twinline", context)
        return f"{self.service}/smart/launch?iss={self.ehr}/fhir&launch={token}"


@contextmanager
def ward_of(knowledge: Knowledge, *, host: str = "127.0.0.1", frames: tuple[str, ...] = ()) -> Iterator[Ward]:
    """A ward at the hour in which the first patient is sickest.

    Parameters
    ----------
    host : str
        Name of this machine under which browsers know the service.
    frames : tuple of str
        Origins that may show the sidebar in a frame, beside the EHR's.
    """
    patients, port = cohort(7, START), free_port()
    service = f"http://{host}:{port}"
    desk = Desk(service, new_store(patients, now=patients[0].opens[-1]), smart=SmartServer([twinline(service)]))
    with running(create_sandbox(service, patients, desk=desk)) as ehr:
        base, now = f"{ehr}/fhir", SystemClock().now()
        line = Line(RequestsFhirReader([base], loopback_http=True))
        settings = Settings(open_to_this_machine=True, port=port, public_url=service, simulated_time=True)
        deps = replace(
            memory_deps(knowledge, settings),
            fhir=line,
            drafts=RequestsFhirWriter([base], loopback_http=True),
        )
        issuer = new_issuer(name="ehr", iss=base, client_id="twinline", scopes=DEFAULT_SCOPES, frames=[ehr, *frames])
        Issuers(deps.ehrs.cabinet).add(issuer, now)
        SigningKeys(deps.ehrs.cabinet).make(now)
        with running(app_of(deps), port):
            yield Ward(service=service, ehr=ehr, desk=desk, line=line)
