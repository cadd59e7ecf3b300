"""What an EHR is asked for is what the guide has."""

from __future__ import annotations

from fhir.resources.R4B.subscription import Subscription as R4BSubscription

from cds_app.commands.subscribe import resource_of
from tests.notifications import SECRET, subscription


def test_the_resource_is_the_backports() -> None:
    made = resource_of(subscription(), "https://t.example/x", SECRET, criteria=["Encounter?a=b"], content="id-only")
    channel = made["channel"]
    assert (channel["type"], channel["endpoint"], channel["header"]) == (
        "rest-hook",
        "https://t.example/x",
        [f"Authorization: Bearer {SECRET}"],
    )
    assert channel["_payload"]["extension"][0]["valueCode"] == "id-only"
    assert channel["extension"][0]["valueUnsignedInt"] == 60
    assert made["_criteria"]["extension"][0]["valueString"] == "Encounter?a=b"
    assert R4BSubscription.model_validate(made).channel.type == "rest-hook"
    plain = resource_of(subscription(heartbeat_s=0), "u", SECRET, criteria=(), content="full-resource")
    assert "_criteria" not in plain
    assert "extension" not in plain["channel"]
