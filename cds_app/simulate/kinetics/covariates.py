"""What models ask of a patient: measured values, quantities worked out from them, and the published rules about both.

Sources of what is worked out: creatinine clearance, Cockcroft and Gault, Nephron 1976;16:31, on actual weight; body
surface, Du Bois and Du Bois, Arch Intern Med 1916;17:863; lean body mass, James 1976; fat-free mass, Al-Sallami, Clin
Pharmacokinet 2015;54:1183, as used by Eleveld 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from cds_app.score.clinical.kidney import Number, cockcroft_gault

Sex = Literal["female", "male"]
MG_DL_TO_UMOL_L: Final = 88.42
_ML_PER_MIN_TO_L_PER_H: Final = 0.06
_USUAL_BSA_M2: Final = 1.73


@dataclass(frozen=True, slots=True, kw_only=True)
class Imputed:
    """What a quantity most likely is where nobody measured it lately: its 90 % interval.

    The value itself stands where a measured one would.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariates:
    """A patient as models see them. None is unknown.

    Parameters
    ----------
    age_years, weight_kg, height_cm, creatinine_mg_dl, haematocrit_percent : float or None
    sex : {"female", "male"} or None
    dialysis : bool
    intensive_care : bool
        Whether the patient is known to be there.
    conditions : frozenset of str
        Problems of the ontology, as far as a model asks for them, that the patient is known to have.
    baseline_inr : float or None
        Before any anticoagulant.
    days_since_transplant : float or None
        Of a kidney.
    genotypes : mapping of str to str
        Diplotypes as called: ``{"CYP2C9": "*1/*3", "VKORC1": "AG", "CYP3A5": "*3/*3"}``. A gene that was not called is
        absent; it is never taken as reference.
    flags : mapping of str to bool
        Circumstances that some models ask for: ``OPIOID``, ``PROLONGED_RELEASE``.
    imputed : mapping of str to Imputed
        By field: which of the values were not measured.
    stale_h : mapping of str to float
        By field: how old the last measurement is of what is unknown as that is too old to count, hours.
    """

    age_years: float | None = None
    weight_kg: float | None = None
    height_cm: float | None = None
    sex: Sex | None = None
    creatinine_mg_dl: float | None = None
    haematocrit_percent: float | None = None
    dialysis: bool = False
    intensive_care: bool = False
    conditions: frozenset[str] = frozenset()
    baseline_inr: float | None = None
    days_since_transplant: float | None = None
    genotypes: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)
    imputed: Mapping[str, Imputed] = field(default_factory=dict)
    stale_h: Mapping[str, float] = field(default_factory=dict)

    def with_creatinine(self, value_mg_dl: float) -> Covariates:
        """The same patient with another creatinine."""
        return replace(self, creatinine_mg_dl=value_mg_dl)

    def ends(self) -> Iterator[Covariates]:
        """The same patient with each imputed value at each end of its interval, as if it had been measured."""
        for name, one in self.imputed.items():
            for end in (one.low, one.high):
                changed: dict[str, Any] = {"imputed": {}, name: end}
                yield replace(self, **changed)


MEASURED: Final[Mapping[str, str]] = {
    "AGE": "age_years",
    "WT": "weight_kg",
    "HT": "height_cm",
    "SCR": "creatinine_mg_dl",
    "HCT": "haematocrit_percent",
    "INR0": "baseline_inr",
    "TX_DAYS": "days_since_transplant",
}
"""Names in formulas, and the fields of `Covariates` that they stand for."""

DERIVED: Final[Mapping[str, tuple[str, ...]]] = {
    "MALE": ("sex",),
    "CRCL": ("AGE", "WT", "SCR", "MALE"),
    "CRCL_L_H": ("CRCL",),
    "BMI": ("WT", "HT"),
    "BSA": ("WT", "HT"),
    "CRCL_BSA": ("CRCL", "BSA"),
    "FFM": ("AGE", "MALE", "WT", "HT"),
    "LBM": ("MALE", "WT", "HT"),
    "SCR_UMOL": ("SCR",),
}
"""Names in formulas that are worked out, and from what."""


def fields_of(name: str) -> frozenset[str]:
    """Fields of `Covariates` that a name in a formula rests on; none for a name that is no covariate."""
    if name in MEASURED:
        return frozenset({MEASURED[name]})
    found = [fields_of(one) or {one} for one in DERIVED.get(name, ())]
    return frozenset().union(*found)


def derive(name: str, known: Mapping[str, Number]) -> Number:
    """Work one quantity out from others that are known already, elementwise where they are arrays."""
    return _RULES[name](known)


def _crcl(known: Mapping[str, Number]) -> Number:
    return cockcroft_gault(known["SCR"], known["AGE"], "male" if known["MALE"] else "female", known["WT"])


def _bsa(known: Mapping[str, Number]) -> Number:
    return 0.007184 * known["WT"] ** 0.425 * known["HT"] ** 0.725


def _bmi(known: Mapping[str, Number]) -> Number:
    return known["WT"] / (known["HT"] / 100.0) ** 2


def _ffm(known: Mapping[str, Number]) -> Number:
    age, weight = known["AGE"], known["WT"]
    if known["MALE"]:
        mature = 0.88 + (1.0 - 0.88) / (1.0 + (age / 13.4) ** -12.7)
        return mature * 9270.0 * weight / (6680.0 + 216.0 * _bmi(known))
    mature = 1.11 + (1.0 - 1.11) / (1.0 + (age / 7.1) ** -1.1)
    return mature * 9270.0 * weight / (8780.0 + 244.0 * _bmi(known))


def _lbm(known: Mapping[str, Number]) -> Number:
    """James's formula turns back at a body mass index of 37 (women) to 42 (men): models that use it end before."""
    share, square = (1.10, 128.0) if known["MALE"] else (1.07, 148.0)
    return share * known["WT"] - square * (known["WT"] / known["HT"]) ** 2


_RULES: Final[Mapping[str, Callable[[Mapping[str, Number]], Number]]] = {
    "CRCL": _crcl,
    "CRCL_L_H": lambda known: known["CRCL"] * _ML_PER_MIN_TO_L_PER_H,
    "BMI": _bmi,
    "BSA": _bsa,
    "CRCL_BSA": lambda known: known["CRCL"] * _USUAL_BSA_M2 / known["BSA"],
    "FFM": _ffm,
    "LBM": _lbm,
    "SCR_UMOL": lambda known: known["SCR"] * MG_DL_TO_UMOL_L,
}
