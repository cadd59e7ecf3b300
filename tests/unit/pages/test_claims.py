"""What the pages claim of numbers is what those numbers are."""

from __future__ import annotations

import html
from dataclasses import replace

from cds_app.deps import Deps
from cds_app.explain.counterfactual import Open, Telling
from cds_app.pages.risks import RiskLine
from cds_app.pages.why import open_line, telling_lines
from cds_app.services.sidebar.pages import _interval_text
from tests.bedside import Bed


def test_of_a_patients_usual_no_share_of_values_is_claimed(bed: Bed) -> None:
    page = bed.sidebar.trend(bed.asking(), "heart_rate", 24)
    assert "What the twin takes for usual in this patient by now: " in page
    assert "100 values" not in page


def test_what_an_estimate_was_worth_is_told_of_patients_and_their_stay(bed: Bed, deps: Deps) -> None:
    page = html.unescape(bed.sidebar.why(bed.asking(), "sepsis"))
    tiers = deps.knowledge.learned.artefacts["sepsis"].manifest["tiers"]
    said = [f"whose estimate reached “{one['name']}”, {one['of_100']} had sepsis in that stay." for one in tiers]
    assert sum(one in page for one in said) == 1


def test_what_holds_an_option_back_is_said_once(bed: Bed) -> None:
    page = bed.sidebar.options(bed.asking())
    assert "Not known whether it applies, for lack of" in page
    assert "<strong>Not known whether it applies.</strong>" not in page


def test_a_new_measurement_that_would_not_be_seen_in_the_estimate_is_not_said_to_tell(bed: Bed) -> None:
    subject = bed.opening.subject(bed.asking().opened)
    dull = Telling(quantity="glucose", low=90.0, high=167.0, risk_low=0.021, risk_high=0.023)
    telling = Telling(quantity="lactate", low=0.9, high=4.0, risk_low=0.02, risk_high=0.05)
    (line,) = telling_lines([dull, telling], subject, bed.frame.twin)
    assert line.text == "2 in 100 at 0.9 mmol/L, 5 in 100 at 4.0 mmol/L"


def test_one_more_is_one_other_and_points_are_what_a_measurement_moves(bed: Bed) -> None:
    subject = bed.opening.subject(bed.asking().opened)
    names = ("lactate", "ph", "pco2", "glucose")
    found = Open(low=0.02, high=0.05, quantities=names, points=(("lactate", -1.0, 2.0),))
    said = open_line(found, subject, bed.frame.twin)
    assert "pCO2 (arterial) and 1 other were measured" in said
    assert "(Lactate −1 to +2 points)" in said


def test_an_interval_whose_ends_read_alike_is_no_range_from_one_to_the_other(bed: Bed) -> None:
    line = RiskLine(name="sepsis", label="Sepsis risk", low="2", high="2")
    words, fate = bed.frame.twin, "says how well the number is known for such patients, not how this one will fare."
    assert _interval_text(words, line, {}) == f"The range, 2 in 100 at both ends, {fate}"
    wide = _interval_text(words, replace(line, high="3"), {"held": 18, "cells": 20})
    assert wide == f"The range of 2 to 3 in 100 {fate} On unseen patients it held in 18 of 20 groups."
