"""The card of a draft with many findings: none is lost, and no source is named of one that is not told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from cds_app.deps import Deps
from tests.conftest import FROZEN
from tests.orders import LISINOPRIL, cards, medication, potassium, signing, spironolactone
from tests.patients import observation


def test_what_has_no_room_is_named_and_its_source_goes_with_it(client: FlaskClient, deps: Deps) -> None:
    kidney = [
        observation("creatinine", value, FROZEN - timedelta(hours=hours)) for value, hours in ((1.0, 30), (2.6, 1))
    ]
    standing = medication("s", "spironolactone 25 mg oral tablet")
    (card,) = cards(client, signing(spironolactone(), chart=(LISINOPRIL, standing, *potassium(6.3), *kidney)))
    why, _, rest = card["detail"].partition("**Options")
    also = why.partition("- Also: ")[2]
    checks = {one.id: one for one in deps.knowledge.order_checks.checks}
    found = [checks[one["check"]] for one in card["extension"]["com.twinline.explanation"]["findings"]]
    named = [one for one in found if one.title in also]
    told = [one for one in found if one not in named]
    assert len(told) > 1
    assert named
    sources = {one.guideline.cited for one in found}
    assert {one for one in sources if one in rest} == {one.guideline.cited for one in told}


CODEINE = "acetaminophen 300 MG / codeine phosphate 30 MG Oral Tablet"
LISINOPRIL_HCT = "lisinopril 20 MG / hydrochlorothiazide 12.5 MG Oral Tablet"


@pytest.mark.parametrize(
    ("draft", "standing", "said"),
    [
        (LISINOPRIL_HCT, LISINOPRIL_HCT, "- Hydrochlorothiazide + Lisinopril is ordered already."),
        (CODEINE, CODEINE, "- With Paracetamol + Codeine: Paracetamol is ordered already."),
    ],
)
def test_names_of_drugs_keep_their_capitals(client: FlaskClient, draft: str, standing: str, said: str) -> None:
    (card,) = cards(client, signing(medication("d", draft, status="draft"), chart=(medication("s", standing),)))
    assert said in card["detail"]
