"""Cards say what content and training say, answer every source attribute, and make nothing up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jinja2 import Environment, StrictUndefined, UndefinedError

from cds_app.content import content_root
from cds_app.governance.figures import tables
from cds_app.governance.model_card import model_card

_ABOUT = {
    "title": "Invented risk",
    "outcome": "Something within 6 hours.",
    "population": "Adults in intensive care.",
    "label": "It was seen.",
    "intended_use": "Estimates something.",
    "limits": ["It knows no drugs."],
    "inclusion": "All stays.",
    "relevance": "Intensive care.",
    "input": "Hourly values.",
    "external": "No other source has been tested.",
}
_OF_CALIBRATION = {"slope": [0.9, 1.1], "intercept": [-0.21, 0.14], "ece": None}
_INTERVALS = {"auroc": [0.79, 0.83], "auprc": [0.1, 0.2], "calibration": _OF_CALIBRATION}
_ALERTS = {"sensitivity_patients": 0.5, "ppv_patients": 0.25, "alerts_per_100_patient_days": 31.4, "lead_time_h": None}


@pytest.fixture
def manifest() -> dict[str, Any]:
    return {
        "name": "invented",
        "version": "1.0.0",
        "about": _ABOUT,
        "licence": "CC BY 4.0",
        "credit": "Somebody",
        "seed": 5,
        "data_sha256": "0" * 64,
        "features": [{}, {}, {}],
        "quantities": ["a", "b"],
        "eligibility": {
            "min_age_years": 18.0, "min_hours_in_unit": 1.0, "max_hours_in_unit": 336.0, "max_silence_h": 4.0,
            "fresh_vital_h": 6.0, "min_fresh_vitals": 3,
        },
        "tiers": [{"name": "watch", "lowest": 0.02, "ppv": 0.1, "sensitivity": 0.6, "of_100": 18}],
        "files": {"roc.png": "", "training.json": ""},
    }  # fmt: skip


@pytest.fixture
def report() -> dict[str, Any]:
    overall = {
        "auroc": 0.81, "auprc": 0.15, "patients": 90, "patients_with_outcome": 20, "alerts": _ALERTS,
        "calibration": {"slope": 1.02, "intercept": -0.03, "ece": 0.004, "mean_predicted": 0.031, "observed": 0.03},
        "intervals": _INTERVALS,
    }  # fmt: skip
    rival = {**overall, "title": "NEWS2 of 5 or more", "partial": ["consciousness is not in the data"], "auroc": 0.66}
    ahead = {"auroc": {"value": 0.15, "interval": [0.1, 0.2]}, "auprc": {"value": 0.05, "interval": [0.01, 0.09]}}
    return {
        "recipe": {"rounds": 10, "trees_per_round": 3, "depth": 4},
        "calibration": {"method": "smoothed_isotonic"},
        "tested": "90 patients that neither trees nor calibration have seen",
        "data": {"test": {"patients": 90, "patients_with_outcome": 20, "rows": 3000}},
        "test": {
            "overall": overall,
            "by_sex": {"female": overall, "male": {"patients": 4, "patients_with_outcome": 1, "rows": 9}},
            "comparators": {"news2": {**rival, "ahead": ahead}},
        },
    }


def _words() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((content_root() / "templates/reports/model_card.json").read_text("utf-8"))
    return found


def _plain() -> Environment:
    return Environment(undefined=StrictUndefined, autoescape=True)


def test_all_31_source_attributes_are_answered_once_and_in_order() -> None:
    codes = [one["code"] for section in _words()["sections"] for one in section["entries"]]
    of_the_rule = [code.removeprefix("HTI-1 ") for code in codes if code.startswith("HTI-1")]
    numerals = ("i", "ii", "iii", "iv", "v")
    counts = {1: 4, 2: 4, 3: 2, 4: 4, 5: 2, 6: 4, 7: 5, 8: 4, 9: 2}
    assert of_the_rule == [f"{group}({one})" for group, count in counts.items() for one in numerals[:count]]
    assert len(of_the_rule) == 31


def test_words_are_filled_with_the_facts_of_the_model(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    card = model_card(_words(), manifest, report, _plain())
    said = {entry.code: entry.text for section in card.sections for entry in section.entries}
    assert said["HTI-1 2(i)"].startswith("Estimates something.")
    assert "18 years or more, 1 to 336 hours" in said["HTI-1 2(ii)"]
    assert "It knows no drugs." in said["HTI-1 3(ii)"]
    assert all(entry.text for section in card.sections for entry in section.entries)
    assert [plot.file for plot in card.plots] == ["roc.png"]


def test_a_card_says_whether_all_patients_grew_the_trees_and_what_rests_on_fewer(
    manifest: dict[str, Any], report: dict[str, Any]
) -> None:
    calibration = {**report["calibration"], "folds": 5}
    ablated = {"test_without_count_and_age_features": {"auroc": 0.78, "auprc": 0.1}}
    some = {**report, "calibration": calibration, **ablated}
    everybody = {**some, "test_of_fit_trees": {"auroc": 0.8, "auprc": 0.12}}
    found = [model_card(_words(), manifest, one, _plain()).tables for one in (some, everybody)]
    notes, lines = (
        [next(one for one in tables if one.title == title) for tables in found]
        for title in ("Patients", "Without the habits of measuring")
    )
    assert [one.note.startswith("All of them grew the trees") for one in notes] == [False, True]
    assert [one.rows[0][:2] for one in lines] == [
        ("this model", "0.810"),
        ("trees of fit patients, on test patients", "0.800"),
    ]


def test_a_card_without_a_fact_that_its_words_ask_for_is_refused(
    manifest: dict[str, Any], report: dict[str, Any]
) -> None:
    about = {name: text for name, text in _ABOUT.items() if name != "external"}
    with pytest.raises(UndefinedError):
        model_card(_words(), {**manifest, "about": about}, report, _plain())


def test_figures_come_with_their_intervals_and_undefined_ones_say_so(
    manifest: dict[str, Any], report: dict[str, Any]
) -> None:
    found = {table.title: table for table in tables(manifest, report)}
    assert ("AUROC", "0.810", "0.790 to 0.830") in found["Discrimination and calibration"].rows
    assert ("Median lead of the first alert, hours", "not defined", "") in found["At the live threshold"].rows
    assert ("Sensitivity, patients", "50.0 %", "") in found["At the live threshold"].rows
    assert found["Beside what is used or simple"].rows[1][0] == "NEWS2 of 5 or more (consciousness is not in the data)"
    assert found["Beside what is used or simple"].rows[1][-2] == "+0.150 (+0.100 to +0.200)"
    report["test"]["comparators"]["news2"]["ahead"]["auroc"]["interval"] = None
    again = {table.title: table for table in tables(manifest, report)}
    assert again["Beside what is used or simple"].rows[1][-2] == "+0.150"


def test_a_small_calibration_error_is_no_zero(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    overall = report["test"]["overall"]
    small = {**overall, "calibration": {**overall["calibration"], "ece": 0.00031, "ece_by_chance": 0.00058}}
    between = {**overall["intervals"], "calibration": {"ece": [0.00025, 0.00094]}}
    whole = {**report, "test": {**report["test"], "overall": {**small, "intervals": between}}}
    found = {table.title: table for table in tables(manifest, whole)}["Discrimination and calibration"]
    assert ("Expected calibration error", "0.0003", "0.0003 to 0.0009") in found.rows
    assert found.rows[-1][1:] == ("0.0006", "")


def test_the_figures_of_the_threshold_say_which_it_is_and_that_a_policy_decides(
    manifest: dict[str, Any], report: dict[str, Any]
) -> None:
    policy = {
        "threshold": 0.05, "lockout_h": 8.0, "rise_points": 10.0, "budget": 40.0, "ppv": 0.2, "sensitivity": 0.6,
        "alerts_per_100_patient_days": 38.2,
    }  # fmt: skip
    found = [
        {table.title: table.note for table in tables({**manifest, "threshold": 0.0283, **more}, report)}
        for more in ({}, {"policy": policy})
    ]
    assert all("(2.8 % in the model that is shipped)" in one["At the live threshold"] for one in found)
    assert ["alert policy below" in one["At the live threshold"] for one in found] == [False, True]


def test_of_whole_stays_the_rule_is_told_in_stays(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    test, rule = report["test"], {"sensitivity": 0.52, "precision": 0.54, "alerted": 0.13, "days_left": 6.0}
    whole = {name: value for name, value in test["overall"].items() if name != "alerts"} | rule
    found = {table.title: table for table in tables(manifest, {**report, "test": {**test, "overall": whole}})}
    said = found["Discrimination and calibration"].rows
    assert ("Precision at the threshold", "0.540", "") in said
    assert any(row[0].startswith("Median days") and row[1] == "6.000" for row in said)
    assert found["Beside what is used or simple"].rows[0][3:6] == ("52.0 %", "54.0 %", "")
    assert not any("hours" in one.note for one in found.values())
    wide = {**report, "population": _population(), "test": {**test, "overall": whole}}
    outside = {table.title: table for table in tables(manifest, wide)}["Outside the population"]
    assert [row[0] for row in outside.rows[:3:2]] == ["Test patients, stays", "Stays with the outcome ahead"]


def test_how_often_the_interval_held_is_told(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    held = {"level": 0.9, "cells": 40, "held": 37, "held_by_interval_alone": 25}
    fitted = {"method": "platt", "interval_widened": 1.66, "folds": 4}
    found = {table.title: table for table in tables(manifest, {**report, "interval": held, "calibration": fitted})}
    rows = {row[0]: row[1] for row in found["Does the interval hold"].rows}
    assert rows["How many times as wide as its bootstrap"] == "1.7"
    assert rows["... whose observed share lay within the interval and the chance of the cell"] == "37 (92.5 %)"
    plain = {table.title: table for table in tables(manifest, report)}
    assert "Does the interval hold" not in plain
    assert plain["Patients"].note == ""


def test_groups_with_too_few_get_counts_and_no_figure(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    groups = next(table for table in tables(manifest, report) if table.title == "By group")
    assert groups.rows[0][7:12] == ("3.1 %", "3.0 %", "1.02", "-0.03", "-0.21 to 0.14")
    assert groups.rows[1] == ("Sex", "male", "4", "1", "too few", *[""] * 9)
    assert {len(row) for row in groups.rows} == {len(groups.heads)}


def test_tables_without_figures_are_left_out(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    titles = {table.title for table in tables(manifest, report)}
    assert not any(title.startswith("Alert policy") for title in titles)
    assert "Do the explanations hold" not in titles


def _population() -> dict[str, Any]:
    one, nobody = {"of": 1000, "refused": 0.002}, {"of": 0, "refused": None}
    return {
        "overall": one, "patients_ever": one, "with_outcome": nobody, "by_sex": {"female": one},
        "shifted": {"vital signs of a newborn": {"of": 400, "refused": 1.0}},
    }  # fmt: skip


def test_who_is_outside_the_population_is_told_with_what_was_made_up(
    manifest: dict[str, Any], report: dict[str, Any]
) -> None:
    found = {table.title: table for table in tables(manifest, {**report, "population": _population()})}
    rows = found["Outside the population"].rows
    assert ("Sex, female", "1000", "0.2 %") in rows
    assert ("Hours with the outcome ahead", "0", "not defined") in rows
    assert rows[-1] == ("Made up: vital signs of a newborn", "400", "100.0 %")
    assert "Outside the population" not in {table.title for table in tables(manifest, report)}


def test_every_row_is_as_wide_as_its_head(manifest: dict[str, Any], report: dict[str, Any]) -> None:
    policy = {
        "threshold": 0.05, "lockout_h": 8.0, "rise_points": 10.0, "budget": 40.0, "ppv": 0.2, "sensitivity": 0.6,
        "alerts_per_100_patient_days": 38.2,
    }  # fmt: skip
    held = {
        "rows": 300,
        "stability": {"same_first": 0.9, "top_3_kept": 0.9, "same_direction": 1.0},
        "faithfulness": {
            "withheld": 34,
            "moved_by_place": [0.4, 0.3, 0.2, 0.2, 0.1],
            "moved_by_other": 0.1,
            "first_moves_most": 0.5,
        },
    }
    whole = {
        **report,
        "explanations": held,
        "interval": {"level": 0.9, "cells": 0, "held": 0, "held_by_interval_alone": 0},
        "calibration": {"method": "platt", "interval_widened": 1.0},
        "transfer": {"A to B": {"auroc": 0.8, "auprc": 0.1}},
        "population": _population(),
    }
    found = tables({**manifest, "policy": policy}, whole)
    assert found
    for table in found:
        assert {len(row) for row in table.rows} == {len(table.heads)}, table.title
