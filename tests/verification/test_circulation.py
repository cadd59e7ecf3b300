"""The beating circulation against the golden scenarios of the reference port, and the laws it may never break.

Golden values: a port of CVSim-6 (MIT-LCP/cvsim 8ae91dd) with first-order lags, run once; tolerance 3 % for pressure,
output and ejection fraction, the difference that sampling over whole beats may make.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cds_app.content import latest
from cds_app.simulate.haemodynamics.model import mechanics
from tests.beating import Beats, Conditions, pulsate, reference

LITRES_PER_MIN = 0.06  # of 1 mL/s

# of the same scenarios: stroke and end-diastolic volume of the left ventricle, mL; mean pressure in the lung's artery
VOLUMES = (
    (84.8, 149.8, 18.0),
    (77.4, 138.1, 16.1),
    (35.8, 72.0, 5.3),
    (93.9, 141.7, 18.0),
    (73.9, 199.9, 22.0),
    (84.1, 149.7, 17.2),
    (40.5, 76.4, 7.8),
    (91.6, 138.2, 19.1),
    (73.8, 199.5, 21.9),
    (132.0, 230.4, 27.5),
)

# blood volume mL, resistance mmHg s/mL, left systolic compliance, reflex; MAP, SBP, DBP, HR, L/min, EF, CVP, wedge
GOLDEN = {
    "rest, open loop": ((5150, 1.0, 0.4, 0), (106.1, 121.8, 88.6, 70.0, 5.93, 0.566, 7.21, 11.0)),
    "150 mL less, open loop": ((5000, 1.0, 0.4, 0), (96.6, 110.9, 80.6, 70.0, 5.42, 0.561, 6.24, 9.7)),
    "1 L lost, open loop": ((4150, 1.0, 0.4, 0), (42.6, 49.2, 35.2, 70.0, 2.51, 0.498, 0.74, 2.4)),
    "resistance halved, open loop": ((5150, 0.5, 0.4, 0), (63.0, 80.0, 45.0, 70.0, 6.57, 0.662, 8.22, 10.3)),
    "left heart failure, open loop": ((5150, 1.0, 1.0, 0), (92.5, 107.0, 77.3, 70.0, 5.17, 0.37, 6.33, 16.0)),
    "rest": ((5150, 1.0, 0.4, 1), (94.3, 110.2, 76.9, 64.9, 5.46, 0.563, 6.6, 10.9)),
    "1 L lost": ((4150, 1.0, 0.4, 1), (77.5, 84.5, 69.0, 97.9, 3.97, 0.53, 2.97, 3.2)),
    "resistance halved": ((5150, 0.5, 0.4, 1), (83.6, 99.9, 65.6, 84.1, 7.7, 0.667, 9.71, 10.1)),
    "left heart failure": ((5150, 1.0, 1.0, 1), (91.2, 105.9, 76.1, 69.4, 5.12, 0.371, 6.26, 15.9)),
    "1 L given": ((6150, 1.0, 0.4, 1), (108.2, 134.9, 82.2, 52.2, 6.88, 0.579, 11.05, 19.5)),
}
OPEN, CLOSED = (
    [i for i, (given, _) in enumerate(GOLDEN.values()) if given[3] == 0],
    [i for i, (given, _) in enumerate(GOLDEN.values()) if given[3] == 1],
)


def scenarios() -> Conditions:
    volume, resistance, lv, gain = np.array([given for given, _ in GOLDEN.values()], dtype=float).T
    constants, reflex = mechanics(latest("circulation"))
    changed = {"blood_volume": volume, "resistance": resistance, "lv_systolic": lv, "reflex_gain": gain}
    return reference(constants, reflex, **changed)


@pytest.fixture(scope="module")
def beats() -> Beats:
    return pulsate(*mechanics(latest("circulation")), scenarios(), 70.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_scenario_is_met(beats: Beats, name: str) -> None:
    at = list(GOLDEN).index(name)
    mean, systolic, diastolic, rate, litres, ejected, venous, wedge = GOLDEN[name][1]
    assert beats.steady("mean_pressure")[at] == pytest.approx(mean, rel=0.03)
    assert beats.steady("output")[at] * LITRES_PER_MIN == pytest.approx(litres, rel=0.03)
    assert beats.steady("ejection_fraction")[at] == pytest.approx(ejected, rel=0.03)
    assert beats.steady("systolic")[at] == pytest.approx(systolic, rel=0.03)
    assert beats.steady("diastolic")[at] == pytest.approx(diastolic, rel=0.03)
    assert beats.steady("heart_rate")[at] == pytest.approx(rate, rel=0.03)
    stroke, filled, lung = VOLUMES[at]
    assert beats.steady("stroke")[at] == pytest.approx(stroke, rel=0.03)
    assert beats.steady("end_diastolic")[at] == pytest.approx(filled, rel=0.03)
    assert beats.steady("lung_artery")[at] == pytest.approx(lung, rel=0.03)
    assert beats.steady("central_venous")[at] == pytest.approx(venous, rel=0.03)
    assert beats.steady("wedge")[at] == pytest.approx(wedge, rel=0.03)


@pytest.mark.slow
def test_blood_is_neither_made_nor_lost(beats: Beats) -> None:
    # 1e5 additions of volumes up to 6000 mL in double precision
    given = np.array([volume for (volume, *_), _ in GOLDEN.values()], dtype=float)
    assert np.abs(beats.blood_volume - given).max() < 1e-6


@pytest.mark.slow
def test_valves_never_leak(beats: Beats) -> None:
    assert beats.backflow == 0.0


@pytest.mark.slow
def test_in_the_steady_state_pressure_falls_over_the_resistance_as_ohm_says(beats: Beats) -> None:
    resistance = np.array([given[1] for given, _ in GOLDEN.values()])[OPEN]
    fall = (beats.steady("mean_pressure") - beats.steady("central_venous"))[OPEN]
    assert beats.steady("output")[OPEN] == pytest.approx(fall / resistance, rel=0.005)


@pytest.mark.slow
def test_the_reflex_defends_pressure_against_loss_dilation_and_filling(beats: Beats) -> None:
    named = dict(zip(GOLDEN, beats.steady("mean_pressure"), strict=True))
    for upset in ("1 L lost", "resistance halved"):
        unaided = named[f"{upset}, open loop"] - named["rest, open loop"]
        assert abs(named[upset] - named["rest"]) < 0.6 * abs(unaided)
    assert named["1 L given"] > named["rest"]
    rates = dict(zip(GOLDEN, beats.steady("heart_rate"), strict=True))
    assert rates["1 L given"] < rates["rest"] < rates["resistance halved"] < rates["1 L lost"]


@pytest.mark.slow
def test_what_a_course_takes_from_the_blood_is_gone_from_the_compartments() -> None:
    constants, reflex = mechanics(latest("circulation"))

    def bleeding(time_s: float, start: Conditions) -> Conditions:
        return replace(start, blood_volume=start.blood_volume - 20.0 * time_s)

    beats = pulsate(constants, reflex, reference(constants, reflex, reflex_gain=1.0), 12.0, course=bleeding)
    assert beats.blood_volume[:, 0] == pytest.approx(constants.blood_volume_ml - 20.0 * (beats.times_s - 1.0))
    assert beats.mean_pressure[-1, 0] < beats.mean_pressure[3, 0]
