from __future__ import annotations

from typing import Any

import pytest

from cds_app.errors import DataUnavailable
from cds_app.fabric.exchange.exports import deletions_of, problems_of, read_manifest


def manifest(**change: Any) -> dict[str, Any]:
    output = [{"type": "Observation", "url": "https://e/1"}, {"type": "Medication", "url": "https://e/2"}]
    usual = {"transactionTime": "2026-03-01T00:00:00.000Z", "requiresAccessToken": False, "output": output}
    return {name: one for name, one in {**usual, **change}.items() if one is not None}


def test_files_come_in_the_order_in_which_they_need_each_other() -> None:
    errors, deleted = [{"url": "https://e/3"}], [{"type": "Bundle", "url": "https://e/4"}]
    found = read_manifest(manifest(error=errors, deleted=deleted))
    assert [one.url[-1] for one in found.files] == ["2", "1", "4", "3"]
    assert found.transaction_time == "2026-03-01T00:00:00.000Z"
    assert not found.requires_token


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"transactionTime": None}, "transactionTime"),
        ({"transactionTime": "yesterday"}, "transactionTime"),
        ({"transactionTime": "2026"}, "transactionTime"),
        ({"requiresAccessToken": "yes"}, "requiresAccessToken"),
        ({"output": {"url": "https://e/1"}}, "output"),
        ({"output": [{"type": "Observation"}]}, "output[0].url"),
        ({"deleted": ["x"]}, "deleted[0].url"),
        ({"link": [{"relation": "next", "url": "https://e/m2"}]}, "link"),
    ],
)
def test_a_manifest_that_is_none_is_refused_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(DataUnavailable) as caught:
        read_manifest(manifest(**change))
    assert caught.value.field == field


def test_something_else_is_no_manifest() -> None:
    with pytest.raises(DataUnavailable):
        read_manifest([])


def test_deletions_are_read_from_transactions_and_from_nothing_else() -> None:
    def request(method: object, url: object) -> dict[str, Any]:
        return {"request": {"method": method, "url": url}}

    entries = [
        request("DELETE", "Patient/1"),
        request("DELETE", "https://e/fhir/Observation/a-b.c"),
        request("PUT", "Patient/2"),
        request("DELETE", "Patient?name=x"),
        request("DELETE", 7),
        "x",
    ]
    assert list(deletions_of({"resourceType": "Bundle", "entry": entries})) == ["Patient/1", "Observation/a-b.c"]
    assert list(deletions_of({"resourceType": "Bundle", "entry": 7})) == []
    assert list(deletions_of({"resourceType": "Patient"})) == []
    assert list(deletions_of(None)) == []


def test_problems_are_told_by_code_and_never_by_text() -> None:
    issue = [{"severity": "fatal", "code": "not-found", "diagnostics": "ZQX"}, {"severity": "ZQX", "code": "ZQX"}]
    assert list(problems_of({"issue": issue})) == ["fatal not-found", "error unknown"]
    assert list(problems_of(None)) == []
