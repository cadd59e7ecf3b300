"""The chart's first days as model input: the same number whenever it is asked for, and the same as in training."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from cds_app.content import artefact, content_root
from cds_app.domain.facts import Fact, Measurement
from cds_app.domain.ontology_files import load_ontology
from cds_app.domain.timeline import Timeline
from cds_app.learn.files.challenge2012 import PARAMETERS, load
from cds_app.score.features.first_days import VENTILATION, FirstDays, first_days
from cds_app.score.features.stays import FEATURES, QUANTITIES, stay_features
from cds_app.score.situation import Situation
from tests.chart import NOW, measured, person, procedure, stay

REAL = load_ontology(artefact("ontology", "1.0.0", root=content_root()))
STAYED_H = 60.0
UNIT = "Medical intensive care unit"


def chart(*facts: Fact, hours: float = STAYED_H) -> Situation:
    told = Timeline.of((person(70.0), stay(hours=hours, text=UNIT), *facts)).facts
    return Situation(ontology=REAL, facts=told, now=NOW)


def seen(*facts: Fact) -> FirstDays:
    return first_days(chart(*facts), NOW - timedelta(hours=STAYED_H))


def at(quantity: str, value: float, hours_in_unit: float) -> Measurement:
    variable = quantity if quantity in REAL.variables else next(iter(REAL.measuring(quantity)))
    return measured(variable, value, STAYED_H - hours_in_unit)


def named(found: FirstDays) -> dict[str, float]:
    row = stay_features(found.series, found.stayer)[0]
    return dict(zip((one.name for one in FEATURES), row.tolist(), strict=True))


def test_only_the_first_48_hours_are_seen() -> None:
    found = seen(at("lactate", 9.0, -1.0), at("lactate", 2.0, 0.0), at("lactate", 3.0, 48.0), at("lactate", 9.0, 48.1))
    assert found.hours_of() == {"lactate": [0.0, 48.0]}
    assert found.series.value.tolist() == [2.0, 3.0]


def test_the_answer_is_the_same_days_later() -> None:
    start = NOW - timedelta(hours=STAYED_H)
    now = chart(*(at("heart_rate", 80.0 + hour, hour) for hour in range(0, 60, 4)))
    later = replace(now, now=NOW + timedelta(days=9))
    found, again = first_days(now, start), first_days(later, start)
    np.testing.assert_array_equal(stay_features(found.series, found.stayer), stay_features(again.series, again.stayer))


def test_ventilation_is_charted_by_settings_and_by_the_procedure() -> None:
    settings = named(seen(at("peep", 8.0, 3.0), at("tidal_volume_set", 450.0, 5.0)))
    assert settings["ventilation_hours_stay"] == 2.0
    assert "ventilation" not in seen(at("peep", 8.0, 3.0), at("heart_rate", 80.0, 3.0)).hours_of()  # by mask
    done = named(seen(procedure("mechanical_ventilation", hours=STAYED_H - 10.0, end_hours=STAYED_H - 20.0)))
    assert (done["ventilation_hours_stay"], done["ventilation_age_h"]) == (11.0, 28.0)
    running = named(seen(procedure("mechanical_ventilation", hours=STAYED_H - 40.0, status="in-progress")))
    assert (running["ventilation_hours_stay"], running["ventilation_age_h"]) == (9.0, 0.0)


def test_who_the_patient_is() -> None:
    found = named(seen(measured("body_height", 180.0, 1000.0)))
    assert (found["age_years"], found["male"], found["height_cm"], found["unit_medical"]) == (70.0, 1.0, 180.0, 1.0)
    assert np.isnan(named(seen(measured("body_height", 18.0, 1000.0)))["height_cm"])


def test_a_stay_of_the_challenge_is_what_serving_makes_of_the_same_chart(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    rows = [("00:00", "Age", 70.0), ("00:00", "Gender", 1.0), ("00:00", "Height", 180.0), ("00:00", "ICUType", 3.0)]
    facts: list[Fact] = [measured("body_height", 180.0, STAYED_H)]
    for one in PARAMETERS:
        minutes = np.unique(rng.integers(0, 48 * 60, 12))
        for minute, value in zip(minutes, np.round(rng.uniform(one.low, min(one.high, 300.0), 12), 1), strict=False):
            clock, quantity = f"{minute // 60:02d}:{minute % 60:02d}", one.quantity
            rows.append((clock, one.name, value))
            charted = f"{quantity}_noninvasive" if one.name.startswith("NI") else quantity
            ventilated = quantity == VENTILATION
            facts.append(
                at("tidal_volume_set" if ventilated else charted, 450.0 if ventilated else value, minute / 60.0)
            )
    frame = pd.DataFrame(rows, columns=["Time", "Parameter", "Value"]).assign(RecordID=1)
    frame.to_parquet(tmp_path / "one.parquet")
    trained, served = load(tmp_path / "one.parquet"), seen(*facts)
    assert set(served.hours_of()) == set(QUANTITIES)
    np.testing.assert_array_equal(
        stay_features(served.series, served.stayer), stay_features(trained.series, trained.stayers)
    )
