"""Nine invented stays, each written hour by hour, with the artefacts that real charts have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from cds_app.sandbox.people.physiology import Body, Waypoints
from cds_app.sandbox.people.resources import Dose, Resource
from cds_app.sandbox.people.scribe import Scribe

Course = Mapping[str, Waypoints]

_WARD: Final = "Medical ward"
_SURGICAL: Final = "Surgical ward"
_ICU: Final = "Intensive care unit"

_PARACETAMOL: Final = Dose(value=1000, unit="mg", words="1 g by mouth every 6 hours")
_HEPARIN: Final = Dose(value=5000, unit="[iU]", words="5000 units under the skin every 12 hours")
_VANCOMYCIN: Final = Dose(value=1250, unit="mg", words="1250 mg into a vein every 12 hours")
_GENTAMICIN: Final = Dose(value=400, unit="mg", words="400 mg into a vein every 24 hours")
_IBUPROFEN: Final = Dose(value=600, unit="mg", words="600 mg by mouth every 8 hours")
_LISINOPRIL: Final = Dose(value=20, unit="mg", words="20 mg by mouth in the morning")
_SPIRONOLACTONE: Final = Dose(value=50, unit="mg", words="50 mg by mouth in the morning")
_METOPROLOL: Final = Dose(value=50, unit="mg", words="50 mg by mouth twice a day")
_METFORMIN: Final = Dose(value=1000, unit="mg", words="1 g by mouth twice a day")
_ATORVASTATIN: Final = Dose(value=40, unit="mg", words="40 mg by mouth at night")
_ALBUTEROL: Final = Dose(value=2.5, unit="mg", words="2.5 mg nebulised every 6 hours")
_PREDNISONE: Final = Dose(value=40, unit="mg", words="40 mg by mouth in the morning")
_MORPHINE: Final = Dose(value=5, unit="mg", words="5 mg by mouth when needed")


def _every(step: float, until: float, begin: float = 1.0) -> tuple[float, ...]:
    return tuple(float(hour) for hour in np.arange(begin, until, step))


def _rounds(scribe: Scribe, body: Body, times: Iterable[float]) -> None:
    """Vital signs every hour, alertness every fourth."""
    for count, hour in enumerate(times):
        scribe.monitor(body, hour)
        if count % 4 == 0:
            scribe.awake(body, hour)


def _urine(scribe: Scribe, body: Body, times: Iterable[float]) -> None:
    for hour in times:
        scribe.reading("urine", body.value("urine", hour), hour)


def _blood(scribe: Scribe, body: Body, times: Iterable[float]) -> dict[float, dict[str, Resource]]:
    """Chemistry and blood count."""
    return {hour: scribe.labs(body, "chemistry", hour) | scribe.labs(body, "count", hour + 0.02) for hour in times}


def _arrival(scribe: Scribe, weight: float, height: float) -> None:
    scribe.reading("weight", weight, 0.4)
    scribe.reading("height", height, 0.4)


# --- infection that becomes sepsis


def pneumonia(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """Pneumonia; septic shock within twelve hours; no antibiotics yet, allergic to penicillin."""
    course: Course = {
        "heart_rate": ((0, 84), (18, 92), (30, 132), (48, 128)),
        "resp_rate": ((0, 18), (18, 20), (30, 33), (48, 32)),
        "temperature": ((0, 37.1), (18, 37.9), (30, 39.4), (48, 38.8)),
        "systolic": ((0, 128), (18, 122), (30, 88), (48, 92)),
        "diastolic": ((0, 74), (18, 68), (30, 46), (48, 50)),
        "spo2": ((0, 95), (18, 94), (30, 91), (48, 92)),
        "fio2": ((0, 24), (18, 28), (26, 40), (32, 50), (48, 50)),
        "oxygen_flow": ((0, 1), (18, 2), (26, 6), (32, 10), (48, 10)),
        "gcs": ((0, 15), (25, 15), (30, 14), (34, 13), (48, 13)),
        "lactate": ((0, 1.2), (18, 1.6), (30, 4.6), (48, 4.0)),
        "wbc": ((0, 10.5), (18, 13.8), (30, 21.5), (48, 22.0)),
        "platelets": ((0, 230), (18, 200), (30, 118), (48, 102)),
        "creatinine": ((0, 0.9), (18, 1.0), (30, 1.7), (48, 2.1)),
        "bun": ((0, 16), (18, 18), (30, 30), (48, 38)),
        "bilirubin": ((0, 0.7), (20, 0.9), (32, 2.2), (48, 2.4)),
        "urine": ((0, 80), (18, 65), (30, 22), (48, 24)),
        "pco2": ((0, 38), (18, 34), (30, 29), (48, 30)),
        "po2": ((0, 76), (18, 70), (30, 60), (48, 63)),
    }
    body = Body(course, hours, rng)
    ward = scribe.stay(_WARD, 0.0)
    scribe.problem("hypertension", -24 * 900)
    scribe.allergy("penicillin", -24 * 2000)
    _arrival(scribe, 74.0, 176.0)
    _blood(scribe, body, (0.6, 7.0))
    _rounds(scribe, body, _every(1, 10, 0.5))
    unit = scribe.stay(_ICU, 10.0, inside=True)
    scribe.procedure("icu_admission", 10.0)
    scribe.procedure("chest_xray", 11.0)
    scribe.problem("pneumonia", 12.0)
    scribe.order("paracetamol", _PARACETAMOL, _every(6, hours, 10.5))
    _rounds(scribe, body, _every(1, hours, 10.5))
    _urine(scribe, body, _every(1, hours, 11))
    _blood(scribe, body, (12, 18, 24, 29, 33, 40))
    for hour in (12.0, 18.0, 22.0, 25.0, 28.0, 31.0, 34.0, 40.0):
        scribe.labs(body, "gas", hour)
    scribe.reading("spo2", 45, 20.2, comment="Probe off the finger")
    scribe.discharge(unit, hours)
    scribe.discharge(ward, hours)


def urosepsis(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """Urinary infection; sepsis; raised glucose."""
    course: Course = {
        "heart_rate": ((0, 88), (14, 90), (26, 118), (42, 112)),
        "resp_rate": ((0, 16), (14, 18), (26, 26), (42, 24)),
        "temperature": ((0, 37.4), (14, 38.0), (26, 39.2), (42, 38.6)),
        "systolic": ((0, 134), (14, 124), (26, 92), (42, 96)),
        "diastolic": ((0, 76), (14, 68), (26, 50), (42, 54)),
        "lactate": ((0, 1.3), (14, 1.6), (26, 3.6), (42, 2.8)),
        "wbc": ((0, 11.0), (14, 14.0), (26, 19.0), (42, 18.0)),
        "platelets": ((0, 250), (26, 170), (42, 150)),
        "creatinine": ((0, 1.0), (14, 1.1), (26, 1.6), (42, 1.7)),
        "bun": ((0, 20), (26, 32), (42, 36)),
        "glucose": ((0, 140), (26, 205), (42, 190)),
        "urine": ((0, 70), (14, 60), (26, 30), (42, 35)),
        "pco2": ((0, 38), (26, 31), (42, 33)),
    }
    body = Body(course, hours, rng)
    unit = scribe.stay(_ICU, 0.0)
    scribe.problem("diabetes", -24 * 3000)
    scribe.problem("urinary_infection", 2.0)
    scribe.home_drug("metformin", _METFORMIN)
    _arrival(scribe, 68.5, 162.0)
    _rounds(scribe, body, _every(1, hours, 0.5))
    _urine(scribe, body, _every(1, hours))
    _blood(scribe, body, (0.6, 8, 16, 23, 29, 36))
    for hour in (1.0, 10.0, 18.0, 22.0, 26.0, 32.0):
        scribe.labs(body, "gas", hour)
    scribe.discharge(unit, hours)


# --- kidneys and potassium


def kidney_injury(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """Three nephrotoxic drugs; creatinine from 0.9 to 2.4 mg/dL."""
    course: Course = {
        "creatinine": ((0, 0.9), (20, 0.95), (36, 1.4), (52, 1.95), (68, 2.4), (72, 2.4)),
        "bun": ((0, 15), (20, 16), (36, 24), (68, 44), (72, 45)),
        "potassium": ((0, 4.2), (36, 4.6), (72, 5.2)),
        "buffer": ((0, 25), (36, 23), (72, 20)),
        "urine": ((0, 80), (20, 70), (34, 40), (50, 24), (72, 20)),
        "temperature": ((0, 37.6), (24, 37.1), (72, 36.9)),
        "wbc": ((0, 12.5), (30, 10.0), (72, 8.6)),
        "systolic": ((0, 132), (72, 140)),
    }
    body = Body(course, hours, rng)
    ward = scribe.stay(_WARD, 0.0)
    scribe.problem("osteomyelitis", -48.0)
    scribe.problem("hypertension", -24 * 1500)
    _arrival(scribe, 82.0, 178.0)
    scribe.order("vancomycin", _VANCOMYCIN, _every(12, hours, 2))
    scribe.order("gentamicin", _GENTAMICIN, _every(24, hours, 3))
    scribe.order("ibuprofen", _IBUPROFEN, _every(8, hours, 4))
    _rounds(scribe, body, _every(1, hours, 0.5))
    _urine(scribe, body, _every(1, hours))
    drawn = _blood(scribe, body, (1, 18, 30, 42, 54, 66))
    scribe.duplicate(drawn[30]["creatinine"], 31.9)
    scribe.reading("heart_rate", 0, 45.2, comment="Leads off")
    scribe.discharge(ward, hours)


def high_potassium(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """ACE inhibitor and spironolactone; potassium from 4.6 to 6.4 mmol/L."""
    course: Course = {
        "potassium": ((0, 4.6), (12, 5.0), (24, 5.6), (36, 6.1), (44, 6.4), (48, 6.4)),
        "creatinine": ((0, 1.6), (24, 1.75), (48, 1.9)),
        "bun": ((0, 34), (48, 42)),
        "buffer": ((0, 22), (48, 19.5)),
        "heart_rate": ((0, 70), (36, 62), (48, 56)),
        "urine": ((0, 60), (48, 45)),
        "haemoglobin": ((0, 11.4), (48, 11.2)),
    }
    body = Body(course, hours, rng)
    ward = scribe.stay(_WARD, 0.0)
    for kind, days in (("heart_failure", 700), ("kidney_disease", 1200), ("hypertension", 4000)):
        scribe.problem(kind, -24.0 * days)
    scribe.home_drug("atorvastatin", _ATORVASTATIN)
    _arrival(scribe, 88.0, 171.0)
    scribe.order("lisinopril", _LISINOPRIL, (7, 31))
    scribe.order("spironolactone", _SPIRONOLACTONE, (7, 31))
    scribe.order("metoprolol", _METOPROLOL, _every(12, hours, 7))
    _rounds(scribe, body, _every(1, hours, 0.5))
    _blood(scribe, body, (1, 12, 24, 34, 42))
    scribe.discharge(ward, hours)


# --- breathing


def respiratory_failure(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """Hypoxaemia despite ever more oxygen, then a tiring patient."""
    course: Course = {
        "spo2": ((0, 95), (12, 93), (20, 90), (28, 87), (36, 87)),
        "fio2": ((0, 24), (10, 28), (16, 40), (24, 60), (36, 60)),
        "oxygen_flow": ((0, 1), (10, 2), (16, 6), (24, 15), (36, 15)),
        "resp_rate": ((0, 19), (12, 23), (20, 28), (28, 35), (36, 36)),
        "heart_rate": ((0, 88), (12, 98), (28, 122), (36, 124)),
        "temperature": ((0, 38.0), (28, 38.4), (36, 38.3)),
        "systolic": ((0, 132), (28, 142), (36, 138)),
        "pco2": ((0, 36), (16, 32), (28, 37), (36, 44)),
        "po2": ((0, 76), (12, 66), (20, 59), (28, 52), (36, 52)),
        "wbc": ((0, 12), (36, 15)),
        "lactate": ((0, 1.2), (28, 2.0), (36, 2.3)),
        "gcs": ((0, 15), (28, 15), (33, 14), (36, 14)),
    }
    body = Body(course, hours, rng)
    ward = scribe.stay(_WARD, 0.0)
    scribe.problem("pneumonia", 3.0)
    _arrival(scribe, 91.0, 181.0)
    scribe.request("chest_xray", 1.0)
    scribe.order("paracetamol", _PARACETAMOL, _every(6, hours, 2))
    _rounds(scribe, body, _every(1, hours, 0.5))
    _blood(scribe, body, (1, 13, 25))
    for hour in (2.0, 14.0, 20.0, 26.0, 32.0):
        scribe.labs(body, "gas", hour)
    scribe.discharge(ward, hours)


def lung_disease(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """COPD with rising carbon dioxide."""
    course: Course = {
        "spo2": ((0, 90), (10, 89), (22, 85), (30, 84)),
        "fio2": ((0, 24), (14, 28), (30, 35)),
        "oxygen_flow": ((0, 1), (14, 2), (30, 4)),
        "resp_rate": ((0, 22), (10, 25), (22, 31), (30, 30)),
        "heart_rate": ((0, 94), (22, 118), (30, 120)),
        "buffer": ((0, 30), (30, 31)),
        "pco2": ((0, 52), (10, 56), (22, 70), (30, 76)),
        "po2": ((0, 60), (22, 51), (30, 50)),
        "gcs": ((0, 15), (22, 15), (26, 14), (30, 13)),
        "haemoglobin": ((0, 15.4), (30, 15.4)),
    }
    body = Body(course, hours, rng)
    ward = scribe.stay(_WARD, 0.0)
    scribe.problem("copd", -24 * 2600)
    _arrival(scribe, 61.0, 168.0)
    scribe.order("albuterol", _ALBUTEROL, _every(6, hours, 1))
    scribe.order("prednisone", _PREDNISONE, (2, 26))
    _rounds(scribe, body, _every(1, hours, 0.5))
    _blood(scribe, body, (1, 15))
    for hour in (1.5, 10.0, 18.0, 23.0, 27.0):
        scribe.labs(body, "gas", hour)
    scribe.reading("heart_rate", 0, 12.6, comment="Monitor restarted")
    scribe.discharge(ward, hours)


# --- nothing to say


def stable_surgery(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """Knee replacement without incident."""
    course: Course = {
        "heart_rate": ((0, 80), (48, 74)),
        "temperature": ((0, 36.7), (16, 37.2), (48, 36.8)),
        "haemoglobin": ((0, 12.9), (12, 12.1), (48, 12.2)),
        "wbc": ((0, 9.2), (48, 8.0)),
    }
    body = Body(course, hours, rng)
    ward = scribe.stay(_SURGICAL, 0.0)
    scribe.problem("knee_arthritis", -24 * 800)
    scribe.procedure("knee_replacement", 0.2)
    _arrival(scribe, 70.0, 170.0)
    scribe.order("paracetamol", _PARACETAMOL, _every(6, hours, 2))
    scribe.order("heparin", _HEPARIN, _every(12, hours, 6))
    _rounds(scribe, body, _every(1, hours, 0.5))
    _urine(scribe, body, _every(1, hours))
    _blood(scribe, body, (1, 14, 38))
    scribe.discharge(ward, hours)


def artefacts(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """A healthy course with leads off, probe off, a duplicate, and a haemolysed potassium corrected later."""
    body = Body({"heart_rate": ((0, 72), (36, 70))}, hours, rng)
    ward = scribe.stay(_SURGICAL, 0.0)
    scribe.problem("gallstones", -24 * 90)
    scribe.procedure("gallbladder_removal", 0.2)
    _arrival(scribe, 66.0, 164.0)
    scribe.order("morphine", _MORPHINE, (3, 11))
    _rounds(scribe, body, _every(1, hours, 0.5))
    scribe.reading("heart_rate", 0, 7.3, comment="Leads off")
    scribe.reading("spo2", 45, 11.2, comment="Probe off the finger")
    drawn = _blood(scribe, body, (1, 25))
    scribe.duplicate(drawn[1]["potassium"], 3.5)
    drawn_again = scribe.result("potassium", 6.9, 15.0, comment="Sample haemolysed: repeat")
    scribe.correct(drawn_again, 4.3, 18.5, "Corrected: repeat sample, not haemolysed")
    scribe.discharge(ward, hours)


def sparse(scribe: Scribe, hours: int, rng: np.random.Generator) -> None:
    """Three old values and nothing else."""
    body = Body({}, hours, rng)
    ward = scribe.stay(_WARD, 0.0)
    scribe.reading("heart_rate", body.value("heart_rate", 0), -24 * 21.0)
    scribe.reading("weight", 77.0, -24 * 21.0)
    scribe.result("creatinine", body.value("creatinine", 0), -24 * 140.0)
    scribe.discharge(ward, hours)
