"""Cards of earlier, and what the alert policy says of another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cds_app.cards.definition import Policy
from cds_app.cards.policy import Candidate, judge
from cds_app.domain.decisions import Decision, Feedback, Outcome, Remembered, Suppression

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
POLICY = Policy(
    max_cards=2,
    lockout_h=8,
    rise_points=10,
    min_tier=1,
    indicators=("info", "info", "warning", "critical"),
    deviation_percentile=99,
    abstention_lockout_h=24,
    reasons_shown=3,
    options_shown=3,
    change_h=6,
)


def shown(hours_ago: float, *, topic: str = "sepsis", tier: int = 2, points: float | None = 20.0) -> Decision:
    return Decision(
        id=f"card-{topic}-{hours_ago}",
        service="s",
        topic=topic,
        tier=tier,
        points=points,
        at=NOW - timedelta(hours=hours_ago),
        suppression=Suppression.NONE,
        trigger="",
    )


def answered(card: Decision, outcome: Outcome, hours_ago: float, code: str = "") -> Feedback:
    at = NOW - timedelta(hours=hours_ago)
    return Feedback(
        card=card.id,
        service="s",
        topic=card.topic,
        outcome=outcome,
        at=at,
        received=at,
        reason_code=code,
    )


def verdict(
    past: Sequence[Remembered], *, tier: int = 2, points: float | None = 20.0, topic: str = "sepsis"
) -> Suppression:
    return judge([Candidate(topic=topic, tier=tier, points=points)], past, POLICY, snooze_h=snooze_h, now=NOW)[0]


def snooze_h(code: str) -> float:
    return {"later": 1.0, "never": 48.0}.get(code, 8.0)
