"""Real people: the error of the next level falls once their own levels are used. Skipped where the data are not."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import pytest

from cds_app.commands.record_files import contents_of
from cds_app.commands.simulate import situation_of
from cds_app.domain.units import UnitConverter
from cds_app.learn.kinetics.evaluating import evaluate
from cds_app.score.situation import Situation
from cds_app.simulate.kinetics.averaging import mix
from cds_app.simulate.kinetics.patients import Patient, patient_problems
from cds_app.simulate.kinetics.simulation import simulate
from cds_app.simulate.regimens.chart import Charted, patient_of
from tests.unit.simulate.pharmacy import ROOT, drug, ontology

pytestmark = [pytest.mark.data, pytest.mark.slow]

DATA = Path(os.environ.get("TWINLINE_TEST_DATA", ROOT.parent / "shared" / "data"))
JUST_BEFORE = timedelta(minutes=1)
LAST_DOSE_WITHIN_H = 96.0


def folder(name: str) -> Path:
    found = DATA / name
    if not found.is_dir():
        pytest.skip(f"no {name} in {DATA}; TWINLINE_TEST_DATA names the folder that holds it")
    return found


@pytest.mark.soak
def test_volunteers_levels_are_foretold_better_with_their_own(tmp_path: Path) -> None:
    found = evaluate(folder("pkpd"), tmp_path / "report.json", tmp_path / "pictures", invented=20)
    for name, people in (("theophylline", 12), ("warfarin", 31), ("quinidine", 136), ("remifentanil", 65)):
        figures = found[name]
        assert figures["people"] == people
        assert figures["individual_median_relative_error"] < 0.7 * figures["population_median_relative_error"]
        assert figures["individual_mae"] < 0.75 * figures["population_mae"]
        assert figures["within_90"] > 0.85
        assert (tmp_path / "pictures" / f"{name}.png").is_file()


def test_patients_vancomycin_is_foretold_better_with_their_own_levels() -> None:
    vancomycin, units = drug("vancomycin"), UnitConverter(ontology())
    errors: list[tuple[float, float]] = []
    for file in sorted(folder("mimic_fhir").glob("*.json.gz")):
        for name, entries in contents_of(file).patients:
            whole = situation_of(name, entries, None, ontology(), units, UTC)
            levels = [one for key in vancomycin.file.levels.quantities for one in whole.series(key)]
            for level in levels:
                now = level.when - JUST_BEFORE
                then = Situation(ontology=ontology(), facts=whole.facts, now=now, measured=whole.measured)
                charted = patient_of(then, vancomycin)
                if isinstance(charted, Charted) and charted.patient.levels:
                    errors.extend(both(charted.patient, level.value))
    before, after = np.abs(np.array(errors)).T
    assert len(errors) >= 30
    assert np.median(after) < 0.5 * np.median(before)
    assert np.median(after) < 0.4  # of the logarithm


def both(patient: Patient, observed: float) -> list[tuple[float, float]]:
    """Logarithmic errors without and with the patient's earlier levels; none where no model is made for them."""
    vancomycin = drug("vancomycin")
    if patient.history[-1].at_h < -LAST_DOSE_WITHIN_H or patient_problems(vancomycin, patient):
        return []
    found = []
    for known in (replace(patient, levels=()), patient):
        mixture = mix(vancomycin, known, draws=500, rng=np.random.default_rng(1))
        if not mixture.members:
            return []
        at = np.array([JUST_BEFORE.total_seconds() / 3600.0])
        parts = [
            simulate(one.placed.model, one.placed.epochs(one.etas)[0], known.history, at).values[:, 0]
            for one in mixture.members
            if len(one.etas)
        ]
        found.append(float(np.log(np.median(np.concatenate(parts)) / observed)))
    return [(found[0], found[1])]
