"""A draft of a thrombolytic, or of what may stop breathing: what speaks against it now."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cds_app.domain.facts import Fact
from tests.chart import measured, stay
from tests.spec.orders.drafts import judged, order, takes

WELL = [measured("platelets", 210), measured("inr", 1.1), measured("sbp", 172), measured("dbp", 96), stay()]


def tiers(chart: Sequence[Fact], drug: str) -> dict[str, int]:
    (found,) = judged(chart, order(drug))
    return {one.check.id: one.tier for one in found.findings}


@pytest.mark.parametrize("drug", ["alteplase", "tenecteplase"])
@pytest.mark.parametrize(
    ("fact", "check"),
    [
        (measured("platelets", 80), "lysis_platelets"),
        (measured("inr", 1.9), "lysis_inr"),
        (measured("sbp", 206), "lysis_pressure"),
        (measured("dbp", 114), "lysis_pressure"),
        (takes("apixaban"), "lysis_anticoagulant"),
        (takes("warfarin"), "lysis_anticoagulant"),
    ],
)
def test_what_speaks_against_lysis_is_told_of_its_draft(drug: str, fact: Fact, check: str) -> None:
    assert tiers(WELL, drug) == {}
    rest = [one for one in WELL if getattr(one, "variable", "") != getattr(fact, "variable", "-")]
    assert tiers([*rest, fact], drug) == {check: 3}


def test_heparin_beside_lysis_is_usual_in_embolism() -> None:
    assert tiers([*WELL, takes("heparin")], "alteplase") == {}


@pytest.mark.parametrize(("saturation", "told"), [(88, {"terlipressin_saturation": 3}), (94, {})])
def test_terlipressin_is_not_begun_where_saturation_is_low(saturation: float, told: dict[str, int]) -> None:
    assert tiers([measured("spo2_pulse_ox", saturation), stay()], "terlipressin") == told
