"""The policy of many stays at once is the policy of the cards, decision by decision, on random courses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cds_app.cards.definition import Policy
from cds_app.cards.policy import Candidate, judge
from cds_app.domain.decisions import Decision, Suppression
from cds_app.learn.hours.alert_policy import NO_CANDIDATE, Candidates, shown

_START = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def _policy(lockout_h: float, own_h: float, rise_points: float, min_tier: int) -> Policy:
    return Policy(
        max_cards=2,
        lockout_h=lockout_h,
        lockouts_h={"sepsis": own_h},
        rise_points=rise_points,
        min_tier=min_tier,
        indicators=("info", "info", "warning", "critical"),
        deviation_percentile=99,
        abstention_lockout_h=24,
        reasons_shown=3,
        options_shown=3,
        change_h=6,
    )


def _one_by_one(candidates: Candidates, policy: Policy) -> list[bool]:
    """The served policy, asked of every row with the log that it wrote itself."""
    found = []
    past: dict[int, list[Decision]] = {}
    for patient, hour, tier, points in zip(
        candidates.patient, candidates.hour, candidates.tier, candidates.points, strict=True
    ):
        at, log = _START + timedelta(hours=int(hour)), past.setdefault(int(patient), [])
        verdict = Suppression.BELOW
        if tier != NO_CANDIDATE:
            one = Candidate(topic="sepsis", tier=int(tier), points=float(points))
            verdict = judge([one], log, policy, snooze_h=lambda _: 8.0, now=at)[0]
        decision = Decision(
            id=f"{hour}",
            service="s",
            topic="sepsis",
            tier=int(tier),
            points=float(points),
            at=at,
            suppression=verdict,
            trigger="",
        )
        log.append(decision)
        found.append(decision.shown)
    return found


def _stays(rng: np.random.Generator, stays: int) -> Candidates:
    """Walks of a risk with gaps in the record, its tiers, and hours without a candidate."""
    blocks = []
    for patient in range(stays):
        hour = np.flatnonzero(rng.random(150) < 0.8) + 1
        points = np.clip(10.0 + np.cumsum(rng.normal(0.0, 4.0, len(hour))), 0.0, 100.0)
        tier = np.searchsorted([4.0, 8.0, 16.0, 30.0], points, side="right") - 1
        blocks.append(np.stack([np.full(len(hour), patient), hour, tier, points]))
    patient, hour, tier, points = np.concatenate(blocks, axis=1)
    return Candidates(patient=patient.astype(int), hour=hour.astype(int), tier=tier.astype(int), points=points)


@pytest.mark.parametrize(
    ("lockout_h", "own_h", "rise_points", "min_tier"),
    [(8, 8, 10, 1), (8, 24, 10, 0), (1, 1, 2, 2), (30, 3, 5, 1), (4, 12, 100, 3), (0.5, 0.5, 1, 0)],
)
def test_many_stays_are_judged_as_one(lockout_h: float, own_h: float, rise_points: float, min_tier: int) -> None:
    candidates = _stays(np.random.default_rng(int(8 * lockout_h)), 12)
    policy = _policy(lockout_h, own_h, 50.0, min_tier).model_copy(update={"rises_points": {"sepsis": rise_points}})
    found = shown(candidates, policy, "sepsis")
    assert found.tolist() == _one_by_one(candidates, policy)
    assert 0 < found.sum() < len(found)


def test_a_stay_without_anything_to_say_stays_silent() -> None:
    none = Candidates(
        patient=np.zeros(3, np.int64), hour=np.arange(3), tier=np.full(3, NO_CANDIDATE), points=np.zeros(3)
    )
    assert not shown(none, _policy(8, 8, 10, 0), "sepsis").any()
