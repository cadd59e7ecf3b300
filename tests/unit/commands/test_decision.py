"""What ``twinline decision why`` prints."""

from __future__ import annotations

from dataclasses import replace

from cds_app.commands.decision import lines_of
from cds_app.explain.counterfactual import Need, Telling
from cds_app.explain.reasons import Reason
from cds_app.score.risk.model import Risk
from cds_app.services.content.knowledge import Knowledge
from cds_app.services.why import Why

RISK = Risk(
    probability=0.102,
    low=0.1,
    high=0.11,
    margin=0.0,
    base=0.028,
    threshold=0.06,
    tier="raised",
    tiers=(),
    horizon_h=6.0,
    model_name="sepsis",
    model_version="1.0.0",
)
APART = Why(
    name="sepsis",
    risk=RISK,
    reasons=(
        Reason(quantity="resp_rate", points=0.85, now=None, modifiable=True),
        Reason(quantity="time_in_unit", points=-5.42, now=None),
    ),
    limit=0.06,
    telling=(Telling(quantity="wbc", low=4.6931, high=12.94, risk_low=0.102, risk_high=0.144),),
    needs=(
        Need(quantity="heart_rate", now=131.4, needed=92.31, risk=0.059, change=2.0),
        Need(quantity="lactate", now=3.1, needed=None, risk=0.113, change=1.0),
        Need(quantity="glucose", now=180.0, needed=None, risk=0.1, change=1.0),
    ),
    helps=(),
    still_open=None,
)


def test_values_have_the_decimals_of_their_measurement_and_what_would_not_do_is_one_line(knowledge: Knowledge) -> None:
    assert list(lines_of(APART, knowledge)) == [
        "Sepsis risk: 10.2 in 100, base 2.8",
        "   +0.85  Respiratory rate (can be treated)",
        "   -5.42  Time in the unit",
        "  White cells measured again: 10.2 at 4.7 10⁹/L, 14.4 at 12.9 10⁹/L",
        "  below 6.0 in 100: Heart rate 92 /min instead of 131 /min",
        "  below 6.0 in 100: by none of these alone: Lactate, Glucose",
        "  What the model would say with another value; not what a treatment would do.",
    ]


def test_nothing_is_said_of_what_it_takes_where_nothing_was_asked(knowledge: Knowledge) -> None:
    assert not [line for line in lines_of(replace(APART, needs=()), knowledge) if "below" in line]
