"""Mutated FHIR over HTTP: whatever a record holds, the service answers or refuses, and never breaks."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cds_app.bootstrap import app_of
from cds_app.deps import Deps
from tests.conformance.openapi import breaches
from tests.conftest import FROZEN
from tests.fuzz.size import MUTATIONS
from tests.mutations import JUNK, VALID, mutated
from tests.patients import QUIET, call, course, hyperkalaemic, observation, patient, septic, stay

pytestmark = [pytest.mark.fuzz, pytest.mark.slow]

URL = "/cds-services/twinline-patient-view"
EXPECTED = {200, 400, 410, 412, 413, 415, 422, 503}
KNOWN = [
    patient("1"), stay(FROZEN, "1"), observation("potassium", 6.9, FROZEN, "1"), *VALID,
    *course(FROZEN, QUIET, QUIET, 1, "1"),
]  # fmt: skip


def with_records(record: Any, at: str, spoiled: list[object]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(record))
    entries = [{"resource": one} for one in spoiled]
    body["prefetch"][at]["entry"] = [*body["prefetch"][at]["entry"], *entries]
    return body


RECORDS = [hyperkalaemic(FROZEN, patient_id="1"), septic(FROZEN, "1"), call(patient("1"), patient_id="1")]
SMALL = [hyperkalaemic(FROZEN, patient_id="1"), call(patient("1"), *course(FROZEN, QUIET, QUIET, 1, "1"))]
ADDED = st.builds(
    with_records,
    st.sampled_from(RECORDS),
    st.sampled_from(["vitals", "labs", "conditions", "medications", "orders", "encounters"]),
    st.lists(mutated(*KNOWN), min_size=1, max_size=4),
)
BODIES = st.one_of(ADDED, ADDED, mutated(*SMALL), st.builds(lambda one, key: {**SMALL[0], key: one}, JUNK,
                   st.sampled_from(["context", "prefetch", "hook", "fhirServer", "extension"])))  # fmt: skip


@st.composite
def sent(draw: st.DrawFn) -> bytes:
    """A body as bytes. What is no JSON (NaN, lone surrogates) goes out as Python would write it."""
    try:
        return json.dumps(draw(BODIES)).encode()
    except RecursionError:
        return b"[" * 3000


def test_no_mutated_record_breaks_the_service(client: FlaskClient, deps: Deps) -> None:
    seen, cards = Counter[int](), Counter[str]()

    @settings(
        max_examples=MUTATIONS, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(sent(), st.booleans())
    def send(body: bytes, fresh: bool) -> None:
        asked = app_of(Deps(settings=deps.settings, knowledge=deps.knowledge, store=fresh_store(deps), clock=deps.clock,
                            fhir=deps.fhir)).test_client() if fresh else client  # fmt: skip
        answer = asked.post(URL, data=body, content_type="application/json")
        seen[answer.status_code] += 1
        assert answer.status_code in EXPECTED
        if answer.status_code == 200:
            assert breaches("Answer", answer.get_json()) == []
            cards.update(one["source"]["topic"]["code"] for one in answer.get_json()["cards"])
        else:
            assert breaches("OperationOutcome", answer.get_json(force=True)) == []

    send()
    print(f"{seen.total()} records, {dict(seen)}, cards {dict(cards)}")
    assert seen[200] > 0
    assert cards


def fresh_store(deps: Deps) -> Any:
    """A patient of whom nothing is known, and no topic was shown before."""
    from cds_app.deps import memory_deps

    return memory_deps(deps.knowledge, deps.settings).store
