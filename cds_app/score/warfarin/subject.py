"""Who a dose of warfarin is estimated for: body, genotype, and what is known of drugs and conditions.

What is not known is absent. A missing genotype is never read as the reference one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Race = Literal["asian", "black", "white", "unknown"]
Alleles = tuple[int, int]

SNPS: Final[Mapping[str, tuple[str, str]]] = {
    "rs9923231": ("G", "A"),
    "rs9934438": ("C", "T"),
    "rs2359612": ("C", "T"),
    "rs8050894": ("G", "C"),
    "rs7294": ("G", "A"),
    "rs2884737": ("T", "G"),
    "rs17880887": ("C", "A"),
}
"""Positions in VKORC1 with their two alleles, as the IWPC writes them; of the second one copies are counted."""

RECORDED: Final = (
    "amiodarone",
    "carbamazepine",
    "phenytoin",
    "rifampicin",
    "sulfonamide",
    "macrolide",
    "azole",
    "aspirin",
    "paracetamol",
    "simvastatin",
    "atorvastatin",
    "fluvastatin",
    "lovastatin",
    "pravastatin",
    "rosuvastatin",
    "supplements",
    "smoker",
    "diabetes",
    "heart_failure",
    "valve_replacement",
)
"""What is recorded as yes or no, where it is recorded."""

INDUCERS: Final = ("carbamazepine", "phenytoin", "rifampicin")
"""The enzyme inducers of the IWPC algorithms."""

INDICATIONS: Final = tuple(range(1, 9))
"""1 deep vein thrombosis, 2 pulmonary embolism, 3 atrial fibrillation, 4 valve, 5 cardiomyopathy, 6 stroke, 7 surgery
of joints, 8 other: the codes of the IWPC."""

MEDICINES: Final = (
    "amiodarone",
    "inducer",
    "statin",
    "fibrate",
    "thyroid",
    "digoxin",
    "loop_diuretic",
    "allopurinol",
    "proton_pump",
    "azole",
    "antibiotic",
    "cimetidine",
    "vitamin_k",
    "vitamin_e",
    "fish_oil",
    "nsaid",
    "ssri",
    "steroid",
    "inhibitor",
    "calcium_blocker",
    "metformin",
    "sulfonylurea",
    "beta_blocker",
    "angiotensin",
    "spironolactone",
    "clopidogrel",
    "heparin",
    "cyp2c9_inhibitor",
    "cyp2c9_substrate",
    "antimetabolite",
    "tramadol",
    "none",
)
"""Classes that a list of medicines may name; ``none``: that it names none on purpose."""

CONDITIONS: Final = (
    "hypertension",
    "cancer",
    "liver",
    "kidney",
    "thyroid",
    "atrial_fibrillation",
    "heart_failure",
    "thrombosis",
    "stroke",
    "lipids",
    "coronary",
    "valve",
    "obesity",
    "lung",
    "stenosis",
)
"""Groups that a list of conditions may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What a list in free text names, and that there is a list.

    Parameters
    ----------
    named : frozenset of str
        Of `MEDICINES` or `CONDITIONS`.
    entries : int
        How many entries it has, but for those that deny something.
    """

    named: frozenset[str]
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The INR that is aimed at; its value is the middle of the range where only that is known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One person.

    Parameters
    ----------
    age_decade : int or None
        Full decades of life: 6 from 60 to 69 years, 9 from 90 on.
    male, hispanic : bool or None
    height_cm, weight_kg : float or None
    vkorc1 : mapping of str to int
        Of `SNPS` those that were typed: copies of the second allele.
    cyp2c9 : tuple of int or None
        The two star alleles.
    recorded : mapping of str to bool
        Of `RECORDED` those that someone has answered.
    indications : frozenset of int or None
        Of `INDICATIONS`.
    medicines, conditions : Listed or None
        None where there is no list.
    """

    age_decade: int | None = None
    male: bool | None = None
    race: Race = "unknown"
    hispanic: bool | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    vkorc1: Mapping[str, int] = field(default_factory=dict)
    cyp2c9: Alleles | None = None
    recorded: Mapping[str, bool] = field(default_factory=dict)
    indications: frozenset[int] | None = None
    target_inr: Target | None = None
    medicines: Listed | None = None
    conditions: Listed | None = None

    @property
    def sensitive_alleles(self) -> int | None:
        """Copies of VKORC1 -1639 A (rs9923231), from a linked position where it was not typed.

        As the IWPC did (NEJM 2009;360:753, appendix): 1173 C>T stands in for everybody, 2255 C>T and 1542 G>C only
        where the race is known and not Black, for in Africans these are not linked. None where none was typed, or
        where -1639 and 1173 contradict each other in both alleles.
        """
        if self.contradicts_itself:
            return None
        asked = ("rs9923231", "rs9934438")
        linked = ("rs2359612", "rs8050894") if self.race in ("asian", "white") else ()
        return next((self.vkorc1[snp] for snp in (*asked, *linked) if snp in self.vkorc1), None)

    @property
    def contradicts_itself(self) -> bool:
        """Whether -1639 and 1173, which are inherited together, are opposite homozygotes."""
        pair = [self.vkorc1.get(snp) for snp in ("rs9923231", "rs9934438")]
        return set(pair) == {0, 2}

    def copies(self, star: int) -> int | None:
        """How many of the two CYP2C9 alleles are this one; None where they are not known."""
        return None if self.cyp2c9 is None else self.cyp2c9.count(star)
