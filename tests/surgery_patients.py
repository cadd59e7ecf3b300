"""Patients for virtual surgery: an ordinary one, changed as a test needs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jinja2 import FileSystemLoader

from cds_app.content import content_root, latest
from cds_app.pages.operation import OperationView, operation_view
from cds_app.pages.rendering import Words, html_environment
from cds_app.score.result import Abstained
from cds_app.simulate.haemodynamics.patient import Observed, Patient
from cds_app.simulate.surgery.comparing import Comparison, Outcome, SurgeryModel, compare_plans
from cds_app.simulate.surgery.plan import Plan

FRESH_H = 0.5
WORDS = Words(
    templates=html_environment(FileSystemLoader(content_root() / "templates" / "sidebar")), name="simulations.j2"
)
SURGERY = SurgeryModel.from_artefact(latest("circulation"))


def seen(value: float, age_h: float = FRESH_H) -> Observed:
    """A value, seen half an hour ago."""
    return Observed(value=value, age_h=age_h)


def patient(**changed: Any) -> Patient:
    """A man of 64 years, 78 kg and 175 cm with 128/70 mmHg and a pulse of 72."""
    ordinary = Patient(
        age_years=64,
        sex="male",
        body_weight=seen(78.0),
        body_height=seen(175.0),
        map=seen(89.0),
        heart_rate=seen(72.0),
        pulse_pressure=seen(58.0),
    )
    return replace(ordinary, **changed)


def compared(*plans: Plan, who: Patient | None = None, draws: int = 100, seed: int = 1, **more: float) -> Comparison:
    """Plans compared on an ordinary patient."""
    found = compare_plans(SURGERY, who or patient(), plans, draws=draws, seed=seed, **more)
    assert isinstance(found, Comparison), found
    return found


def outcome(found: Comparison, at: int = 0) -> Outcome:
    """What came of one plan."""
    one = found.outcomes[at]
    assert isinstance(one, Outcome), one
    return one


def refused(found: object) -> dict[str, str]:
    """Why nothing was simulated, by name."""
    assert isinstance(found, Abstained), found
    return {one.name: one.why for one in found.reasons}


def viewed(found: Comparison) -> OperationView:
    """A comparison as its page shows it."""
    view = operation_view(WORDS, found)
    assert view is not None
    return view
