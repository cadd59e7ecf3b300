"""Sodium apart from what a high glucose lowers it by: glucose draws water out of the cells, and dilutes it.

Katz, N Engl J Med 1973;289:843: 1.6 mmol/L for each 100 mg/dL of glucose above 100. Hillier, Am J Med 1999;106:399:
2.4 where glucose is above 400. Both from memory, pending clinical review.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cds_app.domain.facts import Measurement
from cds_app.domain.sentences import sentence
from cds_app.score.clinical.bands import current
from cds_app.score.result import Abstained, Lack, Part, Score, Why
from cds_app.score.situation import Situation

NAME: Final = "sodium_corrected"
_TOGETHER_H: Final = 1.0
_USUAL, _VERY_HIGH, _STEP = 100.0, 400.0, 100.0  # mg/dL
_FACTOR, _FACTOR_ABOVE = 1.6, 2.4  # mmol/L for each step
_TELLING: Final = 1.5  # mmol/L: less is within what two measurements of sodium differ by


def glucose_beside(sodium: Measurement, situation: Situation) -> Measurement | None:
    """The glucose nearest in time to a sodium, within an hour."""
    end = sodium.when + timedelta(hours=_TOGETHER_H)
    near = situation.history("glucose", 2 * _TOGETHER_H, until=end)
    return min(near, key=lambda one: abs(one.when - sodium.when), default=None)


def lowered_by(glucose: Measurement) -> float:
    """How much lower sodium is for this glucose, mmol/L; of a bound, for what it names."""
    if glucose.value <= _USUAL:
        return 0.0
    factor = _FACTOR_ABOVE if glucose.value > _VERY_HIGH else _FACTOR
    return factor * (glucose.value - _USUAL) / _STEP


def corrected_sodium(situation: Situation) -> Score | Abstained:
    """What sodium would be without the water that glucose draws, mmol/L; where that makes a difference.

    Notes
    -----
    Abstains without a current sodium, without a glucose within an hour of it, and where glucose is not that high.
    """
    sodium = current(situation, "sodium")
    if isinstance(sodium, Lack):
        return Abstained(name=NAME, reasons=(sodium,))
    glucose = glucose_beside(sodium, situation)
    if glucose is None:
        return _abstained("missing", "none within 1 h of sodium")
    lowered = lowered_by(glucose)
    if lowered < _TELLING:
        return _abstained("unsuitable", "not high enough to lower sodium")
    parts = (
        Part(label="measured", points=sodium.value, evidence=(sodium,)),
        Part(label="lowered by glucose", points=round(lowered, 1), evidence=(glucose,)),
    )
    return Score(
        name=NAME,
        value=round(sodium.value + lowered),
        parts=parts,
        band="",
        source="Katz, N Engl J Med 1973;289:843; Hillier, Am J Med 1999;106:399",
        proviso=sentence("proviso_sodium"),
    )


def _abstained(why: Why, text: str) -> Abstained:
    return Abstained(name=NAME, reasons=(Lack(name="glucose", why=why, text=text),))
