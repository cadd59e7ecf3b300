"""What the words of a dosage say, in the languages of several countries, and what they forbid."""

from __future__ import annotations

import pytest

from cds_app.domain.dosing import Amount
from cds_app.fabric.drafts.sayings import amounts_in, daily_in, lasts_h_in, per_ml_in, pushes, value_of, ways_in


@pytest.mark.parametrize(
    ("text", "value", "unit", "hourly"),
    [
        ("200 IE s.c. abends", 200.0, "[iU]", False),
        ("10U daily", 10.0, "[iU]", False),
        ("1.000 IE", 1000.0, "[iU]", False),
        ("80 UI IV", 80.0, "[iU]", False),
        ("12,5 mg po", 12.5, "mg", False),
        ("2 g", 2000.0, "mg", False),
        ("20 mEq over 2 hours", 20.0, "mmol", False),
        ("7 units/hour", 7.0, "[iU]", True),
        ("20 meq per hour", 20.0, "mmol", True),
        ("1 mmol/min", 60.0, "mmol", True),
        ("100 ml/Std", 100.0, "mL", True),
        ("15 mmol par heure", 15.0, "mmol", True),
    ],
)
def test_one_amount_is_read_in_the_unit_of_its_kind(text: str, value: float, unit: str, hourly: bool) -> None:
    (found,) = amounts_in(text)
    assert (found[0].value, found[0].unit, found[0].per_kg, found[1]) == (value, unit, False, hourly)


@pytest.mark.parametrize(
    "text", ["1.500 mg", "1,000 mmol", "max. 40 units", "up to 10 units", "1.4 mg/m2", "10-20 units"]
)
def test_what_can_be_read_in_two_ways_or_is_a_limit_is_no_amount(text: str) -> None:
    assert list(amounts_in(text)) == []


def test_what_goes_by_weight_says_so() -> None:
    ((found, hourly),) = amounts_in("0.1 U/kg/h")
    assert (found.value, found.unit, found.per_kg, hourly) == (0.1, "[iU]", True, True)


@pytest.mark.parametrize(
    ("text", "value"), [("1.234.567", 1234567.0), ("0.125", 0.125), ("7,45", 7.45), ("2,500", None), ("40", 40.0)]
)
def test_a_comma_or_a_point_counts_where_it_can_mean_one_thing(text: str, value: float | None) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("insulin lispro 100 UNT/ML", Amount(value=100.0, unit="[iU]")),
        ("Insulin glargin 300 E/ml", Amount(value=300.0, unit="[iU]")),
        ("Humulin R U-500", Amount(value=500.0, unit="[iU]")),
        ("20 mmol KCl in 1000 ml NaCl", Amount(value=0.02, unit="mmol")),
        ("potassium chloride 20 mEq/100 mL", Amount(value=0.2, unit="mmol")),
        ("40 mmol ad 0,5 l", Amount(value=0.08, unit="mmol")),
        ("10 mmol/h in 50 ml/h", None),
        ("potassium chloride", None),
        ("20 mmol in 0 ml", None),
    ],
)
def test_how_much_is_in_a_ml_is_read_of_names_and_mixtures(text: str, found: Amount | None) -> None:
    assert per_ml_in(text) == found


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("2 mg i.th. einmalig", ("intrathecal",)),
        ("12 mg IT day 1", ("intrathecal",)),
        ("intratecal", ("intrathecal",)),
        ("voie intrathécale", ("intrathecal",)),
        ("it", ("intrathecal",)),
        ("take it with food", ()),
        ("for intravenous use only, not intrathecally", ("iv",)),
        ("NICHT intrathekal", ()),
        ("Durogesic SMAT 50 Matrixpflaster", ("transdermal",)),
        ("1 parche cada 72 h", ("transdermal",)),
        ("200 IE s.c.", ("subcutaneous",)),
        ("10 mg p.o.", ("oral",)),
        ("20 mmol i.v. oder p.o.", ("iv", "oral")),
        ("10 mEq e.v. in bolo", ("iv",)),
        ("20 mEq EV", ("iv",)),
        ("ev. 10 mg", ()),
    ],
)
def test_ways_are_read_but_for_those_that_are_forbidden(text: str, ways: tuple[str, ...]) -> None:
    assert ways_in(text) == ways


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("40 mmol i.v. als Bolus", True),
        ("IV push over 2 minutes", True),
        ("intraveineuse directe", True),
        ("en bolo", True),
        ("give undiluted", True),
        ("DO NOT GIVE IV PUSH", False),
        ("Cave: nicht als Bolus geben", False),
        ("Never give undiluted. By infusion", False),
        ("ne jamais injecter en intraveineuse directe", False),
        ("20 mmol in 1000 mL over 8 h", False),
    ],
)
def test_a_push_is_one_where_no_sentence_forbids_it(text: str, told: bool) -> None:
    assert pushes(text) is told


def test_lengths_are_read_and_two_of_them_are_none() -> None:
    assert lasts_h_in("20 mmol über 2 Std") == 2.0
    assert lasts_h_in("sur 30 min") == 0.5
    assert lasts_h_in("over 1 hour, then over 4 hours") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10 mg täglich", True),
        ("1-0-0", True),
        ("10 mg una vez al día", True),
        ("one a day", True),
        ("10 mg 1x wöchentlich", False),
        ("10 mg daily on Mondays", False),
        ("une fois par semaine", False),
        ("10 mg", False),
    ],
)
def test_daily_is_what_is_on_no_days_of_a_week_alone(text: str, told: bool) -> None:
    assert daily_in(text) is told
