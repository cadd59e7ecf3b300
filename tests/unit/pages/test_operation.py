"""An operation's page: what a simulation knows is told, and nothing where there is nothing to tell."""

from __future__ import annotations

import re

from cds_app.simulate.surgery.plan import BloodLoss, Plan, Propofol
from tests.surgery_patients import compared, viewed

INDUCTION = Plan(name="induction", actions=(Propofol(dose_mg_per_kg=1.5, at_min=1.0),))


def bled(loss_ml: float) -> Plan:
    return Plan(name="bled", actions=(BloodLoss(loss_ml=loss_ml, at_min=1.0, over_min=10.0),))


def test_a_collapse_is_told_in_words() -> None:
    lost, fine = viewed(compared(bled(3000.0))), viewed(compared(bled(200.0)))
    others = r"heart rate, output and BIS are then of the others alone\.$"
    assert re.search(rf"In >?\d\d of 100 it falls too low for the model, .* low from then on; {others}", lost.sentence)
    assert "too low for the model" not in fine.sentence


def test_output_is_drawn_beside_pressure_and_rate() -> None:
    view = viewed(compared(INDUCTION, bled(500.0)))
    assert len({view.pressure.median, view.rate.median, view.output.median}) == 3
    assert view.output.other


def test_what_is_given_and_lost_is_told_with_its_minutes() -> None:
    view = viewed(compared(bled(500.0)))
    assert [(one.kind, one.amount, one.begins, one.ends) for one in view.steps] == [("loss", "500 mL", "1", "11")]
    assert view.rescue is None
