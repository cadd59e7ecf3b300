"""Nothing that a reader of SI units meets is told in conventional ones: cards of all topics, drafts, and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from cds_app.bootstrap import app_of
from cds_app.cards.drafts import Alongside, due
from cds_app.deps import Deps
from cds_app.domain.ontology import Ontology
from cds_app.mitigate.effects import GlucoseEffect
from cds_app.mitigate.order_checks import AllergyCheck, DuplicateCheck
from cds_app.services.what_if.dose import Wish
from cds_app.services.what_if.insulin import Injected
from tests.answers import cards_in
from tests.bedside import Bed, bed_of, token
from tests.conftest import FROZEN
from tests.insulin import TYPE_1, USUAL, injecting, lispro, sugar
from tests.orders import medication, signing
from tests.patients import QUIET, call, course, patient, stay
from tests.trials import effect_of, on_vancomycin
from tests.units import left_in, sent_as

SIGN: Final = "/cds-services/twinline-order-sign"
GLUCOSE: Final = str(sugar(1.0)["id"])
LOW: Final[Mapping[str, float]] = {
    **{"glucose": 45, "hemoglobin": 6.5, "calcium": 6.0, "albumin": 4.1, "magnesium": 0.9, "phosphate": 0.8},
    **{"potassium": 2.4, "sodium": 118, "fibrinogen": 90, "pco2": 30, "po2": 50, "ph": 7.1, "lactate": 5.2},
    **{"creatinine": 3.4, "urea_nitrogen": 60, "bilirubin_total": 6.1, "platelets": 15, "inr": 5.2, "hba1c": 8.1},
}
HIGH: Final[Mapping[str, float]] = {
    **{"glucose": 620, "hemoglobin": 7.2, "calcium": 15, "albumin": 4.0, "uric_acid": 9.5, "phosphate": 7.4},
    **{"potassium": 6.6, "sodium": 160, "pco2": 82, "po2": 52, "ph": 7.12, "fio2": 60, "creatinine": 4.6},
    **{"troponin_t": 0.3, "bicarbonate": 9, "ketones_bhb": 5.1, "ldl": 180, "ntprobnp": 4000, "magnesium": 4.4},
}


@pytest.fixture
def si(deps: Deps) -> Deps:
    return replace(deps, knowledge=deps.knowledge.told_in("si"))


def result(ontology: Ontology, quantity: str, value: float, hours: float) -> dict[str, Any]:
    variable = ontology.quantity(quantity)
    made = {
        "resourceType": "Observation",
        "id": f"{quantity.replace('_', '-')}-{hours:g}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code} for system, code in variable.codes[:1]]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": (FROZEN - timedelta(hours=hours)).isoformat(),
        "valueQuantity": {"value": value, "code": variable.unit, "system": "http://unitsofmeasure.org"},
    }
    return sent_as(made, ontology)


def results(ontology: Ontology, values: Mapping[str, float]) -> list[dict[str, Any]]:
    """Each of some values, and what it was before: nearer to what is usual."""
    before = {"creatinine": 0.9, "hemoglobin": 11.8, "sodium": 138.0, "glucose": 130.0}
    older = [result(ontology, name, value, 20) for name, value in before.items() if name in values]
    return [*older, *(result(ontology, name, value, 0.5) for name, value in values.items())]


def chart(ontology: Ontology, values: Mapping[str, float]) -> list[dict[str, Any]]:
    vital = course(FROZEN, QUIET, {**QUIET, "map": 58.0, "sbp": 84.0, "heart_rate": 118.0, "resp_rate": 28.0})
    return [patient(), stay(FROZEN - timedelta(hours=40)), *vital, *results(ontology, values)]


@pytest.fixture(params=[LOW, HIGH], ids=["low", "high"])
def bed(request: pytest.FixtureRequest, si: Deps) -> Bed:
    return bed_of(si, chart(si.knowledge.ontology, request.param), FROZEN)


def test_every_card_that_is_due(bed: Bed) -> None:
    material = bed.frame.subject(bed.asking()).material
    drafts = {one.topic: one.write(Alongside()) for one in due(material)}
    assert len(drafts) >= 8
    told = {name: f"{one.summary}\n{one.detail}" for name, one in drafts.items()}
    assert left_in(told) == {}
    assert " = " not in "".join(told.values())  # all of it came in the units that are told


def test_every_page(bed: Bed) -> None:
    asking, found = bed.asking(), {}
    material = bed.frame.subject(asking).material
    for quantity in bed.frame.subject(asking).state.tracks:
        found[f"trend {quantity}"] = bed.sidebar.trend(asking, quantity, 48)
    for name in material.risks:
        found[f"why {name}"] = bed.sidebar.why(asking, name, change=True)
    pages = {"now": bed.sidebar.now(asking), "options": bed.sidebar.options(asking)}
    found |= pages | {"history": bed.sidebar.history(asking, token)}
    assert left_in({name: plain(html) for name, html in found.items()}) == {}
    assert "mmol/L" in pages["now"]


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_the_axis_of_a_trend_has_round_numbers_in_the_units_that_are_told(si: Deps) -> None:
    ontology = si.knowledge.ontology
    values = [result(ontology, "glucose", value, hours) for value, hours in ((95, 12), (130, 8), (220, 1))]
    bed = bed_of(si, [patient(), stay(FROZEN - timedelta(hours=40)), *values], FROZEN)
    page = bed.sidebar.trend(bed.asking(), "glucose", 24)
    ticks = re.findall(r'class="tick[^"]*"[^>]*>(\d+(?:\.\d+)?)<', page)
    assert ticks[:5] == ["5.0", "7.5", "10.0", "12.5", "15.0"]
    assert "Glucose 12.2 mmol/L" in plain(page)


@pytest.mark.parametrize("values", [LOW, HIGH], ids=["low", "high"])
def test_the_card_of_every_drug_that_a_check_asks_of(si: Deps, values: Mapping[str, float]) -> None:
    ontology, told = si.knowledge.ontology, dict[str, str]()
    known = (*results(ontology, values), stay(FROZEN - timedelta(hours=40)))
    checks = [one for one in si.knowledge.order_checks.checks if not isinstance(one, AllergyCheck | DuplicateCheck)]
    drugs = {key for one in checks for key in one.drugs if ontology.concepts[key].kind == "drug"}
    with app_of(si).test_client() as client:
        for key in sorted(drugs):
            draft = medication("d", ontology.concepts[key].label, status="draft")
            answer = client.post(SIGN, json=signing(draft, chart=known))
            told |= {f"{key} {one['uuid']}": f"{one['summary']}\n{one['detail']}" for one in cards_in(answer)}
    assert len(told) >= 20
    assert left_in(told) == {}


def test_before_discharge(si: Deps) -> None:
    """What is unresolved, and the parts of a score, which name limits of their own."""
    ontology = si.knowledge.ontology
    before = [stay(FROZEN - timedelta(days=30 * at)) for at in (2, 5)]
    for at, one in enumerate(before):
        start = FROZEN - timedelta(days=60 + at)
        ended = {"start": start.isoformat(), "end": (start + timedelta(days=3)).isoformat()}
        one.update(id=f"earlier-{at}", status="finished", period=ended)
    found = [result(ontology, name, value, 3) for name, value in {"hemoglobin": 9.8, "sodium": 131.0}.items()]
    found += [result(ontology, "creatinine", value, hours) for value, hours in ((0.9, 60), (2.1, 3))]
    told = dict[str, str]()
    for chart in ((*before, *found[:2]), found[2:]):
        days = timedelta(days=6 if chart[0] in before else 3)
        body = call(patient(), stay(FROZEN - days), *course(FROZEN, QUIET, QUIET), *chart, hook="encounter-discharge")
        body["context"]["encounterId"] = "p1-stay"
        with app_of(si).test_client() as client:
            cards = cards_in(client.post("/cds-services/twinline-encounter-discharge", json=body))
        told |= {one["summary"]: one["detail"] for one in cards}
    assert "haemoglobin below 120 g/L, 1" in "".join(told.values())
    assert "times the week's lowest of 80 umol/L" in "".join(told.values())
    assert left_in(told) == {}


def test_drafted_insulin_and_the_page_of_it(si: Deps) -> None:
    rest = tuple(one for one in USUAL if one["id"] != GLUCOSE)
    now = sugar(6.9, unit="mmol/L")
    with app_of(si).test_client() as client:
        (card,) = cards_in(client.post(SIGN, json=injecting(lispro(12), chart=(*rest, now))))
    said = f"{card['summary']}\n{card['detail']}\n{card['suggestions'][0]['label']}"
    assert re.search(r"\d+ in 100 below 3\.[09] mmol/L", card["summary"])
    assert "at 3.9–10.0 mmol/L" in said
    assert left_in({"card": said}) == {}
    bed = bed_of(si, [patient(birthDate="1985-02-03"), TYPE_1, *map(dict, rest), now], FROZEN)
    page = plain(bed.trials.insulin(bed.asking(), Injected(bolus_u=4.0, daily_u=40.0)))
    assert "Glucose ahead, in mmol/L" in page
    assert "between 3.9 mmol/L and 10.0 mmol/L" in page
    line = effect_of(bed, GlucoseEffect(of="glucose", bolus_u=2.0))
    assert re.search(r"glucose \d+\.\d mmol/L \(", line.says), line
    assert left_in({"page": page, "effect": line.says}) == {}


def test_why_nothing_was_simulated(si: Deps) -> None:
    rest = tuple(one for one in USUAL if one["id"] != GLUCOSE)
    with app_of(si).test_client() as client:
        body = injecting(lispro(4), chart=(*rest, sugar(27.0, unit="mmol/L")))
        told = "".join(one["detail"] for one in cards_in(client.post(SIGN, json=body)))
    assert re.search(r"glucose must be \d+\.\d to \d+\.\d mmol/L", told), told
    bed = bed_of(si, [patient(birthDate="1985-02-03"), TYPE_1, *map(dict, rest), sugar(27.0, unit="mmol/L")], FROZEN)
    page = plain(bed.trials.insulin(bed.asking(), Injected(bolus_u=4.0, daily_u=40.0)))
    assert re.search(r"Glucose: must be \d+\.\d to \d+\.\d mmol/L", page), page


def test_what_a_dose_went_by(si: Deps) -> None:
    bed = bed_of(si, [sent_as(one, si.knowledge.ontology) for one in on_vancomycin()], FROZEN)
    page = plain(bed.trials.what_if(bed.asking(), Wish(drug="vancomycin")))
    assert "Creatinine 124 umol/L at" in page
