"""Nine invented patients: who they are, what happens to them, when their chart is opened, what is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

import numpy as np

from cds_app.sandbox.people import stays
from cds_app.sandbox.people.scribe import Scribe


class Expected(StrEnum):
    """What decision support should make of a stay."""

    CARD = "card"  # at least one card on the way
    QUIET = "quiet"  # no warning and no critical card, ever
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One stay.

    Parameters
    ----------
    title, text : str
        A few words, and one plain sentence.
    hours : int
        Length of the stay.
    opens : tuple of float
        Hours at which a clinician opens the chart.
    write : callable
        Writes the chart of so many hours.
    orders : tuple of (float, str)
        Hours, among those at which the chart is opened, and what a clinician then means to order, a key of the
        formulary: each does not suit the patient, and is taken back when decision support says so.
    """

    title: str
    text: str
    given: str
    gender: str
    born: date
    hours: int
    opens: tuple[float, ...]
    expected: Expected
    write: Callable[[Scribe, int, np.random.Generator], None]
    orders: tuple[tuple[float, str], ...] = ()


STORIES: Final = (
    Story(
        title="Pneumonia, turning to sepsis in intensive care",
        text="Pneumonia that turns to septic shock over twelve hours in a patient with a penicillin allergy.",
        given="Avery",
        gender="male",
        born=date(1958, 3, 14),
        hours=48,
        opens=(6.0, 16.0, 21.0, 24.5, 27.0, 30.0, 33.0),
        expected=Expected.CARD,
        write=stays.pneumonia,
        orders=((6.0, "amoxicillin"),),
    ),
    Story(
        title="Urinary infection, turning to sepsis",
        text="An infection of the urinary tract that spreads to the blood, in a patient with diabetes.",
        given="Blake",
        gender="female",
        born=date(1951, 9, 2),
        hours=42,
        opens=(6.0, 15.0, 20.5, 24.5, 28.0),
        expected=Expected.CARD,
        write=stays.urosepsis,
    ),
    Story(
        title="Kidney injury on three nephrotoxic drugs",
        text="Vancomycin, gentamicin and ibuprofen together, while creatinine climbs and urine dwindles.",
        given="Casey",
        gender="male",
        born=date(1967, 11, 23),
        hours=72,
        opens=(6.0, 20.0, 32.5, 44.0, 56.0, 68.0),
        expected=Expected.CARD,
        write=stays.kidney_injury,
    ),
    Story(
        title="Potassium rising on an ACE inhibitor",
        text="Lisinopril and spironolactone in chronic kidney disease: potassium climbs from 4.6 to 6.4.",
        given="Devon",
        gender="female",
        born=date(1945, 6, 30),
        hours=48,
        opens=(4.0, 14.0, 26.0, 36.0, 44.0),
        expected=Expected.CARD,
        write=stays.high_potassium,
        orders=((44.0, "spironolactone"),),
    ),
    Story(
        title="Breathing fails despite more oxygen",
        text="Pneumonia in which oxygen saturation falls while oxygen and breathing rate rise.",
        given="Emery",
        gender="male",
        born=date(1972, 1, 8),
        hours=36,
        opens=(4.0, 15.0, 21.0, 27.0, 33.0),
        expected=Expected.CARD,
        write=stays.respiratory_failure,
    ),
    Story(
        title="COPD, retaining carbon dioxide",
        text="A flare of chronic lung disease in which carbon dioxide builds up and drowsiness follows.",
        given="Frankie",
        gender="female",
        born=date(1955, 4, 19),
        hours=30,
        opens=(3.0, 12.0, 19.0, 24.0, 28.0),
        expected=Expected.CARD,
        write=stays.lung_disease,
    ),
    Story(
        title="Knee replacement, recovering well",
        text="Two uneventful days after a knee replacement.",
        given="Gray",
        gender="female",
        born=date(1962, 8, 5),
        hours=48,
        opens=(5.0, 16.0, 28.0, 41.0),
        expected=Expected.QUIET,
        write=stays.stable_surgery,
    ),
    Story(
        title="Well, but the chart has artefacts",
        text="A smooth recovery with a loose lead, a slipped probe and a haemolysed potassium that is corrected.",
        given="Harper",
        gender="male",
        born=date(1980, 12, 12),
        hours=36,
        opens=(4.0, 8.0, 12.0, 17.0, 20.0, 28.0),
        expected=Expected.ANY,
        write=stays.artefacts,
    ),
    Story(
        title="Hardly any data",
        text="A patient of whom the chart holds three old values.",
        given="Indigo",
        gender="female",
        born=date(1939, 7, 27),
        hours=24,
        opens=(2.0, 12.0),
        expected=Expected.QUIET,
        write=stays.sparse,
    ),
)
