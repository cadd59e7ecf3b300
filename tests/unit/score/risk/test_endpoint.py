"""States that are predicted: told from a series as the clinical score tells them, and kept out of the question."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from cds_app.errors import ContentError
from cds_app.score.clinical.kidney import kdigo
from cds_app.score.result import Score
from cds_app.score.risk.eligibility import Circumstances, Ineligible, Limits, eligible
from cds_app.score.risk.endpoint import Endpoint, Fall, Rise, endpoint_of
from tests.chart import measured, situation

LOW = Fall(quantity="map", below=65.0, fresh_h=2.0)
KIDNEY = Rise(quantity="creatinine", by=0.3, by_within_h=48.0, times=1.5, times_within_h=168.0, fresh_h=24.0)
LIMITS = Limits(
    min_age_years=18.0,
    min_hours_in_unit=1.0,
    max_hours_in_unit=336.0,
    max_silence_h=4.0,
    fresh_vital_h=6.0,
    min_fresh_vitals=1,
)
WELL = Circumstances(age_years=60.0, pregnant=False, inpatient=True, hours_in_unit=20.0)
NOW = 497_000.3


@dataclass(frozen=True)
class Seen:
    hours: list[float]
    values: list[float]


def reasons(endpoint: Endpoint | None, *samples: tuple[float, float]) -> list[str]:
    """Each sample: hours before now, and value."""
    mine = Seen([NOW - ago for ago, _ in samples], [value for _, value in samples])
    tracks = {"heart_rate": Seen([NOW], [80.0])}
    if endpoint is not None and samples:
        tracks[endpoint.quantity] = mine
    found = eligible("toy", replace(LIMITS, endpoint=endpoint), WELL, tracks, NOW)
    return [] if found is None else [one.name for one in found.reasons]


@pytest.mark.parametrize(("endpoint", "said"), [(KIDNEY, [Ineligible.ALREADY_THERE]), (LOW, [])])
def test_whose_creatinine_is_the_work_of_dialysis_is_not_asked_for_it(endpoint: Endpoint, said: list[str]) -> None:
    tracks = {"heart_rate": Seen([NOW], [80.0]), endpoint.quantity: Seen([NOW - 9.0, NOW], [70.0, 70.0])}
    who = replace(WELL, dialysed=True)
    found = eligible("toy", replace(LIMITS, endpoint=endpoint), who, tracks, NOW)
    assert ([] if found is None else [one.name for one in found.reasons]) == said


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], [Ineligible.STATE_UNKNOWN]),
        ([(3.0, 80.0)], [Ineligible.STATE_UNKNOWN]),
        ([(-1.0, 80.0)], [Ineligible.STATE_UNKNOWN]),  # only later than now
        ([(2.0, 80.0)], []),
        ([(1.0, 60.0), (0.0, 65.0)], []),
        ([(1.0, 80.0), (0.0, 64.9)], [Ineligible.ALREADY_THERE]),
        ([(0.0, 64.9), (-1.0, 80.0)], [Ineligible.ALREADY_THERE]),
    ],
)
def test_who_is_low_already_or_may_be_is_not_asked(samples: list[tuple[float, float]], said: list[Ineligible]) -> None:
    assert reasons(LOW, *samples) == said


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([(25.0, 1.0)], [Ineligible.STATE_UNKNOWN]),
        ([(24.0, 9.0)], []),  # a first value has nothing to have risen from
        ([(20.0, 1.0), (1.0, 1.3)], [Ineligible.ALREADY_THERE]),
        ([(20.0, 1.0), (1.0, 1.29)], []),
        ([(49.0, 1.0), (1.0, 1.3)], [Ineligible.ALREADY_THERE]),  # 48 hours before, to the minute
        ([(49.1, 1.0), (1.0, 1.3)], []),
        ([(169.0, 0.4), (1.0, 0.6)], [Ineligible.ALREADY_THERE]),  # 1.5 times
        ([(169.1, 0.4), (1.0, 0.6)], []),
        ([(1.0, 0.4), (1.0, 0.9)], []),  # two of one instant
    ],
)
def test_whose_kidneys_are_injured_is_not_asked(samples: list[tuple[float, float]], said: list[Ineligible]) -> None:
    assert reasons(KIDNEY, *samples) == said


def test_a_model_without_an_endpoint_asks_of_everybody() -> None:
    assert reasons(None) == []


def test_the_rise_is_the_creatinine_criterion_of_kdigo() -> None:
    rng, stages = np.random.default_rng(5), set()
    for _ in range(150):
        ago = np.sort(rng.choice(np.arange(1, 160), int(rng.integers(2, 9)), replace=False))[::-1] * 1.0
        values = np.round(np.exp(rng.normal(0, 0.2, len(ago))), 2)
        ago += 1.0 - ago[-1]  # the last one is current
        samples = zip(values.tolist(), ago.tolist(), strict=True)
        score = kdigo(situation(*(measured("creatinine", value, hours) for value, hours in samples)))
        assert isinstance(score, Score)
        found = KIDNEY.reached((NOW - ago).tolist(), values.tolist(), len(ago) - 1)
        assert found == (score.value >= 1)
        stages.add(score.value)
    assert {0.0, 1.0} <= stages


@pytest.mark.parametrize("endpoint", [LOW, KIDNEY, None])
def test_limits_are_read_as_they_were_written(endpoint: Endpoint | None) -> None:
    limits = replace(LIMITS, endpoint=endpoint)
    assert Limits.from_json(limits.to_json()) == limits
    assert ("endpoint" in limits.to_json()) == (endpoint is not None)


@pytest.mark.parametrize("content", [{}, {"below": 65.0}, {"quantity": "map", "above": 3.0, "fresh_h": 2.0}])
def test_an_endpoint_of_no_kind_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ContentError, match="neither a fall nor a rise"):
        endpoint_of(content)
