"""What is answered where there is nothing: a page to a person, an OperationOutcome to a program."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/", "/sidebar/nowhere/bogus", "/favicon.ico"])
def test_where_there_is_nothing_a_browser_gets_a_page_and_a_program_an_outcome(client: FlaskClient, path: str) -> None:
    seen = client.get(path, headers={"Accept": BROWSER})
    assert (seen.status_code, seen.mimetype) == (404, "text/html")
    assert "opened from a patient" in seen.text
    assert "default-src 'none'" in seen.headers["Content-Security-Policy"]
    for wanted in ("*/*", "application/json", "application/fhir+json, */*;q=0.1", "text/html;q=0.1, application/json"):
        told = client.get(path, headers={"Accept": wanted})
        assert (told.status_code, told.get_json(force=True)["resourceType"]) == (404, "OperationOutcome")
    told = client.get("/cds-services/nowhere/x", headers={"Accept": BROWSER})
    assert told.get_json(force=True)["resourceType"] == "OperationOutcome"
