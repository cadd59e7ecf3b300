"""The codes that the synthetic charts are written in: LOINC, SNOMED CT, RxNorm, UCUM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM: Final = "http://unitsofmeasure.org"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"

VITAL: Final = "vital-signs"
LAB: Final = "laboratory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How one quantity is written.

    Parameters
    ----------
    label : str
        What the chart calls it.
    loinc : tuple of (code, display)
        The first is the most specific.
    unit, ucum : str
        For readers, and as a UCUM code.
    category : str
        Code of the FHIR observation category.
    """

    label: str
    loinc: tuple[tuple[str, str], ...]
    unit: str
    ucum: str
    decimals: int
    category: str


def _vital(label: str, unit: str, ucum: str, decimals: int, *loinc: tuple[str, str]) -> Measure:
    return Measure(label=label, loinc=loinc, unit=unit, ucum=ucum, decimals=decimals, category=VITAL)


def _lab(label: str, unit: str, decimals: int, code: str, display: str) -> Measure:
    return Measure(label=label, loinc=((code, display),), unit=unit, ucum=unit, decimals=decimals, category=LAB)


MEASURES: Final[Mapping[str, Measure]] = {
    "heart_rate": _vital("Heart rate", "/min", "/min", 0, ("8867-4", "Heart rate")),
    "resp_rate": _vital("Respiratory rate", "/min", "/min", 0, ("9279-1", "Respiratory rate")),
    "spo2": _vital(
        "Oxygen saturation",
        "%",
        "%",
        0,
        ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        ("2708-6", "Oxygen saturation in Arterial blood"),
    ),
    "temperature": _vital("Temperature", "°C", "Cel", 1, ("8310-5", "Body temperature")),
    "systolic": _vital("Systolic pressure", "mmHg", "mm[Hg]", 0, ("8480-6", "Systolic blood pressure")),
    "diastolic": _vital("Diastolic pressure", "mmHg", "mm[Hg]", 0, ("8462-4", "Diastolic blood pressure")),
    "mean_pressure": _vital("Mean pressure", "mmHg", "mm[Hg]", 0, ("8478-0", "Mean blood pressure")),
    "gcs": _vital("Glasgow coma score", "", "{score}", 0, ("9269-2", "Glasgow coma score total")),
    "fio2": _vital("Inspired oxygen", "%", "%", 0, ("3150-0", "Inhaled oxygen concentration")),
    "oxygen_flow": _vital("Oxygen flow", "L/min", "L/min", 0, ("3151-8", "Inhaled oxygen flow rate")),
    "urine": _vital("Urine output, 1 h", "mL", "mL", 0, ("9187-6", "Urine output")),
    "weight": _vital("Weight", "kg", "kg", 1, ("29463-7", "Body weight")),
    "height": _vital("Height", "cm", "cm", 0, ("8302-2", "Body height")),
    "creatinine": _lab("Creatinine", "mg/dL", 2, "2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
    "bun": _lab("Urea nitrogen", "mg/dL", 0, "3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"),
    "potassium": _lab("Potassium", "mmol/L", 1, "2823-3", "Potassium [Moles/volume] in Serum or Plasma"),
    "sodium": _lab("Sodium", "mmol/L", 0, "2951-2", "Sodium [Moles/volume] in Serum or Plasma"),
    "chloride": _lab("Chloride", "mmol/L", 0, "2075-0", "Chloride [Moles/volume] in Serum or Plasma"),
    "bicarbonate": _lab("Bicarbonate", "mmol/L", 0, "1963-8", "Bicarbonate [Moles/volume] in Serum or Plasma"),
    "glucose": _lab("Glucose", "mg/dL", 0, "2345-7", "Glucose [Mass/volume] in Serum or Plasma"),
    "calcium": _lab("Calcium", "mg/dL", 1, "17861-6", "Calcium [Mass/volume] in Serum or Plasma"),
    "magnesium": _lab("Magnesium", "mg/dL", 1, "19123-9", "Magnesium [Mass/volume] in Serum or Plasma"),
    "bilirubin": _lab("Bilirubin", "mg/dL", 1, "1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma"),
    "lactate": _lab("Lactate", "mmol/L", 1, "32693-4", "Lactate [Moles/volume] in Blood"),
    "wbc": _lab("White cells", "10*3/uL", 1, "6690-2", "Leukocytes [#/volume] in Blood by Automated count"),
    "platelets": _lab("Platelets", "10*3/uL", 0, "777-3", "Platelets [#/volume] in Blood by Automated count"),
    "haemoglobin": _lab("Haemoglobin", "g/dL", 1, "718-7", "Hemoglobin [Mass/volume] in Blood"),
    "haematocrit": _lab("Haematocrit", "%", 0, "4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"),
    "ph": _lab("pH, arterial", "[pH]", 2, "2744-1", "pH of Arterial blood"),
    "pco2": _lab("pCO2, arterial", "mm[Hg]", 0, "2019-8", "Carbon dioxide [Partial pressure] in Arterial blood"),
    "po2": _lab("pO2, arterial", "mm[Hg]", 0, "2703-7", "Oxygen [Partial pressure] in Arterial blood"),
}

PRESSURE_PANEL: Final = ("85354-9", "Blood pressure panel with all children optional")
CONSCIOUSNESS: Final = ("67775-7", "Level of responsiveness")
ALERTNESS: Final[Mapping[str, tuple[str, str]]] = {
    "alert": ("248234008", "Mentally alert"),
    "confusion": ("130987000", "Acute confusion"),
    "voice": ("300202002", "Responds to voice"),
}

PANELS: Final[Mapping[str, tuple[tuple[str, str], tuple[str, ...]]]] = {
    "chemistry": (
        ("51990-0", "Basic metabolic panel - Blood"),
        (
            "sodium",
            "potassium",
            "chloride",
            "bicarbonate",
            "bun",
            "creatinine",
            "glucose",
            "calcium",
            "magnesium",
            "bilirubin",
        ),
    ),
    "count": (
        ("58410-2", "CBC panel - Blood by Automated count"),
        ("wbc", "haemoglobin", "haematocrit", "platelets"),
    ),
    "gas": (("24336-0", "Gas panel - Arterial blood"), ("ph", "pco2", "po2", "lactate")),
    "lactate": (("32693-4", "Lactate [Moles/volume] in Blood"), ("lactate",)),
}

DRUGS: Final[Mapping[str, tuple[str, str]]] = {
    "vancomycin": ("11124", "vancomycin"),
    "gentamicin": ("1870244", "gentamicin Injection"),
    "ibuprofen": ("5640", "ibuprofen"),
    "paracetamol": ("161", "acetaminophen"),
    "lisinopril": ("29046", "lisinopril"),
    "spironolactone": ("9997", "spironolactone"),
    "furosemide": ("4603", "furosemide"),
    "metformin": ("6809", "metformin"),
    "atorvastatin": ("83367", "atorvastatin"),
    "heparin": ("5224", "heparin"),
    "albuterol": ("435", "albuterol"),
    "prednisone": ("8640", "prednisone"),
    "morphine": ("7052", "morphine"),
    "metoprolol": ("6918", "metoprolol"),
}

ORDERABLE_DRUGS: Final[Mapping[str, tuple[str, str]]] = {
    **DRUGS,
    "amoxicillin": ("723", "amoxicillin"),
    "potassium_chloride": ("8591", "potassium chloride"),
}

PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "pneumonia": ("233604007", "Pneumonia"),
    "urinary_infection": ("68566005", "Urinary tract infection"),
    "osteomyelitis": ("60168000", "Osteomyelitis"),
    "copd": ("13645005", "Chronic obstructive lung disease"),
    "heart_failure": ("84114007", "Heart failure"),
    "hypertension": ("38341003", "Hypertensive disorder"),
    "kidney_disease": ("709044004", "Chronic kidney disease"),
    "diabetes": ("44054006", "Diabetes mellitus type 2"),
    "knee_arthritis": ("239873007", "Osteoarthritis of knee"),
    "gallstones": ("235919008", "Cholelithiasis"),
}

PROCEDURES: Final[Mapping[str, tuple[str, str]]] = {
    "icu_admission": ("305351004", "Admission to intensive care unit"),
    "knee_replacement": ("609588000", "Total knee replacement"),
    "gallbladder_removal": ("45595009", "Laparoscopic cholecystectomy"),
    "chest_xray": ("399208008", "Plain chest X-ray"),
}

SUBSTANCES: Final[Mapping[str, tuple[str, str, str]]] = {
    "penicillin": (SNOMED, "91936005", "Allergy to penicillin"),
}


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """A CodeableConcept of one coding, its display as the text."""
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}
