"""The sandbox's patients, taken in by its bulk export; and the export itself, for those who may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import requests

from cds_app.adapters.http.export import RequestsExportServer
from cds_app.bootstrap import answering_of, intake_of
from cds_app.deps import Deps, memory_deps
from cds_app.errors import DataUnavailable, Gone, TokenRefused
from cds_app.sandbox.desk import Desk
from cds_app.sandbox.server import create_sandbox, new_store, running
from cds_app.sandbox.smart.launches import Context
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.sources.exporting import Exporting, Place
from cds_app.services.sources.intake import Source
from cds_app.services.sources.populating import Populating
from cds_app.settings import Settings
from tests.conftest import FrozenClock
from tests.unit.sandbox.smart_app import NOW, PATIENTS, SICK, WELL

ALL = ("system/*.rs",)


@pytest.fixture
def desk() -> Desk:
    return Desk("http://127.0.0.1:9", new_store(PATIENTS, NOW))


@pytest.fixture
def base(desk: Desk) -> Iterator[str]:
    with running(create_sandbox("http://127.0.0.1:9", PATIENTS, desk=desk)) as url:
        yield f"{url}/fhir"


@pytest.fixture
def deps(knowledge: Knowledge) -> Deps:
    return replace(memory_deps(knowledge, Settings()), clock=FrozenClock(at=NOW + timedelta(hours=1)))


def token(desk: Desk, *scopes: str) -> str:
    return desk.smart.tokens.mint("twinline", scopes or ALL, Context()).token


def run(deps: Deps, desk: Desk, base: str, path: str = "Patient/$export", *scopes: str) -> tuple[Place, list[float]]:
    pauses: list[float] = []
    server = RequestsExportServer(base, loopback_http=True)
    exporting = Exporting(
        name="sandbox",
        server=server,
        taker=Populating(intake_of(deps, Source(name="sandbox", tenant=base))),
        cabinet=deps.ehrs.cabinet,
        token=lambda new: token(desk, *scopes),
        clock=deps.clock,
        pause=pauses.append,
    )
    try:
        return exporting.run(path), pauses
    finally:
        server.close()


def test_every_patient_of_the_sandbox_is_a_twin_after_one_export(deps: Deps, desk: Desk, base: str) -> None:
    place, pauses = run(deps, desk, base)
    assert pauses == [1.0], "as long as the EHR asked for"
    held = {kind: len(desk.store.all(kind)) for kind in ("Patient", "Observation")}
    assert place.counts["resources"] >= sum(held.values())
    records = answering_of(deps).records
    for who in (SICK, WELL):
        timeline = records.load(deps.store.pseudonym(base, who)).timeline
        refs = {fact.ref.partition("#")[0] for fact in timeline.facts.measurements}
        own = {f"Observation/{one['id']}" for one in desk.store.all("Observation") if desk.store.patient_of(one) == who}
        assert refs
        assert refs <= own
    again, _ = run(deps, desk, base)
    assert again.counts == {}, "nothing has changed since"
    desk.store.step_to(NOW + timedelta(hours=2))
    later, _ = run(deps, desk, base)
    assert 0 < later.counts["resources"] < place.counts["resources"]


def test_a_server_gets_what_its_scopes_open(deps: Deps, desk: Desk, base: str) -> None:
    place, _ = run(deps, desk, base, "Patient/$export", "system/Patient.rs")
    assert place.counts["resources"] == len(PATIENTS)
    with pytest.raises(DataUnavailable):
        run(deps, desk, base, "Patient/$export?_type=Observation", "system/Patient.rs")


def test_a_token_for_one_patient_exports_nobody(desk: Desk, base: str) -> None:
    server, good = RequestsExportServer(base, loopback_http=True), token(desk)
    one = desk.smart.tokens.mint("twinline", ("patient/*.rs",), Context(patient=SICK)).token
    with pytest.raises(DataUnavailable):
        server.start("Patient/$export?_type=Patient", token=one)
    everything, own = server.start("Patient/$export", token=good), server.start("Patient/$export", token=one)
    headers = {"Authorization": f"Bearer {one}"}
    for place in (everything, own):
        for kind in ("Patient", "Observation"):
            url = f"{base}/$export/{place.rpartition('/')[2]}/{kind}"
            assert requests.get(url, headers=headers, timeout=10).status_code == 403
    server.close()


def test_who_shows_no_token_or_comes_too_late_gets_nothing(desk: Desk, base: str) -> None:
    server, good = RequestsExportServer(base, loopback_http=True), token(desk)
    with pytest.raises(TokenRefused):
        server.start("Patient/$export", token="made-up")
    place = server.start("Patient/$export", token=good)
    server.forget(place, token=good)
    for act in (lambda: server.look(place, token=good), lambda: server.forget(place, token=good)):
        with pytest.raises(Gone):
            act()
    with pytest.raises(DataUnavailable):
        server.start("Patient/$export?_since=yesterday", token=good)
    server.close()
