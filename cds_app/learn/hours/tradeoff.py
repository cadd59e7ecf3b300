"""The trade-off between the number of alerts and what they find, as a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined

from cds_app.content import content_root

_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 610.0, 40.0, 350.0
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_MOST_TICKS = 8
_LINES: tuple[tuple[str, str, str, str], ...] = (
    ("sensitivity", "#0b57d0", "", "patients found before onset, share"),
    ("ppv", "#9a5b00", "6 3", "alerted patients with the outcome, share"),
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where alerts per 100 patient-days and shares lie on the drawing."""

    most: float

    def x(self, alerts: float | None) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (alerts or 0.0) / self.most, 1)

    def y(self, share: float | None) -> float:
        return round(_BOTTOM - (_BOTTOM - _TOP) * (share or 0.0), 1)


def drawn(report: Mapping[str, Any], title: str) -> str:
    """SVG of what `tuning.tuned` found on calibration patients.

    Parameters
    ----------
    report : mapping
        With ``frontier``, ``settings``, ``chosen`` and ``budget``.
    """
    frontier, chosen = report["frontier"], report["chosen"]["on_calibration_patients"]
    # the frontier and the budget decide what is in view; the tail of bad settings does not
    scale = _Scale(max(1.0, 1.1 * report["budget"], *(_alerts(one) for one in frontier)))
    source = (content_root() / "templates" / "reports" / "tradeoff.svg.j2").read_text("utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(source)
    return template.render(
        title=title,
        x_ticks=[{"at": scale.x(one), "text": f"{one:g}"} for one in _ticks(scale.most)],
        y_ticks=[{"at": scale.y(one / 5), "text": f"{one / 5:.1f}"} for one in range(6)],
        budget_x=scale.x(report["budget"]),
        dots=[_dot(scale, one) for one in report["settings"] if _alerts(one) <= scale.most],
        chosen=_dot(scale, chosen),
        lines=[_line(scale, frontier, *about) for about in _LINES],
    )


def _alerts(point: Mapping[str, Any]) -> float:
    return float(point["alerts_per_100_patient_days"] or 0.0)


def _dot(scale: _Scale, point: Mapping[str, Any]) -> dict[str, float]:
    return {"x": scale.x(_alerts(point)), "y": scale.y(point["sensitivity"])}


def _line(
    scale: _Scale, frontier: Sequence[Mapping[str, Any]], name: str, colour: str, dashes: str, text: str
) -> dict[str, str]:
    points = " ".join(f"{scale.x(_alerts(one))},{scale.y(one[name])}" for one in frontier)
    return {"points": points, "colour": colour, "dashes": dashes, "text": text}


def _ticks(most: float) -> list[float]:
    step = next((one for one in _STEPS if most / one <= _MOST_TICKS), _STEPS[-1])
    return [float(step * k) for k in range(int(most // step) + 1)]
