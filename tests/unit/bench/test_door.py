"""The benchmark of the door measures checks that succeed."""

from __future__ import annotations

from cds_app.adapters.clock import SystemClock
from cds_app.adapters.sql.client_register import MemoryClients
from cds_app.adapters.sql.token_ledger import MemoryTokens
from cds_app.bench.door import bench_door
from cds_app.domain.clients import Client
from cds_app.errors import DataUnavailable
from cds_app.services.callers.keys import Keys
from cds_app.services.callers.trust import Directory, Door
from tests.trust import BASE, PublishedKeys


def test_each_algorithm_has_a_median() -> None:
    doors: list[MemoryTokens] = []

    def door_for(client: Client) -> Door:
        register = MemoryClients()
        register.add(client)
        doors.append(MemoryTokens())
        keys = Keys(PublishedKeys(DataUnavailable("not needed")))
        return Door(directory=Directory(register), keys=keys, seen=doors[-1], clock=SystemClock(), base_url=BASE)

    found = bench_door(door_for)
    assert found.keys() == {"es384_ms", "rs384_ms"}
    assert min(found.values()) > 0
    assert [len(one._seen) for one in doors] == [500, 500]
