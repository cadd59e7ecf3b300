from __future__ import annotations

import numpy as np
import pytest

from cds_app.sandbox.people.physiology import NORMAL, Body


def body(course: dict[str, tuple[tuple[float, float], ...]] | None = None, seed: int = 1) -> Body:
    return Body(course or {}, 400, np.random.default_rng(seed))


def test_a_course_may_only_name_known_quantities() -> None:
    with pytest.raises(KeyError, match="magic"):
        body({"magic": ((0.0, 1.0),)})


def test_a_healthy_body_stays_near_its_defaults() -> None:
    well = body()
    for name, usual in NORMAL.items():
        mean = np.mean([well.value(name, hour) for hour in range(400)])
        # 400 correlated hours: the mean wanders by a few per cent at most.
        assert mean == pytest.approx(usual, rel=0.05, abs=0.5)


def test_heart_and_breathing_go_up_together_and_pressure_down() -> None:
    well = body()
    series = {name: [well.value(name, hour) for hour in range(400)] for name in ("heart_rate", "resp_rate", "systolic")}
    assert np.corrcoef(series["heart_rate"], series["resp_rate"])[0, 1] > 0.1
    assert np.corrcoef(series["heart_rate"], series["systolic"])[0, 1] < -0.1


def test_what_follows_from_other_quantities_is_computed() -> None:
    ill = body({"lactate": ((0.0, 6.0),), "pco2": ((0.0, 30.0),)})
    assert ill.value("bicarbonate", 10) == pytest.approx(25 - 0.9 * (ill.value("lactate", 10) - 1))
    gap = ill.value("sodium", 10) - ill.value("chloride", 10) - ill.value("bicarbonate", 10)
    assert gap == pytest.approx(12 + ill.value("lactate", 10) - 1)
    assert ill.value("haematocrit", 10) == pytest.approx(3 * ill.value("haemoglobin", 10))


def test_normal_gases_give_a_normal_ph() -> None:
    well = body({"pco2": ((0.0, 40.0),), "lactate": ((0.0, 1.0),)})
    # HCO3 25 and pCO2 40 stand for 7.42; both wander by a few per cent.
    assert well.value("ph", 5) == pytest.approx(7.42, abs=0.04)
