"""Schemathesis, led by the OpenAPI file, against the running service: never a 500, never a status that is not told."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cds_app.commands.running import running_service, unconfigured
from tests.conformance.openapi import document
from tests.fuzz.size import CASES

pytestmark = [pytest.mark.fuzz, pytest.mark.slow]

ROUTES = [(path, method) for path, one in document()["paths"].items() for method in one if method in ("get", "post")]
FROM_BELOW = {400, 431}  # the server's own, for what is no HTTP
NAMES = {
    "service_id": ["twinline-patient-view", "twinline-encounter-start"],
    "name": ["sepsis", "aki", "mortality", "ontology", "..", "report.css"],
}
HARD: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "phases": [Phase.generate, Phase.shrink],
    "suppress_health_check": list(HealthCheck),
}
QUERIES = st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from(["Accept", "Accept-Encoding", "Authorization", "Cookie", "Forwarded", "If-None-Match", "Origin",
                     "Range", "X-Forwarded-For", "X-HTTP-Method-Override"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzzed")


@pytest.fixture(scope="module")
def service(home: Path) -> Iterator[str]:
    with running_service(home, workers=1, environ={**unconfigured(), "TWINLINE_METRICS": "true"}) as found:
        yield found


def led() -> dict[str, Any]:
    """The file, narrowed to names that exist: else hardly a call would pass the first check."""
    made = copy.deepcopy(document())
    for one in made["paths"].values():
        for name in one.get("parameters", ()):
            if name["name"] in NAMES:
                name["schema"] = {"enum": NAMES[name["name"]]}
    schemas = made["components"]["schemas"]
    schemas["Request"]["properties"]["hook"] = {"enum": ["patient-view", "encounter-start"]}
    schemas["Request"]["properties"]["prefetch"]["required"] = ["patient", "vitals"]
    schemas["Request"]["required"].append("prefetch")
    return made


def cases(path: str, method: str, mode: str) -> Any:
    """What the file allows to be sent to a route, or what it does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what schemathesis imports
        import schemathesis

        operation = schemathesis.openapi.from_dict(led())[path][method.upper()]
        return operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))


def told(path: str, method: str) -> set[int]:
    """Every status that may come: a text of a path may hold a slash, or be empty, and so lead to no route."""
    codes = {int(code) for code in document()["paths"][path][method]["responses"]} - {500}
    return codes | FROM_BELOW | ({404, 405} if "{" in path else set())


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_no_call_ends_in_a_fault_or_an_untold_status(service: str, path: str, method: str) -> None:
    seen, expected = Counter[int](), told(path, method)
    modes = ("positive", "negative") if method == "post" else ("positive",)
    often = settings(max_examples=-(-CASES // len(modes)), **HARD)

    def send(case: Any, query: dict[str, str], headers: dict[str, str]) -> None:
        answer = case.call(
            base_url=service, session=session, params=query, headers=headers, timeout=30, allow_redirects=False
        )
        seen[answer.status_code] += 1
        assert answer.status_code in expected

    with requests.Session() as session:
        for mode in modes:
            often(given(cases(path, method, mode), QUERIES, HEADERS)(send))()
    print(f"{method} {path}: {seen.total()} calls, {dict(seen)}")
    assert seen.total() >= CASES


def test_the_service_is_well_after_all_that(service: str) -> None:
    assert requests.get(f"{service}/readyz", timeout=10).json()["parts"]["store"] == "ok"


def test_it_logged_nothing_unexpected(service: str, home: Path) -> None:
    assert [line for line in (home / "service.log").read_text().splitlines() if "unexpected" in line] == []
