"""The choice of an alert policy on stays whose best answer is known, and the drawing of it."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cds_app.content import latest, write_manifest
from cds_app.errors import DataError
from cds_app.learn.burden import HoursAtRisk
from cds_app.learn.hours.artefact import with_policy
from cds_app.learn.hours.tradeoff import drawn
from cds_app.learn.hours.tuning import (
    Point,
    Setting,
    Stays,
    chosen,
    frontier,
    grid,
    quoted,
    shipped_policy,
    sweep,
    tuned,
)
from cds_app.score.risk.model import AlertPolicy, RiskModel

NOW = Setting(threshold=0.3, lockout_h=8.0, rise_points=10.0)


def _point(alerts: float, sensitivity: float | None, ppv: float | None = 0.1) -> Point:
    figures = {
        "alerts_per_100_patient_days": alerts,
        "alerts_at_most": alerts + 2.0,
        "sensitivity": sensitivity,
        "ppv": ppv,
    }
    return Point(setting=NOW, figures=figures)


def _stays(seed: int, patients: int = 120, hours: int = 40) -> Stays:
    """Every fifth patient has the outcome at hour 30, and a risk that climbs towards it."""
    rng = np.random.default_rng(seed)
    patient, hour = np.repeat(np.arange(patients), hours), np.tile(np.arange(1.0, hours + 1.0), patients)
    ill = patient % 5 == 0
    label = (ill & (hour >= 24) & (hour < 30)).astype(np.int64)
    log_odds = rng.normal(-3.0, 0.5, len(patient)) + np.where(ill, hour / 10.0, 0.0)
    risk = np.where(rng.random(len(patient)) < 0.1, np.nan, 1.0 / (1.0 + np.exp(-log_odds)))
    return Stays(at_risk=HoursAtRisk(patient=patient, hour=hour, label=label, horizon_h=6.0), risk=risk)


def test_the_most_sensitive_within_the_budget_is_chosen_and_of_those_the_most_precise() -> None:
    points = [_point(5, 0.4), _point(9, 0.6, 0.2), _point(10, 0.6, 0.3), _point(30, 0.9), _point(0, None, None)]
    assert chosen(points, 12.0) is points[2]
    assert chosen(points, 11.5) is points[1]  # as measured the other is within, by chance it may not be
    assert chosen(points, 100.0) is points[3]
    assert chosen(points[:4], 1.0) is points[0]


def test_the_frontier_only_rises() -> None:
    points = [_point(9, 0.6), _point(5, 0.4), _point(7, 0.3), _point(9, 0.5), _point(30, 0.9)]
    assert [one.figures["sensitivity"] for one in frontier(points)] == [0.4, 0.6, 0.9]


def test_a_longer_lockout_and_a_higher_threshold_never_alert_more() -> None:
    stays, policy = _stays(0), shipped_policy()
    settings = [replace(NOW, lockout_h=h, rise_points=100.0) for h in (1.0, 8.0, 24.0)]
    settings += [replace(NOW, threshold=one) for one in (0.1, 0.3, 0.6)]
    alerts = [one.figure("alerts_per_100_patient_days") for one in sweep(stays, policy, "sepsis", settings)]
    assert alerts[:3] == sorted(alerts[:3], reverse=True)
    assert alerts[3:] == sorted(alerts[3:], reverse=True)


def test_nothing_is_said_where_no_risk_is_given() -> None:
    stays = _stays(1)
    cards = stays.interruptions(replace(NOW, threshold=0.0, lockout_h=0.5), shipped_policy(), "sepsis")
    assert cards.any()
    assert not cards[np.isnan(stays.risk)].any()
    assert grid(replace(stays, risk=np.full(len(stays.risk), np.nan))) == []


def test_the_choice_is_measured_on_other_patients_and_quoted() -> None:
    report = tuned(_stays(2), _stays(3), shipped_policy(), "sepsis", NOW, budget=30.0)
    best = report["chosen"]
    assert best["within_budget"] is True
    found = best["on_calibration_patients"]
    assert found["alerts_per_100_patient_days"] < found["alerts_at_most"] <= 30.0
    within = [one["sensitivity"] for one in report["settings"] if one["alerts_at_most"] <= 30.0]
    assert found["sensitivity"] == max(within)
    assert best["intervals"]["sensitivity"][0] <= best["sensitivity"] <= best["intervals"]["sensitivity"][1]
    assert report["live"]["threshold"] == NOW.threshold
    assert quoted(report) == {
        **{name: best[name] for name in ("threshold", "lockout_h", "rise_points", "ppv", "sensitivity")},
        "onsets_warned": best["onsets_warned"],
        "alerts_per_100_patient_days": best["alerts_per_100_patient_days"],
        "budget": 30.0,
    }


def test_what_is_in_force_is_what_the_manifest_says_and_is_measured_beside_the_choice() -> None:
    policy = AlertPolicy(threshold=0.3, lockout_h=8.0, rise_points=10.0, ppv=0.2, sensitivity=0.6)
    assert Setting.of(policy) == NOW
    assert "live" not in tuned(_stays(7, patients=30), _stays(8, patients=30), shipped_policy(), "sepsis", None, 30.0)


def test_a_choice_that_is_kept_is_in_force_in_manifest_report_and_card(tmp_path: Path) -> None:
    folder = shutil.copytree(latest("aki").root, tmp_path / "aki" / "9.0.0")
    found = tuned(_stays(2), _stays(3), shipped_policy(), "aki", NOW, budget=30.0)
    kept = with_policy(write_manifest(folder, latest("aki").manifest), found)
    policy = RiskModel.from_artefact(kept).policy
    assert policy == AlertPolicy.from_json(quoted(found))
    assert kept.read_json("training.json")["policy"]["chosen"] == found["chosen"]
    assert f"| Alert from | {100 * found['chosen']['threshold']:.1f} % |" in (folder / "card.md").read_text("utf-8")


def test_a_choice_whose_worth_nobody_tells_is_not_put_in_force(tmp_path: Path) -> None:
    folder = shutil.copytree(latest("aki").root, tmp_path / "aki" / "9.0.0")
    shipped, quiet = write_manifest(folder, latest("aki").manifest), _stays(3, patients=10)
    found = tuned(_stays(2), replace(quiet, risk=0.01 * quiet.risk), shipped_policy(), "aki", None, budget=30.0)
    assert found["chosen"]["ppv"] is None
    before = {one.name: one.read_bytes() for one in folder.iterdir()}
    with pytest.raises(DataError, match="its worth is unknown"):
        with_policy(shipped, found)
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == before


def test_without_any_risk_there_is_nothing_to_choose() -> None:
    stays = _stays(2, patients=10)
    with pytest.raises(DataError, match="no calibration patient"):
        tuned(replace(stays, risk=np.full(len(stays.risk), np.nan)), stays, shipped_policy(), "aki", None, 30.0)


@pytest.mark.parametrize(("horizon_h", "longest"), [(4.0, 12.0), (12.0, 12.0), (24.0, 24.0)])
def test_a_warning_is_not_kept_quiet_for_longer_than_it_looks_ahead_or_a_shift(
    horizon_h: float, longest: float
) -> None:
    stays = _stays(9, patients=30)
    tried = grid(replace(stays, at_risk=replace(stays.at_risk, horizon_h=horizon_h)))
    assert max(one.lockout_h for one in tried) == longest


def test_three_thousand_stays_take_well_under_a_second() -> None:
    stays = _stays(4, patients=3000)
    begun = time.thread_time()
    stays.interruptions(NOW, shipped_policy(), "sepsis")
    assert time.thread_time() - begun < 1.0


@pytest.mark.parametrize("budget", [30.0, 0.001])
def test_the_drawing_is_xml_with_the_chosen_point_and_two_lines(budget: float) -> None:
    report = tuned(_stays(5), _stays(6), shipped_policy(), "sepsis", NOW, budget=budget)
    root = ElementTree.fromstring(drawn(report, "Risk <of> sepsis"))  # noqa: S314 - our own text
    space = {"svg": "http://www.w3.org/2000/svg"}
    assert len(root.findall("svg:polyline", space)) == 2
    assert len([one for one in root.findall("svg:circle", space) if one.get("r") == "6"]) == 1
    title = root.find("svg:title", space)
    assert title is not None
    assert title.text == "Risk <of> sepsis: what alerts cost and what they find"
    spots = [float(str(one.get("cx"))) for one in root.findall("svg:circle", space)]
    assert min(spots) >= 60.0
    assert max(spots) <= 610.0
