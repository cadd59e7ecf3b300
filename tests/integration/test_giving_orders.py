"""Drafts whose way, rate or strength harms, in the shapes and words in which records send them."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.orders import cards, medication, potassium, signing

SNOMED = "http://snomed.info/sct"


def draft(name: str, *instructions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return medication("d", name, status="draft", dosageInstruction=list(instructions), **more)


def by(code: str) -> dict[str, Any]:
    return {"route": {"coding": [{"system": SNOMED, "code": code}]}}


def at_once(value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {"doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}}], **more}


TENFOLD = draft("Lantus", at_once(100, "[iU]", **by("34206005"), timing={"code": {"text": "daily"}}))
FASTER = draft(
    "Insulin regular 100 units in 100 mL",
    {
        **by("47625008"),
        "doseAndRate": [{"rateQuantity": {"value": 70, "unit": "mL/hr", "code": "mL/h"}}],
    },
)


@pytest.mark.parametrize(
    ("order", "indicator", "summary"),
    [
        (TENFOLD, "warning", "Draft order Insulin glargine: single dose (100 units at once, 10 ordered)"),
        (FASTER, "warning", "Draft order Insulin, regular human: rate (70 units an hour, at most 25)"),
        (
            draft("Insulin glargin 100 E/ml", {"text": "200 IE s.c. abends"}),
            "warning",
            "Draft order Insulin glargine: single dose (200 units at once, 10 ordered)",
        ),
        (
            draft("Kaliumchlorid 7,45 %", {"text": "40 mmol i.v. als Bolus"}),
            "critical",
            "Draft order Potassium chloride: never as a push",
        ),
        (
            draft("Vincristin", {"text": "2 mg i.th. einmalig"}),
            "critical",
            "Draft order Vincristine: never intrathecal",
        ),
        (
            draft("vinBLAStine", at_once(10, "mg", **by("72607000"))),
            "critical",
            "Draft order Vinblastine: never intrathecal",
        ),
        (
            draft("Methotrexat", {"text": "10 mg täglich p.o."}),
            "critical",
            "Draft order Methotrexate: once a week (every 24 h, not before 144 h)",
        ),
        (
            draft("Durogesic SMAT 50 Pflaster", {"text": "alle 3 Tage"}),
            "warning",
            "Draft order Fentanyl: no opioid taken",
        ),
        (draft("Leponex 100 mg"), "info", "Draft order Clozapine: neutrophils within 30 days not checked"),
    ],
)
def test_how_a_draft_is_given_is_checked_in_any_shape(
    client: FlaskClient, order: dict[str, Any], indicator: str, summary: str
) -> None:
    taken = medication("m", "insulin glargine", dosageInstruction=[at_once(10, "U", **by("34206005"))])
    (card,) = cards(client, signing(order, chart=(taken, *potassium(4.0))))
    assert card["summary"].startswith(summary)
    assert card["indicator"] == indicator


@pytest.mark.parametrize(
    "order",
    [
        draft("Insulin aspart", at_once(8, "U", **by("34206005"))),
        draft("Potassium chloride", {"text": "20 mmol in 1000 mL i.v. over 8 h. Do NOT give as IV push!"}),
        draft("Potassium chloride 600 mg", at_once(40, "mmol", **by("26643006"))),
        draft("vincristine", at_once(2, "mg", **by("47625008")), note=[{"text": "never intrathecal"}]),
        draft("Vincristin 2 mg", {"text": "i.v., NICHT intrathekal"}),
    ],
)
def test_what_is_usual_is_no_card(client: FlaskClient, order: dict[str, Any]) -> None:
    found = cards(client, signing(order, chart=potassium(4.0)))
    assert [one["summary"] for one in found if "not simulated" not in one["summary"]] == []


def test_each_limit_is_shown_as_pending_review(client: FlaskClient) -> None:
    order = draft("Kaliumchlorid", {"text": "40 mmol i.v. als Bolus"})
    (card,) = cards(client, signing(order, chart=potassium(4.0)))
    assert "stops the heart. [pending clinical review]" in card["detail"]
