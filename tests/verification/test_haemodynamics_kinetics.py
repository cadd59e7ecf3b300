"""Propofol and norepinephrine in the body against golden values, and linear compartments against another solver.

Golden values: Eleveld (2018) and Li (2024), re-implemented from the sources of `models/circulation` (1 % as promised).
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from scipy.linalg import expm

from cds_app.content import latest
from cds_app.simulate.haemodynamics.drugs import Drugs, drugs
from cds_app.simulate.haemodynamics.kinetics import Linear, Person, PlasmaNorepinephrine, exponential, propofol_matrix

DRUGS: Drugs = drugs(latest("circulation"))
SECOND_MIN = 1.0 / 60.0
Sex = Literal["female", "male"]

# who; V1, V2, V3 (L), CL, Q2, Q3 (L/min); of 2 mg/kg: peak at the effect site, min, plasma at 1 min, lowest BIS
PROPOFOL = [
    ((35, 70, 170, "male", False), (6.2831, 25.5013, 272.8167, 1.7896, 1.8309, 1.1085), (2.997, 2.92, 10.642, 47.4)),
    ((35, 70, 170, "male", True), (6.2831, 25.5013, 168.211, 1.6193, 1.8309, 0.7713), (3.277, 3.16, 11.532, 43.8)),
    ((75, 60, 160, "female", True), (5.9612, 11.6961, 68.6829, 1.5101, 0.997, 0.4015), (3.82, 3.76, 12.462, 27.1)),
    ((50, 120, 175, "male", True), (7.2637, 34.5785, 184.3648, 2.3242, 2.2714, 0.835), (4.042, 3.1, 15.854, 31.0)),
]


def person(age: float, weight: float, height: float, sex: Sex) -> Person:
    return Person(age_years=age, weight_kg=weight, height_cm=height, sex=sex)


def test_both_artefacts_of_propofol_hold_the_same_published_numbers() -> None:
    alone = latest("pkpd/propofol-eleveld-2018").read_json("model.json")
    text = " ".join(one["value"] for name in ("definitions", "parameters") for one in alone[name])
    written = {float(one) for one in re.findall(r"\d+\.\d+(?![\d.])", text)}
    kinetics = latest("circulation").read_json("drugs.json")["propofol_kinetics"]["values"]
    published = {abs(value) for name, value in kinetics.items() if not name.endswith("_variance")}
    assert published <= written


@pytest.mark.parametrize(("who", "parameters", "peak"), PROPOFOL)
def test_propofol_meets_its_golden_values(
    who: tuple[float, float, float, Sex, bool], parameters: tuple[float, ...], peak: tuple[float, float, float, float]
) -> None:
    one = person(*who[:4])
    typical = DRUGS.propofol.typical(one, DRUGS.fat_free_mass, opioid=who[4])
    assert typical == pytest.approx(parameters, rel=0.001)
    ke0 = DRUGS.hypnosis.ke0_per_min * (one.weight_kg / 70.0) ** DRUGS.hypnosis.ke0_weight_power
    inside = Linear(propofol_matrix(typical[:, None], np.array([[ke0]])), SECOND_MIN)
    inside.held[0, 0] = 2.0 * one.weight_kg
    course = np.array([inside.step(np.zeros(1))[0] for _ in range(600)])
    site, plasma = course[:, 3], course[:, 0] / typical[0]
    lowest = DRUGS.hypnosis.bis(site / DRUGS.hypnosis.half(one.age_years)).min()
    found = (site.max(), (site.argmax() + 1) * SECOND_MIN, plasma[59], lowest)
    assert found == pytest.approx(peak, rel=0.01)


@pytest.mark.parametrize(("age", "expected"), [(35.0, 3.08), (50.0, 2.8002), (75.0, 2.3891)])
def test_the_older_need_less_propofol_to_sleep(age: float, expected: float) -> None:
    assert DRUGS.hypnosis.half(age) == pytest.approx(expected, rel=0.001)


def test_bis_is_awake_without_propofol_half_of_it_at_half_effect_and_steeper_above() -> None:
    bis, step = DRUGS.hypnosis.bis, 1e-6
    assert bis(np.array([0.0, 1.0, 1e6])) == pytest.approx([93.0, 46.5, 0.0], abs=1e-6)
    below, above = (float(np.diff(bis(np.array(ends)))[0]) / step for ends in ((1 - step, 1.0), (1.0, 1 + step)))
    assert (below, above) == pytest.approx((-93.0 * 1.47 / 4.0, -93.0 * 1.89 / 4.0), rel=1e-4)  # of a Hill curve
    course = bis(np.linspace(0.0, 5.0, 500))
    assert np.all(np.diff(course) < 0.0)


@pytest.mark.parametrize(("rate", "expected"), [(0.05, 1.904), (0.1, 3.57), (0.2, 6.904), (0.5, 16.904)])
def test_norepinephrine_reaches_its_golden_concentrations(rate: float, expected: float) -> None:
    one = person(35, 70, 170, "male")
    kinetics = DRUGS.norepinephrine
    inside = PlasmaNorepinephrine(kinetics, one, kinetics.typical(one)[:, None], 1.0 / 30.0)
    given = np.array([rate * one.weight_kg * 1000.0])
    last = [inside.step(given, np.zeros(1)) for _ in range(3000)][-1]
    assert last[0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("concentration", "rise"), [(1, 6.26), (2, 10.47), (4.11, 16.0), (10, 22.68), (20, 26.55)])
def test_norepinephrine_raises_pressure_as_published(concentration: float, rise: float) -> None:
    pressor = DRUGS.pressor
    effect = pressor.share(np.array([float(concentration)]), np.zeros(1))
    assert effect[0] * pressor.rise_mmhg == pytest.approx(rise, rel=0.01)


def test_without_an_infusion_norepinephrine_stays_at_what_the_body_makes() -> None:
    one = person(60, 80, 175, "female")
    kinetics = DRUGS.norepinephrine
    inside = PlasmaNorepinephrine(kinetics, one, kinetics.typical(one)[:, None], 1.0 / 30.0)
    course = np.array([inside.step(np.zeros(1), np.zeros(1))[0] for _ in range(900)])
    assert course == pytest.approx(inside.own_ug_per_l[0], rel=1e-9)


def test_norepinephrine_agrees_with_a_matrix_exponential_within_a_thousandth() -> None:
    one = person(35, 70, 170, "male")
    kinetics = DRUGS.norepinephrine
    clearance, v1, v2, made = kinetics.typical(one)
    step, given, q = 1.0 / 30.0, 7000.0, kinetics.q_l_per_min
    inside = PlasmaNorepinephrine(kinetics, one, kinetics.typical(one)[:, None], step)
    course = [inside.step(np.array([given]), np.zeros(1))[0] for _ in range(300)]
    rates = np.array([[-(clearance + q) / v1, q / v2, 1.0], [q / v1, -q / v2, 0.0], [0.0, 0.0, 0.0]])
    delay = round(kinetics.lag_s / 60.0 / step)
    for at in (30, 150, 299):
        gained = expm(rates * step * (at + 1 - delay))[0, 2] * given / v1
        assert course[at] == pytest.approx((gained + made / clearance) / 1000.0, rel=1e-3)


def test_compartments_agree_with_scipy_and_lose_nothing_but_by_clearance() -> None:
    rng = np.random.default_rng(3)
    parameters = DRUGS.propofol.typical(person(50, 80, 175, "male"), DRUGS.fat_free_mass, opioid=False)
    drawn = parameters[:, None] * np.exp(DRUGS.propofol.spread[:, None] * rng.standard_normal((6, 40)))
    matrix = propofol_matrix(drawn, np.full((1, 40), 0.146))
    ours = exponential(matrix * 0.5)
    assert ours == pytest.approx(np.array([expm(one * 0.5) for one in matrix]), rel=1e-10, abs=1e-13)
    closed = drawn.copy()
    closed[3] = 0.0
    inside = Linear(propofol_matrix(closed, np.full((1, 40), 0.146)), 1.0 / 30.0)
    held = [inside.step(np.full(40, 90.0)) for _ in range(60)][-1]
    assert held[:, :3].sum(axis=1) == pytest.approx(180.0, rel=1e-10)


def test_compartments_are_linear_in_the_dose() -> None:
    parameters = DRUGS.propofol.typical(person(50, 80, 175, "male"), DRUGS.fat_free_mass, opioid=False)
    ends = []
    for rate in (10.0, 20.0):
        inside = Linear(propofol_matrix(parameters[:, None], np.array([[0.1]])), 1.0 / 30.0)
        ends.append([inside.step(np.array([rate])) for _ in range(90)][-1][0])
    assert ends[1] == pytest.approx(2.0 * ends[0], rel=1e-12)
