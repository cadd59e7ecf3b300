"""Limits of what is simulated: as numbers with a unit, told in the units that a site reads."""

from __future__ import annotations

import pytest

from cds_app.content import artefact
from cds_app.domain.ontology import Ontology
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.presets import Presets
from cds_app.simulate.refusals import Refusal, Span, outside, told

_CONTENT = artefact("ontology", "1.0.0")
_PRESETS = Presets(_CONTENT, load_ontology(_CONTENT))
SI, PLAIN = (_PRESETS.told(_PRESETS.choice(units)) for units in ("si", "conventional"))


def refusal(field: str, low: float, high: float, unit: str, *, remark: str = "") -> Refusal:
    span = Span(low, high, unit)
    return Refusal(field=field, limit=f"{span}{remark}", span=span)


def limits(one: Refusal, ontology: Ontology) -> list[str]:
    return [each.limit for each in told([one], ontology)]


@pytest.mark.parametrize(
    ("one", "limit"),
    [
        (refusal("patient.glucose_mg_dl", 60.0, 350.0, "mg/dL"), "must be 3.3 to 19.4 mmol/L"),
        (refusal("covariates.creatinine_mg_dl", 0.5, 5.0, "mg/dL"), "must be 44 to 442 umol/L"),
        (
            refusal("covariates.SCR", 0.5, 5.0, "mg/dL", remark=", at both ends of what is imputed"),
            "must be 44 to 442 umol/L, at both ends of what is imputed",
        ),
        (refusal("patient.weight_kg", 50.0, 130.0, "kg"), "must be 50 to 130 kg"),
    ],
)
def test_a_limit_is_told_in_the_units_that_a_site_reads(one: Refusal, limit: str) -> None:
    assert limits(one, SI) == [limit]


def test_a_site_that_chose_no_units_reads_the_model_s() -> None:
    one = refusal("patient.glucose_mg_dl", 60.0, 350.0, "mg/dL")
    assert limits(one, PLAIN) == [one.limit]


def test_a_sentence_that_only_reads_like_a_limit_stays_as_it_is() -> None:
    one = Refusal(field="patient.glucose_mg_dl", limit="must be 60 to 350 mg/dL")
    assert told([one], SI) == (one,)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 59.999, 350.001])
def test_what_lies_outside_is_refused_with_its_limits_as_numbers(value: float | None) -> None:
    (found,) = outside("patient.glucose_mg_dl", value, 60.0, 350.0, "mg/dL")
    assert found.span == Span(60.0, 350.0, "mg/dL")
    assert found.limit == "must be 60 to 350 mg/dL"


@pytest.mark.parametrize("value", [60.0, 350.0])
def test_limits_themselves_are_inside(value: float) -> None:
    assert outside("patient.glucose_mg_dl", value, 60.0, 350.0, "mg/dL") == ()


def test_a_number_without_a_unit_has_a_limit_without_one() -> None:
    assert str(Span(100, 20_000, "")) == "must be 100 to 20000"
